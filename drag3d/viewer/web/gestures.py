"""Mouse and keys of the browser, in the order in which they happened, as the viewer takes them.

The page sends them itself (``static/page.js``): trame-rca rounds positions to whole pixels of the page, and trame
has no keys.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from drag3d.viewer.commands import COMMANDS
from drag3d.viewer.scene.pointer import Pointer

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer

KINDS = ("press", "move", "release", "double", "wheel", "leave")
BUTTONS = ("left", "middle", "right", "")
KEYS = tuple(sorted({key for command in COMMANDS for key in command.keys}))
"""All that do something; these the page keeps from the browser."""
MOST_AT_ONCE = 500
"""Events in one message; a page sends a few."""
FASTEST_WHEEL = 10.0


def take(viewer: Viewer, events: Any, size: tuple[int, int]) -> None:
    """Carry out what a page has sent; ``size`` is that of the picture in pixels. What makes no sense is left out."""
    for event in events[:MOST_AT_ONCE] if isinstance(events, list) else ():
        if not isinstance(event, dict):
            continue
        if event.get("kind") == "key":
            if event.get("name") in KEYS:
                viewer.key(event["name"], event.get("down") is True)
        elif pointer := _pointer(event, size):
            viewer.pointer(pointer)


def _pointer(event: dict[str, Any], size: tuple[int, int]) -> Pointer | None:
    """A mouse event; its x and y are shares of the view, so that a screen's pixel ratio does not matter."""
    kind, button = event.get("kind"), event.get("button", "")
    x, y, delta = (_number(event.get(name, 0.0)) for name in ("x", "y", "delta"))
    if kind not in KINDS or button not in BUTTONS or x is None or y is None or delta is None:
        return None
    shift, ctrl, alt = (event.get(name) is True for name in ("shift", "ctrl", "alt"))
    delta = min(FASTEST_WHEEL, max(-FASTEST_WHEEL, delta))
    return Pointer(kind, x * size[0], y * size[1], button, shift, ctrl, alt, delta)


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and abs(value) < 1e6 else None
