"""Run by Blender's Python: `python blender_reads.py OUT.npz FILE ...`: what Blender sees in each file, as arrays.

Positions are turned back to y up. Corners are those of the triangles, in their order.
"""

import sys

import bpy
import numpy as np


def seen(path: str) -> dict[str, np.ndarray]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if path.endswith(".glb"):
        bpy.ops.import_scene.gltf(filepath=path, merge_vertices=False)
    else:
        bpy.ops.wm.obj_import(filepath=path)
    [item] = [found for found in bpy.data.objects if found.type == "MESH"]
    mesh = item.data
    vertices, faces = np.empty(3 * len(mesh.vertices)), np.empty(3 * len(mesh.polygons), int)
    mesh.vertices.foreach_get("co", vertices)
    mesh.loops.foreach_get("vertex_index", faces)
    world = vertices.reshape(-1, 3) @ np.array(item.matrix_world)[:3, :3].T + np.array(item.matrix_world)[:3, 3]
    found = {"vertices": world[:, [0, 2, 1]] * [1, 1, -1], "faces": faces.reshape(-1, 3)}
    uv, normals = np.empty(2 * len(mesh.loops)), np.empty(3 * len(mesh.loops))
    mesh.uv_layers.active.data.foreach_get("uv", uv)
    mesh.corner_normals.foreach_get("vector", normals)
    turned = normals.reshape(-1, 3) @ np.array(item.matrix_world)[:3, :3].T
    found |= {"uv": uv.reshape(-1, 3, 2), "normals": (turned[:, [0, 2, 1]] * [1, 1, -1]).reshape(-1, 3, 3)}
    [material] = mesh.materials
    [surface] = [node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED"]
    image = surface.inputs["Base Color"].links[0].from_node.image
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    found["picture"] = pixels.reshape(height, width, 4)[::-1, :, :3]  # Blender's rows run upwards
    found["look"] = np.array([surface.inputs[name].default_value for name in ("Metallic", "Roughness")])
    found["srgb"] = np.array(image.colorspace_settings.name == "sRGB")
    return found


if __name__ == "__main__":
    out, *paths = sys.argv[1:]
    np.savez(
        out, **{f"{number} {name}": array for number, path in enumerate(paths) for name, array in seen(path).items()}
    )
