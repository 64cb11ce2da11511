"""The teacher's parameters behind a shape, found by least squares: a judge of edits that is no tracker."""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from get3d_models.errors import InputError
from get3d_models.shape import Shape
from get3d_models.training import quadruped as teacher
from get3d_models.training.quadruped_lesson import DISTANCE_SCALE

MARGIN = 0.15
"""How far beyond their ranges parameters may go, in lengths of the range: an edit may do what no sample does."""
WIDE_BAND, NARROW_BAND = 0.2, 0.04
WIDE_POINTS, NEAR_POINTS = 1500, 2400
WIDE_STEPS, NARROW_STEPS = 12, 25
NEGLIGIBLE = 0.002
"""Errors below this count squared, larger ones by their size: the student's local mistakes must not pull."""
PROBE = 0.01
WORTH_REFINING = 1.3
LIMBS: tuple[tuple[str, ...], ...] = (
    ("leg_length", "front_stance", "hind_stance"),
    ("neck_length", "neck_pitch"),
    ("tail_length", "tail_pitch"),
    ("ear_length", "ear_splay"),
    ("snout_length", "snout_droop"),
)
LIMB_PLACES = (0.1, 0.37, 0.63, 0.9)


def refit(shape: Shape, start: Tensor, guide: tuple[int, Tensor] | None = None, seed: int = 0) -> tuple[Tensor, float]:
    """Shape parameters ``(1, P)`` whose animal is nearest to ``shape``, and how near: mean error of distances.

    Levenberg-Marquardt on the parameters, from several starts: the parameters ``start (1, P)`` of the shape before the
    edit, the same with every limb put where it fits best among a few places, and with ``guide`` (number and position
    ``(3,)`` of a keypoint) the animal that has this keypoint there. Each is fitted twice: to distances from the mesh,
    clamped so widely that a limb elsewhere still attracts; then to the signed field around both surfaces, where it is
    metric by training and knows more than the mesh's triangles. Which of the starts gives the answer depends only on
    how well it fits. Lengths are world units. Raises InputError for a shape without a surface.
    """
    if len(shape.vertices) == 0:
        raise InputError("there is no surface to fit the teacher to: the shape is empty")
    random = torch.Generator().manual_seed(seed)
    before = _shares(start.cpu())
    points, distance = _wide_evidence(shape, before, random)
    starts = [before, _limbs_replaced(before, points, distance)]
    if guide is not None:
        starts.append(_guided(before, guide[0], guide[1].cpu()))
    rough = [_descend(s, points, distance, WIDE_BAND, WIDE_STEPS) for s in starts]
    least = min(error for _, error in rough)
    kept = [shares for shares, error in rough if error <= WORTH_REFINING * least]
    points, distance = _narrow_evidence(shape, kept, random)
    fine = [_descend(s, points, distance, NARROW_BAND, NARROW_STEPS) for s in kept]
    shares, error = min(fine, key=lambda found: found[1])
    return _parameters(shares[None]), error


def _ranges() -> tuple[Tensor, Tensor]:
    low = torch.tensor([p.low for p in teacher.SHAPE_PARAMETERS])
    return low, torch.tensor([p.high for p in teacher.SHAPE_PARAMETERS]) - low


def _parameters(shares: Tensor) -> Tensor:
    """Parameters ``(N, P)`` of shares of their ranges."""
    low, span = _ranges()
    return low + span * shares


def _shares(parameters: Tensor) -> Tensor:
    """Where in their ranges parameters ``(1, P)`` lie, ``(P,)``."""
    low, span = _ranges()
    return ((parameters[0] - low) / span).clamp(-MARGIN, 1 + MARGIN)


def _wide_evidence(shape: Shape, before: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points all over the box, most around the surface and the former one, and their distance to the mesh."""
    vertices = shape.vertices.cpu()
    chosen = vertices[torch.randint(len(vertices), (WIDE_POINTS // 2,), generator=random)]
    around = chosen + 0.02 * torch.randn(chosen.shape, generator=random)
    former = teacher.sample_near_surface(teacher.pose(_parameters(before[None])), WIDE_POINTS // 4, 0.02, random)[0]
    anywhere = torch.rand(WIDE_POINTS // 4, 3, generator=random) - 0.5
    points = torch.cat([around, former, anywhere])
    length = torch.from_numpy(cKDTree(vertices.numpy()).query(points.numpy())[0]).float()
    field = shape.signed_distance(points).cpu() / DISTANCE_SCALE
    # Vertices are too sparse to measure short distances by; there the field is metric.
    return points, torch.where(length < NARROW_BAND, field, length.copysign(field))


def _narrow_evidence(shape: Shape, candidates: list[Tensor], random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points around the surface and around those of the candidates, and the signed field there in world units."""
    vertices = shape.vertices.cpu()
    chosen = vertices[torch.randint(len(vertices), (NEAR_POINTS // 2,), generator=random)]
    points = [chosen + 0.01 * torch.randn(chosen.shape, generator=random)]
    parts = teacher.pose(_parameters(torch.stack(candidates)))
    points += teacher.sample_near_surface(parts, NEAR_POINTS // 2 // len(candidates), 0.01, random).unbind()
    everywhere = torch.cat(points)
    return everywhere, shape.signed_distance(everywhere).cpu() / DISTANCE_SCALE


@torch.no_grad()
def _residuals(shares: Tensor, points: Tensor, distance: Tensor, band: float) -> Tensor:
    """Errors ``(N, M)`` of clamped distances for N vectors of shares ``(N, P)``."""
    theirs = teacher.signed_distance(teacher.pose(_parameters(shares)), points.expand(len(shares), -1, -1))
    return theirs.clamp(-band, band) - distance.clamp(-band, band)


def _cost(residuals: Tensor) -> Tensor:
    """Huber's, mean over the points, scaled so that large errors count by their size."""
    size = residuals.abs()
    return torch.where(size < NEGLIGIBLE, size.square() / (2 * NEGLIGIBLE), size - NEGLIGIBLE / 2).mean(dim=-1)


def _descend(shares: Tensor, points: Tensor, distance: Tensor, band: float, steps: int) -> tuple[Tensor, float]:
    """Levenberg-Marquardt with Huber's weights within the bounds; the shares ``(P,)`` and their mean absolute error."""
    probes = PROBE * torch.eye(len(shares))
    damping, cost = 1e-3, torch.inf
    for _ in range(steps):
        # Probing inwards keeps every probe within the bounds.
        sign = torch.where(shares > 0.5, -1.0, 1.0)
        errors = _residuals(torch.cat([shares[None], shares + sign[:, None] * probes]), points, distance, band)
        here, slopes = errors[0], (errors[1:] - errors[0]) * (sign / PROBE)[:, None]
        cost = float(_cost(here))
        weighted = slopes / here.abs().clamp_min(NEGLIGIBLE)
        matrix, pull = weighted @ slopes.t(), weighted @ here
        diagonal = matrix.diagonal() + 1e-4 * matrix.diagonal().mean()
        dampings = damping * torch.tensor([0.1, 1.0, 10.0, 100.0, 1000.0])
        changes = [_bounded_step(shares, matrix + torch.diag(d * diagonal), pull) for d in dampings]
        trials = (shares - torch.stack(changes)).clamp(-MARGIN, 1 + MARGIN)
        costs = _cost(_residuals(trials, points, distance, band))
        best = int(costs.argmin())
        if float(costs[best]) >= cost * (1 - 1e-4):
            if float(costs[best]) < cost:
                shares = trials[best]
            break
        shares, damping = trials[best], float(dampings[best].clamp(1e-6, 1e2))
    return shares, float(_residuals(shares[None], points, distance, band).abs().mean())


def _bounded_step(shares: Tensor, matrix: Tensor, pull: Tensor) -> Tensor:
    """The solution of the normal equations for those shares that are not pressed against a bound."""
    pressed = ((shares <= -MARGIN) & (pull > 0)) | ((shares >= 1 + MARGIN) & (pull < 0))
    free = (~pressed).float()
    matrix = matrix * free[:, None] * free + torch.diag(pressed.float())
    return torch.linalg.solve(matrix, pull * free)


def _limbs_replaced(shares: Tensor, points: Tensor, distance: Tensor) -> Tensor:
    """The shares with each limb in turn where it fits best, among a few places and where it was."""
    names = [p.name for p in teacher.SHAPE_PARAMETERS]
    for limb in LIMBS:
        columns = [names.index(name) for name in limb]
        places = torch.cartesian_prod(*[torch.tensor(LIMB_PLACES)] * len(columns))
        trials = shares.repeat(len(places) + 1, 1)
        trials[1:, columns] = places
        shares = trials[int(_cost(_residuals(trials, points, distance, WIDE_BAND)).argmin())]
    return shares


def _guided(shares: Tensor, keypoint: int, position: Tensor) -> Tensor:
    """The nearest shares whose animal has a keypoint at a position ``(3,)``, as nearly as bounds allow."""
    origin = shares
    for _ in range(8):
        variable = shares.clone().requires_grad_(True)
        there = teacher.keypoints(_parameters(variable[None]))[0, keypoint]
        slope = torch.stack([torch.autograd.grad(there[axis], variable, retain_graph=True)[0] for axis in range(3)])
        wanted = position - there.detach() + slope @ (shares - origin)
        shares = origin + slope.t() @ torch.linalg.solve(slope @ slope.t() + 1e-5 * torch.eye(3), wanted)
        shares = shares.clamp(-MARGIN, 1 + MARGIN)
    return shares.detach()
