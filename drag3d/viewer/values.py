"""The values that the panel shows, by the names that :mod:`drag3d.viewer.controls` uses, and what each may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drag3d.viewer.intents import Place
from drag3d.viewer.replies import Document, PointMark
from drag3d.viewer.scene import BACKGROUNDS

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer

SETTINGS = (
    "method", "max_steps", "learning_rate", "hold_weight", "patch_radius", "search_radius", "step_length", "tolerance",
    "latents_moved", "layers", "space",
)  # fmt: skip
STARTS = ("model", "seed", "texture_seed", "truncation", "label")
TOOLS = {"point": "Points", "brush": "Brush", "box": "Box"}
CONSTRAINTS = {
    "": "freely on the screen", "along_normal": "along the surface normal", "along_x": "along x",
    "along_y": "along y", "along_z": "along z",
}  # fmt: skip
CHOICES = {
    "method": {"default": "default", "draggan": "DragGAN", "drag3d-2023": "Drag3D of 2023"},
    "latents_moved": {"geometry": "geometry", "texture": "texture", "both": "both"},
    "space": {"w+": "w+", "w": "w"},
}
OF_SHAPES = ("drag3d-2023",)
"""Choices that images do not have"""
IMAGE_ONLY, SHAPE_ONLY = ("label", "layers"), ("texture_seed", "latents_moved", "in_view", "box")


@dataclass(frozen=True)
class PointRow:
    """One line of the table of points."""

    index: int
    name: str
    handle: Place
    target: Place
    enabled: bool
    distance: float
    """Left to go; world units or pixels"""
    selected: bool


def values_of(viewer: Viewer) -> dict[str, Any]:
    """All values as they are now."""
    document, progress = viewer.mirror.document, viewer.mirror.document.progress
    found: dict[str, Any] = {name: document.settings.get(name) for name in SETTINGS}
    found |= {name: getattr(document, name) for name in STARTS}
    wanted = viewer.wanted or viewer.asked_for
    if wanted is not None:  # seeds are asked for faster than they are made
        found |= {name: getattr(wanted, name) for name in STARTS if getattr(wanted, name) is not None}
    return found | {
        "tool": viewer.tool_name,
        "look": viewer.look,
        "background": viewer.background,
        "constraint": viewer.chosen_constraint,
        "brush": viewer.brush_share,
        "erase": viewer.erase,
        "show_region": viewer.region_shown,
        "box": document.box,
        "in_view": viewer.in_view,
        "points": rows(viewer),
        "status": status(document),
        "steps": str(progress.step) if progress.step or progress.state != "idle" else "",
        "distance": length(document, max(progress.distances, default=0.0)) if progress.distances else "",
        "speed": f"{progress.steps_per_second:.1f}" if progress.steps_per_second else "",
        "curve": progress.curve,
        "losses": tuple(loss for loss in progress.losses if not math.isnan(loss)),
    }


def rows(viewer: Viewer) -> tuple[PointRow, ...]:
    """The points, for the table."""
    return tuple(_row(index, mark, viewer.selected == index) for index, mark in enumerate(viewer.mirror.points()))


def _row(index: int, mark: PointMark, selected: bool) -> PointRow:
    left = sum((a - b) ** 2 for a, b in zip(mark.handle, mark.target, strict=True)) ** 0.5
    return PointRow(index, mark.name, mark.handle, mark.target, mark.enabled, left, selected)


def status(document: Document) -> str:
    """How the drag is, in a word or two."""
    progress = document.progress
    if progress.state == "idle":
        return progress.reason or "ready"
    return progress.state


def length(document: Document, distance: float) -> str:
    """A distance as people think of it: pixels of a picture, a share of a shape."""
    if document.progress.unit == "px":
        return f"{distance:.1f} px"
    return f"{distance / document.diagonal:.1%} of the diagonal"


def choices_of(viewer: Viewer, name: str) -> dict[str, str]:
    """Keys and texts of a Choice."""
    image = viewer.mirror.document.kind == "image"
    if name == "model":
        return {model: model.replace("\\", "/").rpartition("/")[2] for model in viewer.mirror.document.models}
    if name == "tool":
        return {key: text for key, text in TOOLS.items() if not (image and key == "box")}
    if name == "constraint":
        return {key: text for key, text in CONSTRAINTS.items() if not (image and key in ("along_normal", "along_z"))}
    if name == "look":
        return {look: look for look in viewer.scene.looks}
    if name == "background":
        return {name: name for name in BACKGROUNDS}
    found = CHOICES.get(name, {})
    return {key: text for key, text in found.items() if not (image and key in OF_SHAPES)}
