"""The soft shadow below a shape: it shows where the ground is. Seen from above only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper, vtkTexture

from drag3d.viewer.scene.arrays import as_cells, as_image, as_vtk

CELLS = 72
"""Of the shadow's picture, along a side"""
REACH = 0.45
"""How far it goes beyond the shape, in sides of its box"""
DARKNESS = 0.42


class Ground:
    """A dark picture on the ground, which fades out to all sides."""

    def __init__(self) -> None:
        self._data, mapper, self.actor, self._texture = vtkPolyData(), vtkPolyDataMapper(), vtkActor(), vtkTexture()
        self._data.SetPolys(as_cells([[0, 1, 2, 3]]))
        corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]], np.float32)
        self._data.GetPointData().SetTCoords(as_vtk(corners))
        mapper.SetInputData(self._data)
        self._texture.InterpolateOn()
        self.actor.SetMapper(mapper)
        self.actor.SetTexture(self._texture)
        self.actor.GetProperty().LightingOff()
        self.actor.GetProperty().BackfaceCullingOn()
        self.actor.ForceTranslucentOn()
        self.actor.VisibilityOff()

    def show(self, vertices: NDArray[np.float32], low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
        """Lay the shadow of vertices (V, 3) with that bounding box below it."""
        side = max(float((high - low)[[0, 2]].max()), 1e-6)
        middle, half = (low + high)[[0, 2]] / 2, side * (0.5 + REACH)
        places = (vertices[:, [0, 2]] - (middle - half)) / (2 * half) * CELLS
        column, row = np.clip(places, 0, CELLS - 1).astype(np.intp).T
        height = np.clip((vertices[:, 1] - low[1]) / max(float(high[1] - low[1]), 1e-6), 0, 1)
        # What is near the ground darkens a small place a lot, what is high up a wide one a little.
        near = np.bincount(row * CELLS + column, (height < 0.12).astype(float), CELLS * CELLS) > 0
        wide = np.bincount(row * CELLS + column, minlength=CELLS * CELLS) > 0
        grid = (CELLS, CELLS)
        shade = 0.62 * _blurred(near.reshape(grid), 2.0) + 0.95 * _blurred(wide.reshape(grid), 4.5)
        edge = np.sin(np.linspace(0, np.pi, CELLS)) ** 0.5
        shade = np.clip(shade, 0, 1) * np.outer(edge, edge) * DARKNESS
        pixels = np.zeros((CELLS, CELLS, 4), np.uint8)
        pixels[..., :3], pixels[..., 3] = 0, 255 * shade
        self._texture.SetInputData(as_image(pixels))
        (left, back), (right, front), y = middle - half, middle + half, low[1] - 0.002 * side
        points = vtkPoints()
        points.SetData(as_vtk(np.array([[left, y, back], [left, y, front], [right, y, front], [right, y, back]])))
        self._data.SetPoints(points)
        self._data.Modified()


def _blurred(picture: NDArray[np.bool_], width: float) -> NDArray[np.float64]:
    """With a Gaussian of that width, in cells. To import SciPy for this would take longer than all of the scene."""
    cells = np.arange(CELLS)
    bell = np.exp(-0.5 * ((cells[:, None] - cells) / width) ** 2)
    bell /= bell.sum(axis=1, keepdims=True)
    return np.asarray(bell @ picture @ bell.T)
