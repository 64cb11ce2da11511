"""Autosaves: what is unsaved lies in a folder, is offered when its owner is gone, and is offered to nobody before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, said

from drag3d.viewer import intents as asked
from drag3d.viewer.autosaves import MOST_KEPT, Autosaves, born, default_folder, is_running, offered
from drag3d.viewer.replies import Offers
from get3d_models import Generator
from get3d_models.checkpoint import write_generator

EAR, ABOVE = (0.114, 0.233, 0.136), (0.114, 0.333, 0.136)
NOBODY = 2**22 + 1
"""A process number that Linux never gives"""


def left_behind(folder: Path, name: str, **changes: Any) -> None:
    """An autosave as a process that is gone left it."""
    autosaves = Autosaves(folder)
    autosaves.write(name, lambda path: path.write_bytes(b"session"), "quadruped", 2)
    side = folder / f"{name}.json"
    side.write_text(json.dumps({**json.loads(side.read_text()), "pid": NOBODY, "born": "", **changes}))


def orphaned(folder: Path) -> None:
    """Make all autosaves those of a process that is gone."""
    for side in folder.glob("*.json"):
        side.write_text(json.dumps({**json.loads(side.read_text()), "pid": NOBODY}))


def names(folder: Path) -> list[str]:
    """Of the session files in a folder."""
    return sorted(path.name for path in folder.glob("*.drag3d"))


def test_the_latest_comes_first_and_is_described(tmp_path: Path) -> None:
    left_behind(tmp_path, "a", when=100.0)
    left_behind(tmp_path, "b", when=300.0, model="portrait", edits=7)
    left_behind(tmp_path, "c", when=200.0)
    found = offered(tmp_path)
    assert [item.name for item in found] == ["b", "c", "a"]
    assert (found[0].model, found[0].when, found[0].edits) == ("portrait", 300.0, 7)


def test_what_a_running_process_keeps_is_not_offered(tmp_path: Path) -> None:
    Autosaves(tmp_path).write("mine", lambda path: path.write_bytes(b""), "quadruped", 1)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        left_behind(tmp_path, "theirs", pid=other.pid, born=born(other.pid))
        assert offered(tmp_path) == ()
        other.kill()
        other.wait()
        assert [item.name for item in offered(tmp_path)] == ["theirs"]


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="the system does not say when a process began")
def test_another_process_of_the_same_number_is_not_the_owner(tmp_path: Path) -> None:
    left_behind(tmp_path, "a", pid=os.getpid(), born="another boot:1")
    assert [item.name for item in offered(tmp_path)] == ["a"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no zombies on Windows")
def test_a_process_that_ended_and_was_not_waited_for_is_gone() -> None:
    other = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 30
    while is_running(other.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(other.pid) and is_running(os.getpid())
    other.wait()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"model": 3}', b'{"pid": true}', b"[" * 100_000, b"1" * (1 << 17)],
    ids=range(9),
)
def test_damaged_sidecars_are_left_out(tmp_path: Path, content: bytes) -> None:
    left_behind(tmp_path, "good")
    (tmp_path / "bad.json").write_bytes(content)
    (tmp_path / "bad.drag3d").write_bytes(b"")
    left_behind(tmp_path, "without_session")
    (tmp_path / "without_session.drag3d").unlink()
    assert [item.name for item in offered(tmp_path)] == ["good"]


def test_no_more_than_twenty_are_kept(tmp_path: Path) -> None:
    for number in range(MOST_KEPT + 3):
        left_behind(tmp_path, f"n{number:02}", when=float(number))
    assert [item.name for item in offered(tmp_path)] == [f"n{n:02}" for n in range(MOST_KEPT + 2, 2, -1)]
    assert len(names(tmp_path)) == MOST_KEPT


def test_a_folder_that_is_not_there_offers_nothing(tmp_path: Path) -> None:
    assert offered(tmp_path / "none") == ()


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRAG3D_STATE", str(tmp_path))
    assert default_folder() == tmp_path / "autosave"
    monkeypatch.delenv("DRAG3D_STATE")
    assert default_folder().name == "autosave" and "drag3d" in str(default_folder())


# ---- in the studio ------------------------------------------------------------------------------------------------


def test_edits_are_kept_until_they_are_saved(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "autosave"
    desk = Desk(small_model, seed=3, autosaves=folder)
    assert not folder.exists(), "nothing was edited"
    desk.ask(asked.AddPoint(EAR, ABOVE))
    assert len(names(folder)) == 1
    desk.ask(asked.SaveSession(str(tmp_path / "mine.drag3d")))
    assert not names(folder) and not list(folder.glob("*.json"))
    desk.ask(asked.AddPoint(EAR, ABOVE), asked.Quit())
    assert len(names(folder)) == 1, "unsaved edits stay"


def test_every_unsaved_edit_has_its_own(small_model: Path, tmp_path: Path) -> None:
    desk = Desk(small_model, seed=3, autosaves=tmp_path)
    desk.ask(asked.AddPoint(EAR, ABOVE), asked.Configure({"method": "draggan"}), asked.StartDrag())
    desk.work(3)
    desk.ask(asked.Generate(4))
    (kept,) = (item for item in tmp_path.glob("*.drag3d"))
    desk.ask(asked.OpenSession(str(kept)))
    assert desk.document.undo == "drag, 2 steps", "the drag that the new seed ended is in it"


def test_a_drag_that_runs_is_kept_with_its_steps(small_model: Path, tmp_path: Path) -> None:
    desk = Desk(small_model, seed=3, autosaves=tmp_path)
    desk.ask(asked.AddPoint(EAR, (0.1, 0.9, 0.1)), asked.Configure({"method": "draggan"}), asked.StartDrag())
    desk.work(3)
    desk.studio.keeping._from = 0.0
    desk.work(1)
    live = desk.session.latents
    orphaned(tmp_path)  # as if it had crashed here
    other = Desk(small_model, autosaves=tmp_path)
    other.ask(asked.RestoreAutosave(other.last(Offers).autosaves[0].name))
    assert other.document.undo == "drag, 3 steps" and other.session.latents.geometry.equal(live.geometry)


def test_restoring_takes_an_autosave_over(small_model: Path, tmp_path: Path) -> None:
    desk = Desk(small_model, seed=3, autosaves=tmp_path)
    desk.ask(asked.AddPoint(EAR, ABOVE))
    points, before = desk.document.points, names(tmp_path)
    orphaned(tmp_path)
    other = Desk(small_model, seed=1, autosaves=tmp_path)
    (offer,) = other.last(Offers).autosaves
    assert (offer.model, offer.edits) == (str(small_model), 1)
    other.ask(asked.RestoreAutosave(offer.name))
    assert other.document.seed == 3 and other.document.points == points
    assert other.document.unsaved and other.document.path == "" and other.last(Offers).autosaves == ()
    assert len(names(tmp_path)) == 1 and names(tmp_path) != before, "it is the new process's own now"
    assert "error" in {reply.level for reply in other.ask(asked.RestoreAutosave(offer.name)) if hasattr(reply, "level")}


def test_an_autosave_brings_its_model_along(small_model: Path, quadruped: Generator, tmp_path: Path) -> None:
    other_model = tmp_path / "other.safetensors"
    write_generator(other_model, quadruped.with_config(grid_resolution=12))
    folder = tmp_path / "autosave"
    desk = Desk(other_model, seed=3, autosaves=folder)
    desk.ask(asked.SetBox((-1, 0, -1), (1, 1, 1)))
    orphaned(folder)
    for free, errors in ((False, 1), (True, 0)):
        other = Desk(small_model, seed=1, autosaves=folder, models=(str(small_model),), open_paths=free)
        name = other.last(Offers).autosaves[0].name
        assert len(said(other.ask(asked.RestoreAutosave(name)), "error")) == errors
        assert (other.document.model == str(other_model)) == free
        assert other.document.has_region == free


def test_discarding_forgets_only_what_is_offered(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "autosave"
    left_behind(folder, "old")
    (tmp_path / "victim.drag3d").write_bytes(b"")
    desk = Desk(small_model, autosaves=folder)
    assert len(said(desk.ask(asked.DiscardAutosave("../victim")), "error")) == 1
    assert (tmp_path / "victim.drag3d").exists()
    desk.ask(asked.DiscardAutosave("old"))
    assert desk.last(Offers).autosaves == () and not names(folder)


def test_without_a_usable_folder_there_is_one_note(small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    desk = Desk(small_model, seed=3, autosaves=tmp_path / "file" / "autosave")
    replies = desk.ask(asked.AddPoint(EAR, ABOVE), asked.RemovePoint(0), asked.AddPoint(EAR, ABOVE))
    assert len([line for line in said(replies, "note") if "autosave" in line]) == 1
    assert not said(replies, "error") and len(desk.document.points) == 1
