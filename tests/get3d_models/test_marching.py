"""Marching tetrahedra: closed outward surfaces, exact gradients, the official order, one result on every path."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay

from drag3d.bench.marching import bench_marching, deformed_ellipsoid
from drag3d.bench.textbook_marching import textbook_marching_tetrahedra
from get3d_models import marching, marching_kernels
from get3d_models.errors import InputError
from get3d_models.marching import degenerate_samples, fill_degenerate, marching_tetrahedra
from get3d_models.tetgrid import TET_EDGES, TetGrid, grid, load_grid

ROOT = Path(os.environ.get("DRAG3D_GOLDEN", Path(__file__).parents[1] / "data" / "golden")) / "get3d"
FOLDERS = sorted(p for p in ROOT.glob("*") if (p / "tet_grid.npz").is_file())
GRIDS = {"a15": grid("a15", 16), "odd a15": grid("a15", 17, 0.8), "body-centred": grid("body-centred", 7)}


def smooth_field(cube: TetGrid, seed: int) -> torch.Tensor:
    """A few random waves, pressed below zero towards the faces of the cube."""
    rng = np.random.default_rng(seed)
    x = cube.vertices.double().numpy() / cube.scale
    waves = [rng.normal() * np.cos(x @ rng.normal(0, 5, 3) + rng.uniform(0, 2 * np.pi)) for _ in range(6)]
    field = sum(waves) + rng.normal() - 3 * (np.abs(x).max(axis=1) / 0.4) ** 6
    return torch.from_numpy(field - min(field.max() - 0.5, 0)).float()


def sphere(cube: TetGrid, radius: float = 0.3) -> torch.Tensor:
    return radius - cube.vertices.norm(dim=1)


def pieces_around_vertices(faces: np.ndarray) -> int:
    """How many fans the corners of a closed mesh form; a manifold has one for each vertex."""
    owner, follower, opposite = {}, [], []
    for f, face in enumerate(faces.tolist()):
        for k in range(3):
            owner[face[k], face[(k + 1) % 3]] = 3 * f + k
    for (a, b), corner in owner.items():
        across = owner[b, a]
        follower.append(corner)
        opposite.append(across - across % 3 + (across + 1) % 3)
    graph = coo_array((np.ones(len(follower)), (follower, opposite)), shape=(faces.size, faces.size))
    return connected_components(graph, directed=False)[0]


@pytest.mark.parametrize("name", GRIDS)
def test_a_hundred_smooth_fields_give_closed_manifold_outward_surfaces(name: str) -> None:
    cube = GRIDS[name]
    for seed in range(100):
        sdf = smooth_field(cube, seed)
        assert (sdf > 0).any() and (sdf[cube.boundary] < 0).all()
        vertices, faces = marching_tetrahedra(cube, sdf)
        mesh = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False, validate=False)
        assert mesh.is_watertight and mesh.is_winding_consistent
        assert mesh.volume > 0
        if seed < 10:
            assert pieces_around_vertices(faces.numpy()) == len(vertices)


@pytest.mark.parametrize("name", GRIDS)
def test_a_hollow_sphere_has_the_volume_between_its_surfaces(name: str) -> None:
    cube = GRIDS[name]
    r = cube.vertices.norm(dim=1)
    vertices, faces = marching_tetrahedra(cube, torch.minimum(0.36 - r, r - 0.18))
    mesh = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False)
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * (0.36**3 - 0.18**3), rel=0.05)


def test_a_plane_is_reproduced_exactly_and_faces_down_the_field() -> None:
    cube = grid("a15", 9)
    direction = torch.tensor([0.6, 0.0, 0.8])
    vertices, faces = marching_tetrahedra(cube, 0.07 - cube.vertices @ direction)
    assert torch.allclose(vertices @ direction, torch.tensor(0.07), atol=1e-6)
    a, b, c = vertices[faces].unbind(1)
    along = torch.linalg.cross(b - a, c - a) @ direction
    assert (along >= -1e-9).all() and (along > 1e-6).sum() > 0.9 * len(faces)


@pytest.mark.parametrize("code", range(1, 15))
def test_one_tet_in_each_of_its_cases_is_cut_outward(code: int) -> None:
    corners = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], dtype=float)
    inside = np.array([bool(code >> i & 1) for i in range(4)])
    outward = corners[~inside].mean(axis=0) - corners[inside].mean(axis=0)
    triangles = [t for t in marching.triangle_table()[code] if t[0] >= 0]
    assert len(triangles) == 2 - (inside.sum() != 2)
    for triangle in triangles:
        ends = [TET_EDGES[e] for e in triangle]
        assert all(inside[a] != inside[b] for a, b in ends)
        a, b, c = (corners[list(pair)].mean(axis=0) for pair in ends)
        assert np.cross(b - a, c - a) @ outward > 0


def test_vertices_follow_the_order_of_the_cut_edges_and_zero_is_outside() -> None:
    cube = grid("body-centred", 4)
    sdf = smooth_field(cube, 3)
    sdf[sdf.abs().argsort()[:20]] = 0.0
    vertices, _ = marching_tetrahedra(cube, sdf)
    a, b = cube.edges[(sdf > 0)[cube.edges[:, 0]] != (sdf > 0)[cube.edges[:, 1]]].T
    t = (sdf[a] / (sdf[a] - sdf[b]))[:, None]
    assert torch.allclose(vertices, cube.vertices[a] * (1 - t) + cube.vertices[b] * t, atol=1e-6)


# --- empty, full and bad fields --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_a_field_without_a_surface_gives_an_empty_mesh(value: float) -> None:
    cube = grid("a15", 5)
    sdf = torch.full((len(cube.vertices),), value, requires_grad=True)
    vertices, faces = marching_tetrahedra(cube, sdf)
    assert vertices.shape == faces.shape == (0, 3)
    assert (vertices.dtype, faces.dtype) == (torch.float32, torch.int64)
    vertices.sum().backward()
    assert not sdf.grad.any()


def test_bad_fields_are_refused_in_one_line() -> None:
    cube = grid("a15", 5)
    good, count = sphere(cube), len(cube.vertices)
    for bad in (math.nan, math.inf):
        broken = good.clone()
        broken[7] = bad
        with pytest.raises(InputError, match="NaN or infinite"):
            marching_tetrahedra(cube, broken)
        with pytest.raises(InputError, match="NaN or infinite"):
            fill_degenerate(cube, broken[None])
        with pytest.raises(InputError, match="vertices hold NaN or infinite"):
            marching_tetrahedra(cube, good, torch.full_like(cube.vertices, bad))
    with pytest.raises(InputError, match=f"sdf must be {count}"):
        marching_tetrahedra(cube, good[:-1])
    with pytest.raises(InputError, match="sdf must be"):
        marching_tetrahedra(cube, good > 0)
    with pytest.raises(InputError, match="vertices must be"):
        marching_tetrahedra(cube, good, cube.vertices[:, :2])
    with pytest.raises(InputError, match="one device"):
        marching_tetrahedra(cube, good.to("meta"))
    with pytest.raises(InputError, match="sdf must have shape"):
        fill_degenerate(cube, good)


def test_an_empty_sample_just_below_zero_becomes_a_blob_at_the_centre() -> None:
    cube = grid("a15", 8)
    empty = torch.full((len(cube.vertices),), -0.3).requires_grad_()
    full = sphere(cube).requires_grad_()
    batch = torch.stack([empty, full])
    low, high = batch.min().item(), batch.max().item()
    assert degenerate_samples(batch).tolist() == [True, False]
    filled = fill_degenerate(cube, batch)
    assert torch.equal(filled[1], full)
    assert filled[0, cube.center].item() == pytest.approx(1 - low)
    assert torch.allclose(filled[0, cube.boundary], torch.tensor(-1 - high))
    others = ~cube.boundary
    others[cube.center] = False
    assert (filled[0, others] == -0.3).all()
    vertices, faces = marching_tetrahedra(cube, filled[0].detach())
    around = (cube.edges == cube.center).any(dim=1).sum()
    assert len(vertices) == around
    assert trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False).is_watertight
    filled.sum().backward()
    assert not empty.grad.any() and (full.grad == 1).all()


# --- gradients -------------------------------------------------------------------------------------------------------


def random_field(cube: TetGrid, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A field of random signs kept away from zero, and moved vertices, in float64 with gradients."""
    generator = torch.Generator().manual_seed(seed)
    sign = torch.where(torch.rand(len(cube.vertices), generator=generator) < 0.3, 1.0, -1.0).double()
    sdf = sign * (0.2 + torch.rand(len(cube.vertices), generator=generator, dtype=torch.float64))
    shift = 0.1 * torch.randn(cube.vertices.shape, generator=generator, dtype=torch.float64)
    return sdf.requires_grad_(), (cube.vertices + shift).requires_grad_()


@pytest.fixture(params=["kernels", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "torch":
        monkeypatch.setattr(marching_kernels, "kernels", lambda: None)
    else:
        assert marching_kernels.kernels() is not None
    return request.param


def test_the_gradient_on_one_edge_is_the_formula(path: str) -> None:
    cube = grid("a15", 4)
    near, far = cube.edges[(cube.edges == cube.center).any(dim=1)][0].tolist()
    sdf = torch.full((len(cube.vertices),), -1.0, dtype=torch.float64)
    sdf[near if near == cube.center else far] = 3.0
    sdf.requires_grad_()
    points = cube.vertices.double().requires_grad_()
    vertices, _ = marching_tetrahedra(cube, sdf, points)
    vertices[0].sum().backward()
    inner, outer = (near, far) if near == cube.center else (far, near)
    assert points.grad[inner].tolist() == pytest.approx([0.25] * 3)
    assert points.grad[outer].tolist() == pytest.approx([0.75] * 3)
    span = (points[outer] - points[inner]).sum().item()
    assert float(sdf.grad[inner]) == pytest.approx(span / 16)
    assert float(sdf.grad[outer]) == pytest.approx(3 * span / 16)


@pytest.mark.parametrize("seed", range(3))
def test_first_and_second_derivatives_are_right(path: str, seed: int) -> None:
    cube = grid("a15", 4)
    sdf, points = random_field(cube, seed)

    def surface(s: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        return marching_tetrahedra(cube, s, p)[0]

    assert len(surface(sdf, points)) > 30
    assert torch.autograd.gradcheck(surface, (sdf, points))
    assert torch.autograd.gradcheck(surface, (sdf, points.detach()))
    assert torch.autograd.gradcheck(surface, (sdf.detach(), points))
    assert torch.autograd.gradgradcheck(surface, (sdf, points), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", GRIDS)
def test_kernels_and_torch_agree(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    cube = GRIDS[name]
    weights = torch.linspace(-1, 1, 3, dtype=dtype)
    for seed in range(5):
        results = []
        for kernels in (marching_kernels.kernels(), None):
            monkeypatch.setattr(marching_kernels, "kernels", lambda kernels=kernels: kernels)
            sdf = smooth_field(cube, seed).to(dtype).requires_grad_()
            points = (cube.vertices * 1.01).to(dtype).requires_grad_()
            vertices, faces = marching_tetrahedra(cube, sdf, points)
            (vertices * weights).sum().backward()
            results.append((vertices.detach(), faces, sdf.grad, points.grad))
            monkeypatch.undo()
        for ours, torchs in zip(*results, strict=True):
            scale = max(1.0, float(torchs.abs().max()))
            assert ours.dtype == torchs.dtype
            assert torch.allclose(ours / scale, torchs / scale, atol=1e-6)
        assert torch.equal(results[0][1], results[1][1])


def test_irregular_grids_with_many_tets_around_an_edge_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(5).normal(size=(400, 3))
    tets = Delaunay(points).simplices
    a, b, c, d = points[tets.T]
    turned = (np.cross(b - a, c - a) * (d - a)).sum(axis=1) < 0
    tets[turned] = tets[turned][:, [0, 1, 3, 2]]
    np.savez(tmp_path / "random.npz", vertices=points, tets=tets)
    cube = load_grid(tmp_path / "random.npz")
    assert cube.tet_edges.reshape(-1).bincount().max() > 8
    sdf = 0.15 - cube.vertices.norm(dim=1)
    vertices, faces = marching_tetrahedra(cube, sdf)
    assert trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False).is_watertight
    monkeypatch.setattr(marching_kernels, "kernels", lambda: None)
    again, same = marching_tetrahedra(cube, sdf)
    assert torch.equal(faces, same) and torch.allclose(vertices, again, atol=1e-6)


def test_mixed_precision_works_and_strided_input_is_read_rightly() -> None:
    cube = GRIDS["a15"]
    sdf = smooth_field(cube, 1)
    expected, faces = marching_tetrahedra(cube, sdf)
    strided = torch.stack([sdf, -sdf], dim=1)[:, 0]
    points = torch.stack([cube.vertices, -cube.vertices], dim=2)[:, :, 0]
    for vertices, same in (marching_tetrahedra(cube, strided, points), marching_tetrahedra(cube, sdf.double())):
        assert torch.equal(same, faces)
        assert torch.allclose(vertices.float(), expected, atol=1e-6)


def test_places_can_be_asked_for_where_they_matter(path: str) -> None:
    cube = GRIDS["a15"]
    sdf, asked = smooth_field(cube, 2), []
    deformed = cube.vertices + 0.01 * torch.sin(40 * cube.vertices)

    def places(used: torch.Tensor) -> torch.Tensor:
        asked.append(used)
        return deformed[used]

    vertices, faces = marching_tetrahedra(cube, sdf, places)
    expected, same = marching_tetrahedra(cube, sdf, deformed)
    assert torch.equal(vertices, expected) and torch.equal(faces, same)
    inside = sdf > 0
    cut = cube.edges[inside[cube.edges[:, 0]] != inside[cube.edges[:, 1]]]
    assert torch.equal(asked[0], cut.unique()) and len(asked) == 1


def test_calls_do_not_disturb_each_other() -> None:
    cube = GRIDS["a15"]
    fields = [smooth_field(cube, seed) for seed in range(4)]
    alone = [marching_tetrahedra(cube, field) for field in fields]
    for i in (2, 0, 3, 1, 2):
        vertices, faces = marching_tetrahedra(cube, fields[i])
        assert torch.equal(vertices, alone[i][0]) and torch.equal(faces, alone[i][1])


@pytest.mark.slow
def test_without_a_writable_cache_directory_the_kernels_still_work(tmp_path: Path) -> None:
    program = (
        "import sys, numba.core.caching as caching\n"
        "def refuse(*_): raise OSError('read-only')\n"
        "caching.IndexDataCacheFile.save = refuse\n"
        "from get3d_models import marching_kernels as m\n"
        "k = m.kernels()\n"
        "sys.exit(0 if k is not None and k.extract.signatures else 1)\n"
    )
    # An empty cache directory, so that there is something to save.
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0


def test_importing_the_package_does_not_import_numba() -> None:
    program = "import sys, get3d_models.marching; sys.exit('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_same_surface() -> None:
    cube = GRIDS["a15"]
    sdf = smooth_field(cube, 2)
    expected = marching_tetrahedra(cube, sdf)
    moved = cube.to("cuda")
    sdf = sdf.to("cuda").requires_grad_()
    vertices, faces = marching_tetrahedra(moved, sdf)
    vertices.sum().backward()
    assert torch.allclose(vertices.detach().cpu(), expected[0], atol=1e-6)
    assert torch.equal(faces.cpu(), expected[1])
    assert sdf.grad.isfinite().all() and sdf.grad.any()


# --- against others --------------------------------------------------------------------------------------------------


def triangles_of(faces: torch.Tensor) -> set[tuple[int, ...]]:
    """Triangles without their order, each from its smallest vertex on in its own direction."""
    return {tuple(np.roll(face, -int(face.argmin())).tolist()) for face in faces.numpy()}


@pytest.mark.parametrize("name", GRIDS)
def test_the_textbook_way_finds_the_same_surface_and_gradients(name: str) -> None:
    cube = GRIDS[name]
    results = []
    for surface in (
        lambda s, p: marching_tetrahedra(cube, s, p),
        lambda s, p: textbook_marching_tetrahedra(cube.tets, s, p),
    ):
        sdf, points = (tensor.double().requires_grad_() for tensor in deformed_ellipsoid(cube))
        vertices, faces = surface(sdf, points)
        (vertices * torch.tensor([1.0, -2.0, 3.0])).sum().backward()
        results.append((vertices.detach(), sdf.grad, points.grad, triangles_of(faces)))
    (*ours, triangles), (*theirs, textbook_triangles) = results
    assert len(triangles) > 100 and triangles == textbook_triangles
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, atol=1e-9)


def test_the_benchmark_measures_both_ways() -> None:
    report = bench_marching(resolution=12, repeats=1)
    assert 0.05 < report["occupied"] < 0.2
    for threads in ("single", "default"):
        for clock in ("wall", "cpu"):
            measured = report[threads][clock]
            assert measured["ratio"] == pytest.approx(measured["textbook"] / measured["ours"])
            assert measured["ours"] > 0


def test_there_is_golden_get3d_data() -> None:
    assert FOLDERS, f"no folder with a tet_grid.npz under {ROOT}"


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda p: p.name)
def golden(request: pytest.FixtureRequest) -> tuple[TetGrid, dict[str, torch.Tensor]]:
    with np.load(request.param / "outputs.npz") as arrays:
        return load_grid(request.param / "tet_grid.npz"), {k: torch.from_numpy(arrays[k]) for k in arrays}


def test_golden_get3d_grid_is_read_as_the_official_code_reads_it(golden) -> None:
    cube, official = golden
    assert torch.equal(cube.vertices, official["grid_verts"])
    assert cube.center == int(official["center_index"])
    assert torch.equal(cube.boundary.nonzero()[:, 0], official["boundary_indices"].long())


def test_golden_get3d_faces_are_the_same_in_the_same_order(golden, path: str) -> None:
    cube, official = golden
    vertices, faces = marching_tetrahedra(cube, official["grid_sdf"][0], cube.vertices + official["grid_def"])
    assert torch.equal(faces, official["faces"].long())
    assert (vertices - official["verts"]).abs().max() < 2e-5
    for sample, sdf in enumerate(official["grid_sdf"]):
        found = marching_tetrahedra(cube, sdf)
        assert [len(part) for part in found] == [official["n_verts"][sample], official["n_faces"][sample]]


@pytest.mark.parametrize("case", ["neg_near", "neg_far", "pos_near", "pos_far"])
def test_golden_get3d_empty_shapes_get_the_official_sizes(golden, case: str) -> None:
    cube, official = golden
    sdf = official[f"fallback_{case}_sdf"]
    deformed = cube.vertices + official["grid_def"]
    vertices, faces = marching_tetrahedra(cube, sdf, deformed)
    assert [len(vertices), len(faces)] == official[f"fallback_{case}_counts"].tolist()
    if f"fallback_{case}_verts" in official:
        assert torch.equal(faces, official[f"fallback_{case}_faces"].long())
        assert (vertices - official[f"fallback_{case}_verts"]).abs().max() < 2e-5
