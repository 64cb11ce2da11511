"""What is picked is what is there: against places known in closed form, and against what is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_stage import ball, cube, shape_of, staged

from drag3d.viewer.replies import PointMark
from drag3d.viewer.scene import Scene
from drag3d.viewer.scene.marks import nearest_dot
from drag3d.viewer.scene.navigation import ShapeCamera
from drag3d.viewer.scene.picking import first_crossing, hidden, hit_surface

TRIPS = {
    "as it begins": (),
    "after orbits": (("orbit", 130, -60), ("orbit", -20, 95)),
    "after panning and zooming": (("pan", 30, -12), ("zoom", 1.7, 150, 120), ("orbit", 44, 10)),
    "from within": (("zoom", 9.0, 200, 150),),
}


@pytest.fixture(scope="module", params=[(400, 300), (260, 410)], ids=["wide", "tall"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with staged(*request.param) as (made, _):
        yield made


def travel(scene: Scene, trip: str) -> None:
    scene.reset_camera()
    for name, *values in TRIPS[trip]:
        getattr(scene, name)(*values)


def slab(origin: np.ndarray, direction: np.ndarray, half: float) -> float | None:
    """How far along a ray a cube around the origin begins (or ends, from within), in closed form."""
    with np.errstate(divide="ignore"):
        a, b = (-half - origin) / direction, (half - origin) / direction
    enter, leave = np.minimum(a, b).max(), np.maximum(a, b).min()
    if enter > leave or leave < 0:
        return None
    return float(enter if enter > 0 else leave)


@pytest.mark.parametrize("trip", TRIPS)
def test_picks_on_a_cube_are_where_its_faces_are(scene: Scene, trip: str) -> None:
    scene.show_shape(*cube())
    travel(scene, trip)
    view = scene._view()
    met = 0
    for x, y in product(np.linspace(2, view.width - 3, 12), np.linspace(2, view.height - 3, 12)):
        origin, direction = view.ray(x, y)
        distance, hit = slab(origin, direction, 0.5), scene.pick_surface(x, y)
        assert (hit is None) == (distance is None)
        if hit is not None:
            met += 1
            assert hit.position == pytest.approx(origin + distance * direction, abs=1e-6)
            assert scene.to_screen(hit.position) == pytest.approx((x, y), abs=1e-4)
    assert met > 20


@pytest.mark.parametrize("trip", TRIPS)
def test_normals_on_a_ball_point_away_from_its_centre(scene: Scene, trip: str) -> None:
    scene.show_shape(*ball())
    travel(scene, trip)
    hits = [scene.pick_surface(x, y) for x, y in product(range(20, 250, 25), range(20, 290, 25))]
    places = np.array([hit.position for hit in hits if hit])
    normals = np.array([hit.normal for hit in hits if hit])
    assert len(places) > 10
    assert np.linalg.norm(places, axis=1) == pytest.approx(0.5, abs=2e-3), "of a ball of triangles"
    outward = places / np.linalg.norm(places, axis=1, keepdims=True)
    assert (normals * outward).sum(axis=1) == pytest.approx(1, abs=1e-3)


def test_a_ray_slips_through_no_edge_and_no_corner() -> None:
    vertices, faces, normals, _ = ball()
    vertices = vertices.astype(np.float64)
    edges = np.concatenate([faces[:, :2], faces[:, 1:]])[:400]
    aims = np.concatenate([vertices[:200], vertices[edges].mean(axis=1)])
    eye = np.array([0.3, 0.2, 3.0])
    for aim in aims[aims[:, 2] > 0.2]:
        direction = (aim - eye) / np.linalg.norm(aim - eye)
        hit = hit_surface(vertices, faces, normals, eye, direction)
        assert hit is not None and hit.position == pytest.approx(aim, abs=1e-9)


def test_what_is_behind_the_eye_is_not_met() -> None:
    vertices, faces, _, _ = cube()
    eye = np.array([0.1, 0.2, 3.0])
    assert first_crossing(vertices, faces, eye, np.array([0, 0, -1.0])).distance == pytest.approx(2.5)
    assert first_crossing(vertices, faces, eye, np.array([0, 0, 1.0])) is None


def test_hidden_is_what_has_the_surface_before_it() -> None:
    vertices, faces, _, _ = ball()
    view = ShapeCamera(azimuth=0, elevation=0, distance=3).view(400, 300)
    points = np.array([[0, 0, 0.5], [0, 0, -0.5], [0, 0, 0], [0.9, 0, -0.5], [0, 0, 0.497], [0, 0, 9], [0.2, 0.1, 1]])
    assert hidden(view, points, vertices, faces, 0.01).tolist() == [False, True, True, False, False, False, False]


def test_a_place_is_moved_in_the_plane_of_the_screen_and_along_lines(scene: Scene) -> None:
    scene.show_shape(*ball())
    travel(scene, "after panning and zooming")
    view, through = scene._view(), (0.1, 0.2, 0.3)
    x, y = scene.to_screen(through)
    assert scene.on_camera_plane(x, y, through) == pytest.approx(through, abs=1e-6)
    moved = scene.on_camera_plane(x + 40, y - 25, through)
    assert scene.to_screen(moved) == pytest.approx((x + 40, y - 25), abs=1e-6)
    assert (np.subtract(moved, through) @ view.forward) == pytest.approx(0, abs=1e-9)
    assert scene.size_on_screen(float(np.linalg.norm(np.subtract(moved, through))), through) == pytest.approx(
        np.hypot(40, 25), rel=1e-6
    )

    for axis in np.eye(3):
        aim = scene.to_screen(tuple(through + 0.2 * axis))
        along = scene.along(*aim, through, tuple(axis))
        assert along == pytest.approx(through + 0.2 * axis, abs=1e-6)
    assert scene.along(10, 10, through, tuple(view.ray(10, 10)[1])) == through, "towards the viewer there is no telling"


def test_pixels_of_images_are_exact_up_to_the_corners(scene: Scene) -> None:
    height, width = 32, 48
    scene.show_image(np.zeros((height, width, 3), np.uint8))
    scene.zoom(1.3, 77, 99)
    for corner in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1), (7, 21)):
        seen = scene.to_screen(corner)
        hit = scene.pick_surface(*seen)
        assert hit is not None and hit.position == pytest.approx(corner, abs=1e-9) and hit.normal is None
        assert scene.on_camera_plane(*seen, (3, 3)) == pytest.approx(corner, abs=1e-9)
    left, top = scene.to_screen((-0.5, -0.5))
    assert scene.pick_surface(left + 0.01, top + 0.01) is not None
    assert scene.pick_surface(left - 0.01, top + 0.01) is None
    assert scene.pick_surface(left + 0.01, top - 0.01) is None
    assert scene.size_on_screen(1.0, (0, 0)) == pytest.approx(scene.to_screen((1, 0))[0] - scene.to_screen((0, 0))[0])
    right = scene.along(*scene.to_screen((9, 5)), (2, 3), (1, 0))
    assert right == pytest.approx((9, 3))


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 47), st.floats(0, 31), st.floats(0.3, 8), st.floats(-40, 40), st.floats(-40, 40))
def test_places_on_images_go_to_the_screen_and_back(x: float, y: float, factor: float, dx: float, dy: float) -> None:
    with_image.zoom(factor, 100, 100)
    with_image.pan(dx, dy)
    assert with_image.pick_surface(*with_image.to_screen((x, y))).position == pytest.approx((x, y), abs=1e-6)


@pytest.fixture(scope="module", autouse=True)
def image_scene() -> Iterator[None]:
    global with_image  # noqa: PLW0603 - hypothesis wants no fixture of a function
    with staged(200, 200) as (made, _):
        made.show_image(np.zeros((32, 48, 3), np.uint8))
        with_image = made
        yield


def test_within_dots_targets_come_first_and_outside_the_nearest() -> None:
    handles, targets = np.array([[100.0, 100], [200, 100]]), np.array([[103.0, 100], [np.nan, np.nan]])
    assert nearest_dot(handles, targets, 101, 100, 10, 1) == ("target", 0)
    assert nearest_dot(handles, targets, 93, 100, 10, 1) == ("handle", 0)
    assert nearest_dot(handles, targets, 209, 100, 10, 1) == ("handle", 1)
    assert nearest_dot(handles, targets, 211, 100, 10, 1) is None
    assert nearest_dot(handles, targets, 211, 100, 5, 2) == ("handle", 1), "dots of a finer display are larger"


def test_marks_are_picked_where_they_are_seen(scene: Scene) -> None:
    scene.show_shape(*ball())
    travel(scene, "after orbits")
    marks = [PointMark((0, 0, 0.5), (0.3, 0.4, 0.5)), PointMark((0.5, 0, 0), (0.5, 0.6, 0), enabled=False)]
    scene.set_points(marks, 0, None)
    for index, mark in enumerate(marks):
        x, y = scene.to_screen(mark.handle)
        assert scene.pick_mark(x + 4, y - 4) == ("handle", index)
        x, y = scene.to_screen(mark.target)
        assert scene.pick_mark(x - 4, y + 4) == ("target", index)
    assert scene.pick_mark(3, 3) is None
    scene.set_points([], None, None)
    assert scene.pick_mark(x, y) is None


def test_picks_of_forty_thousand_triangles_are_quick_enough_to_follow_a_pointer(scene: Scene) -> None:
    from time import perf_counter

    mesh = trimesh.creation.icosphere(6, radius=0.5)
    assert len(mesh.faces) > 40_000
    scene.show_shape(*shape_of(mesh))
    scene.reset_camera()
    times = []
    middle = scene.to_screen((0, 0, 0))
    for x in range(15):
        began = perf_counter()
        hit = scene.pick_surface(middle[0] + x, middle[1])
        times.append(perf_counter() - began)
        assert hit is not None
    assert min(times) < 0.02
