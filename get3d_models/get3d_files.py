"""Official GET3D checkpoints: ``{'G_ema': state_dict, ...}`` as GET3D's training writes them.

The configuration follows from the tensors' shapes; what shapes cannot tell comes from a preset named after the file, or
from the caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from get3d_models.config import FREE_ENTRIES, PRESETS, GeneratorConfig
from get3d_models.errors import InputError

NAME_LENGTH = 120  # of names that come from files, in messages

# Official prefix of a tensor's name, and ours.
PREFIXES = (
    ("synthesis.generator.tri_plane_synthesis.", "synthesis."),
    ("synthesis.generator.mlp_synthesis_sdf.", "sdf_decoder."),
    ("synthesis.generator.mlp_synthesis_def.", "deformation_decoder."),
    ("synthesis.generator.mlp_synthesis_weight.", "weight_decoder."),
    ("synthesis.generator.mlp_synthesis_tex.", "texture_decoder."),
    ("synthesis.to_rgb.", "to_rgb."),
    ("mapping_geo.", "mapping_geometry."),
    ("mapping.", "mapping_texture."),
)


def official_shape(
    state: Mapping[Any, Any], path: Path, overrides: Mapping[str, Any]
) -> tuple[GeneratorConfig, dict[str, Tensor]]:
    """Configuration and state, in our names, of an official generator's state; InputError says what does not fit."""
    renamed = official_state({str(k): v for k, v in state.items()}, str(path))
    return infer_config(renamed, str(path), **{**PRESETS.get(path.stem, {}), **overrides}), renamed


def official_state(state: Mapping[str, Tensor], source: str = "the checkpoint") -> dict[str, Tensor]:
    """An official generator state under our names; InputError names the first key that belongs to no part of GET3D."""
    renamed = {}
    for key, tensor in state.items():
        ours = next((new + key[len(old) :] for old, new in PREFIXES if key.startswith(old)), None)
        if ours is None or not isinstance(tensor, Tensor):
            unknown = key[:NAME_LENGTH]
            raise InputError(f"{source} is not a GET3D generator (it holds an unknown {unknown!r}); give another file")
        renamed[ours] = tensor
    return renamed


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
    if any(k.startswith("weight_decoder.") for k in state):  # FlexiCubes has a decoder more
        sizes |= {"iso_surface": "flexicubes", "grid": "cubes"}
    return overridden(GeneratorConfig.from_dict(sizes), chosen, source)


def overridden(config: GeneratorConfig, overrides: Mapping[str, Any], source: object) -> GeneratorConfig:
    """The configuration with other free entries. Sizes may be given too, if they are what the tensors say."""
    known = config.to_dict()
    told = (set(known) - set(FREE_ENTRIES)) | {"iso_surface"}  # a decoder more or less decides that one
    clash = sorted(k for k, v in overrides.items() if k in told and v != known[k])
    if clash:
        raise InputError(f"{source}: {', '.join(clash)} follows from the file's tensors; leave it out")
    return GeneratorConfig.from_dict({**known, **overrides})
