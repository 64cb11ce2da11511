"""Which places a surface hides from a camera."""

from __future__ import annotations

import torch
from torch import Tensor

from drag3d.rendering.camera import as_camera
from drag3d.rendering.shading import towards_viewer


def hidden_from(camera: object, points: Tensor, vertices: Tensor, faces: Tensor, clearance: float = 0.0) -> Tensor:
    """``(M,)`` bool: whether a surface lies between points ``(M, 3)`` and the viewer.

    vertices: ``(V, 3)``. faces: ``(F, 3)`` int64; both sides hide. What lies within `clearance` of a point, in world
    units, hides nothing, so that a place on the surface does not hide itself.
    """
    points, vertices = points.double(), vertices.double()
    camera = as_camera(camera)
    view = camera.view_matrix().to(points)
    far = -(points @ view[2, :3] + view[2, 3])  # before the camera, along its axis
    towards = towards_viewer(camera, points)
    along_axis = (towards @ view[2, :3]).clamp_min(1e-12)
    perspective = not bool((camera.clip_matrix((1, 1))[3, :3] == 0).all())
    reach = far / along_axis if perspective else torch.full_like(far, float("inf"))
    corner = vertices[faces[:, 0]]
    one, other = vertices[faces[:, 1]] - corner, vertices[faces[:, 2]] - corner
    found = [_blocked(point, way, clearance, limit, corner, one, other) for point, way, limit in zip(
        points, towards, reach.tolist(), strict=True
    )]  # fmt: skip
    return torch.tensor(found, dtype=torch.bool)


def _blocked(start: Tensor, way: Tensor, least: float, most: float, corner: Tensor, one: Tensor, other: Tensor) -> bool:
    """Whether the ray start + t way meets a triangle with least < t < most; one, other: edges from its corner."""
    normal = torch.linalg.cross(way.expand_as(other), other)
    determinant = (one * normal).sum(dim=1)
    usable = determinant.abs() > 1e-300
    scale = torch.where(usable, 1 / torch.where(usable, determinant, 1.0), 0.0)
    offset = start - corner
    u = (offset * normal).sum(dim=1) * scale
    across = torch.linalg.cross(offset, one)
    v = (across @ way) * scale
    t = (other * across).sum(dim=1) * scale
    return bool((usable & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > least) & (t < most)).any())
