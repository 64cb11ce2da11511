"""One drag of a session: the core's drag, the subject it moves, and what it did so far."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

from drag3d.core import Drag, DragSettings, DragStep, Past, StopReason
from drag3d.rendering.threads import one_thread
from drag3d.session import checks
from drag3d.session.kinds import Kind
from drag3d.session.result import DragResult, settings_used
from drag3d.session.state import Point, Position, State
from get3d_models.errors import InputError

SMALL_GENERATOR = 10_000_000
"""Parameters; the embedded models have a few million, released ones some thirty."""


@dataclass(frozen=True)
class Earlier:
    """What a session did before a drag."""

    home: Any
    """The latents before the first drag"""
    settled: tuple[Position, ...]
    """Where drags left handles, the last ones"""


class Dragging:
    """The drag of a state's enabled points, ready to run once; InputError when it cannot be."""

    def __init__(
        self,
        kind: Kind[Any, Any, Any, Any],
        state: State,
        settings: DragSettings,
        latents_moved: str | None,
        earlier: Earlier | None = None,
    ):
        active = tuple(i for i, p in enumerate(state.points) if p.enabled)
        if not active:
            raise InputError(f"there is no point to drag; add one first: {kind.no_point}")
        points = [state.points[i] for i in active]
        _check_free(kind, state, active)
        self.kind = kind
        settings = kind.completed(settings)
        self.subject = self._subject(state, settings, latents_moved)
        hold = None if state.region is None else kind.held(state.region, state.latents, self.subject)
        handles, targets = (self._placed([getattr(p, end) for p in points]) for end in ("handle", "target"))
        past = None
        if earlier is not None:
            settled = torch.tensor(earlier.settled, dtype=torch.float32, device=self.subject.start.device)
            past = Past(self.subject.moved_rows(earlier.home), settled)
        size = sum(parameter.numel() for parameter in kind.generator.parameters())
        self.small = kind.generator.device.type == "cpu" and size < SMALL_GENERATOR
        self.drag = Drag(self.subject, handles, targets, settings, hold, past)
        self.result = DragResult(
            settings=settings_used(settings, self.drag),
            latents_moved=latents_moved,
            device=str(kind.generator.device),
            before=state,
            points=active,
            tolerance=float(self.drag.tolerance),
            diagonal=kind.diagonal(state.latents),
            held=0 if hold is None else len(hold),
            distances=[math.dist(p.handle, p.target) for p in points],
            ends=[p.handle for p in points],
        )

    def run(self) -> Iterator[tuple[DragStep, State]]:
        """The steps, each with the state that the session is in after it."""
        state, began = self.result.before, time.perf_counter()
        steps = iter(self.drag)
        while True:
            with self._threads():
                step = next(steps, None)
                if step is None:
                    return
                self.result.seconds = time.perf_counter() - began
                state = self._after(step, state)
            yield step, state

    def _threads(self) -> AbstractContextManager[None]:
        """One thread for small generators: two save nothing, and wait for each other where something else runs."""
        return one_thread() if self.small else nullcontext()

    def unpack(self, step: DragStep) -> Any:
        """All latents, on the CPU, of a step's moved rows."""
        return self.kind.on_cpu(self.subject.unpack(step.latents))

    def _subject(self, state: State, settings: DragSettings, latents_moved: str | None) -> Any:
        """What the core drags."""
        return self.kind.subject(state.latents, settings, latents_moved)

    def _placed(self, points: Sequence[Position]) -> torch.Tensor:
        """Coordinates of points as the core has them: ``(K, D)``."""
        return torch.tensor(points, dtype=torch.float32)

    def _moved(self, points: Sequence[Point], step: DragStep) -> list[Point]:
        """The points that take part, after a step."""
        self.result.ends = [tuple(place) for place in step.handles.tolist()]
        return [replace(point, handle=end) for point, end in zip(points, self.result.ends, strict=True)]

    def _after(self, step: DragStep, state: State) -> State:
        result = self.result
        result.steps, result.reason = step.index, step.reason or StopReason.ASKED
        result.distances = step.distances.tolist()
        if step.index == 0:
            return state
        result.losses.append(step.loss)
        points = list(state.points)
        for index, point in zip(result.points, self._moved([points[i] for i in result.points], step), strict=True):
            points[index] = point
        return replace(state, latents=self.unpack(step), points=tuple(points))


def _check_free(kind: Kind[Any, Any, Any, Any], state: State, active: tuple[int, ...]) -> None:
    """A handle must not be among what the region holds."""
    if state.region is None:
        return
    free = kind.may_move(state.region, [state.points[i].handle for i in active])
    for index, movable in zip(active, free, strict=True):
        if not movable:
            where = checks.place(state.points[index].handle)
            raise InputError(f"point {index} at {where} lies in what must stay; change the region or disable it")
