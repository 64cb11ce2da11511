"""The two layers of the window: the world, and what lies over it in pixels; and how long drawing them takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkWindowToImageFilter

from drag3d.viewer.scene.lights import set_lights
from drag3d.viewer.scene.view import FIELD_OF_VIEW, View

FLAT_DEPTH = 100.0
"""Before the camera of the upper layer"""


class Stage:
    """A plotter's window, its renderer, and one above that; ``prepare`` is called before whoever draws the window."""

    def __init__(self, plotter: Any, prepare: Callable[[], None]) -> None:
        self.window: Any = plotter.render_window
        self.world: Any = plotter.renderer
        self._prepare = prepare
        self._times: deque[float] = deque(maxlen=7)
        set_lights(self.world)
        self.world.camera_set = True  # PyVista would fit what it does not know
        self.world.SetUseFXAA(False)
        self.over = vtkRenderer()
        self.over.SetLayer(max(self.window.GetNumberOfLayers(), 1))
        self.window.SetNumberOfLayers(self.over.GetLayer() + 1)
        self.over.InteractiveOff()
        for renderer in (self.world, self.over):
            renderer.SetUseOIT(
                False
            )  # what is drawn later lies on top, it is not mixed in; and that takes half the time
        self.over.SetAutomaticLightCreation(False)
        self.window.AddRenderer(self.over)
        self._tags = [self.window.AddObserver("StartEvent", self._starts)]

    def close(self) -> None:
        """Let go of the window."""
        for tag in self._tags:
            self.window.RemoveObserver(tag)
        self._tags = []

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the window, at least one pixel."""
        width, height = self.window.GetSize()
        return max(int(width), 1), max(int(height), 1)

    def look(self, view: View, near: float, far: float) -> None:
        """Give VTK's cameras what the view says."""
        camera = self.world.GetActiveCamera()
        camera.SetPosition(*view.position)
        camera.SetFocalPoint(*(view.position + view.forward))
        camera.SetViewUp(*view.axes[1])
        camera.SetParallelProjection(not view.perspective)
        camera.SetViewAngle(FIELD_OF_VIEW)
        camera.SetParallelScale(view.height / 2 / view.scale)
        camera.SetClippingRange(near, far)
        flat, middle = self.over.GetActiveCamera(), ((view.width - 1) / 2, (view.height - 1) / 2)
        flat.ParallelProjectionOn()
        flat.SetPosition(*middle, -FLAT_DEPTH)
        flat.SetFocalPoint(*middle, 0)
        flat.SetViewUp(0, -1, 0)
        flat.SetParallelScale(view.height / 2)
        flat.SetClippingRange(1, 2 * FLAT_DEPTH)

    def draw(self, timed: bool) -> None:
        """Draw the window, and with ``timed`` remember how long it took."""
        began = time.perf_counter()
        self.window.Render()
        if timed:
            self.window.WaitForCompletion()
            self._times.append(time.perf_counter() - began)

    @property
    def typical(self) -> float | None:
        """Median seconds of the last frames; None while there are too few to tell."""
        return median(self._times) if len(self._times) >= 4 else None

    def forget_times(self) -> None:
        """Something else is drawn from now on."""
        self._times.clear()

    def pixels(self) -> NDArray[np.uint8]:
        """(H, W, 3) what the window shows, row 0 at the top; as drawn last."""
        reader = vtkWindowToImageFilter()
        reader.SetInput(self.window)
        reader.SetInputBufferTypeToRGB()
        reader.ReadFrontBufferOff()
        reader.ShouldRerenderOff()
        reader.Update()
        image = reader.GetOutput()
        width, height, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)[::-1].copy()

    def _starts(self, *_: object) -> None:
        self._prepare()
