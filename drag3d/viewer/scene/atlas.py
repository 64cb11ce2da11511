"""The little pictures that marks are put together from, all in one: discs, rings, lines, arrow heads, numbers.

They are painted at the size at which they are shown, with smooth edges. White ones take any colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from drag3d.viewer.scene.fonts import font

WIDTH = 512
GAP = 2  # between two pictures, so that none shows at another's edge
DOT, RIM, RING, TARGET = 7.0, 2.0, 12.5, 6.0
"""Radius of a handle's dot, width of its white rim, radius of the selected one's ring, radius of a target's dot"""
SHAFT, CASING = 2.4, 5.4
"""Width of an arrow, and of the light line below it"""
HEAD = (15.0, 14.0)
"""Length and width of an arrow head"""
BOX_HEIGHT = 17.0

Distance = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Sprite:
    """One of the pictures: its size in pixels, and where it lies in the atlas, in shares of it."""

    width: float
    height: float
    low: tuple[float, float]
    high: tuple[float, float]


class Atlas:
    """All the pictures, at a scale (device pixels per pixel of design), with so many ``numbers``, from 0 on."""

    def __init__(self, scale: float, numbers: int) -> None:
        self.scale, self.numbers = scale, numbers
        pictures = {
            "dot": self._white(DOT, lambda x, y: np.hypot(x, y) - DOT * scale),
            "rim": self._white(DOT + RIM, lambda x, y: np.hypot(x, y) - (DOT + RIM) * scale),
            "target": self._white(TARGET, lambda x, y: np.hypot(x, y) - TARGET * scale),
            "target rim": self._white(TARGET + RIM, lambda x, y: np.hypot(x, y) - (TARGET + RIM) * scale),
            "ring": self._white(RING, lambda x, y: np.abs(np.hypot(x, y) - (RING - 1.2) * scale) - 1.2 * scale),
            "ring rim": self._white(
                RING + 1.4, lambda x, y: np.abs(np.hypot(x, y) - (RING - 1.2) * scale) - 2.5 * scale
            ),
            "head": self._white(HEAD[0] / 2 + 3, lambda x, y: _triangle(x, y, scale)),
            "head rim": self._white(HEAD[0] / 2 + 3, lambda x, y: _triangle(x, y, scale) - 1.5 * scale),
            "line": self._white(SHAFT / 2, lambda _, y: np.abs(y) - SHAFT / 2 * scale),
            "casing": self._white(CASING / 2, lambda _, y: np.abs(y) - CASING / 2 * scale),
        }
        pictures.update({f"number {n}": _label(str(n), scale) for n in range(numbers)})
        self.sprites, self.pixels = _packed(pictures)

    def _white(self, reach: float, distance: Distance) -> NDArray[np.uint8]:
        """White where the distance to the edge is negative, out to ``reach`` from the middle."""
        half = math.ceil(reach * self.scale) + 1.5
        axis = np.arange(0.5, 2 * half) - half
        cover = np.clip(0.5 - distance(axis[None, :], axis[:, None]), 0, 1)
        pixels = np.full((len(axis), len(axis), 4), 255, np.uint8)
        pixels[..., 3] = np.broadcast_to(255 * cover, pixels.shape[:2])
        return pixels


def _triangle(x: NDArray[np.float64], y: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Distance to the edge of an arrow head that points to the right, its middle at the origin."""
    length, half = HEAD[0] * scale, HEAD[1] / 2 * scale
    forward, aside = x + length / 2, np.abs(y)
    sides = (aside * length - (length - forward) * half) / math.hypot(length, half)
    return np.maximum(sides, -forward)


def _label(text: str, scale: float) -> NDArray[np.uint8]:
    """White letters in a dark box with round corners."""
    fine, letters = 3, font(round(11.5 * scale * 3), bold=True)
    left, top, right, bottom = letters.getbbox(text)
    height = round(BOX_HEIGHT * scale)
    width = max(round((right - left) / fine + 9 * scale), height)
    picture = Image.new("RGBA", (width * fine, height * fine), (255, 255, 255, 0))
    draw = ImageDraw.Draw(picture)
    corner = (0, 0, width * fine - 1, height * fine - 1)
    draw.rounded_rectangle(corner, 5 * scale * fine, (255, 255, 255, 235))
    edge = round(1.2 * scale * fine)
    inner = (edge, edge, width * fine - 1 - edge, height * fine - 1 - edge)
    draw.rounded_rectangle(inner, 4 * scale * fine, (27, 31, 38, 255))
    place = ((width * fine - left - right) / 2, (height * fine - top - bottom) / 2)
    draw.text(place, text, fill=(255, 255, 255, 255), font=letters)
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX))


def _packed(pictures: dict[str, NDArray[np.uint8]]) -> tuple[dict[str, Sprite], NDArray[np.uint8]]:
    """Where each picture lies, and all of them in rows, the atlas (H, W, 4)."""
    places, x, y, row = {}, GAP, GAP, 0
    for name, pixels in pictures.items():
        height, width = pixels.shape[:2]
        if x + width + GAP > WIDTH:
            x, y, row = GAP, y + row + GAP, 0
        places[name] = (x, y)
        x, row = x + width + GAP, max(row, height)
    total = y + row + GAP
    atlas = np.full((total, WIDTH, 4), 255, np.uint8)
    atlas[..., 3] = 0
    sprites = {}
    for name, (left, top) in places.items():
        height, width = pictures[name].shape[:2]
        atlas[top : top + height, left : left + width] = pictures[name]
        low, high = (left / WIDTH, top / total), ((left + width) / WIDTH, (top + height) / total)
        sprites[name] = Sprite(width, height, low, high)
    return sprites, atlas
