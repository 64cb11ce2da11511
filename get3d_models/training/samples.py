"""Batches of points with the teacher's answers: what a generator learns from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from get3d_models.training import quadruped as teacher

HALF_BOX = 0.5
NEAR_SPREADS = (0.008, 0.03)


@dataclass(frozen=True)
class Batch:
    """One training batch of N shapes with M points each."""

    z_geometry: Tensor
    """(N, z_dim)"""
    z_texture: Tensor
    """(N, z_dim)"""
    points: Tensor
    """(N, M, 3) world units"""
    distance: Tensor
    """(N, M) the teacher's signed distance, positive inside"""
    color: Tensor
    """(N, M, 3) the teacher's colour, RGB in [0, 1]"""

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        return Batch(*(t.to(device, non_blocking=True) for t in vars(self).values()))


def make_batch(seed: int, shapes: int, points: int, device: torch.device | str = "cpu") -> Batch:
    """The batch of a seed, the same whenever it is asked for.

    Half of the points lie very near the surface, a quarter somewhat further, a quarter anywhere in the box. The near
    ones are spread over the parts of the animal, not over its area, or ears and tails would hardly be seen; and evenly
    to both sides of each part's surface, or an unsure network would answer with the majority and inflate everything.
    """
    random = torch.Generator(device=device).manual_seed(seed)
    z = torch.randn(2, shapes, teacher.LATENT_SIZE, generator=random, device=device)
    parts = teacher.pose(teacher.parameters_from_latent(z[0], teacher.SHAPE_PARAMETERS))
    textures = teacher.parameters_from_latent(z[1], teacher.TEXTURE_PARAMETERS)
    nearest, near = points // 2, points // 4
    samples = [
        teacher.sample_near_surface(parts, nearest, NEAR_SPREADS[0], random),
        teacher.sample_near_surface(parts, near, NEAR_SPREADS[1], random),
        (torch.rand(shapes, points - nearest - near, 3, generator=random, device=device) * 2 - 1) * HALF_BOX,
    ]
    position = torch.cat(samples, dim=1).clamp(-HALF_BOX, HALF_BOX)
    distance, color = teacher.signed_distance_and_colors(parts, textures, position)
    return Batch(z[0], z[1], position, distance, color)
