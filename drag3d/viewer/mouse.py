"""From events of the mouse to grips: who has the mouse while a button is down, and what was a click."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from drag3d.viewer.camera_grip import CameraGrip

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer
    from drag3d.viewer.scene.pointer import Pointer
    from drag3d.viewer.tools import Grip

STILL = 4.0
"""Pixels that the mouse may move in a click."""
ZOOM_STEP = 1.15


class Mouse:
    """The state of the mouse over the view."""

    def __init__(self, viewer: Viewer):
        self.viewer = viewer
        self.grip: Grip | CameraGrip | None = None
        self._pressed: Pointer | None = None
        self._last: Pointer | None = None
        self._strayed = False

    def take(self, event: Pointer) -> None:
        """One event of the view."""
        self._last = event
        match event.kind:
            case "wheel":
                self.viewer.scene.zoom(ZOOM_STEP**event.delta, event.x, event.y)
            case "press":
                self._press(event)
            case "move":
                self._move(event)
            case "release":
                self._release(event)
            case "leave" if self.grip is None:
                self.viewer.brush.cancel()

    def again(self) -> None:
        """A key has changed what the last move means."""
        if self._last is None:
            return
        if self.grip is None:
            self.viewer.points.hover(self._last)
        elif not isinstance(self.grip, CameraGrip):
            self.grip.move(self._last)

    def cancel(self) -> bool:
        """Let go; whether something was under way other than the camera."""
        grip, self.grip, self._pressed = self.grip, None, None
        if grip is not None:
            grip.cancel()
        return grip is not None and not isinstance(grip, CameraGrip)

    @property
    def _on_shape(self) -> bool:
        """Whether tools have something to work on."""
        return self.viewer.mirror.shown is not None and not self.viewer.comparing

    def _press(self, event: Pointer) -> None:
        if self.grip is not None and self._pressed is not None:
            if event.button != self._pressed.button:  # a second button
                return
            self.cancel()  # its release was lost, somewhere outside the window
        self._pressed, self._strayed = event, False
        if event.button == "left" and self._on_shape:
            self.grip = self.viewer.tool.grip(event)
        if self.grip is None:
            self.grip = CameraGrip.of(self.viewer.scene, event)

    def _move(self, event: Pointer) -> None:
        if self.grip is None:
            if self._on_shape:
                self.viewer.tool.hover(event)
        elif not self._still(event) or not isinstance(self.grip, CameraGrip):
            self.grip.move(event)

    def _release(self, event: Pointer) -> None:
        grip, pressed = self.grip, self._pressed
        if grip is None or pressed is None or event.button not in ("", pressed.button):
            return
        clicked = self._still(event)
        self.grip = self._pressed = None
        grip.release(event, clicked)
        if isinstance(grip, CameraGrip) and clicked and pressed.button == "left" and self._on_shape:
            self.viewer.tool.click(event)

    def _still(self, event: Pointer) -> bool:
        """Whether the mouse has not moved since the press; once it has, it has, also when it comes back."""
        pressed = self._pressed
        if pressed is not None and math.hypot(event.x - pressed.x, event.y - pressed.y) > STILL:
            self._strayed = True
        return not self._strayed
