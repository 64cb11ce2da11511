"""Handing numpy arrays to VTK without copying them."""

from __future__ import annotations

from typing import Any

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkImageData


def as_vtk(values: Any) -> Any:
    """A VTK array of the values (N,) or (N, C). It keeps them alive; they must not be written to meanwhile."""
    values = np.ascontiguousarray(values)
    array = numpy_to_vtk(values, deep=0)
    array.kept = values  # VTK itself has no hold on them
    return array


def as_cells(corners: Any) -> Any:
    """Cells (N, C) of C corners each."""
    cells: Any = vtkCellArray()
    flat = np.ascontiguousarray(corners, dtype=np.int32)
    array = as_vtk(flat.reshape(-1))
    cells.SetData(flat.shape[1], array)
    cells.kept = array
    return cells


def as_image(pixels: Any) -> vtkImageData:
    """Pixels (H, W, C) uint8 as VTK's image; row 0 is the first, which VTK takes for the lowest."""
    height, width = pixels.shape[:2]
    image = vtkImageData()
    image.SetDimensions(width, height, 1)
    image.GetPointData().SetScalars(as_vtk(np.ascontiguousarray(pixels).reshape(height * width, -1)))
    return image
