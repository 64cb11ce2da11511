"""How long the viewer takes to its first shape, and how fast it drags: prints a table.

    python tests/drag3d/viewer/viewer_times.py [MODEL]

Three starts each of the window, on an Xvfb of its own, with drags of one point in the last one, and of a session in
Chromium; then drags in the worker alone, whose pictures are taken as fast as they come. The first start on a machine
compiles loops; do it twice.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def window(model: str, drags: int) -> None:
    """The first shape in a window, in this process, and drags in it; prints a line for each."""
    from real_window import RealWindow

    x_display.shared_display()
    began = time.monotonic()
    desk = RealWindow(Path(model), Path(tempfile.mkdtemp()), look=0.0)
    print(f"in a window: the shape after {time.monotonic() - began:.1f} s", flush=True)
    for _ in range(drags):
        print(f"in a window, draggan: {drag_in_window(desk)}", flush=True)
    desk.close()


def drag_in_window(desk: Any) -> str:
    """One drag of a point with ``draggan`` in the window, from the start, in words."""
    viewer = desk.viewer
    desk.begin(SEED)
    kind, shown = viewer.mirror.document.kind, viewer.mirror.shown
    top = (100.0, 150.0) if kind == "image" else max(shown.vertices.tolist(), key=lambda place: place[1])
    target = tuple(a + b for a, b in zip(top, WAY[kind], strict=True))
    for intent in (
        Configure({"method": "draggan", "learning_rate": RATES["draggan"][kind], "max_steps": 300}),
        AddPoint(tuple(top), target),
        StartDrag(),
    ):
        viewer.link.send(intent)
    progress = viewer.mirror.document.progress
    desk.until(lambda: viewer.mirror.document.progress.step > 0, SECONDS)
    first, began, drawn = viewer.mirror.document.progress.step, time.monotonic(), desk.renders
    while viewer.mirror.document.progress.state == "running":
        desk.application.processEvents()
        time.sleep(0.002)
        if viewer.mirror.document.progress.step:
            progress, ended = viewer.mirror.document.progress, time.monotonic()
    seconds = ended - began
    frames = (desk.renders - drawn) / seconds
    return f"{progress.step} steps, {(progress.step - first) / seconds:.1f} a second, {frames:.1f} frames a second"


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
    for drags in (0, 0, 5):
        subprocess.run([sys.executable, __file__, "--window", model, str(drags)], check=True)
    for page, shape in browser(model):
        print(f"in the browser: the page after {page:.1f} s, the shape after {shape:.1f} s")
    worker = Worker(model)
    for method in ("default", "default", "draggan", "draggan"):
        print(f"{method}: {worker.drag(method)}")
    worker.link.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--window"]:
        window(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "quadruped")
