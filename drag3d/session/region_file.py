"""Regions in a session file: boxes and spheres as JSON, painted vertices and masks as tensors beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from drag3d.session.masks import Mask
from drag3d.session.regions import MAX_PARTS, Box, Part, Region, Sphere, Vertices
from drag3d.session.strict import Damaged, Fields, position

MOST = 20_000
"""Tensors of regions in one file"""
WIDEST = 1 << 14
"""Pixels of a mask's row"""


def packed_region(region: Region, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The JSON of a region; ``tensors`` receives its painted vertices."""
    return {name: [_packed_part(part, tensors) for part in getattr(region, name)] for name in ("move", "stay")}


def _packed_part(part: Part, tensors: dict[str, Tensor]) -> dict[str, Any]:
    if isinstance(part, Box):
        return {"kind": "box", "low": part.low, "high": part.high}
    if isinstance(part, Sphere):
        return {"kind": "sphere", "center": part.center, "radius": part.radius}
    number = sum(name.startswith("vertices.") for name in tensors)
    tensors[f"vertices.{number}"] = torch.from_numpy(np.array(part.positions))
    return {"kind": "vertices", "positions": number, "radius": part.radius}


def unpacked_region(value: Any, unused: dict[str, Tensor]) -> Region:
    """The region of its JSON; its tensors are taken from ``unused``."""
    fields = Fields(value, "a region")
    move, stay = (tuple(_part(v, unused) for v in fields.items(name, MAX_PARTS)) for name in ("move", "stay"))
    fields.close()
    return Region(move, stay)


def _part(value: Any, unused: dict[str, Tensor]) -> Part:
    fields = Fields(value, "a part of a region")
    kind = fields.text("kind", 20)
    part: Part
    if kind == "box":
        low, high = (_place(fields.take(name), "a corner of a box") for name in ("low", "high"))
        part = Box(low, high)
    elif kind == "sphere":
        part = Sphere(_place(fields.take("center"), "the centre of a sphere"), fields.number("radius"))
    elif kind == "vertices":
        tensor = rows(unused, f"vertices.{fields.integer('positions', 0, MOST)}", 3)
        part = Vertices(tensor.numpy(), fields.number("radius"))
    else:
        raise Damaged(f"{kind!r} is no kind of region")
    fields.close()
    return part


def packed_mask(mask: Mask, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The JSON of a mask; ``tensors`` receives its bits, ``(H, ceil(W / 8))`` bytes: white is 1, the first highest."""
    number = sum(name.startswith("mask.") for name in tensors)
    tensors[f"mask.{number}"] = torch.from_numpy(np.packbits(mask.free, axis=1))
    return {"kind": "mask", "width": mask.free.shape[1], "mask": number}


def unpacked_mask(value: Any, unused: dict[str, Tensor]) -> Mask:
    """The mask of its JSON; its tensor is taken from ``unused``."""
    fields = Fields(value, "a mask")
    if (kind := fields.text("kind", 20)) != "mask":
        raise Damaged(f"{kind!r} is no region of an image")
    width, name = fields.integer("width", 1, WIDEST), f"mask.{fields.integer('mask', 0, MOST)}"
    fields.close()
    bits = unused.pop(name, None)
    if bits is None:
        raise Damaged(f"it has no tensor {name!r}")
    if bits.dtype != torch.uint8 or bits.ndim != 2 or bits.shape[1] != -(-width // 8):
        raise Damaged(f"tensor {name!r} does not hold rows of {width} bits")
    return Mask(np.unpackbits(bits.numpy(), axis=1, count=width).astype(bool))


def _place(value: Any, what: str) -> tuple[float, float, float]:
    x, y, z = position(value, what)
    return x, y, z


def rows(unused: dict[str, Tensor], name: str, width: int | None = None) -> Tensor:
    """Take the tensor of a name: finite rows of float32, of a given width if there is one."""
    tensor = unused.pop(name, None)
    if tensor is None:
        raise Damaged(f"it has no tensor {name!r}")
    fits = tensor.dtype == torch.float32 and tensor.ndim == 2 and width in (None, tensor.shape[1])
    if not fits or not bool(torch.isfinite(tensor).all()):
        raise Damaged(f"tensor {name!r} does not hold finite rows of float32")
    return tensor
