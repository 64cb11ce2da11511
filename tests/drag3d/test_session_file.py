"""The ``.drag3d`` file: it brings back the edit exactly, refuses other models by name, and is safe to open."""

from __future__ import annotations

import dataclasses
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from drag3d.core import DragSettings
from drag3d.session import Box, Session, Sphere, Vertices, storage
from drag3d.session.history import Entry
from drag3d.session.storage import SESSION_FORMAT, read_session, write_session
from get3d_models import Generator
from get3d_models.errors import InputError


@pytest.fixture(scope="module")
def edited(small_quadruped: Generator) -> Session:
    """A session with every kind of edit, two drags, and something undone."""
    session = Session(small_quadruped, seed=3, texture_seed=7)
    session.add_keypoint("back", (0.0, 0.05, 0.013))
    session.add_point(session.shape.vertices[5], (0.1, 0.2, 1 / 3))
    session.enable_point(1, False)
    high = np.flatnonzero(session.shape.vertices[:, 1].numpy() > 0)
    session.set_region(
        move=[Box((-1, -1, -1), (1, 1, 1)), Vertices.of(session.shape, high)], stay=Sphere((0, -1, 0), 0.1)
    )
    for _ in session.drag(max_steps=2, tolerance=1e-6):
        pass
    for _ in session.drag(max_steps=1, method="draggan", latents_moved="both"):
        pass
    session.clear_points()
    session.undo()
    session.settings = DragSettings(max_steps=17, tolerance=0.0123, method="draggan")
    session.latents_moved = "both"
    return session


@pytest.fixture
def file(edited: Session, tmp_path: Path) -> Path:
    return edited.save(tmp_path / "edit.drag3d")


def same(a: Session, b: Session) -> bool:
    latents = torch.equal(a.latents.geometry, b.latents.geometry) and torch.equal(a.latents.texture, b.latents.texture)
    return latents and a.points == b.points and a.region == b.region


def test_a_reopened_session_is_the_same_bit_by_bit(edited: Session, file: Path, small_quadruped: Generator) -> None:
    again = Session.open(file, small_quadruped)
    assert same(edited, again) and again.settings == edited.settings and again.latents_moved == "both"
    assert (again.seed, again.texture_seed, again.truncation) == (3, 7, 1.0)
    assert torch.equal(again.shape.vertices, edited.shape.vertices) and torch.equal(
        again.shape.faces, edited.shape.faces
    )
    assert torch.equal(again.shape.vertex_colors, edited.shape.vertex_colors)


def test_everything_can_be_undone_and_redone_after_reopening(
    file: Path, edited: Session, small_quadruped: Generator
) -> None:
    again = Session.open(file, small_quadruped)
    assert again.redo() == "remove all points" and again.points == ()
    labels = []
    while label := again.undo():
        labels.append(label)
    drags = ["drag, 1 step", "drag, 2 steps"]
    assert labels == ["remove all points", *drags, "set region", "disable point 1", "add point 1", "add point 0"]
    assert again.shape is again.original_shape
    assert torch.equal(again.shape.vertices, edited.original_shape.vertices)


def test_a_reopened_session_can_be_dragged_on(file: Path, small_quadruped: Generator) -> None:
    again = Session.open(file, small_quadruped)
    before = again.latents
    again.settings = DragSettings(max_steps=1, tolerance=1e-6)
    assert len(list(again.drag())) == 2
    assert not torch.equal(again.latents.geometry, before.geometry)


def test_saving_what_was_opened_gives_the_same_bytes(file: Path, tmp_path: Path, small_quadruped: Generator) -> None:
    again = Session.open(file, small_quadruped).save(tmp_path / "again.drag3d")
    assert again.read_bytes() == file.read_bytes()


def test_latents_that_entries_share_are_written_once(file: Path) -> None:
    with safe_open(file, framework="pt") as opened:
        latents = [name for name in opened.keys() if name.startswith("latents")]  # noqa: SIM118
    assert len(latents) == 2 * 3  # the start and two drags, geometry and texture each


def test_a_session_of_another_model_is_refused_by_name(file: Path, small_quadruped: Generator) -> None:
    other = small_quadruped.with_config(scale=0.8)
    other.name = "chair"
    with pytest.raises(InputError, match=r"belongs to model quadruped \(hash \w{12}\), not chair \(hash \w{12}\)"):
        Session.open(file, other)


def test_a_model_that_is_not_embedded_must_be_given(edited: Session, tmp_path: Path, small_model: Path) -> None:
    record = dataclasses.replace(read_session(edited.save(tmp_path / "a.drag3d")), model="/etc/passwd")
    path = write_session(tmp_path / "b.drag3d", record)
    with pytest.raises(InputError, match="'/etc/passwd', which is not embedded; open it with the file of that model"):
        Session.open(path)
    assert same(Session.open(path, small_model), edited)  # a path of the caller's is used, and its hash decides


def test_the_stored_grid_is_used_but_no_grid_that_exhausts_the_memory(
    edited: Session, tmp_path: Path, small_model: Path
) -> None:
    path = edited.save(tmp_path / "a.drag3d")
    assert Session.open(path, small_model).generator.config.grid_resolution == 16
    record = read_session(path)
    huge = dataclasses.replace(record, config=dataclasses.replace(record.config, grid_resolution=512))
    with pytest.raises(InputError, match="grid of resolution 512"):
        Session.open(write_session(path, huge), small_model)


def test_autosave_writes_after_every_edit_and_not_before(small_quadruped: Generator, tmp_path: Path) -> None:
    path = tmp_path / "auto.drag3d"
    session = Session(small_quadruped, seed=3, autosave=path)
    assert not path.exists()
    index = session.add_keypoint("back", (0, 0.05, 0))
    edits: list[Callable[[], Any]] = [
        lambda: session.move_point(index, target=(0, 0.4, 0)),
        lambda: session.set_region(stay=Sphere((0, -0.3, 0), 0.1)),
        lambda: list(session.drag(max_steps=1)),
        session.undo,
        session.redo,
        session.reset,
    ]
    for edit in edits:
        assert same(Session.open(path, small_quadruped), session)
        edit()
    assert same(Session.open(path, small_quadruped), session)
    reopened = Session.open(path, small_quadruped, autosave=True)
    reopened.undo()
    assert same(Session.open(path, small_quadruped), reopened)


def test_a_drag_left_by_ctrl_c_is_in_the_autosaved_file(small_quadruped: Generator, tmp_path: Path) -> None:
    session = Session(small_quadruped, seed=3, autosave=tmp_path / "auto.drag3d")
    session.add_keypoint("back", (0, 0.05, 0))
    with pytest.raises(KeyboardInterrupt):
        for step in session.drag(max_steps=50, tolerance=1e-6):
            if step.index == 1:
                raise KeyboardInterrupt
    assert same(Session.open(tmp_path / "auto.drag3d", small_quadruped), session)


def test_a_history_beyond_the_limit_keeps_its_start_and_its_end(
    edited: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = read_session(edited.save(tmp_path / "a.drag3d"))
    state = record.entries[0].state
    many = tuple(Entry(f"edit {n}", dataclasses.replace(state)) for n in range(50))
    monkeypatch.setattr(storage, "MAX_HISTORY", 10)
    short = read_session(write_session(tmp_path / "b.drag3d", dataclasses.replace(record, entries=many, position=48)))
    assert [e.label for e in short.entries] == ["edit 0", *(f"edit {n}" for n in range(41, 50))]
    assert short.entries[short.position].label == "edit 48"


def test_saving_to_a_place_that_does_not_exist_is_refused(edited: Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        edited.save(tmp_path / "no" / "a.drag3d")
    with pytest.raises(InputError, match=r"must end in \.drag3d"):
        edited.save(tmp_path / "a.json")


VERSION_1 = Path(__file__).parents[1] / "data" / "sessions" / "version1.drag3d"


def test_a_file_of_version_1_still_opens_with_its_history(small_quadruped: Generator, tmp_path: Path) -> None:
    """Written by the code that knew shapes only: quadruped, seed 3, two points, a region and one drag."""
    record = read_session(VERSION_1)
    assert (record.kind, record.model, record.latents_moved) == ("shape", "quadruped", "both")
    assert (record.origin.seed, record.origin.texture_seed, record.origin.truncation) == (3, 7, 1.0)
    assert record.settings == DragSettings(patience=20, max_steps=17, tolerance=0.0123, method="draggan")
    labels = ["start", "add point 0", "add point 1", "disable point 1", "set region", "drag, 2 steps"]
    assert [e.label for e in record.entries] == [*labels, "remove all points"] and record.position == 5
    ours = dataclasses.replace(record, fingerprint=small_quadruped.fingerprint)  # whatever the quadruped has become
    session = Session.open(write_session(tmp_path / "now.drag3d", ours), small_quadruped)
    first, second = session.points
    assert first.name == "back" and first.handle == (6.411025970010087e-05, 0.07026318460702896, -0.046633534133434296)
    assert second.target == (0.1, 0.2, 1 / 3) and not second.enabled
    assert session.latents.geometry.shape == (17, 64) and session.latents.texture.shape == (8, 64)
    box, vertices = session.region.move  # type: ignore[union-attr]
    assert box == Box((-1, -1, -1), (1, 1, 1)) and len(vertices.positions) == 43  # type: ignore[union-attr]
    assert session.redo() == "remove all points" and session.points == ()


def test_a_file_of_version_1_belongs_to_its_model_and_is_written_in_the_new_version(
    small_quadruped: Generator, tmp_path: Path
) -> None:
    if read_session(VERSION_1).fingerprint != small_quadruped.fingerprint:
        pytest.skip("the quadruped was trained anew since the file was written")
    again = Session.open(VERSION_1, small_quadruped).save(tmp_path / "new.drag3d")
    with safe_open(again, framework="pt") as opened:
        assert list(opened.metadata()) == ["drag3d-session-2"]
    assert read_session(again).entries[5].state.points == read_session(VERSION_1).entries[5].state.points


# ---- damaged and hostile files --------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_session(path)
    text = str(error.value)
    assert str(path) in text and text.isprintable() and len(text) < 600
    return text


def rewritten(file: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], None]) -> Path:
    """The session file with its JSON and tensors changed."""
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    content = json.loads(metadata[SESSION_FORMAT])
    change(content, tensors)
    text = content.pop("TEXT", None) or json.dumps(content)
    save_file(tensors, file, metadata={SESSION_FORMAT: text})
    return file


def setting(*keys: Any) -> Callable[[Any], Callable[[dict[str, Any], Any], None]]:
    def to(value: Any) -> Callable[[dict[str, Any], Any], None]:
        def change(content: dict[str, Any], _: Any) -> None:
            for key in keys[:-1]:
                content = content[key]
            content[keys[-1]] = value

        return change

    return to


DAMAGE = {
    "seed as text": setting("seed")("3"),
    "seed too large": setting("seed")(2**64),
    "seed true": setting("seed")(True),
    "a truncation of NaN": setting("truncation")(float("nan")),
    "a huge integer truncation": setting("truncation")(10**400),
    "unknown field": setting("surprise")(1),
    "unknown setting": setting("settings", "surprise")(1),
    "negative steps": setting("settings", "max_steps")(-1),
    "a method that is a list": setting("settings", "method")([]),
    "an unknown method": setting("settings", "method")("magic"),
    "settings a list": setting("settings")([]),
    "unknown latents": setting("latents_moved")("all"),
    "model a text": setting("model")("quadruped"),
    "terminal escapes in the name": setting("model", "name")("\x1b[2Jquadruped"),
    "a name without end": setting("model", "name")("q" * 10_000),
    "configuration too large": setting("model", "config", "w_dim")(10**9),
    "configuration of text": setting("model", "config", "channels")("128"),
    "position outside": setting("position")(99),
    "no history": setting("history")([]),
    "history of numbers": setting("history")([1, 2]),
    "history without end": setting("history")([None] * 20_001),
    "an entry with a point that is not there": setting("history", 0, "points")([99]),
    "an entry with a negative point": setting("history", 1, "points")([-1]),
    "an entry with too many points": setting("history", 1, "points")([0] * 1001),
    "an entry with no latents": setting("history", 0, "latents")(77),
    "an entry with a region that is not there": setting("history", 0, "region")(9),
    "a point with two coordinates": setting("points", 0, "handle")([0, 0]),
    "a point of text": setting("points", 0, "target")(["a", "b", "c"]),
    "a point far out": setting("points", 0, "target")([1e300, 0, 0]),
    "a point neither on nor off": setting("points", 0, "enabled")(1),
    "a box without size": setting("regions", 0, "move", 0, "high")([-1, -1, -1]),
    "a region of no kind": setting("regions", 0, "move", 0, "kind")("cone"),
    "a sphere of negative radius": setting("regions", 0, "stay", 0, "radius")(-1),
    "vertices that are not there": setting("regions", 0, "move", 1, "positions")(5),
    "no JSON": setting("TEXT")("{"),
    "JSON that is a list": setting("TEXT")("[1]"),
    "deeply nested JSON": setting("TEXT")("[" * 200_000),
    "a number of a million digits": setting("TEXT")('{"seed": ' + "9" * 1_000_000 + "}"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_session_is_refused_in_one_line(file: Path, damage: str) -> None:
    assert "not a usable session file" in refused(rewritten(file, DAMAGE[damage]))


def test_every_field_is_needed(edited: Session, tmp_path: Path) -> None:
    names = json.loads(safe_open(edited.save(tmp_path / "a.drag3d"), framework="pt").metadata()[SESSION_FORMAT])
    for name in names:
        path = edited.save(tmp_path / f"{name}.drag3d")
        assert f"has no '{name}'" in refused(rewritten(path, lambda content, _, name=name: content.pop(name)))  # type: ignore[misc]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.full((18, 64), float("nan")),
        torch.zeros(18, 64, dtype=torch.float64),
        torch.zeros(18, 64, dtype=torch.int32),
        torch.zeros(64),
    ],
)
def test_latents_that_are_not_finite_rows_are_refused(file: Path, tensor: torch.Tensor) -> None:
    text = refused(rewritten(file, lambda _, tensors: tensors.update({"latents.0.geometry": tensor})))
    assert "finite rows of float32" in text


def test_tensors_that_nothing_refers_to_are_refused(file: Path) -> None:
    assert "nothing refers to" in refused(rewritten(file, lambda _, t: t.update({"more": torch.zeros(2)})))


def test_latents_of_another_shape_are_refused(file: Path, small_quadruped: Generator) -> None:
    rewritten(file, lambda _, t: t.update({"latents.1.texture": torch.zeros(3, 5)}))
    with pytest.raises(InputError, match="texture latents are not of shape"):
        Session.open(file, small_quadruped)


@pytest.mark.parametrize("name", ["missing", "folder", "empty", "pickle", "text", "model", "header bomb"])
def test_what_is_no_session_at_all_is_refused(name: str, tmp_path: Path, small_model: Path) -> None:
    path = tmp_path / "x.drag3d"
    contents = {
        "empty": b"",
        "pickle": b"\x80\x04c__builtin__\neval\n.",
        "text": b"a session? certainly not",
        "model": small_model.read_bytes(),
        "header bomb": struct.pack("<Q", 2**40) + b"{}" + b" " * 100,
    }
    if name == "folder":
        path.mkdir()
    elif name != "missing":
        path.write_bytes(contents[name])
    assert "session" in refused(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_a_pipe_is_refused_at_once_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.drag3d")
    assert "no ordinary file" in refused(tmp_path / "x.drag3d")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_any_byte_changed_or_its_end_cut_off_is_read_or_refused(
    data: st.DataObject, edited: Session, tmp_path: Path, small_quadruped: Generator
) -> None:
    content = bytearray(edited.save(tmp_path / "a.drag3d").read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        header = 8 + int.from_bytes(content[:8], "little")
        content[data.draw(st.integers(0, header))] = data.draw(st.integers(0, 255))
    path = tmp_path / "b.drag3d"
    path.write_bytes(content)
    try:
        session = Session.open(path, small_quadruped)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(session.points, tuple) and np.isfinite(session.latents.geometry.numpy()).all()
