"""Writing an unwrapped surface with its texture: as one GLB, or as OBJ, MTL and PNG.

Metres, y up, faces counter-clockwise seen from outside, smooth normals, as in `mesh.py`. The texture is display sRGB.

- GLB: a vertex on a cut of the atlas is there once for each chart, with one normal, so that shading shows no cut. The
  PNG is inside, as base colour of a material that is neither metallic nor shiny.
- OBJ: vertices and normals are those of the uncut mesh, which stays closed; only texture coordinates are there several
  times. `out.obj` names `out.mtl`, and that `out_texture.png`, all in one folder. Programs that know the `Pr` and `Pm`
  entries of MTL get roughness and metalness from them. v is counted from below, in a GLB from above.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drag3d.export.atlas import Atlas
from drag3d.export.atomic import atomic_write, write_bytes_atomically
from drag3d.export.glb import GENERATOR, ROUGHNESS, encode_glb
from drag3d.export.mesh import MeshArrays, checked_mesh, header, plain_metadata
from get3d_models.errors import InputError

TEXTURED_SUFFIXES = (".glb", ".obj")


def write_textured_mesh(
    path: str | os.PathLike[str],
    vertices: Any,
    faces: Any,
    normals: Any,
    atlas: Atlas,
    texture: NDArray[np.uint8],
    *,
    metadata: dict[str, Any] | None = None,
) -> Path:
    """Write an unwrapped mesh and its texture to `path`, a .glb or .obj, replacing older files in one step.

    vertices, faces, normals: of the uncut mesh, as for :func:`write_mesh`. atlas: its atlas. texture: (N, N, 3) uint8
    display sRGB, row 0 at v = 0. metadata: as for :func:`write_mesh`. All that an OBJ needs is written before the first
    old file is replaced, and the OBJ itself is replaced last.

    Raises `InputError` as :func:`write_mesh`, and for an atlas or a texture that does not fit.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in TEXTURED_SUFFIXES:
        raise InputError(f"cannot write {path} with a texture: the name must end in {' or '.join(TEXTURED_SUFFIXES)}")
    mesh = checked_mesh(vertices, faces, normals=normals)
    _check(mesh, atlas, texture)
    facts = plain_metadata(metadata)
    if suffix == ".glb":
        at = atlas.origin
        content = encode_glb(mesh.vertices[at], atlas.faces, mesh.normals[at], facts, uv=atlas.uv, texture=texture)
        return write_bytes_atomically(path, content)
    material, picture = companions(path)
    # The innermost takes its place first.
    with atomic_write(path) as new, atomic_write(material) as new_material, atomic_write(picture) as new_picture:
        new_picture.write_bytes(_png(texture))
        new_material.write_text(_material(picture.name), encoding="utf-8")
        new.write_text(_object(mesh, atlas, material.name, facts), encoding="utf-8")
    return path


def companions(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """The MTL and the PNG beside a textured OBJ. Their names are free of spaces, at which readers of OBJ split them."""
    path = Path(path)
    stem = "_".join(path.stem.split())
    return path.with_name(f"{stem}.mtl"), path.with_name(f"{stem}_texture.png")


def _check(mesh: MeshArrays, atlas: Atlas, texture: NDArray[np.uint8]) -> None:
    if atlas.faces.shape != mesh.faces.shape or not np.array_equal(atlas.origin[atlas.faces], mesh.faces):
        raise InputError("the atlas belongs to another mesh; unwrap this one")
    if not (np.isfinite(atlas.uv).all() and atlas.uv.min() >= 0 and atlas.uv.max() <= 1):
        raise InputError("the atlas has texture coordinates outside of 0 to 1")
    if texture.dtype != np.uint8 or texture.ndim != 3 or texture.shape[2] != 3 or texture.size == 0:
        raise InputError(f"a texture must be uint8 of shape (N, N, 3), not {texture.dtype} of shape {texture.shape}")


def _png(texture: NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(texture).save(content, format="PNG")
    return content.getvalue()


def _material(picture: str) -> str:
    lines = [f"# {GENERATOR}", "newmtl surface", "Ka 0 0 0", "Kd 1 1 1", "Ks 0 0 0", "d 1", "illum 1"]
    return "\n".join([*lines, f"Pr {ROUGHNESS:g}", "Pm 0", f"map_Kd {picture}", ""])


def _object(mesh: MeshArrays, atlas: Atlas, material: str, metadata: dict[str, Any]) -> str:
    from_below = np.stack([atlas.uv[:, 0], 1 - atlas.uv[:, 1]], axis=1)
    numbers = np.stack([mesh.faces, atlas.faces, mesh.faces], axis=2).reshape(-1, 9) + 1
    return "\n".join([
        *[f"# {line}" for line in header(metadata)],
        f"mtllib {material}",
        "o shape",
        # Nine digits are what a float32 needs to come back as it was.
        *_rows("v %.9g %.9g %.9g", mesh.vertices),
        *_rows("vt %.9g %.9g", from_below),
        *_rows("vn %.9g %.9g %.9g", mesh.normals),
        "usemtl surface",
        "s 1",
        *_rows("f %d/%d/%d %d/%d/%d %d/%d/%d", numbers),
        "",
    ])  # fmt: skip


def _rows(form: str, values: NDArray[Any]) -> list[str]:
    return [form % tuple(row) for row in values.tolist()]
