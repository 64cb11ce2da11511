"""Writing an image as PNG or JPEG, sRGB, with what made it.

- PNG: metadata are text entries (`tEXt`, or `iTXt` where a name is not Latin-1), one each, beside "Software"; the
  `sRGB` chunk says how levels are meant.
- JPEG: quality 95 without colour subsampling; metadata are one JSON object in the comment, and EXIF names the software
  and says sRGB.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from drag3d.export.atomic import write_bytes_atomically
from drag3d.export.mesh import GENERATOR, as_array
from get3d_models.errors import InputError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_QUALITY = 95
_SRGB_PERCEPTUAL = b"\x00"  # PNG specification, section 11.3.2.5
_EXIF_SRGB = 1
_LONGEST_COMMENT = 65_000


def write_image(path: str | os.PathLike[str], image: Any, *, metadata: dict[str, Any] | None = None) -> Path:
    """Write an image (H, W, 3) uint8, sRGB, to `path` as its suffix says, replacing an older file in one step.

    metadata: what made the image (model, hash, seed, ...), JSON values; see the module for where they go. Raises
    `InputError` for an unknown suffix, what is no image, and a place that cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(IMAGE_SUFFIXES)
        raise InputError(f"cannot write {path}: the name must end in one of {known}, which says the format")
    pixels = as_array(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise InputError(f"an image must be of shape (H, W, 3) and uint8, not {pixels.shape} and {pixels.dtype}")
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    made_by = {name: value for name, value in (metadata or {}).items() if value is not None}
    encode = _png if suffix == ".png" else _jpeg
    return write_bytes_atomically(path, encode(picture, made_by))


def _png(picture: Image.Image, metadata: dict[str, Any]) -> bytes:
    info, content = PngInfo(), io.BytesIO()
    info.add(b"sRGB", _SRGB_PERCEPTUAL)
    for name, value in {"Software": GENERATOR, **metadata}.items():
        info.add_text(name, value if isinstance(value, str) else json.dumps(value))
    picture.save(content, format="PNG", pnginfo=info, optimize=True)
    return content.getvalue()


def _jpeg(picture: Image.Image, metadata: dict[str, Any]) -> bytes:
    content, exif = io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Software] = GENERATOR
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = _EXIF_SRGB
    comment = json.dumps({"Software": GENERATOR, **metadata}).encode()[:_LONGEST_COMMENT]
    picture.save(content, format="JPEG", quality=_QUALITY, subsampling=0, exif=exif, comment=comment)
    return content.getvalue()
