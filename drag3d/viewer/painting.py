"""What strokes of a brush make of a region: which vertices or pixels may move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drag3d.session import Session
from drag3d.session.regions import Region, Vertices
from drag3d.viewer.intents import Paint
from get3d_models.errors import InputError

MOST_CENTERS = 100_000


def free_vertices(region: Region | None, vertices: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Which of the vertices (V, 3) may move; None where there is no region.

    Of a region that was painted on just this mesh exactly the vertices painted, without the margin around them that
    a region needs so as to mean something on other meshes: or every further stroke would widen it.
    """
    if region is None:
        return None
    if len(region.move) == 1 and not region.stay and isinstance(region.move[0], Vertices):
        painted = np.isin(_keys(vertices), _keys(region.move[0].positions))
        if painted.sum() >= len(region.move[0].positions):
            return painted
    return region.may_move(vertices)


def paint(session: Session, stroke: Paint) -> None:
    """Carry a stroke out; InputError, and no change, where it touches nothing or would leave nothing free."""
    centers, radius = _checked(stroke, 2 if session.kind == "image" else 3)
    if session.kind == "image":
        height, width = session.image.shape[:2]
        before = None if session.region is None else session.region.free  # type: ignore[union-attr]
        touched = _pixels(centers, radius, height, width)
        free = _after(before, touched, stroke.erase)
        if session.region is not None or not free.all():
            session.set_mask(None if free.all() else free)
        return
    from scipy.spatial import cKDTree

    vertices = session.shape.vertices.cpu().numpy()
    touched = cKDTree(centers).query(vertices, distance_upper_bound=radius * (1 + 1e-6))[0] <= radius
    free = _after(free_vertices(session.region, vertices), touched, stroke.erase)  # type: ignore[arg-type]
    if not free.all():
        session.set_region(Vertices.of(session.shape, np.flatnonzero(free)))
    elif session.region is not None:
        session.set_region()


def _after(before: NDArray[np.bool_] | None, touched: NDArray[np.bool_], erase: bool) -> NDArray[np.bool_]:
    if not touched.any():
        raise InputError("the brush touched nothing; paint on what is shown, or take a larger brush")
    if before is None:
        before = np.full(touched.shape, erase)
    free = before & ~touched if erase else before | touched
    if not free.any():
        raise InputError("nothing would be left that may move; leave a part of it free")
    return free


def _checked(stroke: Paint, dimensions: int) -> tuple[NDArray[np.float64], float]:
    try:
        centers, radius = np.array(stroke.centers, dtype=np.float64), float(stroke.radius)
    except (TypeError, ValueError):
        centers, radius = np.empty(0), 0.0
    usable = centers.ndim == 2 and centers.shape[1] == dimensions and 0 < len(centers) <= MOST_CENTERS
    if not (usable and np.isfinite(centers).all() and np.isfinite(radius) and radius > 0):
        raise InputError(f"a stroke needs centres of {dimensions} finite numbers each and a positive radius")
    return centers, radius


def _pixels(centers: NDArray[np.float64], radius: float, height: int, width: int) -> NDArray[np.bool_]:
    """Which pixels (H, W) have their centre within ``radius`` of one of the centres (M, 2), x and y."""
    touched = np.zeros((height, width), dtype=bool)
    for x, y in centers:
        left, top = max(0, int(np.ceil(x - radius))), max(0, int(np.ceil(y - radius)))
        right, bottom = min(width - 1, int(np.floor(x + radius))), min(height - 1, int(np.floor(y + radius)))
        if left > right or top > bottom:
            continue
        across, down = np.arange(left, right + 1) - x, np.arange(top, bottom + 1) - y
        touched[top : bottom + 1, left : right + 1] |= across**2 + down[:, None] ** 2 <= radius**2
    return touched


def _keys(points: NDArray[np.float32]) -> NDArray[Any]:
    """Points (N, 3) as one value each, equal for equal bits."""
    return np.ascontiguousarray(points, dtype=np.float32).view(np.dtype((np.void, 12))).reshape(-1)
