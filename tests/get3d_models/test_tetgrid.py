"""Tetrahedral grids fill the cube, conform, are positively oriented, and bad grid files are refused in one line."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from get3d_models.errors import InputError
from get3d_models.tetgrid import TET_EDGES, TetGrid, a15_grid, body_centred_grid, grid, load_grid

A15_CLASSES = {(0, 0, 2), (2, 2, 0), (0, 1, 0), (0, 3, 0), (1, 2, 2), (3, 2, 2), (2, 0, 1), (2, 0, 3)}
BUILDERS = [a15_grid, body_centred_grid]
RESOLUTIONS = [4, 5, 6, 7, 9, 12]


def volumes(grid: TetGrid) -> np.ndarray:
    a, b, c, d = grid.vertices.double().numpy()[grid.tets.numpy().T]
    return (np.cross(b - a, c - a) * (d - a)).sum(axis=1) / 6


def facet_keys(grid: TetGrid) -> tuple[np.ndarray, np.ndarray]:
    """The distinct triangles (F, 3) and how many tets each bounds."""
    tets = grid.tets.numpy()
    facets = np.concatenate([np.delete(tets, i, axis=1) for i in range(4)])
    return np.unique(np.sort(facets, axis=1), axis=0, return_counts=True)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_a_grid_fills_the_cube_with_positively_oriented_tets(build: Callable[..., TetGrid], resolution: int) -> None:
    cube = build(resolution, scale=0.8)
    each = volumes(cube)
    assert each.min() > 0
    assert each.sum() == pytest.approx(0.8**3, rel=1e-6)
    assert cube.vertices.amin(0).tolist() == pytest.approx([-0.4] * 3)
    assert cube.vertices.amax(0).tolist() == pytest.approx([0.4] * 3)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_a_grid_conforms(build: Callable[..., TetGrid], resolution: int) -> None:
    cube = build(resolution)
    facets, shared = facet_keys(cube)
    points = cube.vertices.numpy()[facets]
    side = 0.5 * np.ones(3, dtype=np.float32)
    on_a_cube_face = ((points == side).all(axis=1) | (points == -side).all(axis=1)).any(axis=1)
    assert np.array_equal(shared == 1, on_a_cube_face)
    assert shared.max() == 2


@pytest.mark.parametrize("build", BUILDERS)
def test_every_vertex_is_used_and_no_tet_is_a_sliver(build: Callable[..., TetGrid]) -> None:
    for resolution in (8, 9):
        cube = build(resolution)
        assert len(np.unique(cube.tets.numpy())) == len(cube.vertices)
        ends = cube.vertices.double().numpy()[cube.edges.numpy()]
        longest = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)[cube.tet_edges.numpy()].max(axis=1)
        regular = longest**3 / (6 * np.sqrt(2))
        assert (volumes(cube) / regular).min() > 0.1


@pytest.mark.parametrize("resolution", [4, 5, 8, 10, 11, 15, 32])
def test_the_a15_grid_has_exactly_the_lattice_points_inside(resolution: int) -> None:
    units = (a15_grid(resolution, scale=1.8).vertices.double().numpy() / 1.8 + 0.5) * resolution
    rounded = np.round(units).astype(int)
    assert np.abs(units - rounded).max() < 1e-4
    inside = rounded[((rounded > 0) & (rounded < resolution)).all(axis=1)]
    lattice = np.array(list(np.ndindex((resolution,) * 3)))
    lattice = lattice[(lattice > 0).all(axis=1)]
    expected = {tuple(k) for k in lattice if tuple(k % 4) in A15_CLASSES}
    assert {tuple(k) for k in inside} == expected


def test_an_interior_a15_tet_is_delaunay() -> None:
    units = np.round((a15_grid(14).vertices.double().numpy() + 0.5) * 14)
    tets = a15_grid(14).tets.numpy()
    corners = units[tets]
    deep = ((corners > 2) & (corners < 12)).all(axis=(1, 2))
    corners = corners[deep]
    assert len(corners) > 100
    rows = 2 * (corners[:, 1:] - corners[:, :1])
    squares = (corners[:, 1:] ** 2).sum(-1) - (corners[:, :1] ** 2).sum(-1)
    middle = np.linalg.solve(rows, squares[..., None])[..., 0]
    radius = np.linalg.norm(corners[:, 0] - middle, axis=1)
    nearest = np.linalg.norm(units[None] - middle[:, None], axis=2).min(axis=1)
    assert np.allclose(nearest, radius)


@pytest.mark.parametrize("build", BUILDERS)
def test_edge_tables_list_every_edge_once_in_order(build: Callable[..., TetGrid]) -> None:
    cube = build(7)
    edges, tets = cube.edges.numpy(), cube.tets.numpy()
    pairs = np.sort(tets[:, np.array(TET_EDGES)], axis=2)
    assert np.array_equal(edges, np.unique(pairs.reshape(-1, 2), axis=0))
    assert np.array_equal(edges[cube.tet_edges.numpy()], pairs)
    assert (cube.tets.dtype, cube.edges.dtype, cube.vertices.dtype) == (torch.int64, torch.int64, torch.float32)


def test_boundary_and_centre() -> None:
    cube = body_centred_grid(4, scale=2.0)
    assert torch.equal(cube.boundary, (cube.vertices.abs() == 1).any(dim=1))
    assert cube.vertices[cube.center].tolist() == [0, 0, 0]
    tied = a15_grid(6)
    norms = tied.vertices.double().norm(dim=1)
    assert tied.center == int((norms == norms.min()).nonzero()[0])


def test_a_grid_goes_to_a_device_and_the_accessor_shares_it() -> None:
    assert grid("a15", 6) is grid("a15", 6)
    assert grid("a15", 6).to("cpu") is grid("a15", 6)
    moved = grid("a15", 6).to("meta")
    assert moved.tets.device.type == moved.tet_edges.device.type == "meta"
    with pytest.raises(InputError, match="choose one of a15, body-centred"):
        grid("cubic", 6)


@pytest.mark.parametrize("resolution", [3, 0, -5, 4.5, True])
def test_an_impossible_resolution_is_refused(resolution: object) -> None:
    with pytest.raises(InputError, match="whole number from 4"):
        a15_grid(resolution)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_scale_is_refused(scale: float) -> None:
    with pytest.raises(InputError, match="scale must be positive"):
        body_centred_grid(4, scale)


@pytest.mark.slow
def test_the_res_90_grid_has_about_the_official_size() -> None:
    cube = a15_grid(90)
    assert abs(len(cube.vertices) - 98_653) < 1000
    assert abs(len(cube.tets) - 532_314) < 2000
    assert volumes(cube).sum() == pytest.approx(1.0, rel=1e-5)


# --- grids read from files -------------------------------------------------------------------------------------------


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_a_file_is_recentred_and_scaled_by_its_longest_extent(tmp_path: Path) -> None:
    cube = a15_grid(5)
    points = cube.vertices.double().numpy() * [7.0, 3.0, 5.0] + [10.0, -4.0, 0.5]
    read = load_grid(save(tmp_path / "box.npz", vertices=points, tets=cube.tets.numpy()), scale=2.0)
    assert torch.allclose(read.vertices, cube.vertices * torch.tensor([2.0, 6 / 7, 10 / 7]), atol=1e-6)
    assert torch.equal(read.tets, cube.tets) and torch.equal(read.tet_edges, cube.tet_edges)
    assert torch.equal(read.boundary, (cube.vertices[:, 0].abs() == 0.5))
    assert (read.name, read.resolution, read.scale) == ("box", None, 2.0)


def broken_files() -> dict[str, tuple[dict[str, np.ndarray], str]]:
    cube = a15_grid(4)
    points, tets = cube.vertices.numpy(), cube.tets.numpy()
    holed, outside, inverted, flat = points.copy(), tets.copy(), tets.copy(), tets.copy()
    holed[3, 1] = np.nan
    outside[7, 2] = len(points)
    inverted[5] = inverted[5, [1, 0, 2, 3]]
    flat[5, 3] = flat[5, 2]
    return {
        "no tets": ({"vertices": points}, "holds no array tets"),
        "nothing": ({"other": points}, "holds no array vertices or tets"),
        "2-D points": ({"vertices": points[:, :2], "tets": tets}, r"shape \(V, 3\)"),
        "whole numbers as points": ({"vertices": points.astype(int), "tets": tets}, r"shape \(V, 3\)"),
        "triangles": ({"vertices": points, "tets": tets[:, :3]}, r"shape \(T, 4\)"),
        "floats as tets": ({"vertices": points, "tets": tets.astype(float)}, r"shape \(T, 4\)"),
        "no tet at all": ({"vertices": points, "tets": tets[:0]}, r"shape \(T, 4\)"),
        "NaN": ({"vertices": holed, "tets": tets}, "NaN or infinite"),
        "index too large": ({"vertices": points, "tets": outside}, "outside 0.."),
        "index negative": ({"vertices": points, "tets": -outside}, "outside 0.."),
        "inverted": ({"vertices": points, "tets": inverted}, "1 of 66 tets are inverted or flat"),
        "flat tet": ({"vertices": points, "tets": flat}, "1 of 66 tets are inverted or flat"),
        "plane": ({"vertices": points * [1, 1, 0], "tets": tets}, "one plane"),
        "objects": ({"vertices": points.astype(object), "tets": tets}, "no readable grid"),
    }


@pytest.mark.parametrize("case", list(broken_files()))
def test_a_broken_grid_file_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    arrays, message = broken_files()[case]
    with pytest.raises(InputError, match=message) as refused:
        load_grid(save(tmp_path / "grid.npz", **arrays))
    assert "\n" not in str(refused.value)


def test_files_that_are_no_npz_are_refused(tmp_path: Path) -> None:
    good = save(tmp_path / "good.npz", vertices=a15_grid(4).vertices.numpy(), tets=a15_grid(4).tets.numpy())
    text, cut, garbled = tmp_path / "text.npz", tmp_path / "cut.npz", tmp_path / "garbled.npz"
    text.write_text("v 0 0 0\n")
    content = good.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    middle = len(content) // 2
    garbled.write_bytes(content[:middle] + bytes(200) + content[middle + 200 :])
    for path in (text, cut, garbled, tmp_path):
        with pytest.raises(InputError, match="no readable grid") as refused:
            load_grid(path)
        assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="there is no grid file"):
        load_grid(tmp_path / "absent.npz")


def test_a_header_that_promises_more_than_memory_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**15, 3)})
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("vertices.npy", header.getvalue())
        archive.writestr("tets.npy", header.getvalue())
    with pytest.raises(InputError, match="no readable grid"):
        load_grid(bomb)
