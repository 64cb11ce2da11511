"""Meshes that the tests of rendering share, in clip space and in the world."""

from __future__ import annotations

import torch
from torch import Tensor

Size = tuple[int, int]


def clip_of(places: list, size: Size, w: list | None = None) -> Tensor:
    """Clip-space positions of places (x, y, depth) in pixels, exact for sizes that are powers of two."""
    height, width = size
    place = torch.tensor(places, dtype=torch.float64)
    weight = torch.ones(len(place), dtype=torch.float64) if w is None else torch.tensor(w, dtype=torch.float64)
    x, y = (place[:, 0] + 0.5) * (2 / width) - 1, (place[:, 1] + 0.5) * (2 / height) - 1
    return torch.stack([x, y, place[:, 2], torch.ones_like(x)], dim=1) * weight[:, None]


def random_mesh(seed: int, size: Size, behind: bool) -> tuple[Tensor, Tensor]:
    """Ten faces whose corners lie on quarters of pixels, many of them on centres, shared between faces."""
    random = torch.Generator().manual_seed(seed)

    def whole(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=random).double()

    count = 12
    place = torch.stack([whole(-8, 4 * size[1] + 8, count), whole(-8, 4 * size[0] + 8, count)], dim=1) / 4
    depth = whole(-36, 37, count, 1) / 32  # some beyond the near and far plane
    w = 2.0 ** whole(-2, 3, count)
    if behind:
        w = torch.where(torch.rand(count, generator=random) < 0.4, -w, w)
    clip = clip_of(torch.cat([place, depth], dim=1).tolist(), size, w.tolist())
    return clip, torch.stack([torch.randperm(count, generator=random)[:3] for _ in range(10)])


def sphere(rings: int) -> tuple[Tensor, Tensor]:
    """A unit sphere of rings and meridians, seen counterclockwise from outside."""
    polar = torch.linspace(0, torch.pi, rings + 1, dtype=torch.float64)[1:-1]
    around = torch.arange(2 * rings, dtype=torch.float64) * (torch.pi / rings)
    ring = torch.stack([around.cos(), torch.zeros_like(around), around.sin()], dim=1)
    body = ring[None] * polar.sin()[:, None, None]
    body[..., 1] = polar.cos()[:, None]
    top, bottom = torch.tensor([[0.0, 1, 0]]).double(), torch.tensor([[0.0, -1, 0]]).double()
    vertices = torch.cat([top, body.view(-1, 3), bottom])
    count, faces = 2 * rings, []
    for i in range(count):
        following = (i + 1) % count
        faces.append([0, 1 + following, 1 + i])
        for ring_number in range(rings - 2):
            a, b = 1 + ring_number * count + i, 1 + ring_number * count + following
            faces += [[a, b, a + count], [b, b + count, a + count]]
        last = 1 + (rings - 2) * count
        faces.append([last + i, last + following, len(vertices) - 1])
    return vertices, torch.tensor(faces)
