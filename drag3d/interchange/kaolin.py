"""NVIDIA's kaolin: its cameras where ours are taken, its `SurfaceMesh` made of our shapes and turned into their arrays.

Tensors are handed over as they are, on whatever device they are: both sides then look at the same memory. kaolin is
imported when something is made with it; what it has made is read without importing anything.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from get3d_models.errors import InputError
from get3d_models.optional_parts import require_kaolin
from get3d_models.shape import Shape

ASPECT_TOLERANCE = 0.01
"""By how much the proportions of a picture may differ from those that a kaolin camera was made for."""


class SurfaceTensors(NamedTuple):
    """What of a `SurfaceMesh` means something here; the tensors are the mesh's own.

    vertices: (V, 3) float. faces: (F, 3) integer, in the mesh's own type. colors: (V, 3) float display sRGB, or None.
    normals: (V, 3) float, or None.
    """

    vertices: Tensor
    faces: Tensor
    colors: Tensor | None
    normals: Tensor | None


@dataclass(frozen=True)
class MatrixCamera:
    """A camera given by its matrices: OpenGL's conventions, y up, looking along -z, clip space within [-w, w]."""

    view: Tensor
    """(4, 4) float32, world to camera"""
    projection: Tensor
    """(4, 4) float32, camera to clip space"""
    aspect: float
    """Width of the picture by its height"""

    def view_matrix(self) -> Tensor:
        """(4, 4), world to camera."""
        return self.view

    def clip_matrix(self, size: tuple[int, int]) -> Tensor:
        """(4, 4), world to clip space with y growing downwards, as pictures of ``size`` (height, width) have it.

        Raises InputError for a picture whose proportions are not the camera's: it would be distorted.
        """
        height, width = size
        if abs(width / height / self.aspect - 1) > ASPECT_TOLERANCE:
            raise InputError(
                f"this kaolin camera is for pictures {self.aspect:.3g} times as wide as high, not for {width} x "
                f"{height} pixels; set its width and height, or give a size of its proportions"
            )
        downwards = self.projection.new_tensor([1.0, -1.0, 1.0, 1.0])
        return downwards[:, None] * (self.projection @ self.view)


def is_kaolin(thing: object) -> bool:
    """Whether the class of something comes from the package kaolin, which need not be imported to say so."""
    return type(thing).__module__.partition(".")[0] == "kaolin"


def camera_from_kaolin(camera: Any) -> MatrixCamera:
    """Our form of a ``kaolin.render.camera.Camera`` with any lens that has a projection matrix; gradients pass.

    Raises InputError for a batch of more than one camera, for a lens that matrices cannot describe, for a depth range
    other than OpenGL's, and for anything that is no camera.
    """
    try:
        count, lens = len(camera), camera.intrinsics
        width, height = camera.width, camera.height
        depths = (lens.ndc_min, lens.ndc_max)
    except (AttributeError, TypeError):
        raise InputError(f"a kaolin camera was expected, not a {type(camera).__name__}") from None
    if count != 1:
        raise InputError(f"the kaolin camera is a batch of {count}; give one, such as camera[0]")
    if depths != (-1, 1):
        raise InputError(f"the kaolin camera's depths run from {depths[0]} to {depths[1]}; only -1 to 1 is supported")
    if not (width > 0 and height > 0):
        raise InputError(f"the kaolin camera's picture is {width} x {height} pixels; set its width and height")
    try:
        view, projection = camera.view_matrix(), lens.projection_matrix()
    except (AttributeError, NotImplementedError):
        raise InputError(
            f"the kaolin camera's lens ({getattr(lens, 'lens_type', type(lens).__name__)}) has no projection matrix; "
            "give a pinhole or an orthographic camera"
        ) from None
    return MatrixCamera(view[0].to(torch.float32), projection[0].to(torch.float32), width / height)


def surface_mesh(shape: Shape) -> Any:
    """A ``kaolin.rep.SurfaceMesh`` of a shape, with its normals and colours, sharing its memory.

    Colours are display sRGB in [0, 1]; versions of kaolin whose meshes have no colours get none. Raises InputError
    where kaolin is missing.
    """
    return surface_mesh_of(shape.vertices, shape.faces, shape.vertex_colors, shape.normals)


def surface_mesh_of(
    vertices: Tensor, faces: Tensor, colors: Tensor | None = None, normals: Tensor | None = None
) -> Any:
    """A ``kaolin.rep.SurfaceMesh`` of vertices (V, 3), faces (F, 3) int64, colours and normals (V, 3), sharing memory.

    Raises InputError where kaolin is missing, and for tensors that do not fit together.
    """
    require_kaolin("a kaolin SurfaceMesh")
    from kaolin.rep import SurfaceMesh

    count = len(vertices)
    for name, tensor in (("vertices", vertices), ("colors", colors), ("normals", normals)):
        if tensor is not None and tensor.shape != (count, 3):
            raise InputError(f"{name} must have shape ({count}, 3), not {tuple(tensor.shape)}")
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype != torch.int64:
        raise InputError(f"faces must be int64 of shape (F, 3), not {faces.dtype} of shape {tuple(faces.shape)}")
    given = {"vertex_colors": colors, "vertex_normals": normals}
    known = inspect.signature(SurfaceMesh.__init__).parameters
    return SurfaceMesh(vertices, faces, **{k: v for k, v in given.items() if k in known and v is not None})


def tensors_of(mesh: Any) -> SurfaceTensors:
    """Vertices, faces, colours and normals of a ``kaolin.rep.SurfaceMesh``: the mesh's own tensors, nothing is copied.

    A batch of one counts as a mesh. Of colours the alpha channel is left out; nothing that the mesh does not hold is
    computed. Raises InputError for a batch of more, for faces that are not triangles, and for anything else.
    """
    if not all(hasattr(mesh, name) for name in ("vertices", "faces", "has_attribute")):
        raise InputError(f"a kaolin SurfaceMesh was expected, not a {type(mesh).__name__}")
    if len(mesh) != 1:
        raise InputError(f"the kaolin mesh is a batch of {len(mesh)}; give one mesh at a time")
    vertices, faces = _single(mesh.vertices, 2), _single(mesh.faces, 2)
    if faces.shape[1] != 3:
        raise InputError(f"the kaolin mesh has faces of {faces.shape[1]} corners; triangulate it first")

    def of_vertices(name: str) -> Tensor | None:
        found = _single(getattr(mesh, name), 2) if mesh.has_attribute(name) else None
        return found if found is None or found.shape[1] == 3 else found[:, :3]

    return SurfaceTensors(vertices, faces, of_vertices("vertex_colors"), of_vertices("vertex_normals"))


def _single(values: Any, dimensions: int) -> Tensor:
    """The only element of a batch of one, by whichever of kaolin's ways it is batched; a view."""
    if isinstance(values, list):
        values = values[0]
    return values[0] if values.ndim > dimensions else values
