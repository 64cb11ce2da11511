"""The teacher's parameters behind a shape, found by least squares: a judge of edits that is no tracker."""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from get3d_models.errors import InputError
from get3d_models.shape import Shape
from get3d_models.training import quadruped as teacher
from get3d_models.training.least_squares import Bounds, Guide, Problem, descend, guided
from get3d_models.training.quadruped_lesson import DISTANCE_SCALE

MARGIN = 0.15
"""How far beyond their ranges parameters may go, in lengths of the range: an edit may do what no sample does."""
WIDE_BAND, NARROW_BAND = 0.2, 0.04
WIDE_POINTS, NEAR_POINTS = 1500, 2400
WIDE_STEPS, NARROW_STEPS = 12, 25
NEGLIGIBLE = 0.002
"""Errors below this, in world units, count squared, larger ones by their size."""
WORTH_REFINING = 1.3
LIMBS: tuple[tuple[str, ...], ...] = (
    ("leg_length", "front_stance", "hind_stance"),
    ("neck_length", "neck_pitch"),
    ("tail_length", "tail_pitch"),
    ("ear_length", "ear_splay"),
    ("snout_length", "snout_droop"),
)
LIMB_PLACES = (0.1, 0.37, 0.63, 0.9)


def refit(shape: Shape, start: Tensor, guide: Guide | None = None, seed: int = 0) -> tuple[Tensor, float]:
    """Shape parameters ``(1, P)`` whose animal is nearest to ``shape``, and how near: mean error of distances.

    Levenberg-Marquardt on the parameters, from several starts: the parameters ``start (1, P)`` of the shape before the
    edit, the same with every limb put where it fits best among a few places, and with ``guide`` (numbers and positions
    ``(K, 3)`` of keypoints, or those of one) the animal that has them there. Each is fitted twice: to distances from
    the mesh, clamped so widely that a limb elsewhere still attracts; then to the signed field around both surfaces,
    where it is metric by training and knows more than the mesh's triangles. Which of the starts gives the answer
    depends only on how well it fits. Lengths are world units. Raises InputError for a shape without a surface.
    """
    if len(shape.vertices) == 0:
        raise InputError("there is no surface to fit the teacher to: the shape is empty")
    random = torch.Generator().manual_seed(seed)
    before = _shares(start.cpu())
    points, distance = _wide_evidence(shape, before, random)
    problem = _problem(points, distance, WIDE_BAND)
    starts = [before, _limbs_replaced(before, problem)]
    if guide is not None:
        numbers, places = guide
        starts.append(
            guided(
                _bounds(),
                before,
                lambda s: teacher.keypoints(_parameters(s[None]))[0, numbers],
                places.cpu(),
            )
        )
    rough = [descend(problem, s, WIDE_STEPS) for s in starts]
    least = min(error for _, error in rough)
    kept = [shares for shares, error in rough if error <= WORTH_REFINING * least]
    points, distance = _narrow_evidence(shape, kept, random)
    problem = _problem(points, distance, NARROW_BAND)
    fine = [descend(problem, s, NARROW_STEPS) for s in kept]
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
    return _bounds().inside((parameters[0] - low) / span)


def _bounds() -> Bounds:
    count = len(teacher.SHAPE_PARAMETERS)
    return Bounds(torch.full((count,), -MARGIN), torch.full((count,), 1 + MARGIN))


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


def _problem(points: Tensor, distance: Tensor, band: float) -> Problem:
    def errors(shares: Tensor) -> Tensor:
        return _residuals(shares, points, distance, band)

    return Problem(errors, _bounds(), NEGLIGIBLE)


def _limbs_replaced(shares: Tensor, problem: Problem) -> Tensor:
    """The shares with each limb in turn where it fits best, among a few places and where it was."""
    names = [p.name for p in teacher.SHAPE_PARAMETERS]
    for limb in LIMBS:
        columns = [names.index(name) for name in limb]
        places = torch.cartesian_prod(*[torch.tensor(LIMB_PLACES)] * len(columns))
        trials = shares.repeat(len(places) + 1, 1)
        trials[1:, columns] = places
        shares = trials[int(problem.cost(problem.residuals(trials)).argmin())]
    return shares
