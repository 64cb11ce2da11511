"""Unwrapping by projection onto the sides of a box: a fraction of a second, where xatlas takes several.

Every face goes to the side of the box that it looks at, and is seen from there as through a window: lengths shrink
where it looks past the side, at most to `_FACING`. Faces of one side that hang together are a chart, unless they hide
one another (an ear before the neck): those behind go to further layers, which become charts of their own. Then the
charts are turned so that they fill their rectangles well, and the rectangles are packed at the largest scale at which
they fit into the texture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drag3d.export.atlas import Atlas, cut, gutter
from drag3d.export.atlas_kernels import kernels
from get3d_models.errors import InputError

# Of each side of the box: the directions that are right and up as seen from outside; their cross product points out.
_RIGHT = np.array([[0, 0, -1], [0, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0], [-1, 0, 0]], float)
_UP = np.array([[0, 1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1], [0, 1, 0], [0, 1, 0]], float)
_OUT = np.cross(_RIGHT, _UP)
_FACING = 0.4  # least cosine between a face and the side that it goes to
_COMPANY, _ROUNDS = (
    0.15,
    6,
)  # what a neighbour on a side is worth, as a difference of cosines, and how often it is asked
_TURNS = np.deg2rad(np.arange(0, 90, 3))
_SEARCH = 14  # halvings of the interval in which the scale is looked for


def box_unwrap(vertices: NDArray[np.float32], faces: NDArray[np.int64], texture_size: int) -> Atlas:
    """The atlas of a mesh, for a square texture of so many texels along an edge.

    vertices: (V, 3) finite. faces: (F, 3), counter-clockwise seen from outside; faces without area are allowed.
    Charts are at least `gutter(texture_size)` texels apart, and half of that from the border. Raises InputError where
    the texture is too small for the charts.
    """
    corners = vertices.astype(np.float64)[faces]
    neighbors = _neighbors(faces, len(vertices))
    side = _sides(corners, neighbors)
    seen = np.stack([(corners * axes[side][:, None]).sum(axis=2) for axes in (_RIGHT, _UP)], axis=2)
    depth = (corners.mean(axis=1) * _OUT[side]).sum(axis=1)
    piece = _pieces(side, neighbors)
    chart = _pieces(piece * (len(faces) + 1) + _layers(seen, piece, depth), neighbors)
    origin, cut_faces = cut(faces, chart)
    flat = np.empty((len(origin), 2))
    flat[cut_faces] = seen
    owner = np.empty(len(origin), np.int64)
    owner[cut_faces] = chart[:, None]
    return Atlas(_packed(flat, owner, texture_size), origin, cut_faces, chart)


def _neighbors(faces: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Pairs (P, 2) of faces that share an edge; of an edge of more than two faces, each with the next."""
    ends = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    keys = ends[:, 0] * count + ends[:, 1]
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(np.diff(keys[order]) == 0)
    return np.stack([order[same], order[same + 1]], axis=1) // 3


def _sides(corners: NDArray[np.float64], neighbors: NDArray[np.int64]) -> NDArray[np.int64]:
    """The side of the box (F,) that each face goes to: the one it looks at, or its neighbours' if that is not far off.

    Without regard to neighbours, a surface that looks between two sides would fall into many small charts.
    """
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    cosines = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0) @ _OUT.T
    possible = (cosines >= _FACING) | (lengths == 0)
    side = cosines.argmax(axis=1)
    one, other = neighbors.T
    for _ in range(_ROUNDS):
        votes = np.bincount(one * 6 + side[other], minlength=cosines.size)
        votes += np.bincount(other * 6 + side[one], minlength=cosines.size)
        side = np.where(possible, cosines + _COMPANY * votes.reshape(-1, 6), -1.0).argmax(axis=1)
    return side


def _pieces(label: NDArray[np.int64], neighbors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers (F,), from 0, of the pieces into which faces fall when only neighbours of one label hang together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joined = neighbors[label[neighbors[:, 0]] == label[neighbors[:, 1]]]
    graph = coo_array((np.ones(len(joined), bool), (joined[:, 0], joined[:, 1])), shape=(len(label), len(label)))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _layers(seen: NDArray[np.float64], piece: NDArray[np.int64], depth: NDArray[np.float64]) -> NDArray[np.int64]:
    """Layers (F,) such that no two faces of one piece and one layer overlap; 0 is in front and has nearly all."""
    a, b, c = seen[:, 0], seen[:, 1], seen[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    solid = np.flatnonzero(area > 0)
    order = solid[np.lexsort((seen[solid, :, 0].min(axis=1), piece[solid]))]
    pairs = np.empty((len(order), 2), np.int64)
    while (found := kernels().overlaps(seen[order], piece[order], pairs)) > len(pairs):
        pairs = np.empty((found, 2), np.int64)
    pairs = order[pairs[:found]]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    start = np.searchsorted(both[:, 0], np.arange(len(seen) + 1))
    layer = np.full(len(seen), -1, np.int64)
    kernels().layers(np.argsort(-depth, kind="stable"), start, np.ascontiguousarray(both[:, 1]), layer)
    return layer


def _packed(flat: NDArray[np.float64], owner: NDArray[np.int64], texture_size: int) -> NDArray[np.float32]:
    """Texture coordinates (M, 2) of charts that lie anywhere in the plane: flat (M, 2), y up; owner (M,), ascending."""
    start = np.flatnonzero(np.diff(owner, prepend=-1))
    flat, extent = _upright(flat, owner, start)
    apart = gutter(texture_size)
    scale, places = _fitted(extent, apart, texture_size)
    x, y = (flat * scale).T
    turned = places[owner, 2] == 1
    height = extent[owner, 1] * scale
    # Turned counter-clockwise: what was up is left.
    local = np.where(turned[:, None], np.stack([height - y, x], axis=1), np.stack([x, y], axis=1))
    texels = places[owner, :2] + apart / 2 + local
    texels[:, 1] = texture_size - texels[:, 1]
    return (texels / texture_size).clip(0, 1).astype(np.float32)


def _upright(
    flat: NDArray[np.float64], owner: NDArray[np.int64], start: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each chart turned by the angle at which its rectangle is smallest, and moved to zero; its width and height."""
    best = np.full(len(start), np.inf)
    angle = np.zeros(len(start))
    for turn in _TURNS:
        _, extent = _boxed(flat, owner, start, np.full(len(start), turn))
        area = extent.prod(axis=1)
        better = area < 0.999 * best  # not merely by rounding
        best[better], angle[better] = area[better], turn
    return _boxed(flat, owner, start, angle)


def _boxed(
    flat: NDArray[np.float64], owner: NDArray[np.int64], start: NDArray[np.int64], angle: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Charts turned by an angle each (C,), moved to zero, and their extents (C, 2)."""
    cosine, sine = np.cos(angle)[owner], np.sin(angle)[owner]
    turned = np.stack([cosine * flat[:, 0] - sine * flat[:, 1], sine * flat[:, 0] + cosine * flat[:, 1]], axis=1)
    low, high = np.minimum.reduceat(turned, start), np.maximum.reduceat(turned, start)
    return turned - low[owner], high - low


def _fitted(extent: NDArray[np.float64], apart: int, texture_size: int) -> tuple[float, NDArray[np.int64]]:
    """The largest scale found, in texels per unit, at which rectangles (C, 2) fit, and their places: see `pack`."""
    order = np.argsort(-extent.max(axis=1), kind="stable")  # large ones first, the small ones fill what is left

    def placed(scale: float) -> NDArray[np.int64] | None:
        sizes = np.ceil(extent[order] * scale - 1e-9).astype(np.int64) + apart
        places = np.zeros((len(extent), 3), np.int64)
        if sizes.max() > texture_size or not kernels().pack(sizes, texture_size, places):
            return None
        places[order] = places.copy()
        return places

    fitting, too_large = 0.0, (texture_size - apart) / max(float(extent.max()), 1e-30)
    best = placed(too_large)
    if best is not None:
        return too_large, best
    for _ in range(_SEARCH):
        middle = (fitting + too_large) / 2
        places = placed(middle)
        if places is None:
            too_large = middle
        else:
            fitting, best = middle, places
    if best is None:
        raise InputError(
            f"a texture of {texture_size} x {texture_size} texels is too small for the {len(extent)} charts of this "
            "surface; take a larger one, the unwrapping 'quality', or vertex colours"
        )
    return fitting, best
