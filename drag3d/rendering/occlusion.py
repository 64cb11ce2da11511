"""How much of its surroundings each place of a surface sees: what makes folds and the insides of legs dark.

The shape is looked at from many directions at once, without perspective; a vertex sees a direction when nothing lies
before it in the picture from there. No random numbers, so the result is the same every time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drag3d.rendering.rasterizer import rasterize

DIRECTIONS, RESOLUTION = 28, 112
_REACH = 0.7  # half of what a picture shows, as a share of the shape's diagonal: a bit more than all of it
_LIFT = 1.2  # pixels that vertices are lifted off the surface, which else would hide itself
_SMOOTHINGS = 2


@torch.no_grad()
def open_shares(vertices: Tensor, faces: Tensor, normals: Tensor) -> Tensor:
    """For each vertex the share ``(V,)`` in [0, 1] of what it faces that the shape itself does not hide; 1 is all.

    vertices: ``(V, 3)`` float. faces: ``(F, 3)`` int64. normals: ``(V, 3)`` unit. Directions count by the cosine
    between them and the normal, as for light from everywhere.
    """
    low, high = vertices.amin(dim=0), vertices.amax(dim=0)
    reach = _REACH * float((high - low).norm().clamp_min(1e-12))
    seen = (vertices - (low + high) / 2) / reach
    lifted = seen + _LIFT * 2 / RESOLUTION * normals
    total, weight = torch.zeros_like(seen[:, 0]), torch.zeros_like(seen[:, 0])
    for direction in _directions().to(vertices):
        axes = _frame(direction)
        facing = (normals @ direction).clamp_min(0)
        clip = torch.cat([seen @ axes.T * seen.new_tensor([1.0, -1.0, -1.0]), torch.ones_like(seen[:, :1])], dim=1)
        depth = rasterize(clip, faces, (RESOLUTION, RESOLUTION)).depth
        total += facing * _unhidden(depth, lifted @ axes.T * seen.new_tensor([1.0, -1.0, -1.0]))
        weight += facing
    return _smoothed(total / weight.clamp_min(1e-6), faces)


def _directions() -> Tensor:
    """``(D, 3)`` unit, evenly over the sphere: a Fibonacci spiral."""
    number = torch.arange(DIRECTIONS, dtype=torch.float64) + 0.5
    height = 1 - 2 * number / DIRECTIONS
    angle = number * math.pi * (3 - math.sqrt(5))
    radius = (1 - height**2).sqrt()
    return torch.stack([radius * angle.cos(), height, radius * angle.sin()], dim=1)


def _frame(direction: Tensor) -> Tensor:
    """``(3, 3)`` right, up and backward of a camera that looks from `direction`; rows are unit."""
    helper = direction.new_tensor([1.0, 0.0, 0.0] if abs(float(direction[1])) > 0.9 else [0.0, 1.0, 0.0])
    right = torch.nn.functional.normalize(torch.linalg.cross(helper, direction), dim=0)
    return torch.stack([right, torch.linalg.cross(direction, right), direction])


def _unhidden(depth: Tensor, places: Tensor) -> Tensor:
    """How far points ``(V, 3)`` in clip space lie before a picture's depths ``(R, R)``: ``(V,)``, 0 hidden, 1 seen.

    The four pixels around a point are asked and their answers, not their depths, are mixed.
    """
    place = (places[:, :2] + 1) * (RESOLUTION / 2) - 0.5
    corner = place.floor()
    share = place - corner
    corner = corner.long().clamp(0, RESOLUTION - 2)
    soft = 2 / RESOLUTION
    result = torch.zeros_like(places[:, 0])
    for right in (0, 1):
        for down in (0, 1):
            before = depth[corner[:, 1] + down, corner[:, 0] + right] - places[:, 2]
            mixed = (share[:, 0] if right else 1 - share[:, 0]) * (share[:, 1] if down else 1 - share[:, 1])
            result += mixed * (before / soft + 1).clamp(0, 1)
    return result


def _smoothed(values: Tensor, faces: Tensor) -> Tensor:
    """Values ``(V,)`` with those of their neighbours mixed in, which hides that directions are few."""
    count = torch.zeros_like(values).index_add_(0, faces.flatten(), torch.ones_like(values)[faces.flatten()])
    for _ in range(_SMOOTHINGS):
        mean = values[faces].mean(dim=1).repeat_interleave(3)
        total = torch.zeros_like(values).index_add_(0, faces.flatten(), mean)
        values = torch.where(count > 0, total / count.clamp_min(1), values)
    return values
