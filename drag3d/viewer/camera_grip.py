"""What a press does that no tool takes: orbit, pan or zoom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from drag3d.viewer.scene.pointer import Pointer
    from drag3d.viewer.scene.scene import Scene

ZOOM_A_PIXEL = 1.01


@dataclass
class CameraGrip:
    """The camera follows the mouse while a button is down."""

    scene: Scene
    way: Literal["orbit", "pan", "zoom"]
    x: float
    y: float
    start: tuple[float, float]
    """Where the button went down: zooming leaves what is there in its place"""
    moving: bool = False

    @classmethod
    def of(cls, scene: Scene, event: Pointer) -> CameraGrip:
        """As PyVista has it: left orbits, with shift or the middle button pans, right zooms; images are panned."""
        way: Literal["orbit", "pan", "zoom"] = "orbit"
        if event.button == "right":
            way = "zoom"
        elif event.button == "middle" or event.shift or scene.kind == "image":
            way = "pan"
        return cls(scene, way, event.x, event.y, (event.x, event.y))

    def move(self, event: Pointer) -> None:
        """Follow the mouse."""
        if not self.moving:
            self.moving = True
            self.scene.set_moving(True)
        dx, dy = event.x - self.x, event.y - self.y
        if self.way == "orbit":
            self.scene.orbit(dx, dy)
        elif self.way == "pan":
            self.scene.pan(dx, dy)
        else:
            self.scene.zoom(ZOOM_A_PIXEL**-dy, *self.start)
        self.x, self.y = event.x, event.y

    def release(self, event: Pointer, clicked: bool) -> None:
        """The camera stays where it is."""
        if self.moving:
            self.scene.set_moving(False)

    def cancel(self) -> None:
        """As a release."""
        if self.moving:
            self.scene.set_moving(False)
