"""``draggan``: the method of "Drag Your GAN" (Pan et al. 2023), in any dimension."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drag3d.core.settings import DragSettings
from drag3d.core.subject import Field, Subject
from drag3d.core.supervision import directions, hold_loss, motion_loss
from drag3d.core.task import Task
from drag3d.core.tracking import FARTHEST, nearest_feature

HOLD_WEIGHT = 20.0
PATCH_POINTS = 128
SEARCH_POINTS = 1024


class DragGAN:
    """Adam on W+ or W, unit steps, current features as template, tracking by the initial feature of the handle.

    Where the paper and its authors' released code differ, ``settings.variant`` says which to follow: the code compares
    features by L2 when it tracks, leaves out a handle within one unit of its target, steps by a whole unit even where
    less is left, and averages the second term of equation 1 over the whole map, not over what must stay.
    """

    patience = 20

    def __init__(self, subject: Subject, task: Task, settings: DragSettings):
        self.subject, self.targets = subject, task.targets
        self.hold = hold = None if task.hold is None else subject.places(task.hold)
        self.start_handles = task.handles
        self.step_length = settings.step_length or subject.step_length
        self.hold_weight = HOLD_WEIGHT if settings.hold_weight is None else settings.hold_weight
        self.patch_radius = patch = settings.patch_radius or subject.patch_radius
        self.search_radius = search = settings.search_radius or subject.search_radius
        self.released, self.seed = settings.variant == "released", settings.seed
        self.search = subject.candidates(search, SEARCH_POINTS, settings.seed + 1)
        # Handles move by little more than a unit step, so their patches lie well within what is searched.
        # On their way onto a surface candidates leave the ball: windows must have these too, or whole planes are made.
        margin = 1.05 if subject.plane_resolution is None else FARTHEST
        self.reach = margin * max(search, patch + 2 * self.step_length) if hold is None else math.inf
        # In W+ every row has its own displacement, in W all rows of one mapping network share theirs.
        self.shared = settings.space == "w"
        count = int(subject.groups.max()) + 1 if self.shared else len(subject.start)
        self.displacement = torch.zeros(count, subject.start.shape[1], device=subject.start.device, requires_grad=True)
        self.learning_rate = settings.learning_rate or subject.learning_rate
        self.optimizer = torch.optim.Adam([self.displacement], lr=self.learning_rate * subject.latent_unit)

    def centers(self, handles: Tensor) -> Tensor:
        """The handles."""
        return handles

    def latents(self) -> Tensor:
        """The start and what it was displaced by."""
        displacement = self.displacement[self.subject.groups] if self.shared else self.displacement
        return self.subject.start + displacement

    def begin(self, field: Field) -> None:
        """Keep the handles' initial features, and those of what must stay."""
        with torch.no_grad():
            self.reference = field.features(self.start_handles)
            self.held = None if self.hold is None else field.features(self.hold)

    def track(self, field: Field, handles: Tensor) -> Tensor:
        """Equation 3."""
        return nearest_feature(field, handles, self.reference, self.search, norm=2 if self.released else 1)[0]

    def step(self, field: Field, handles: Tensor) -> float:
        """Equation 1 and a step of Adam."""
        moving, steps = self._steps(handles)
        patches = [self.subject.patch(handle, self.patch_radius, PATCH_POINTS, self.seed) for handle in handles[moving]]
        counts = [len(patch) for patch in patches]
        loss = self.displacement.sum() * 0.0
        if patches:
            loss = loss + motion_loss(field, field.snap(torch.cat(patches)).split(counts), steps[moving])
        if self.hold is not None and self.held is not None:
            share = len(self.hold) / self.subject.extent if self.released else 1.0
            loss = loss + self.hold_weight * share * hold_loss(field, self.hold, self.held)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def _steps(self, handles: Tensor) -> tuple[Tensor, Tensor]:
        """Which handles are supervised ``(K,) bool``, and the motion d of all ``(K, D)``."""
        if not self.released:
            return torch.ones(len(handles), dtype=torch.bool, device=handles.device), directions(
                handles, self.targets, self.step_length
            )
        towards = self.targets - handles
        distance = towards.norm(dim=1, keepdim=True)
        return distance[:, 0] > self.step_length, towards / (distance + 1e-7) * self.step_length
