"""Writing a coloured triangle mesh as USD (.usd, .usda, .usdc), through kaolin and Pixar's library.

kaolin writes points, faces and normals. What it knows nothing of is added to its stage before the file is kept:
colours at the vertices (`displayColor`, which USD defines as *linear*, so display sRGB is converted), that a unit is a
metre, that the mesh is no control cage to be smoothed (USD's default), and metadata, as JSON under "drag3d" in the
layer's custom data.

.usda is text, .usdc binary; .usd is whichever Pixar's library prefers, binary at present.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drag3d.export.atomic import write_bytes_atomically
from drag3d.export.mesh import USD_SUFFIXES, MeshArrays, checked_mesh, plain_metadata, srgb_to_linear
from get3d_models.errors import InputError
from get3d_models.optional_parts import found, install_sentence, require_kaolin

SCENE_PATH = "/World/shape"


def write_usd(
    path: str | os.PathLike[str],
    vertices: Any,
    faces: Any,
    colors: Any = None,
    normals: Any = None,
    *,
    metadata: dict[str, Any] | None = None,
) -> Path:
    """Write a triangle mesh to `path`, a USD file, replacing an older one in one step; y up, metres.

    The arguments are those of `drag3d.export.write_mesh`. Raises `InputError`, in one line, for another suffix, a mesh
    that cannot be used, a place that cannot be written, and where kaolin or Pixar's library (usd-core) is missing.
    """
    path = Path(path)
    if path.suffix.lower() not in USD_SUFFIXES:
        raise InputError(f"cannot write {path}: the name of a USD file ends in {', '.join(USD_SUFFIXES)}")
    if reason := missing_for_usd():
        raise InputError(f"cannot write {path}: {reason}")
    arrays = checked_mesh(vertices, faces, colors, normals)
    with tempfile.TemporaryDirectory(prefix="drag3d-usd-", ignore_cleanup_errors=True) as folder:
        # The library tells the format by the name, and adds to what is already there: a name of its own, then.
        written = Path(folder, f"mesh{path.suffix.lower()}")
        _write(written, arrays, plain_metadata(metadata))
        return write_bytes_atomically(path, written.read_bytes())


def missing_for_usd() -> str | None:
    """None when USD files can be written here, else one sentence that says what is missing."""
    try:
        require_kaolin("a USD file")
    except InputError as error:
        return str(error)
    pixar = found("pxr.Usd")
    return None if pixar.module else f"a USD file needs Pixar's library, but {pixar.why_not}; {install_sentence('usd')}"


def _write(path: Path, arrays: MeshArrays, metadata: dict[str, Any]) -> None:
    """A new USD file of a checked mesh."""
    from kaolin.io.usd import export_mesh
    from pxr import UsdGeom, Vt

    faces = torch.from_numpy(arrays.faces)
    stage = export_mesh(
        str(path),
        scene_path=SCENE_PATH,
        vertices=torch.from_numpy(arrays.vertices),
        faces=faces,
        face_normals=torch.from_numpy(arrays.normals)[faces],
        up_axis="Y",
    )
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath(SCENE_PATH))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    low, high = arrays.vertices.min(axis=0), arrays.vertices.max(axis=0)
    mesh.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([low, high])))
    if arrays.colors is not None:
        color = mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
        color.Set(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(srgb_to_linear(arrays.colors))))
    if metadata:
        layer = stage.GetRootLayer()
        layer.customLayerData = {**layer.customLayerData, "drag3d": json.dumps(metadata)}
    stage.Save()
