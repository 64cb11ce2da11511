"""The shape: one mesh whose arrays are replaced in place, and its looks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

from drag3d.viewer.intents import Place
from drag3d.viewer.scene.arrays import as_cells, as_vtk
from drag3d.viewer.scene.draft import clustered

CLAY = (205, 198, 188)
KEPT, BRIGHT, STAYS = 56, 33, np.array([18600, 19900, 21700], np.uint16)
"""Where nothing may move: 256ths of the own colour, of its brightness three times, and a cold grey-blue"""
EDGES = (0.16, 0.19, 0.24)
SHINE = {"normals": (0.0, 1.0, 0.0), "features": (0.58, 0.55, 0.0)}
"""Light from everywhere, light from lamps and highlights, of looks that have their own"""

Bytes = NDArray[np.uint8]


def with_region(colors: Bytes, free: NDArray[np.bool_] | None) -> Bytes:
    """Colours (..., 3) where what must stay, not ``free`` (...), is greyed; the same array where there is no region."""
    if free is None or free.shape != colors.shape[:-1]:
        return colors
    # Channel by channel, in small integers: five times as fast as picking out what must stay.
    bright = (colors[..., 0].astype(np.uint16) + colors[..., 1] + colors[..., 2]) * np.uint16(BRIGHT)
    result = np.empty_like(colors)
    for channel, stays in enumerate(STAYS):
        own = colors[..., channel]
        result[..., channel] = np.where(free, own, (own * np.uint16(KEPT) + bright + stays) >> 8)
    return result


class Body:
    """The mesh shown, its region, and its look."""

    def __init__(self) -> None:
        nothing = np.zeros((0, 3), np.float32)
        self.vertices: NDArray[np.float32] = nothing
        self.normals: NDArray[np.float32] = nothing
        self.faces: NDArray[np.int32] = np.zeros((0, 3), np.int32)
        self.colors: Bytes = np.zeros((0, 3), np.uint8)
        self.features: Bytes | None = None
        self.free: NDArray[np.bool_] | None = None
        self.look = "textured"
        self.stale = False
        """Whether something was changed since it was handed to VTK"""
        self.low, self.high = np.zeros(3), np.ones(3)
        self._data, self._mapper, self.actor = vtkPolyData(), vtkPolyDataMapper(), vtkActor()
        self._mapper.SetInputData(self._data)
        self._mapper.ScalarVisibilityOn()
        self._mapper.SetResolveCoincidentTopologyToOff()
        self.actor.SetMapper(self._mapper)
        self.actor.VisibilityOff()
        skin = self.actor.GetProperty()
        skin.SetInterpolationToPhong()
        skin.SetEdgeColor(*EDGES)
        skin.SetLineWidth(1.0)
        self.shown = 0
        """How many meshes it has been"""
        self._drawn_faces: object = None
        self._draft = False

    @property
    def diagonal(self) -> float:
        """Of the bounding box."""
        return float(np.linalg.norm(self.high - self.low))

    def show(
        self,
        vertices: NDArray[np.float32],
        faces: NDArray[np.int32],
        normals: NDArray[np.float32],
        colors: Bytes,
        features: Bytes | None,
    ) -> None:
        """Another mesh, or the same with other places and colours; see ShapeShown. Arrays are kept, not copied."""
        self.vertices, self.faces, self.normals = vertices, faces, normals
        self.colors, self.features = colors, features
        if len(vertices):
            self.low, self.high = vertices.min(axis=0).astype(float), vertices.max(axis=0).astype(float)
        if self.free is not None and len(self.free) != len(vertices):
            self.free = None  # it was of another mesh
        self.shown += 1
        self.stale = True

    def normal_near(self, place: Place) -> NDArray[np.float64] | None:
        """(3,) that of the vertex nearest to a place; None if there is none."""
        if not len(self.vertices):
            return None
        nearest = int(((self.vertices - np.asarray(place, np.float32)) ** 2).sum(axis=1).argmin())
        normal = self.normals[nearest].astype(np.float64)
        length = float(np.linalg.norm(normal))
        return normal / length if length > 1e-6 else None

    def set_draft(self, draft: bool) -> None:
        """Draw a coarse stand-in, or all of it."""
        if draft == self._draft:
            return
        self._draft, self.stale = draft, True

    def draw(self) -> None:
        """Hand everything to VTK, if it is stale."""
        if not self.stale:
            return
        self.stale = False
        vertices, faces, normals, colors = self.vertices, self.faces, self.normals, self._looks()
        if self._draft and len(faces):
            chosen, faces = clustered(vertices, faces, self.diagonal / 56)
            vertices, normals, colors = vertices[chosen], normals[chosen], colors[chosen]
        points = vtkPoints()
        points.SetData(as_vtk(np.ascontiguousarray(vertices, dtype=np.float32)))
        self._data.SetPoints(points)
        if faces is not self._drawn_faces:
            self._data.SetPolys(as_cells(faces))
            self._drawn_faces = faces
        self._data.GetPointData().SetNormals(as_vtk(np.ascontiguousarray(normals, dtype=np.float32)))
        self._data.GetPointData().SetScalars(as_vtk(np.ascontiguousarray(colors)))
        self._data.Modified()
        self._apply()

    def _looks(self) -> Bytes:
        """(V, 3) colours of the vertices, with the region in them."""
        if self.look == "normals":
            colors = np.clip((self.normals + 1) * 127.5, 0, 255).astype(np.uint8)
        elif self.look in ("clay", "wireframe"):
            colors = np.tile(np.array(CLAY, np.uint8), (len(self.vertices), 1))
        else:
            colors = self.features if self.look == "features" and self.features is not None else self.colors
        return with_region(colors, self.free)

    def _apply(self) -> None:
        skin = self.actor.GetProperty()
        skin.SetLighting(self.look != "normals")
        skin.SetEdgeVisibility(self.look == "wireframe" and not self._draft)
        # Unlit, VTK shows a colour times the sum of both.
        ambient, diffuse, specular = SHINE.get(self.look, (0.46, 0.80, 0.07))
        skin.SetAmbient(ambient)
        skin.SetDiffuse(diffuse)
        skin.SetSpecular(specular)
        skin.SetSpecularPower(18.0)
