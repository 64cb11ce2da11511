"""Writing a coloured triangle mesh as GLB, OBJ, PLY or STL, through trimesh.

Everywhere: metres, y up, right-handed, faces counter-clockwise seen from outside, smooth normals. Vertices and faces
are written as they come, in their order: nothing is merged, dropped or reordered.

Colours arrive as display sRGB in [0, 1].

- GLB: glTF 2.0 defines vertex colours (`COLOR_0`) as *linear* factors of the base colour, so they are converted and
  written as float32, which loses nothing in the dark tones (8 bits would). See `glb.py` for the rest.
- OBJ and PLY: sRGB as it is, after the coordinates (`v x y z r g b`) or as 8-bit `red green blue alpha`; that is how
  programs read them. Metadata become comments at the head of an OBJ; a PLY has none.
- STL: shape only. The format has neither colours nor normals per vertex, and repeats a vertex for each of its faces.

Reading back (tried with trimesh 5.2, PyVista 0.49 on VTK 9.7): both give the same vertices, faces and colours for GLB,
OBJ and PLY.

- trimesh: `trimesh.load(path, process=False)` keeps coinciding vertices apart. The linear colours of a GLB are
  `visual.vertex_attributes["color"]` of the scene's one geometry. Copying or concatenating such a mesh (`load_mesh`,
  `force="mesh"`, `to_mesh`) loses them in trimesh; `trimesh.load_mesh(path, skip_materials=True)` keeps them, as
  `visual.vertex_colors`.
- PyVista: `pyvista.read(path)` has them in `point_data`: "COLOR_0" (GLB, linear floats), "RGB" (OBJ; VTK rounds down,
  so a value may be one of 255 levels darker) and "RGBA" (PLY).
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import trimesh
from trimesh.exchange.obj import export_obj
from trimesh.exchange.ply import export_ply
from trimesh.exchange.stl import export_stl
from trimesh.visual.color import ColorVisuals

from drag3d.export.atomic import write_bytes_atomically
from drag3d.export.glb import GENERATOR, encode_glb
from get3d_models.errors import InputError

MESH_SUFFIXES = (".glb", ".obj", ".ply", ".stl")
USD_SUFFIXES = (".usd", ".usda", ".usdc")
"""Written through kaolin, where that is installed: see `usd.py`."""


def write_mesh(
    path: str | os.PathLike[str],
    vertices: Any,
    faces: Any,
    colors: Any = None,
    normals: Any = None,
    *,
    metadata: dict[str, Any] | None = None,
) -> Path:
    """Write a triangle mesh to `path`, in the format its suffix names, replacing an older file in one step.

    Arrays may be NumPy arrays, torch tensors on any device, or nested lists.

    vertices: (V, 3) float, metres, y up. faces: (F, 3) integer, counter-clockwise seen from outside.
    colors: (V, 3) float display sRGB, clipped to [0, 1]; None writes no colours.
    normals: (V, 3) float, made unit; None, or a normal of length zero, is replaced by the area-weighted mean of the
    adjoining faces' normals.
    metadata: what made the shape (model, hash, seed, ...), JSON values; see the module for where they go.

    Raises `InputError` for an unknown suffix, an empty or non-finite mesh, arrays that do not fit together, a place
    that cannot be written, and a USD file where kaolin is missing.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in USD_SUFFIXES:
        from drag3d.export.usd import write_usd

        return write_usd(path, vertices, faces, colors, normals, metadata=metadata)
    if suffix not in MESH_SUFFIXES:
        known = ", ".join(MESH_SUFFIXES + USD_SUFFIXES)
        raise InputError(f"cannot write {path}: the name must end in one of {known}, which says the format")
    content = _encode(suffix, checked_mesh(vertices, faces, colors, normals), plain_metadata(metadata))
    return write_bytes_atomically(path, content)


class MeshArrays(NamedTuple):
    """A mesh that was checked: its arrays fit together, and all their numbers are finite.

    vertices: (V, 3). faces: (F, 3), each index below V. colors: (V, 3) display sRGB in [0, 1], or None.
    normals: (V, 3), unit.
    """

    vertices: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int64]
    colors: npt.NDArray[np.float32] | None
    normals: npt.NDArray[np.float32]


def checked_mesh(vertices: Any, faces: Any, colors: Any = None, normals: Any = None) -> MeshArrays:
    """The arguments of `write_mesh` as checked arrays; raises `InputError` for what cannot be used."""
    vertices, faces = _checked_shape(vertices, faces)
    colors = None if colors is None else _checked_colors(colors, len(vertices))
    return MeshArrays(vertices, faces, colors, _checked_normals(normals, vertices, faces))


def vertex_normals(vertices: npt.NDArray[Any], faces: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Smooth unit normals (V, 3) float32: at each vertex the mean of its faces' normals, weighted by their areas.

    vertices: (V, 3) float. faces: (F, 3) integer. A vertex without any face of positive area gets (0, 1, 0), since a
    normal must have length one.
    """
    corners = vertices.astype(np.float64)[faces]
    # The cross product is twice the area long: summing it unnormalised is the weighting.
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    owners, repeated = faces.reshape(-1), np.repeat(face_normals, 3, axis=0)
    sums = [np.bincount(owners, weights=repeated[:, axis], minlength=len(vertices)) for axis in range(3)]
    return _unit(np.stack(sums, axis=1), np.array([[0.0, 1.0, 0.0]]))


def srgb_to_linear(colors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Display sRGB in [0, 1] to linear light, any shape (IEC 61966-2-1)."""
    colors = colors.astype(np.float64)
    return np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4).astype(np.float32)


def as_array(values: Any) -> npt.NDArray[Any]:
    """A NumPy array of `values`: an array, a torch tensor (any device, with or without gradient), or nested lists."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if values.is_floating_point():
            values = values.float()  # NumPy knows no bfloat16
        values = values.numpy()
    return np.asarray(values)


def _checked_shape(vertices: Any, faces: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    vertices, faces = as_array(vertices), as_array(faces)
    if vertices.size == 0 or faces.size == 0:
        raise InputError("the shape is empty: it has no surface to write; try another seed or undo the last edit")
    vertices = _checked_rows("vertices", vertices, len(vertices))
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
        raise InputError(f"faces must be integers of shape (F, 3), not {faces.dtype} of shape {faces.shape}")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"faces name vertices {faces.min()} to {faces.max()}, but there are {len(vertices)} vertices")
    return vertices, faces.astype(np.int64)


def _checked_rows(name: str, values: Any, count: int) -> npt.NDArray[np.float32]:
    values = as_array(values)
    if values.shape != (count, 3) or values.dtype.kind not in "fiu":
        raise InputError(f"{name} must be numbers of shape ({count}, 3), not {values.dtype} of shape {values.shape}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
        values = values.astype(np.float32)
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    if bad:
        raise InputError(f"{bad} of {count} {name} are not finite numbers (NaN or infinite); undo the last edit")
    return values


def _checked_colors(colors: Any, count: int) -> npt.NDArray[np.float32]:
    colors = as_array(colors)
    if colors.dtype.kind != "f":
        raise InputError(f"colors must be floats in [0, 1], not {colors.dtype}; divide 8-bit colours by 255")
    return _checked_rows("colors", colors, count).clip(0.0, 1.0)


def _checked_normals(
    normals: Any, vertices: npt.NDArray[np.float32], faces: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    from_faces = vertex_normals(vertices, faces)
    if normals is None:
        return from_faces
    return _unit(_checked_rows("normals", normals, len(vertices)), from_faces)


def _unit(vectors: npt.NDArray[Any], otherwise: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Each row divided by its length; the row of `otherwise` where there is no direction to keep."""
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = lengths > np.finfo(np.float64).tiny
    return np.where(usable, vectors / np.where(usable, lengths, 1.0), otherwise).astype(np.float32)


def header(metadata: dict[str, Any]) -> list[str]:
    """The lines at the head of an OBJ: who made it, its units, and the metadata as `key: JSON`."""
    # json.dumps keeps a value on one line, so nothing in it can leave the comment.
    return [GENERATOR, "metres, y up"] + [f"{' '.join(key.split())}: {json.dumps(v)}" for key, v in metadata.items()]


def plain_metadata(metadata: dict[str, Any] | None) -> dict[str, Any]:
    """The metadata as JSON will give them back: NumPy and torch scalars and arrays become numbers and lists."""

    def plain(value: Any) -> Any:
        return value.tolist() if hasattr(value, "tolist") else str(value)

    return json.loads(json.dumps(metadata or {}, default=plain, allow_nan=False))


def _encode(suffix: str, arrays: MeshArrays, metadata: dict[str, Any]) -> bytes:
    vertices, faces, colors, normals = arrays
    if suffix == ".glb":
        linear = None if colors is None else srgb_to_linear(colors)
        return encode_glb(vertices, faces, normals, metadata, linear_colors=linear)
    # `process` would merge vertices and drop faces; `validate` would flip them.
    mesh = trimesh.Trimesh(vertices, faces, vertex_normals=normals, process=False, validate=False)
    if suffix == ".stl":
        return export_stl(mesh)
    if colors is not None:
        opaque = np.ones((len(colors), 1))
        mesh.visual = ColorVisuals(mesh, vertex_colors=np.round(255 * np.hstack([colors, opaque])).astype(np.uint8))
    if suffix == ".ply":
        return export_ply(mesh, vertex_normal=True)
    return export_obj(mesh, include_normals=True, header="\n# ".join(header(metadata))).encode("utf-8")
