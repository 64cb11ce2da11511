"""What the viewer makes of mouse, keys and values; seen in the flat world of :mod:`flat_world`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from flat_world import SHAPE, FlatHost, FlatLink, FlatScene, Press, square

from drag3d.viewer.actions import ACTIONS
from drag3d.viewer.application import Viewer
from drag3d.viewer.commands import COMMANDS
from drag3d.viewer.controls import PANEL, TOOLBAR, Button, Row
from drag3d.viewer.intents import (
    AddPoint,
    ClearPoints,
    Configure,
    Generate,
    Look,
    MovePoint,
    Paint,
    PauseDrag,
    RestoreAutosave,
    SetBox,
    Shown,
    StartDrag,
    StopDrag,
    Undo,
)
from drag3d.viewer.replies import Autosaved, Died, ImageShown, Offers, PointMark, Progress, Said


class World:
    """A viewer of the flat world, and what a person does to it."""

    def __init__(self) -> None:
        self.links = [FlatLink()]
        self.scene, self.host = FlatScene(), FlatHost()
        self.viewer = Viewer(cast(Any, self.links[0]), cast(Any, self.scene), self.host, restart=self._restart)

    def _restart(self) -> Any:
        self.links.append(FlatLink())
        return self.links[-1]

    @property
    def link(self) -> FlatLink:
        return self.links[-1]

    def answer(self, *replies: Any) -> None:
        self.link.waiting += replies
        self.viewer.tick()

    def sent(self) -> list[Any]:
        """What was asked for since the last time, but for what is drawn."""
        found = [intent for intent in self.link.sent if not isinstance(intent, Shown)]
        self.link.sent = []
        return found

    def press(self, x: float, y: float, **keys: Any) -> None:
        self.viewer.pointer(cast(Any, Press("press", x, y, **keys)))

    def move(self, x: float, y: float, **keys: Any) -> None:
        self.viewer.pointer(cast(Any, Press("move", x, y, **{"button": "", **keys})))

    def release(self, x: float, y: float, **keys: Any) -> None:
        self.viewer.pointer(cast(Any, Press("release", x, y, **keys)))

    def click(self, x: float, y: float, **keys: Any) -> None:
        self.press(x, y, **keys)
        self.release(x, y, **keys)

    def drag(self, start: tuple[float, float], end: tuple[float, float], **keys: Any) -> None:
        self.press(*start, **keys)
        for share in (0.3, 0.6, 1.0):
            self.move(*(a + share * (b - a) for a, b in zip(start, end, strict=True)), **keys)
        self.release(*end, **keys)

    def key(self, name: str) -> None:
        self.viewer.key(name, True)
        self.viewer.key(name, False)


@pytest.fixture
def world() -> World:
    world = World()
    world.answer(square(original=True), square(), SHAPE)
    world.sent()
    return world


ONE = replace(SHAPE, points=(PointMark((0.5, 0.0, 0.0), (0.5, 0.5, 0.0)),))


def test_a_click_places_a_handle_and_the_next_its_target_in_the_plane_of_the_screen(world: World) -> None:
    world.click(250, 200)
    assert world.scene.pending == PointMark((0.5, 0.0, 0.0), (0.5, 0.0, 0.0)) and world.sent() == []
    world.move(270, 150)
    assert world.scene.pending is not None and world.scene.pending.target == (0.7, 0.5, 0.0)
    world.click(500, 150)  # beside the shape: a target may be anywhere
    assert world.sent() == [AddPoint((0.5, 0.0, 0.0), (3.0, 0.5, 0.0))]
    assert world.scene.pending is None


def test_a_new_point_is_seen_before_the_worker_has_answered(world: World) -> None:
    world.click(250, 200)
    world.click(250, 150)
    assert world.scene.points == ONE.points
    world.answer(replace(SHAPE, answered=0))
    assert world.scene.points == ONE.points
    world.answer(replace(SHAPE, answered=2))  # refused: the worker has dealt with it, and there is no point
    assert world.scene.points == ()


def test_a_target_on_its_handle_goes_on_waiting(world: World) -> None:
    world.click(250, 200)
    world.click(250, 200)
    assert world.sent() == [] and world.scene.pending is not None


@pytest.mark.parametrize("key", ["escape", "ctrl+z"])
def test_a_waiting_handle_can_be_given_up(world: World, key: str) -> None:
    world.click(250, 200)
    world.key(key)
    assert world.scene.pending is None and world.sent() == []


def test_a_click_beside_the_shape_places_nothing(world: World) -> None:
    world.click(390, 390)
    assert world.scene.pending is None and world.sent() == []


def test_ctrl_pulls_the_target_out_of_the_handle(world: World) -> None:
    world.drag((250, 200), (250, 120), ctrl=True)
    assert world.sent() == [AddPoint((0.5, 0.0, 0.0), (0.5, 0.8, 0.0))]


def test_a_shaky_click_is_a_click_and_a_drag_that_comes_back_is_none(world: World) -> None:
    world.press(250, 200)
    world.move(252, 201)
    world.release(252, 201)
    assert world.scene.pending is not None
    world.key("escape")
    world.drag((250, 200), (300, 240))
    world.press(250, 200)
    world.move(300, 200)
    world.move(250, 200)
    world.release(250, 200)
    assert world.scene.pending is None
    assert [move[0] for move in world.scene.moves].count("orbit") >= 3


@pytest.mark.parametrize(
    ("keys", "expected"),
    [({}, "orbit"), ({"shift": True}, "pan"), ({"button": "middle"}, "pan"), ({"button": "right"}, "zoom")],
)
def test_what_no_tool_takes_moves_the_camera(world: World, keys: dict[str, Any], expected: str) -> None:
    world.drag((250, 200), (300, 240), **keys)
    moved = [move[0] for move in world.scene.moves if move[0] in ("orbit", "pan", "zoom")]
    assert set(moved) == {expected} and world.sent() == []


def test_a_target_is_dragged_in_the_plane_of_the_screen(world: World) -> None:
    world.answer(ONE)
    world.drag((250, 150), (300, 100))
    assert world.sent() == [MovePoint(0, target=(1.0, 1.0, 0.0))]
    assert world.scene.selected == 0


@pytest.mark.parametrize(
    ("key", "expected"),
    [("x", (1.0, 0.5, 0.0)), ("y", (0.5, 1.0, 0.0)), ("n", (0.5, 0.5, 1.0)), ("z", (0.5, 0.5, 1.0))],
)
def test_a_held_key_keeps_a_target_on_a_line(world: World, key: str, expected: tuple[float, ...]) -> None:
    world.answer(ONE)
    world.viewer.key(key, True)
    world.drag((250, 150), (300, 100))
    world.viewer.key(key, False)
    (moved,) = world.sent()
    assert moved.target == pytest.approx(expected)


def test_a_key_pressed_while_dragging_takes_effect_at_once(world: World) -> None:
    world.answer(ONE)
    world.press(250, 150)
    world.move(300, 100)
    assert world.scene.points[0].target == (1.0, 1.0, 0.0)
    world.viewer.key("x", True)
    assert world.scene.points[0].target == pytest.approx((1.0, 0.5, 0.0))
    world.viewer.key("x", False)
    assert world.scene.points[0].target == (1.0, 1.0, 0.0)


def test_a_handle_slides_over_the_surface_and_stays_on_it(world: World) -> None:
    world.answer(ONE)
    world.press(250, 200)
    world.move(200, 200)
    world.move(1000, 200)  # beside the shape: it stays where it was last
    world.release(1000, 200)
    assert world.sent() == [MovePoint(0, handle=(0.0, 0.0, 0.0))]


def test_a_dragged_point_goes_back_when_the_worker_refuses(world: World) -> None:
    world.answer(ONE)
    world.drag((250, 150), (300, 100))
    assert world.scene.points[0].target == (1.0, 1.0, 0.0)
    world.answer(replace(ONE, answered=0))
    assert world.scene.points[0].target == (1.0, 1.0, 0.0)
    world.answer(Said("error", "too far"), replace(ONE, answered=10))
    assert world.scene.points == ONE.points
    assert [m.text for m in world.viewer.mirror.messages] == ["too far"]


def test_escape_while_dragging_a_dot_leaves_it_where_it_was(world: World) -> None:
    world.answer(ONE)
    world.press(250, 150)
    world.move(300, 100)
    world.key("escape")
    world.release(300, 100)
    assert world.sent() == [] and world.scene.points == ONE.points


def test_a_stroke_has_centres_that_leave_no_gap_and_is_seen_at_once(world: World) -> None:
    world.viewer.set_value("tool", "brush")
    world.viewer.set_value("brush", 0.11)  # of the diagonal of 2
    world.press(150, 200)
    world.move(250, 200)
    world.release(250, 200)
    shown = world.scene.free
    (stroke,) = world.sent()
    assert stroke.centers[-1].tolist() == [0.5, 0.0, 0.0]
    assert isinstance(stroke, Paint) and stroke.radius == pytest.approx(0.22) and not stroke.erase
    gaps = np.linalg.norm(np.diff(stroke.centers, axis=0), axis=1)
    assert gaps.max() <= stroke.radius and stroke.centers[0].tolist() == [-0.5, 0.0, 0.0]
    away = np.linalg.norm(square().vertices[:, None] - stroke.centers, axis=2).min(axis=1)
    assert np.array_equal(shown, away <= stroke.radius) and 0 < shown.sum() < len(shown)


def test_shift_rubs_out_of_what_may_move(world: World) -> None:
    free = np.ones(441, bool)
    world.answer(square(2, free))
    world.viewer.set_value("tool", "brush")
    world.press(200, 200, shift=True)
    assert world.scene.free.sum() < 441
    world.release(200, 200, shift=True)
    (stroke,) = world.sent()
    assert stroke.erase and free.all()  # what the worker sent is not written to


def test_beside_the_shape_the_brush_moves_the_camera(world: World) -> None:
    world.viewer.set_value("tool", "brush")
    world.drag((390, 390), (350, 350))
    assert ("orbit" in [move[0] for move in world.scene.moves]) and world.sent() == []


def test_a_box_grows_around_the_place_that_was_pressed(world: World) -> None:
    world.viewer.set_value("tool", "box")
    world.press(200, 200)
    world.move(230, 200)
    assert world.scene.box == (pytest.approx((-0.3,) * 3), pytest.approx((0.3,) * 3))
    world.release(230, 200)
    (sent,) = world.sent()
    assert isinstance(sent, SetBox) and sent.high == pytest.approx((0.3,) * 3)


def test_images_have_no_box_and_are_panned(world: World) -> None:
    world.viewer.set_value("tool", "box")
    world.answer(ImageShown(2, np.zeros((400, 400, 3), np.uint8)), replace(SHAPE, kind="image", size=(400, 400)))
    assert world.viewer.tool_name == "point" and "box" not in dict(world.viewer.choices("tool"))
    assert "drag3d-2023" not in dict(world.viewer.choices("method"))
    world.drag((250, 200), (300, 240))
    assert "pan" in [move[0] for move in world.scene.moves]
    world.click(120, 130)
    world.click(140, 130)
    assert AddPoint((120, 130), (140, 130)) in world.sent()


def test_a_brush_on_an_image_paints_pixels(world: World) -> None:
    document = replace(SHAPE, kind="image", size=(400, 400), diagonal=400 * 2**0.5)
    world.answer(ImageShown(2, np.zeros((400, 400, 3), np.uint8)), document)
    world.viewer.set_value("tool", "brush")
    world.press(120, 130)
    free = world.scene.free
    x, y = np.meshgrid(np.arange(400), np.arange(400))
    assert np.array_equal(free, np.hypot(x - 120, y - 130) <= world.viewer.brush_radius)


def test_comparing_shows_the_original_without_points_while_the_key_is_down(world: World) -> None:
    world.answer(ONE, square(2))
    edited = world.scene.body
    world.viewer.key("c", True)
    assert world.scene.body is world.viewer.mirror.original.vertices and world.scene.points == ()  # type: ignore[union-attr]
    assert world.scene.caption == "original"
    world.click(250, 200)
    assert world.scene.pending is None
    world.viewer.key("c", False)
    assert world.scene.body is edited and world.scene.points == ONE.points


def test_seeds_asked_for_faster_than_they_are_made_are_left_out(world: World) -> None:
    for _ in range(5):
        world.key("pagedown")
    assert world.viewer.values()["seed"] == 8
    world.viewer.tick()
    world.key("pagedown")
    world.key("pagedown")
    world.viewer.tick()
    assert world.sent() == [Generate(8, 4, 1.0, None, "square")]
    world.answer(replace(SHAPE, answered=1, seed=8))
    world.viewer.tick()
    assert world.sent() == [Generate(10, 4, 1.0, None, "square")]


def test_another_model_begins_with_its_own_texture(world: World) -> None:
    world.viewer.set_value("model", "portrait")
    world.viewer.tick()
    assert world.sent() == [Generate(3, None, 1.0, None, "portrait")]


def test_space_starts_pauses_and_goes_on_and_escape_ends(world: World) -> None:
    world.key("space")
    assert world.sent() == []  # nothing to drag
    world.answer(ONE)
    world.key("space")
    assert world.sent() == [StartDrag(None)]
    world.answer(replace(ONE, progress=Progress("running", 3, (0.4,), (0,))))
    assert world.viewer.label("start") == "Pause" and "step 3" in world.scene.caption
    world.key("space")
    assert world.sent() == [PauseDrag()]
    world.answer(replace(ONE, progress=Progress("paused", 3, (0.4,), (0,))))
    assert world.viewer.label("start") == "Continue"
    world.key("escape")
    assert world.sent() == [StopDrag()]


def test_a_running_drag_is_drawn_at_its_leisure_unless_a_person_holds_something(world: World) -> None:
    running = replace(ONE, progress=Progress("running", 3, (0.4,), (0,)))
    world.answer(running)
    world.scene.dirty, world.scene.has_rested, before = True, False, world.scene.renders
    world.viewer.tick()
    assert world.scene.renders == before and world.scene.dirty
    world.press(700, 500)
    world.move(710, 505)
    world.scene.dirty = True
    world.viewer.tick()
    assert world.scene.renders == before + 1
    world.release(710, 505)
    world.scene.dirty = True
    world.viewer.tick()
    assert world.scene.renders == before + 1
    world.scene.has_rested = True
    world.viewer.tick()
    assert world.scene.renders == before + 2
    world.scene.dirty, world.scene.has_rested = True, False
    world.answer(replace(running, progress=Progress("paused", 3, (0.4,), (0,))))
    assert world.scene.renders == before + 3


def test_a_drag_in_this_view_has_its_camera(world: World) -> None:
    world.answer(ONE)
    world.viewer.set_value("in_view", True)
    world.key("space")
    assert world.sent() == [StartDrag(world.scene.camera())]


def test_settings_go_to_the_worker_only_when_they_change(world: World) -> None:
    world.answer(replace(SHAPE, settings={"method": "default", "max_steps": 100}))
    world.viewer.set_value("method", "default")
    world.viewer.set_value("method", "draggan")
    assert world.sent() == [Configure({"method": "draggan"})]


def test_looks_are_asked_of_the_worker_only_for_features(world: World) -> None:
    for key in "2345":
        world.key(key)
    assert world.sent() == [Look(False), Look(False), Look(False), Look(True)]
    assert ("set_look", "features") in world.scene.moves


def test_what_cannot_be_done_now_is_not_done(world: World) -> None:
    for command in ("undo", "redo", "reset", "step", "remove_point", "mirror_point", "clear_points", "clear_region"):
        assert not world.viewer.enabled(command)
        world.viewer.run(command)
    assert world.sent() == []
    world.answer(replace(ONE, undo="add point 0"))
    assert world.viewer.enabled("undo") and world.viewer.label("undo") == "Undo: add point 0"
    world.viewer.run("undo")
    world.viewer.run("clear_points")
    assert world.sent() == [Undo(), ClearPoints()]


def test_help_lists_every_key_and_goes_away_with_escape(world: World) -> None:
    world.key("f1")
    text = " ".join(f"{key} {what}" for key, what in world.scene.help)
    assert all(key in text for command in COMMANDS for key in command.keys)
    world.key("escape")
    assert world.scene.help is None and world.sent() == []


def test_nothing_is_drawn_when_nothing_has_changed(world: World) -> None:
    assert not world.viewer.tick() and not world.viewer.tick()
    assert world.scene.renders == 0
    world.scene.dirty = True
    world.viewer.tick()
    assert world.scene.renders == 1


def test_a_dead_worker_is_replaced_and_what_it_saved_is_taken_up(world: World) -> None:
    world.answer(ONE, Died("the worker has ended"))
    assert not world.viewer.enabled("start") and world.viewer.enabled("help") and world.viewer.enabled("restart")
    world.viewer.run("restart")
    assert world.links[0].closed and not world.viewer.enabled("restart")
    world.answer(Offers((Autosaved("b", "square", 2.0, 4), Autosaved("a", "square", 1.0, 9))))
    assert world.sent() == [RestoreAutosave("b")]
    assert [offer.name for offer in world.viewer.mirror.offers] == ["a"]


def test_offers_of_a_first_start_wait_for_an_answer(world: World) -> None:
    world.answer(Offers((Autosaved("a", "square", 1.0, 9),)))
    assert world.sent() == []
    world.viewer.restore("a")
    assert world.sent() == [RestoreAutosave("a")] and world.viewer.mirror.offers == ()


def test_every_command_does_something_and_no_key_means_two_things() -> None:
    assert {command.name for command in COMMANDS} | {"restart"} == set(ACTIONS)
    for kind in ("shape", "image"):
        keys = [key for command in COMMANDS if kind in command.kinds for key in command.keys]
        assert len(keys) == len(set(keys))


def test_every_control_has_a_value_or_a_command(world: World) -> None:
    def flat(items: Any) -> list[Any]:
        return [leaf for item in items for leaf in (flat(item.items) if isinstance(item, Row) else [item])]

    controls = flat(
        [item for section in PANEL for item in section.items] + [item for group in TOOLBAR for item in group]
    )
    values = world.viewer.values()
    for control in controls:
        if isinstance(control, Button):
            assert control.command in ACTIONS
        elif hasattr(control, "value"):
            assert control.value in values
