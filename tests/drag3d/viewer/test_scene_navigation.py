"""The camera goes where the pointer leads it, never rolls, and knows where things are on the screen; without OpenGL."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drag3d.viewer.scene.navigation import STEEPEST, ImageCamera, ShapeCamera
from drag3d.viewer.scene.view import View

SIZES = st.tuples(st.integers(40, 2000), st.integers(40, 1400))
MOVES = st.lists(
    st.tuples(st.sampled_from(("orbit", "pan", "zoom")), st.floats(-300, 300), st.floats(-300, 300)), max_size=8
)
CORNERS = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 2.0) for z in (-1.0, 1.0)])


def moved(moves: list[tuple[str, float, float]], size: tuple[int, int]) -> tuple[ShapeCamera, View]:
    """A camera that has been led about, before a shape from (-1, -1, -1) to (1, 2, 1)."""
    camera = ShapeCamera()
    camera.surround(CORNERS)
    camera.fit(*size)
    for kind, a, b in moves:
        view = camera.view(*size)
        if kind == "zoom":
            camera.zoom(2 ** (a / 200), size[0] / 2 + b, size[1] / 3, view)
        else:
            getattr(camera, kind)(a, b, view)
    return camera, camera.view(*size)


@given(MOVES, SIZES, st.floats(0, 1), st.floats(0, 1), st.floats(0.2, 30))
def test_what_is_behind_a_pixel_is_seen_at_that_pixel(
    moves: list, size: tuple[int, int], across: float, down: float, depth: float
) -> None:
    _, view = moved(moves, size)
    x, y = across * size[0], down * size[1]
    origin, direction = view.ray(x, y)
    seen = view.project(origin + depth * direction)[0]
    assert seen[:2] == pytest.approx((x, y), abs=1e-5)
    assert view.project(view.in_plane(x, y, depth))[0] == pytest.approx((x, y, depth), abs=1e-5)


@given(MOVES, SIZES)
def test_the_camera_never_rolls_nor_turns_over(moves: list, size: tuple[int, int]) -> None:
    camera, view = moved(moves, size)
    right, up, forward = view.axes
    assert abs(right[1]) < 1e-12, "the horizon is level"
    assert up[1] >= math.cos(math.radians(STEEPEST)) - 1e-9, "up is up"
    assert view.axes @ view.axes.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.cross(right, up) == pytest.approx(-forward, abs=1e-9)
    assert abs(camera.elevation) <= STEEPEST


def test_what_is_orbited_follows_the_pointer() -> None:
    camera, view = moved([], (400, 300))
    camera.azimuth = camera.elevation = 0.0
    front = np.array([[0, 0.5, 1.0]])  # nearest to the viewer
    before = camera.view(400, 300).project(front)[0]
    camera.orbit(20, 10, view)
    after = camera.view(400, 300).project(front)[0]
    assert after[0] > before[0] + 5 and after[1] > before[1] + 2


@given(SIZES)
def test_all_of_the_shape_is_in_view_in_windows_of_any_proportions(size: tuple[int, int]) -> None:
    _, view = moved([], size)
    seen = view.project(CORNERS)
    assert (seen[:, :2] >= 0).all() and (seen[:, :2] <= np.array(size) - 1).all()
    assert np.ptp(seen[:, :2], axis=0).max() > 0.35 * min(size), "and large enough to work with"


@given(MOVES, st.floats(-2, 2), st.floats(0, 399), st.floats(0, 299))
def test_what_is_zoomed_at_stays_below_the_pointer(moves: list, power: float, x: float, y: float) -> None:
    camera, view = moved(moves, (400, 300))
    fixed = view.in_plane(x, y, camera.distance)
    distance = camera.distance
    camera.zoom(2**power, x, y, view)
    assert camera.view(400, 300).project(fixed)[0, :2] == pytest.approx((x, y), abs=1e-5)
    within = 0.08 * camera.radius * 1.01 < distance / 2**power < 40 * camera.radius * 0.99
    assert not within or camera.distance == pytest.approx(distance / 2**power)


@given(MOVES, st.floats(-100, 100), st.floats(-100, 100))
def test_what_is_panned_follows_the_pointer(moves: list, dx: float, dy: float) -> None:
    camera, view = moved(moves, (400, 300))
    place = view.in_plane(100, 200, camera.distance)
    camera.pan(dx, dy, view)
    assert camera.view(400, 300).project(place)[0, :2] == pytest.approx((100 + dx, 200 + dy), abs=1e-5)


@given(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), SIZES)
def test_all_of_an_image_is_in_view(image: tuple[int, int], size: tuple[int, int]) -> None:
    camera = ImageCamera(*image)
    camera.fit(*size)
    corners = np.array([[-0.5, 0.5, 0], [image[0] - 0.5, 0.5 - image[1], 0]])
    seen = camera.view(*size).project(corners)[:, :2]
    assert (seen >= -0.51).all() and (seen <= np.array(size) - 0.49).all()
    assert (seen[1] > seen[0]).all(), "row 0 is at the top"
    filled = (seen[1] - seen[0]) / size
    assert 0.9 < filled.max() <= 1


@settings(max_examples=50)
@given(st.floats(-3, 6), st.floats(0, 399), st.floats(0, 299), st.floats(-80, 80), st.floats(-80, 80))
def test_an_image_is_zoomed_at_the_pointer_and_cannot_be_lost(
    power: float, x: float, y: float, dx: float, dy: float
) -> None:
    camera = ImageCamera(256, 200)
    camera.fit(400, 300)
    view = camera.view(400, 300)
    place = view.in_plane(x, y, 10.0)
    camera.zoom(2**power, x, y, view)
    view = camera.view(400, 300)
    assert view.project(place)[0, :2] == pytest.approx((x, y), abs=1e-6)
    for _ in range(50):
        camera.pan(dx * 20, dy * 20, view)
    corners = np.array([[-0.5, 0.5, 0], [255.5, -199.5, 0]])
    seen = camera.view(400, 300).project(corners)[:, :2]
    assert (seen[0] < [400, 300]).all() and (seen[1] > 0).all()


def test_lines_that_come_from_behind_the_camera_are_cut_off() -> None:
    view = ShapeCamera(azimuth=0, elevation=0, distance=3).view(400, 300)
    ends = view.segments([[0, 0, 0], [0, 0, 8], [0.1, 0, 0]], [[0.5, 0, 10], [1, 0, 9], [0.2, 0, 0]])
    assert len(ends) == 2, "one is behind altogether"
    assert np.isfinite(ends).all()
    assert ends[0, :2] == pytest.approx((199.5, 149.5)) and ends[0, 2] > 1000
