"""A task's drag, from its start to its end; or there, and back again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from drag3d.bench.measuring import measure
from drag3d.core import Drag, DragSettings, DragStep, Past


@dataclass(frozen=True)
class Course:
    """What became of a task. K handles in D dimensions."""

    subject: Any
    """The one that was dragged last"""
    latents: Tensor
    """(R, w_dim) the rows that a drag may move, in the end"""
    handles: Tensor
    """(K, D) where they were at first"""
    targets: Tensor
    """(K, D)"""
    distances: Tensor
    """(K,) from where tracking has the handles in the end to where they should be; the longer one of two drags"""
    reason: str
    """Why it ended: "arrived", or what kept it from arriving"""
    steps: int
    seconds: float
    """Of the drags alone"""
    processor_seconds: float
    """The same by the processor's time, which other programs do not lengthen as much"""
    peak_bytes: int | None
    """Resident beyond what was before a drag, at most; None where that cannot be had"""
    far: Tensor | None = None
    """(R, w_dim) the latents before it went back, if it did"""


@dataclass(frozen=True)
class _Drag:
    """One drag's last step, and what it cost."""

    step: DragStep
    reason: str
    seconds: float
    processor_seconds: float
    peak_bytes: int | None


def _dragged(subject: Any, handles: Tensor, targets: Tensor, settings: DragSettings, past: Past | None = None) -> _Drag:
    last: list[DragStep] = []

    def run() -> None:
        """Not all steps are kept: a hundred copies of latents would count as the drag's memory."""
        for step in Drag(subject, handles, targets, settings, past=past):
            last[:] = [step]

    seconds, processor_seconds, peak = measure(run)
    reason = last[0].reason
    assert reason is not None
    return _Drag(last[0], reason.value, seconds, processor_seconds, peak)


def there(subject: Any, handles: Tensor, targets: Tensor, settings: DragSettings) -> Course:
    """One drag."""
    drag = _dragged(subject, handles, targets, settings)
    step = drag.step
    return Course(
        subject, step.latents, handles, targets, step.distances, drag.reason, step.index,
        drag.seconds, drag.processor_seconds, drag.peak_bytes,
    )  # fmt: skip


def there_and_back(
    subject: Any, again: Callable[[Tensor], Any], handles: Tensor, targets: Tensor, settings: DragSettings
) -> Course:
    """A drag, and another one from where it ended, that takes the handles to where they came from.

    ``again(latents)`` is the subject of the latents that were reached, as if a session went on.
    """
    out = _dragged(subject, handles, targets, settings)
    returning = again(out.step.latents)
    # The handles that were dragged out are the ones that go back: of what was asked for nothing is to stay.
    past = Past(subject.start, subject.rest[:0])
    back = _dragged(returning, out.step.handles, handles, settings, past)
    if out.reason == "arrived":
        reason = back.reason if back.reason == "arrived" else f"back: {back.reason}"
    else:
        reason = f"out: {out.reason}"
    peaks = (out.peak_bytes, back.peak_bytes)
    return Course(
        returning, back.step.latents, handles, targets, out.step.distances.maximum(back.step.distances), reason,
        out.step.index + back.step.index, out.seconds + back.seconds, out.processor_seconds + back.processor_seconds,
        None if None in peaks else max(peak for peak in peaks if peak is not None), out.step.latents,
    )  # fmt: skip
