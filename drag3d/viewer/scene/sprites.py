"""Pictures of the atlas on the screen, one over the other in the order in which they are put there."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper, vtkTexture

from drag3d.viewer.scene.arrays import as_cells, as_image, as_vtk
from drag3d.viewer.scene.atlas import Atlas

Color = tuple[int, int, int]
WHITE: Color = (255, 255, 255)


class Sprites:
    """What is drawn over everything, in pixels; all of it with one call to the graphics card."""

    def __init__(self) -> None:
        self.atlas = Atlas(1.0, 0)
        self._corners: list[NDArray[np.float32]] = []
        self._places: list[tuple[float, float, float, float]] = []
        self._colors: list[tuple[int, int, int, int]] = []
        self._data, mapper, self.actor, self._texture = vtkPolyData(), vtkPolyDataMapper(), vtkActor(), vtkTexture()
        mapper.SetInputData(self._data)
        mapper.ScalarVisibilityOn()
        self._texture.InterpolateOn()
        self.actor.SetMapper(mapper)
        self.actor.SetTexture(self._texture)
        self.actor.GetProperty().LightingOff()
        self.actor.ForceTranslucentOn()
        self.actor.VisibilityOff()
        self.prepare(1.0, 20)

    def prepare(self, scale: float, numbers: int) -> None:
        """See that the atlas has that scale and at least so many numbers."""
        if scale == self.atlas.scale and numbers <= self.atlas.numbers:
            return
        self.atlas = Atlas(scale, max(self.atlas.numbers, 20 * math.ceil(numbers / 20)))
        self._texture.SetInputData(as_image(self.atlas.pixels))

    def clear(self) -> None:
        """Begin anew."""
        self._corners, self._places, self._colors = [], [], []

    def put(self, name: str, x: float, y: float, color: Color = WHITE, opacity: float = 1.0, turn: float = 0.0) -> None:
        """A picture with its middle at (x, y), turned clockwise by radians."""
        if not (abs(x) < 1e6 and abs(y) < 1e6):
            return
        sprite = self.atlas.sprites[name]
        c, s = math.cos(turn), math.sin(turn)
        across, down = np.array([c, s]) * sprite.width / 2, np.array([-s, c]) * sprite.height / 2
        middle = np.array([x, y])
        corners = [middle - across - down, middle + across - down, middle + across + down, middle - across + down]
        self._add(np.array(corners, np.float32), (*sprite.low, *sprite.high), color, opacity)

    def line(self, name: str, start: ArrayLike, end: ArrayLike, color: Color, opacity: float = 1.0) -> None:
        """A straight line, "line" or "casing"."""
        self.path(name, np.array([start, end]), color, opacity)

    def path(self, name: str, places: ArrayLike, color: Color, opacity: float = 1.0, closed: bool = False) -> None:
        """A line through places (N, 2); bends must be gentle."""
        places = np.asarray(places, dtype=np.float64)
        if not (np.abs(places) < 1e6).all():  # nan too
            return
        sprite = self.atlas.sprites[name]
        before, after = np.roll(places, 1, axis=0), np.roll(places, -1, axis=0)
        if not closed:
            before[0], after[-1] = places[0], places[-1]
        along = after - before
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        aside = np.stack([-along[:, 1], along[:, 0]], axis=1) * sprite.height / 2
        middle = (sprite.low[0] + sprite.high[0]) / 2  # a line's picture is the same all along
        shares = (middle, sprite.low[1], middle, sprite.high[1])
        for i in range(len(places) - (not closed)):
            j = (i + 1) % len(places)
            corners = [places[i] - aside[i], places[j] - aside[j], places[j] + aside[j], places[i] + aside[i]]
            self._add(np.array(corners, np.float32), shares, color, opacity)

    def dashes(
        self, name: str, start: ArrayLike, end: ArrayLike, color: Color, opacity: float = 1.0, dash: float = 7.0
    ) -> None:
        """A broken line."""
        start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        length, dash = float(np.linalg.norm(end - start)), dash * self.atlas.scale
        if not 0 < length < 1e5:
            return
        for begin in np.arange(0.0, length, 1.7 * dash):
            share = begin / length, min(begin + dash, length) / length
            self.line(name, start + share[0] * (end - start), start + share[1] * (end - start), color, opacity)

    def _add(self, corners: NDArray[np.float32], shares: tuple[float, ...], color: Color, opacity: float) -> None:
        self._corners.append(corners)
        self._places.append((shares[0], shares[1], shares[2], shares[3]))
        self._colors.append((*color, round(255 * opacity)))

    def finish(self) -> None:
        """Show what was put there."""
        count = len(self._corners)
        self.actor.SetVisibility(count > 0)
        if not count:
            return
        flat = np.zeros((4 * count, 3), np.float32)
        flat[:, :2] = np.concatenate(self._corners)
        shares = np.array(self._places, np.float32)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2)
        points = vtkPoints()
        points.SetData(as_vtk(flat))
        self._data.SetPoints(points)
        self._data.SetPolys(as_cells(np.arange(4 * count, dtype=np.int32).reshape(-1, 4)))
        self._data.GetPointData().SetTCoords(as_vtk(shares))
        self._data.GetPointData().SetScalars(as_vtk(np.repeat(np.array(self._colors, np.uint8), 4, axis=0)))
        self._data.Modified()
