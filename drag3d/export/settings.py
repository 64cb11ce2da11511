"""How a shape is written: with which colours, and as which mesh."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from drag3d.export.atlas import UNWRAPS
from get3d_models.errors import InputError

TEXTURE_SIZE = 1024
TEXTURE_SIZES = (64, 8192)
RESOLUTIONS = (8, 256)
SMOOTHINGS = (0, 1000)
LEAST_FACES = 4
_TEXTURED = (".glb", ".obj")


@dataclass(frozen=True)
class ExportSettings:
    """What a caller wants of a file of a shape; what is left open follows from the file's suffix.

    A .glb and an .obj get a texture, or vertex colours on request; a .ply and a .usd have vertex colours always, an
    .stl has no colours. Whatever cannot be used raises :class:`get3d_models.InputError`, in one line.
    """

    texture_size: int | None = None
    """Texels along an edge of the texture, 64 to 8192; None for 1024, where there is a texture."""
    unwrap: str | None = None
    """How the surface is laid out flat: "fast" (also None), or "quality", by xatlas."""
    vertex_colors: bool = False
    """Colours at the vertices instead of a texture."""
    resolution: int | None = None
    """Of the grid on which the surface is extracted anew, from the same latents; None for the model's own."""
    smooth: int = 0
    """Rounds of smoothing that keeps the volume."""
    simplify: int | None = None
    """Triangles to simplify the mesh to; None leaves them all."""

    def __post_init__(self) -> None:
        _check_number("the texture size", self.texture_size, *TEXTURE_SIZES, "texels along an edge")
        _check_number("the resolution of the grid", self.resolution, *RESOLUTIONS, "cells along an edge")
        _check_number("the rounds of smoothing", self.smooth, *SMOOTHINGS)
        _check_number("the triangles to simplify to", self.simplify, LEAST_FACES, 1 << 30)
        if self.smooth is None or not isinstance(self.vertex_colors, bool):
            raise InputError("smooth must be a whole number, and vertex_colors True or False")
        if self.unwrap is not None and self.unwrap not in UNWRAPS:
            raise InputError(f"unknown unwrapping {str(self.unwrap)[:40]!r}; known: {', '.join(UNWRAPS)}")
        if self.vertex_colors and self.of_texture:
            raise InputError(f"with vertex colours there is no texture; leave out {' and '.join(self.of_texture)}")

    @property
    def of_texture(self) -> list[str]:
        """What was asked of a texture, in words; empty when nothing was."""
        asked = {"the texture size": self.texture_size, "the unwrapping": self.unwrap}
        return [words for words, value in asked.items() if value is not None]

    def check_for(self, path: str | os.PathLike[str]) -> None:
        """Raise InputError where a file of that suffix cannot have what was asked for."""
        suffix = Path(path).suffix.lower()
        if self.of_texture and suffix not in _TEXTURED:
            textured = " or ".join(_TEXTURED)
            asked = " and ".join(self.of_texture)
            raise InputError(f"{path}: a {suffix} file has no texture; leave out {asked}, or write a {textured} file")
        if self.vertex_colors and suffix == ".stl":
            raise InputError(f"{path}: an .stl file has no colours; leave out vertex colours, or write a .ply file")

    def textured(self, path: str | os.PathLike[str]) -> bool:
        """Whether a file of that suffix gets a texture."""
        return Path(path).suffix.lower() in _TEXTURED and not self.vertex_colors

    def given(self) -> dict[str, Any]:
        """What differs from the defaults."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value for name, value in values.items() if value is not None and value is not False and value != 0
        }

    @classmethod
    def of(cls, **options: Any) -> ExportSettings:
        """Settings of their names; raises InputError for a name that is none of them."""
        names = [field.name for field in fields(cls)]
        unknown = [name for name in options if name not in names]
        if unknown:
            raise InputError(f"unknown setting of an export {unknown[0]!r}; known: {', '.join(names)}")
        return cls(**options)


def _check_number(what: str, value: Any, low: int, high: int, unit: str = "") -> None:
    if value is None:
        return
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        of = f" {unit}" if unit else ""
        raise InputError(f"{what} must be a whole number from {low} to {high}{of}, not {str(value)[:40]}")
