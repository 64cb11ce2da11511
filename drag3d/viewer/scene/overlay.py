"""What lies over the picture, in pixels: marks, the brush, lines that shine through, and texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drag3d.viewer.intents import Place
from drag3d.viewer.replies import PointMark
from drag3d.viewer.scene.body import Body
from drag3d.viewer.scene.marks import End, MarkPainter, nearest_dot
from drag3d.viewer.scene.outlines import BoxWires, paint_ring
from drag3d.viewer.scene.panels import Panel, caption_pixels, help_pixels
from drag3d.viewer.scene.picking import hidden
from drag3d.viewer.scene.sprites import Sprites
from drag3d.viewer.scene.view import Floats, View

BEHIND = 0.006
"""Share of the diagonal by which a point must be behind the surface to count as hidden"""


def in_world(places: Any) -> Floats:
    """(N, 3) world points of one place or more; of images, pixel (x, y) lies at (x, -y, 0)."""
    points = np.atleast_2d(np.asarray(places, dtype=np.float64))
    if points.shape[1] == 3:
        return points
    return np.stack([points[:, 0], -points[:, 1], np.zeros(len(points))], axis=1)


def _are_places(marks: Sequence[PointMark], axes: int) -> bool:
    """Whether they belong to what is shown; while a shape gives way to an image they may still be the other's."""
    return all(len(mark.handle) == len(mark.target) == axes for mark in marks)


class Overlay:
    """Knows what is to be shown over the picture, and paints it for a view."""

    def __init__(self) -> None:
        self.marks: tuple[PointMark, ...] = ()
        self.selected: int | None = None
        self.pending: PointMark | None = None
        self.brush: tuple[Place, float, bool] | None = None
        """Where it is, its radius, and whether it rubs out"""
        self.help: tuple[tuple[str, str], ...] | None = None
        self.caption = ""
        self._sprites, self._caption_panel, self._help_panel = Sprites(), Panel(), Panel()
        self._texts_of: object = None
        self._hidden_of: object = None
        self._hidden: NDArray[np.bool_] = np.zeros((0, 2), bool)

    @property
    def actors(self) -> list[Any]:
        """To be drawn in this order."""
        return [self._sprites.actor, self._caption_panel.actor, self._help_panel.actor]

    def set_points(self, marks: Sequence[PointMark], selected: int | None, pending: PointMark | None) -> None:
        """Other points, see :meth:`drag3d.viewer.scene.scene.Scene.set_points`."""
        self.marks, self.selected, self.pending, self._hidden_of = tuple(marks), selected, pending, None

    def pick(self, view: View, x: float, y: float, reach: float, scale: float, axes: int) -> tuple[End, int] | None:
        """Which dot is within reach of (x, y), all in pixels of the window; of points with so many coordinates."""
        if not self.marks or not _are_places(self.marks, axes):
            return None
        handles, targets = (view.project(places)[:, :2] for places in self._ends(self.marks))
        return nearest_dot(handles, targets, x, y, reach, scale)

    def paint(self, view: View, scale: float, body: Body | None, wires: BoxWires | None) -> None:
        """Everything but texts; ``body`` may hide points, ``wires`` shine through; both None for images."""
        marks = (*self.marks, self.pending) if self.pending is not None else self.marks
        axes, sprites = 2 if body is None else 3, self._sprites
        sprites.prepare(scale, len(marks))
        sprites.clear()
        if wires is not None:
            wires.paint(sprites, view)
        if self.brush is not None and len(self.brush[0]) == axes:
            center, radius, erase = self.brush
            normal = None if body is None else body.normal_near(center)
            paint_ring(sprites, view, in_world(center)[0], normal, radius, erase)
        if marks and _are_places(marks, axes):
            ends = self._ends(marks)
            handles, targets = (view.project(places)[:, :2] for places in ends)
            behind = self._behind(view, ends, body)
            MarkPainter(sprites).paint(marks, handles, targets, behind, self.selected, self.pending is not None)
        sprites.finish()

    def clear(self) -> None:
        """Nothing but texts, as long as nothing is shown below."""
        self._sprites.clear()
        self._sprites.finish()

    def write(self, size: tuple[int, int], scale: float) -> None:
        """The texts, in a window of that size."""
        texts_of = (self.help, self.caption, size, scale)
        if texts_of == self._texts_of:
            return
        self._texts_of = texts_of
        (width, height), margin = size, round(12 * scale)
        line = caption_pixels(self.caption, width - 2 * margin, scale) if self.caption else None
        self._caption_panel.show(line, margin, height - margin - (0 if line is None else len(line)), 0.0)
        page = help_pixels(self.help, width, height, scale) if self.help else None
        left, top = (0, 0) if page is None else ((width - page.shape[1]) // 2, (height - page.shape[0]) // 2)
        self._help_panel.show(page, left, top, -1.0)

    @staticmethod
    def _ends(marks: Sequence[PointMark]) -> tuple[Floats, Floats]:
        return in_world([mark.handle for mark in marks]), in_world([mark.target for mark in marks])

    def _behind(self, view: View, ends: tuple[Floats, Floats], body: Body | None) -> NDArray[np.bool_]:
        """(N, 2) which handles and targets the body hides; looked at anew when camera, mesh or points change."""
        if body is None:
            return np.zeros((len(ends[0]), 2), dtype=bool)
        state = (body.shown, view.position.tobytes(), view.axes.tobytes(), view.width, view.height)
        if self._hidden_of != state:
            found = hidden(view, np.concatenate(ends), body.vertices, body.faces, BEHIND * body.diagonal)
            self._hidden_of, self._hidden = state, found.reshape(2, -1).T
        return self._hidden
