"""A coarse stand-in for a mesh, made in milliseconds, to be drawn while the camera moves on a slow machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def clustered(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], size: float
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """One vertex of each cube of that size stands for all in it: which ones (W,), and faces (G, 3) of these."""
    cells = np.floor((vertices - vertices.min(axis=0)) / max(size, 1e-12)).astype(np.int64)
    sides = cells.max(axis=0) + 1
    keys = (cells[:, 0] * sides[1] + cells[:, 1]) * sides[2] + cells[:, 2]
    _, chosen, cluster = np.unique(keys, return_index=True, return_inverse=True)
    corners = cluster.astype(np.int32)[faces]
    a, b, c = corners.T
    return chosen, corners[(a != b) & (b != c) & (c != a)]
