"""Text as pixels: the same letters on every machine, with the signs that captions need."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from PIL import ImageFont


@cache
def font(size: int, bold: bool = False) -> Any:
    """DejaVu Sans, which comes with matplotlib, which PyVista needs; else Pillow's own, which has fewer signs."""
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
