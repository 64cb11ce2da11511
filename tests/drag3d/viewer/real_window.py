"""A real window with a real worker on a display of its own, for tests: what a person sees and does there."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import x_display
from numpy.typing import NDArray

from drag3d.viewer.intents import CameraState


class RealWindow:
    """The window, and a person in front of it."""

    def __init__(self, model: Path, autosaves: Path, look: float = 0.3):
        self.display = x_display.shared_display()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DISPLAY", self.display.name)
            patch.delenv("QT_QPA_PLATFORM", raising=False)
            patch.delenv("WAYLAND_DISPLAY", raising=False)
            from drag3d.viewer.desktop.app import make_application, open_window
            from drag3d.viewer.link import Link, WorkerOptions

            options = WorkerOptions(str(model), autosaves=autosaves, device="cpu")
            link = Link.start(options)
            self.application = make_application()
            self.window: Any = open_window(link, lambda: Link.start(options))
        self.window.setGeometry(0, 0, *x_display.SIZE)
        self.viewer = self.window.viewer
        self.renders = self._seen = 0
        self.window.picture.render_window.AddObserver("EndEvent", self._count)
        self.until(lambda: self.viewer.mirror.shown is not None, 60)
        self.look(look)

    def _count(self, *_: Any) -> None:
        self.renders += 1

    # ---- time -------------------------------------------------------------------------------------------------

    def until(self, reached: Callable[[], Any], seconds: float = 15.0) -> None:
        """Let the window live until something holds; fails if it does not come to that."""
        end = time.monotonic() + seconds
        while not reached():
            said = [message.text for message in self.viewer.mirror.messages[-3:]]
            assert time.monotonic() < end, f"not reached within {seconds} s; the last messages: {said}"
            self.application.processEvents()
            time.sleep(0.002)

    def look(self, seconds: float = 0.15) -> None:
        """Let the window live for a while."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end)

    def come_to_rest(self) -> None:
        """Let the window live until its picture stays as it is: smooth edges come a moment after the last change."""
        still = time.monotonic()

        def stays() -> bool:
            nonlocal still
            if self.viewer.scene.dirty or self.renders != self._seen:
                still, self._seen = time.monotonic(), self.renders
            return time.monotonic() - still > 0.8

        self.until(stays, 30)

    def begin(self, seed: int = 0) -> None:
        """Start over, with no points, seen obliquely."""
        viewer = self.viewer
        if viewer.mirror.document.progress.state != "idle":
            viewer.run("stop")
        for offer in viewer.mirror.offers:
            viewer.dismiss(offer.name)
        viewer.compare(False)
        viewer.points.cancel()
        viewer.set_value("constraint", "")
        viewer.set_value("tool", "point")
        viewer.set_value("max_steps", 12)
        viewer.set_value("tolerance", None)
        self.window.picture.setFocus()
        viewer.generate(seed=seed)
        self.until(lambda: viewer.wanted is None)
        sent = viewer.link.send(_nothing())
        self.until(lambda: viewer.mirror.document.answered >= sent)
        viewer.run("isometric")
        self.look()

    # ---- mouse and keys ---------------------------------------------------------------------------------------

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """The place on the display of a pixel of the picture."""
        from PySide6.QtCore import QPoint

        corner = self.window.picture.mapToGlobal(QPoint(0, 0))
        return corner.x() + x, corner.y() + y

    def click(self, x: float, y: float, keys: tuple[str, ...] = ()) -> None:
        """Click a pixel of the picture."""
        self.display.click(*self.on_screen(x, y), keys)
        self.look()

    def drag(self, places: list[tuple[float, float]], keys: tuple[str, ...] = ()) -> None:
        """Drag the mouse over pixels of the picture."""
        self.display.drag([self.on_screen(*place) for place in places], keys)
        self.look()

    def press(self, key: str) -> None:
        """Press and release a key, by xdotool's name."""
        self.display.do("key", key)
        self.look()

    def click_widget(self, widget: Any) -> None:
        """Click the middle of a widget."""
        middle = widget.mapToGlobal(widget.rect().center())
        self.display.click(middle.x(), middle.y())
        self.look()

    # ---- what there is to see ---------------------------------------------------------------------------------

    @property
    def document(self) -> Any:
        """What the window knows of the session."""
        return self.viewer.mirror.document

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) what stands on the display, window and all."""
        image = self.application.primaryScreen().grabWindow(0).toImage()
        image = image.convertToFormat(image.Format.Format_RGB888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()

    @property
    def picture_pixels(self) -> NDArray[np.uint8]:
        """... of the picture alone."""
        x, y = (round(value) for value in self.on_screen(0, 0))
        picture = self.window.picture
        return self.pixels[y : y + picture.height(), x : x + picture.width()]

    def surface_under(self, x: float, y: float) -> NDArray[np.float64] | None:
        """(3,) where the ray through a pixel first meets the mesh that is shown, from the camera alone."""
        camera = self.viewer.scene.camera()
        shown = self.viewer.mirror.shown
        corners = shown.vertices[shown.faces].astype(np.float64)
        return first_hit(camera, x, y, corners)

    def middle(self) -> tuple[float, float]:
        """A pixel well inside the shape."""
        picture = self.window.picture
        x, y = picture.width() / 2, picture.height() / 2
        for dy in (0, 20, -20, 40, -40):
            if self.surface_under(round(x), round(y + dy)) is not None:
                return round(x), round(y + dy)
        raise AssertionError("the shape is not in the middle")

    def close(self) -> None:
        """Close the window, and with it the worker."""
        self.window.close()
        self.application.processEvents()
        gc.collect()  # what VTK still holds goes now, and not in the middle of a later test's picture


def first_hit(camera: CameraState, x: float, y: float, corners: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(3,) the nearest point of triangles ``corners`` (F, 3, 3) behind the pixel (x, y), after Moeller and Trumbore."""
    position = np.asarray(camera.position)
    forward = _unit(np.asarray(camera.focus) - position)
    right = _unit(np.cross(forward, camera.up))
    up = np.cross(right, forward)
    half = np.tan(np.radians(camera.field_of_view) / 2)
    across = (2 * (x + 0.5) / camera.width - 1) * half * camera.width / camera.height
    ray = forward + across * right + (1 - 2 * (y + 0.5) / camera.height) * half * up
    edges1, edges2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(ray, edges2)
    area = (edges1 * normal).sum(-1)
    area = np.where(np.abs(area) < 1e-12, np.nan, area)
    away = position - corners[:, 0]
    u = (away * normal).sum(-1) / area
    across_edge = np.cross(away, edges1)
    v = across_edge @ ray / area
    distance = (edges2 * across_edge).sum(-1) / area
    inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0)
    return position + distance[inside].min() * ray if inside.any() else None


def project(camera: CameraState, place: Any) -> tuple[float, float]:
    """The pixel at which a place is seen."""
    position = np.asarray(camera.position)
    forward = _unit(np.asarray(camera.focus) - position)
    right = _unit(np.cross(forward, camera.up))
    up = np.cross(right, forward)
    away = np.asarray(place) - position
    depth = away @ forward * np.tan(np.radians(camera.field_of_view) / 2)
    x = (away @ right / depth * camera.height / camera.width + 1) / 2 * camera.width - 0.5
    return float(x), float((1 - away @ up / depth) / 2 * camera.height - 0.5)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def _nothing() -> Any:
    from drag3d.viewer.intents import Configure

    return Configure({})
