"""Files people can use: meshes for other programs, and pictures and animations of an edit."""

from drag3d.export.animation import ANIMATION_SUFFIXES, write_animation
from drag3d.export.atomic import atomic_write, write_bytes_atomically
from drag3d.export.image import IMAGE_SUFFIXES, write_image
from drag3d.export.image_picture import draw_image_comparison, marked_image
from drag3d.export.mesh import MESH_SUFFIXES, vertex_normals, write_mesh
from drag3d.export.picture import Camera, NoPicture, PaintedMesh, Panel, Scene, can_draw, draw, draw_comparison

__all__ = [
    "ANIMATION_SUFFIXES",
    "IMAGE_SUFFIXES",
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
    "draw_image_comparison",
    "marked_image",
    "vertex_normals",
    "write_animation",
    "write_bytes_atomically",
    "write_image",
    "write_mesh",
]
