"""The shadow of a shape on the ground below it, under a sky that is equally bright everywhere.

What touches the ground hides the sky from the places around its edge; what hangs above it hides less, over a wider
area. So the shape is cut into flat slices, and the shadow is their outlines, blurred the more the higher they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from drag3d.rendering.camera import Size, as_camera
from drag3d.rendering.rasterizer import rasterize

RESOLUTION = 192
_MARGIN = 0.6  # of ground beside the shape, as a share of its height or breadth, whichever is less
_EDGES = (0.0, 0.02, 0.05, 0.1, 0.18, 0.3, 0.5, 0.75, 1.0)  # of the slices, as shares of the height
_SPREAD, _LEAST_SPREAD = 0.42, 0.014  # how wide a slice is blurred, by its height over the ground, and by the breadth
_STRENGTH = (0.75, 0.45, 0.40, 0.36, 0.34, 0.36, 0.34, 0.24)  # of each slice's shadow


@dataclass(frozen=True)
class Shadow:
    """A shadow on the plane y = ``height``, as a square picture."""

    height: float
    left: float
    """The least x of the picture"""
    back: float
    """The least z"""
    breadth: float
    """Of the picture, along x and z"""
    darkness: Tensor
    """(R, R) float, in [0, 1], rows along z and columns along x; about 0 at the borders"""


@torch.no_grad()
def shadow_below(vertices: Tensor, faces: Tensor, height: float) -> Shadow:
    """The shadow of a shape on the plane y = `height`, which lies at or below it.

    vertices: ``(V, 3)`` float. faces: ``(F, 3)`` int64.
    """
    low, high = vertices.amin(dim=0), vertices.amax(dim=0)
    size = (high - low).tolist()
    reach = max(size[0], size[2], 1e-12)
    tall = max(float(high[1]) - height, 1e-12)
    breadth = reach + 2 * _MARGIN * min(tall, 1.5 * reach) + 0.2 * reach
    left, back = (float(low[a] + high[a]) / 2 - breadth / 2 for a in (0, 2))
    flat = torch.stack([(vertices[:, 0] - left) / breadth, (vertices[:, 2] - back) / breadth], dim=1) * 2 - 1
    above = (vertices[:, 1:2] - height) / tall
    ones = torch.ones_like(above)
    bottom, top = (
        rasterize(torch.cat([flat, sign * (above * 0.9), ones], dim=1), faces, (RESOLUTION, RESOLUTION))
        for sign in (1.0, -1.0)
    )
    lowest, highest = bottom.depth / 0.9, -top.depth / 0.9
    lowest, highest = (torch.where(bottom.covered, v, torch.full_like(v, 9.0)) for v in (lowest, highest))
    open_sky = torch.ones_like(lowest)
    for strength, start, stop in zip(_STRENGTH, _EDGES[:-1], _EDGES[1:], strict=True):
        outline = ((lowest < stop) & (highest >= start)).to(lowest) * bottom.covered
        spread = max(_SPREAD * tall * (start + stop) / 2, _LEAST_SPREAD * reach)
        open_sky *= 1 - strength * _blurred(outline, spread / breadth * RESOLUTION)
    return Shadow(height, left, back, breadth, _faded(1 - open_sky))


def shadow_seen(shadow: Shadow, camera: object, size: Size) -> Tensor:
    """How dark each pixel of the ground is, ``(H, W) float32`` in [0, 1], as a camera sees it from above.

    From the side and from below nothing of it is seen, so that no shape stands behind its own shadow.
    """
    height, width = size
    camera = as_camera(camera)
    matrix = camera.clip_matrix(size).double().cpu()
    # Of the plane's points, in coordinates of the shadow's picture, to pixels: a homography; we need its inverse.
    plane = torch.zeros(4, 3, dtype=torch.float64)
    plane[0, 0] = plane[2, 1] = shadow.breadth / 2
    plane[0, 2], plane[1, 2], plane[2, 2] = shadow.left + plane[0, 0], shadow.height, shadow.back + plane[2, 1]
    plane[3, 2] = 1.0
    onto = (matrix @ plane)[[0, 1, 3]]
    view = camera.view_matrix().double().cpu()
    above = _steepness(view, matrix, shadow)
    if above <= 0 or abs(float(torch.linalg.det(onto))) < 1e-30:
        return torch.zeros(size)
    inverse = torch.linalg.inv(onto)
    x = (torch.arange(width, dtype=torch.float64) + 0.5) * (2 / width) - 1
    y = (torch.arange(height, dtype=torch.float64) + 0.5) * (2 / height) - 1
    u, v, w = ((row[0] * x[None, :] + (row[1] * y[:, None] + row[2])).float() for row in inverse)
    # `w` is 1 over the homogeneous coordinate of the point: positive before the camera.
    before = w > 0
    w = torch.where(before, w, torch.ones_like(w))
    grid = torch.stack([u / w, v / w], dim=2)[None].nan_to_num(9.0).clamp(-9, 9)
    dark = torch.nn.functional.grid_sample(
        shadow.darkness[None, None].float(), grid, mode="bicubic", padding_mode="zeros", align_corners=False
    )[0, 0]
    return above * torch.where(before, dark.clamp(0, 1), torch.zeros_like(dark))


def _steepness(view: Tensor, matrix: Tensor, shadow: Shadow) -> float:
    """From 0, where the ground is seen from its edge or from below, to 1, a few degrees above."""
    if bool((matrix[3, :3] == 0).all()):
        sine = float(view[2, 1])
    else:
        eye = -view[:3, :3].T @ view[:3, 3]
        middle = torch.tensor([shadow.left, shadow.height, shadow.back], dtype=torch.float64)
        middle[[0, 2]] += shadow.breadth / 2
        sine = float((eye - middle)[1] / (eye - middle).norm().clamp_min(1e-12))
    return min(max(sine / 0.08, 0.0), 1.0)


def _blurred(outline: Tensor, spread: float) -> Tensor:
    """A picture ``(R, R)`` blurred by a Gaussian of `spread` pixels; beyond its border is nothing."""
    size = len(outline)
    room = size + min(math.ceil(3 * spread), size)  # the transform takes pictures to be repeated all over the plane
    places = torch.arange(room, dtype=outline.dtype)
    kernel = torch.exp(-0.5 * (torch.minimum(places, room - places) / spread) ** 2)
    weight = torch.fft.fft(kernel / kernel.sum()).real
    spectrum = torch.fft.rfft2(outline, s=(room, room)) * weight[:, None] * weight[None, : room // 2 + 1]
    return torch.fft.irfft2(spectrum, s=(room, room))[:size, :size].clamp(0, 1)


def _faded(darkness: Tensor) -> Tensor:
    """The picture ``(R, R)`` with its outermost eighth faded, so that its border never shows."""
    place = torch.linspace(-1, 1, len(darkness), dtype=darkness.dtype).abs()
    fade = ((1 - place) / 0.25).clamp(0, 1)
    fade = fade * fade * (3 - 2 * fade)
    return darkness * fade[:, None] * fade[None, :]
