"""Writing a generated shape as people want it: remeshed, unwrapped, baked, and encoded as its suffix says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drag3d.export.atlas import Atlas, Progress
from drag3d.export.bake import bake
from drag3d.export.box_unwrap import box_unwrap
from drag3d.export.mesh import MESH_SUFFIXES, USD_SUFFIXES, MeshArrays, checked_mesh, write_mesh
from drag3d.export.remesh import at_resolution, simplified, smoothed
from drag3d.export.settings import TEXTURE_SIZE, ExportSettings
from drag3d.export.textured import write_textured_mesh
from drag3d.export.xatlas_unwrap import xatlas_unwrap
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models.shape import Shape


def write_shape(
    path: str | os.PathLike[str],
    shape: Shape,
    settings: ExportSettings | None = None,
    *,
    metadata: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a shape to `path`, in the format its suffix names, with a texture where the format has one.

    metadata: what made the shape, see :func:`write_mesh`; what the settings changed is added. progress: told what is
    being done, at last "writing", 0 and how many faces; what it raises ends the export, and leaves older files as they
    were. Raises `InputError` as :func:`write_mesh`, and for settings that do not fit the suffix or the shape.
    """
    path, settings = Path(path), settings or ExportSettings()
    if path.suffix.lower() not in MESH_SUFFIXES + USD_SUFFIXES:
        known = ", ".join(MESH_SUFFIXES + USD_SUFFIXES)
        raise InputError(f"cannot write {path}: the name must end in one of {known}, which says the format")
    settings.check_for(path)
    tell = progress or _silent
    metadata = (metadata or {}) | settings.given()
    mesh = remeshed(shape, settings, tell)
    if settings.textured(path):
        size = settings.texture_size or TEXTURE_SIZE
        atlas = unwrapped(mesh, size, settings.unwrap or "fast", tell)
        texture = bake(shape.colors, mesh.vertices, atlas, size, tell)
        tell("writing", 0, len(mesh.faces))
        return write_textured_mesh(path, mesh.vertices, mesh.faces, mesh.normals, atlas, texture, metadata=metadata)
    import torch

    tell("writing", 0, len(mesh.faces))
    colors = shape.colors(torch.from_numpy(mesh.vertices))
    return write_mesh(path, mesh.vertices, mesh.faces, colors, mesh.normals, metadata=metadata)


def remeshed(shape: Shape, settings: ExportSettings, tell: Progress) -> MeshArrays:
    """The mesh that settings ask for, with smooth normals and without colours.

    Normals come from the field, unless the surface was smoothed: the field still has the bumps that are to vanish.
    Raises InputError for a shape without a surface.
    """
    if settings.resolution is not None:
        tell("extracting", 0, None)
        shape = at_resolution(shape, settings.resolution)
    plain = checked_mesh(shape.vertices, shape.faces)
    if not settings.smooth and settings.simplify is None:
        return checked_mesh(shape.vertices, shape.faces, normals=shape.normals)
    vertices, faces = plain.vertices, plain.faces
    if settings.smooth:
        tell("smoothing", 0, None)
        vertices = smoothed(vertices, faces, settings.smooth)
    if settings.simplify is not None:
        tell("simplifying", 0, None)
        vertices, faces = simplified(vertices, faces, settings.simplify)
    normals = None if settings.smooth else _field_normals(shape, vertices, faces)
    return checked_mesh(vertices, faces, normals=normals)


def unwrapped(mesh: MeshArrays, texture_size: int, how: str, tell: Progress) -> Atlas:
    """The atlas of a mesh, for a texture of that many texels along an edge; how: "fast" or "quality"."""
    if how == "quality":
        return xatlas_unwrap(mesh.vertices, mesh.faces, mesh.normals, texture_size, tell)
    tell("unwrapping", 0, None)
    return box_unwrap(mesh.vertices, mesh.faces, texture_size)


def _field_normals(shape: Shape, vertices: NDArray[np.float32], faces: NDArray[np.int64]) -> NDArray[np.float32]:
    import torch

    device = shape.generator.device
    found = shape.normals_of(torch.from_numpy(vertices).to(device), torch.from_numpy(faces).to(device))
    return found.cpu().numpy()


def _silent(_what: str, _done: int, _total: int | None) -> None:
    pass
