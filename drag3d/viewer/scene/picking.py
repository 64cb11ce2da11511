"""What a ray meets first, and what hides what: exact, with all triangles of a mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drag3d.viewer.intents import Place
from drag3d.viewer.scene.view import Floats, View


@dataclass(frozen=True)
class Hit:
    """A place on what is shown."""

    position: Place
    """World units; of an image, pixels"""
    normal: Place | None
    """Outward, unit length; of an image, None"""


@dataclass(frozen=True)
class Crossing:
    """Where a ray meets a mesh: which face, the weights (3,) of its corners, and how far from the ray's origin."""

    face: int
    weights: Floats
    distance: float


def first_crossing(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], origin: Floats, direction: Floats
) -> Crossing | None:
    """The nearest crossing of a ray with the mesh (V, 3), (F, 3), from either side. ``direction``: (3,) unit length.

    A ray through an edge or a corner meets the faces that share it: nothing slips between them.
    """
    aside = np.eye(3)[np.abs(direction).argmin()]
    right = np.cross(direction, aside)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(direction, right), direction])
    # Along the ray, it is the origin of the plane across it, and lies in the triangles that surround it there.
    x, y, along = axes @ (vertices.T - origin[:, None])
    xs, ys = [x[corner] for corner in faces.T], [y[corner] for corner in faces.T]
    areas = [xs[i] * ys[j] - xs[j] * ys[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    left = (areas[0] >= 0) & (areas[1] >= 0) & (areas[2] >= 0)
    right = (areas[0] <= 0) & (areas[1] <= 0) & (areas[2] <= 0)
    met = np.flatnonzero((left | right) & (areas[0] + areas[1] + areas[2] != 0))
    if not len(met):
        return None
    weights = np.stack([area[met] for area in areas], axis=1)
    weights /= weights.sum(axis=1, keepdims=True)
    distances = (weights * along[faces[met]]).sum(axis=1)
    distances[distances <= 0] = np.inf
    nearest = int(distances.argmin())
    if not np.isfinite(distances[nearest]):
        return None
    return Crossing(int(met[nearest]), weights[nearest], float(distances[nearest]))


def hit_surface(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    normals: NDArray[np.floating],
    origin: Floats,
    direction: Floats,
) -> Hit | None:
    """Where a ray meets the mesh first, with the normal between those of the vertices (V, 3)."""
    crossing = first_crossing(vertices, faces, origin, direction)
    if crossing is None:
        return None
    corners = faces[crossing.face]
    position = crossing.weights @ vertices[corners].astype(np.float64)
    normal = crossing.weights @ normals[corners].astype(np.float64)
    length = float(np.linalg.norm(normal))
    normal = normal / length if length > 1e-6 else -direction
    return Hit(tuple(map(float, position)), tuple(map(float, normal)))


def hidden(
    view: View, points: Floats, vertices: NDArray[np.floating], faces: NDArray[np.integer], slack: float
) -> NDArray[np.bool_]:
    """(N,) which world points (N, 3) lie behind the mesh by more than ``slack`` world units.

    One look at all triangles serves any number of points.
    """
    result = np.zeros(len(points), dtype=bool)
    if not len(points) or not len(faces):
        return result
    # On the screen, the box around each face; nan behind the camera, so that comparisons below are false.
    seen = np.ascontiguousarray(view.project(vertices).T)
    a, b, c = faces.T
    low, high, near = [], [], np.minimum(np.minimum(seen[2][a], seen[2][b]), seen[2][c])
    for values in seen[:2]:
        first, second, third = values[a], values[b], values[c]
        low.append(np.minimum(np.minimum(first, second), third))
        high.append(np.maximum(np.maximum(first, second), third))
    for number, (x, y, depth) in enumerate(view.project(points)):
        if not np.isfinite(x):
            continue
        beside = (low[0] <= x) & (high[0] >= x) & (low[1] <= y) & (high[1] >= y)
        around = np.flatnonzero(beside & (near < depth - slack))
        if not len(around):
            continue
        origin, direction = view.ray(x, y)
        corners = vertices[faces[around]].reshape(-1, 3)
        crossing = first_crossing(corners, np.arange(len(corners)).reshape(-1, 3), origin, direction)
        if crossing is not None:
            result[number] = crossing.distance < (points[number] - origin) @ direction - slack
    return result
