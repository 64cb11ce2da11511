"""The box of a region, and the ring that shows what the brush would touch."""

from __future__ import annotations

import math

import numpy as np
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

from drag3d.viewer.intents import Place
from drag3d.viewer.scene.arrays import as_cells, as_vtk
from drag3d.viewer.scene.marks import RED, SLATE
from drag3d.viewer.scene.sprites import WHITE, Color, Sprites
from drag3d.viewer.scene.view import Floats, View

EDGES = np.array(
    [[0, 1], [2, 3], [4, 5], [6, 7], [0, 2], [1, 3], [4, 6], [5, 7], [0, 4], [1, 5], [2, 6], [3, 7]], np.int32
)
BOX: Color = (64, 156, 255)


def corners(low: Place, high: Place) -> Floats:
    """(8, 3) those of a box."""
    return np.array([[(low, high)[n >> axis & 1][axis] for axis in range(3)] for n in range(8)], dtype=np.float64)


class BoxWires:
    """A box of wires that go behind the shape and shine through it a little."""

    def __init__(self) -> None:
        self.corners: Floats | None = None
        self._data, mapper, self.actor = vtkPolyData(), vtkPolyDataMapper(), vtkActor()
        self._data.SetLines(as_cells(EDGES))
        mapper.SetInputData(self._data)
        self.actor.SetMapper(mapper)
        look = self.actor.GetProperty()
        look.LightingOff()
        look.SetColor(*(value / 255 for value in BOX))
        look.SetLineWidth(2.0)
        self.actor.VisibilityOff()

    def show(self, low: Place | None, high: Place | None) -> None:
        """Another box, or none."""
        self.corners = None if low is None or high is None else corners(low, high)
        if self.corners is None:
            return
        points = vtkPoints()
        points.SetData(as_vtk(self.corners))
        self._data.SetPoints(points)
        self._data.Modified()

    def paint(self, sprites: Sprites, view: View) -> None:
        """What shines through."""
        if self.corners is None:
            return
        ends = self.corners[EDGES]
        for x1, y1, x2, y2 in view.segments(ends[:, 0], ends[:, 1]):
            sprites.line("line", (x1, y1), (x2, y2), BOX, 0.38)


def paint_ring(sprites: Sprites, view: View, center: Floats, normal: Floats | None, radius: float, erase: bool) -> None:
    """A circle of that world radius around a world point, in its tangent plane if there is one."""
    facing = -view.forward
    normal = facing if normal is None else normal
    aside = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    aside /= np.linalg.norm(aside)
    turns = np.linspace(0, 2 * math.pi, 49)[:-1, None]
    circle = center + radius * (np.cos(turns) * aside + np.sin(turns) * np.cross(normal, aside))
    places = view.project(circle)[:, :2]
    sprites.path("casing", places, WHITE if erase else SLATE, 0.75, closed=True)
    sprites.path("line", places, RED if erase else WHITE, closed=True)
