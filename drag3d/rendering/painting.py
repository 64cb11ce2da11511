"""Surfaces painted into a layer that can be laid over a background: lit, supersampled and antialiased.

Light is added up at `SAMPLES` x `SAMPLES` places of each pixel, silhouettes among these are smoothed once more, and
only the part of the image in which the surfaces lie is worked on. No gradients: a picture is for people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from drag3d.rendering.camera import Size, clip_points
from drag3d.rendering.fragments import Fragments
from drag3d.rendering.rasterizer import antialias, interpolate, rasterize
from drag3d.rendering.shading import STUDIO, Lighting, Material, light_directions, shade, towards_viewer
from drag3d.rendering.silhouettes import topology_of
from drag3d.rendering.texturing import sample_texture

SAMPLES = 2
_SPARE = 2  # samples around what is painted
_TOGETHER = 8192  # samples that are lit at a time: what is computed for them stays in the processor's cache


@dataclass(frozen=True)
class Surface:
    """A mesh with its look; float32 tensors on the CPU. V: vertices, F: faces."""

    vertices: Tensor
    """(V, 3)"""
    faces: Tensor
    """(F, 3) int64"""
    normals: Tensor
    """(V, 3) unit"""
    colors: Tensor
    """(V, 3) or (1, 3), linear; they tint the texture, where there is one"""
    material: Material = field(default_factory=Material)
    open_share: Tensor | None = None
    """(V,) what each vertex sees of its surroundings, see ``occlusion.py``; everything, if None"""
    uv: Tensor | None = None
    """(V, 2) places in the texture, as `sample_texture` counts them"""
    texture: Tensor | None = None
    """(h, w, 3) linear"""
    mark: bool = False
    """Whether it is a mark on top of the picture, which nothing see-through is painted over"""


@dataclass(frozen=True)
class Layer:
    """A painted part of an image; the rest of the image is empty."""

    color: Tensor
    """(h, w, 3) linear light, premultiplied: what is covered in part has that part of its light"""
    cover: Tensor
    """(h, w) how much of each pixel is covered, in [0, 1]"""
    marked: Tensor
    """(h, w) how much of it by marks"""
    corner: tuple[int, int]
    """Row and column of its first pixel"""

    def over(self, image: Tensor, opacity: float = 1.0, below: Tensor | None = None) -> None:
        """Lay it over an image ``(H, W, 3)`` linear, in place; see-through, or below what covers `below` (H, W)."""
        row, column = self.corner
        height, width = self.cover.shape
        window = image[row : row + height, column : column + width]
        share = opacity if below is None else opacity * (1 - below[row : row + height, column : column + width, None])
        window += share * (self.color - self.cover[..., None] * window)


class Painter:
    """Paints the same surfaces from any number of cameras."""

    def __init__(self, surfaces: Sequence[Surface], lighting: Lighting = STUDIO) -> None:
        """At least one surface is needed."""
        self.surfaces, self.lighting = tuple(surfaces), lighting
        self.textured = any(s.texture is not None for s in surfaces)
        vertices, faces = [len(s.vertices) for s in surfaces], [len(s.faces) for s in surfaces]
        starts = [sum(vertices[:number]) for number in range(len(vertices))]
        self._ends = [(sum(faces[:number]), sum(faces[: number + 1])) for number in range(len(faces))]
        self.vertices = torch.cat([s.vertices for s in surfaces])
        self.faces = torch.cat([s.faces + start for s, start in zip(surfaces, starts, strict=True)])
        self._look = torch.cat([_look(s, self.textured) for s in surfaces])
        self._topology = topology_of(_welded(self.vertices, self.faces) if self.textured else self.faces)

    def paint(self, camera: object, size: Size) -> Layer:
        """The surfaces as a camera sees them in an image of `size` = (height, width); a layer of its painted part."""
        full = SAMPLES * size[0], SAMPLES * size[1]
        clip = clip_points(camera, self.vertices, full)
        top, left, height, width = _window(clip, full)
        clip = _windowed(clip, full, (top, left, height, width))
        fragments = rasterize(clip, self.faces, (height, width))
        image = self._lit(camera, clip, fragments)
        image = antialias(image, clip, self.faces, fragments, self._topology)
        rows = image.view(height // SAMPLES, SAMPLES, -1).sum(dim=1).view(-1, SAMPLES * 5)
        mean = torch.eye(5).repeat(SAMPLES, 1) / SAMPLES**2
        pixels = (rows @ mean).view(height // SAMPLES, width // SAMPLES, 5)
        return Layer(pixels[..., :3], pixels[..., 3], pixels[..., 4], (top // SAMPLES, left // SAMPLES))

    def _lit(self, camera: object, clip: Tensor, fragments: Fragments) -> Tensor:
        """The colour (premultiplied), cover and cover by marks of each sample, ``(h, w, 5)``."""
        look = torch.cat([self._look, towards_viewer(camera, self.vertices)], dim=1)
        look = interpolate(look, self.faces, fragments).flatten(0, 1)
        lights = light_directions(self.lighting, camera).float()
        triangle = fragments.triangle.flatten()
        turn = 1 - 2 * _turned_away(clip, self.faces).float()[:, None]
        image = look.new_zeros(len(triangle), 5)
        shown = torch.nonzero(triangle >= 0)[:, 0]
        face = triangle.index_select(0, shown)
        for surface, (first, end) in zip(self.surfaces, self._ends, strict=True):
            mine = shown[(face >= first) & (face < end)] if len(self.surfaces) > 1 else shown
            for chosen in mine.split(_TOGETHER):
                here = look.index_select(0, chosen)
                facing = turn.index_select(0, triangle.index_select(0, chosen))
                normals = torch.nn.functional.normalize(here[:, :3], dim=1) * facing
                colors = here[:, 3:6]
                if surface.texture is not None:
                    colors = colors * sample_texture(surface.texture, here[:, 7:9])
                viewer = torch.nn.functional.normalize(here[:, -3:], dim=1)
                light = shade(colors, normals, viewer, lights, self.lighting, surface.material, here[:, 6])
                rest = torch.tensor([1.0, surface.mark]).expand(len(chosen), 2)
                image.index_copy_(0, chosen, torch.cat([light, rest], dim=1))
        return image.view(*fragments.size, 5)


def _look(surface: Surface, textured: bool) -> Tensor:
    """What is interpolated over a surface: normal, colour, open share, and texture coordinates if `textured`."""
    count = len(surface.vertices)
    share = torch.ones(count) if surface.open_share is None else surface.open_share
    columns = [surface.normals, surface.colors.expand(count, 3), share[:, None]]
    if textured:
        columns.append(torch.zeros(count, 2) if surface.uv is None else surface.uv)
    return torch.cat(columns, dim=1)


def _welded(vertices: Tensor, faces: Tensor) -> Tensor:
    """The faces of vertices in the same place as if these were one: a cut in a texture is no edge of the shape."""
    _, group = torch.unique(vertices, dim=0, return_inverse=True)
    first = torch.full((len(vertices),), len(vertices)).scatter_reduce(0, group, torch.arange(len(group)), "amin")
    return first[group][faces]


def _turned_away(clip: Tensor, faces: Tensor) -> Tensor:
    """``(F,)`` bool: which faces show their inside."""
    a, b, c = (clip[faces[:, corner]][:, [0, 1, 3]] for corner in range(3))
    return (a * torch.linalg.cross(b, c)).sum(dim=1) > 0  # rows of an image go down, so outside is clockwise


def _window(clip: Tensor, size: Size) -> tuple[int, int, int, int]:
    """Top, left, height and width of the samples in which the points ``(V, 4)`` may lie, in whole pixels."""
    height, width = size
    if bool((clip[:, 3] <= 0).any()):
        return 0, 0, height, width
    place = clip[:, :2] / clip[:, 3:]
    found = []
    for axis, count in ((1, height), (0, width)):
        low, high = ((float(v) + 1) * count / 2 for v in (place[:, axis].min(), place[:, axis].max()))
        start = min(max(math.floor(low) - _SPARE, 0), count - SAMPLES) // SAMPLES * SAMPLES
        stop = -(-min(max(math.ceil(high) + _SPARE, start + SAMPLES), count) // SAMPLES) * SAMPLES
        found.append((start, stop - start))
    (top, high_), (left, wide) = found
    return top, left, high_, wide


def _windowed(clip: Tensor, size: Size, window: tuple[int, int, int, int]) -> Tensor:
    """Points ``(V, 4)`` in the clip space of a window of an image of `size`."""
    top, left, height, width = window
    x, y, z, w = clip.unbind(1)
    across, down = (2 * left + width) / size[1] - 1, (2 * top + height) / size[0] - 1
    return torch.stack([(x - across * w) * (size[1] / width), (y - down * w) * (size[0] / height), z, w], dim=1)
