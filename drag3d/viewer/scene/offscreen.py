"""Drawing without a window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vtkmodules.vtkCommonCore import vtkLogger


@contextmanager
def quiet() -> Iterator[None]:
    """Let VTK print nothing: without an X server, it complains before it takes EGL or OSMesa."""
    before = vtkLogger.GetCurrentVerbosityCutoff()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    try:
        yield
    finally:
        vtkLogger.SetStderrVerbosity(before)


def offscreen_plotter(width: int, height: int) -> Any:
    """A PyVista plotter that draws to memory and takes injected events. The caller closes it.

    Needs EGL or OSMesa; without either, VTK ends the process: see :func:`drag3d.viewer.scene.probe.opengl_trouble`.
    """
    import pyvista

    with quiet():
        plotter: Any = pyvista.Plotter(off_screen=True, window_size=[width, height])
        plotter.render_window.SetMultiSamples(0)
        plotter.iren.initialize()
        plotter.render_window.Render()
    return plotter
