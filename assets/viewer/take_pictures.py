"""Takes the pictures of the viewer that the README shows, of real windows with a real drag in them, half-way.

    python assets/viewer/take_pictures.py
    python assets/viewer/take_pictures.py FOLDER 1920x1080

Needs what the tests of the viewer need: Xvfb and xdotool for the desktop, Chromium for the browser. Look at them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "drag3d" / "viewer"))

import chromium  # noqa: E402
import x_display  # noqa: E402

SIZE = (1280, 800)
SECONDS = 120
Place = tuple[float, ...]
# What is dragged, as the keypoint's name and its way.
DRAGS: dict[str, dict[str, Place]] = {
    "quadruped": {"left_ear": (0.02, 0.10, 0.0), "tail": (0.0, 0.10, -0.04)},
    "portrait": {"eye_left_upper_lid": (0.0, -8.0), "eye_right_upper_lid": (0.0, -8.0), "chin": (0.0, 14.0)},
}
SEEDS = {"quadruped": 3, "portrait": 14}
STEPS = 3


def points(model: str) -> list[tuple[Place, Place]]:
    """Handles and targets."""
    import drag3d

    session = drag3d.Session(model, seed=SEEDS[model])
    ways = DRAGS[model]
    for name, way in ways.items():
        session.add_keypoint(name, way)
    return [(point.handle, point.target) for point in session.points]


def desktop(model: str, size: tuple[int, int], path: Path) -> None:
    """The window, after a drag."""
    from drag3d.viewer.desktop.app import make_application, open_window
    from drag3d.viewer.intents import AddPoint, StepDrag
    from drag3d.viewer.link import Link, WorkerOptions

    wanted = points(model)
    link = Link.start(WorkerOptions(model, seed=SEEDS[model]))
    application = make_application()
    window = open_window(link, lambda: link)
    window.setGeometry(0, 0, *size)
    viewer: Any = window.viewer

    def until(done: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not done():
            application.processEvents()
            time.sleep(0.01)
            assert time.monotonic() < end, "the window does not get there"

    until(lambda: viewer.mirror.shown is not None)
    for handle, target in wanted:
        viewer.send(AddPoint(handle, target))
    for _ in range(STEPS):
        number = viewer.send(StepDrag())
        until(lambda number=number: settled(viewer.mirror.document, number))
    viewer.select_point(0)
    rest = time.monotonic() + 1.5
    until(lambda: time.monotonic() > rest)
    screen = application.primaryScreen()
    screen.grabWindow(0).copy(0, 0, *size).save(str(path))
    window.close()
    link.close()


def settled(document: Any, number: int) -> bool:
    """Whether the worker has dealt with an intent, and with the step that it asked for."""
    return document.answered >= number and document.progress.state != "running"


def browser(model: str, size: tuple[int, int], path: Path) -> None:
    """The page: points are clicked anywhere, and then given coordinates in the table."""
    seed = ("--seed", str(SEEDS[model]))
    with (
        tempfile.TemporaryDirectory() as name,
        chromium.chromium() as browsers,
        chromium.served(model, Path(name), *seed) as served,
    ):
        person = chromium.Person(browsers, *size)
        person.open(served.address)
        person.wait_for_shape()
        for index, ends in enumerate(points(model)):
            person.click(0.5, 0.5)
            person.click(0.6, 0.4)
            person.until(lambda wanted=index + 1: len(person.points()) == wanted)
            type_point(person, index, ends)
        for step in range(1, STEPS + 1):
            person.button("step").click()
            person.until(lambda step=step: person.state("texts")["steps"] == str(step), SECONDS)
        person.page.mouse.move(*person.at(0.9, 0.9))
        person.page.wait_for_timeout(2500)
        person.page.screenshot(path=str(path))
        person.close()


def type_point(person: Any, index: int, ends: tuple[Place, Place]) -> None:
    """Into the fields of the table, no faster than a hand."""
    person.page.wait_for_timeout(1000)
    for end, place in zip(("target", "handle"), reversed(ends), strict=True):
        person.type_place(index, end, place)
        person.page.wait_for_timeout(1000)  # for the answer, which shows the table anew


def main(folder: Path, size: tuple[int, int]) -> None:
    """All pictures; each desktop window in a process of its own, since Qt stays with the display it saw first."""
    for model in DRAGS:
        stem = f"{model}-{size[0]}x{size[1]}.png"
        display, picture = x_display.XDisplay(*size), folder / f"desktop-{stem}"
        words = [sys.executable, __file__, "--desktop", model, str(size[0]), str(size[1]), str(picture)]
        subprocess.run(words, env={**os.environ, **display.environment}, check=True)
        display.stop()
        print(picture)
        browser(model, size, folder / f"browser-{stem}")
        print(folder / f"browser-{stem}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--desktop"]:
        desktop(sys.argv[2], (int(sys.argv[3]), int(sys.argv[4])), Path(sys.argv[5]))
    else:
        width, height = (int(edge) for edge in sys.argv[2].split("x")) if len(sys.argv) > 2 else SIZE
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE, (width, height))
