"""Which commands can be run and which values be set, as things are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drag3d.viewer import commands, values

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer

ALWAYS = ("help",)
WITHOUT_SHAPE = ("open", "model", "stop")
"""What makes sense before there is anything to see."""


def enabled(viewer: Viewer, name: str) -> bool:
    """Whether the command or the value ``name`` makes sense now."""
    document, there = viewer.mirror.document, viewer.mirror.shown is not None
    if name == "restart":
        return viewer.can_restart
    if name in ALWAYS:
        return True
    if viewer.dead or not (there or name in WITHOUT_SHAPE) or not _of_kind(name, document.kind):
        return False
    return _conditions(viewer).get(name, True)


def _of_kind(name: str, kind: str) -> bool:
    command = commands.BY_NAME.get(name)
    if command is not None and kind:
        return kind in command.kinds
    if name in values.IMAGE_ONLY:
        return kind == "image"
    return name not in values.SHAPE_ONLY or kind == "shape"


def _conditions(viewer: Viewer) -> dict[str, bool]:
    document, selected = viewer.mirror.document, 0 <= viewer.selected < len(viewer.mirror.points())
    ready = any(point.enabled for point in document.points)
    return {
        "model": bool(document.models),
        "start": ready or document.progress.state != "idle",
        "step": ready and document.progress.state != "running",
        "undo": bool(document.undo) or viewer.points.pending is not None,
        "redo": bool(document.redo),
        "reset": bool(document.undo),
        "clear_points": bool(document.points),
        "next_point": bool(document.points),
        "mirror_point": selected,
        "toggle_point": selected,
        "remove_point": selected,
        "clear_region": document.has_region,
        "label": document.labels > 0,
        "compare": viewer.mirror.original is not None,
    }
