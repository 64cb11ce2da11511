"""The point of a triangle mesh that is nearest to a given point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def nearest_on_mesh(point: Any, vertices: NDArray[Any], faces: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """The nearest point (3,) of the surface to ``point`` (3,), and its distance; exact, by looking at every triangle.

    ``vertices`` (V, 3), ``faces`` (F, 3), F > 0. The nearest point of a triangle is its foot in the plane, where that
    lies inside, and otherwise the nearest point of one of the three edges.
    """
    point = np.asarray(point, dtype=np.float64)
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    candidates = [_on_segment(point, *ends) for ends in ((a, b), (b, c), (c, a))]
    normal = np.cross(b - a, c - a)
    area = np.einsum("ij,ij->i", normal, normal)
    with np.errstate(divide="ignore", invalid="ignore"):  # a triangle without area has no foot: its edges suffice
        foot = point - normal * (np.einsum("ij,ij->i", normal, point - a) / area)[:, None]
    inside = area > 0
    for start, end in ((a, b), (b, c), (c, a)):
        with np.errstate(invalid="ignore"):
            inside &= np.einsum("ij,ij->i", np.cross(end - start, foot - start), normal) >= 0
    candidates.append(foot[inside])
    everything = np.concatenate(candidates)
    distances = np.linalg.norm(everything - point, axis=1)
    best = int(distances.argmin())
    return everything[best], float(distances[best])


def _on_segment(point: NDArray[Any], start: NDArray[Any], end: NDArray[Any]) -> NDArray[np.float64]:
    along = end - start
    length = np.einsum("ij,ij->i", along, along)
    share = np.einsum("ij,ij->i", point - start, along) / np.maximum(length, np.finfo(np.float64).tiny)
    return start + along * share.clip(0, 1)[:, None]
