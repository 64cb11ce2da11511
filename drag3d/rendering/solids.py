"""Simple solids to mark places with: balls and arrows, as meshes with normals of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_SIDES = 40  # of whatever is round


@dataclass(frozen=True)
class Solid:
    """A closed mesh; an edge that shall look sharp has vertices for each of its sides."""

    vertices: Tensor
    """(V, 3) float32"""
    faces: Tensor
    """(F, 3) int64, counter-clockwise seen from outside"""
    normals: Tensor
    """(V, 3) float32, unit"""


def ball(center: Sequence[float], radius: float) -> Solid:
    """A sphere around `center` (3,)."""
    half = torch.linspace(0, math.pi, _SIDES // 2 + 1)
    away = half.sin()
    away[[0, -1]] = 0.0
    profile = torch.stack([half.cos(), away], dim=1)
    unit = _turned([(profile, profile)])
    place = torch.as_tensor(center, dtype=torch.float32)
    return Solid(unit.vertices * radius + place, unit.faces, unit.normals)


def arrow(start: Sequence[float], end: Sequence[float], size: float) -> Solid | None:
    """An arrow that fills the gap between two balls of radius `size` around `start` and `end` (3,).

    None where there is (nearly) no gap. Where it is short, only the head is there.
    """
    begin, finish = (torch.as_tensor(place, dtype=torch.float64) for place in (start, end))
    length = float((finish - begin).norm())
    gap = length - 2 * size
    if not gap > 0.2 * size:
        return None
    head, shaft, half = min(2.4 * size, gap), 0.34 * size, 0.85 * size
    neck = gap - head
    # Outlines from the tip backwards, as (along the axis, away from it), with the outward normals of each.
    slope = math.hypot(head, half)
    outward, back, aside = (half / slope, head / slope), (-1.0, 0.0), (0.0, 1.0)
    inner = shaft if neck > 0 else 0.0
    parts = [(((gap, 0.0), (neck, half)), outward), (((neck, half), (neck, inner)), back)]
    if neck > 0:
        parts += [(((neck, shaft), (0.0, shaft)), aside), (((0.0, shaft), (0.0, 0.0)), back)]
    solid = _turned([(torch.tensor(line), torch.tensor([normal, normal])) for line, normal in parts])
    direction = (finish - begin) / length
    helper = torch.eye(3, dtype=torch.float64)[int(direction.abs().argmin())]
    side = torch.nn.functional.normalize(torch.linalg.cross(helper, direction), dim=0)
    axes = torch.stack([direction, side, torch.linalg.cross(direction, side)]).float()
    origin = (begin + size * direction).float()
    return Solid(solid.vertices @ axes + origin, solid.faces, solid.normals @ axes)


def _turned(outlines: Sequence[tuple[Tensor, Tensor]]) -> Solid:
    """What outlines sweep that are turned about the x axis: points and normals ``(N, 2)`` = (along, away) each."""
    angle = torch.arange(_SIDES) * (2 * math.pi / _SIDES)
    directions = torch.stack([angle.cos(), angle.sin()], dim=1)
    side = torch.arange(_SIDES)
    following = (side + 1) % _SIDES
    vertices, normals, faces, count = [], [], [], 0
    for points, outward in outlines:
        swept = [
            torch.cat([values[:, None, :1].expand(-1, _SIDES, 1), values[:, None, 1:] * directions], dim=2)
            for values in (points, outward)
        ]
        vertices.append(swept[0].reshape(-1, 3))
        normals.append(swept[1].reshape(-1, 3))
        away = points[:, 1].tolist()
        for ring in range(len(points) - 1):
            here, below = count + ring * _SIDES, count + (ring + 1) * _SIDES
            if away[ring + 1] > 0:  # else the ring is a single point
                faces.append(torch.stack([here + side, below + side, below + following], dim=1))
            if away[ring] > 0:
                faces.append(torch.stack([here + side, below + following, here + following], dim=1))
        count += len(vertices[-1])
    return Solid(torch.cat(vertices).float(), torch.cat(faces), torch.cat(normals).float())
