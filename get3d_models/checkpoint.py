"""Generator files: the official checkpoint layout, our own format, and what to say about anything else.

Official: ``{'G_ema': state_dict, ...}`` as GET3D's training writes it. The configuration follows from the tensors'
shapes; what shapes cannot tell comes from a preset named after the file, or from the caller.
Own: one safetensors file with the configuration in its metadata.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from get3d_models.config import PRESETS, GeneratorConfig
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.safe_loading import read_checkpoint

NATIVE_FORMAT = "drag3d-get3d-1"

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


def read_generator(path: Path, name: str | None = None, **overrides: Any) -> Generator:
    """The generator in a native or an official file, told apart by content.

    ``overrides`` are entries of :class:`GeneratorConfig` that tensors cannot tell (scale, grid, grid_resolution, ...).
    Raises InputError, in one line, for anything that is not a complete and finite generator.
    """
    name = name or path.stem
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:9] == b"{":
        config, state = _read_native(path, overrides)
    else:
        config, state = _read_official(path, overrides)
    return build(config, state, name, str(path))


def build(config: GeneratorConfig, state: Mapping[str, Tensor], name: str, source: str) -> Generator:
    """A frozen generator from a complete state; every tensor of it is used, or InputError says which cannot be."""
    with torch.device("meta"):  # sizes first: nothing is allocated for a file whose tensors do not fit
        generator = Generator(config, name)
    expected = generator.state_dict()
    missing = sorted(set(expected) - set(state))
    surplus = sorted(set(state) - set(expected))
    if missing or surplus:
        said = [f"{len(v)} {k} ({', '.join(v[:2])}{', ...' if len(v) > 2 else ''})"
                for k, v in (("missing", missing), ("unknown", surplus)) if v]  # fmt: skip
        raise InputError(f"{source} is not a complete GET3D generator: tensors {' and '.join(said)}")
    for key, tensor in state.items():
        if tuple(tensor.shape) != tuple(expected[key].shape):
            shapes = f"{tuple(tensor.shape)}, expected {tuple(expected[key].shape)}"
            raise InputError(f"{source} is inconsistent: tensor {key} has shape {shapes}")
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{source} is corrupt: tensor {key} holds values that are not finite numbers")
    generator.load_state_dict({k: v.detach().to(torch.float32).clone() for k, v in state.items()}, assign=True)
    return generator.requires_grad_(False).eval()


def write_generator(path: Path, generator: Generator, note: str = "") -> None:
    """Write the native format, atomically; the same generator always gives the same bytes."""
    metadata = {
        "format": NATIVE_FORMAT,
        "name": generator.name,
        "config": json.dumps(generator.config.to_dict()),
        "note": note,
    }
    state = {k: v.detach().cpu().contiguous().clone() for k, v in generator.state_dict().items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(state, temporary, metadata=metadata)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def infer_config(state: Mapping[str, Tensor], source: str, **chosen: Any) -> GeneratorConfig:
    """The configuration of a state in our naming; ``chosen`` fills in what shapes cannot tell."""
    try:
        blocks = sorted({int(m[1]) for k in state if (m := re.match(r"synthesis\.b(\d+)\.conv1\.weight$", k))})
        hidden = sum(1 for k in state if re.match(r"sdf_decoder\.layers\.\d+\.weight$", k)) - 1
        texture = state[f"texture_decoder.layers.{hidden}.weight"]
        sizes: dict[str, Any] = {
            "z_dim": state["mapping_geometry.fc0.weight"].shape[1],
            "w_dim": state["mapping_geometry.fc0.weight"].shape[0],
            "mapping_layers": sum(1 for k in state if re.match(r"mapping_geometry\.fc\d+\.weight$", k)),
            "channels": tuple(state[f"synthesis.b{r}.conv1.weight"].shape[0] for r in blocks),
            "plane_channels": state["synthesis.b4.togeo.weight"].shape[0] // 3,
            "decoder_width": state["sdf_decoder.layers.0.weight"].shape[0] if hidden else 32,
            "decoder_layers": hidden,
            "texture_features": texture.shape[0],
        }
    except (KeyError, IndexError) as error:
        raise InputError(f"{source} is not a GET3D generator: it has no tensor {error}") from None
    clash = sorted(k for k in chosen if k in sizes and chosen[k] != sizes[k])
    if clash:
        raise InputError(f"{source}: {', '.join(clash)} follows from the file's tensors and cannot be overridden")
    return GeneratorConfig(**{**sizes, **chosen})


def official_state(state: Mapping[str, Tensor], source: str = "the checkpoint") -> dict[str, Tensor]:
    """An official generator state under our names; InputError names the first key that belongs to no part of GET3D."""
    renamed = {}
    for key, tensor in state.items():
        if key.startswith("synthesis.generator.mlp_synthesis_weight."):
            raise InputError(
                f"{source} was trained with FlexiCubes, which is not supported yet; only DMTet models load"
            )
        ours = next((new + key[len(old) :] for old, new in PREFIXES if key.startswith(old)), None)
        if ours is None or not isinstance(tensor, Tensor):
            raise InputError(f"{source} is not a GET3D generator: it holds an unknown tensor {key!r}")
        renamed[ours] = tensor
    return renamed


def _read_native(path: Path, overrides: dict[str, Any]) -> tuple[GeneratorConfig, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != NATIVE_FORMAT:
                raise InputError(f"{path} is a safetensors file, but not one of drag3d's generators ({NATIVE_FORMAT})")
            config = json.loads(metadata["config"])
            state = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is a damaged generator file ({_one_line(error)}); get it again") from None
    if not isinstance(config, dict):
        raise InputError(f"{path} is a damaged generator file (its configuration is not an object); get it again")
    stored = GeneratorConfig.from_dict(config)
    free = {k: v for k, v in overrides.items() if v is not None}
    return GeneratorConfig.from_dict({**stored.to_dict(), **free}), state


def _read_official(path: Path, overrides: dict[str, Any]) -> tuple[GeneratorConfig, dict[str, Tensor]]:
    content = read_checkpoint(path, top_level_keys=("G_ema",))
    if not isinstance(content, Mapping) or not isinstance(content.get("G_ema"), Mapping):
        raise InputError(f"{path} is not a GET3D checkpoint: it has no 'G_ema' with the averaged generator's tensors")
    state = official_state({str(k): v for k, v in content["G_ema"].items()}, str(path))
    chosen = {**PRESETS.get(path.stem, {}), **{k: v for k, v in overrides.items() if v is not None}}
    return infer_config(state, str(path), **chosen), state


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]
