"""Drag points on generated 3D shapes: the shape follows, because its latent codes are optimised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drag3d.core import DragSettings, DragStep, StopReason
    from drag3d.session import Box, Point, Region, Session, Sphere, Vertices, Viewpoint

__version__ = "0.1.0"

__all__ = [
    "Box",
    "DragSettings",
    "DragStep",
    "Point",
    "Region",
    "Session",
    "Sphere",
    "StopReason",
    "Vertices",
    "Viewpoint",
]

_HOMES = {
    "Box": "drag3d.session",
    "DragSettings": "drag3d.core",
    "DragStep": "drag3d.core",
    "Point": "drag3d.session",
    "Region": "drag3d.session",
    "Session": "drag3d.session",
    "Sphere": "drag3d.session",
    "StopReason": "drag3d.core",
    "Vertices": "drag3d.session",
    "Viewpoint": "drag3d.session",
}


def __getattr__(name: str) -> Any:
    # `drag3d --help` must answer at once, so torch is imported when something needs it.
    if name not in _HOMES:
        raise AttributeError(f"module 'drag3d' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
