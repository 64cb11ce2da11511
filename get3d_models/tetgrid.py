"""Tetrahedral grids that fill a cube: the A15 lattice of the official grids, a body-centred one, and npz files."""

from __future__ import annotations

import itertools
import zipfile
import zlib
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from numbers import Integral
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from get3d_models.errors import InputError
from get3d_models.ordering import stable_order

IntArray = NDArray[np.integer]
FloatArray = NDArray[np.floating]

#: Corner pairs of the six edges of a tetrahedron, in the order used by every table here and in `marching`.
TET_EDGES: tuple[tuple[int, int], ...] = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))

MIN_RESOLUTION = 4
MAX_FILE_BYTES = 1 << 30
#: Whatever zipfile, zlib and numpy raise on a file that is truncated, foreign or not plain numbers.
UNREADABLE = (OSError, EOFError, ValueError, KeyError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class TetGrid:
    """A conforming tetrahedral mesh of a cube centred on the origin; every tensor lives on one device.

    vertices   (V, 3) float32, world units (already scaled)
    tets       (T, 4) int64, positively oriented: ((b - a) x (c - a)) . (d - a) > 0
    edges      (E, 2) int64, unique, smaller vertex first, lexicographically sorted
    tet_edges  (T, 6) int32, the edge number of each tet edge in the order 01 02 03 12 13 23
    boundary   (V,) bool, some coordinate equals the largest or smallest coordinate of the whole grid
    center     the vertex of smallest norm, the first one where several tie
    resolution lattice units per side (None for a grid read from a file)
    """

    vertices: Tensor
    tets: Tensor
    edges: Tensor
    tet_edges: Tensor
    boundary: Tensor
    center: int
    name: str
    resolution: int | None
    scale: float

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self.vertices.device

    @property
    def cell(self) -> float:
        """The farthest that an edge reaches along an axis, world units."""
        first, second = self.vertices[self.edges.T.flatten()].chunk(2)
        return float((first - second).abs().max())

    def to(self, device: torch.device | str) -> TetGrid:
        """The same grid on `device` (itself when it is already there)."""
        if torch.empty(0, device=device).device == self.device:
            return self
        names = ("vertices", "tets", "edges", "tet_edges", "boundary")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def a15_grid(resolution: int, scale: float = 1.0) -> TetGrid:
    """The A15 lattice clipped to the cube [-scale/2, scale/2]^3: inside, the points of the official grids.

    `resolution` is the cube's side in lattice units (a cell is 4 units, edges are 2 to 2.45 units), any integer >= 4.
    Even cube faces are mirror planes of the lattice, so tets that cross one are cut into two equal halves; at an odd
    resolution the points one unit beyond the upper faces are pulled back onto them. Both are the same clamping of
    coordinates to the cube, after which flat tets are dropped: what is left fills the cube and conforms.
    Raises InputError for a resolution below 4 or a scale that is not positive.
    """
    _check_size(resolution, scale)
    starts = np.arange(-2, resolution // 4 + 2, dtype=np.int32) * 4
    cells = np.stack(np.meshgrid(starts, starts, starts, indexing="ij"), axis=-1).reshape(-1, 1, 1, 3)
    corners = np.clip(cells + _a15_cell(), 0, resolution).reshape(-1, 4, 3)
    corners = corners[_six_volumes(corners) > 0]
    keys = (corners[..., 0] * (resolution + 1) + corners[..., 1]) * (resolution + 1) + corners[..., 2]
    used = np.zeros((resolution + 1) ** 3, dtype=bool)
    used[keys] = True
    points = np.stack(np.unravel_index(np.flatnonzero(used), (resolution + 1,) * 3), axis=-1)
    tets = (np.cumsum(used) - 1)[keys]
    return _assemble(_to_world(points, resolution, scale), tets, "a15", resolution, scale)


def body_centred_grid(resolution: int, scale: float = 1.0) -> TetGrid:
    """A body-centred cubic lattice: `resolution` cubes per side, their corners and centres as vertices.

    Four tets stand around every square between two cubes, and the pyramid over every square of the cube's surface is
    cut in two: (n+1)^3 + n^3 vertices, 12 n^3 tets. At equal `resolution` it is far finer than `a15_grid`.
    Raises InputError for a resolution below 4 or a scale that is not positive.
    """
    _check_size(resolution, scale)
    n = resolution
    corner = np.arange((n + 1) ** 3).reshape(n + 1, n + 1, n + 1)
    centre = np.arange(n**3).reshape(n, n, n) + corner.size
    tets = np.concatenate([_tets_across(corner, centre, axis) for axis in range(3)])
    grids = [np.stack(np.meshgrid(*[np.arange(k)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) for k in (n + 1, n)]
    points = np.concatenate([2 * grids[0], 2 * grids[1] + 1])
    inverted = _six_volumes(points[tets].astype(np.int32)) < 0
    tets[inverted] = tets[inverted][:, [0, 1, 3, 2]]
    return _assemble(_to_world(points, 2 * n, scale), tets, "body-centred", resolution, scale)


def load_grid(path: str | Path, scale: float = 1.0) -> TetGrid:
    """Read `vertices` (V, 3) and `tets` (T, 4) from an npz file, as the official grids come.

    The vertices are re-centred on the middle of their bounds and divided by the longest extent, then multiplied by
    `scale`. Raises InputError when the file cannot be read or is not a grid of positively oriented tets.
    """
    path = Path(path)
    _check_size(MIN_RESOLUTION, scale)
    vertices, tets = _read_arrays(path)
    _check_arrays(path, vertices, tets)
    points = vertices.astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - (low + high) / 2) / (high - low).max() * scale
    corners = tets.astype(np.int64)
    bad = int((~(_six_volumes(points[corners]) > 0)).sum())
    if bad:
        raise InputError(f"{path}: {bad} of {len(corners)} tets are inverted or flat; give a positively oriented grid")
    return _assemble(points.astype(np.float32), corners, path.stem, None, scale)


@lru_cache(maxsize=4)
def grid(kind: str, resolution: int, scale: float = 1.0) -> TetGrid:
    """The grid of that kind ("a15" or "body-centred") on the CPU, built once and shared; do not change its tensors."""
    builders = {"a15": a15_grid, "body-centred": body_centred_grid}
    if kind not in builders:
        raise InputError(f"unknown tetrahedral grid {kind!r}: choose one of {', '.join(builders)}")
    return builders[kind](resolution, scale)


@cache
def _a15_cell() -> IntArray:
    """The 46 tets of one A15 cell of side 4, (46, 4, 3) int32.

    They are the Delaunay tets of the lattice, and A15 is a tetrahedrally close-packed structure: its Delaunay tets are
    exactly the sets of four mutual neighbours (distances 2, sqrt 5, sqrt 6). Each is listed at its smallest point.
    """
    sites = np.array([(0, 0, 2), (0, 1, 0), (0, 3, 0), (1, 2, 2), (2, 0, 1), (2, 0, 3), (2, 2, 0), (3, 2, 2)])
    shifts = np.array(list(itertools.product((-4, 0, 4), repeat=3)))
    points = (shifts[:, None] + sites).reshape(-1, 3)
    points = points[np.lexsort(points.T[::-1])]
    distance = ((points[:, None] - points) ** 2).sum(axis=-1)
    near = (distance > 0) & (distance <= 6)
    tets = []
    for a in np.flatnonzero(((points >= 0) & (points < 4)).all(axis=1)):
        later = [int(i) for i in np.flatnonzero(near[a]) if i > a]
        for b, c, d in itertools.combinations(later, 3):
            if near[b, c] and near[b, d] and near[c, d]:
                tets.append((a, b, c, d))
    cell = points[np.array(tets)].astype(np.int32)
    inverted = _six_volumes(cell) < 0
    cell[inverted] = cell[inverted][:, [0, 1, 3, 2]]
    return cell


def _tets_across(corner: IntArray, centre: IntArray, axis: int) -> IntArray:
    """The body-centred tets around every square perpendicular to `axis`, orientation not yet settled."""
    corner, centre = np.moveaxis(corner, axis, 0), np.moveaxis(centre, axis, 0)
    ring = [corner[:, :-1, :-1], corner[:, 1:, :-1], corner[:, 1:, 1:], corner[:, :-1, 1:]]
    blocks = [(centre[:-1], centre[1:], ring[i][1:-1], ring[(i + 1) % 4][1:-1]) for i in range(4)]
    for end in (0, -1):
        blocks += [(centre[end], ring[0][end], ring[i][end], ring[i + 1][end]) for i in (1, 2)]
    return np.concatenate([np.stack(block, axis=-1).reshape(-1, 4) for block in blocks])


def _assemble(vertices: FloatArray, tets: IntArray, name: str, resolution: int | None, scale: float) -> TetGrid:
    """Add what follows from vertices and tets: the edge tables, the boundary and the centre."""
    edges, tet_edges = _edge_tables(tets, len(vertices))
    boundary = ((vertices == vertices.max()) | (vertices == vertices.min())).any(axis=1)
    center = int((vertices.astype(np.float64) ** 2).sum(axis=1).argmin())
    return TetGrid(
        vertices=torch.from_numpy(vertices),
        tets=torch.from_numpy(tets.astype(np.int64)),
        edges=torch.from_numpy(edges),
        tet_edges=torch.from_numpy(tet_edges),
        boundary=torch.from_numpy(boundary),
        center=center,
        name=name,
        resolution=resolution,
        scale=float(scale),
    )


def _edge_tables(tets: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """Unique sorted edges (E, 2) int64 and the edge numbers (T, 6) int32 of each tet.

    One int64 key per edge: sorting numbers is some forty times faster than sorting rows.
    """
    corners = [np.ascontiguousarray(column, dtype=np.int64) for column in tets.T]
    of_tets = np.empty((len(tets), len(TET_EDGES)), np.int64)
    for edge, (a, b) in enumerate(TET_EDGES):
        of_tets[:, edge] = np.minimum(corners[a], corners[b]) * count + np.maximum(corners[a], corners[b])
    keys = of_tets.reshape(-1)
    order = stable_order(keys)
    ordered = keys[order]
    new = np.append(True, ordered[1:] != ordered[:-1])
    number = np.empty(len(keys), dtype=np.int32)
    number[order] = np.cumsum(new, dtype=np.int32) - 1
    return np.stack(np.divmod(ordered[new], count), axis=1), number.reshape(-1, 6)


def _six_volumes(corners: NDArray) -> NDArray:
    """Six times the signed volume of tets given as corner coordinates (T, 4, 3)."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = ((corners[:, i] - corners[:, 0]).T for i in (1, 2, 3))
    return ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)


def _to_world(points: IntArray, side: int, scale: float) -> FloatArray:
    """Integer coordinates 0..side to the cube around the origin, exactly mirror-symmetric."""
    return ((2 * points - side) / (2 * side) * scale).astype(np.float32)


def _check_size(resolution: int, scale: float) -> None:
    if not isinstance(resolution, Integral) or isinstance(resolution, bool) or resolution < MIN_RESOLUTION:
        raise InputError(f"the grid's resolution must be a whole number from {MIN_RESOLUTION} up, not {resolution}")
    if not 0 < scale < float("inf"):
        raise InputError(f"the grid's scale must be positive, not {scale}")


def _read_arrays(path: Path) -> tuple[NDArray, NDArray]:
    """`vertices` and `tets` of an npz file; nothing in it is ever unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        missing = [name for name in ("vertices", "tets") if f"{name}.npy" not in sizes]
        if missing:
            raise InputError(f"{path} holds no array {' or '.join(missing)}: a grid file needs 'vertices' and 'tets'")
        if sizes["vertices.npy"] + sizes["tets.npy"] > MAX_FILE_BYTES:
            raise InputError(f"{path} would unpack to more than {MAX_FILE_BYTES >> 30} GiB; use a smaller grid")
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["vertices"], arrays["tets"]
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"there is no grid file {path}") from None
    except UNREADABLE as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path} is no readable grid ({reason}); give an npz with 'vertices' and 'tets'") from None


def _check_arrays(path: Path, vertices: NDArray, tets: NDArray) -> None:
    """Refuse arrays that cannot be a grid."""
    if vertices.ndim != 2 or vertices.shape[1] != 3 or vertices.dtype.kind != "f" or len(vertices) < 4:
        shape = f"{vertices.dtype} {vertices.shape}"
        raise InputError(f"{path}: 'vertices' must be floating point numbers of shape (V, 3), not {shape}")
    if tets.ndim != 2 or tets.shape[1] != 4 or tets.dtype.kind not in "iu" or len(tets) == 0:
        raise InputError(f"{path}: 'tets' must be integers of shape (T, 4), not {tets.dtype} {tets.shape}")
    if not np.isfinite(vertices).all():
        raise InputError(f"{path}: 'vertices' holds NaN or infinite numbers; give a grid of finite points")
    if int(tets.min()) < 0 or int(tets.max()) >= len(vertices):
        raise InputError(f"{path}: 'tets' names vertices outside 0..{len(vertices) - 1}; give arrays that match")
    if not (np.ptp(vertices.astype(np.float64), axis=0) > 0).all():
        raise InputError(f"{path}: the vertices all lie in one plane; give a grid that fills a volume")
