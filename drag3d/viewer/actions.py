"""What each command does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from drag3d.viewer.commands import COMMANDS
from drag3d.viewer.intents import (
    CancelWriting,
    ClearPoints,
    ClearRegion,
    EnablePoint,
    Intent,
    MirrorPoint,
    PauseDrag,
    Redo,
    RemovePoint,
    Reset,
    StartDrag,
    StepDrag,
    StopDrag,
    Undo,
)
from drag3d.viewer.scene import BACKGROUNDS

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer
    from drag3d.viewer.intents import CameraState

Action = Callable[["Viewer"], None]


def _camera(viewer: Viewer) -> CameraState | None:
    return viewer.scene.camera() if viewer.in_view and viewer.mirror.document.kind == "shape" else None


def start(viewer: Viewer) -> None:
    """Start, pause or continue."""
    running = viewer.mirror.document.progress.state == "running"
    viewer.points.cancel()
    viewer.send(PauseDrag() if running else StartDrag(_camera(viewer)))


def stop(viewer: Viewer) -> None:
    """First what the hand is doing, then the drag, then what is being written."""
    if viewer.give_up():
        return
    if viewer.mirror.document.progress.state != "idle":
        viewer.send(StopDrag())
    elif viewer.mirror.busy.text:
        viewer.send(CancelWriting())
    else:
        viewer.select_point(None)


def undo(viewer: Viewer) -> None:
    """A handle that waits for its target is the last thing that was done."""
    if not viewer.points.cancel():
        viewer.send(Undo())


def compare(viewer: Viewer) -> None:
    """On a button it stays until pressed again."""
    viewer.compare(not viewer.comparing)


def remove_point(viewer: Viewer) -> None:
    """The one before it is selected next."""
    viewer.send(RemovePoint(viewer.selected))
    viewer.select_point(viewer.selected - 1 if viewer.selected else None)


def toggle_point(viewer: Viewer) -> None:
    """On or off."""
    mark = viewer.mirror.points()[viewer.selected]
    viewer.send(EnablePoint(viewer.selected, not mark.enabled))


def next_point(viewer: Viewer) -> None:
    """Round and round."""
    viewer.select_point((viewer.selected + 1) % max(1, len(viewer.mirror.points())))


def next_background(viewer: Viewer) -> None:
    """Round and round."""
    known = BACKGROUNDS
    viewer.set_value("background", known[(known.index(viewer.background) + 1) % len(known)])


def clear_points(viewer: Viewer) -> None:
    """The waiting handle too."""
    viewer.points.cancel()
    viewer.send(ClearPoints())


def _seed(name: str, way: int) -> Action:
    def action(viewer: Viewer) -> None:
        value = viewer.values()[name]
        viewer.generate(**{name: max(0, (0 if value is None else int(value)) + way)})

    return action


def _value(name: str, value: str) -> Action:
    return lambda viewer: viewer.set_value(name, value)


def _constraint(name: str) -> Action:
    """From a button or the help: chosen until chosen again."""
    return lambda viewer: viewer.set_value("constraint", "" if viewer.chosen_constraint == name else name)


def _send(intent: Intent) -> Action:
    def action(viewer: Viewer) -> None:
        viewer.send(intent)

    return action


def step(viewer: Viewer) -> None:
    """One step."""
    viewer.send(StepDrag(_camera(viewer)))


def mirror_point(viewer: Viewer) -> None:
    """Its symmetric partner."""
    viewer.send(MirrorPoint(viewer.selected))


ACTIONS: dict[str, Action] = {
    "start": start,
    "step": step,
    "stop": stop,
    "undo": undo,
    "redo": _send(Redo()),
    "reset": _send(Reset()),
    "compare": compare,
    "previous_seed": _seed("seed", -1),
    "next_seed": _seed("seed", 1),
    "previous_texture": _seed("texture_seed", -1),
    "next_texture": _seed("texture_seed", 1),
    "tool_point": _value("tool", "point"),
    "tool_brush": _value("tool", "brush"),
    "tool_box": _value("tool", "box"),
    "next_point": next_point,
    "mirror_point": mirror_point,
    "toggle_point": toggle_point,
    "remove_point": remove_point,
    "clear_points": clear_points,
    "along_normal": _constraint("along_normal"),
    "along_x": _constraint("along_x"),
    "along_y": _constraint("along_y"),
    "along_z": _constraint("along_z"),
    "toggle_region": lambda viewer: viewer.set_value("show_region", not viewer.region_shown),
    "clear_region": _send(ClearRegion()),
    "smaller_brush": lambda viewer: viewer.set_value("brush", viewer.brush_share / 1.25),
    "larger_brush": lambda viewer: viewer.set_value("brush", viewer.brush_share * 1.25),
    "look_textured": _value("look", "textured"),
    "look_clay": _value("look", "clay"),
    "look_normals": _value("look", "normals"),
    "look_wireframe": _value("look", "wireframe"),
    "look_features": _value("look", "features"),
    "next_background": next_background,
    "reset_camera": lambda viewer: viewer.scene.reset_camera(),
    "isometric": lambda viewer: viewer.scene.isometric(),
    "save": lambda viewer: viewer.host.request_save(),
    "open": lambda viewer: viewer.host.request_open(),
    "export": lambda viewer: viewer.host.request_export(),
    "film": lambda viewer: viewer.host.request_film(),
    "help": lambda viewer: viewer.show_help(not viewer.helping),
    "restart": lambda viewer: viewer.restart(),
}

assert {command.name for command in COMMANDS} <= set(ACTIONS), "a command without an action"
