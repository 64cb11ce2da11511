"""Named surface points of the models that have a teacher: the place of the snout, the tips of the ears, ..."""

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


@dataclass(frozen=True)
class _Teacher:
    z_dim: int
    names: Callable[[], tuple[str, ...]]
    places: Callable[[Tensor], Tensor]


def keypoint_names(generator: Generator) -> tuple[str, ...]:
    """The names of a model's keypoints; empty for a model without a teacher."""
    teacher = _teacher(generator)
    return teacher.names() if teacher else ()


def keypoints(generator: Generator, seed: int, truncation: float = 1.0) -> dict[str, Tensor]:
    """Where the teacher has its keypoints on the shape of ``seed``: by name ``(3,) float32``, world units, on the CPU.

    The trained surface follows its teacher closely, not exactly. Raises InputError for a model without a teacher, and
    for a truncation other than 1, whose shapes belong to no code that the teacher could be asked about.
    """
    teacher = _teacher(generator)
    if teacher is None:
        raise InputError(f"model {generator.name!r} has no named keypoints; give places with coordinates instead")
    if truncation != 1.0:
        raise InputError(
            f"keypoints are known for truncation 1 only, not {truncation:g}; use that, or give places with coordinates"
        )
    with torch.no_grad():
        places = teacher.places(generator.code(seed, "geometry").cpu())[0]
    return dict(zip(teacher.names(), places, strict=True))


def check_keypoint(generator: Generator, name: str) -> str:
    """``name`` if the model has that keypoint; otherwise InputError suggests the nearest and lists all."""
    names = keypoint_names(generator)
    if not names:
        raise InputError(f"model {generator.name!r} has no named keypoints; give places with coordinates instead")
    if name in names:
        return name
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise InputError(f"{generator.name} has no keypoint {name!r}; {hint}It has: {', '.join(names)}")


def _teacher(generator: Generator) -> _Teacher | None:
    teacher = _TEACHERS.get(generator.name)
    return teacher if teacher and teacher.z_dim == generator.config.z_dim else None


def _quadruped_names() -> tuple[str, ...]:
    from get3d_models.training import quadruped

    return quadruped.KEYPOINTS


def _quadruped_places(z: Tensor) -> Tensor:
    from get3d_models.training import quadruped

    return quadruped.keypoints(quadruped.parameters_from_latent(z, quadruped.SHAPE_PARAMETERS))


_TEACHERS = {"quadruped": _Teacher(32, _quadruped_names, _quadruped_places)}
