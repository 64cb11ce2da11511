"""``default``: every step moves the initial neighbourhoods along, by the smallest change of the latents that does it.

Where DragGAN compares a patch with its own features one step ago and lets Adam find a way, this method fits the initial
patch to the present field (:mod:`drag3d.core.registration`). The fit gives the handle's place, free of drift, and its
derivative with respect to the latents. A step then solves the few equations "handles move by d, what is held stays" for
the change of the latents that is least likely to leave the generator's distribution: least in standard deviations
(Gauss-Newton with a small dense system, as in "Neural Implicit Shape Editing using Boundary Sensitivity", 2023).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drag3d.core.methods.parts import left_out
from drag3d.core.registration import Neighbourhood
from drag3d.core.settings import DragSettings
from drag3d.core.subject import Field, Subject
from drag3d.core.supervision import directions

PATCH_POINTS = 96
STEP_FACTOR = 4.0  # of the paper's unit step: the linear prediction holds about that far
INDIVIDUAL = 0.02  # how freely rows may differ from each other, against moving together
DAMPING = 1e-2  # of the handles' own rows, relative to them
UNLIKELY = 0.4  # what a change by one standard deviation costs, against moving all of the rest by one unit step
PULL = 0.3  # of the way back to the start, in directions that no row determines
LARGEST_CHANGE = 0.7  # standard deviations in one step
LARGEST_TOTAL = 5.0  # standard deviations in all: beyond, what the generator makes is no shape of its class any more
PROBE = 0.05  # standard deviations: the step of the finite differences that tell what moves the rest
REFRESH = 6  # steps for which their derivative is good: what is far moves little
REST_WEIGHT = 1.0  # of the rest of the surface, which nobody told to stay
REST_RELAX = 0.3  # what is left of that weight at each refresh: a drag that takes long insists on its handles


class Anchored:
    """Gauss-Newton on the places of the initial neighbourhoods, in whitened W with a small W+ part."""

    def __init__(self, subject: Subject, handles: Tensor, targets: Tensor, settings: DragSettings, hold: Tensor | None):
        self.subject, self.targets, self.hold = subject, targets, hold
        self.without = without = left_out(settings.without)
        self.start_handles = handles
        factor = 1.0 if "long-steps" in without else STEP_FACTOR
        self.step_length = settings.step_length or factor * subject.step_length
        self.learning_rate = 1.0 if settings.learning_rate is None else settings.learning_rate
        self.hold_weight = subject.hold_weight if settings.hold_weight is None else settings.hold_weight
        self.patch_radius = settings.patch_radius or subject.anchor_radius
        self.offsets = subject.offsets(self.patch_radius, PATCH_POINTS, settings.seed)
        self.near = 1.3 * self.patch_radius + 0.5 * self.step_length
        # What rows do alone to that which must stay is not looked at, so they then may not.
        alone = settings.space == "w+" and hold is None and "rows" not in without
        self.individual = INDIVIDUAL if alone else 0.0
        self.unlikely = UNLIKELY * subject.step_length**2 * (1e-3 if "likelihood" in without else 1.0)
        self.rest = subject.rest[:0] if "rest" in without else subject.rest
        self.relax = 1.0 if "relax" in without else REST_RELAX
        self.pull = 0.0 if "pull" in without else PULL
        self.largest_change = math.inf if "trust" in without else LARGEST_CHANGE
        self.largest_total = math.inf if "bound" in without else LARGEST_TOTAL
        self.basis = _of_equal_lengths(subject.basis) if "whitening" in without else subject.basis
        self.watches = len(self.rest) > 0 or hold is not None
        self.steps = 0
        self.change = torch.zeros(subject.basis.shape[:2], device=subject.start.device)
        self.rows: Tensor = subject.start

    @property
    def reach(self) -> float:
        """The neighbourhoods, or everything when what should stay is looked at again."""
        return math.inf if self.watches and self.steps % REFRESH == 0 else self.near

    def latents(self) -> Tensor:
        """Start plus the change in standard deviations along the principal directions of each row."""
        self.rows = self.subject.start + torch.einsum("rk,rkw->rw", self.change, self.basis)
        return self.rows.requires_grad_(True)

    def begin(self, field: Field) -> None:
        """Keep the initial neighbourhoods and what must stay."""
        spacing, magnification = 0.5 * self.subject.step_length, self.subject.magnification
        self.neighbourhood = Neighbourhood(
            field, self.start_handles, self.offsets, spacing, magnification, self.without
        )
        self.placement = self.predicted = self.neighbourhood.unmoved()
        rest = self.rest
        near = torch.cdist(self.subject.places(rest), torch.cat([self.start_handles, self.targets])).amin(dim=1)
        self.rest_weight = REST_WEIGHT * (1 - torch.exp(-(near / self.subject.rest_distance).square()))
        self.still = rest if self.hold is None else torch.cat([rest, self.hold])
        with torch.no_grad():
            self.initially = self._still_values(field)
        self.strayed = self.change.new_zeros(0)
        self.still_rows = self.change.new_zeros(0, *self.change.shape)

    def track(self, field: Field, handles: Tensor) -> Tensor:
        """Register the initial neighbourhoods from where they were and from where they should be; keep the better."""
        here, here_error = self.neighbourhood.register(field, self.placement)
        if "prediction" in self.without:
            self.placement = here
        else:
            ahead, ahead_error = self.neighbourhood.register(field, self.predicted)
            self.placement = torch.where((ahead_error < here_error)[:, None], ahead, here)
        if "anchor" in self.without:
            self.neighbourhood.refresh(field, self.placement)
        found = self.start_handles + self.placement[:, : handles.shape[1]]
        return found.detach() if "snap" in self.without else field.snap(found)

    def step(self, field: Field, handles: Tensor) -> float:
        """Solve for the change that moves the handles on, and apply it within the trust region."""
        wanted = directions(handles, self.targets, self.step_length)
        motion = self.neighbourhood.motion(field, self.placement)
        if self.watches and self.steps % REFRESH == 0:
            self.strayed, self.still_rows = self._watch(field)
        jacobian = torch.cat([self._jacobian(motion.flatten()), self.still_rows])
        self.steps += 1
        change = self._least_change(jacobian, torch.cat([wanted.flatten(), -self.strayed]), wanted.numel())
        # The trust region makes the step shorter where the latents would have to change much for it.
        size = float(change.square().sum(dim=1).max().sqrt())
        aimed = self.change + change * min(self.learning_rate, self.largest_change / max(size, 1e-12))
        if math.isfinite(self.largest_total):
            aimed = aimed * (self.largest_total / aimed.norm(dim=1, keepdim=True).clamp_min(self.largest_total))
        change, self.change = aimed - self.change, aimed
        self.strayed = self.strayed + torch.einsum("nrk,rk->n", self.still_rows, change)
        moved = torch.einsum("nrk,rk->n", jacobian[: wanted.numel()], change).view_as(wanted)
        self.predicted = torch.cat(
            [self.placement[:, : moved.shape[1]] + moved, self.placement[:, moved.shape[1] :]], dim=1
        )
        return float((handles - self.targets).norm(dim=1).mean())

    def _jacobian(self, values: Tensor) -> Tensor:
        """``(N, R, k)`` derivative of ``(N,)`` values with respect to the change."""
        seeds = torch.eye(len(values), device=values.device)
        (gradient,) = torch.autograd.grad(values, self.rows, seeds, is_grads_batched=True)
        return torch.einsum("nrw,rkw->nrk", gradient, self.basis)

    def _watch(self, field: Field) -> tuple[Tensor, Tensor]:
        """How far what should stay has strayed ``(n,)``, and the derivative ``(n, R, k)`` of that.

        Derivatives along the directions that all rows of a group share tell nearly all, and are few: finite differences
        find them exactly enough, from one synthesis each. What M places have to say of n directions then comes down to
        n equations (QR), whose least squares are the same.
        """
        with torch.no_grad():
            weight, here = self._stillness(), self._still_values(field)
            rows, columns, spread = self.rows.detach(), [], []
            for group in self.subject.groups.unique():
                member = self.subject.groups == group
                for k in range(self.change.shape[1]):
                    ahead = rows + PROBE * self.basis[:, k] * member[:, None]
                    if torch.equal(ahead, rows):
                        continue  # a direction that only another group has
                    values = self._still_values(self.subject.field(ahead, self.start_handles, math.inf))
                    columns.append(((values - here) * (weight / PROBE)).flatten())
                    one = torch.zeros_like(self.change)
                    one[member, k] = 1 / member.sum()
                    spread.append(one)
            basis, triangle = torch.linalg.qr(torch.stack(columns, dim=1))
            strayed = ((here - self.initially) * weight).flatten() @ basis
            return strayed, torch.einsum("nm,mrk->nrk", triangle, torch.stack(spread))

    def _least_change(self, jacobian: Tensor, residual: Tensor, exact: int) -> Tensor:
        """argmin |J_s c - r_s|^2 + unlikely |c|^2 subject to the first ``exact`` rows of J c = r, slightly damped."""
        preferred = torch.zeros_like(jacobian)
        for group in self.subject.groups.unique():
            member = self.subject.groups == group
            part = jacobian[:, member]
            preferred[:, member] = part.sum(dim=1, keepdim=True) + self.individual * part
        gram = torch.einsum("nrk,mrk->nm", jacobian, preferred)
        damping = torch.full((len(gram),), self.unlikely, device=gram.device)
        # The handles' rows must stay firmer than those of the rest, however far one deviation moves a handle.
        damping[:exact] = (DAMPING * gram.diagonal()[:exact].mean()).clamp(1e-20, 0.1 * self.unlikely)
        # The pull back to the start, where the rows leave it free, keeps detours of earlier steps from adding up.
        pull = self.pull * self.change
        residual = residual + torch.einsum("nrk,rk->n", jacobian, pull)
        weights = torch.linalg.solve(gram + torch.diag(damping), residual)
        return torch.einsum("n,nrk->rk", weights, preferred) - pull

    def _still_values(self, field: Field) -> Tensor:
        """What tells whether the places that should stay have moved ``(M, C)``: lengths, per root of their number."""
        level = field.level(self.still)
        values = field.appearance(self.still) if level is None else level[:, None]
        scale = self.neighbourhood.appearance_scale if level is None else self.neighbourhood.level_scale
        return values * (scale / max(1, len(self.still)) ** 0.5)

    def _stillness(self) -> Tensor:
        """Weights ``(M, 1)`` of these places: the rest counts less the longer the drag takes, what is held never."""
        weight = self.rest_weight * self.relax ** (self.steps // REFRESH)
        if self.hold is not None:
            weight = torch.cat([weight, weight.new_full((len(self.hold),), self.hold_weight)])
        return weight[:, None]


def _of_equal_lengths(basis: Tensor) -> Tensor:
    """Directions ``(R, k, w_dim)`` that are all as long as they were on average; those of length zero stay so."""
    length = basis.norm(dim=2, keepdim=True)
    mean = length.square().sum(dim=1, keepdim=True) / (length > 0).sum(dim=1, keepdim=True)
    return torch.where(length > 0, basis / length.clamp_min(1e-12) * mean.sqrt(), basis)
