"""A small differentiable rasteriser: rasterize, interpolate, shade, antialias; cameras; pictures of shapes."""

from drag3d.rendering.backends import BACKENDS, Backend, backend_for
from drag3d.rendering.camera import (
    Camera,
    OrthographicCamera,
    PerspectiveCamera,
    as_camera,
    clip_points,
    depths_of,
    get3d_cameras,
    orbit,
    pixel_rays,
    pixels_of,
    screen_points,
)
from drag3d.rendering.fragments import Fragments
from drag3d.rendering.rasterizer import antialias, interpolate, rasterize
from drag3d.rendering.silhouettes import Topology, topology_of

__all__ = [
    "BACKENDS",
    "Backend",
    "Camera",
    "Fragments",
    "OrthographicCamera",
    "PerspectiveCamera",
    "Topology",
    "antialias",
    "as_camera",
    "backend_for",
    "clip_points",
    "depths_of",
    "get3d_cameras",
    "interpolate",
    "orbit",
    "pixel_rays",
    "pixels_of",
    "rasterize",
    "screen_points",
    "topology_of",
]
