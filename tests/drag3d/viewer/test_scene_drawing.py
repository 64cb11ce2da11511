"""What is on the screen is what was shown: places, colours, marks, looks, texts; as drawn off-screen by VTK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import trimesh
from scene_stage import ball, color_at, shape_of, staged

from drag3d.viewer.commands import help_lines
from drag3d.viewer.replies import PointMark
from drag3d.viewer.scene import BACKGROUNDS, Scene
from drag3d.viewer.scene.marks import BLUE, RED

FRONT, BACK, ABOVE = (0.0, 0.0, 0.5), (0.0, 0.0, -0.5), (0.0, 0.75, 0.0)


@pytest.fixture
def stage() -> Iterator[tuple[Scene, Any]]:
    with staged(400, 300) as both:
        yield both


@pytest.fixture
def scene(stage: tuple[Scene, Any]) -> Scene:
    return stage[0]


def from_front(scene: Scene) -> None:
    """Look at it along -z, with some room around."""
    scene._shape_camera.azimuth = scene._shape_camera.elevation = 0.0
    scene.reset_camera()
    scene.zoom(0.6, 199.5, 149.5)


def is_color(seen: np.ndarray, wanted: tuple[int, int, int]) -> bool:
    return bool(np.abs(seen - wanted).max() <= 6)


def test_before_anything_is_shown_there_is_background_and_caption(scene: Scene) -> None:
    assert scene.dirty and scene.kind == "" and scene.looks == ()
    scene.set_caption("loading quadruped")
    picture = scene.screenshot()
    assert picture.shape == (300, 400, 3) and picture.dtype == np.uint8
    assert not scene.dirty
    assert (picture[:200] == picture[0, 0]).all(), "nothing but background"
    assert picture[-60:, :200].std() > 5, "the caption"
    assert scene.pick_surface(200, 150) is None and scene.pick_mark(200, 150) is None and scene.camera() is None
    scene.orbit(5, 5), scene.pan(3, 3), scene.zoom(2, 10, 10), scene.isometric(), scene.set_look("clay")
    scene.render()


def test_render_draws_once_and_changes_are_noticed(stage: tuple[Scene, Any]) -> None:
    scene, plotter = stage
    drawn = []
    plotter.render_window.AddObserver("EndEvent", lambda *_: drawn.append(1))
    scene.show_shape(*ball())
    scene.render()
    assert len(drawn) == 1 and not scene.dirty
    changes = (
        lambda: scene.show_shape(*ball()),
        lambda: scene.set_look("clay"),
        lambda: scene.set_background("white"),
        lambda: scene.set_region(np.zeros(len(ball()[0]), bool)),
        lambda: scene.set_box((-1, -1, -1), (1, 1, 1)),
        lambda: scene.set_points([PointMark(FRONT, ABOVE)], None, None),
        lambda: scene.set_brush(FRONT, 0.1, False),
        lambda: scene.set_help(help_lines("shape")),
        lambda: scene.set_caption("step 1"),
        lambda: scene.orbit(9, 0),
        lambda: scene.pan(9, 0),
        lambda: scene.zoom(1.1, 9, 9),
        scene.isometric,
        scene.reset_camera,
    )
    for change in changes:
        change()
        assert scene.dirty
        scene.render()
        assert not scene.dirty
    assert len(drawn) == 1 + len(changes)


@pytest.mark.parametrize("size", [(400, 300), (250, 420)])
def test_vtk_draws_things_where_the_scene_says_they_are(size: tuple[int, int]) -> None:
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.4, 0.4) for z in (-0.3, 0.3)])
    tiny = [trimesh.creation.icosphere(1, radius=0.022).apply_translation(place) for place in corners]
    vertices, faces, _, colors = shape_of(trimesh.util.concatenate(tiny))
    with staged(*size) as (scene, _):
        scene.set_look("normals")  # unlit
        for moves in ((), (("orbit", 70, 40),), (("pan", 12, -9), ("zoom", 1.2, 60, 80), ("orbit", -30, -50))):
            for name, *values in moves:
                getattr(scene, name)(*values)
            for number, place in enumerate(corners):
                mine = np.arange(len(vertices)) // (len(vertices) // 8) == number
                # Of normals as colours, (1, 1, 1) / sqrt(3) is the brightest, its opposite the darkest.
                shining = np.where(mine[:, None], np.float32(1), np.float32(-1)) * np.ones((1, 3), np.float32)
                scene.show_shape(vertices, faces, shining, colors)
                scene.render()
                bright = scene.screenshot().min(axis=2) > 128
                bright[-1] = False
                if not bright.any():
                    continue  # behind another one
                rows, columns = np.nonzero(bright)
                assert scene.to_screen(tuple(place)) == pytest.approx((columns.mean(), rows.mean()), abs=0.8)


def test_dots_are_seen_where_points_are_with_their_colours(scene: Scene) -> None:
    scene.show_shape(*ball())
    from_front(scene)
    scene.set_points([PointMark(FRONT, ABOVE)], None, None)
    picture = scene.screenshot()
    assert is_color(color_at(picture, scene.to_screen(FRONT)), RED)
    assert is_color(color_at(picture, scene.to_screen(ABOVE)), BLUE)
    between = (np.array(scene.to_screen(FRONT)) + scene.to_screen(ABOVE)) / 2
    assert color_at(picture, tuple(between)).max() < 130, "the arrow is dark"

    scene.set_points([PointMark(FRONT, ABOVE, enabled=False)], None, None)
    grey = color_at(scene.screenshot(), scene.to_screen(FRONT))
    assert np.ptp(grey) < 25, "switched off"


def test_dots_keep_their_size_and_lie_over_everything(scene: Scene) -> None:
    scene.show_shape(*ball())
    from_front(scene)
    scene.set_points([PointMark(FRONT, ABOVE)], None, None)

    def red_pixels() -> int:
        return int((np.abs(scene.screenshot().astype(int) - RED).max(axis=2) < 40).sum())

    far = red_pixels()
    scene.zoom(2.0, 200, 150)
    assert 100 < far < 250
    assert abs(red_pixels() - far) < 20


def test_dots_behind_the_shape_shine_through_faintly(scene: Scene) -> None:
    scene.show_shape(*ball())
    from_front(scene)
    bare = scene.screenshot()
    scene.set_points([PointMark(BACK, (0.9, 0.0, -0.5))], None, None)
    place = scene.to_screen(BACK)
    faded = color_at(scene.screenshot(), place)
    assert not is_color(faded, RED)
    assert faded[0] > color_at(bare, place)[0] + 10 or faded[1] < color_at(bare, place)[1] - 10, "but is seen"
    assert is_color(color_at(scene.screenshot(), scene.to_screen((0.9, 0.0, -0.5))), BLUE), "the target is beside it"
    scene.orbit(162, 0)  # half a turn and a bit less
    scene.orbit(108, 0)
    assert is_color(color_at(scene.screenshot(), scene.to_screen(BACK)), RED), "seen from behind"


def test_the_shape_moving_before_a_dot_hides_it(scene: Scene) -> None:
    vertices, faces, normals, colors = ball()
    scene.show_shape(vertices, faces, normals, colors)
    from_front(scene)
    scene.set_points([PointMark(FRONT, ABOVE)], None, None)
    assert is_color(color_at(scene.screenshot(), scene.to_screen(FRONT)), RED)
    scene.show_shape(vertices + np.float32([0, 0, 0.2]), faces, normals, colors)
    assert not is_color(color_at(scene.screenshot(), scene.to_screen(FRONT)), RED)


def test_the_selected_point_has_a_ring_and_a_pending_one_is_there(scene: Scene) -> None:
    scene.show_shape(*ball())
    from_front(scene)
    scene.set_points([PointMark(FRONT, ABOVE)], None, None)
    plain = scene.screenshot().astype(int)
    scene.set_points([PointMark(FRONT, ABOVE)], 0, None)
    changed = np.argwhere(np.abs(scene.screenshot() - plain).max(axis=2) > 20)[:, ::-1]
    away = np.linalg.norm(changed - scene.to_screen(FRONT), axis=1)
    assert len(changed) > 80 and away.min() > 7 and away.max() < 17
    scene.set_points([], None, PointMark(FRONT, ABOVE))
    pending = scene.screenshot()
    assert is_color(color_at(pending, scene.to_screen(FRONT)), RED)
    assert is_color(color_at(pending, scene.to_screen(ABOVE)), BLUE)
    scene.set_points([], None, None)
    assert not is_color(color_at(scene.screenshot(), scene.to_screen(FRONT)), RED)


def test_many_points_at_one_place_and_anywhere_do_no_harm(scene: Scene) -> None:
    scene.show_shape(*ball())
    marks = [PointMark(FRONT, FRONT)] * 30
    marks += [PointMark((0.0, 0.0, 50.0), FRONT), PointMark((1e9, 0.0, 0.0), (float("nan"), 0.0, 0.0))]
    scene.set_points(marks, 3, PointMark(FRONT, FRONT))
    from_front(scene)
    assert scene.pick_mark(*scene.to_screen(FRONT)) == ("target", 0)
    scene.render()


@pytest.mark.parametrize("look", ["textured", "clay", "normals", "wireframe", "features"])
def test_in_every_look_the_region_changes_only_what_must_stay(scene: Scene, look: str) -> None:
    shape = ball(color=(200, 120, 60))
    scene.show_shape(*shape, np.tile(np.array([40, 200, 90], np.uint8), (len(shape[0]), 1)))
    from_front(scene)
    scene.set_look(look)
    before = scene.screenshot().astype(int)
    scene.set_region(shape[0][:, 1] > 0)
    changed = np.abs(scene.screenshot() - before).max(axis=2) > 3
    middle, radius = scene.to_screen((0, 0, 0)), scene.size_on_screen(0.5, (0, 0, 0))
    above, below = round(middle[1] - 0.1 * radius), round(middle[1] + 0.15 * radius)
    assert not changed[:above].any()
    inside = changed[below : round(middle[1] + 0.6 * radius), round(middle[0] - 0.5 * radius) : round(middle[0])]
    assert inside.mean() > 0.6
    scene.set_region(None)
    assert np.abs(scene.screenshot() - before).max() <= 1


def test_looks_differ_and_background_does_not_change_with_them(scene: Scene) -> None:
    shape = ball(color=(200, 120, 60))
    scene.show_shape(*shape, np.tile(np.array([40, 200, 90], np.uint8), (len(shape[0]), 1)))
    pictures = []
    for look in scene.looks:
        scene.set_look(look)
        pictures.append(scene.screenshot().astype(int))
    for number, one in enumerate(pictures):
        assert (one[:10] == pictures[0][:10]).all()
        for other in pictures[number + 1 :]:
            assert (np.abs(one - other).max(axis=2) > 10).sum() > 500


def test_normals_show_as_colours_and_features_too(scene: Scene) -> None:
    shape = ball()
    scene.show_shape(*shape)
    from_front(scene)
    scene.set_look("normals")
    assert is_color(color_at(scene.screenshot(), scene.to_screen(FRONT)), (127, 127, 255))
    scene.set_look("features")
    grey = color_at(scene.screenshot(), scene.to_screen(FRONT))
    assert np.ptp(grey) < 20, "without features, the texture"
    scene.show_shape(*shape, np.tile(np.array([20, 220, 20], np.uint8), (len(shape[0]), 1)))
    green = color_at(scene.screenshot(), scene.to_screen(FRONT))
    assert green[1] > green[0] + 80


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_backgrounds_are_what_their_names_say(scene: Scene, name: str) -> None:
    scene.show_shape(*ball())
    scene.set_background(name)
    picture = scene.screenshot()
    top, bottom = picture[2, 200].mean(), picture[-3, 380].mean()
    wanted = {"dark": top < 60, "light": top > 240 > bottom > 200, "gradient": top > bottom + 30, "white": top == 255}
    assert wanted[name]
    assert name in ("gradient", "light") or top == bottom


def test_the_camera_stays_when_the_shape_changes_but_the_first_is_fitted(scene: Scene) -> None:
    scene.show_shape(*ball(20.0))
    scene.render()
    first = scene.camera()
    assert first is not None and (first.width, first.height) == (400, 300) and first.up == (0, 1, 0)
    assert np.linalg.norm(np.subtract(first.position, first.focus)) > 40
    scene.show_shape(*ball(14.0))
    scene.render()
    assert scene.camera() == first, "though it has not been touched"
    scene.orbit(30, 10)
    scene.zoom(1.4, 10, 20)
    turned = scene.camera()
    scene.show_shape(*ball(25.0))
    scene.show_image(np.zeros((40, 50, 3), np.uint8))
    scene.render()
    assert scene.camera() is None
    scene.show_shape(*ball(25.0))
    assert scene.camera() == turned
    scene.reset_camera()
    scene.isometric()
    assert scene.camera() != turned


def test_another_window_size_is_fitted_until_somebody_takes_the_camera(stage: tuple[Scene, Any]) -> None:
    scene, plotter = stage
    scene.show_shape(*ball())
    scene.render()
    plotter.render_window.SetSize(200, 400)
    plotter.render_window.Render()  # as a window system asks for it
    width = scene.size_on_screen(1.0, (0, 0, 0))
    assert 120 < width < 200
    assert scene.screenshot().shape == (400, 200, 3)
    scene.zoom(1.5, 100, 200)
    closer = scene.camera()
    plotter.render_window.SetSize(300, 300)
    scene.render()
    assert scene.camera().position == closer.position and scene.camera().width == 300


def test_box_and_brush_are_drawn_and_taken_away(scene: Scene) -> None:
    scene.show_shape(*ball())
    from_front(scene)
    bare = scene.screenshot().astype(int)
    scene.set_box((-0.6, -0.6, -0.6), (0.6, 0.6, 0.6))
    corner = scene.to_screen((0.6, 0.0, 0.6))
    assert color_at(scene.screenshot(), corner)[2] > 150
    scene.set_box(None, None)
    assert np.abs(scene.screenshot() - bare).max() <= 1

    scene.set_brush(FRONT, 0.2, erase=False)
    painted = scene.screenshot()
    edge = scene.to_screen((0.2, 0.0, 0.5))
    assert color_at(painted, edge).min() > 200, "white"
    assert color_at(painted, scene.to_screen(FRONT)).tolist() == color_at(bare, scene.to_screen(FRONT)).tolist()
    scene.set_brush(FRONT, 0.2, erase=True)
    erased = color_at(scene.screenshot(), edge)
    assert erased[0] > erased[1] + 60, "red"
    scene.set_brush(None, 0.2, erase=True)
    assert np.abs(scene.screenshot() - bare).max() <= 1


def test_pixels_of_images_are_drawn_where_they_are_picked(scene: Scene) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    scene.show_image(pixels)
    assert scene.kind == "image" and scene.looks == ("textured", "features")
    picture = scene.screenshot()
    assert scene.size_on_screen(1.0, (0, 0)) > 4, "large enough to be shown as squares"
    for y, x in ((0, 0), (19, 0), (0, 29), (19, 29), (7, 13)):
        for aside in (-0.4, 0.0, 0.4):
            place = scene.to_screen((x + aside, y - aside))
            assert color_at(picture, place).tolist() == pixels[y, x].tolist()
    left, _ = scene.to_screen((-0.5, 0))
    assert color_at(picture, (left - 2, 150)).tolist() == [30, 33, 39], "background"


def test_masks_grey_what_must_stay_of_images(scene: Scene) -> None:
    pixels = np.full((20, 30, 3), (220, 60, 40), np.uint8)
    scene.show_image(pixels)
    free = np.zeros((20, 30), bool)
    free[:, :15] = True
    scene.set_region(free)
    picture = scene.screenshot()
    assert color_at(picture, scene.to_screen((5, 5))).tolist() == [220, 60, 40]
    assert np.ptp(color_at(picture, scene.to_screen((25, 5)))) < 80
    scene.show_image(np.full((10, 10, 3), (220, 60, 40), np.uint8))
    assert color_at(scene.screenshot(), scene.to_screen((8, 5))).tolist() == [220, 60, 40], "a mask of another size"


def test_the_view_of_an_image_stays_while_its_pixels_change(scene: Scene) -> None:
    scene.show_image(np.zeros((20, 30, 3), np.uint8))
    scene.zoom(3.0, 100, 100)
    place = scene.to_screen((7, 7))
    scene.show_image(np.full((20, 30, 3), 200, np.uint8))
    assert scene.to_screen((7, 7)) == place
    scene.show_image(np.zeros((200, 30, 3), np.uint8))
    assert scene.to_screen((7, 7)) != place
    scene.orbit(10, 0)
    scene.isometric()


def test_points_of_the_other_kind_do_no_harm(scene: Scene) -> None:
    flat, solid = PointMark((3.0, 4.0), (5.0, 6.0)), PointMark(FRONT, ABOVE)
    scene.set_points([flat], 0, None)
    scene.set_brush((3.0, 4.0), 2.0, False)
    scene.show_shape(*ball())
    bare = scene.screenshot()
    assert scene.pick_mark(200, 150, reach=500) is None
    scene.set_points([flat], None, solid)
    assert np.array_equal(scene.screenshot(), bare)
    scene.show_image(np.zeros((20, 30, 3), np.uint8))
    scene.screenshot()
    scene.set_points([flat], None, None)
    assert is_color(color_at(scene.screenshot(), scene.to_screen((3, 4))), RED)


def test_large_images_are_shown(scene: Scene) -> None:
    pixels = np.zeros((1024, 1024, 3), np.uint8)
    pixels[:512, :512] = (250, 10, 10)
    scene.show_image(pixels)
    picture = scene.screenshot()
    assert color_at(picture, scene.to_screen((200, 200))).tolist() == [250, 10, 10]
    assert color_at(picture, scene.to_screen((800, 800))).tolist() == [0, 0, 0]


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080), (400, 300), (30, 20), (1, 1)])
def test_help_fits_where_it_can_and_harms_nowhere(size: tuple[int, int]) -> None:
    with staged(*size) as (scene, _):
        scene.show_shape(*ball())
        scene.set_caption("step 12 · 0.034 to go, in words that do not fit into a window that is narrow")
        bare = scene.screenshot().astype(int)
        lines = help_lines("shape")
        scene.set_help([*lines, *lines][:45])
        changed = np.abs(scene.screenshot() - bare).max(axis=2) > 2
        assert changed.mean() > 0.2 or size < (100, 100)
        if size >= (1280, 800):
            assert not changed[:8].any() and not changed[:, :8].any() and not changed[:, -8:].any(), "all of it is in"
        scene.set_help(None)
        assert np.abs(scene.screenshot() - bare).max() <= 1


def test_a_slow_machine_draws_less_while_moving_and_all_of_it_when_still(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drag3d.viewer.scene import scene as module

    monkeypatch.setattr(module, "SLOW", 0.0)  # every machine is
    monkeypatch.setattr(module, "FAST", 0.0)
    scene.show_shape(*shape_of(trimesh.creation.icosphere(5, radius=0.5)))
    still = scene.screenshot()
    drawn = scene._body._data
    assert drawn.GetNumberOfCells() == 20480
    scene.set_moving(True)
    for _ in range(8):
        scene.orbit(3, 0)
        scene.render()
    assert 500 < drawn.GetNumberOfCells() < 12000
    hit = scene.pick_surface(*scene.to_screen((0, 0, 0)))
    assert hit is not None and np.linalg.norm(hit.position) == pytest.approx(0.5, abs=1e-3), (
        "picks are exact all the same"
    )
    scene.orbit(-24, 0)
    scene.set_moving(False)
    assert scene.dirty
    scene.render()
    assert drawn.GetNumberOfCells() == 20480
    assert np.abs(scene.screenshot().astype(int) - still).max() <= 1


def test_smooth_edges_follow_when_nothing_changes_any_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from drag3d.viewer.scene import scene as module

    monkeypatch.setattr(module, "FAST", 0.0)
    monkeypatch.setattr(module, "REST", 0.0)
    scene.show_shape(*ball())
    scene.render()
    assert scene.dirty, "edges are rough yet"
    scene.render()
    assert not scene.dirty
    monkeypatch.setattr(module, "REST", 1e9)
    scene.orbit(1, 0)
    scene.render()
    assert not scene.dirty


def test_updates_of_a_mesh_take_a_few_milliseconds(scene: Scene) -> None:
    from time import perf_counter

    vertices, faces, normals, colors = shape_of(trimesh.creation.icosphere(5, radius=0.5))
    scene.show_shape(vertices, faces, normals, colors)
    scene.render()
    times = []
    for _ in range(10):
        began = perf_counter()
        scene.show_shape(vertices * np.float32(0.99), faces, normals, colors)
        scene._prepare()
        times.append(perf_counter() - began)
    assert min(times) < 0.02


def test_a_finer_display_gets_larger_dots(scene: Scene) -> None:
    scene.show_shape(*ball())
    from_front(scene)
    scene.set_points([PointMark(FRONT, ABOVE)], None, None)

    def red_pixels() -> int:
        return int((np.abs(scene.screenshot().astype(int) - RED).max(axis=2) < 40).sum())

    usual, scene.scale, scene.dirty = red_pixels(), 2.0, True
    assert 3 < red_pixels() / usual < 5
