"""The drag loop: synthesis, tracking, motion supervision, step; until the handles have arrived or nothing moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from drag3d.core.methods import Method, method_named
from drag3d.core.past import Past
from drag3d.core.settings import DragSettings, DragStep, StopReason
from drag3d.core.subject import Subject
from drag3d.core.task import Task


class Drag:
    """One drag of K handles, as an iterator over its steps.

    The first :class:`DragStep` (index 0) is the start, every further one follows a step of the optimiser; the last
    carries the reason why the drag ended. When that is that it stalled or ran out of steps, it is the state that came
    nearest. One synthesis with gradients is made per step: the forward pass that shows where
    the handles went is the one that supervises next (`default` adds some without gradients, at the first step and
    rarely later, to see what moves the rest, and of several handles takes one around each). Iterate once.

    :param handles: ``(K, D)`` where the points are, in the subject's units; they must lie where a handle may be.
    :param targets: ``(K, D)`` where they should go.
    :param hold: ``(M, E)`` samples of what must not move, or None.
    :param past: what earlier drags of the same subject did, or None. Only `default` takes heed of it.
    """

    def __init__(
        self,
        subject: Subject,
        handles: Tensor,
        targets: Tensor,
        settings: DragSettings,
        hold: Tensor | None = None,
        past: Past | None = None,
    ):
        self.subject, self.settings = subject, settings
        device = subject.start.device
        self.handles = handles.detach().to(device, torch.float32)
        self.targets = targets.detach().to(device, torch.float32)
        self.tolerance = subject.tolerance if settings.tolerance is None else settings.tolerance
        hold = None if hold is None or len(hold) == 0 else hold.detach().to(device, torch.float32)
        task = Task(self.handles, self.targets, hold, past)
        self.method: Method = method_named(settings.method)(subject, task, settings)
        self._asked = False

    def stop(self) -> None:
        """Ask the drag to end; may be called from another thread. The step under way is finished and is the last."""
        self._asked = True

    def __iter__(self) -> Iterator[DragStep]:
        progress = _Progress(self.settings.patience or self.method.patience, self.tolerance)
        loss = float("nan")
        nearest: DragStep | None = None
        for index in range(self.settings.max_steps + 1):
            latents = self.method.latents()
            field = self.subject.field(latents, self.method.centers(self.handles), self.method.reach)
            if index:
                self.handles = self.method.track(field, self.handles)
            else:
                self.method.begin(field)
            distances = (self.targets - self.handles).norm(dim=1)
            reason = self._reason(index, distances, progress)
            step = DragStep(
                index, self.handles.cpu().clone(), self.targets.cpu().clone(), distances.cpu(), loss,
                latents.detach().cpu().clone(), reason,
            )  # fmt: skip
            if nearest is None or float(step.distances.mean()) < float(nearest.distances.mean()):
                nearest = step
            if reason in (StopReason.STALLED, StopReason.STEP_LIMIT):
                step = replace(nearest, index=index, reason=reason)
            yield step
            if reason:
                return
            loss = self.method.step(field, self.handles)

    def _reason(self, index: int, distances: Tensor, progress: _Progress) -> StopReason | None:
        if bool((distances <= self.tolerance).all()):
            return StopReason.ARRIVED
        if self._asked:
            return StopReason.ASKED
        if progress.has_stalled(float(distances.mean())):
            return StopReason.STALLED
        return StopReason.STEP_LIMIT if index == self.settings.max_steps else None


class _Progress:
    """Notices that the mean distance has not shrunk by a fifth of the tolerance for ``patience`` steps."""

    def __init__(self, patience: int, tolerance: float):
        self.patience, self.least = patience, 0.2 * tolerance
        self.best, self.idle = float("inf"), 0

    def has_stalled(self, distance: float) -> bool:
        if distance < self.best - self.least:
            self.best, self.idle = distance, 0
        else:
            self.idle += 1
        return self.idle >= self.patience
