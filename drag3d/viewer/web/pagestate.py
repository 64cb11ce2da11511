"""What the page shows, kept equal to what the viewer says, and what a person typed, handed to the viewer.

trame shares a state, by names, between server and page: here each value of a control is ``value_NAME``. A change of the
viewer goes to the page. A change of the page goes to the viewer at once, or for sliders when the hand has come to rest,
and for numbers when they have been typed; if the viewer does not take it, the page is put right after a moment.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from drag3d.viewer.commands import COMMANDS
from drag3d.viewer.controls import (
    PANEL,
    TOOLBAR,
    Choice,
    Control,
    Curve,
    Number,
    Readout,
    Row,
    Slider,
    Toggle,
)

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer
    from drag3d.viewer.values import PointRow

RESTING = 0.25
"""Seconds without a change after which a slider's value counts"""
PATIENCE = 1.5
"""Seconds after which a value that the viewer has not taken is put back, if nothing is being made"""
PLOT_WIDTH, PLOT_HEIGHT = 100.0, 40.0
PLACES = {"shape": 3, "image": 1}
"""Digits of coordinates after the point"""

Settable = Choice | Toggle | Number | Slider


def all_controls() -> Iterator[Control]:
    """Those of toolbar and panel, rows taken apart."""
    waiting: list[Control] = [c for group in TOOLBAR for c in group] + [c for section in PANEL for c in section.items]
    for control in waiting:
        if isinstance(control, Row):
            waiting.extend(control.items)
        else:
            yield control


SETTABLE: dict[str, Settable] = {c.value: c for c in all_controls() if isinstance(c, Settable)}
CHOICES = tuple(name for name, c in SETTABLE.items() if isinstance(c, Choice))
READOUTS = tuple(c.value for c in all_controls() if isinstance(c, Readout))
CURVES = tuple(c.value for c in all_controls() if isinstance(c, Curve))
ENABLED = (*(command.name for command in COMMANDS), *SETTABLE, "box", "restart")


class PageState:
    """Both ways between a :class:`Viewer` and the ``state`` of a trame server (any mapping will do)."""

    def __init__(self, viewer: Viewer, state: MutableMapping[str, Any]):
        self.viewer, self.state = viewer, state
        self._said: dict[str, Any] = {}
        """What the viewer said last, by the names of the state"""
        self._resting: dict[str, float] = {}
        """Sliders that move: when they did last"""
        self._doubtful: dict[str, float] = {}
        """What was given to the viewer, and when"""
        self.editing = False
        """Whether a cell of a table is being typed into: then tables stay as they are"""
        self._left_tables = 0.0
        """When that ended; 0: what was typed has been replaced by what came of it"""
        state["tables"] = 0

    # ---- from the viewer to the page ------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Tell the page what has changed."""
        viewer, found = self.viewer, self.viewer.values()
        kind = viewer.mirror.document.kind
        self._say("kind", kind)
        for name, control in SETTABLE.items():
            self._say(f"value_{name}", shown(control, found.get(name)))
        self._say("choices", {name: _items(viewer.choices(name)) for name in CHOICES})
        self._say("on", {name: viewer.enabled(name) for name in ENABLED})
        self._say("labels", {command.name: viewer.label(command.name) for command in COMMANDS})
        self._say("texts", {name: str(found.get(name) or "") for name in READOUTS})
        self._say("curves", {name: curve(found.get(name) or ()) for name in CURVES})
        self._say("comparing", viewer.comparing)
        self._say("selected", viewer.selected)
        if not self.editing:
            self._say("points", [_row(row, kind) for row in found.get("points", ())])
            self._say("box", [coordinates(corner, kind) for corner in found["box"]] if found.get("box") else None)
        self._tell_news()

    def _tell_news(self) -> None:
        mirror = self.viewer.mirror
        busy = mirror.busy
        self._say("busy", {"text": busy.text, "part": 100 * busy.done / busy.total if busy.total else -1})
        self._say("offers", [{"name": o.name, "text": offer_text(o.model, o.when, o.edits)} for o in mirror.offers])
        if mirror.messages:
            last = mirror.messages[-1]
            self._say("message", {"text": last.text, "level": last.level, "serial": last.serial})

    def _say(self, name: str, value: Any) -> None:
        if name not in self._said or self._said[name] != value:
            self._said[name] = value
            self.state[name] = value
            self._doubtful.pop(name, None)

    # ---- from the page to the viewer ------------------------------------------------------------------------------

    def changed(self, name: str) -> None:
        """The page has another value of a Choice, Toggle or Slider, or the server has; only the former counts."""
        value, control = self.state[f"value_{name}"], SETTABLE[name]
        if value == self._said.get(f"value_{name}"):
            self._resting.pop(name, None)
        elif isinstance(control, Slider):
            self._resting[name] = time.monotonic()
        elif not isinstance(control, Number):
            self.give(name, value)

    def give(self, name: str, value: Any) -> None:
        """A person has set a value; what makes no sense is put back."""
        control = SETTABLE.get(name)
        if control is None:
            return
        self._doubtful[f"value_{name}"] = time.monotonic()
        try:
            meant = understood(control, value, self.viewer)
        except ValueError:
            self._put_back(f"value_{name}")
            return
        if self.viewer.enabled(name):
            self.viewer.set_value(name, meant)
        self.state[f"value_{name}"] = shown(control, meant)

    def edit_tables(self, on: bool) -> None:
        """The focus is in a table, or has left it."""
        self.editing, self._left_tables = on, 0.0 if on else time.monotonic()

    def tick(self) -> None:
        """Give what has come to rest to the viewer, and put back what it has not taken."""
        now = time.monotonic()
        if self._left_tables and now - self._left_tables > RESTING:
            self._left_tables = 0.0
            self.refresh()
            self.state["tables"] += 1  # the page makes the cells anew, without what was typed
        for name in [name for name, when in self._resting.items() if now - when > RESTING]:
            del self._resting[name]
            self.give(name, self.state[f"value_{name}"])
        if self.viewer.mirror.busy.text or self.viewer.wanted is not None:
            return
        for key in [key for key, when in self._doubtful.items() if now - when > PATIENCE]:
            self._put_back(key)

    def _put_back(self, key: str) -> None:
        self._doubtful.pop(key, None)
        self.state[key] = self._said.get(key)


def shown(control: Settable, value: Any) -> Any:
    """A value as its control takes it: numbers as text, rounded to the digits of the control."""
    if isinstance(control, Number):
        if value is None:
            return ""
        return str(int(value)) if control.type == "int" else _short(float(value), control.digits)
    if isinstance(control, Slider):
        return round(float(value), 4) if value is not None else control.high
    return bool(value) if isinstance(control, Toggle) else value


def understood(control: Settable, value: Any, viewer: Viewer) -> Any:
    """What a page has sent, as a value of the viewer; ValueError if it is none."""
    if isinstance(control, Toggle):
        return value is True
    if isinstance(control, Choice):
        if value not in [key for key, _ in viewer.choices(control.value)]:
            raise ValueError(value)
        return value
    if isinstance(control, Number) and (value is None or str(value).strip() == ""):
        if not control.optional:
            raise ValueError(value)
        return None
    number = finite(value)
    number = min(control.high, max(control.low, number))
    if isinstance(control, Number) and control.type == "int":
        return round(number)
    return number


def finite(value: Any) -> float:
    """A number that was typed, with a point or a comma; ValueError if it is none."""
    try:
        number = float(str(value).strip().replace(",", "."))
    except (TypeError, OverflowError):
        raise ValueError(value) from None
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def curve(values: tuple[float, ...]) -> dict[str, str]:
    """A curve for an SVG of PLOT_WIDTH x PLOT_HEIGHT: the points of its line, and first and last value in words."""
    kept = [value for value in values if math.isfinite(value)]
    if len(kept) < 2:
        return {"line": "", "first": "", "last": ""}
    top = max(*kept, 1e-12)
    across = PLOT_WIDTH / (len(kept) - 1)
    line = " ".join(f"{i * across:.2f},{PLOT_HEIGHT * (1 - max(0.0, v) / top):.2f}" for i, v in enumerate(kept))
    return {"line": line, "first": f"{kept[0]:.3g}", "last": f"{kept[-1]:.3g}"}


def offer_text(model: str, when: float, edits: int) -> str:
    """What an earlier run left unsaved, in words."""
    then = time.strftime("%d %b, %H:%M", time.localtime(when))
    return f"{model or 'A session'} of {then} was not saved ({edits} change{'s' * (edits != 1)})"


def _short(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return text if text not in ("", "-0", "0") or value == 0 else f"{value:.2g}"


def _items(choices: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"title": text, "value": key} for key, text in choices]


def coordinates(place: tuple[float, ...], kind: str) -> list[str]:
    """A place as the tables show it."""
    digits = PLACES.get(kind, 3)
    return [f"{round(value, digits) + 0.0:.{digits}f}" for value in place]  # + 0.0: no "-0.000"


def _row(row: PointRow, kind: str) -> dict[str, Any]:
    return {
        "index": row.index,
        "name": row.name or str(row.index),
        "handle": coordinates(row.handle, kind),
        "target": coordinates(row.target, kind),
        "enabled": row.enabled,
        "distance": f"{row.distance:.{PLACES.get(kind, 3)}f}",
    }
