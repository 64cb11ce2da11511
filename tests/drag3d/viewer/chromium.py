"""A real Chromium without a screen, and a person in front of it; for tests of the viewer in a browser."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 60
"""For anything a test waits for: the machine may be busy, and a first drag compiles its loops."""
# Without a sandbox: tests may run as root, and load nothing but pages of their own.
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


@functools.cache
def why_not() -> str:
    """Why no browser can be tested here; empty where one can."""
    if _executable() is None:
        return "Chromium is not installed"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    from drag3d.viewer.scene.probe import opengl_trouble

    return opengl_trouble() or ""


def _executable() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("DRAG3D_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser, as playwright has it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_executable(), args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Served:
    """The command, running."""

    process: subprocess.Popen[str]
    greeting: str
    address: str
    log: Path


@contextlib.contextmanager
def served(model: str | Path, folder: Path, *options: str) -> Iterator[Served]:
    """``drag3d view MODEL --web``, until the end of the block."""
    log = folder / "server.log"
    command = [sys.executable, "-m", "drag3d", "view", str(model), "--web", "--port", "0", *options]
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, "DRAG3D_STATE": str(folder / "state"), "TMPDIR": str(folder / "tmp")}
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    assert process.stdout is not None
    try:
        greeting = ""
        for line in process.stdout:
            greeting += line
            if line.startswith("stop"):
                break
        found = [line.removeprefix("open ") for line in greeting.splitlines() if line.startswith("open ")]
        assert found, greeting + log.read_text()
        yield Served(process, greeting, found[0], log)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)
        process.stdout.close()


class Person:
    """Somebody with a browser of their own."""

    def __init__(self, browser: Any, width: int = 1280, height: int = 800, ratio: float = 1.0):
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=ratio, accept_downloads=True
        )
        self.context.set_default_timeout(SECONDS * 1000)
        self.page = self.context.new_page()
        self.troubles: list[str] = []
        """What the page complained of"""
        self.requests: list[str] = []
        """All addresses that it asked for"""
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))

    def open(self, address: str) -> Any:
        """Go there; returns the response."""
        return self.page.goto(address)

    def wait_for_shape(self) -> None:
        """Until something is shown."""
        self.page.wait_for_selector("html[data-drag3d=ready]")
        self.until(lambda: self.state("kind") and self.state("on")["reset_camera"] and not self.state("busy")["text"])
        self.page.wait_for_function("() => (document.querySelector('.drag3d-stage img')?.naturalWidth || 0) > 100")

    def state(self, name: str) -> Any:
        """What the page knows."""
        return self.page.evaluate("name => window.trame.state.get(name)", name)

    def points(self) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
        """Handles and targets, as the table's fields have them."""
        found = self.page.eval_on_selector_all(
            "[data-test=points] .drag3d-point",
            "rows => rows.map(row => Array.from(row.querySelectorAll('.drag3d-coordinates'))"
            ".map(line => Array.from(line.querySelectorAll('input')).map(input => Number(input.value))))",
        )
        return [(tuple(handle), tuple(target)) for handle, target in found]

    def until(self, holds: Callable[[], Any], seconds: float = SECONDS) -> Any:
        """Wait until something holds; returns it."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, f"waited in vain; last message: {self.state('message')}"
            self.page.wait_for_timeout(40)
        return found

    @property
    def view(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the view, in pixels of the page."""
        box = self.page.locator("[data-test=view]").bounding_box()
        return box["x"], box["y"], box["width"], box["height"]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixel of the page of a place in the view, given as shares of its width and height."""
        left, top, width, height = self.view
        return round(left + x * width), round(top + y * height)

    def click(self, x: float, y: float) -> None:
        """With the left button, as a hand does: it moves there first."""
        self.page.mouse.move(*self.at(x, y), steps=3)
        self.page.mouse.click(*self.at(x, y))

    def key(self, name: str) -> None:
        self.page.keyboard.press(name)

    def button(self, name: str) -> Any:
        """The button of a command."""
        return self.page.locator(f"[data-test=command-{name}]").first

    def field(self, name: str) -> Any:
        """The field of a number."""
        return self.page.locator(f"input[data-test=value-{name}], [data-test=value-{name}] input").first

    def type_place(self, index: int, end: str, place: tuple[float, ...]) -> None:
        """Coordinates of a point's "handle" or "target", into the table."""
        row = self.page.locator("[data-test=points] .drag3d-point").nth(index)
        fields = row.locator(".drag3d-coordinates").nth(("handle", "target").index(end)).locator("input")
        for axis, value in enumerate(place):
            fields.nth(axis).fill(f"{value:.4f}")
        fields.last.press("Enter")

    def download(self, does: Callable[[], None], folder: Path) -> Path:
        """The file that comes of doing something."""
        with self.page.expect_download() as expected:
            does()
        path = folder / expected.value.suggested_filename
        expected.value.save_as(path)
        return path

    def picture(self) -> Any:
        """(H, W, 3) what the page shows."""
        import io

        import numpy as np
        from PIL import Image

        return np.array(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))

    def close(self) -> None:
        self.context.close()


def distance(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return math.dist(a, b)
