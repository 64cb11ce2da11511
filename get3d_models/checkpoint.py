"""Generator files: the official checkpoint layout, our own format, and what to say about anything else.

Official: ``{'G_ema': state_dict, ...}`` as GET3D's training writes it. The configuration follows from the tensors'
shapes; what shapes cannot tell comes from a preset named after the file, or from the caller.
Own: one safetensors file whose only metadata entry, the version, holds name, configuration and a note as JSON: with
several entries, the same generator would not always give the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from get3d_models.config import FREE_ENTRIES, PRESETS, GeneratorConfig
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.safe_loading import read_checkpoint

NATIVE_FORMAT = "drag3d-get3d-1"
NAME_LENGTH = 120  # of names that come from files, in messages

# Official prefix of a tensor's name, and ours.
PREFIXES = (
    ("synthesis.generator.tri_plane_synthesis.", "synthesis."),
    ("synthesis.generator.mlp_synthesis_sdf.", "sdf_decoder."),
    ("synthesis.generator.mlp_synthesis_def.", "deformation_decoder."),
    ("synthesis.generator.mlp_synthesis_tex.", "texture_decoder."),
    ("synthesis.to_rgb.", "to_rgb."),
    ("mapping_geo.", "mapping_geometry."),
    ("mapping.", "mapping_texture."),
)


@dataclass(frozen=True)
class NativeHeader:
    """What a native file says besides its tensors."""

    name: str
    config: GeneratorConfig
    note: str


def read_generator(path: Path, name: str | None = None, **overrides: Any) -> Generator:
    """The generator in a native or an official file, told apart by content; named after the file by default.

    ``overrides`` are entries of :class:`GeneratorConfig` that tensors cannot tell (scale, grid, grid_resolution, ...).
    Raises InputError, in one line, for anything that is not a complete and finite generator.
    """
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    if head[8:9] == b"{":
        header, state = _read_native(path)
        return build(_overridden(header.config, overrides, path), state, name or path.stem, str(path))
    config, state = _read_official(path, overrides)
    return build(config, state, name or path.stem, str(path))


def read_header(path: Path) -> NativeHeader:
    """Name, configuration and note of a native file, without its tensors; InputError for any other file."""
    return _read_native(path, with_tensors=False)[0]


def build(config: GeneratorConfig, state: Mapping[str, Tensor], name: str, source: str) -> Generator:
    """A frozen generator from a complete state; every tensor of it is used, or InputError says which cannot be."""
    with torch.device("meta"):  # sizes first: nothing is allocated for a file whose tensors do not fit
        generator = Generator(config, name)
    expected = generator.state_dict()
    missing = sorted(set(expected) - set(state))
    surplus = sorted(set(state) - set(expected))
    if missing or surplus:
        said = [f"{len(v)} {k} ({', '.join(n[:NAME_LENGTH] for n in v[:2])}{', ...' if len(v) > 2 else ''})"
                for k, v in (("missing", missing), ("unknown", surplus)) if v]  # fmt: skip
        raise InputError(f"{source} is not a complete GET3D generator (tensors {' and '.join(said)}); get it again")
    return _filled(generator, {k: _usable(k, state[k], expected[k], source) for k in expected})


def _usable(key: str, tensor: Tensor, expected: Tensor, source: str) -> Tensor:
    """A float32 copy of a tensor of the right shape that holds finite numbers."""
    if tensor.shape != expected.shape:
        shapes = f"{tuple(tensor.shape)}, expected {tuple(expected.shape)}"
        raise InputError(f"{source} is inconsistent: tensor {key} has shape {shapes}; get it again")
    if not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        raise InputError(f"{source} is corrupt: tensor {key} holds {kind} numbers instead of floats; get it again")
    copy = tensor.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    if not bool(torch.isfinite(copy).all()):
        raise InputError(f"{source} is corrupt: tensor {key} holds NaN or infinite numbers; get it again")
    return copy


def _filled(generator: Generator, state: dict[str, Tensor]) -> Generator:
    generator.load_state_dict(state, assign=True)
    return generator.requires_grad_(False).eval()


def write_generator(path: Path, generator: Generator, note: str = "") -> None:
    """Write the native format, atomically; the same generator always gives the same bytes."""
    about = {"config": generator.config.to_dict(), "name": generator.name, "note": note}
    state = {k: v.detach().cpu().contiguous().clone() for k, v in generator.state_dict().items()}
    content = save(state, metadata={NATIVE_FORMAT: json.dumps(about, allow_nan=False)})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def infer_config(state: Mapping[str, Tensor], source: str, **chosen: Any) -> GeneratorConfig:
    """The configuration of a state in our naming; ``chosen`` fills in what shapes cannot tell."""

    def numbers(pattern: str) -> list[int]:
        return sorted({int(m[1]) for k in state if (m := re.fullmatch(pattern, k))})

    blocks = numbers(r"synthesis\.b([0-9]{1,6})\.\w+\.weight")
    hidden = max(numbers(r"\w+_decoder\.layers\.([0-9]{1,6})\.weight"), default=0)

    def size(key: str, axis: int = 0) -> int:
        if key not in state or state[key].ndim <= axis:
            raise InputError(f"{source} is not a GET3D generator (it has no usable tensor {key}); give another file")
        return state[key].shape[axis]

    sizes: dict[str, Any] = {
        "z_dim": size("mapping_geometry.fc0.weight", 1),
        "w_dim": size("mapping_geometry.fc0.weight"),
        "mapping_layers": max(numbers(r"mapping_\w+\.fc([0-9]{1,6})\.weight"), default=0) + 1,
        "plane_channels": size("synthesis.b4.togeo.weight") // 3,
        "channels": tuple(size(f"synthesis.b{r}.conv1.weight") for r in blocks),
        "decoder_width": size("sdf_decoder.layers.0.weight") if hidden else GeneratorConfig.decoder_width,
        "decoder_layers": hidden,
        "texture_features": size(f"texture_decoder.layers.{hidden}.weight"),
    }
    return _overridden(GeneratorConfig.from_dict(sizes), chosen, source)


def official_state(state: Mapping[str, Tensor], source: str = "the checkpoint") -> dict[str, Tensor]:
    """An official generator state under our names; InputError names the first key that belongs to no part of GET3D."""
    renamed = {}
    for key, tensor in state.items():
        if key.startswith("synthesis.generator.mlp_synthesis_weight."):
            raise InputError(f"{source} was trained with FlexiCubes, which is not supported; only DMTet models load")
        ours = next((new + key[len(old) :] for old, new in PREFIXES if key.startswith(old)), None)
        if ours is None or not isinstance(tensor, Tensor):
            unknown = key[:NAME_LENGTH]
            raise InputError(f"{source} is not a GET3D generator (it holds an unknown {unknown!r}); give another file")
        renamed[ours] = tensor
    return renamed


def _overridden(config: GeneratorConfig, overrides: Mapping[str, Any], source: object) -> GeneratorConfig:
    """The configuration with other free entries. Sizes may be given too, if they are what the tensors say."""
    known = config.to_dict()
    clash = sorted(k for k, v in overrides.items() if k in known and k not in FREE_ENTRIES and v != known[k])
    if clash:
        raise InputError(f"{source}: {', '.join(clash)} follows from the file's tensors; leave it out")
    return GeneratorConfig.from_dict({**known, **overrides})


def _read_native(path: Path, with_tensors: bool = True) -> tuple[NativeHeader, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if NATIVE_FORMAT not in metadata:
                raise InputError(
                    f"{path} is a safetensors file, but not one of drag3d's generators ({NATIVE_FORMAT}); give another"
                )
            header = _header(metadata[NATIVE_FORMAT], path)
            state = {k: file.get_tensor(k) for k in file.keys()} if with_tensors else {}  # noqa: SIM118 (not a dict)
    except (SafetensorError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is a damaged generator file ({str(error)[:NAME_LENGTH]}); get it again") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    return header, state


def _header(text: str, path: Path) -> NativeHeader:
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
    try:
        config = GeneratorConfig.from_dict(about["config"])
    except InputError as error:
        raise InputError(f"{path} is a damaged generator file: {error}; get it again") from None
    return NativeHeader(about["name"], config, about["note"])


def _read_official(path: Path, overrides: dict[str, Any]) -> tuple[GeneratorConfig, dict[str, Tensor]]:
    content = read_checkpoint(path, top_level_keys=("G_ema",))
    if not isinstance(content, Mapping) or not isinstance(content.get("G_ema"), Mapping):
        raise InputError(
            f"{path} is not a GET3D checkpoint (it has no 'G_ema' with the averaged generator's tensors); give another"
        )
    state = official_state({str(k): v for k, v in content["G_ema"].items()}, str(path))
    return infer_config(state, str(path), **{**PRESETS.get(path.stem, {}), **overrides}), state
