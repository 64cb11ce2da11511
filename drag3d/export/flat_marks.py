"""Flat marks painted on pictures: discs, rings and arrows with smooth edges, known by the distance to their edge."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

HANDLE, TARGET, ARROW, RIM = (229, 35, 46), (31, 95, 224), (57, 66, 78), (255, 255, 255)
"""Colours of marks, 8-bit display sRGB, in all pictures."""

Place = npt.NDArray[np.float64]


class Mark(Protocol):
    """A flat shape in pixel coordinates (x, y)."""

    def box(self) -> tuple[Place, Place]:
        """Low and high corner of what it covers."""
        ...

    def distance(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """From the edge, negative inside."""
        ...


class Disc:
    """A disc: centre (x, y) and radius in pixels; with `width` only so much of it at its edge, a ring."""

    def __init__(self, center: Place, radius: float, width: float = math.inf) -> None:
        self.center, self.radius, self.width = center, radius, width

    def box(self) -> tuple[Place, Place]:
        return self.center - self.radius, self.center + self.radius

    def distance(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        outside = np.hypot(x - self.center[0], y - self.center[1]) - self.radius
        return np.maximum(outside, -self.width - outside)


class Arrow:
    """A shaft with a pointed head, from `start` to `end`."""

    def __init__(self, start: Place, end: Place, radius: float, rim: float = 0.0) -> None:
        self.start, self.length, self.rim = start, float(np.linalg.norm(end - start)), rim
        self.along = (end - start) / self.length
        self.head, self.half, self.shaft = min(2.4 * radius, self.length), 1.05 * radius, 0.36 * radius

    def box(self) -> tuple[Place, Place]:
        ends = np.stack([self.start, self.start + self.length * self.along])
        return ends.min(axis=0) - self.half - self.rim, ends.max(axis=0) + self.half + self.rim

    def distance(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """From the edge, negative inside (less than the true distance beyond corners, which only cuts them)."""
        (dx, dy), x, y = self.along, x - self.start[0], y - self.start[1]
        forward, aside = x * dx + y * dy, np.abs(y * dx - x * dy)
        neck = self.length - self.head
        slope = math.hypot(self.head, self.half)
        head = np.maximum((aside * self.head - (self.length - forward) * self.half) / slope, neck - forward)
        shaft = np.maximum(aside - self.shaft, np.maximum(-forward, forward - neck))
        return np.minimum(head, shaft) - self.rim


def paint(
    canvas: npt.NDArray[Any], mark: Mark, color: Any, opacity: float = 1.0, below: npt.NDArray[Any] | None = None
) -> None:
    """Blend a mark into the canvas (H, W, 3) float; a pixel that its edge crosses is covered in part.

    color: (3,), of the canvas's scale. below: (H, W) how much of each pixel is covered by what lies on top of the mark.
    """
    low, high = mark.box()
    if not (np.abs(low) < 1e7).all() or not (np.abs(high) < 1e7).all():
        return  # a tracked point may be anywhere; so far away nothing of it shows
    x0, y0 = np.maximum(np.floor(low).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(high).astype(int) + 2, [canvas.shape[1], canvas.shape[0]])
    if x0 >= x1 or y0 >= y1:
        return
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float64)
    cover = opacity * np.clip(0.5 - mark.distance(x, y), 0, 1)[..., None]
    if below is not None:
        cover = cover * (1 - below[y0:y1, x0:x1, None])
    window = canvas[y0:y1, x0:x1]
    window += cover * (np.array(color, np.float32) - window)
