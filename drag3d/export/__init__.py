"""Files people can use: meshes for other programs, and pictures of an edit."""

from drag3d.export.atomic import atomic_write, write_bytes_atomically
from drag3d.export.mesh import MESH_SUFFIXES, vertex_normals, write_mesh
from drag3d.export.picture import Camera, NoPicture, PaintedMesh, Panel, Scene, can_draw, draw, draw_comparison

__all__ = [
    "MESH_SUFFIXES",
    "Camera",
    "NoPicture",
    "PaintedMesh",
    "Panel",
    "Scene",
    "atomic_write",
    "can_draw",
    "draw",
    "draw_comparison",
    "vertex_normals",
    "write_bytes_atomically",
    "write_mesh",
]
