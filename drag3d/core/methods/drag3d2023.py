"""``drag3d-2023``: what the older 3D editor does, so that a comparison is with what people use today.

Its choices, all of them: the neighbourhood of a handle is a cube of 7 x 7 x 7 places a tenth of a texel apart; the
features there are to be found a tenth of a texel further on in the next step, whatever length of drag or shape; a
handle goes to that place of its cube whose features are most like those it had *one step ago*, so errors add up; it
is not put back on the surface; and latent rows from the fifth on move, by Adam in latent units. There is no change of
these to be had by settings but for the learning rate and the weight of what must stay.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from drag3d.core.settings import DragSettings
from drag3d.core.subject import Field, Subject
from drag3d.core.supervision import hold_loss
from drag3d.core.task import Task
from get3d_models.errors import InputError

LEARNING_RATE = 0.002
FROZEN_ROWS = 4
LATTICE_RADIUS = 3
LATTICE_SPACING = 0.1
"""In texels of a box of edge 1."""
HOLD_WEIGHT = 1.0


def lattice(resolution: int) -> Tensor:
    """The cube of (2 * 3 + 1)^3 offsets ``(343, 3)`` around a handle, the first axis slowest; world units."""
    steps = torch.arange(-LATTICE_RADIUS, LATTICE_RADIUS + 1) * (LATTICE_SPACING / resolution)
    return torch.cartesian_prod(steps, steps, steps)


class Drag3D2023:
    """Adam on the later rows of the first mapping network, lattice patches, the features of one step ago as template.

    Raises InputError for a subject without feature planes in space: the older editor knows neither images nor views.
    """

    patience = 20

    def __init__(self, subject: Subject, task: Task, settings: DragSettings):
        if subject.plane_resolution is None:
            raise InputError(
                "the method drag3d-2023 drags points of shapes in space only; take another method, such as draggan"
            )
        self.targets, self.start, self.hold = task.targets, subject.start, task.hold
        self.hold_weight = HOLD_WEIGHT if settings.hold_weight is None else settings.hold_weight
        self.step_length = LATTICE_SPACING / subject.plane_resolution
        self.lattice = lattice(subject.plane_resolution).to(task.handles)
        # A handle may be tracked to a corner of its lattice, and is then supervised on the lattice around that.
        self.reach = (2 * LATTICE_RADIUS + 1) * self.step_length * 3**0.5 if self.hold is None else torch.inf
        self.frozen = min(FROZEN_ROWS, len(self.start) - 1)
        self.end = int((subject.groups == 0).sum())
        self.moved = self.start[self.frozen : self.end].detach().clone().requires_grad_()
        self.optimizer = torch.optim.Adam([self.moved], lr=settings.learning_rate or LEARNING_RATE)
        self.references: Tensor | None = None
        self.tracked: Tensor | None = None

    def centers(self, handles: Tensor) -> Tensor:
        """The handles."""
        return handles

    def latents(self) -> Tensor:
        """The first rows as they were, those that move, and those of the texture as they were."""
        return torch.cat([self.start[: self.frozen], self.moved, self.start[self.end :]])

    def begin(self, field: Field) -> None:
        """Keep the features of what must stay."""
        with torch.no_grad():
            self.held = None if self.hold is None else field.features(self.hold)

    def track(self, field: Field, handles: Tensor) -> Tensor:
        """The place of each handle's lattice whose features are nearest to the handle's before the last step."""
        assert self.references is not None
        patches = handles[:, None] + self.lattice
        with torch.no_grad():
            found = field.features(patches.flatten(0, 1)).unflatten(0, patches.shape[:2])
            self.tracked = (found - self.references).square().mean(dim=2).argmin(dim=1)
        return patches[torch.arange(len(patches), device=patches.device), self.tracked]

    def step(self, field: Field, handles: Tensor) -> float:
        """Mean |sg F(q) - F(q + d)| over the lattices of all handles, and a step of Adam; a handle has no say at it."""
        patches = (handles[:, None] + self.lattice).flatten(0, 1)
        steps = F.normalize(self.targets - handles, dim=1) * self.step_length
        with torch.no_grad():
            here = field.features(patches)
            self.references = here.unflatten(0, (len(handles), -1))[:, [len(self.lattice) // 2]]
        ahead = patches + steps.repeat_interleave(len(self.lattice), dim=0)
        loss = (field.features(ahead) - here).abs().mean()
        if self.hold is not None and self.held is not None:
            loss = loss + self.hold_weight * hold_loss(field, self.hold, self.held)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
