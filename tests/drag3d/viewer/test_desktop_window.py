"""The desktop window as a person uses it: a real window on a display of its own, real mouse and key events."""

from __future__ import annotations

import itertools
import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import x_display
from real_window import RealWindow, project

pytestmark = [
    pytest.mark.window,
    pytest.mark.slow,
    pytest.mark.skipif(bool(x_display.why_not()), reason=x_display.why_not() or "-"),
]


@pytest.fixture(scope="module")
def desk(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWindow]:
    desk = RealWindow(small_model, tmp_path_factory.mktemp("autosaves"))
    yield desk
    desk.close()


@pytest.fixture(autouse=True)
def begun(desk: RealWindow) -> None:
    desk.begin()


def with_point(desk: RealWindow, up: float = 0.1) -> tuple[float, float]:
    """Click a handle in the middle and a target above it; returns the handle's pixel."""
    x, y = desk.middle()
    desk.click(x, y)
    desk.until(lambda: desk.viewer.points.pending is not None)
    desk.click(x, y - up * desk.window.picture.height())
    desk.until(lambda: len(desk.document.points) == 1)
    return x, y


def test_a_click_picks_the_point_of_the_surface_under_the_mouse(desk: RealWindow) -> None:
    x, y = desk.middle()
    true = desk.surface_under(x, y)
    desk.click(x, y)
    desk.until(lambda: desk.viewer.points.pending is not None)
    picked = np.asarray(desk.viewer.points.pending.handle)
    assert np.linalg.norm(picked - true) < 0.002 * desk.document.diagonal
    desk.click(x + 30, y - 80)
    desk.until(lambda: len(desk.document.points) == 1)
    handle = np.asarray(desk.document.points[0].handle)
    assert np.linalg.norm(handle - true) < 0.01 * desk.document.diagonal


def test_a_window_can_be_refreshed_for_hours(desk: RealWindow) -> None:
    before = sys.getrefcount(None)
    for _ in range(30):
        desk.window._refresh()
        desk.application.processEvents()
    # There are some thousand calls of Qt in this. One reference to None lost in each, and Python ends after minutes.
    assert sys.getrefcount(None) > before - 300


def test_the_second_click_places_the_target_in_the_plane_of_the_screen(desk: RealWindow) -> None:
    x, y = with_point(desk)
    handle, target = (np.asarray(place) for place in (desk.document.points[0].handle, desk.document.points[0].target))
    camera = desk.viewer.scene.camera()
    seen = project(camera, target)
    assert math.dist(seen, (x, y - 0.1 * desk.window.picture.height())) < 3
    forward = np.asarray(camera.focus) - camera.position
    assert abs((target - handle) @ forward) / np.linalg.norm(forward) < 0.01 * desk.document.diagonal


def test_with_x_held_a_target_is_dragged_along_x(desk: RealWindow) -> None:
    with_point(desk)
    before = np.asarray(desk.document.points[0].target)
    x, y = project(desk.viewer.scene.camera(), before)
    desk.drag([(x, y), (x + 10, y + 2), (x + 40, y + 8), (x + 60, y + 10)], keys=("x",))
    desk.until(lambda: math.dist(desk.document.points[0].target, before) > 0.01)
    moved = np.asarray(desk.document.points[0].target) - before
    assert abs(moved[0]) > 0.02
    assert np.abs(moved[1:]).max() < 1e-4
    assert not desk.viewer.held


def test_without_a_key_a_dragged_target_goes_where_the_mouse_goes(desk: RealWindow) -> None:
    with_point(desk)
    x, y = project(desk.viewer.scene.camera(), desk.document.points[0].target)
    before = desk.document.points[0].target
    desk.drag([(x, y), (x + 20, y - 10), (x + 50, y - 30)])
    desk.until(lambda: desk.document.points[0].target != before)
    assert math.dist(project(desk.viewer.scene.camera(), desk.document.points[0].target), (x + 50, y - 30)) < 4


def test_space_drags_and_the_shape_follows(desk: RealWindow) -> None:
    with_point(desk, up=0.05)
    vertices, pixels = desk.viewer.mirror.shown.vertices, desk.picture_pixels
    desk.press("space")
    desk.until(lambda: desk.document.progress.step >= 1 and desk.document.progress.state == "idle", 60)
    curve = desk.document.progress.curve
    assert min(curve) < 0.7 * curve[0]
    moved = desk.viewer.mirror.shown.vertices
    assert moved.shape != vertices.shape or np.abs(moved - vertices).max() > 0.01
    desk.come_to_rest()
    assert (np.abs(desk.picture_pixels.astype(int) - pixels) > 20).any(axis=-1).sum() > 500


def test_a_drag_is_stopped_and_undone_and_then_the_point(desk: RealWindow) -> None:
    desk.viewer.set_value("max_steps", 1000)
    desk.viewer.set_value("tolerance", 1e-6)
    with_point(desk, up=0.35)
    before = desk.viewer.mirror.shown.vertices
    desk.press("space")
    desk.until(lambda: desk.document.progress.step >= 1)
    desk.click_widget(button(desk, "stop"))
    desk.until(lambda: desk.document.progress.state == "idle")
    dragged = desk.viewer.mirror.shown.vertices
    assert dragged.shape != before.shape or np.abs(dragged - before).max() > 1e-4
    desk.press("ctrl+z")
    desk.until(lambda: np.array_equal(desk.viewer.mirror.shown.vertices, before))
    assert len(desk.document.points) == 1
    desk.press("ctrl+z")
    desk.until(lambda: not desk.document.points)


def test_what_was_undone_is_done_again(desk: RealWindow) -> None:
    with_point(desk)
    desk.click_widget(button(desk, "undo"))
    desk.until(lambda: not desk.document.points)
    desk.press("ctrl+shift+z")
    desk.until(lambda: len(desk.document.points) == 1)


def test_coordinates_are_typed(desk: RealWindow) -> None:
    with_point(desk)
    card = points(desk).cards[0]
    desk.until(card.isVisible)
    desk.click_widget(card.target)
    desk.press("ctrl+a")
    desk.display.do("type", "0.1, 0.25 -0.125")
    desk.look()
    assert desk.document.points[0].target != (0.1, 0.25, -0.125)  # not before typing has ended
    desk.press("Return")
    desk.until(lambda: np.allclose(desk.document.points[0].target, (0.1, 0.25, -0.125), atol=1e-6))
    assert desk.window.picture.hasFocus()
    desk.until(lambda: card.target.text() == "0.100, 0.250, -0.125")


def test_what_is_no_place_is_taken_back(desk: RealWindow) -> None:
    with_point(desk)
    card = points(desk).cards[0]
    before, text = desk.document.points[0].target, card.target.text()
    desk.click_widget(card.target)
    desk.press("ctrl+a")
    desk.display.do("type", "0.1, 2x")
    desk.press("Return")
    assert card.target.text() == text
    desk.click_widget(card.target)
    desk.press("ctrl+a")
    desk.display.do("type", "9, 9, 9")
    desk.press("Escape")
    assert card.target.text() == text
    assert desk.document.points[0].target == before


def test_keys_belong_to_the_text_while_somebody_types(desk: RealWindow) -> None:
    with_point(desk)
    look = desk.viewer.look
    desk.click_widget(points(desk).cards[0].handle)
    desk.display.do("type", "23")
    desk.press("Delete")
    assert desk.viewer.look == look
    assert len(desk.document.points) == 1
    desk.press("Escape")
    desk.press("2")
    assert desk.viewer.look == "clay"


def test_a_point_is_switched_off_and_deleted_in_the_table(desk: RealWindow) -> None:
    with_point(desk)
    card = points(desk).cards[0]
    desk.click_widget(card.on)
    desk.until(lambda: not desk.document.points[0].enabled)
    desk.click_widget(card.remove)
    desk.until(lambda: not desk.document.points)
    assert not card.isVisible()


def test_the_selected_point_is_marked_in_the_table(desk: RealWindow) -> None:
    with_point(desk)
    desk.until(lambda: points(desk).cards[0].property("selected") is True)
    desk.press("Escape")
    desk.until(lambda: points(desk).cards[0].property("selected") is False)
    desk.press("Tab")
    desk.until(lambda: points(desk).cards[0].property("selected") is True)


def test_numbers_choose_how_the_shape_looks(desk: RealWindow) -> None:
    seen = []
    for key, look in (("2", "clay"), ("3", "normals"), ("4", "wireframe"), ("5", "features"), ("1", "textured")):
        desk.press(key)
        desk.until(lambda look=look: desk.viewer.look == look)  # type: ignore[misc]
        desk.look(0.4)
        desk.come_to_rest()
        seen.append(desk.picture_pixels.astype(int))
    for first, second in itertools.pairwise(seen):
        assert (np.abs(first - second).max(axis=-1) > 12).sum() > 1000


def test_the_original_is_seen_while_c_is_held(desk: RealWindow) -> None:
    with_point(desk)
    for steps in range(1, 4):
        desk.press("period")
        desk.until(lambda steps=steps: desk.document.progress.step == steps, 30)  # type: ignore[misc]
    desk.press("Escape")
    desk.until(lambda: desk.document.progress.state == "idle")
    desk.come_to_rest()
    edited = desk.picture_pixels.astype(int)
    desk.display.do("keydown", "c")
    desk.until(lambda: desk.viewer.comparing)
    desk.come_to_rest()  # X repeats keys that are held
    assert desk.viewer.comparing
    original = desk.picture_pixels.astype(int)
    desk.display.do("keyup", "c")
    desk.until(lambda: not desk.viewer.comparing)
    desk.come_to_rest()
    assert (np.abs(original - edited).max(axis=-1) > 20).sum() > 300
    assert (np.abs(desk.picture_pixels - edited).max(axis=-1) > 20).sum() < 100


def test_a_key_that_is_held_is_let_go_when_the_window_loses_the_keyboard(desk: RealWindow) -> None:
    desk.display.do("keydown", "c")
    desk.until(lambda: desk.viewer.comparing)
    desk.viewer.run("open")  # the dialog takes the keyboard
    desk.until(lambda: not desk.viewer.comparing)
    desk.display.do("keyup", "c")
    desk.window.dialogs._dialog.reject()
    desk.look()


def test_a_mesh_is_exported_through_the_dialogs(desk: RealWindow, tmp_path: Path) -> None:
    import trimesh

    path = tmp_path / "animal.glb"
    desk.press("ctrl+e")
    options = desk.window.dialogs._dialog
    desk.until(options.isVisible)
    options.colors.setChecked(True)
    options.accept()
    desk.until(lambda: desk.window.dialogs._dialog not in (None, options))
    files = desk.window.dialogs._dialog
    files.selectFile(str(path))
    files.accept()
    desk.until(path.exists)
    mesh = trimesh.load_mesh(path, skip_materials=True)
    assert len(mesh.faces) == len(desk.viewer.mirror.shown.faces)
    desk.until(lambda: path.name in desk.window.line.message.text())


def test_the_picture_is_moved_by_the_mouse(desk: RealWindow) -> None:
    scene, picture = desk.viewer.scene, desk.window.picture
    corner = (picture.width() - 30, picture.height() - 30)
    before = scene.camera()
    desk.drag([corner, (corner[0] - 60, corner[1] - 10), (corner[0] - 120, corner[1] - 20)])
    turned = scene.camera()
    assert math.dist(turned.position, before.position) > 0.1
    assert math.dist(turned.focus, before.focus) < 1e-6
    desk.display.do("mousemove", *(round(v) for v in desk.on_screen(*corner)), "click", 4)
    desk.look()
    nearer = scene.camera()
    assert math.dist(nearer.position, nearer.focus) < math.dist(turned.position, turned.focus)


def test_a_double_click_leaves_the_mouse_to_the_viewer(desk: RealWindow) -> None:
    x, y = desk.window.picture.width() - 30, 30
    desk.display.do("mousemove", *(round(v) for v in desk.on_screen(x, y)), "click", "--repeat", 2, "--delay", 40, 1)
    desk.look()
    with_point(desk)  # PyVista would have taken the mouse


def test_the_window_is_seen_before_vtk_is_there(desk: RealWindow) -> None:
    from drag3d.viewer.desktop.window import Window

    window = Window()
    window.show()
    desk.look()
    number = window.winId()
    assert window.isVisible()
    window.make_picture()
    desk.look()
    assert window.winId() == number  # the system's window is still the same one
    window.picture.close()
    window.close()
    desk.window.raise_()


def test_the_loop_never_waits_for_the_worker(desk: RealWindow) -> None:
    pid = desk.viewer.link.pid
    os.kill(pid, signal.SIGSTOP)  # as busy as a worker can be
    try:
        begun = time.monotonic()
        for command in ("next_seed", "undo", "redo", "look_clay", "isometric", "look_textured"):
            desk.viewer.run(command)
            desk.window.tick()
        assert time.monotonic() - begun < 3
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_worker_that_dies_is_started_again_and_nothing_is_lost(desk: RealWindow) -> None:
    with_point(desk)
    handle = desk.document.points[0].handle
    desk.look(1.5)  # until it has been autosaved
    os.kill(desk.viewer.link.pid, signal.SIGKILL)
    desk.until(lambda: desk.viewer.dead)
    desk.until(desk.window.bars.isVisible)
    desk.click_widget(desk.window.bars.bars[0].buttons["Restart"])
    desk.until(lambda: len(desk.document.points) == 1, 60)
    assert np.allclose(desk.document.points[0].handle, handle, atol=1e-6)
    desk.look()
    assert not any("Restart" in bar.buttons for bar in desk.window.bars.bars)


def test_an_offer_is_a_bar_that_can_be_put_off(desk: RealWindow) -> None:
    from drag3d.viewer.replies import Autosaved

    desk.viewer.mirror.offers = (Autosaved("nothing", "quadruped", time.time(), 5),)
    desk.viewer.select_point(None)
    desk.until(desk.window.bars.isVisible)
    (bar,) = desk.window.bars.bars
    assert bar.text.endswith("5 changes")
    assert list(bar.buttons) == ["Restore", "Discard", "Later"]
    desk.click_widget(bar.buttons["Later"])
    desk.until(lambda: not desk.window.bars.isVisible())


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_all_controls_have_their_place(desk: RealWindow, size: tuple[int, int]) -> None:
    desk.window.resize(*size)
    for section in desk.window.panel.sections:
        section.unfold(True)
    desk.look(0.3)
    try:
        fields = [bound.field for bound in desk.window.binder.bound if bound.field.isVisible()]
        assert len(fields) > 50
        toolbar = [field for field in fields if desk.window.toolbar.isAncestorOf(field)]
        assert len(toolbar) >= 15
        for parent, inside in ((desk.window.toolbar, toolbar), (desk.window.panel.widget(), fields)):
            seen = [field for field in inside if parent.isAncestorOf(field)]
            places = [(field, rectangle(field, parent)) for field in seen]
            for field, place in places:
                assert parent.rect().contains(place), field
                others = [other for other, there in places if other is not field and there.intersects(place)]
                assert not others, (field, others)
        picture = rectangle(desk.window.picture, desk.window)
        assert picture.width() > 0.7 * size[0]
    finally:
        desk.window.resize(*x_display.SIZE)
        for section in desk.window.panel.sections:
            section.unfold(section.section.open)


def rectangle(widget, parent):  # type: ignore[no-untyped-def]
    """Where a widget is in a parent."""
    from PySide6.QtCore import QPoint, QRect

    return QRect(widget.mapTo(parent, QPoint(0, 0)), widget.size())


def button(desk: RealWindow, command: str):  # type: ignore[no-untyped-def]
    """The first button of a command."""
    return next(bound.field for bound in desk.window.binder.bound if bound.name == command)


def points(desk: RealWindow):  # type: ignore[no-untyped-def]
    """The table of points."""
    from drag3d.viewer.desktop.points import PointList

    return next(bound.field for bound in desk.window.binder.bound if isinstance(bound.field, PointList))
