"""The values a session consists of; all immutable, so that history can share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drag3d.session.masks import Mask
    from drag3d.session.regions import Region
    from get3d_models.generator import Latents
    from get3d_models.stylegan2 import ImageLatents

Position = tuple[float, ...]
"""x, y, z in world units, y up; for an image x, y in pixels, centres at whole numbers, from the top left."""


@dataclass(frozen=True)
class Origin:
    """What the start was generated from."""

    seed: int
    truncation: float = 1.0
    texture_seed: int | None = None
    """Of shapes only"""
    label: int | None = None
    """The class, for a labelled model of images"""


@dataclass(frozen=True)
class Point:
    """One handle, on the surface or in the image, and where it shall go."""

    handle: Position
    """Where the handle is now; a drag moves it along."""
    target: Position
    enabled: bool = True
    name: str = ""
    """The keypoint it was made from, or nothing."""


@dataclass(frozen=True)
class State:
    """Everything that undo and redo bring back."""

    latents: Latents | ImageLatents
    """On the CPU, detached, never written to."""
    points: tuple[Point, ...] = ()
    region: Region | Mask | None = None
