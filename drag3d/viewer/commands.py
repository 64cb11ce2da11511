"""The commands of the viewer: their names, icons, keys and help, in one table for every button, menu and keymap.

Keys are written as ``ctrl+shift+z``; names of keys are lower case: letters, digits, "space", "escape", "delete",
"pageup", "f1" and so on. On a Mac, ctrl is the command key.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """Something that a button or a key does."""

    name: str
    text: str
    """On a button and in the help"""
    icon: str = ""
    """Of Material Design Icons, without prefix: "undo" """
    keys: tuple[str, ...] = ()
    held: bool = False
    """Whether it lasts while the key is down"""
    kinds: tuple[str, ...] = ("shape", "image")


COMMANDS = (
    Command("start", "Start or pause the drag", "play", ("space",)),
    Command("step", "One step", "skip-next", ("enter", ".")),
    Command("stop", "Stop the drag, or give up a point", "stop", ("escape",)),
    Command("undo", "Undo", "undo", ("ctrl+z",)),
    Command("redo", "Redo", "redo", ("ctrl+y", "ctrl+shift+z")),
    Command("reset", "Back to the start (can be undone)", "restore", ("ctrl+backspace",)),
    Command("compare", "Compare with the original", "compare", ("c",), held=True),
    Command("previous_seed", "Previous shape or image", "chevron-left", ("pageup",)),
    Command("next_seed", "Next shape or image", "chevron-right", ("pagedown",)),
    Command("previous_texture", "Previous texture", "chevron-left", ("shift+pageup",), kinds=("shape",)),
    Command("next_texture", "Next texture", "chevron-right", ("shift+pagedown",), kinds=("shape",)),
    Command("tool_point", "Points: click a handle, then its target", "target", ("p",)),
    Command("tool_brush", "Brush: paint what may move", "brush", ("b",)),
    Command("tool_box", "Box: what lies inside may move", "cube-outline", ("o",), kinds=("shape",)),
    Command("next_point", "Select the next point", "arrow-right-circle-outline", ("tab",)),
    Command("mirror_point", "Add the point's mirror image", "flip-horizontal", ("m",)),
    Command("toggle_point", "Switch the point on or off", "eye-off", ("e",)),
    Command("remove_point", "Delete the point", "delete", ("delete", "backspace")),
    Command("clear_points", "Delete all points", "delete-sweep", ("shift+delete",)),
    Command("along_normal", "While dragging a target: along the surface normal", "", ("n",), True, ("shape",)),
    Command("along_x", "While dragging a target: along x", "", ("x",), held=True),
    Command("along_y", "While dragging a target: along y", "", ("y",), held=True),
    Command("along_z", "While dragging a target: along z", "", ("z",), True, ("shape",)),
    Command("toggle_region", "Show or hide the region", "eye", ("h",)),
    Command("clear_region", "Everything may move", "eraser", ("shift+b",)),
    Command("smaller_brush", "Smaller brush", "minus", ("[",)),
    Command("larger_brush", "Larger brush", "plus", ("]",)),
    Command("look_textured", "Show with texture", "palette", ("1", "s")),
    Command("look_clay", "Show as clay", "circle", ("2",), kinds=("shape",)),
    Command("look_normals", "Show normals", "axis-arrow", ("3",), kinds=("shape",)),
    Command("look_wireframe", "Show the mesh", "grid", ("4", "w"), kinds=("shape",)),
    Command("look_features", "Show features (first three components)", "gradient-horizontal", ("5", "f")),
    Command("next_background", "Next background", "invert-colors", ("g",)),
    Command("reset_camera", "Show all of it", "fit-to-page-outline", ("r",)),
    Command("isometric", "Look obliquely from above", "rotate-orbit", ("v",), kinds=("shape",)),
    Command("save", "Save the session", "content-save", ("ctrl+s",)),
    Command("open", "Open a session", "folder-open", ("ctrl+o",)),
    Command("export", "Export", "export", ("ctrl+e",)),
    Command("film", "Animation of the drag", "movie-open", ("ctrl+m",)),
    Command("help", "Help", "help-circle-outline", ("f1", "?")),
)

BY_NAME = {command.name: command for command in COMMANDS}

MOUSE_HELP = {
    "shape": (
        ("Click the shape", "Handle; the next click places its target"),
        ("Ctrl + drag from the shape", "Handle and target at once"),
        ("Drag a red or blue dot", "Move the handle or the target"),
        ("Drag", "Orbit"),
        ("Shift + drag, middle button", "Pan"),
        ("Wheel, right button", "Zoom"),
        ("Shift + brush", "Rub out"),
    ),
    "image": (
        ("Click the image", "Handle; the next click places its target"),
        ("Ctrl + drag from the image", "Handle and target at once"),
        ("Drag a red or blue dot", "Move the handle or the target"),
        ("Drag, middle button", "Pan"),
        ("Wheel, right button", "Zoom"),
        ("Shift + brush", "Rub out"),
    ),
}


def command_of(key: str, kind: str) -> Command | None:
    """The command of a key as written above, for what is shown; None for keys that do nothing."""
    return next((c for c in COMMANDS if key in c.keys and (not kind or kind in c.kinds)), None)


def help_lines(kind: str) -> list[tuple[str, str]]:
    """All gestures and keys with what they do, for the help overlay."""
    keys = [(" or ".join(c.keys), c.text) for c in COMMANDS if c.keys and kind in c.kinds]
    return [*MOUSE_HELP.get(kind, ()), *keys]
