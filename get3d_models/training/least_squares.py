"""Robust least squares for few parameters within bounds: how teachers are re-fitted to what a generator made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PROBE = 0.01
DAMPINGS = (0.1, 1.0, 10.0, 100.0, 1000.0)
GUIDING_STEPS = 8

Guide = tuple[int | Sequence[int], Tensor]
"""Numbers of keypoints, and where they should be ``(K, D)``; of a single one ``(D,)``"""


@dataclass(frozen=True)
class Bounds:
    """Least and largest shares of the parameters' ranges, ``(P,)`` each."""

    low: Tensor
    high: Tensor

    def inside(self, shares: Tensor) -> Tensor:
        """The nearest shares ``(..., P)`` within the bounds."""
        return shares.maximum(self.low).minimum(self.high)


@dataclass(frozen=True)
class Problem:
    """What is minimised: robust errors of M measurements as functions of P shares."""

    residuals: Callable[[Tensor], Tensor]
    """Errors ``(N, M)`` of N vectors of shares ``(N, P)``; it needs no gradients."""
    bounds: Bounds
    negligible: float
    """Errors below this count squared, larger ones by their size: local mistakes must not pull."""

    def cost(self, residuals: Tensor) -> Tensor:
        """Huber's, ``(N,)`` means over the measurements, scaled so that large errors count by their size."""
        size = residuals.abs()
        squared = size.square() / (2 * self.negligible)
        return torch.where(size < self.negligible, squared, size - self.negligible / 2).mean(dim=-1)


@torch.no_grad()
def descend(problem: Problem, shares: Tensor, steps: int) -> tuple[Tensor, float]:
    """Levenberg-Marquardt with Huber's weights; the shares ``(P,)`` and their mean absolute error."""
    probes = PROBE * torch.eye(len(shares))
    damping = 1e-3
    for _ in range(steps):
        # Probing inwards keeps every probe within the bounds.
        sign = torch.where(shares > 0.5, -1.0, 1.0)
        errors = problem.residuals(torch.cat([shares[None], shares + sign[:, None] * probes]))
        here, slopes = errors[0], (errors[1:] - errors[0]) * (sign / PROBE)[:, None]
        cost = float(problem.cost(here))
        weighted = slopes / here.abs().clamp_min(problem.negligible)
        matrix, pull = weighted @ slopes.t(), weighted @ here
        diagonal = matrix.diagonal() + 1e-4 * matrix.diagonal().mean()
        dampings = damping * torch.tensor(DAMPINGS)
        changes = [_bounded_step(problem.bounds, shares, matrix + torch.diag(d * diagonal), pull) for d in dampings]
        trials = problem.bounds.inside(shares - torch.stack(changes))
        costs = problem.cost(problem.residuals(trials))
        best = int(costs.argmin())
        if float(costs[best]) >= cost * (1 - 1e-4):
            if float(costs[best]) < cost:
                shares = trials[best]
            break
        shares, damping = trials[best], float(dampings[best].clamp(1e-6, 1e2))
    return shares, float(problem.residuals(shares[None]).abs().mean())


def _bounded_step(bounds: Bounds, shares: Tensor, matrix: Tensor, pull: Tensor) -> Tensor:
    """The solution of the normal equations for those shares that are not pressed against a bound."""
    pressed = ((shares <= bounds.low) & (pull > 0)) | ((shares >= bounds.high) & (pull < 0))
    free = (~pressed).float()
    matrix = matrix * free[:, None] * free + torch.diag(pressed.float())
    return torch.linalg.solve(matrix, pull * free)


def guided(bounds: Bounds, shares: Tensor, keypoint: Callable[[Tensor], Tensor], position: Tensor) -> Tensor:
    """The shares nearest to ``shares (P,)`` that have a keypoint at a position ``(D,)``, as nearly as bounds allow.

    Or several keypoints at positions ``(K, D)``. ``keypoint`` gives their places for shares, with a graph.
    """
    origin, position = shares, position.flatten()
    dimensions = len(position)
    for _ in range(GUIDING_STEPS):
        variable = shares.clone().requires_grad_(True)
        there = keypoint(variable).flatten()
        rows = [torch.autograd.grad(there[a], variable, retain_graph=True)[0] for a in range(dimensions)]
        slope = torch.stack(rows)
        wanted = position - there.detach() + slope @ (shares - origin)
        shares = origin + slope.t() @ torch.linalg.solve(slope @ slope.t() + 1e-5 * torch.eye(dimensions), wanted)
        shares = bounds.inside(shares)
    return shares.detach()
