"""Masks: which pixels of an image may move (white) and which must stay (black)."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from get3d_models.errors import InputError

WHITE = 128
"""From this level on a pixel may move."""
LARGEST_FILE = 64 << 20
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Warning)
"""What Pillow raises for damaged files"""


@dataclass(frozen=True, eq=False)
class Mask:
    """Which pixels may move: ``free`` (H, W) bool. Some may and some must not; anything else is no mask."""

    free: NDArray[np.bool_]

    def __post_init__(self) -> None:
        free = np.array(self.free, dtype=bool)
        if free.ndim != 2 or not free.size:
            raise InputError(f"a mask is an array (H, W), not of shape {free.shape}")
        if not free.any():
            raise InputError("the mask is black all over, so nothing could move; paint white what may move")
        free.flags.writeable = False
        object.__setattr__(self, "free", free)

    @classmethod
    def of(cls, given: Any, size: tuple[int, int]) -> Mask:
        """The mask of a PNG's path or an array (H, W) of bool or uint8, for an image of ``size`` = (width, height).

        Raises InputError for a file that is no PNG, is damaged or too large; for another size than the image's; and
        where no pixel may move.
        """
        named = f"the mask {os.fspath(given)}" if isinstance(given, str | os.PathLike) else "the mask"
        levels = _read(Path(given), size) if isinstance(given, str | os.PathLike) else _array(given)
        height, width = levels.shape
        if (width, height) != size:
            raise InputError(f"{named} is {width} x {height} pixels, but the image is {size[0]} x {size[1]}")
        if levels.dtype == np.uint8 and 0 < levels.max() < WHITE:
            brightest = f"its brightest level is {levels.max()} and white is {WHITE} to 255"
            raise InputError(f"nothing could move: {named} has no white pixel, {brightest}; give 0 and 1 as bool")
        if not levels.any():
            raise InputError(f"nothing could move: {named} is black all over; paint white what may move")
        return cls(np.asarray(levels >= (1 if levels.dtype == bool else WHITE)))

    @property
    def all_free(self) -> bool:
        """Whether everything may move."""
        return bool(self.free.all())

    def may_move(self, points: Any) -> NDArray[np.bool_]:
        """Which of the points (N, 2), pixels inside the image, lie on a pixel that may move: (N,)."""
        x, y = np.floor(np.asarray(points, dtype=np.float64).reshape(-1, 2).T + 0.5).astype(np.int64)
        height, width = self.free.shape
        return np.asarray(self.free[y.clip(0, height - 1), x.clip(0, width - 1)])

    def __eq__(self, other: object) -> bool:
        return np.array_equal(self.free, other.free) if isinstance(other, Mask) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.free.shape, self.free.tobytes()))


def _array(given: Any) -> NDArray[Any]:
    if hasattr(given, "cpu"):
        given = given.detach().cpu().numpy()
    wanted = "a mask is the path of a PNG or an array (H, W) of bool or uint8"
    if not isinstance(given, np.ndarray):
        raise InputError(f"{wanted}, not {type(given).__name__}")
    if given.ndim != 2 or given.dtype not in (np.bool_, np.uint8) or not given.size:
        raise InputError(f"{wanted}, not of shape {given.shape} and {given.dtype}")
    return given


def _read(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Grey levels (H, W) of a PNG; its pixels are decoded only when there are as many as needed."""
    try:
        if not path.is_file():
            wrong = "is a directory" if path.is_dir() else "is no ordinary file" if path.exists() else "does not exist"
            raise InputError(f"cannot read the mask {path}: it {wrong}; give a PNG, white where things may move")
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"the mask {path} is too large for a file; give a PNG of {size[0]} x {size[1]} pixels")
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow only warns of a somewhat too large picture
            with Image.open(path, formats=["PNG"]) as image:
                if image.size != size:
                    shown = f"{image.width} x {image.height}"
                    raise InputError(f"the mask {path} is {shown} pixels, but the image is {size[0]} x {size[1]}")
                return _levels(image)
    except InputError:
        raise
    except PermissionError:
        raise InputError(f"cannot read the mask {path}: permission denied") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"the mask {path} is far too large; give a PNG of {size[0]} x {size[1]} pixels") from None
    except _UNREADABLE as error:
        said = " ".join(str(error).split())[:80] or type(error).__name__
        raise InputError(f"the mask {path} is not a usable PNG ({said}); save it again as PNG") from None


def _levels(image: Image.Image) -> NDArray[np.uint8]:
    """Luminance of any kind of PNG. What is transparent shows black: white strokes on an empty layer are a mask."""
    if image.mode.startswith("I"):  # 16 bits; Pillow would clip where it must divide
        return (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
    if "A" in image.mode or "transparency" in image.info:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (0, 0, 0, 255)), over)
    return np.array(image.convert("L"))
