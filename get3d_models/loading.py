"""``load``: a generator by the name of an embedded model or by the path of a file."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from get3d_models.devices import full_precision
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models.generator import Generator
    from get3d_models.stylegan2 import ImageGenerator

SUFFIX = ".safetensors"
_PACKAGE = Path(__file__).resolve().parent
# In a wheel the models lie inside the package; in a checkout at its top.
_FOLDERS = (_PACKAGE / "assets", _PACKAGE.parent / "assets" / "models")


def embedded_models() -> dict[str, Path]:
    """The embedded models by name; beside each file lies its card, of the same name with the suffix ``.md``."""
    return {p.stem: p for folder in reversed(_FOLDERS) for p in sorted(folder.glob(f"*{SUFFIX}"))}


def load(name_or_path: str | Path, device: str = "cpu", **overrides: Any) -> Generator | ImageGenerator:
    """A frozen generator, from the name of an embedded model or the path of a file of any known kind.

    Whether it makes shapes or images follows from the content (``.kind``). ``overrides``, for shapes only, replace
    entries of :class:`get3d_models.GeneratorConfig` that tensors cannot tell: ``scale``, ``grid``,
    ``grid_resolution``, ``deformation_multiplier``, ``conv_clamp`` (None for none). A device other than the processor
    computes in full float32 from then on (:func:`get3d_models.devices.full_precision`). Raises InputError, in one
    line, for everything that cannot be loaded.
    """
    from get3d_models.checkpoint import read_generator

    generator = read_generator(resolve(name_or_path), **overrides)
    if device != "cpu":
        full_precision()
    try:
        return generator.to(device)
    except (RuntimeError, AssertionError) as error:  # torch says the latter where it was built without CUDA
        said = str(error).split("\n", maxsplit=1)[0][:160]
        raise InputError(f"the device {device!r} cannot be used ({said}); 'cpu' always can") from None


def resolve(name_or_path: str | Path) -> Path:
    """The file behind an embedded name or a path; InputError suggests the nearest name when there is none."""
    text = str(name_or_path)
    models = embedded_models()
    if text in models:
        return models[text]
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            raise InputError(f"{path} is a directory; give the checkpoint file inside it")
        if path.is_file():
            return path
        if path.parent != Path() and not path.parent.is_dir():
            raise InputError(f"there is no directory {path.parent}, so no model file {path.name} in it")
    except (OSError, RuntimeError) as error:  # a forbidden or over-long path; a home directory nobody has
        said = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"no model {text[:120]!r} ({said}): give an embedded name or the path of a file") from None
    nearest = difflib.get_close_matches(text, models, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"embedded models: {', '.join(models) or 'none'}."
    raise InputError(f"no model {text[:120]!r}: {hint} Or give the path of a checkpoint file.")
