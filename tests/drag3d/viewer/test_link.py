"""The worker process: it answers, the window never waits for it, and neither outlives the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drag3d.session.storage import read_session
from drag3d.viewer import intents as asked
from drag3d.viewer.autosaves import is_running, offered
from drag3d.viewer.link import Link, WorkerOptions
from drag3d.viewer.replies import Died, Document, Offers, Reply, ShapeShown, Written

EAR, FAR = (0.114, 0.233, 0.136), (0.114, 0.9, 0.136)
PATIENCE = 120.0

unix = pytest.mark.skipif(sys.platform == "win32", reason="it sends signals")


def wait_for(link: Link, wanted: Callable[[Reply], bool], seen: list[Reply] | None = None) -> Reply:
    """Poll until a reply is wanted."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for reply in link.poll():
            if seen is not None:
                seen.append(reply)
            if wanted(reply):
                return reply
        time.sleep(0.01)
    raise AssertionError("the worker did not answer")


def answered(number: int) -> Callable[[Reply], bool]:
    """The document that follows an intent."""
    return lambda reply: isinstance(reply, Document) and reply.answered >= number


def gone(pid: int, seconds: float = 30.0) -> bool:
    """Whether a process ends within that time."""
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


@pytest.fixture
def start(small_model: Path, tmp_path: Path) -> Iterator[Callable[[], Link]]:
    """Starts workers, which share a folder of autosaves and are ended at last."""
    links: list[Link] = []

    def make() -> Link:
        links.append(Link.start(WorkerOptions(str(small_model), seed=3, autosaves=tmp_path / "autosave")))
        return links[-1]

    yield make
    for link in links:
        link.close()


def test_the_window_never_imports_torch() -> None:
    code = (
        "import sys, drag3d.viewer.link, drag3d.viewer.worker, drag3d.viewer.autosaves; "
        "print([m for m in ('torch', 'scipy', 'numba', 'drag3d.session') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_worker_answers_and_leaves(start: Callable[[], Link], tmp_path: Path) -> None:
    began = time.monotonic()
    link = start()
    pid = link.pid
    assert pid is not None and link.alive and link.poll() is not None
    assert time.monotonic() - began < 1.0, "loading goes on in the worker"
    seen: list[Reply] = []
    number = link.send(asked.AddPoint(EAR, FAR))
    wait_for(link, answered(number), seen)
    assert any(isinstance(reply, ShapeShown) for reply in seen)
    out = tmp_path / "out.ply"
    link.send(asked.Export(str(out)))
    wait_for(link, lambda reply: reply == Written(str(out)))
    link.close()
    link.close()
    assert not link.alive and gone(pid) and link.pid is None
    assert not any(isinstance(reply, Died) for reply in link.poll()), "it was asked to go"
    assert link.send(asked.Undo()) > number, "nobody listens, and nothing is raised"


@unix
@pytest.mark.slow
def test_a_killed_worker_has_died_once_and_its_edit_is_offered(start: Callable[[], Link], tmp_path: Path) -> None:
    link = start()
    link.send(asked.AddPoint(EAR, FAR))
    link.send(asked.Configure({"method": "draggan", "max_steps": 2}))
    link.send(asked.StartDrag())
    wait_for(link, lambda reply: isinstance(reply, Document) and reply.progress.reason == "step limit")
    wait_for(link, answered(link.send(asked.Undo())))
    wait_for(link, answered(link.send(asked.Redo())))
    assert link.pid is not None
    os.kill(link.pid, signal.SIGINT)
    wait_for(link, answered(link.send(asked.Look(False))))  # Ctrl-C is not meant for it
    os.kill(link.pid, signal.SIGKILL)
    died = wait_for(link, lambda reply: isinstance(reply, Died))
    assert isinstance(died, Died) and "signal 9" in died.text
    time.sleep(0.2)
    assert link.poll() == [] and not link.alive

    (offer,) = offered(tmp_path / "autosave")
    left = read_session(tmp_path / "autosave" / f"{offer.name}.drag3d")
    other = start()
    assert wait_for(other, lambda reply: isinstance(reply, Offers)) == Offers((offer,))
    other.send(asked.RestoreAutosave(offer.name))
    other.send(asked.SaveSession(str(tmp_path / "restored.drag3d")))
    wait_for(other, lambda reply: isinstance(reply, Written))
    restored = read_session(tmp_path / "restored.drag3d")
    assert (
        [e.label for e in restored.entries]
        == [e.label for e in left.entries]
        == ["start", "add point 0", "drag, 2 steps"]
    )
    for one, same in zip(restored.entries, left.entries, strict=True):
        assert one.state.points == same.state.points
        assert one.state.latents.geometry.equal(same.state.latents.geometry)  # type: ignore[union-attr]


WINDOW = """
import sys, time
from pathlib import Path
from drag3d.viewer.intents import AddPoint
from drag3d.viewer.link import Link, WorkerOptions
from drag3d.viewer.replies import Document

if __name__ == "__main__":
    link = Link.start(WorkerOptions(sys.argv[1], seed=3, autosaves=Path(sys.argv[2])))
    number = link.send(AddPoint((0.114, 0.233, 0.136), (0.114, 0.333, 0.136)))
    while not any(isinstance(r, Document) and r.answered >= number for r in link.poll()):
        time.sleep(0.02)
    print(link.pid, flush=True)
    time.sleep(float(sys.argv[3]))
"""


@unix
@pytest.mark.slow
@pytest.mark.parametrize("end", ["killed", "returns"])
def test_a_worker_does_not_outlive_its_window(small_model: Path, tmp_path: Path, end: str) -> None:
    script = tmp_path / "window.py"
    script.write_text(WINDOW)
    seconds = {"killed": "600", "returns": "0"}[end]
    command = [sys.executable, str(script), str(small_model), str(tmp_path / "autosave"), seconds]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as window:
        assert window.stdout is not None
        worker = int(window.stdout.readline())
        if end == "killed":
            assert is_running(worker)
            window.kill()
        assert window.wait(30) == (0 if end == "returns" else -signal.SIGKILL)
    assert gone(worker)
    assert [item.edits for item in offered(tmp_path / "autosave")] == [1]
