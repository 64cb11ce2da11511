"""Pictures of image edits: an image with its handles, targets and arrows on it, and before beside after."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from drag3d.export.atomic import write_bytes_atomically
from drag3d.export.flat_marks import ARROW, HANDLE, RIM, TARGET, Arrow, Disc, Place, paint
from drag3d.export.mesh import as_array
from drag3d.export.sheet import LEGEND, LEGEND_OF_TARGETS, sheet
from get3d_models.errors import InputError

SHOWN_SIZE = 512
"""Smaller images are shown enlarged, by a whole factor, until their longer side has at least so many pixels."""

_RADIUS = 0.0115  # of a mark, as a share of the shown image's mean side

Picture = npt.NDArray[np.uint8]


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
        paint(canvas, Disc(target, 1.7 * radius), TARGET, 0.3)
        _draw_disc(canvas, target, 0.85 * radius, TARGET)
    for handle in handles:
        _draw_disc(canvas, handle, radius, HANDLE)
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
    content = io.BytesIO()
    sheet(panels, titles, (LEGEND, LEGEND if len(ends) else LEGEND_OF_TARGETS)).save(content, format="PNG")
    return write_bytes_atomically(path, content.getvalue())


def _draw_disc(canvas: npt.NDArray[Any], center: Place, radius: float, color: tuple[int, int, int]) -> None:
    paint(canvas, Disc(center, 1.25 * radius), RIM)
    paint(canvas, Disc(center, radius), color)


def _draw_arrow(canvas: npt.NDArray[Any], handle: Place, target: Place, radius: float) -> None:
    """Dark with a light rim, so that it shows on any ground; nothing where the two discs (nearly) touch."""
    way = target - handle
    length = float(np.linalg.norm(way))
    start, end = handle + 1.25 * radius * way / max(length, 1e-9), target - 1.1 * radius * way / max(length, 1e-9)
    if length <= 2.35 * radius + 1:
        return
    paint(canvas, Arrow(start, end, radius, rim=0.3 * radius), RIM, 0.85)
    paint(canvas, Arrow(start, end, radius), ARROW)


def _checked_image(image: Any) -> Picture:
    array = as_array(image)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or 0 in array.shape:
        raise InputError(f"an image must be of shape (H, W, 3) and uint8, not {array.shape} and {array.dtype}")
    return array


def _checked_points(name: str, points: Any) -> Place:
    array = as_array(points).astype(np.float64)
    if array.size == 0:
        return np.zeros((0, 2))
    if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
        raise InputError(f"the picture's {name} must be finite points of shape (N, 2), not of shape {array.shape}")
    return array
