"""Our own generator files: one safetensors file for either kind of generator.

The only metadata entry, the version of the format, tells the kind and holds name, configuration and a note as JSON:
with several entries, the same generator would not always give the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from get3d_models.config import GeneratorConfig
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator

NATIVE_FORMAT = "drag3d-get3d-1"
NATIVE_IMAGE_FORMAT = "drag3d-stylegan2-1"
SAID = 120  # characters of other libraries' complaints, in messages


@dataclass(frozen=True)
class NativeHeader:
    """What a native file says besides its tensors."""

    name: str
    config: GeneratorConfig | ImageConfig
    note: str


def is_safetensors(path: Path) -> bool:
    """Whether a file starts as safetensors do; InputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(9)[8:9] == b"{"
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def write_generator(path: Path, generator: Generator | ImageGenerator, note: str = "") -> None:
    """Write the native format, atomically; the same generator always gives the same bytes."""
    about = {"config": generator.config.to_dict(), "name": generator.name, "note": note}
    state = {k: v.detach().cpu().contiguous().clone() for k, v in generator.state_dict().items()}
    version = NATIVE_IMAGE_FORMAT if isinstance(generator, ImageGenerator) else NATIVE_FORMAT
    content = save(state, metadata={version: json.dumps(about, allow_nan=False)})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_header(path: Path) -> NativeHeader:
    """Name, configuration and note of a native file, without its tensors; InputError for any other file."""
    header, _ = read_safetensors(path, with_tensors=False)
    if header is None:
        raise not_ours(path)
    return header


def not_ours(path: Path) -> InputError:
    """What to raise for a safetensors file of something else."""
    known = f"{NATIVE_FORMAT} or {NATIVE_IMAGE_FORMAT}"
    return InputError(f"{path} is a safetensors file, but not one of drag3d's generators ({known}); give another")


def read_safetensors(path: Path, with_tensors: bool = True) -> tuple[NativeHeader | None, dict[str, Tensor]]:
    """Header and tensors of a safetensors file; no header where the file is not one of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            kind = next((version for version in (NATIVE_FORMAT, NATIVE_IMAGE_FORMAT) if version in metadata), None)
            header = None if kind is None else _header(metadata[kind], kind, path)
            state = {k: file.get_tensor(k) for k in file.keys()} if with_tensors else {}  # noqa: SIM118 (not a dict)
    except (SafetensorError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is a damaged generator file ({str(error)[:SAID]}); get it again") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    return header, state


def _header(text: str, kind: str, path: Path) -> NativeHeader:
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        about = None
    if (
        not isinstance(about, dict)
        or set(about) != {"config", "name", "note"}
        or not isinstance(about["config"], dict)
        or not all(isinstance(about[k], str) for k in ("name", "note"))
    ):
        raise InputError(f"{path} is a damaged generator file (its description makes no sense); get it again")
    configuration = ImageConfig if kind == NATIVE_IMAGE_FORMAT else GeneratorConfig
    try:
        config = configuration.from_dict(about["config"])
    except InputError as error:
        raise InputError(f"{path} is a damaged generator file: {error}; get it again") from None
    return NativeHeader(about["name"], config, about["note"])
