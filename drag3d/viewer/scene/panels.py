"""Text over the picture: the help and the caption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper, vtkTexture

from drag3d.viewer.scene.arrays import as_cells, as_image, as_vtk
from drag3d.viewer.scene.fonts import font

PAPER, INK, FAINT = (20, 23, 29, 238), (236, 239, 243, 255), (158, 190, 240, 255)
LARGEST, SMALLEST = 18, 8
"""Sizes of letters in the help, pixels of design"""


class Panel:
    """A rectangle of pixels on the screen, drawn as they are."""

    def __init__(self) -> None:
        self._data, mapper, self.actor, self._texture = vtkPolyData(), vtkPolyDataMapper(), vtkActor(), vtkTexture()
        self._data.SetPolys(as_cells([[0, 1, 2, 3]]))
        self._data.GetPointData().SetTCoords(as_vtk(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)))
        mapper.SetInputData(self._data)
        self._texture.InterpolateOff()
        self.actor.SetMapper(mapper)
        self.actor.SetTexture(self._texture)
        self.actor.GetProperty().LightingOff()
        self.actor.ForceTranslucentOn()
        self.actor.VisibilityOff()

    def show(self, pixels: NDArray[np.uint8] | None, left: int, top: int, depth: float) -> None:
        """Pixels (H, W, 4) with their corner there, before what has less depth; None: nothing."""
        self.actor.SetVisibility(pixels is not None)
        if pixels is None:
            return
        self._texture.SetInputData(as_image(pixels))
        (height, width), x, y = pixels.shape[:2], left - 0.5, top - 0.5
        corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
        points = vtkPoints()
        points.SetData(as_vtk(np.array([[*corner, depth] for corner in corners], np.float32)))
        self._data.SetPoints(points)
        self._data.Modified()


def caption_pixels(text: str, width: int, scale: float) -> NDArray[np.uint8]:
    """A line in a dark box, at most so wide: what does not fit ends in an ellipsis."""
    letters = font(max(round(12.5 * scale), 6))
    pad_x, pad_y = round(9 * scale), round(5 * scale)
    room = max(width - 2 * pad_x, 1)
    if letters.getlength(text) > room:
        while text and letters.getlength(text + "…") > room:
            text = text[:-1]
        text += "…"
    ascent, descent = letters.getmetrics()
    size = (math.ceil(letters.getlength(text)) + 2 * pad_x, ascent + descent + 2 * pad_y)
    picture = Image.new("RGBA", size, (*PAPER[:3], 0))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 6 * scale, (*PAPER[:3], 190))
    draw.text((pad_x, pad_y), text, fill=INK, font=letters)
    return np.asarray(picture)


def help_pixels(lines: Sequence[tuple[str, str]], width: int, height: int, scale: float) -> NDArray[np.uint8]:
    """The help in a window of that size: two columns, keys and what they do, in blocks side by side where need be.

    Letters are as large as fits, within limits; in a window too small for the smallest the rest is cut off.
    """
    best = None
    for size in range(LARGEST, SMALLEST - 1, -1):
        for blocks in (1, 2):
            layout = _Layout(lines, max(round(size * scale), 5), blocks)
            best = layout
            if layout.width <= 0.96 * width and layout.height <= 0.94 * height:
                return layout.painted(width, height)
    assert best is not None
    return best.painted(width, height)


class _Layout:
    """Lines of a size in so many blocks."""

    def __init__(self, lines: Sequence[tuple[str, str]], size: int, blocks: int) -> None:
        self.letters, self.keys, self.title = font(size), font(size, bold=True), font(round(1.35 * size), bold=True)
        rows = math.ceil(len(lines) / blocks)
        self.blocks = [lines[i : i + rows] for i in range(0, len(lines), max(rows, 1))]
        self.row, self.gap, self.pad, self.top = round(1.62 * size), round(1.2 * size), 2 * size, round(4.4 * size)
        widths = [
            (
                math.ceil(max(self.keys.getlength(key) for key, _ in block)),
                math.ceil(max(self.letters.getlength(text) for _, text in block)),
            )
            for block in self.blocks
        ]
        self.widths = widths
        between = round(2.6 * size)
        self.between = between
        self.width = 2 * self.pad + sum(a + self.gap + b for a, b in widths) + between * (len(widths) - 1)
        self.height = self.pad + self.top + rows * self.row

    def painted(self, width: int, height: int) -> NDArray[np.uint8]:
        """The pixels, no larger than the window."""
        picture = Image.new("RGBA", (self.width, self.height), (*PAPER[:3], 0))
        draw = ImageDraw.Draw(picture)
        draw.rounded_rectangle((0, 0, self.width - 1, self.height - 1), self.pad // 2, PAPER)
        draw.text((self.pad, self.pad * 0.8), "Mouse and keys", fill=INK, font=self.title)
        left: float = self.pad
        for block, (first, second) in zip(self.blocks, self.widths, strict=True):
            for number, (key, text) in enumerate(block):
                self._line(draw, left, self.top + number * self.row, first, key, text)
            left += first + self.gap + second + self.between
        return np.asarray(picture)[: max(height, 1), : max(width, 1)]

    def _line(self, draw: Any, left: float, top: float, first: int, key: str, text: str) -> None:
        draw.text((left + first - self.keys.getlength(key), top), key, fill=FAINT, font=self.keys)
        draw.text((left + first + self.gap, top), text, fill=INK, font=self.letters)
