"""What the left button does: the point tool, the brush and the box. Each turns gestures into intents.

A tool may *grip* a press, and then has the mouse until it is released; what no tool grips moves the camera, or is a
click if the mouse has not moved.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drag3d.viewer.drawing import free_to_paint, normal_at, paintable
from drag3d.viewer.intents import AddPoint, MovePoint, Paint, Place, SetBox
from drag3d.viewer.replies import PointMark

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer
    from drag3d.viewer.scene.pointer import Pointer

AXES = {"along_x": 0, "along_y": 1, "along_z": 2}
SAME_PLACE = 1e-3
"""Share of the diagonal: a target nearer to its handle than this is no target."""
SPACING = 0.4
"""Of a stroke's centres, in radii."""
LONGEST_STROKE = 4000
MOST_DABS = 16
"""Between two places of the mouse"""


class Grip(Protocol):
    """A press that a tool has taken."""

    def move(self, event: Pointer) -> None:
        """The mouse has moved, or a key that changes what the move means."""

    def release(self, event: Pointer, clicked: bool) -> None:
        """The button is up; ``clicked``: without having moved."""

    def cancel(self) -> None:
        """As if it had not been."""


class Tool(Protocol):
    """What the left button does."""

    def grip(self, event: Pointer) -> Grip | None:
        """Take a press, or leave it to the camera."""

    def click(self, event: Pointer) -> None:
        """A press that was not taken, and released in the same place."""

    def hover(self, event: Pointer) -> None:
        """The mouse moves without a button."""

    def cancel(self) -> bool:
        """Give up what waits for a next click; whether something did."""


class PointTool:
    """Click a handle, then its target; or pull the target out of the handle with ctrl; or drag dots that are there."""

    def __init__(self, viewer: Viewer):
        self.viewer = viewer
        self.pending: PointMark | None = None
        self._normal: Place | None = None

    def grip(self, event: Pointer) -> Grip | None:
        """A dot under the mouse, or with ctrl a new point."""
        if self.pending is not None:
            return None
        if event.ctrl:
            return PullGrip(self) if self.begin(event) else None
        mark = self.viewer.scene.pick_mark(event.x, event.y)
        if mark is None:
            return None
        self.viewer.select_point(mark[1])
        return DotGrip(self.viewer, *mark)

    def click(self, event: Pointer) -> None:
        """A handle, or the target of the handle that waits for one."""
        if self.pending is not None:
            self.hover(event)
            self.finish()
        elif not self.begin(event):
            self.viewer.select_point(None)

    def begin(self, event: Pointer) -> bool:
        """Put a handle where the surface is seen; false where it is not."""
        hit = self.viewer.scene.pick_surface(event.x, event.y)
        if hit is None:
            return False
        self.pending, self._normal = PointMark(hit.position, hit.position), hit.normal
        self.viewer.select_point(None)
        return True

    def hover(self, event: Pointer) -> None:
        """The target of a waiting handle follows the mouse."""
        if self.pending is None:
            return
        origin = self.pending.handle
        target = constrained(self.viewer, event, origin, origin, self._normal)
        self.pending = PointMark(origin, target)
        self.viewer.drawing.points()

    def finish(self) -> None:
        """The waiting handle gets its target; one on the handle itself goes on waiting."""
        mark = self.pending
        if mark is None or math.dist(mark.handle, mark.target) < SAME_PLACE * self.viewer.mirror.document.diagonal:
            return
        self.pending = None
        number = self.viewer.send(AddPoint(mark.handle, mark.target))
        self.viewer.mirror.add(mark, number)
        self.viewer.select_point(len(self.viewer.mirror.points()) - 1)

    def cancel(self) -> bool:
        """Give the waiting handle up; false if there is none."""
        waiting, self.pending = self.pending is not None, None
        self.viewer.drawing.points()
        return waiting


class PullGrip:
    """A new point whose target is pulled out of its handle."""

    def __init__(self, tool: PointTool):
        self.tool = tool

    def move(self, event: Pointer) -> None:
        self.tool.hover(event)

    def release(self, event: Pointer, clicked: bool) -> None:
        self.tool.hover(event)
        if not clicked:  # else it waits for a click, as without ctrl
            self.tool.finish()

    def cancel(self) -> None:
        self.tool.cancel()


class DotGrip:
    """A handle that is moved over the surface, or a target that is moved through space."""

    def __init__(self, viewer: Viewer, end: str, index: int):
        self.viewer, self.end, self.index = viewer, end, index
        mark = viewer.mirror.points()[index]
        self.handle, self.start = mark.handle, mark.target
        self.place: Place | None = None

    def move(self, event: Pointer) -> None:
        if self.end == "handle":
            hit = self.viewer.scene.pick_surface(event.x, event.y)
            self.place = hit.position if hit else self.place
        else:
            normal = normal_at(self.viewer.mirror.shown, self.handle)
            self.place = constrained(self.viewer, event, self.start, self.start, normal)
        if self.place is not None:
            self.viewer.mirror.move(self.index, self.end, self.place, self.viewer.unanswerable)
            self.viewer.drawing.points()

    def release(self, event: Pointer, clicked: bool) -> None:
        if clicked or self.place is None:
            self.cancel()
            return
        ends: dict[str, Any] = {self.end: self.place}
        number = self.viewer.send(MovePoint(self.index, **ends))
        self.viewer.mirror.move(self.index, self.end, self.place, number)

    def cancel(self) -> None:
        self.viewer.mirror.leave(self.index, self.end)
        self.viewer.drawing.points()


def constrained(viewer: Viewer, event: Pointer, through: Place, origin: Place, normal: Place | None) -> Place:
    """Where the mouse says a target goes: in the screen's plane, or from ``origin`` along a line."""
    way = viewer.constraint()
    place = viewer.scene.on_camera_plane(event.x, event.y, through)
    if way in AXES:
        axis = AXES[way]
        if viewer.scene.kind == "image":
            return tuple(place[i] if i == axis else origin[i] for i in range(len(origin)))
        return viewer.scene.along(event.x, event.y, origin, tuple(float(i == axis) for i in range(3)))
    if way == "along_normal" and normal is not None:
        return viewer.scene.along(event.x, event.y, origin, normal)
    return place


class BrushTool:
    """Paints what may move; with shift, or when rubbing out is on, what must stay."""

    def __init__(self, viewer: Viewer):
        self.viewer = viewer

    def grip(self, event: Pointer) -> Grip | None:
        """A stroke begins on the surface only; elsewhere the camera moves."""
        hit = self.viewer.scene.pick_surface(event.x, event.y)
        return StrokeGrip(self.viewer, event, hit.position) if hit else None

    def click(self, event: Pointer) -> None:
        """Beside the shape nothing is painted."""

    def hover(self, event: Pointer) -> None:
        """The ring shows what the brush would touch."""
        hit = self.viewer.scene.pick_surface(event.x, event.y)
        self.viewer.scene.set_brush(hit.position if hit else None, self.viewer.brush_radius, self.erases(event))

    def erases(self, event: Pointer) -> bool:
        """Whether a stroke rubs out."""
        return bool(self.viewer.erase) != event.shift

    def cancel(self) -> bool:
        """The ring goes away."""
        self.viewer.scene.set_brush(None, self.viewer.brush_radius, False)
        return False


class StrokeGrip:
    """One stroke: centres along the way of the mouse, seen on the shape at once."""

    def __init__(self, viewer: Viewer, event: Pointer, start: Place):
        self.viewer = viewer
        self.radius, self.erase = viewer.brush_radius, viewer.brush.erases(event)
        self.centers: list[Place] = []
        shown = viewer.mirror.shown
        assert shown is not None
        self.places, self.free = paintable(shown), free_to_paint(shown, self.erase)
        self._last = event
        self._dab(start)
        viewer.drawing.region(self.free)

    def move(self, event: Pointer) -> None:
        step = max(1.0, SPACING * self.viewer.scene.size_on_screen(self.radius, self.centers[-1]))
        way = math.hypot(event.x - self._last.x, event.y - self._last.y)
        count = min(MOST_DABS, max(1, math.ceil(way / step)))
        for part in range(1, count + 1):
            x = self._last.x + (event.x - self._last.x) * part / count
            y = self._last.y + (event.y - self._last.y) * part / count
            hit = self.viewer.scene.pick_surface(x, y)
            if hit and math.dist(hit.position, self.centers[-1]) >= SPACING * self.radius:
                self._dab(hit.position)
        self._last = event
        self.viewer.drawing.region(self.free)
        self.viewer.brush.hover(event)

    def release(self, event: Pointer, clicked: bool) -> None:
        end = self.viewer.scene.pick_surface(event.x, event.y)
        if end and end.position != self.centers[-1]:  # the stroke goes as far as the mouse
            self._dab(end.position)
            self.viewer.drawing.region(self.free)
        centers = np.array(self.centers, dtype=np.float32)
        self.viewer.send(Paint(centers, self.radius, self.erase))

    def cancel(self) -> None:
        self.viewer.drawing.body()

    def _dab(self, center: Place) -> None:
        if len(self.centers) < LONGEST_STROKE:
            self.centers.append(center)
            dab(self.free, self.places, center, self.radius, not self.erase)


def dab(free: NDArray[np.bool_], places: NDArray[Any], center: Place, radius: float, value: bool) -> None:
    """Set ``free`` of all ``places`` within ``radius`` of ``center``: vertices (V, 3), or the pixels (H, W, 2)."""
    if free.ndim == 2:  # of a picture only the part around the brush is looked at
        low = [max(0, math.floor(c - radius)) for c in center]
        window = tuple(slice(a, max(a, math.ceil(c + radius) + 1)) for a, c in zip(low, center, strict=True))[::-1]
        free, places = free[window], places[window]
    away = places - np.asarray(center, dtype=places.dtype)
    free[(away * away).sum(axis=-1) <= radius * radius] = value


class BoxTool:
    """Press where the middle shall be and pull the box open."""

    def __init__(self, viewer: Viewer):
        self.viewer = viewer

    def grip(self, event: Pointer) -> Grip | None:
        """A box begins on the surface; elsewhere the camera moves."""
        hit = self.viewer.scene.pick_surface(event.x, event.y)
        return BoxGrip(self.viewer, hit.position) if hit else None

    def click(self, event: Pointer) -> None:
        """Nothing: a box without size."""

    def hover(self, event: Pointer) -> None:
        """Nothing to show."""

    def cancel(self) -> bool:
        """Nothing waits."""
        return False


class BoxGrip:
    """A cube that grows around a place on the surface."""

    def __init__(self, viewer: Viewer, center: Place):
        self.viewer, self.center, self.half = viewer, center, 0.0

    def move(self, event: Pointer) -> None:
        edge = self.viewer.scene.on_camera_plane(event.x, event.y, self.center)
        self.half = math.dist(edge, self.center)
        self.viewer.scene.set_box(*self._corners())

    def release(self, event: Pointer, clicked: bool) -> None:
        if clicked or self.half <= 0:
            self.cancel()
        else:
            self.viewer.send(SetBox(*self._corners()))

    def cancel(self) -> None:
        self.viewer.drawing.body()

    def _corners(self) -> tuple[Place, Place]:
        return tuple(c - self.half for c in self.center), tuple(c + self.half for c in self.center)
