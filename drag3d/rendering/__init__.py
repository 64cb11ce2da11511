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
from drag3d.rendering.painting import Layer, Painter, Surface
from drag3d.rendering.rasterizer import antialias, interpolate, rasterize
from drag3d.rendering.shading import (
    STUDIO,
    Light,
    Lighting,
    Material,
    light_directions,
    shade,
    to_display,
    to_linear,
    towards_viewer,
)
from drag3d.rendering.silhouettes import Topology, topology_of
from drag3d.rendering.texturing import sample_texture

__all__ = [
    "BACKENDS",
    "STUDIO",
    "Backend",
    "Camera",
    "Fragments",
    "Layer",
    "Light",
    "Lighting",
    "Material",
    "OrthographicCamera",
    "Painter",
    "PerspectiveCamera",
    "Surface",
    "Topology",
    "antialias",
    "as_camera",
    "backend_for",
    "clip_points",
    "depths_of",
    "get3d_cameras",
    "interpolate",
    "light_directions",
    "orbit",
    "pixel_rays",
    "pixels_of",
    "rasterize",
    "sample_texture",
    "screen_points",
    "shade",
    "to_display",
    "to_linear",
    "topology_of",
    "towards_viewer",
]
