"""How far surfaces are from each other: everywhere, or outside of a region; and how much volume they share."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from get3d_models.shape import Shape

NEIGHBOURS = 12
SAMPLES = 6000
VOLUME_EDGE = 64


def surface_distances(points: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
    """Distances ``(N,)`` of points ``(N, 3)`` to a surface: to the nearest of the triangles with the nearest centres.

    Exact where triangles are of one size, as marched ones nearly are; distances to sampled points would have the
    samples' spacing as a floor, which is larger than what good edits leave off their region.
    """
    import trimesh

    corners = shape.vertices.cpu().numpy().astype(np.float64)[shape.faces.cpu().numpy()]
    if len(points) == 0 or len(corners) == 0:
        return np.full(len(points), np.inf)
    count = min(NEIGHBOURS, len(corners))
    _, near = cKDTree(corners.mean(axis=1)).query(points, k=count)
    near = near.reshape(-1)
    repeated = np.repeat(points, count, axis=0)
    # A triangle without area has no closest point by projection; its corners stand in for it.
    with np.errstate(divide="ignore", invalid="ignore"):
        closest = trimesh.triangles.closest_point(corners[near], repeated)
    distance = np.linalg.norm(closest - repeated, axis=1)
    to_corners = np.linalg.norm(corners[near] - repeated[:, None], axis=2).min(axis=1)
    distance = np.where(np.isfinite(distance), np.minimum(distance, to_corners), to_corners)
    return distance.reshape(len(points), count).min(axis=1)


def off_region_change(original: Shape, edited: Shape, centers: Tensor, radius: float) -> NDArray[np.float64]:
    """Distances between the surfaces at points that lie beyond ``radius`` of all ``centers (K, 3)``.

    Of points of each surface to the other one: what has gone shows in the first, what has grown in the second.
    """
    parts = []
    for here, there in ((original, edited), (edited, original)):
        points = surface_points(here)
        away = np.linalg.norm(points[:, None] - centers.cpu().numpy()[None], axis=2).min(axis=1) > radius
        parts.append(surface_distances(points[away], there))
    return np.concatenate(parts)


def chamfer(first: Shape, second: Shape) -> float:
    """Mean distance between two surfaces, of points of each to the other, in world units; infinite for an empty one.

    Of equal surfaces hardly anything, where triangles are of many sizes.
    """
    there, back = (surface_distances(surface_points(a), b) for a, b in ((first, second), (second, first)))
    return float((there.mean() + back.mean()) / 2) if len(there) and len(back) else float("inf")


def volume_overlap(first: Shape, second: Shape) -> float:
    """Intersection over union of where the fields of two shapes of one generator are positive; 1 if nowhere is."""
    low, length = first.generator.box
    steps = low + length * (torch.arange(VOLUME_EDGE) + 0.5) / VOLUME_EDGE
    inside = _positive_near(first, second, torch.cartesian_prod(steps, steps, steps))
    either = int((inside[0] | inside[1]).sum())
    return float((inside[0] & inside[1]).sum()) / either if either else 1.0


def surface_points(shape: Shape) -> NDArray[np.float64]:
    """Points ``(N, 3)`` spread over a surface by area, the same ones whenever asked; none on an empty one."""
    import trimesh

    if len(shape.faces) == 0:
        return np.zeros((0, 3))
    mesh = trimesh.Trimesh(shape.vertices.cpu().numpy(), shape.faces.cpu().numpy(), process=False)
    return np.asarray(trimesh.sample.sample_surface(mesh, SAMPLES, seed=0)[0])


def _positive_near(first: Shape, second: Shape, points: Tensor) -> tuple[Tensor, Tensor]:
    """Where the two fields are positive ``(M,) bool``, of the points within the box around both surfaces."""
    vertices = torch.cat([first.vertices, second.vertices]).cpu()
    if len(vertices) == 0:
        return torch.zeros(0, dtype=torch.bool), torch.zeros(0, dtype=torch.bool)
    cell = float(first.generator.box[1]) / VOLUME_EDGE
    low, high = vertices.amin(dim=0) - cell, vertices.amax(dim=0) + cell
    points = points[((points >= low) & (points <= high)).all(dim=1)]
    fields = (torch.cat([shape.signed_distance(p) for p in points.split(1 << 16)]) for shape in (first, second))
    inside, other = (field.cpu() > 0 for field in fields)
    return inside, other
