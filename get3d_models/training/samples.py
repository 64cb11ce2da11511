"""Batches of points with the teacher's answers: what a generator learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

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


class Batches(Dataset[Batch]):
    """Batch number i of a training run, for a DataLoader whose workers prepare them ahead."""

    def __init__(self, seed: int, shapes: int, points: int, first: int, last: int):
        self.seed, self.shapes, self.points, self.first, self.last = seed, shapes, points, first, last

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> Batch:
        with torch.no_grad():
            return make_batch(self.seed * 1_000_003 + self.first + index, self.shapes, self.points)


def prepared_ahead(batches: Batches, workers: int) -> Iterator[Batch]:
    """The batches in order, made by worker processes (or here, with 0 workers)."""
    loader = torch.utils.data.DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_use_one_thread,
    )
    return iter(loader)


def _use_one_thread(_: int) -> None:
    torch.set_num_threads(1)
