"""Encoding a mesh as GLB, the one-file form of glTF 2.0, through trimesh.

The material is neither metallic nor shiny; without one, viewers fall back on glTF's default, which is metal. Colours
are either linear factors at the vertices (`COLOR_0`), or a PNG inside the file, which glTF reads as display sRGB.
Metadata go to the scene's `extras`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.visual.material import PBRMaterial
from trimesh.visual.texture import TextureVisuals

GENERATOR = "Drag3D"
ROUGHNESS = 0.8
_COLOR = "_COLOR_0"  # trimesh writes attributes of our own only under a leading underscore
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963  # glTF 2.0, section 5.11.5
# Smooth from near (LINEAR) and far (LINEAR_MIPMAP_LINEAR), not repeated (CLAMP_TO_EDGE); glTF 2.0, section 5.26.
_SAMPLER = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}


def encode_glb(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int64],
    normals: NDArray[np.float32],
    metadata: dict[str, Any],
    *,
    linear_colors: NDArray[np.float32] | None = None,
    uv: NDArray[np.float32] | None = None,
    texture: NDArray[np.uint8] | None = None,
) -> bytes:
    """The bytes of a GLB with one mesh; its arrays must fit together.

    vertices, normals: (V, 3). faces: (F, 3). linear_colors: (V, 3) linear light in [0, 1]. uv: (V, 2), (0, 0) at the
    upper left of the texture. texture: (N, N, 3) display sRGB. metadata: JSON values.
    """
    # `process` would merge vertices and drop faces; `validate` would flip them.
    mesh = trimesh.Trimesh(vertices, faces, vertex_normals=normals, process=False, validate=False)
    image = None if texture is None else Image.fromarray(texture)
    material = PBRMaterial(name="surface", metallicFactor=0.0, roughnessFactor=ROUGHNESS, baseColorTexture=image)
    # trimesh counts v from below, and turns it round when it writes.
    mesh.visual = TextureVisuals(
        uv=None if uv is None else np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1), material=material
    )
    if linear_colors is not None:
        mesh.vertex_attributes[_COLOR] = linear_colors

    def finish(tree: dict[str, Any]) -> None:
        tree["asset"]["generator"] = f"{GENERATOR} (trimesh {trimesh.__version__})"
        if metadata:
            tree["scenes"][0]["extras"] = metadata
        [primitive] = tree["meshes"][0]["primitives"]
        attributes = primitive["attributes"]
        if _COLOR in attributes:
            attributes["COLOR_0"] = attributes.pop(_COLOR)
        for found in tree.get("textures", []):
            tree["samplers"], found["sampler"] = [_SAMPLER], 0
        views, accessors = tree["bufferViews"], tree["accessors"]
        for accessor in attributes.values():
            views[accessors[accessor]["bufferView"]]["target"] = _ARRAY_BUFFER
        views[accessors[primitive["indices"]]["bufferView"]]["target"] = _ELEMENT_ARRAY_BUFFER

    scene = trimesh.Scene()
    scene.add_geometry(mesh, node_name="shape", geom_name="shape")
    return export_glb(scene, include_normals=True, tree_postprocessor=finish)
