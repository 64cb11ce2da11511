"""Mouse events of a VTK interactor as plain values; what VTK would do with mouse and keys itself is switched off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["press", "move", "release", "double", "wheel", "leave"]
Button = Literal["left", "middle", "right", ""]


@dataclass(frozen=True)
class Pointer:
    """Something that the mouse did at (x, y), pixels of the render window from its upper left corner."""

    kind: Kind
    x: float
    y: float
    button: Button = ""
    """Of press, double and release"""
    shift: bool = False
    ctrl: bool = False
    """On a Mac, the command key"""
    alt: bool = False
    delta: float = 0.0
    """Of the wheel: notches, positive away from the person, that is, nearer"""


EVENTS: dict[str, tuple[Kind, Button, float]] = {
    "LeftButtonPressEvent": ("press", "left", 0.0),
    "LeftButtonReleaseEvent": ("release", "left", 0.0),
    "MiddleButtonPressEvent": ("press", "middle", 0.0),
    "MiddleButtonReleaseEvent": ("release", "middle", 0.0),
    "RightButtonPressEvent": ("press", "right", 0.0),
    "RightButtonReleaseEvent": ("release", "right", 0.0),
    "MouseMoveEvent": ("move", "", 0.0),
    "MouseWheelForwardEvent": ("wheel", "", 1.0),
    "MouseWheelBackwardEvent": ("wheel", "", -1.0),
    "LeaveEvent": ("leave", "", 0.0),
}


class PointerEvents:
    """Hands a plotter's mouse events to ``receiver``; VTK's own interaction style and hotkeys are taken off.

    A double click comes as two presses: windows do not agree about what else to say.
    """

    def __init__(self, plotter: Any, receiver: Callable[[Pointer], None]) -> None:
        self._receiver = receiver
        interactor = plotter.iren.interactor
        self._interactor = interactor
        plotter.iren.clear_key_event_callbacks()
        plotter.iren.untrack_click_position(side="left")  # at a double click PyVista would attach its style again
        # With a style attached, releases and moves after a press never arrive: it grabs them.
        interactor.SetInteractorStyle(None)
        self._tags = [interactor.AddObserver(name, self._passed_on, 10.0) for name in EVENTS]

    def close(self) -> None:
        """Hand on nothing any more."""
        for tag in self._tags:
            self._interactor.RemoveObserver(tag)
        self._tags = []

    def _passed_on(self, interactor: Any, name: str) -> None:
        kind, button, delta = EVENTS[name]
        x, y = interactor.GetEventPosition()
        window = interactor.GetRenderWindow()
        height = (window.GetSize() if window is not None else interactor.GetSize())[1]
        self._receiver(
            Pointer(
                kind,
                float(x),
                float(height - 1 - y),
                button,
                bool(interactor.GetShiftKey()),
                bool(interactor.GetControlKey()),
                bool(interactor.GetAltKey()),
                delta,
            )
        )
