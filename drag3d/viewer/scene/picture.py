"""The image: a plane on which pixel (x, y) lies at (x, -y, 0)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper, vtkTexture

from drag3d.viewer.scene.arrays import as_cells, as_image, as_vtk
from drag3d.viewer.scene.body import Bytes, with_region

SHARP = 4.0
"""From so many screen pixels a pixel on, pixels are shown as squares."""


class Picture:
    """The image shown, its mask, and its look."""

    def __init__(self) -> None:
        self.pixels: Bytes = np.zeros((1, 1, 3), np.uint8)
        self.features: Bytes | None = None
        self.free: NDArray[np.bool_] | None = None
        self.look = "textured"
        self.stale = False
        """Whether something was changed since it was handed to VTK"""
        self._data, mapper, self.actor, self._texture = vtkPolyData(), vtkPolyDataMapper(), vtkActor(), vtkTexture()
        self._data.SetPolys(as_cells([[0, 1, 2, 3]]))
        self._data.GetPointData().SetTCoords(as_vtk(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)))
        mapper.SetInputData(self._data)
        self.actor.SetMapper(mapper)
        self.actor.SetTexture(self._texture)
        self.actor.GetProperty().LightingOff()
        self.actor.VisibilityOff()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def show(self, pixels: Bytes, features: Bytes | None) -> None:
        """Another image; see ImageShown."""
        self.pixels, self.features = pixels, features
        if self.free is not None and self.free.shape != pixels.shape[:2]:
            self.free = None  # it was of another image
        right, bottom = self.size[0] - 0.5, 0.5 - self.size[1]
        corners = [[-0.5, 0.5, 0], [right, 0.5, 0], [right, bottom, 0], [-0.5, bottom, 0]]
        points = vtkPoints()
        points.SetData(as_vtk(np.array(corners, np.float32)))
        self._data.SetPoints(points)
        self._data.Modified()
        self.stale = True

    def draw(self) -> None:
        """Hand the pixels to VTK, if they are stale."""
        if not self.stale:
            return
        self.stale = False
        pixels = self.features if self.look == "features" and self.features is not None else self.pixels
        self._texture.SetInputData(as_image(with_region(pixels, self.free)))

    def zoomed(self, scale: float) -> None:
        """Choose how it is sampled, for so many screen pixels a pixel."""
        self._texture.SetInterpolate(scale < SHARP)
        self._texture.SetMipmap(scale < 1)
