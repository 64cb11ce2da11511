"""Another mesh of the same shape: on a finer or coarser grid, smoothed, or of fewer triangles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models.shape import Shape

_SHRINK, _GROW = 0.5, 0.53  # Taubin's pair: 1 / 0.5 - 1 / 0.53 = 0.11 is the frequency that keeps its height
_CELLS = {"a15": 46 / 64, "body-centred": 12.0, "cubes": 1.0}  # tetrahedra (or cubes) of a grid of resolution 1
_MOST_CELLS = 1 << 24


def at_resolution(shape: Shape, resolution: int) -> Shape:
    """The shape of the same latents, extracted on a grid of another resolution.

    The network's deformation is a field in space, but is scaled by the grid's resolution; here it stays what it is in
    world units. Raises InputError for a grid that would take gigabytes, and for a shape that falls between its points.
    """
    generator = shape.generator
    config = generator.config
    most = int((_MOST_CELLS / _CELLS[config.grid]) ** (1 / 3))
    if resolution > most:
        raise InputError(
            f"a grid of resolution {resolution} of the kind {config.grid} is too large; take at most {most}"
        )
    multiplier = config.deformation_multiplier * config.grid_resolution / resolution
    finer = generator.with_config(grid_resolution=resolution, deformation_multiplier=multiplier)
    found = finer.shape(shape.latents)
    if len(found.faces) == 0:
        raise InputError(f"nothing is left of the shape on a grid of resolution {resolution}; take a finer one")
    return found


def smoothed(vertices: NDArray[np.float32], faces: NDArray[np.int64], rounds: int) -> NDArray[np.float32]:
    """Vertices (V, 3) after so many rounds of Taubin's smoothing, which takes away bumps and hardly any volume.

    vertices: (V, 3). faces: (F, 3). A round moves each vertex towards the mean of its neighbours, then back, farther.
    """
    import trimesh
    from trimesh.smoothing import filter_taubin, laplacian_calculation

    # `process` would merge vertices.
    mesh = trimesh.Trimesh(vertices.astype(np.float64), faces, process=False, validate=False)
    weights = laplacian_calculation(mesh, equal_weight=True)
    filter_taubin(mesh, lamb=_SHRINK, nu=_GROW, iterations=2 * rounds, laplacian_operator=weights)
    return np.asarray(mesh.vertices, dtype=np.float32)


def simplified(
    vertices: NDArray[np.float32], faces: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vertices and faces of a mesh of `count` triangles or a few less, by VTK's quadric decimation.

    vertices: (V, 3). faces: (F, 3). A closed surface stays closed, unless so few triangles are left (a hundred, of an
    animal) that thin parts collapse. A mesh that has no more than `count` is returned as it is. Raises InputError where
    nothing would be left.
    """
    if len(faces) <= count:
        return vertices, faces
    import pyvista

    mesh = pyvista.PolyData.from_regular_faces(vertices, faces)  # type: ignore[arg-type]
    found = mesh.decimate(1 - count / len(faces), volume_preservation=True)
    if found.n_cells == 0:
        raise InputError(f"nothing is left of the shape with {count} triangles; simplify it less")
    origin, fewer = _without_pinches(_without_fins(found.regular_faces.astype(np.int64)))
    return np.asarray(found.points, dtype=np.float32)[origin], fewer


def _edges(faces: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of the three edges of each face the number, and how many faces each number has: (F, 3) and (E,)."""
    ends = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, number, uses = np.unique(
        ends[:, 0] * (int(faces.max()) + 1) + ends[:, 1], return_inverse=True, return_counts=True
    )
    return number.reshape(-1, 3), uses


def _without_fins(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Faces without those that hang on a surface by one edge: decimation leaves one now and then where it folded."""
    number, uses = _edges(faces)
    around = np.sort(uses[number], axis=1)
    return faces[(around[:, 1] != 1) | (around[:, 2] <= 2)]


def _without_pinches(faces: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut a surface where it touches itself, at edges of four faces: the old number of each vertex (M,), and the faces.

    Thin parts, such as an ear, collapse to that. A vertex is there once for each fan of faces around it that edges of
    two faces hold together. Vertices of no face are left out.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    number, uses = _edges(faces)
    places = np.argsort(number, axis=None, kind="stable")
    places = places[uses[number.reshape(-1)[places]] == 2].reshape(-1, 2)  # where each edge of two faces is
    starts, ends = places, places // 3 * 3 + (places + 1) % 3  # its corners in both
    one, other = np.stack([starts[:, 0], ends[:, 0]], axis=1), np.stack([starts[:, 1], ends[:, 1]], axis=1)
    corners = faces.reshape(-1)
    other = np.where(corners[one] == corners[other], other, other[:, ::-1])  # faces run through it in opposite ways
    links = coo_array(
        (np.ones(one.size, bool), (one.reshape(-1), other.reshape(-1))), shape=(corners.size, corners.size)
    )
    _, fan = connected_components(links, directed=False)
    _, first, place = np.unique(fan, return_index=True, return_inverse=True)
    return corners[first], place.reshape(-1, 3)
