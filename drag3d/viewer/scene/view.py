"""Where things are on the screen: a camera as plain numbers, the same whatever draws."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
FIELD_OF_VIEW = 30.0
"""Vertical, of cameras with perspective, degrees"""
NEAREST = 1e-9
"""Depth of what counts as before the camera, in world units"""


@dataclass(frozen=True, eq=False)
class View:
    """A camera and the size of its picture.

    ``axes`` (3, 3): rows to the right, up, and away from the viewer, unit length. ``scale``: pixels per world unit, at
    depth 1 with perspective, everywhere without.
    """

    position: Floats
    axes: Floats
    scale: float
    width: int
    height: int
    perspective: bool = True

    @property
    def forward(self) -> Floats:
        """(3,) away from the viewer, unit length."""
        return self.axes[2]

    def local(self, points: ArrayLike) -> Floats:
        """(N, 3) right, up and depth as the camera sees them, world units; of world points (N, 3)."""
        return (np.asarray(points, dtype=np.float64).reshape(-1, 3) - self.position) @ self.axes.T

    def project(self, points: ArrayLike) -> Floats:
        """(N, 3) x, y on the screen, and depth, of world points (N, 3); x and y are nan behind the camera."""
        return self.flatten(self.local(points))

    def flatten(self, local: Floats) -> Floats:
        """As :meth:`project`, of points that :meth:`local` gave."""
        depth = local[:, 2]
        if self.perspective:
            before = depth > NEAREST
            factor = np.where(before, self.scale / np.where(before, depth, 1.0), np.nan)
        else:
            factor = np.full(len(local), self.scale)
        x = (self.width - 1) / 2 + factor * local[:, 0]
        y = (self.height - 1) / 2 - factor * local[:, 1]
        return np.stack([x, y, depth], axis=1)

    def ray(self, x: float, y: float) -> tuple[Floats, Floats]:
        """Origin and unit direction (3,) of the ray through a position on the screen."""
        aside = np.array([x - (self.width - 1) / 2, (self.height - 1) / 2 - y]) / self.scale
        offset = aside @ self.axes[:2]
        if not self.perspective:
            return self.position + offset, self.forward
        direction = offset + self.forward
        return self.position, direction / math.sqrt(direction @ direction)

    def in_plane(self, x: float, y: float, depth: float) -> Floats:
        """(3,) the world point at a position on the screen and a depth."""
        origin, direction = self.ray(x, y)
        return origin + direction * ((depth - (origin - self.position) @ self.forward) / (direction @ self.forward))

    def size(self, length: float, depth: float) -> float:
        """How long a length parallel to the screen is there, in pixels; 0 for what is not before the camera."""
        if not self.perspective:
            return length * self.scale
        return length * self.scale / depth if depth > NEAREST else 0.0

    def segments(self, starts: ArrayLike, ends: ArrayLike) -> Floats:
        """(M, 4) x, y of start and end on the screen, of segments between world points (N, 3).

        What is behind the camera is cut off; segments entirely there are left out.
        """
        a, b = self.local(starts), self.local(ends)
        if self.perspective:
            near = 1e-3 * max(1.0, float(np.abs(a).max(initial=0)))
            kept = (a[:, 2] > near) | (b[:, 2] > near)
            a, b = a[kept], b[kept]
            span = b[:, 2] - a[:, 2]
            share = ((near - a[:, 2]) / np.where(span == 0, 1, span))[:, None]
            crossing = a + share * (b - a)
            crossing[:, 2] = near
            a, b = np.where(a[:, 2:] < near, crossing, a), np.where(b[:, 2:] < near, crossing, b)
        return np.concatenate([self.flatten(a)[:, :2], self.flatten(b)[:, :2]], axis=1)
