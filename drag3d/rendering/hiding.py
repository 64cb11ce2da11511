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
    found = [
        _blocked(vertices - point, way, faces, clearance, limit)
        for point, way, limit in zip(points, towards, reach.tolist(), strict=True)
    ]
    return torch.tensor(found, dtype=torch.bool)


def _blocked(places: Tensor, way: Tensor, faces: Tensor, least: float, most: float) -> bool:
    """Whether the ray from the origin along `way` meets a face of `places` (V, 3) between those distances."""
    side = torch.zeros_like(way)
    side[way.abs().argmin()] = 1.0
    right = torch.nn.functional.normalize(torch.linalg.cross(side, way), dim=0)
    x, y, along = (places @ torch.stack([right, torch.linalg.cross(way, right), way], dim=1)).unbind(1)
    # Seen along the ray, it meets a face where the origin lies inside: to the same side of all three edges.
    (x0, x1, x2), (y0, y1, y2) = (values[faces].unbind(1) for values in (x, y))
    edges = torch.stack([x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1], dim=1)
    area = edges.sum(dim=1)
    met = torch.nonzero(((edges >= 0).all(dim=1) | (edges <= 0).all(dim=1)) & (area != 0))[:, 0]
    distance = (edges[met] * along[faces[met]]).sum(dim=1) / area[met]
    return bool(((distance > least) & (distance < most)).any())
