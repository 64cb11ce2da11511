"""A session: points, regions, drags, undo and redo, on the embedded quadruped over a coarse grid."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import drag3d
from drag3d.core import DragSettings, StopReason
from drag3d.session import Box, Point, Session, Sphere, report, write_report
from get3d_models import Generator
from get3d_models.errors import InputError

UP = np.array([0.0, 0.06, 0.0])


@pytest.fixture
def session(small_quadruped: Generator) -> Session:
    return Session(small_quadruped, seed=3)


def back(session: Session) -> np.ndarray[Any, Any]:
    """A vertex on top of the shape's middle: on the surface, far from any other part of it."""
    vertices = session.shape.vertices.numpy()
    middle = vertices[np.abs(vertices[:, 0]) + np.abs(vertices[:, 2] + 0.05) < 0.1]
    return middle[middle[:, 1].argmax()].astype(np.float64)


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    text = str(error.value)
    assert text and "\n" not in text and text.isprintable()
    return text


# ---- points -------------------------------------------------------------------------------------------------------


def test_a_new_session_shows_the_shape_of_its_seed(session: Session, small_quadruped: Generator) -> None:
    expected = small_quadruped.sample(seed=3)
    assert torch.equal(session.shape.vertices, expected.vertices) and torch.equal(session.shape.faces, expected.faces)
    assert session.shape is session.original_shape and session.points == () and not session.can_undo


def test_points_are_numbered_from_0_and_take_arrays_tensors_and_lists(session: Session) -> None:
    handle = back(session)
    assert session.add_point(handle, handle + UP) == 0
    assert session.add_point(torch.tensor(handle), list(handle + UP)) == 1
    assert session.points[0] == session.points[1]
    assert np.allclose(session.points[0].handle, handle, atol=1e-6) and session.notes == []


def test_a_handle_beside_the_surface_is_moved_onto_it_with_a_note(session: Session) -> None:
    on = back(session)
    off = on + 0.5 * session.shape.diagonal * UP  # 3%
    session.add_point(off, off + UP)
    placed = np.array(session.points[0].handle)
    faces = trimesh.Trimesh(session.shape.vertices.numpy(), session.shape.faces.numpy(), process=False)
    assert faces.nearest.vertex(placed[None])[0][0] < 0.05
    assert math.dist(placed, off) <= 0.03 * session.shape.diagonal + 1e-9
    (note,) = session.notes
    assert "onto the surface" in note and "% of the diagonal" in note


def test_a_handle_too_far_from_the_surface_is_refused_saying_how_far(session: Session) -> None:
    off = back(session) + 4 * session.shape.diagonal * UP
    with pytest.raises(InputError, match=r"\d+\.\d% of the shape's diagonal off the surface") as error:
        session.add_point(off, off + UP)
    assert "nearest surface point is (" in one_line(error) and session.points == () and not session.can_undo


@pytest.mark.parametrize(
    ("handle", "target", "said"),
    [
        (None, (math.nan, 0, 0), "finite"),
        (None, (math.inf, 0, 0), "finite"),
        ((0, math.nan, 0), (0, 0, 0), "finite"),
        (None, (0, 0), "three numbers"),
        (None, "here", "three numbers"),
        (None, 5, "three numbers"),
        (None, (0, 2.01, 0), "far outside"),
        (None, None, "equals its handle"),
    ],
)
def test_points_that_make_no_sense_are_refused(session: Session, handle: Any, target: Any, said: str) -> None:
    on = back(session)
    with pytest.raises(InputError, match=said) as error:
        session.add_point(on if handle is None else handle, on if target is None else target)
    assert one_line(error) and session.points == ()


def test_a_target_outside_the_box_but_not_far_is_fine(session: Session) -> None:
    session.add_point(back(session), (0, 1.9, 0))
    assert session.points[0].target == (0, 1.9, 0)


def test_points_move_switch_off_and_go_away(session: Session) -> None:
    on = back(session)
    for height in (1.0, 1.1, 1.2):
        session.add_point(on, on + height * UP)
    session.move_point(1, target=(0, 0.3, 0))
    assert session.points[1].target == (0, 0.3, 0) and session.points[1].handle == session.points[0].handle
    session.enable_point(1, False)
    session.move_point(1, handle=session.shape.vertices[0])
    assert not session.points[1].enabled
    assert np.allclose(session.points[1].handle, session.shape.vertices[0].numpy(), atol=1e-6)
    last = session.points[2]
    session.remove_point(1)
    assert len(session.points) == 2 and session.points[1] == last


@pytest.mark.parametrize("index", [-1, 1, True, "0", 0.0])
def test_a_point_that_does_not_exist_is_refused(session: Session, index: Any) -> None:
    session.add_point(back(session), back(session) + UP)
    for act in (session.remove_point, session.move_point, session.enable_point):
        with pytest.raises(InputError, match="no point"):
            act(index)
    assert len(session.points) == 1


def test_a_keypoint_becomes_a_handle_on_the_surface_with_its_target_at_the_offset(session: Session) -> None:
    index = session.add_keypoint("back", (0.0, 0.05, 0.02))
    point = session.points[index]
    assert point.name == "back" and math.dist(point.handle, session.keypoints["back"]) < 0.05 * session.shape.diagonal
    assert np.allclose(np.subtract(point.target, point.handle), (0.0, 0.05, 0.02))


def test_keypoints_are_suggested_listed_and_refused_where_they_are_not_known(small_quadruped: Generator) -> None:
    session = Session(small_quadruped, seed=3)
    with pytest.raises(InputError, match=r"did you mean 'snout'.*left_ear.*belly"):
        session.add_keypoint("snot", (0, 0, 0.1))
    with pytest.raises(InputError, match="offset of keypoint 'back' is zero"):
        session.add_keypoint("back", (0, 0, 0))
    with pytest.raises(InputError, match="truncation 1 only"):
        Session(small_quadruped, seed=3, truncation=0.5).add_keypoint("back", (0, 0.1, 0))
    other = small_quadruped.with_config()
    other.name = "something_else"
    with pytest.raises(InputError, match="no named keypoints"):
        Session(other, seed=3).add_keypoint("back", (0, 0.1, 0))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"texture_seed": -2}, "texture seed"),
        ({"truncation": math.nan}, "truncation"),
        ({"truncation": "much"}, "truncation"),
    ],
)
def test_seeds_and_truncations_that_make_no_sense_are_refused(
    small_quadruped: Generator, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        Session(small_quadruped, **arguments)


# ---- undo and redo ------------------------------------------------------------------------------------------------


def test_undo_and_redo_restore_points_region_and_latents_and_say_what_they_did(session: Session) -> None:
    on = back(session)
    session.add_point(on, on + UP)
    session.set_region(move=Sphere(tuple(on), 0.3))
    for _ in session.drag(max_steps=2, tolerance=1e-6):
        pass
    after = session.latents
    assert session.undo() == "drag, 2 steps"
    assert session.shape is session.original_shape and np.allclose(session.points[0].handle, on, atol=1e-6)
    assert session.undo() == "set region" and session.region is None
    assert session.undo() == "add point 0" and session.points == ()
    assert session.undo() is None
    assert [session.redo() for _ in range(4)] == ["add point 0", "set region", "drag, 2 steps", None]
    assert session.latents is after and session.region is not None


def test_reset_returns_to_the_seed_and_can_be_undone(session: Session) -> None:
    on = back(session)
    session.add_point(on, on + UP)
    for _ in session.drag(max_steps=1, tolerance=1e-6):
        pass
    edited = session.latents
    session.reset()
    assert session.shape is session.original_shape and session.points == ()
    session.undo()
    assert session.latents is edited and len(session.points) == 1


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 5)),
        st.tuples(st.sampled_from(["remove", "disable", "move"]), st.integers(0, 3)),
        st.tuples(st.sampled_from(["undo", "redo", "reset"]), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MOVES)
def test_any_sequence_of_edits_and_undos_does_what_a_list_of_lists_does(
    small_quadruped: Generator, moves: list[tuple[str, int]]
) -> None:
    session = Session(small_quadruped, seed=3)
    vertices = session.shape.vertices.double().numpy()[::97]
    states: list[list[Point]] = [[]]
    place = 0
    for move, number in moves:
        now = states[place]
        if move in ("undo", "redo"):
            place = min(max(place + (1 if move == "redo" else -1), 0), len(states) - 1)
            getattr(session, move)()
        elif move == "reset":
            session.reset()
            states, place = [*states[: place + 1], []], place + 1
        elif move == "add":
            session.add_point(vertices[number], vertices[number] + UP)
            states, place = [*states[: place + 1], [*now, session.points[-1]]], place + 1
        elif number < len(now):
            edited = list(now)
            if move == "remove":
                session.remove_point(number)
                del edited[number]
            elif move == "disable":
                session.enable_point(number, False)
                edited[number] = Point(now[number].handle, now[number].target, False)
            else:
                session.move_point(number, target=(0.0, 0.4, 0.4))
                edited[number] = Point(now[number].handle, (0.0, 0.4, 0.4), now[number].enabled)
            states, place = [*states[: place + 1], edited], place + 1
        assert list(session.points) == states[place]
        assert session.can_undo == (place > 0) and session.can_redo == (place + 1 < len(states))


# ---- dragging -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "count"), [("default", 4), ("draggan", 12)])
def test_a_drag_brings_the_handle_nearer_and_the_session_follows_each_step(
    session: Session, method: str, count: int
) -> None:
    on = back(session)
    session.add_point(on, on + UP)
    start = session.latents
    steps = []
    for step in session.drag(max_steps=count, method=method, tolerance=1e-3):
        steps.append(step)
        assert np.allclose(session.points[0].handle, step.handles[0], atol=1e-6)
    assert [s.index for s in steps] == list(range(len(steps))) and steps[-1].reason is not None
    assert float(steps[-1].distances) < 0.9 * float(steps[0].distances)
    assert not torch.equal(session.latents.geometry, start.geometry)
    assert torch.equal(session.latents.texture, start.texture)
    assert not torch.equal(session.shape.vertices[:100], session.original_shape.vertices[:100])


def test_a_loop_left_early_leaves_the_session_at_its_last_step_as_one_edit(session: Session) -> None:
    on = back(session)
    session.add_point(on, on + UP)
    for step in session.drag(max_steps=50, tolerance=1e-6):
        if step.index == 2:
            break
    assert session.last_drag is not None and session.last_drag.reason is StopReason.ASKED
    assert np.allclose(session.points[0].handle, step.handles[0], atol=1e-6)
    assert session.undo() == "drag, 2 steps" and session.can_redo
    assert session.shape is session.original_shape


def test_an_exception_in_the_loop_body_loses_nothing(session: Session, tmp_path: Path) -> None:
    session.add_point(back(session), back(session) + UP)
    session.autosave = tmp_path / "kept.drag3d"
    with pytest.raises(KeyboardInterrupt):
        for step in session.drag(max_steps=50, tolerance=1e-6):
            if step.index == 1:
                raise KeyboardInterrupt
    assert session.can_undo and session.shape is not session.original_shape


def test_stop_ends_the_drag_after_the_step_and_says_so(session: Session) -> None:
    session.add_point(back(session), back(session) + UP)
    steps = []
    for step in session.drag(max_steps=50, tolerance=1e-6):
        steps.append(step)
        if step.index == 1:
            session.stop()
    assert steps[-1].reason is StopReason.ASKED and len(steps) <= 3


def test_nothing_else_may_happen_while_a_drag_runs(session: Session) -> None:
    on = back(session)
    session.add_point(on, on + UP)
    steps = session.drag(max_steps=3, tolerance=1e-6)
    next(steps)
    acts: list[Any] = [
        session.undo,
        session.redo,
        session.reset,
        session.clear_points,
        session.drag,
        session.set_region,
    ]
    for act in acts:
        with pytest.raises(InputError, match="a drag is running"):
            act()
    steps.close()
    session.clear_points()
    assert session.points == ()


def test_a_drag_prepared_before_an_edit_is_refused(session: Session) -> None:
    on = back(session)
    session.add_point(on, on + UP)
    steps = session.drag(max_steps=3)
    session.move_point(0, target=on + 2 * UP)
    with pytest.raises(InputError, match="changed after this drag was prepared"):
        next(steps)


def test_a_drag_without_an_enabled_point_is_refused(session: Session) -> None:
    with pytest.raises(InputError, match="no point to drag"):
        session.drag()
    session.add_point(back(session), back(session) + UP)
    session.enable_point(0, False)
    with pytest.raises(InputError, match="no point to drag"):
        session.drag()


def test_disabled_points_take_no_part(session: Session) -> None:
    on = back(session)
    session.add_point(on, on - UP)
    session.add_point(on, on + UP)
    session.enable_point(0, False)
    before = session.points[0]
    for step in session.drag(max_steps=1):
        assert step.handles.shape == (1, 3)
    assert session.points[0] == before and session.points[1].handle != before.handle


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"max_step": 5}, "did you mean 'max_steps'"),
        ({"method": "magic"}, "known: default, draggan"),
        ({"max_steps": -1}, "max_steps"),
        ({"max_steps": 1.5}, "max_steps"),
        ({"tolerance": 0.0}, "positive"),
        ({"tolerance": math.nan}, "positive"),
        ({"learning_rate": -1.0}, "positive"),
        ({"hold_weight": -1.0}, "from 0 on"),
        ({"patience": 0}, "patience"),
        ({"latents_moved": "colour"}, "geometry, texture, both"),
    ],
)
def test_settings_that_make_no_sense_are_refused(session: Session, chosen: dict[str, Any], said: str) -> None:
    session.add_point(back(session), back(session) + UP)
    with pytest.raises(InputError, match=said) as error:
        session.drag(**chosen)
    assert one_line(error)


def test_settings_of_the_session_hold_where_the_drag_says_nothing(session: Session) -> None:
    session.add_point(back(session), back(session) + UP)
    session.settings = DragSettings(max_steps=1, method="draggan", tolerance=1e-6)
    assert len(list(session.drag())) == 2
    assert session.last_drag is not None and session.last_drag.settings.method == "draggan"
    with pytest.raises(InputError):
        session.settings = DragSettings(max_steps=-3)


def test_texture_latents_move_when_asked_and_geometry_stays(session: Session) -> None:
    session.add_point(back(session), back(session) + UP)
    start = session.latents
    for _ in session.drag(max_steps=1, latents_moved="texture", method="draggan"):
        pass
    assert torch.equal(session.latents.geometry, start.geometry)
    assert not torch.equal(session.latents.texture, start.texture)


def test_a_handle_where_nothing_may_move_is_refused(session: Session) -> None:
    on = back(session)
    session.add_point(on, on + UP)
    session.set_region(stay=Sphere(tuple(on), 0.05))
    with pytest.raises(InputError, match=r"point 0 at .* lies in what must stay"):
        session.drag()
    with pytest.raises(InputError, match="no part of the surface"):
        session.set_region(move=Box((2, 2, 2), (3, 3, 3)))
    with pytest.raises(InputError, match="not of str"):
        session.set_region(move="left half")  # type: ignore[arg-type]


def test_what_the_region_holds_moves_less_than_without_it(small_quadruped: Generator) -> None:
    def moved(region: bool) -> float:
        session = Session(small_quadruped, seed=3)
        index = session.add_keypoint("tail", (0.0, 0.08, -0.02))
        if region:
            session.set_region(move=Sphere(session.points[index].handle, 0.15))
        for _ in session.drag(max_steps=6):
            pass
        assert session.last_drag is not None and (session.last_drag.held > 100) == region
        front = session.original_shape.vertices[session.original_shape.vertices[:, 2] > 0]
        return float(session.shape.signed_distance(front).abs().mean())

    assert moved(region=True) < 0.8 * moved(region=False)


# ---- files --------------------------------------------------------------------------------------------------------


def test_export_writes_the_edited_shape_with_its_colours_and_origin(session: Session, tmp_path: Path) -> None:
    session.add_point(back(session), back(session) + UP)
    for _ in session.drag(max_steps=1):
        pass
    session.export(tmp_path / "b.glb")
    scene = trimesh.load(tmp_path / "b.glb", process=False)
    (mesh,) = scene.geometry.values()
    assert np.allclose(mesh.triangles, session.shape.vertices[session.shape.faces].numpy(), atol=1e-6)
    assert session.generator.fingerprint in json.dumps(scene.metadata, default=str)
    with pytest.raises(InputError, match="must end in one of"):
        session.export(tmp_path / "b.xyz")


def test_the_report_says_what_was_done_with_what_and_how_far_it_got(session: Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no drag has run"):
        report(session)
    on = back(session)
    session.add_point(on, on + UP)
    for step in session.drag(max_steps=2, tolerance=1e-6):
        last = step
    written = json.loads(write_report(tmp_path / "r.json", session).read_text())
    assert written["model"]["sha256"] == session.generator.fingerprint and written["model"]["name"] == "quadruped"
    assert written["seed"] == 3 and written["method"] == "default" and written["settings"]["max_steps"] == 2
    assert written["steps"] == 2 and written["stop_reason"] == "step limit" and written["arrived"] is False
    (handle,) = written["handles"]
    assert np.allclose(handle["start"], on, atol=1e-6) and np.allclose(handle["target"], on + UP)
    assert np.allclose(handle["tracked_end"], last.handles[0]) and handle["remaining"] == pytest.approx(
        float(last.distances)
    )
    assert handle["remaining_percent"] == pytest.approx(100 * handle["remaining"] / written["diagonal"])
    assert written["drag3d"] == drag3d.__version__ and written["torch"] == str(torch.__version__)


def test_a_drag_can_be_drawn_once_there_is_one(session: Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no drag has run"):
        session.draw(tmp_path / "p.png")
    session.add_point(back(session), back(session) + UP)
    for _ in session.drag(max_steps=1):
        pass
    assert session.draw(tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_a_handle_that_ends_off_the_mesh_is_reported(
    small_quadruped: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {}
    for allowed in (0.5, -1.0):
        monkeypatch.setattr("drag3d.session.kinds.shape.LOOSE_END", allowed)
        session = drag3d.Session(small_quadruped, seed=3)
        session.add_keypoint("snout", (0.0, 0.0, 0.03))
        list(session.drag(max_steps=2))
        said[allowed] = [note for note in session.notes if "off the mesh" in note]
    assert said[0.5] == []
    assert len(said[-1.0]) == 1
    assert said[-1.0][0].startswith("point 0 ended ")
