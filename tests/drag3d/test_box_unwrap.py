"""A box projection lays every triangle out flat, the right way round, inside the square, and none on top of another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from drag3d.export.atlas import Atlas, cut, gutter
from drag3d.export.atlas_kernels import kernels, pack
from drag3d.export.box_unwrap import box_unwrap
from drag3d.rendering import rasterize
from get3d_models import Generator
from get3d_models.errors import InputError


def spiral_ramp() -> tuple[np.ndarray, np.ndarray]:
    """A strip that winds upwards three times around an axis: seen from above it hides itself twice over."""
    turns = np.linspace(0, 6 * np.pi, 121)
    rims = [np.stack([r * np.cos(turns), 0.05 * turns, -r * np.sin(turns)], axis=1) for r in (0.2, 0.5)]
    vertices = np.stack(rims, axis=1).reshape(-1, 3)
    a = np.arange(0, len(vertices) - 2, 2)
    faces = np.concatenate([np.stack([a, a + 1, a + 3], axis=1), np.stack([a, a + 3, a + 2], axis=1)])
    return vertices.astype(np.float32), faces


def shapes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    ball = trimesh.creation.icosphere(3)
    ring = trimesh.creation.torus(0.4, 0.15)
    hook = trimesh.creation.icosphere(4)
    folded = hook.vertices * [0.2, 0.6, 0.2]
    folded[:, 2] += np.where(folded[:, 1] > 0, 2.5 * folded[:, 1] ** 2, 0)  # an ear that bends over its own front
    folded[:, 1] = np.where(folded[:, 1] > 0.2, 0.4 - folded[:, 1], folded[:, 1])
    return {
        "ball": (ball.vertices.astype(np.float32), ball.faces),
        "ring": (ring.vertices.astype(np.float32), ring.faces),
        "cube": (trimesh.creation.box().vertices.astype(np.float32), trimesh.creation.box().faces),
        "bent ear": (folded.astype(np.float32), hook.faces),
        "spiral ramp": spiral_ramp(),
        "one triangle": (np.eye(3, dtype=np.float32), np.array([[0, 1, 2]])),
    }


def overlapping_area(atlas: Atlas, texture_size: int) -> float:
    """The largest area, in texels, that two triangles share, by clipping every pair whose rectangles meet."""
    corners = atlas.uv[atlas.faces].astype(np.float64) * texture_size
    low, high = corners.min(axis=1), corners.max(axis=1)
    worst = 0.0
    for a in range(len(corners)):
        near = np.flatnonzero((low[a + 1 :] < high[a]).all(axis=1) & (high[a + 1 :] > low[a]).all(axis=1)) + a + 1
        for b in near:
            worst = max(worst, clipped_area(corners[a], corners[b]))
    return worst


def clipped_area(one: np.ndarray, other: np.ndarray) -> float:
    """The area that two triangles share, by cutting one along each edge of the other (Sutherland and Hodgman)."""
    polygon = list(one)
    sense = np.sign(np.linalg.det(np.stack([other[1] - other[0], other[2] - other[0]])))
    for k in range(3):
        start, along = other[k], (other[(k + 1) % 3] - other[k]) * sense
        heights = [along[0] * (p[1] - start[1]) - along[1] * (p[0] - start[0]) for p in polygon]
        kept = []
        for i in range(len(polygon)):
            j = (i + 1) % len(polygon)
            if heights[i] >= 0:
                kept.append(polygon[i])
            if heights[i] * heights[j] < 0:
                t = heights[i] / (heights[i] - heights[j])
                kept.append(polygon[i] + t * (polygon[j] - polygon[i]))
        polygon = kept
        if not polygon:
            return 0.0
    x, y = np.array(polygon).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def signed_areas(atlas: Atlas) -> np.ndarray:
    """Of each face in the unit square, positive where it is counter-clockwise as seen in the picture, (F,)."""
    a, b, c = np.moveaxis(atlas.uv[atlas.faces].astype(np.float64) * [1, -1], 1, 0)
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


@pytest.mark.parametrize("name", shapes())
@pytest.mark.parametrize("texture_size", [64, 1024])
def test_no_triangle_lies_on_another(name: str, texture_size: int) -> None:
    vertices, faces = shapes()[name]
    atlas = box_unwrap(vertices, faces, texture_size)
    assert overlapping_area(atlas, texture_size) < 1e-4


def test_the_check_for_overlaps_sees_one() -> None:
    vertices, faces = spiral_ramp()
    from_above = np.stack([vertices[:, 0], vertices[:, 2]], axis=1) + 0.5
    atlas = Atlas(from_above.astype(np.float32), np.arange(len(vertices)), faces, np.zeros(len(faces), np.int64))
    assert overlapping_area(atlas, 64) > 1


def test_what_hides_itself_is_cut_and_nothing_else() -> None:
    vertices, faces = spiral_ramp()
    # It winds around three times, so it takes three charts, and no more than a few where a turn begins.
    assert 3 <= box_unwrap(vertices, faces, 1024).charts <= 6
    flat = vertices * np.float32([1, 0, 1])
    once = faces[(vertices[faces, 1] < 0.3).all(axis=1)]
    assert box_unwrap(flat, once, 1024).charts == 1


@pytest.mark.parametrize("name", shapes())
def test_faces_keep_their_order_and_their_vertices(name: str) -> None:
    vertices, faces = shapes()[name]
    atlas = box_unwrap(vertices, faces, 512)
    assert np.array_equal(atlas.origin[atlas.faces], faces)
    assert len(np.unique(np.stack([atlas.origin, vertex_charts(atlas)]), axis=1).T) == len(atlas.origin)


def vertex_charts(atlas: Atlas) -> np.ndarray:
    found = np.full(len(atlas.uv), -1)
    found[atlas.faces] = atlas.chart[:, None]
    assert (found[atlas.faces] == atlas.chart[:, None]).all()  # no vertex is shared by two charts
    return found


@pytest.mark.parametrize("name", shapes())
def test_triangles_look_as_from_outside_and_shrink_alike(name: str) -> None:
    vertices, faces = shapes()[name]
    areas = signed_areas(box_unwrap(vertices, faces, 1024))
    true = trimesh.Trimesh(vertices, faces, process=False).area_faces
    share = areas / true / (areas / true).max()
    assert areas.min() > 0
    assert share.min() > 0.39  # at most the cosine of 66 degrees is lost


@pytest.mark.parametrize("texture_size", [64, 256, 1024])
def test_charts_are_apart_by_the_gutter_and_inside_of_the_square(texture_size: int) -> None:
    vertices, faces = shapes()["ring"]
    atlas = box_unwrap(vertices, faces, texture_size)
    texels = atlas.uv.astype(np.float64) * texture_size
    apart = gutter(texture_size)
    assert texels.min() >= apart / 2 - 1e-3 and texels.max() <= texture_size - apart / 2 + 1e-3
    owners = vertex_charts(atlas)
    for chart in range(atlas.charts):
        mine, others = texels[owners == chart], texels[owners != chart]
        outside = np.maximum(mine.min(axis=0) - others, others - mine.max(axis=0)).max(axis=1)
        # Rectangles are apart, so of each other chart's points none is nearer than the gutter along both axes.
        assert outside.min() >= apart - 1e-3


def doubly_covered(atlas: Atlas, pixels: int) -> float:
    """The share of the pixels of a picture of the square that two triangles cover, by the rasteriser.

    Of triangles at one depth it draws the first: drawn in the opposite order, a pixel has another one just where it
    lies in both.
    """
    flat = torch.from_numpy(atlas.uv) * 2 - 1
    clip = torch.cat([flat, torch.zeros(len(flat), 1), torch.ones(len(flat), 1)], dim=1)
    faces = torch.from_numpy(atlas.faces)
    first = rasterize(clip, faces, (pixels, pixels)).triangle
    last = rasterize(clip, faces.flip(0), (pixels, pixels)).triangle
    last = torch.where(last >= 0, len(faces) - 1 - last, last)
    return float((first != last).float().mean())


@pytest.mark.parametrize("seed", [3, 9])
def test_an_animal_is_laid_out_without_overlap_and_fills_a_third_of_the_square(quadruped: Generator, seed: int) -> None:
    shape = quadruped.sample(seed)
    vertices = shape.vertices.numpy()
    atlas = box_unwrap(vertices, shape.faces.numpy(), 1024)
    assert doubly_covered(atlas, 2048) < 1e-6
    assert signed_areas(atlas).min() >= 0
    assert signed_areas(atlas).sum() > 0.33
    assert len(atlas.uv) < 1.35 * len(vertices)


def test_the_rasterised_check_sees_overlaps_too() -> None:
    vertices, faces = spiral_ramp()
    from_above = np.stack([vertices[:, 0], vertices[:, 2]], axis=1) + 0.5
    atlas = Atlas(from_above.astype(np.float32), np.arange(len(vertices)), faces, np.zeros(len(faces), np.int64))
    assert doubly_covered(atlas, 256) > 0.1


def test_large_charts_come_out_as_large_as_the_square_allows() -> None:
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    atlas = box_unwrap(square, np.array([[0, 1, 2], [0, 2, 3]]), 256)
    assert signed_areas(atlas).sum() == pytest.approx((254 / 256) ** 2, rel=1e-3)


def test_a_texture_too_small_for_the_charts_is_refused_in_one_line() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.random((3000, 3)).astype(np.float32)  # a thousand triangles that do not hang together
    with pytest.raises(InputError, match="a texture of 64 x 64 texels is too small for the") as caught:
        box_unwrap(vertices, np.arange(3000).reshape(-1, 3), 64)
    assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_mesh_at_all_comes_out_with_overlaps(seed: int) -> None:
    """Coinciding, degenerate, doubled, inside-out and intersecting triangles, on a lattice where much lies in line."""
    rng = np.random.default_rng(seed)
    vertices = rng.integers(-3, 4, size=(12, 3)).astype(np.float32)
    faces = rng.integers(0, 12, size=(40, 3))
    atlas = box_unwrap(vertices, faces, 512)
    assert np.array_equal(atlas.origin[atlas.faces], faces)
    assert atlas.uv.min() >= 0 and atlas.uv.max() <= 1
    areas = signed_areas(atlas)
    rounding = 2e-7  # of coordinates in single precision; a texel has 4e-6
    assert areas.min() > -rounding
    solid = np.flatnonzero(areas > rounding)
    assert overlapping_area(Atlas(atlas.uv, atlas.origin, atlas.faces[solid], atlas.chart[solid]), 512) < 1e-3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=40), st.integers(40, 120))
def test_packed_rectangles_are_inside_and_apart(sizes: list[tuple[int, int]], side: int) -> None:
    rectangles, places = np.array(sizes), np.zeros((len(sizes), 3), np.int64)
    fits = kernels().pack(rectangles, side, places)
    taken = np.zeros((side, side), int)
    for (width, height), (x, y, turned) in zip(sizes, places if fits else [], strict=False):
        across, up = (height, width) if turned else (width, height)
        assert x + across <= side and y + up <= side
        taken[y : y + up, x : x + across] += 1
    assert taken.max() <= 1
    assert fits or rectangles.prod(axis=1).sum() > side * side / 4  # it gives up on full squares only
    again = np.zeros_like(places)
    assert pack(rectangles, side, again) == fits  # as plain Python, for machines without numba
    assert not fits or np.array_equal(again, places)


def test_cutting_doubles_only_what_two_charts_share() -> None:
    faces = np.array([[0, 1, 2], [2, 1, 3], [3, 4, 5]])
    origin, cut_faces = cut(faces, np.array([0, 1, 1]))
    assert origin.tolist() == [0, 1, 2, 1, 2, 3, 4, 5]
    assert np.array_equal(origin[cut_faces], faces)
