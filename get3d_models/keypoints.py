"""Named points of the models that have a teacher: the tips of an animal's ears, the corners of a portrait's mouth."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models.generator import Generator
    from get3d_models.stylegan2 import ImageGenerator


@dataclass(frozen=True)
class _Teacher:
    kind: str
    z_dim: int
    names: Callable[[], tuple[str, ...]]
    places: Callable[[Tensor, int], Tensor]
    """Of codes ``(N, z_dim)`` and, for images, their width in pixels: ``(N, K, D)``."""


def keypoint_names(generator: Generator | ImageGenerator) -> tuple[str, ...]:
    """The names of a model's keypoints; empty for a model without a teacher."""
    teacher = _teacher(generator)
    return teacher.names() if teacher else ()


def keypoints(generator: Generator | ImageGenerator, seed: int, truncation: float = 1.0) -> dict[str, Tensor]:
    """Where the teacher has its keypoints on the sample of ``seed``, by name, on the CPU.

    Of shapes ``(3,) float32`` in world units, of images ``(2,) float32``, x and y in pixels of the generator's image,
    pixel centres at integers. What was trained follows its teacher closely, not exactly; and a pupil has its place
    under a closed lid too. Raises InputError for a model without a teacher, and for a truncation other than 1, whose
    samples belong to no code that the teacher could be asked about.
    """
    teacher = _teacher(generator)
    if teacher is None:
        raise InputError(f"model {generator.name!r} has no named keypoints; give places with coordinates instead")
    if truncation != 1.0:
        raise InputError(
            f"keypoints are known for truncation 1 only, not {truncation:g}; use that, or give places with coordinates"
        )
    from get3d_models.stylegan2 import ImageGenerator

    with torch.no_grad():
        if isinstance(generator, ImageGenerator):
            places = teacher.places(generator.code(seed).cpu(), generator.size[0])[0]
        else:
            places = teacher.places(generator.code(seed, "geometry").cpu(), 0)[0]
    return dict(zip(teacher.names(), places, strict=True))


def check_keypoint(generator: Generator | ImageGenerator, name: str) -> str:
    """``name`` if the model has that keypoint; otherwise InputError suggests the nearest and lists all."""
    names = keypoint_names(generator)
    if not names:
        raise InputError(f"model {generator.name!r} has no named keypoints; give places with coordinates instead")
    if name in names:
        return name
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise InputError(f"{generator.name} has no keypoint {name!r}; {hint}It has: {', '.join(names)}")


def _teacher(generator: Generator | ImageGenerator) -> _Teacher | None:
    teacher = _TEACHERS.get(generator.name)
    fits = teacher and (teacher.kind, teacher.z_dim) == (generator.kind, generator.config.z_dim)
    return teacher if fits else None


def _quadruped_names() -> tuple[str, ...]:
    from get3d_models.training import quadruped

    return quadruped.KEYPOINTS


def _quadruped_places(z: Tensor, _: int) -> Tensor:
    from get3d_models.training import quadruped

    return quadruped.keypoints(quadruped.parameters_from_latent(z, quadruped.SHAPE_PARAMETERS))


def _portrait_names() -> tuple[str, ...]:
    from get3d_models.training import portrait

    return portrait.KEYPOINTS


def _portrait_places(z: Tensor, width: int) -> Tensor:
    from get3d_models.training import portrait

    return portrait.keypoints(portrait.parameters_from_latent(z, portrait.PARAMETERS)) * width - 0.5


_TEACHERS = {
    "quadruped": _Teacher("shape", 32, _quadruped_names, _quadruped_places),
    "portrait": _Teacher("image", 48, _portrait_names, _portrait_places),
}
