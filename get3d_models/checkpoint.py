"""Generator files of every kind: one entry point, which decides by content what a file is.

Read are our own format (:mod:`get3d_models.native_files`), official GET3D checkpoints (:mod:`get3d_models.get3d_files`)
and StyleGAN2 files of every origin (:mod:`get3d_models.stylegan2_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from get3d_models.config import GeneratorConfig
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.get3d_files import infer_config, official_shape, official_state, overridden
from get3d_models.image_config import ImageConfig
from get3d_models.native_files import (
    NATIVE_FORMAT,
    NATIVE_IMAGE_FORMAT,
    NativeHeader,
    is_safetensors,
    not_ours,
    read_header,
    read_safetensors,
    write_generator,
)
from get3d_models.safe_loading import PickledModule, read_checkpoint
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.stylegan2_files import FoundImage, completed, estimate_average, find_image, from_state, image_config

__all__ = [
    "NATIVE_FORMAT",
    "NATIVE_IMAGE_FORMAT",
    "ModelFile",
    "NativeHeader",
    "build",
    "infer_config",
    "official_state",
    "open_model",
    "read_generator",
    "read_header",
    "write_generator",
]

NAME_LENGTH = 120  # of names that come from files, in messages
AVERAGED = ("G_ema", "g_ema", "latent_avg")


@dataclass(frozen=True)
class ModelFile:
    """A generator and how it lay in its file."""

    generator: Generator | ImageGenerator
    layout: str
    """What a person calls such a file."""
    name: str
    """What the file itself calls the generator; the file's name where it does not say."""
    note: str = ""
    """What a native file says of its origin."""
    source_sha256: str | None = None
    """Of the source code that the file carried, which was ignored."""
    notes: tuple[str, ...] = ()
    """What was not in the file, and what stands for it."""


def read_generator(path: Path, name: str | None = None, **overrides: Any) -> Generator | ImageGenerator:
    """The generator in a file of any kind, told apart by content; named after the file by default.

    ``overrides`` are entries of :class:`GeneratorConfig` that tensors cannot tell (scale, grid, grid_resolution, ...).
    Raises InputError, in one line, for anything that is not a complete and finite generator.
    """
    return open_model(path, name, **overrides).generator


def open_model(path: Path, name: str | None = None, **overrides: Any) -> ModelFile:
    """As :func:`read_generator`, together with how the generator lay in the file."""
    name, source = name or path.stem, str(path)
    if is_safetensors(path):
        header, state = read_safetensors(path)
        if header is not None:
            config = _chosen(header.config, overrides, source)
            return ModelFile(build(config, state, name, source), "a file of drag3d's own", header.name, header.note)
        found = from_state(state, None, source)
        if found is None:
            raise not_ours(path)
        return _image(found, name, source, overrides)
    content = _content(path)
    found = find_image(content, source)
    if found is not None:
        return _image(found, name, source, overrides)
    if not isinstance(content, Mapping) or not isinstance(content.get("G_ema"), Mapping):
        raise InputError(
            f"{path} is not a checkpoint of GET3D or StyleGAN2 (it has no 'G_ema' or 'g_ema' with the averaged "
            "generator's tensors); give another"
        )
    shape, renamed = official_shape(content["G_ema"], path, overrides)
    return ModelFile(build(shape, renamed, name, source), "a GET3D checkpoint", name)


def build(
    config: GeneratorConfig | ImageConfig, state: Mapping[str, Tensor], name: str, source: str
) -> Generator | ImageGenerator:
    """A frozen generator from a complete state; every tensor of it is used, or InputError says which cannot be."""
    generator = _empty(config, name)
    expected = generator.state_dict()
    missing = sorted(set(expected) - set(state))
    surplus = sorted(set(state) - set(expected))
    if missing or surplus:
        kind = "StyleGAN2" if isinstance(config, ImageConfig) else "GET3D"
        said = [f"{len(v)} {k} ({', '.join(n[:NAME_LENGTH] for n in v[:2])}{', ...' if len(v) > 2 else ''})"
                for k, v in (("missing", missing), ("unknown", surplus)) if v]  # fmt: skip
        raise InputError(f"{source} is not a complete {kind} generator (tensors {' and '.join(said)}); get it again")
    generator.load_state_dict({k: _usable(k, state[k], expected[k], source) for k in expected}, assign=True)
    return generator.requires_grad_(False).eval()


def _empty(config: GeneratorConfig | ImageConfig, name: str) -> Generator | ImageGenerator:
    """A generator whose tensors have sizes only: nothing is allocated for a file whose tensors do not fit."""
    with torch.device("meta"):
        return ImageGenerator(config, name) if isinstance(config, ImageConfig) else Generator(config, name)


def _usable(key: str, tensor: Tensor, expected: Tensor, source: str) -> Tensor:
    """A float32 copy of a tensor of the right shape that holds finite numbers, laid out as is expected."""
    if tensor.shape != expected.shape:
        shapes = f"{tuple(tensor.shape)}, expected {tuple(expected.shape)}"
        raise InputError(f"{source} is inconsistent: tensor {key} has shape {shapes}; get it again")
    if not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        raise InputError(f"{source} is corrupt: tensor {key} holds {kind} numbers instead of floats; get it again")
    copy = torch.empty_strided(expected.shape, expected.stride(), dtype=torch.float32).copy_(tensor.detach())
    if not bool(torch.isfinite(copy).all()):
        raise InputError(f"{source} is corrupt: tensor {key} holds NaN or infinite numbers; get it again")
    return copy


def _content(path: Path) -> Any:
    """What a checkpoint holds of averaged generators, or all of it where nothing in it is called that."""
    content = read_checkpoint(path, top_level_keys=AVERAGED)
    if isinstance(content, Mapping) and not any(key in content for key in AVERAGED[:2]):
        values = list(content.values())
        if any(isinstance(value, PickledModule) for value in values) or not any(
            isinstance(value, Tensor) for value in values
        ):
            return content
        return read_checkpoint(path)  # a state itself
    return content


def _image(found: FoundImage, name: str, source: str, overrides: Mapping[str, Any]) -> ModelFile:
    """The generator of a state in official names."""
    config = _chosen(image_config(found, source), overrides, source)
    estimated = found.may_lack_average and "mapping.w_avg" not in found.state
    generator = build(config, completed(found, _empty(config, name).state_dict()), name, source)
    assert isinstance(generator, ImageGenerator)
    if estimated:
        estimate_average(generator)
    return ModelFile(generator, found.layout, name, source_sha256=found.source_sha256, notes=found.notes)


def _chosen(
    config: GeneratorConfig | ImageConfig, overrides: Mapping[str, Any], source: str
) -> GeneratorConfig | ImageConfig:
    """The configuration with what the caller chose; an image model has nothing to choose."""
    if isinstance(config, GeneratorConfig):
        return overridden(config, overrides, source)
    if overrides:
        raise InputError(f"{source} makes images, which have no {' or '.join(sorted(overrides))}; leave that out")
    return config
