"""What follows from a triangle mesh alone: normals, whether it is closed, how many pieces it has."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals (V, 3) of vertices (V, 3) for outward faces (F, 3), differentiable; zero where there is no area.

    Each face contributes its normal times its area to its three corners.
    """
    a, b, c = vertices[faces.reshape(-1)].reshape(-1, 3, 3).unbind(1)
    per_face = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices).index_add(0, faces.reshape(-1), per_face.repeat_interleave(3, dim=0))
    # Areas of small faces are far below the usual epsilon of a normalisation: scale to the largest first.
    largest = total.detach().abs().max() if total.numel() else total.new_ones(())
    return torch.nn.functional.normalize(total / largest.clamp_min(torch.finfo(total.dtype).tiny), dim=1)


def is_watertight(faces: Tensor) -> bool:
    """Whether each edge of the faces (F, 3) bounds exactly two, running through it in opposite directions."""
    directed = _directed_edges(faces)
    low, high = directed.min(axis=1), directed.max(axis=1)
    forward = directed[:, 0] == low
    count = int(directed.max(initial=0)) + 1
    keys = low * count + high
    _, first, uses = np.unique(keys[forward], return_index=True, return_counts=True)
    _, second, returns = np.unique(keys[~forward], return_index=True, return_counts=True)
    if len(faces) == 0 or len(first) != len(second):
        return False
    same = np.array_equal(keys[forward][first], keys[~forward][second])
    return bool(same and (uses == 1).all() and (returns == 1).all() and (low != high).all())


def components(vertices: Tensor, faces: Tensor) -> int:
    """Number of connected pieces of the surface; vertices (V, 3) that no face uses do not count."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    directed = _directed_edges(faces)
    ones = np.ones(len(directed), dtype=bool)
    graph = coo_array((ones, (directed[:, 0], directed[:, 1])), shape=(len(vertices), len(vertices)))
    _, label = connected_components(graph, directed=False)
    return len(np.unique(label[np.unique(directed)]))


def _directed_edges(faces: Tensor) -> NDArray[np.int64]:
    """The edges of all faces in the order in which the faces run through them, (3F, 2)."""
    corners = faces.detach().cpu().numpy()
    return np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
