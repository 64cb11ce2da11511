"""The drag of the viewer: a session's drag that can be paused, stepped, and gone on with on other terms."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator as Steps
from dataclasses import dataclass, field
from typing import Any, Literal

from drag3d.core import DragStep, StopReason
from drag3d.session import Viewpoint
from drag3d.viewer.edits import Edit
from drag3d.viewer.replies import DragState, Progress

CURVE = 400
"""Steps that curves show"""
TIMED = 20
"""Steps that the speed is the mean of, at most, and seconds"""


@dataclass
class Drive:
    """One drag after the other. Between two steps the session is at rest, but for the generator that waits."""

    state: DragState = "idle"
    reason: str = ""
    _edit: Edit | None = None
    _view: Viewpoint | None = None
    _steps: Steps[DragStep, None, None] | None = None
    _once: bool = False
    _before: int = 0
    """Steps of this drag's earlier parts, before its terms were changed"""
    _here: int = 0
    """Steps of the present part"""
    _distances: tuple[float, ...] = ()
    _unit: Literal["world", "px"] = "world"
    _points: tuple[int, ...] = ()
    _curve: deque[float] = field(default_factory=lambda: deque(maxlen=CURVE))
    _losses: deque[float] = field(default_factory=lambda: deque(maxlen=CURVE))
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=TIMED))

    @property
    def active(self) -> bool:
        """Whether a drag runs or waits."""
        return self.state != "idle"

    @property
    def progress(self) -> Progress:
        """As the window shows it."""
        times = self._times
        speed = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
        return Progress(
            state=self.state,
            step=self._before + self._here,
            distances=self._distances,
            unit=self._unit,
            points=self._points,
            curve=tuple(self._curve),
            losses=tuple(self._losses),
            steps_per_second=speed,
            reason=self.reason,
        )

    def forget(self) -> None:
        """Of a drag that has ended, nothing is shown any more."""
        self.__init__()  # type: ignore[misc]

    def begin(self, edit: Edit, view: Viewpoint | None, once: bool = False) -> None:
        """Begin a drag of the enabled points, or raise InputError and leave all as it was; ``once``: pause after it."""
        steps = edit.session.drag(view=view)
        self.forget()
        self._begin(edit, view, steps, once)

    def go_on(self, once: bool = False) -> None:
        """Run after a pause; of one that runs, only ``once`` matters."""
        if self.state == "paused":
            self._times.clear()
        self.state, self._once = "running", once

    def pause(self) -> None:
        """Hold on; the generator waits."""
        if self.state == "running":
            self.state, self._once = "paused", False

    def advance(self) -> bool:
        """Make a step; whether the drag has ended with it. What goes wrong in the step ends the drag, and is raised."""
        assert self._steps is not None and self._edit is not None
        try:
            step = next(self._steps)
            self._edit.reel.take()
        except BaseException:
            self.end("failed")
            raise
        self._note(step)
        if step.reason is not None:
            self.end(str(step.reason))
        elif self._once and step.index:
            self.pause()
        return step.reason is not None

    def end(self, reason: str = str(StopReason.ASKED)) -> None:
        """End the drag, if there is one: its steps are an entry of the history from then on."""
        if self._steps is not None and self._edit is not None:
            self._steps.close()
            self._edit.reel.end(self._edit.session)
            self._steps, self.reason = None, reason
        self.state, self._once = "idle", False

    def renew(self) -> None:
        """After an :meth:`end`, go on with the steps that are left, on present terms; may raise InputError."""
        assert self._edit is not None
        session = self._edit.session
        done = self._before + self._here
        steps = session.drag(max(0, session.settings.max_steps - done), view=self._view)
        self._before, self._here = done, 0
        self._begin(self._edit, self._view, steps, once=False)

    def _begin(self, edit: Edit, view: Viewpoint | None, steps: Steps[DragStep, None, None], once: bool) -> None:
        self._edit, self._view, self._steps = edit, view, steps
        edit.reel.begin(edit.session)
        self.state, self.reason, self._once = "running", "", once

    def _note(self, step: DragStep) -> None:
        assert self._edit is not None
        result = self._edit.session.last_drag
        assert result is not None
        self._here, self._points = step.index, result.points
        self._unit = "px" if result.view is not None or self._edit.session.kind == "image" else "world"
        self._distances = tuple(float(distance) for distance in step.distances)
        if step.index:
            self._losses.append(float(step.loss))
            self._times.append(time.perf_counter())
        if step.index or not self._curve:
            self._curve.append(max(self._distances))


def viewpoint(camera: Any) -> Viewpoint | None:
    """The view of a window's camera, in a picture of its shape; None for none. InputError for an unusable one."""
    if camera is None:
        return None
    from drag3d.rendering import PerspectiveCamera
    from drag3d.session.viewpoint import SIZES

    low, high = SIZES
    height, width = max(1, int(camera.height)), max(1, int(camera.width))
    scale = min(1.0, high / max(height, width))
    size = tuple(min(high, max(low, round(edge * scale))) for edge in (height, width))
    place = PerspectiveCamera(
        tuple(camera.position), tuple(camera.focus), tuple(camera.up), field_of_view=float(camera.field_of_view)
    )
    return Viewpoint(place, (size[0], size[1]))
