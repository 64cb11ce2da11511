"""Pictures of image edits: an image with its handles, targets and arrows on it, and before beside after."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from drag3d.export.atomic import write_bytes_atomically
from drag3d.export.mesh import as_array
from get3d_models.errors import InputError

SHOWN_SIZE = 512
"""Smaller images are shown enlarged, by a whole factor, until their longer side has at least so many pixels."""

_HANDLE, _TARGET, _ARROW, _RIM = (229, 35, 46), (31, 95, 224), (57, 66, 78), (255, 255, 255)  # as in pictures of shapes
_PAPER, _INK = (244, 246, 249), (43, 52, 64)
_RADIUS = 0.0115  # of a mark, as a share of the shown image's mean side

Picture = npt.NDArray[np.uint8]
_Place = npt.NDArray[np.float64]


def marked_image(image: Any, handles: Any = (), targets: Any = (), *, arrows: bool = True) -> Picture:
    """`image` (H, W, 3) uint8, enlarged if small, with its points on it; returns (h, w, 3) uint8.

    handles: (N, 2) drawn red. targets: (M, 2) drawn blue. Pixels (x, y) of `image`: centres at integers, origin top
    left. With `arrows`, one leads from each handle to the target of the same number. The marks' size follows the
    image's, and their edges are smooth. Raises `InputError` for what is no image or no point.
    """
    image = _checked_image(image)
    handles, targets = _checked_points("handles", handles), _checked_points("targets", targets)
    if arrows and len(handles) != len(targets):
        raise InputError("the picture's arrows need as many targets as handles")
    height, width = image.shape[:2]
    factor = math.ceil(SHOWN_SIZE / max(height, width))
    shown = Image.fromarray(image).resize((factor * width, factor * height), Image.Resampling.BICUBIC)
    canvas = np.asarray(shown).astype(np.float32)
    handles, targets = ((places + 0.5) * factor - 0.5 for places in (handles, targets))
    radius = max(2.5, _RADIUS * math.sqrt(canvas.shape[0] * canvas.shape[1]))
    if arrows:
        for handle, target in zip(handles, targets, strict=True):
            _draw_arrow(canvas, handle, target, radius)
    for target in targets:
        _paint(canvas, _Disc(target, 1.7 * radius), _TARGET, 0.3)
        _draw_disc(canvas, target, 0.85 * radius, _TARGET)
    for handle in handles:
        _draw_disc(canvas, handle, radius, _HANDLE)
    return np.round(canvas).astype(np.uint8)


def draw_image_comparison(
    path: str | os.PathLike[str],
    before: Any,
    after: Any,
    handles: Any,
    targets: Any,
    *,
    ends: Any = (),
    titles: tuple[str, str] = ("before", "after"),
) -> Path:
    """Draw an edit as two panels: the image with handles, targets and arrows, and the edited one with where they went.

    before, after: (H, W, 3) uint8. handles, targets: (N, 2) pixels as in `marked_image`. ends: (N, 2) where the handles
    are after the drag, or empty. Writes a PNG, replacing an older file in one step. Raises `InputError` for another
    suffix and for what is no image or no point.
    """
    if Path(path).suffix.lower() != ".png":
        raise InputError(f"cannot draw {path}: its name must end in .png")
    panels = (marked_image(before, handles, targets), marked_image(after, ends, targets, arrows=False))
    legend = "red: handle    blue: target"
    sheet = _sheet(panels, titles, (legend, legend if len(ends) else "blue: target"))
    content = io.BytesIO()
    sheet.save(content, format="PNG")
    return write_bytes_atomically(path, content.getvalue())


def _sheet(panels: tuple[Picture, ...], titles: tuple[str, ...], captions: tuple[str, ...]) -> Image.Image:
    """Panels side by side on paper, their titles above and captions below."""
    width, height = max(p.shape[1] for p in panels), max(p.shape[0] for p in panels)
    gap, bar = round(0.03 * height), round(0.085 * height)
    sheet = Image.new("RGB", (len(panels) * (width + gap) + gap, height + 2 * bar), _PAPER)
    words = ImageDraw.Draw(sheet)
    for number, (panel, title, caption) in enumerate(zip(panels, titles, captions, strict=True)):
        left = gap + number * (width + gap)
        corner = left + (width - panel.shape[1]) // 2, bar + (height - panel.shape[0]) // 2
        sheet.paste(Image.fromarray(panel), corner)
        for text, y, size in ((title, bar / 2, 0.045), (caption, 1.5 * bar + height, 0.028)):
            font = ImageFont.load_default(size * height)
            words.text((left + width / 2, y), text, _INK, font, anchor="mm")
    return sheet


# ---- marks: smooth shapes, known by the distance to their edge ------------------------------------------------------


class _Disc:
    """A disc: centre (x, y) and radius in pixels."""

    def __init__(self, center: _Place, radius: float) -> None:
        self.center, self.radius = center, radius

    def box(self) -> tuple[_Place, _Place]:
        return self.center - self.radius, self.center + self.radius

    def distance(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """From the edge, negative inside."""
        return np.hypot(x - self.center[0], y - self.center[1]) - self.radius


class _Arrow:
    """A shaft with a pointed head, from `start` to `end`."""

    def __init__(self, start: _Place, end: _Place, radius: float, rim: float = 0.0) -> None:
        self.start, self.length, self.rim = start, float(np.linalg.norm(end - start)), rim
        self.along = (end - start) / self.length
        self.head, self.half, self.shaft = min(2.4 * radius, self.length), 1.05 * radius, 0.36 * radius

    def box(self) -> tuple[_Place, _Place]:
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


def _draw_disc(canvas: npt.NDArray[Any], center: _Place, radius: float, color: tuple[int, int, int]) -> None:
    _paint(canvas, _Disc(center, 1.25 * radius), _RIM)
    _paint(canvas, _Disc(center, radius), color)


def _draw_arrow(canvas: npt.NDArray[Any], handle: _Place, target: _Place, radius: float) -> None:
    """Dark with a light rim, so that it shows on any ground; nothing where the two discs (nearly) touch."""
    way = target - handle
    length = float(np.linalg.norm(way))
    start, end = handle + 1.25 * radius * way / max(length, 1e-9), target - 1.1 * radius * way / max(length, 1e-9)
    if length <= 2.35 * radius + 1:
        return
    _paint(canvas, _Arrow(start, end, radius, rim=0.3 * radius), _RIM, 0.85)
    _paint(canvas, _Arrow(start, end, radius), _ARROW)


def _paint(canvas: npt.NDArray[Any], mark: _Disc | _Arrow, color: tuple[int, int, int], opacity: float = 1.0) -> None:
    """Blend a mark into the canvas (H, W, 3) float; a pixel that its edge crosses is covered in part."""
    low, high = mark.box()
    if not (np.abs(low) < 1e7).all() or not (np.abs(high) < 1e7).all():
        return  # a tracked point may be anywhere; so far away nothing of it shows
    x0, y0 = np.maximum(np.floor(low).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(high).astype(int) + 2, [canvas.shape[1], canvas.shape[0]])
    if x0 >= x1 or y0 >= y1:
        return
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float64)
    cover = opacity * np.clip(0.5 - mark.distance(x, y), 0, 1)[..., None]
    window = canvas[y0:y1, x0:x1]
    window += cover * (np.array(color, np.float32) - window)


def _checked_image(image: Any) -> Picture:
    array = as_array(image)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or 0 in array.shape:
        raise InputError(f"an image must be of shape (H, W, 3) and uint8, not {array.shape} and {array.dtype}")
    return array


def _checked_points(name: str, points: Any) -> _Place:
    array = as_array(points).astype(np.float64)
    if array.size == 0:
        return np.zeros((0, 2))
    if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
        raise InputError(f"the picture's {name} must be finite points of shape (N, 2), not of shape {array.shape}")
    return array
