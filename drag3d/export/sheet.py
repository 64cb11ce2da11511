"""Words on pictures, and pictures side by side on paper with words above and below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

PAPER, INK = (244, 246, 249), (43, 52, 64)
LEGEND, LEGEND_OF_TARGETS = "red: handle    blue: target", "blue: target"


def write_words(image: Image.Image, text: str, center: tuple[float, float], size: float) -> None:
    """Write one line into an image, around a place (x, y) in pixels; `size` is the font's, in pixels.

    The font comes with Pillow, so it looks the same everywhere.
    """
    if text:
        ImageDraw.Draw(image).text(center, text, INK, ImageFont.load_default(max(size, 9)), anchor="mm")


def sheet(panels: Sequence[npt.NDArray[Any]], titles: Sequence[str], captions: Sequence[str]) -> Image.Image:
    """Pictures (h, w, 3) uint8 side by side on paper, their titles above and captions below."""
    width, height = max(p.shape[1] for p in panels), max(p.shape[0] for p in panels)
    gap, bar = round(0.03 * height), round(0.085 * height)
    whole = Image.new("RGB", (len(panels) * (width + gap) + gap, height + 2 * bar), PAPER)
    for number, (panel, title, caption) in enumerate(zip(panels, titles, captions, strict=True)):
        left = gap + number * (width + gap)
        corner = left + (width - panel.shape[1]) // 2, bar + (height - panel.shape[0]) // 2
        whole.paste(Image.fromarray(np.ascontiguousarray(panel)), corner)
        for text, y, size in ((title, bar / 2, 0.045), (caption, 1.5 * bar + height, 0.028)):
            write_words(whole, text, (left + width / 2, y), size * height)
    return whole
