"""Files people can use: meshes for other programs, and pictures and animations of an edit."""

from drag3d.export.animation import ANIMATION_SUFFIXES, write_animation
from drag3d.export.atlas import UNWRAPS, Atlas, Progress
from drag3d.export.atomic import atomic_write, write_bytes_atomically
from drag3d.export.framing import Camera
from drag3d.export.image import IMAGE_SUFFIXES, write_image
from drag3d.export.image_picture import draw_image_comparison, marked_image
from drag3d.export.mesh import MESH_SUFFIXES, vertex_normals, write_mesh
from drag3d.export.panel import PaintedMesh, Panel
from drag3d.export.picture import Scene, draw, draw_comparison, draw_view
from drag3d.export.settings import ExportSettings
from drag3d.export.shape_file import write_shape
from drag3d.export.textured import companions, write_textured_mesh

__all__ = [
    "ANIMATION_SUFFIXES",
    "IMAGE_SUFFIXES",
    "MESH_SUFFIXES",
    "UNWRAPS",
    "Atlas",
    "Camera",
    "ExportSettings",
    "PaintedMesh",
    "Panel",
    "Progress",
    "Scene",
    "atomic_write",
    "companions",
    "draw",
    "draw_comparison",
    "draw_image_comparison",
    "draw_view",
    "marked_image",
    "vertex_normals",
    "write_animation",
    "write_bytes_atomically",
    "write_image",
    "write_mesh",
    "write_shape",
    "write_textured_mesh",
]
