"""The teacher's parameters behind a shape, found by gradient descent: a judge of edits that is no tracker."""

from __future__ import annotations

import torch
from torch import Tensor

from get3d_models.shape import Shape
from get3d_models.training import quadruped as teacher
from get3d_models.training.fit import DISTANCE_SCALE

BANDS = (0.2, 0.05)
STEPS = 120
SURFACE_SAMPLES = 3000
VOLUME_SAMPLES = 1500


def refit(shape: Shape, start: Tensor, guide: tuple[int, Tensor] | None = None, seed: int = 0) -> tuple[Tensor, float]:
    """Shape parameters ``(1, P)`` whose animal is nearest to ``shape``, and the mean error of its distance (world units).

    Adam on the parameters, kept in their ranges. The error is that of the signed distance, first clamped widely so that
    a limb that is elsewhere still attracts, then narrowly; at points on and around the shape's surface, around the
    surface of the start, and anywhere in the box. A limb may have moved too far even so, so with ``guide`` (number and
    position ``(3,)`` of a keypoint) a second descent starts from the animal that has this keypoint there; which of the
    two is the answer depends only on how well it fits the shape.
    """
    starts = [_codes(start)]
    if guide is not None:
        starts.append(_guided(starts[0], *guide))
    code = torch.cat(starts).requires_grad_(True)
    points = _points(shape, start, seed)
    with torch.no_grad():
        distance = shape.signed_distance(points) / DISTANCE_SCALE
    errors = torch.zeros(len(code))
    for band in BANDS:
        optimizer = torch.optim.Adam([code], lr=0.1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for _ in range(STEPS):
            theirs = teacher.signed_distance(teacher.pose(_parameters(code)), points.expand(len(code), -1, -1))
            errors = (theirs.clamp(-band, band) - distance.clamp(-band, band)).abs().mean(dim=1)
            optimizer.zero_grad()
            errors.sum().backward()
            optimizer.step()
            schedule.step()
    best = int(errors.argmin())
    return _parameters(code).detach()[best : best + 1], float(errors[best].detach())


def _ranges() -> tuple[Tensor, Tensor]:
    low = torch.tensor([p.low for p in teacher.SHAPE_PARAMETERS])
    return low, torch.tensor([p.high for p in teacher.SHAPE_PARAMETERS]) - low


def _parameters(code: Tensor) -> Tensor:
    low, span = _ranges()
    return low + span * torch.special.ndtr(code)


def _codes(parameters: Tensor) -> Tensor:
    low, span = _ranges()
    return torch.special.ndtri(((parameters - low) / span).clamp(0.01, 0.99))


def _guided(code: Tensor, keypoint: int, position: Tensor) -> Tensor:
    """The nearest codes whose animal has a keypoint at a position."""
    start = code
    code = code.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([code], lr=0.1)
    for _ in range(100):
        there = teacher.keypoints(_parameters(code))[0, keypoint]
        loss = (there - position).square().sum() * 1e3 + 1e-2 * (code - start).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return code.detach()


def _points(shape: Shape, start: Tensor, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    vertices = shape.vertices.cpu()
    chosen = torch.randint(len(vertices), (SURFACE_SAMPLES,), generator=random)
    around = vertices[chosen] + 0.015 * torch.randn(SURFACE_SAMPLES, 3, generator=random)
    before = teacher.sample_near_surface(teacher.pose(start), SURFACE_SAMPLES // 2, 0.01, random)[0]
    anywhere = torch.rand(VOLUME_SAMPLES, 3, generator=random) - 0.5
    return torch.cat([around, before, anywhere])
