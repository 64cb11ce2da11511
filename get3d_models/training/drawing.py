"""Smooth two-dimensional drawing in torch: signed distances of simple shapes, soft coverage, painting over.

Distances are negative inside and exact to first order near the edge, which is where coverage looks at them. They are
differentiable in every argument, with finite gradients everywhere. Lengths are in units of the image's width, x to the
right, y DOWN. Coordinates and shape parameters broadcast against each other; pictures are (N, 3, H, W).
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "arch",
    "arch_stroke",
    "capsule",
    "coverage",
    "edge_width",
    "ellipse",
    "lens",
    "mix",
    "paint",
    "pixel_grid",
    "superellipse",
]

_TINY = 1e-12  # under square roots; shapes are drawn for lengths of 1e-3 and more


def ellipse(x: Tensor, y: Tensor, half_width: Tensor | float, half_height: Tensor | float) -> Tensor:
    """Distance to the ellipse around the origin."""
    u, v = x / half_width, y / half_height
    radius = (u.square() + v.square() + _TINY).sqrt()
    slope = ((u / half_width).square() + (v / half_height).square() + _TINY).sqrt()
    return radius * (radius - 1.0) / slope


def superellipse(x: Tensor, y: Tensor, half_width: Tensor | float, half_height: Tensor | float, power: float) -> Tensor:
    """Distance to |x / half_width|^power + |y / half_height|^power = 1 with ``power`` >= 2: a rounded rectangle."""
    u, v = (x / half_width).abs() + 1e-6, (y / half_height).abs() + 1e-6
    u_power, v_power = u ** (power - 1.0), v ** (power - 1.0)
    total = u * u_power + v * v_power
    slope = ((u_power / half_width).square() + (v_power / half_height).square() + _TINY).sqrt()
    radius = total ** (1.0 / power)
    # The gradient of the radius is radius * (u_power / half_width, v_power / half_height) / total.
    return (radius - 1.0) * total / (radius * slope)


def capsule(
    x: Tensor,
    y: Tensor,
    start: tuple[Tensor | float, Tensor | float],
    end: tuple[Tensor | float, Tensor | float],
    start_radius: Tensor | float,
    end_radius: Tensor | float,
) -> Tensor:
    """Distance to the segment from ``start`` to ``end`` with a radius that changes linearly along it."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    from_x, from_y = x - start[0], y - start[1]
    share = ((from_x * along_x + from_y * along_y) / (along_x * along_x + along_y * along_y + _TINY)).clamp(0.0, 1.0)
    away = ((from_x - share * along_x).square() + (from_y - share * along_y).square() + _TINY).sqrt()
    return away - (start_radius + (end_radius - start_radius) * share)


def arch(s: Tensor, roundness: float = 0.0) -> tuple[Tensor, Tensor]:
    """(1 - s^2)(1 + roundness s^2) and its slope: 1 at 0, 0 at s = -1 and 1, the profile of lids and lips."""
    square = s.square()
    value = (1.0 - square) * (1.0 + roundness * square)
    return value, s * (2.0 * roundness - 2.0 - 4.0 * roundness * square)


def lens(
    x: Tensor,
    y: Tensor,
    half_width: Tensor | float,
    top: Tensor | float,
    bottom: Tensor | float,
    bend: Tensor | float = 0.0,
    slant: Tensor | float = 0.0,
    roundness: float = 0.0,
) -> Tensor:
    """Distance to what lies between two arches from corner to corner.

    The corners are (-+half_width, bend -+ slant), the middles of the arches (0, top) and (0, bottom), top <= bottom.
    ``bend`` moves both corners down, ``slant`` the right one down and the left one up.
    """
    s = (x / half_width).clamp(-1.0, 1.0)
    profile, slope = arch(s, roundness)
    base = bend + slant * s
    slant_slope = slant / half_width
    above = base + (top - bend) * profile - y
    below = y - base - (bottom - bend) * profile
    above = above * torch.rsqrt(1.0 + ((top - bend) / half_width * slope + slant_slope).square())
    below = below * torch.rsqrt(1.0 + ((bottom - bend) / half_width * slope + slant_slope).square())
    return torch.maximum(torch.maximum(above, below), x.abs() - half_width)


def arch_stroke(
    x: Tensor,
    y: Tensor,
    half_width: Tensor | float,
    middle: Tensor | float,
    radius: Tensor | float,
    end_radius: Tensor | float,
    bend: Tensor | float = 0.0,
    slant: Tensor | float = 0.0,
    roundness: float = 0.0,
) -> Tensor:
    """Distance to a stroke with round ends along one arch of ``lens``, its middle at (0, middle).

    Its half thickness is ``radius`` in the middle and ``end_radius`` at the ends.
    """
    s = (x / half_width).clamp(-1.0, 1.0)
    profile, slope = arch(s, roundness)
    height = bend + slant * s + (middle - bend) * profile
    steepness = ((middle - bend) * slope + slant) / half_width
    across = (y - height).square() / (1.0 + steepness.square())
    beyond = (x - s * half_width).square()
    return (across + beyond + _TINY).sqrt() - (end_radius + (radius - end_radius) * profile)


def edge_width(softness: float, pixel: float) -> float:
    """Width of an edge drawn with ``softness`` and averaged over pixels of size ``pixel``.

    The variances add: a smoothstep of width w has w^2 / 20, a box of width p has p^2 / 12. So a small picture looks
    like the area average of a large one.
    """
    return float((softness**2 + pixel**2 * 20.0 / 12.0) ** 0.5)


def coverage(distance: Tensor, width: Tensor | float) -> Tensor:
    """Share of a point that a shape covers: 1 inside, 0 outside, a smoothstep of ``width`` across the edge."""
    share = (0.5 - distance / width).clamp(0.0, 1.0)
    return share.square() * (3.0 - 2.0 * share)


def mix(first: Tensor, second: Tensor, share: Tensor | float) -> Tensor:
    return first + (second - first) * share


def paint(picture: Tensor, color: Tensor, cover: Tensor) -> Tensor:
    """``picture`` (N, 3, H, W) with ``color`` (N, 3, 1, 1) or (N, 3, H, W) over it where ``cover`` (N, H, W) says."""
    return picture + (color - picture) * cover[:, None]


def pixel_grid(resolution: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Unit coordinates (1, R, R) of pixel centres: x to the right, y down."""
    axis = (torch.arange(resolution, device=like.device, dtype=like.dtype) + 0.5) / resolution
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x[None], y[None]
