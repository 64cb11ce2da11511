"""The portrait teacher's parameters behind a picture, found by least squares: a judge of edits that is no tracker."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from get3d_models.errors import InputError
from get3d_models.training import portrait as teacher
from get3d_models.training.least_squares import Bounds, Guide, Problem, descend, guided

MARGIN = 0.15
"""How far beyond their ranges places and sizes may go, in lengths of the range: an edit may do what no sample does."""
WITHIN_RANGE = ("eye_open", "mouth_open")
"""These may not go below their ranges, where the drawing turns inside out; colours may not leave theirs at all."""
NEGLIGIBLE = 0.04
"""Errors of colours in [0, 1] below this count squared, larger ones by their size."""
LARGEST_STEP = 4096
WORTH_REFINING = 1.25


RESOLUTIONS = (32, 64, 128)
"""Of the pictures that are compared, one after the other; a smaller one is the area average of a larger one."""
COARSE_STEPS, MIDDLE_STEPS, FINE_STEPS = 12, 12, 6
FINE_POINTS = 3000
POSE: tuple[tuple[str, ...], ...] = (
    ("head_x", "yaw"),
    ("head_y", "pitch"),
    ("head_scale", "roll"),
    ("face_width", "face_height"),
    ("hair_top", "hair_sides"),
    ("hair_length", "hair_flare"),
    ("fringe", "parting"),
)
FEATURES: tuple[tuple[str, ...], ...] = (
    ("mouth_height", "smile", "mouth_open"),
    ("eye_height", "eye_open"),
    ("gaze_x", "gaze_y"),
    ("brow_height", "brow_tilt"),
)
PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)


def refit(image: Tensor, start: Tensor, guide: Guide | None = None, seed: int = 0) -> tuple[Tensor, float]:
    """Parameters ``(1, P)`` of the portrait that is most like ``image (3, R, R)`` in [0, 1], and how like: mean error.

    Levenberg-Marquardt on the parameters, from coarse pictures to fine ones, and from several starts: the parameters
    ``start (1, P)`` of the picture before the edit, the same with pose, hair and features put where they fit best among
    a few places, and with ``guide`` (numbers and places ``(K, 2)`` of keypoints, or those of one, in unit coordinates)
    the nearest portrait that has them there. Which of the starts gives the answer depends only on how well it fits.
    Raises InputError for a picture that is not square, or whose edge is no multiple of 128.
    """
    if image.shape != (3, image.shape[-1], image.shape[-1]) or image.shape[-1] % RESOLUTIONS[-1]:
        raise InputError(f"a portrait to fit is (3, R, R) with R a multiple of 128, not {tuple(image.shape)}")
    image = image.detach().cpu().clamp(0.0, 1.0)
    random = torch.Generator().manual_seed(seed)
    bounds = _bounds()
    before = bounds.inside(_shares(start.cpu()))
    starts = [before]
    if guide is not None:
        numbers, places = guide
        starts.append(
            guided(
                bounds,
                before,
                lambda s: teacher.keypoints(_parameters(s[None]))[0, numbers],
                places.cpu(),
            )
        )
    coarse, middle, fine = (_problem(image, resolution, random) for resolution in RESOLUTIONS)
    starts.append(_replaced(before, POSE + FEATURES, coarse))
    rough = _best([descend(coarse, shares, COARSE_STEPS) for shares in starts])
    # Features are looked for anew once the head is where it belongs.
    rough = [*rough, (_replaced(rough[0][0], FEATURES, middle), rough[0][1])]
    better = _best([descend(middle, shares, MIDDLE_STEPS) for shares, _ in rough])
    shares, error = min((descend(fine, s, FINE_STEPS) for s, _ in better), key=lambda found: found[1])
    return _parameters(shares[None]), error


def _best(found: list[tuple[Tensor, float]]) -> list[tuple[Tensor, float]]:
    """Those that fit nearly as well as the best, which comes first."""
    found = sorted(found, key=lambda result: result[1])
    return [result for result in found if result[1] <= WORTH_REFINING * found[0][1]]


def _replaced(shares: Tensor, groups: tuple[tuple[str, ...], ...], problem: Problem) -> Tensor:
    """The shares with each group of parameters in turn where it fits best, among a few places and where it was."""
    names = [p.name for p in teacher.PARAMETERS]
    for group in groups:
        columns = [names.index(name) for name in group]
        places = torch.cartesian_prod(*[torch.tensor(PLACES)] * len(columns))
        trials = shares.repeat(len(places) + 1, 1)
        trials[1:, columns] = places
        shares = trials[int(problem.cost(problem.residuals(trials)).argmin())]
    return shares


def _problem(image: Tensor, resolution: int, random: torch.Generator) -> Problem:
    small = F.avg_pool2d(image[None], image.shape[-1] // resolution)[0]
    if resolution**2 <= LARGEST_STEP:

        def errors(shares: Tensor) -> Tensor:
            return (teacher.draw(_parameters(shares), resolution) - small).flatten(1)

    else:
        points, colors = _telling_pixels(small, random)

        def errors(shares: Tensor) -> Tensor:
            everywhere = points.expand(len(shares), -1, -1)
            return (teacher.draw_at(_parameters(shares), everywhere, 1 / resolution) - colors).flatten(1)

    return Problem(errors, _bounds(), NEGLIGIBLE)


def _telling_pixels(picture: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Unit coordinates ``(M, 2)`` and colours ``(M, 3)`` of pixels, drawn the more likely the more changes at them."""
    resolution = picture.shape[-1]
    change = F.pad(picture.diff(dim=2), (0, 1)).abs().sum(0) + F.pad(picture.diff(dim=1), (0, 0, 0, 1)).abs().sum(0)
    change = F.max_pool2d(change[None], 5, 1, 2)[0].flatten()
    chosen = torch.multinomial(change + 0.05 * change.max() + 1e-6, FINE_POINTS, generator=random)
    down, across = chosen // resolution, chosen % resolution
    points = (torch.stack([across, down], dim=1) + 0.5) / resolution
    return points, picture.flatten(1).t()[chosen]


def _ranges() -> tuple[Tensor, Tensor]:
    low = torch.tensor([p.low for p in teacher.PARAMETERS])
    return low, torch.tensor([p.high for p in teacher.PARAMETERS]) - low


def _parameters(shares: Tensor) -> Tensor:
    """Parameters ``(N, P)`` of shares of their ranges."""
    low, span = _ranges()
    return low + span * shares


def _shares(parameters: Tensor) -> Tensor:
    """Where in their ranges parameters ``(1, P)`` lie, ``(P,)``."""
    low, span = _ranges()
    return (parameters[0] - low) / span


def _bounds() -> Bounds:
    names = [p.name for p in teacher.PARAMETERS]
    low, high = torch.full((len(names),), -MARGIN), torch.full((len(names),), 1 + MARGIN)
    first_color = names.index("skin_depth")
    low[first_color:], high[first_color:] = 0.0, 1.0
    for name in WITHIN_RANGE:
        low[names.index(name)] = 0.0
    return Bounds(low, high)
