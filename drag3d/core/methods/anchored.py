"""``default``: every step moves the initial neighbourhoods along, by the smallest change of the latents that does it.

Where DragGAN compares a patch with its own features one step ago and lets Adam find a way, this method fits the initial
patch to the present field (:mod:`drag3d.core.registration`). The fit gives the handle's place, free of drift, and its
derivative along the principal directions of generated latents. A step then solves the few equations "handles move by d,
what is held stays" for the change that is least likely to leave the generator's distribution: least in standard
deviations (Gauss-Newton with a small dense system, as in "Neural Implicit Shape Editing using Boundary Sensitivity",
2023).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drag3d.core.methods.parts import left_out
from drag3d.core.registration import Neighbourhood, inverse_slope, unmoved
from drag3d.core.settings import DragSettings
from drag3d.core.subject import Field, Subject
from drag3d.core.supervision import directions
from drag3d.core.task import Task

PATCH_POINTS = 96
STEP_FACTOR = 8.0  # of the paper's unit step: the linear prediction holds about that far
DAMPING = 1e-2  # of the handles' own rows, relative to them
UNLIKELY = 1e-2  # what a change by one standard deviation costs, against moving the whole rest by an anchor's radius
SETTLED = 10.0  # what a sample counts of where earlier drags left handles, against one of the rest
SETTLED_SAMPLES = 64
LARGEST_CHANGE = 1.5  # standard deviations in one step
BEYOND = 2.0  # standard deviations that a shape may be less likely than usual: farther out it is none of its class
PROBE = 0.05  # standard deviations: the step of the finite differences
LOOK_AGAIN = 3.0  # standard deviations of change for which these are good
SOFTER = (1.0, 2.0, 4.0)  # equations are made up to so much softer to stay within that
COHERENCE_BESIDE = 0.3  # what is left of the subject's where a region was told to stay: they compete
AT_ONCE = 8  # latents that are synthesised together for them


class Anchored:
    """Gauss-Newton on the places of the initial neighbourhoods, along the principal directions of W."""

    patience = 8

    def __init__(self, subject: Subject, task: Task, settings: DragSettings):
        self.subject, self.targets, self.hold, self.past = subject, task.targets, task.hold, task.past
        self.without = without = left_out(settings.without)
        self.start_handles = task.handles
        factor = 1.0 if "long-steps" in without else STEP_FACTOR
        self.step_length = settings.step_length or factor * subject.step_length
        self.learning_rate = 1.0 if settings.learning_rate is None else settings.learning_rate
        self.hold_weight = subject.hold_weight if settings.hold_weight is None else settings.hold_weight
        self.patch_radius = settings.patch_radius or subject.anchor_radius
        self.offsets = subject.offsets(self.patch_radius, PATCH_POINTS, settings.seed)
        self.near = 1.3 * self.patch_radius + 0.5 * self.step_length
        self.unlikely = UNLIKELY * subject.anchor_radius**2 * (1e-3 if "likelihood" in without else 1.0)
        self.coherence = 0.0 if "coherence" in without else subject.coherence
        if self.hold is not None:
            self.coherence *= COHERENCE_BESIDE
        self.rest = subject.rest[:0] if "rest" in without else subject.rest
        self.largest_change = math.inf if "trust" in without else LARGEST_CHANGE
        self._span(_of_equal_lengths(subject.basis) if "whitening" in without else subject.basis)
        self.change = self.home = torch.zeros_like(self.origin)
        if self.past is not None:
            self.home = self._along(self.past.home - subject.start)
        self.strayed = self.initially = self.origin.new_zeros(0)
        self.still_rows = self.origin.new_zeros(0, len(self.origin))
        self.placement = self.predicted = unmoved(self.start_handles)
        self.at_once = len(self.start_handles) == 1 or not self.start_handles.is_cpu
        self.seen_at: Tensor | None = None

    def _span(self, basis: Tensor) -> None:
        """The n directions ``(n, R, w_dim)`` in which all rows of a group go together, and where the start lies."""
        axes, origin, group, farthest = [], [], [], []
        for number, member in enumerate(self.subject.groups == g for g in self.subject.groups.unique()):
            used = torch.nonzero(basis[member].norm(dim=2).amax(dim=0)).flatten()
            axes.append(basis.transpose(0, 1)[used] * member[:, None])
            origin.append(self.subject.origin[member][:, used].mean(dim=0))
            group.append(torch.full_like(used, number))
            farthest.append(max(float(origin[-1].norm()), len(used) ** 0.5) + BEYOND)
        self.directions, self.origin, self.group = torch.cat(axes), torch.cat(origin), torch.cat(group)
        bound = math.inf if "bound" in self.without else 1.0
        self.farthest = bound * self.origin.new_tensor(farthest)[self.group]

    def _along(self, difference: Tensor) -> Tensor:
        """The change ``(n,)`` that comes nearest to a difference of rows ``(R, w_dim)``."""
        lengths = self.directions.square().sum(dim=(1, 2))
        return torch.einsum("rw,nrw->n", difference, self.directions) / lengths

    def _lengths(self, change: Tensor) -> Tensor:
        """For each direction the length of a change ``(n,)`` of latents of its group."""
        squares = change.new_zeros(int(self.group.max()) + 1).index_add(0, self.group, change.square())
        return squares.sqrt()[self.group]

    @property
    def reach(self) -> float:
        """The neighbourhoods, and half a step to where they are and to where they should be."""
        return self.near

    def centers(self, handles: Tensor) -> Tensor:
        """Halfway from where the neighbourhoods are to where they should be."""
        return self.start_handles + (self.placement + self.predicted)[:, : handles.shape[1]] / 2

    def latents(self) -> Tensor:
        """Start plus the change in standard deviations along the directions."""
        self.rows = self.subject.start + torch.einsum("n,nrw->rw", self.change, self.directions)
        return self.rows.requires_grad_(self.at_once)

    def begin(self, field: Field) -> None:
        """Keep the initial neighbourhoods and what must stay."""
        spacing, magnification = 0.5 * self.subject.step_length, self.subject.magnification
        self.neighbourhood = Neighbourhood(
            field, self.start_handles, self.offsets, spacing, magnification, self.without
        )
        near = torch.cdist(self.subject.places(self.rest), torch.cat([self.start_handles, self.targets])).amin(dim=1)
        weight = 1 - torch.exp(-(near / self.subject.rest_distance).square())
        self.still, self.still_weight = self.rest, weight[:, None]
        for points, counts in ((self.hold, self.hold_weight), (self._settled(), SETTLED)):
            if points is not None:
                self.still = torch.cat([self.still, points])
                self.still_weight = torch.cat([self.still_weight, weight.new_full((len(points), 1), counts)])
        # Around the neighbourhoods it is measured how fast what tells of a change does so in space.
        self.body_spacing = spacing / magnification
        body = field.lift(self.neighbourhood.points(self.placement).flatten(0, 1))
        axes = torch.eye(body.shape[1], device=body.device) * self.body_spacing
        self.around = torch.cat([body + axis for axis in (*axes, *-axes)])

    def _settled(self) -> Tensor | None:
        """Samples ``(M, E)`` around where earlier drags left handles: those that are not dragged on, or back, now."""
        if self.past is None or len(self.rest) == 0:
            return None
        places = self.subject.places(self.past.settled)
        ends = torch.cat([self.start_handles, self.targets])
        away = torch.cdist(places, ends).amin(dim=1) > self.subject.rest_distance / 2
        random = torch.Generator().manual_seed(0)
        ball = torch.randn(SETTLED_SAMPLES, self.past.settled.shape[1], generator=random)
        ball = ball / ball.norm(dim=1, keepdim=True) * torch.rand(SETTLED_SAMPLES, 1, generator=random)
        radius = self.subject.anchor_radius / self.subject.magnification
        return (self.past.settled[away][:, None] + radius * ball.to(places)).flatten(0, 1)

    def track(self, field: Field, handles: Tensor) -> Tensor:
        """Register the initial neighbourhoods, from where they were or from where they should be."""
        guess = self.placement
        if "prediction" not in self.without:
            behind, ahead = (self.neighbourhood.error(field, place) for place in (guess, self.predicted))
            guess = torch.where((ahead < behind)[:, None], self.predicted, guess)
        self.placement, _ = self.neighbourhood.register(field, guess)
        if "anchor" in self.without:
            self.neighbourhood.refresh(field, self.placement)
        found = self.start_handles + self.placement[:, : handles.shape[1]]
        return found.detach() if "snap" in self.without else field.snap(found)

    def step(self, field: Field, handles: Tensor) -> float:
        """Solve for the change that moves the handles on, and apply it within the trust region."""
        wanted = directions(handles, self.targets, self.step_length)
        self._look(field)
        change = self._least_change(wanted.flatten())
        # The trust region makes the step shorter where the latents would have to change much for it.
        size = float(self._lengths(change).max())
        aimed = self.origin + self.change + change * min(self.learning_rate, self.largest_change / max(size, 1e-12))
        aimed = aimed * (self.farthest / self._lengths(aimed).clamp_min(1e-12)).clamp_max(1.0) - self.origin
        change, self.change = aimed - self.change, aimed
        self.strayed = self.strayed + self.still_rows @ change
        moved = (self.jacobian @ change).view_as(wanted)
        self.predicted = torch.cat(
            [self.placement[:, : moved.shape[1]] + moved, self.placement[:, moved.shape[1] :]], dim=1
        )
        return float((handles - self.targets).norm(dim=1).mean())

    def _look(self, field: Field) -> None:
        """See how handles ``(m,)`` and what should stay ``(s,)`` depend on the n directions, if it is time."""
        if self.seen_at is not None:
            way = float(self._lengths(self.change - self.seen_at).max())
            if way <= LOOK_AGAIN:
                return self._derive(field)
        first, self.seen_at = self.seen_at is None, self.change
        if len(self.still) > 0 or self.coherence > 0:
            self._see_everything(field, first)
            if self.still.shape[1] == self.targets.shape[1]:
                return
            # What a picture shows of other latents is told to first order, which is too coarse for the handles.
        self._derive(field)

    def _derive(self, field: Field) -> None:
        """See how handles alone depend on them, by one backward pass for each of their coordinates.

        What moves one handle lies in the windows around it: several have a synthesis of their own each, or every
        backward pass would go through the windows of all. Only a GPU, which waits for the next task, not for work, has
        all of them go through all.
        """
        if self.at_once:
            self.jacobian = self._derivative(field, self.neighbourhood, self.placement, self.rows)
            return
        parts = []
        for index, (place, center) in enumerate(zip(self.placement, self.centers(self.start_handles), strict=True)):
            rows = self.rows.detach().requires_grad_(True)
            alone = self.subject.field(rows, center[None], self.reach)
            parts.append(self._derivative(alone, self.neighbourhood.alone(index), place[None], rows))
        self.jacobian = torch.cat(parts)

    def _derivative(self, field: Field, neighbourhood: Neighbourhood, placement: Tensor, rows: Tensor) -> Tensor:
        """``(K * D, n)`` of the places of K handles with respect to the directions."""
        motion = neighbourhood.motion(field, placement).flatten()
        seeds = torch.eye(len(motion), device=motion.device)
        (gradient,) = torch.autograd.grad(motion, rows, seeds, is_grads_batched=True)
        return torch.einsum("mrw,nrw->mn", gradient, self.directions)

    def _see_everything(self, field: Field, first: bool) -> None:
        """Finite differences along all directions, from one synthesis each.

        What should stay are the rest, what is held, and the look of the handles' neighbourhoods: what of their change
        is no motion. What all this has to say of n directions comes down to n equations (QR), whose least squares are
        the same.
        """
        rows = self.rows.detach()
        latents = torch.cat([rows[None], rows + PROBE * self.directions])
        points, closely = self.neighbourhood.points(self.placement), self.hold is not None
        with torch.no_grad():
            if first:
                self._measure_scale(rows, closely)
            parts = [
                self.subject.responses(part, self.still, points, "decoder" not in self.without, closely)
                for part in latents.split(AT_ONCE)
            ]
            described = torch.cat(
                [self.neighbourhood.joined(p.described, p.level) for p in parts if p.described is not None]
            )
            still = torch.cat([part.still for part in parts]) * self.still_scale
        if first:
            self.initially = still[0]
        slope = self.neighbourhood.with_slope(field, self.placement)[1]
        difference = (described - self.neighbourhood.reference).movedim(0, -1)
        placed, unexplained = self.neighbourhood.explained(slope, difference)
        self.jacobian = ((placed[..., 1:] - placed[..., :1]) / PROBE).flatten(0, 1)
        seen = ((still - self.initially) * self.still_weight).flatten(1)
        if self.coherence > 0:
            seen = torch.cat([seen, self.coherence * unexplained.t()], dim=1)
        basis, self.still_rows = torch.linalg.qr((seen[1:] - seen[0]).t() / PROBE)
        self.strayed = seen[0] @ basis

    def _measure_scale(self, rows: Tensor, closely: bool) -> None:
        """What makes lengths of that which tells of a change: one over its slope in space, around the handles."""
        told = self.subject.responses(rows[None], self.around, None, closely=closely).still[0]
        ahead, behind = told.chunk(2)
        slope = inverse_slope(list((ahead - behind).chunk(self.still.shape[1])), self.body_spacing)
        self.still_scale = self.subject.magnification * slope / max(1, len(self.still)) ** 0.5

    def _least_change(self, wanted: Tensor) -> Tensor:
        """argmin |J_s c + strayed|^2 + unlikely |c - pull|^2 ``(n,)`` subject to J_m c = wanted, slightly damped."""
        jacobian, residual = torch.cat([self.jacobian, self.still_rows]), torch.cat([wanted, -self.strayed])
        # Where nothing else asks latents go home, which also keeps detours of earlier steps from adding up.
        pull = torch.zeros_like(self.change) if "pull" in self.without else self.home - self.change
        pull = pull * min(1.0, self.largest_change / max(float(self._lengths(pull).max()), 1e-12))
        residual = residual - jacobian @ pull
        gram, exact = jacobian @ jacobian.t(), len(wanted)
        damping = torch.full_like(residual, self.unlikely)
        # The handles' rows must stay firmer than those of the rest, however far one deviation moves a handle.
        damping[:exact] = (DAMPING * gram.diagonal()[:exact].mean()).clamp(1e-20, 0.1 * self.unlikely)
        # Where that asks for too large a change all equations are softened (Levenberg and Marquardt): first goes what
        # is easily had.
        for softer in SOFTER:
            change = torch.linalg.solve(gram + torch.diag(softer * damping), residual) @ jacobian + pull
            if float(self._lengths(change).max()) <= self.largest_change:
                break
        return change


def _of_equal_lengths(basis: Tensor) -> Tensor:
    """Directions ``(R, k, w_dim)`` that are all as long as they were on average; those of length zero stay so."""
    length = basis.norm(dim=2, keepdim=True)
    mean = length.square().sum(dim=1, keepdim=True) / (length > 0).sum(dim=1, keepdim=True)
    return torch.where(length > 0, basis / length.clamp_min(1e-12) * mean.sqrt(), basis)
