"""Judging an edit of a shape by the teacher; no tracker has a say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from drag3d.evaluation.keypoint_drags import Verdict
from get3d_models.keypoints import keypoint_names
from get3d_models.shape import Shape
from get3d_models.training import quadruped as teacher
from get3d_models.training.least_squares import Guide
from get3d_models.training.refit import refit

REACHED = 0.03
"""A keypoint this near to the target, in diagonals, has been dragged there."""


@dataclass(frozen=True)
class Baseline:
    """The unedited shape in the judge's eyes."""

    shape: Shape
    parameters: Tensor
    """(1, P) the teacher's, re-fitted"""
    error: float
    """How far the re-fitted keypoints are from the teacher's own, in diagonals: what the judge cannot know better"""

    @property
    def original(self) -> Shape:
        """The shape."""
        return self.shape


def judge_unedited(shape: Shape, seed: int, names: Sequence[str]) -> Baseline:
    """What the judge makes of the sample of ``seed`` before keypoints of it are edited."""
    code = shape.generator.code(seed, "geometry").cpu()
    true = teacher.parameters_from_latent(code, teacher.SHAPE_PARAMETERS)
    found, _ = refit(shape, true)
    numbers = [keypoint_names(shape.generator).index(name) for name in names]
    apart = teacher.keypoints(found)[0, numbers] - teacher.keypoints(true)[0, numbers]
    return Baseline(shape, found, float(apart.norm(dim=1).mean()) / shape.diagonal)


def judge(baseline: Baseline, edited: Shape, names: Sequence[str], targets: Tensor) -> Verdict:
    """The verdict on an edit that dragged keypoints to ``targets (K, 3)``, world units."""
    diagonal, targets = baseline.shape.diagonal, targets.detach().cpu()
    numbers = [keypoint_names(edited.generator).index(name) for name in names]
    found, error = refit(edited, baseline.parameters, guide_to(numbers, targets))
    before, after = (teacher.keypoints(p)[0, numbers] for p in (baseline.parameters, found))
    distances = (after - targets).norm(dim=1) / diagonal
    return Verdict(
        keypoint_distance=float(distances.mean()),
        keypoint_worst=float(distances.max()),
        keypoint_moved=float((after - before).norm(dim=1).mean()) / diagonal,
        fit_error=error / diagonal,
    )


def guide_to(numbers: Sequence[int], places: Tensor) -> Guide:
    """Where keypoints should be, for a re-fit to start from there too."""
    return list(numbers), places
