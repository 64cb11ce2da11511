"""The values a session consists of; all immutable, so that history can share them."""

from __future__ import annotations

from dataclasses import dataclass

from drag3d.session.regions import Region
from get3d_models.generator import Latents

Position = tuple[float, float, float]


@dataclass(frozen=True)
class Point:
    """One handle on the surface and where it shall go; world units, y up."""

    handle: Position
    """Where the handle is now; a drag moves it along."""
    target: Position
    enabled: bool = True
    name: str = ""
    """The keypoint it was made from, or nothing."""


@dataclass(frozen=True)
class State:
    """Everything that undo and redo bring back."""

    latents: Latents
    """On the CPU, detached, never written to."""
    points: tuple[Point, ...] = ()
    region: Region | None = None
