"""What a drag did, for reports and pictures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from drag3d.core import Drag, DragSettings, StopReason
from drag3d.session.state import Position, State

if TYPE_CHECKING:
    from drag3d.session.viewpoint import Viewpoint


@dataclass
class ViewResult:
    """Where things were in the picture that a shape was dragged in; in pixels, for the points that took part."""

    view: Viewpoint
    starts: list[Position]
    ends: list[Position]
    targets: list[Position]
    hidden: list[int | None] = field(default_factory=list)
    """At which step something else of the shape came before the handle; None where nothing did"""

    def __post_init__(self) -> None:
        self.hidden = self.hidden or [None] * len(self.starts)


@dataclass
class DragResult:
    """What the last drag did; filled in step by step. Lengths are world units; pixels of an image, and in a view."""

    settings: DragSettings
    """As used: what the caller left open is filled in with what the method or the subject proposed."""
    latents_moved: str | None
    """Of shapes only"""
    device: str
    before: State
    points: tuple[int, ...]
    """Indices of the points that took part"""
    tolerance: float
    diagonal: float
    """Of the shape's bounding box before the drag, or of the image or the view's picture"""
    held: int
    """Points the region held in place"""
    distances: list[float]
    """From each handle that took part to its target, at the end"""
    ends: list[Position]
    """Where tracking found these handles at the end: coordinates of points, also of a drag in a view"""
    losses: list[float] = field(default_factory=list)
    steps: int = 0
    seconds: float = 0.0
    reason: StopReason = StopReason.ASKED
    view: ViewResult | None = None
    """Of a shape that was dragged in a picture"""


def settings_used(settings: DragSettings, drag: Drag) -> DragSettings:
    """The settings with what was left open filled in from the attributes of the same names of the drag and its method.

    What they do not tell stays None: the method has no use for it, or decides anew in every step.
    """
    changes = {}
    for name in ("tolerance", "learning_rate", "patch_radius", "search_radius", "step_length", "hold_weight"):
        if getattr(settings, name) is None:
            known = (getattr(source, name, None) for source in (drag, drag.method))
            changes[name] = next((float(value) for value in known if isinstance(value, int | float)), None)
    patience = settings.patience or drag.method.patience
    return replace(settings, patience=patience, **changes)  # type: ignore[arg-type]
