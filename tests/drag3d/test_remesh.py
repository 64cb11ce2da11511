"""A shape keeps being that shape on a finer grid, smoothed, and with fewer triangles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from drag3d.export.remesh import _without_fins, _without_pinches, at_resolution, simplified, smoothed
from get3d_models import Generator
from get3d_models.errors import InputError


def surface(vertices: np.ndarray, faces: np.ndarray) -> trimesh.Trimesh:
    return trimesh.Trimesh(vertices, faces, process=False, validate=False)


def rough_ball() -> tuple[np.ndarray, np.ndarray]:
    """A ball of radius 1 with noise of 2% on it."""
    ball = trimesh.creation.icosphere(4)
    radius = 1 + 0.02 * np.random.default_rng(0).standard_normal((len(ball.vertices), 1))
    return (ball.vertices * radius).astype(np.float32), ball.faces.astype(np.int64)


def test_on_a_finer_grid_the_surface_is_the_fields_more_exactly(small_quadruped: Generator) -> None:
    shape = small_quadruped.sample(3)
    finer = at_resolution(shape, 32)
    assert len(finer.faces) > 3 * len(shape.faces)
    middles = [s.vertices[s.faces].mean(dim=1) for s in (shape, finer)]
    off = [float(shape.signed_distance(points).abs().mean()) for points in middles]
    assert off[1] < 0.5 * off[0]
    assert surface(finer.vertices.numpy(), finer.faces.numpy()).is_watertight


@pytest.mark.parametrize("resolution", [12, 24, 48])
def test_the_deformation_stays_what_it_is_in_the_world(small_quadruped: Generator, resolution: int) -> None:
    """The network says it in units of the grid, and a finer grid would shrink it."""
    small_quadruped = small_quadruped.with_config(deformation_multiplier=0.5)
    shape = small_quadruped.sample(3)
    other = at_resolution(shape, resolution)
    points = torch.rand(1, 500, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    ws = shape.latents.geometry[None]
    offsets = [
        s.generator.deformation(s.generator.features(s.planes.geometry, points), ws).detach() for s in (shape, other)
    ]
    assert float(offsets[0].abs().max()) > 0
    assert torch.allclose(offsets[0], offsets[1], rtol=1e-5, atol=1e-9)
    assert other.generator.grid.resolution == resolution and other.generator.box == shape.generator.box


def test_at_its_own_resolution_it_is_the_same_mesh(small_quadruped: Generator) -> None:
    shape = small_quadruped.sample(5)
    same = at_resolution(shape, small_quadruped.config.grid_resolution)
    assert torch.allclose(same.vertices, shape.vertices) and torch.equal(same.faces, shape.faces)


def test_a_grid_of_gigabytes_and_one_that_loses_the_shape_are_refused(small_quadruped: Generator) -> None:
    shape = small_quadruped.sample(3)
    with pytest.raises(InputError, match=r"of the kind body-centred is too large; take at most 111") as caught:
        at_resolution(shape, 112)
    assert "\n" not in str(caught.value)


def test_smoothing_takes_bumps_away_and_keeps_the_volume() -> None:
    vertices, faces = rough_ball()
    smooth = smoothed(vertices, faces, 10)
    before, after = (np.linalg.norm(v, axis=1) for v in (vertices, smooth))
    assert after.std() < 0.4 * before.std()
    assert surface(smooth, faces).volume == pytest.approx(surface(vertices, faces).volume, rel=0.005)
    assert smooth.shape == vertices.shape and smooth.dtype == np.float32


def test_plain_averaging_would_lose_volume() -> None:
    """So that the test above can fail."""
    vertices, faces = rough_ball()
    mesh = surface(vertices.astype(np.float64), faces)
    trimesh.smoothing.filter_laplacian(mesh, lamb=0.5, iterations=20, volume_constraint=False)
    assert mesh.volume < 0.985 * surface(vertices, faces).volume


def test_more_rounds_are_smoother() -> None:
    vertices, faces = rough_ball()
    spread = [np.linalg.norm(smoothed(vertices, faces, rounds), axis=1).std() for rounds in (0, 1, 5, 20)]
    assert spread == sorted(spread, reverse=True) and np.allclose(smoothed(vertices, faces, 0), vertices)


@pytest.mark.parametrize(("seed", "count"), [(1, 5000), (3, 5000), (3, 1000), (3, 301)])
def test_a_simplified_animal_stays_closed_and_where_it_was(quadruped: Generator, seed: int, count: int) -> None:
    """Of seed 1, VTK leaves a triangle that hangs on the rest by one edge."""
    shape = quadruped.sample(seed)
    vertices, faces = shape.vertices.numpy(), shape.faces.numpy()
    fewer_vertices, fewer = simplified(vertices, faces, count)
    assert count - 3 <= len(fewer) <= count
    assert len(np.unique(fewer)) == len(fewer_vertices)
    found = surface(fewer_vertices, fewer)
    assert found.is_watertight and found.is_winding_consistent
    if count >= 1000:
        assert found.volume == pytest.approx(surface(vertices, faces).volume, rel=0.02)
        assert float(shape.signed_distance(torch.from_numpy(fewer_vertices)).abs().mean()) < 0.02


def test_a_surface_that_touches_itself_is_cut_there() -> None:
    """Two tetrahedra that share an edge, whose four faces no program can order, become two closed surfaces."""
    one = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    other = np.array([[0, 4, 1], [0, 1, 5], [1, 4, 5], [0, 5, 4]])
    origin, faces = _without_pinches(np.concatenate([one, other]))
    assert np.array_equal(origin[faces], np.concatenate([one, other]))
    assert sorted(origin.tolist()) == [0, 0, 1, 1, 2, 3, 4, 5]
    assert surface(np.eye(8, 3), faces).is_watertight and surface(np.eye(8, 3), faces).body_count == 2


def test_triangles_that_hang_by_one_edge_are_taken_away() -> None:
    closed = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    fins = np.array([[1, 0, 4], [2, 3, 5]])
    assert np.array_equal(_without_fins(np.concatenate([fins, closed])), closed)
    open_surface = closed[:2]
    assert np.array_equal(_without_fins(open_surface), open_surface)


@pytest.mark.parametrize("count", [800, 600, 400])
def test_a_coarse_animal_whose_ears_collapse_stays_closed(small_quadruped: Generator, count: int) -> None:
    shape = at_resolution(small_quadruped.sample(3), 24)
    vertices, faces = simplified(shape.vertices.numpy(), shape.faces.numpy(), count)
    assert surface(vertices, faces).is_watertight


def test_a_mesh_that_has_few_triangles_already_is_left_alone() -> None:
    vertices, faces = rough_ball()
    kept = simplified(vertices, faces, len(faces))
    assert kept[0] is vertices and kept[1] is faces
