"""How long the viewer takes to its first shape, and how fast it drags: prints a table.

    python tests/drag3d/viewer/viewer_times.py [MODEL]

Three starts each of the window, on an Xvfb of its own, and of a session in Chromium; then drags of one point in the
worker alone, whose pictures are taken as fast as they come. The first start on a machine compiles loops; do it twice.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import chromium
import x_display

from drag3d.viewer.intents import AddPoint, Configure, Intent, Reset, Shown, StartDrag
from drag3d.viewer.link import Link, WorkerOptions
from drag3d.viewer.replies import Document, ImageShown, ShapeShown

SEED, SECONDS = 3, 120.0
WAY = {"shape": (0.0, 0.12, 0.05), "image": (-12.0, -10.0)}
RATES = {"default": None, "draggan": {"shape": None, "image": 0.02}}


class Worker:
    """A worker without a window."""

    def __init__(self, model: str):
        self.link = Link.start(WorkerOptions(model, seed=SEED))
        self.document, self.shown, self.pictures = Document(), None, 0
        self.until(lambda: self.shown is not None and bool(self.document.kind))

    def until(self, reached: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not reached():
            for reply in self.link.poll():
                if isinstance(reply, Document):
                    self.document = reply
                elif isinstance(reply, ShapeShown | ImageShown) and not reply.original:
                    self.shown, self.pictures = reply, self.pictures + 1
                    self.link.send(Shown(reply.version))
            assert time.monotonic() < end, "the worker does not get there"
            time.sleep(0.003)

    def ask(self, intent: Intent) -> None:
        number = self.link.send(intent)
        self.until(lambda: self.document.answered >= number)

    def drag(self, method: str) -> str:
        """One drag from the start, in words."""
        kind = self.document.kind
        rate = RATES[method] and RATES[method][kind]
        self.ask(Configure({"method": method, "learning_rate": rate}))
        top = (100.0, 150.0) if kind == "image" else max(self.shown.vertices.tolist(), key=lambda place: place[1])
        self.ask(AddPoint(tuple(top), tuple(a + b for a, b in zip(top, WAY[kind], strict=True))))
        self.pictures, began = 0, time.monotonic()
        self.ask(StartDrag())
        self.until(lambda: self.document.progress.state == "idle" and bool(self.document.progress.reason))
        seconds, progress = time.monotonic() - began, self.document.progress
        self.ask(Reset())
        return f"{progress.reason}, {progress.step} steps in {seconds:.1f} s, {self.pictures} pictures"


def window(model: str) -> float:
    """Seconds to the first shape in a window, in this process."""
    from real_window import RealWindow

    x_display.shared_display()
    began = time.monotonic()
    desk = RealWindow(Path(model), Path(tempfile.mkdtemp()), look=0.0)
    seconds = time.monotonic() - began
    desk.close()
    return seconds


def browser(model: str) -> list[tuple[float, float]]:
    """Seconds to the page and to the shape, of three sessions one after the other."""
    found = []
    with (
        tempfile.TemporaryDirectory() as name,
        chromium.chromium() as browsers,
        chromium.served(model, Path(name)) as served,
    ):
        for _ in range(3):
            person, began = chromium.Person(browsers), time.monotonic()
            person.open(served.address)
            page = time.monotonic() - began
            person.wait_for_shape()
            found.append((page, time.monotonic() - began))
            person.close()
    return found


def main(model: str) -> None:
    for _ in range(3):
        subprocess.run([sys.executable, __file__, "--window", model], check=True)
    for page, shape in browser(model):
        print(f"in the browser: the page after {page:.1f} s, the shape after {shape:.1f} s")
    worker = Worker(model)
    for method in ("default", "default", "draggan", "draggan"):
        print(f"{method}: {worker.drag(method)}")
    worker.link.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--window"]:
        print(f"in a window: the shape after {window(sys.argv[2]):.1f} s", flush=True)
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "quadruped")
