"""Light on surfaces: colours of points from their own colour, their normal, and lights; differentiable in all of them.

Colours are mixed in linear light, where adding is what light does. What people store and screens show is display sRGB:
`to_linear` before, `to_display` after. Under `STUDIO`, a surface that faces the viewer shows about the colour it has.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from drag3d.rendering.camera import Triple, as_camera

_SHOULDER = 0.8  # brighter light is compressed, so that nothing is cut off at white


def to_linear(display: Tensor) -> Tensor:
    """Display sRGB in [0, 1] to linear light, any shape (IEC 61966-2-1); differentiable."""
    return torch.where(display <= 0.04045, display / 12.92, ((display.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def to_display(linear: Tensor) -> Tensor:
    """Linear light to display sRGB, any shape; the inverse of :func:`to_linear`; differentiable."""
    power = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, power)


def rolled_off(linear: Tensor) -> Tensor:
    """Light of any strength as light in [0, 1): what is bright is compressed smoothly, the rest is as it was."""
    rest = 1 - _SHOULDER
    return torch.where(linear <= _SHOULDER, linear, _SHOULDER + rest * torch.tanh((linear - _SHOULDER) / rest))


@dataclass(frozen=True)
class Light:
    """A light far away that keeps its place beside the viewer."""

    direction: Triple
    """Where it stands, as the viewer sees it: right, up, towards the viewer; of any length"""
    color: Triple
    """Linear, its strength included"""
    wrap: float = 0.0
    """How far its light reaches round the surface: 0 is a point, 1 a wall of light"""


@dataclass(frozen=True)
class Lighting:
    """Lights, and the light of the surroundings, which depends on the world's up direction. Colours are linear."""

    lights: tuple[Light, ...]
    sky: Triple
    ground: Triple


STUDIO = Lighting(
    lights=(
        Light((-0.70, 0.85, 0.90), (0.74, 0.72, 0.685), wrap=0.15),
        Light((0.90, 0.10, 0.90), (0.15, 0.16, 0.18), wrap=0.30),
        Light((0.55, 0.75, -0.90), (0.50, 0.52, 0.56)),
    ),
    sky=(0.43, 0.445, 0.47),
    ground=(0.22, 0.215, 0.21),
)
"""A warm key light from the upper left, a cool fill light from the right, a light from behind that draws the rim."""


@dataclass(frozen=True)
class Material:
    """How a surface shines: strength of its highlights, and how small they are."""

    specular: float = 0.05
    shininess: float = 24.0


def shade(
    colors: Tensor,
    normals: Tensor,
    towards: Tensor,
    lights: Tensor,
    lighting: Lighting = STUDIO,
    material: Material | None = None,
    open_share: Tensor | None = None,
) -> Tensor:
    """Linear light ``(P, 3)`` that comes from points to the viewer; differentiable.

    colors: ``(P, 3)`` linear. normals, towards: ``(P, 3)`` unit; the latter point to the viewer. lights: ``(L, 3)``
    unit directions to ``lighting.lights`` in the same frame, see :func:`light_directions`. open_share: ``(P,)`` how
    much of its surroundings each point sees, in [0, 1]; all of it, if None.
    """
    material = material or Material()
    share = colors.new_ones(len(colors), 1) if open_share is None else open_share[:, None]
    sky, ground = colors.new_tensor(lighting.sky), colors.new_tensor(lighting.ground)
    lamps = colors.new_tensor([lamp.color for lamp in lighting.lights])
    wraps = colors.new_tensor([lamp.wrap for lamp in lighting.lights])
    directions = lights.to(colors).T
    upward = 0.5 + 0.5 * normals[:, 1:2]
    facing = normals @ directions
    # What sees little of its surroundings sees little of a lamp as well: lamps of a studio are large.
    lit = ((facing + wraps) / (1 + wraps)).clamp_min(0) * (0.35 + 0.65 * share)
    light = share * (ground + upward * (sky - ground)) + lit @ lamps
    # The cosine between the normal and the direction halfway between viewer and lamp, whose length is that root.
    halfway = (2 + 2 * (towards @ directions)).clamp_min(1e-6).sqrt()
    glance = ((facing + torch.linalg.vecdot(normals, towards)[:, None]) / halfway).clamp(1e-6, 1) ** material.shininess
    shine = material.specular * (material.shininess + 8) / 8 * ((lit * glance) @ lamps)
    return rolled_off(colors * light + shine)


def light_directions(lighting: Lighting, camera: object) -> Tensor:
    """Unit directions ``(L, 3) float64`` to the lights, in the world of whoever looks through the camera."""
    directions = torch.tensor([lamp.direction for lamp in lighting.lights], dtype=torch.float64)
    turned = directions @ as_camera(camera).view_matrix()[:3, :3].to(directions)
    return torch.nn.functional.normalize(turned, dim=1)


def towards_viewer(camera: object, points: Tensor) -> Tensor:
    """Unit directions ``(V, 3)`` from world points ``(V, 3)`` to the viewer; one and the same without perspective."""
    camera = as_camera(camera)
    view = camera.view_matrix().to(points.device, torch.float64)
    # Without perspective, the homogeneous coordinate is the same everywhere.
    if bool((camera.clip_matrix((1, 1))[3, :3] == 0).all()):
        return view[2, :3].to(points).expand_as(points)
    eye = (-view[:3, :3].T @ view[:3, 3]).to(points)
    return torch.nn.functional.normalize(eye - points, dim=1)
