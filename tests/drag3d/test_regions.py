"""Boxes, spheres and painted vertices: what they contain, and what of a surface they hold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from drag3d.session.nearest import nearest_on_mesh
from drag3d.session.regions import Box, Region, Sphere, Vertices, spread_out
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models import Generator

CUBE = np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 3), axis=-1).reshape(-1, 3)


def test_a_box_contains_what_lies_between_its_corners_in_whatever_order_they_come() -> None:
    box = Box((0.5, 0.0, -0.5), (-0.5, 0.25, 1.0))
    x, y, z = CUBE.T
    assert np.array_equal(box.contains(CUBE), (abs(x) <= 0.5) & (y >= 0) & (y <= 0.25) & (z >= -0.5))
    assert box == Box((-0.5, 0.0, -0.5), (0.5, 0.25, 1.0))


def test_a_sphere_contains_what_is_within_its_radius() -> None:
    inside = Sphere((0.5, 0.0, 0.0), 0.6).contains(CUBE)
    assert np.array_equal(inside, ((CUBE - [0.5, 0, 0]) ** 2).sum(axis=1) <= 0.36)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Box((0, 0, 0), (1, 1, 0)),
        lambda: Box((0, 0, math.nan), (1, 1, 1)),
        lambda: Box((0, 0), (1, 1, 1)),  # type: ignore[arg-type]
        lambda: Sphere((0, 0, 0), 0.0),
        lambda: Sphere((0, 0, 0), math.inf),
        lambda: Sphere((math.inf, 0, 0), 1.0),
        lambda: Vertices(np.zeros((0, 3), np.float32), 0.1),
        lambda: Vertices(np.full((2, 3), np.nan, np.float32), 0.1),
        lambda: Vertices(np.zeros((2, 3), np.float32), -1.0),
        lambda: Region(move=(Sphere((0, 0, 0), 1.0),) * 65),
    ],
)
def test_a_region_that_makes_no_sense_is_refused_in_one_line(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError) as error:
        make()
    assert "\n" not in str(error.value)


def test_what_may_move_is_the_union_of_the_moving_parts_without_the_staying_ones() -> None:
    left, right, middle = Box((-1, -1, -1), (-0.5, 1, 1)), Box((0.5, -1, -1), (1, 1, 1)), Sphere((0.75, 0, 0), 0.3)
    free = Region(move=(left, right), stay=(middle,)).may_move(CUBE)
    assert np.array_equal(free, (left.contains(CUBE) | right.contains(CUBE)) & ~middle.contains(CUBE))
    assert np.array_equal(Region(stay=(middle,)).may_move(CUBE), ~middle.contains(CUBE))


def test_held_points_lie_outside_of_what_may_move_and_reach_everywhere_else() -> None:
    region = Region(move=(Box((-1, -1, -1), (0, 1, 1)),))
    held = region.held(CUBE, count=40)
    assert held is not None and held.shape == (40, 3) and bool((held[:, 0] > 0).all())
    fixed = torch.from_numpy(CUBE[CUBE[:, 0] > 0])
    assert float(torch.cdist(fixed, held).min(dim=1).values.max()) < 0.6  # no place outside is far from a held one


def test_nothing_is_held_when_everything_may_move_and_a_region_where_nothing_may_is_refused() -> None:
    assert Region(move=(Sphere((0, 0, 0), 9.0),)).held(CUBE) is None
    with pytest.raises(InputError, match="no part of the surface"):
        Region(move=(Sphere((5, 5, 5), 1.0),)).held(CUBE)


@given(st.integers(1, 30), st.integers(0, 10_000))
def test_spread_out_points_are_some_of_the_given_ones_without_repetition(count: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(20, 3))
    chosen = spread_out(points, count)
    assert len(chosen) == min(count, 20) == len(np.unique(chosen, axis=0))
    assert {tuple(p) for p in chosen} <= {tuple(p) for p in points}


def test_painted_vertices_contain_themselves_and_no_vertex_further_than_an_edge_away(
    small_quadruped: Generator,
) -> None:
    shape = small_quadruped.sample(0)
    vertices = shape.vertices.numpy()
    high = np.flatnonzero(vertices[:, 1] > 0.15)
    patch = Vertices.of(shape, high)
    inside = patch.contains(vertices)
    assert inside[high].all() and not inside.all()
    assert vertices[inside, 1].min() > 0.15 - 0.05
    assert patch == Vertices.of(shape, high[::-1].copy()) and hash(patch) == hash(Vertices.of(shape, high))


@pytest.mark.parametrize("indices", [[], [-1], [10**9]])
def test_vertices_that_the_shape_does_not_have_are_refused(small_quadruped: Generator, indices: list[int]) -> None:
    with pytest.raises(InputError, match="vertices are numbered"):
        Vertices.of(small_quadruped.sample(0), indices)


def test_the_nearest_point_of_a_mesh_is_no_farther_than_any_of_a_dense_sample(small_quadruped: Generator) -> None:
    shape = small_quadruped.sample(1)
    vertices, faces = shape.vertices.numpy().astype(np.float64), shape.faces.numpy()
    random = np.random.default_rng(0)
    weights = random.dirichlet([1, 1, 1], size=(len(faces), 30))
    sample = np.einsum("fkc,fcd->fkd", weights, vertices[faces]).reshape(-1, 3)
    for point in random.uniform(-0.5, 0.5, size=(20, 3)):
        nearest, distance = nearest_on_mesh(point, vertices, faces)
        best = np.linalg.norm(sample - point, axis=1).min()
        assert math.isclose(distance, math.dist(nearest, point)) and distance <= best + 1e-12
        assert distance > best - 0.02  # and it is on the mesh: a dense sample comes near it
