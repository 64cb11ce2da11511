"""The panel and the toolbar, described once: the desktop builds Qt widgets from this, the browser Vuetify ones.

A control shows a value of the application (``Viewer.values()[name]``) and sets it with ``Viewer.set_value(name, ...)``,
or runs a command. What a control may be given right now (whether it is enabled, its choices) the application says too:
``Viewer.enabled(name)``, ``Viewer.choices(name)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BOTH = ("shape", "image")


@dataclass(frozen=True)
class Button:
    """Runs a command of :mod:`drag3d.viewer.commands`."""

    command: str
    label: str = ""
    """Beside the icon; empty: icon only"""
    kinds: tuple[str, ...] = BOTH


@dataclass(frozen=True)
class Choice:
    """One of several texts."""

    value: str
    label: str
    tip: str = ""
    kinds: tuple[str, ...] = BOTH


@dataclass(frozen=True)
class Toggle:
    """On or off."""

    value: str
    label: str
    tip: str = ""
    kinds: tuple[str, ...] = BOTH


@dataclass(frozen=True)
class Number:
    """A number to type or to step; ``optional``: empty means what the method proposes."""

    value: str
    label: str
    type: Literal["int", "float"] = "float"
    low: float = 0.0
    high: float = 1e9
    step: float = 1.0
    digits: int = 3
    optional: bool = False
    tip: str = ""
    kinds: tuple[str, ...] = BOTH


@dataclass(frozen=True)
class Slider:
    """A number to slide."""

    value: str
    label: str
    low: float
    high: float
    step: float
    tip: str = ""
    kinds: tuple[str, ...] = BOTH


@dataclass(frozen=True)
class Readout:
    """A text that changes."""

    value: str
    label: str
    kinds: tuple[str, ...] = BOTH


@dataclass(frozen=True)
class Curve:
    """A small plot of ``Viewer.values()[value]``, a tuple of numbers, against the step; linear, from zero."""

    value: str
    label: str
    kinds: tuple[str, ...] = BOTH


@dataclass(frozen=True)
class PointTable:
    """The points: ``values()["points"]`` is a tuple of PointRow; see the application for what can be done to a row."""

    kinds: tuple[str, ...] = BOTH


@dataclass(frozen=True)
class Corners:
    """Six numbers, the corners of the box: ``values()["box"]`` is None or ((x, y, z), (x, y, z))."""

    value: str
    label: str
    kinds: tuple[str, ...] = ("shape",)


@dataclass(frozen=True)
class Row:
    """Controls side by side."""

    items: tuple[Control, ...]
    kinds: tuple[str, ...] = BOTH


Control = Button | Choice | Toggle | Number | Slider | Readout | Curve | PointTable | Corners | Row


@dataclass(frozen=True)
class Section:
    """A part of the panel, which can be folded."""

    title: str
    items: tuple[Control, ...]
    open: bool = True
    kinds: tuple[str, ...] = BOTH


SHAPE, IMAGE = ("shape",), ("image",)

TOOLBAR: tuple[tuple[Control, ...], ...] = (
    (Button("open"), Button("save"), Button("export"), Button("film")),
    (Button("undo"), Button("redo"), Button("reset"), Button("compare")),
    (Choice("tool", "Tool"),),
    (Button("start", "Start"), Button("step", "Step"), Button("stop", "Stop")),
    (Choice("look", "Look"), Choice("background", "Background"), Button("reset_camera"), Button("help")),
)
"""Groups, from left to right. "Start" becomes "Pause" while a drag runs: see ``Viewer.label("start")``."""

PANEL: tuple[Section, ...] = (
    Section(
        "Generate",
        (
            Choice("model", "Model"),
            Row((Number("seed", "Seed", "int", 0, 2**31 - 1), Button("previous_seed"), Button("next_seed"))),
            Row(
                (
                    Number("texture_seed", "Texture seed", "int", 0, 2**31 - 1, kinds=SHAPE),
                    Button("previous_texture"),
                    Button("next_texture"),
                ),
                SHAPE,
            ),
            Slider("truncation", "Truncation", 0.0, 1.0, 0.05, "Nearer to 0: more average"),
            Number("label", "Class", "int", 0, 10_000, optional=True, tip="Of models with classes", kinds=IMAGE),
        ),
    ),
    Section(
        "Points",
        (
            PointTable(),
            Choice("constraint", "Targets move", "Holding X, Y, Z or N does the same"),
            Row((Button("mirror_point"), Button("toggle_point"), Button("remove_point"), Button("clear_points"))),
        ),
    ),
    Section(
        "Region",
        (
            Slider("brush", "Brush", 0.01, 0.25, 0.01, "Its radius, as a share of the diagonal"),
            Row((Toggle("erase", "Rub out"), Toggle("show_region", "Show"), Button("clear_region", "Clear"))),
            Corners("box", "Box"),
        ),
        open=False,
    ),
    Section(
        "Drag",
        (
            Readout("status", "Status"),
            Readout("steps", "Step"),
            Readout("distance", "Left to go"),
            Readout("speed", "Steps a second"),
            Curve("curve", "Distance left"),
            Curve("losses", "Loss"),
        ),
    ),
    Section(
        "Settings",
        (
            Choice("method", "Method"),
            Number("max_steps", "Steps at most", "int", 0, 1_000_000),
            Number("learning_rate", "Learning rate", step=0.001, digits=4, optional=True),
            Number("hold_weight", "Lambda", step=1.0, digits=2, optional=True, tip="Weight of what must stay"),
            Number("patch_radius", "Patch radius r1", step=0.01, optional=True, tip="What is moved around a handle"),
            Number("search_radius", "Search radius r2", step=0.01, optional=True, tip="Where a handle is looked for"),
            Number("step_length", "Step length", step=0.01, optional=True, tip="How far one step moves at most"),
            Number("tolerance", "Tolerance", step=0.001, digits=4, optional=True, tip="This near is arrived"),
            Choice("latents_moved", "Latents", kinds=SHAPE),
            Number("layers", "Layers", "int", 1, 64, optional=True, tip="First rows of the latent", kinds=IMAGE),
            Choice("space", "Space", "Of draggan; w+: rows move each on its own"),
            Toggle("in_view", "Drag in this view", "Depth is left open", SHAPE),
        ),
        open=False,
    ),
)
