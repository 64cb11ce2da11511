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
from drag3d.core.registration import Neighbourhood, inverse_slope, unmoved
from drag3d.core.settings import DragSettings
from drag3d.core.subject import Field, Subject
from drag3d.core.supervision import directions

PATCH_POINTS = 96
STEP_FACTOR = 8.0  # of the paper's unit step: the linear prediction holds about that far
INDIVIDUAL = 0.02  # how freely rows may differ from each other, against moving together
DAMPING = 1e-2  # of the handles' own rows, relative to them
UNLIKELY = 5e-3  # what a change by one standard deviation costs, against moving the whole rest by an anchor's radius
PULL = 0.3  # of the way back to the start, in directions that no row determines
LARGEST_CHANGE = 1.5  # standard deviations in one step
BEYOND = 2.0  # standard deviations that a shape may be less likely than usual: farther out it is none of its class
PROBE = 0.05  # standard deviations: the step of the finite differences that tell what moves the rest
LOOK_AGAIN = 3.0  # standard deviations of change for which these are good
SOFTER = (1.0, 2.0, 4.0)  # equations are made up to so much softer to stay within that
COHERENCE_BESIDE = 0.3  # what is left of the subject's where a region was told to stay: they compete
AT_ONCE = 8  # latents that are synthesised together for them


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
        self.unlikely = UNLIKELY * subject.anchor_radius**2 * (1e-3 if "likelihood" in without else 1.0)
        self.coherence = 0.0 if "coherence" in without else subject.coherence
        if hold is not None:
            self.coherence *= COHERENCE_BESIDE
        self.rest = subject.rest[:0] if "rest" in without else subject.rest
        self.pull = 0.0 if "pull" in without else PULL
        self.largest_change = math.inf if "trust" in without else LARGEST_CHANGE
        self.basis = _of_equal_lengths(subject.basis) if "whitening" in without else subject.basis
        usual = (subject.basis.norm(dim=2) > 0).sum(dim=1).sqrt()
        self.farthest = torch.maximum(subject.origin.norm(dim=1), usual) + (math.inf if "bound" in without else BEYOND)
        self.change = torch.zeros_like(subject.origin)
        self.rows: Tensor = subject.start
        self.still_rows = self.change.new_zeros(0, *self.change.shape)
        self.strayed = self.initially = self.change.new_zeros(0)
        self.placement = self.predicted = unmoved(handles)
        self.watched: Tensor | None = None

    @property
    def reach(self) -> float:
        """The neighbourhoods, and half a step to where they are and to where they should be."""
        return self.near

    def centers(self, handles: Tensor) -> Tensor:
        """Halfway from where the neighbourhoods are to where they should be."""
        return self.start_handles + (self.placement + self.predicted)[:, : handles.shape[1]] / 2

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
        near = torch.cdist(self.subject.places(self.rest), torch.cat([self.start_handles, self.targets])).amin(dim=1)
        weight = 1 - torch.exp(-(near / self.subject.rest_distance).square())
        self.still, self.still_weight = self.rest, weight[:, None]
        if self.hold is not None:
            self.still = torch.cat([self.rest, self.hold])
            held = weight.new_full((len(self.hold), 1), self.hold_weight)
            self.still_weight = torch.cat([self.still_weight, held])
        # Around the neighbourhoods it is measured how fast what tells of a change does so in space.
        self.body_spacing = spacing / magnification
        body = field.lift(self.neighbourhood.points(self.placement).flatten(0, 1))
        axes = torch.eye(body.shape[1], device=body.device) * self.body_spacing
        self.around = torch.cat([body + axis for axis in (*axes, *-axes)])

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
        motion = self.neighbourhood.motion(field, self.placement)
        self._look_again(field)
        jacobian = torch.cat([self._jacobian(motion.flatten()), self.still_rows])
        change = self._least_change(jacobian, torch.cat([wanted.flatten(), -self.strayed]), wanted.numel())
        # The trust region makes the step shorter where the latents would have to change much for it.
        size = float(change.square().sum(dim=1).max().sqrt())
        aimed = self.change + change * min(self.learning_rate, self.largest_change / max(size, 1e-12))
        place = self.subject.origin + aimed
        outside = (self.farthest / place.norm(dim=1).clamp_min(1e-12)).clamp_max(1.0)
        aimed = place * outside[:, None] - self.subject.origin
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

    def _look_again(self, field: Field) -> None:
        """See how far what should stay has strayed ``(n,)``, and the derivative ``(n, R, k)`` of that, if it is time.

        What should stay are the rest, what is held, and the look of the handles' neighbourhoods: what of their change
        is no motion. Derivatives along the directions that all rows of a group share tell nearly all, and are few:
        finite differences find them exactly enough, from one synthesis each. What all this has to say of n directions
        then comes down to n equations (QR), whose least squares are the same.
        """
        if len(self.still) == 0 and self.coherence == 0:
            return
        if self.watched is not None and float((self.change - self.watched).norm(dim=1).max()) <= LOOK_AGAIN:
            return
        rows, ahead, spread = self.rows.detach(), [], []
        for group in self.subject.groups.unique():
            member = self.subject.groups == group
            for k in torch.nonzero(self.basis[member].norm(dim=2).amax(dim=0)).flatten():
                ahead.append(rows + PROBE * self.basis[:, k] * member[:, None])
                one = torch.zeros_like(self.change)
                one[member, k] = 1 / member.sum()
                spread.append(one)
        described, still = self._responses(torch.stack([rows, *ahead]))
        if self.watched is None:
            self.initially = still[0]
        self.watched = self.change
        changes = [(still - self.initially) * self.still_weight]
        if described is not None:
            difference = (described - self.neighbourhood.reference).movedim(0, -1)
            slope = self.neighbourhood.with_slope(field, self.placement)[1]
            changes.append(self.coherence * self.neighbourhood.unexplained(slope, difference).t())
        seen = torch.cat([change.flatten(1) for change in changes], dim=1)
        basis, triangle = torch.linalg.qr((seen[1:] - seen[0]).t() / PROBE)
        self.strayed = seen[0] @ basis
        self.still_rows = torch.einsum("nm,mrk->nrk", triangle, torch.stack(spread))

    def _responses(self, latents: Tensor) -> tuple[Tensor | None, Tensor]:
        """Descriptors ``(B, K, M, C)`` of the neighbourhoods where they are now, and values ``(B, N, S)`` of the rest.

        Both are lengths; the latter are divided by the root of their number, so that squares add up to a mean. The
        former are None where nothing is asked of them.
        """
        points = self.neighbourhood.points(self.placement) if self.coherence > 0 else None
        body, closely = torch.cat([self.still, self.around]), self.hold is not None
        with torch.no_grad():
            parts = [
                self.subject.responses(part, body, points, "decoder" not in self.without, closely)
                for part in latents.split(AT_ONCE)
            ]
            joined = [self.neighbourhood.joined(p.described, p.level) for p in parts if p.described is not None]
            still = torch.cat([part.still for part in parts])
        if self.watched is None:
            ahead, behind = still[0, len(self.still) :].chunk(2)
            slopes = inverse_slope(list((ahead - behind).chunk(self.still.shape[1])), self.body_spacing)
            self.still_scale = self.subject.magnification * slopes / max(1, len(self.still)) ** 0.5
        return torch.cat(joined) if joined else None, still[:, : len(self.still)] * self.still_scale

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
        change = _solved(gram, damping, jacobian, preferred, residual, pull)
        # Where that asks for too large a change it is left out, and then all equations are softened (Levenberg and
        # Marquardt): first goes what is easily had.
        for softer in SOFTER:
            if float(change.norm(dim=1).max()) <= self.largest_change:
                break
            change = _solved(gram, softer * damping, jacobian, preferred, residual, torch.zeros_like(pull))
        return change


def _solved(
    gram: Tensor, damping: Tensor, jacobian: Tensor, preferred: Tensor, residual: Tensor, pull: Tensor
) -> Tensor:
    """The change ``(R, k)`` that solves the equations and elsewhere is minus ``pull``."""
    residual = residual + torch.einsum("nrk,rk->n", jacobian, pull)
    weights = torch.linalg.solve(gram + torch.diag(damping), residual)
    return torch.einsum("n,nrk->rk", weights, preferred) - pull


def _of_equal_lengths(basis: Tensor) -> Tensor:
    """Directions ``(R, k, w_dim)`` that are all as long as they were on average; those of length zero stay so."""
    length = basis.norm(dim=2, keepdim=True)
    mean = length.square().sum(dim=1, keepdim=True) / (length > 0).sum(dim=1, keepdim=True)
    return torch.where(length > 0, basis / length.clamp_min(1e-12) * mean.sqrt(), basis)
