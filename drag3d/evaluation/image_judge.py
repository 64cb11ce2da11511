"""Judging an edit of an image by the teacher; no tracker has a say.

Lengths are pixels of an image 256 wide, whatever the generator's width is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from drag3d.evaluation.images import WIDTH, picture
from drag3d.evaluation.keypoint_drags import Verdict
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait as teacher
from get3d_models.training.portrait_refit import refit

REACHED = 5.0
"""A keypoint this near to the target has been dragged there."""


@dataclass(frozen=True)
class ImageBaseline:
    """The unedited image in the judge's eyes."""

    image: Tensor
    """(3, H, W) in [0, 1]"""
    parameters: Tensor
    """(1, P) the teacher's, re-fitted"""
    error: float
    """How far the re-fitted keypoints are from the teacher's own, on average: what the judge cannot know better"""

    @property
    def original(self) -> Tensor:
        """The image."""
        return self.image


@dataclass(frozen=True)
class ImageVerdict(Verdict):
    """One edit; errors of the fit are those of colours in [0, 1]."""

    keypoint_before: float
    """From the keypoints of the re-fitted teacher of the unedited image to the targets, on average"""
    shown: bool
    """Whether the edited image shows all keypoints, by the re-fitted teacher; if not, their place means nothing"""


def judge_unedited(generator: ImageGenerator, seed: int, names: Sequence[str]) -> ImageBaseline:
    """What the judge makes of the sample of ``seed`` before keypoints of it are edited."""
    true = teacher.parameters_from_latent(generator.code(seed).cpu(), teacher.PARAMETERS)
    image = picture(generator, generator.latents(seed))
    found, _ = refit(image, true)
    numbers = [teacher.KEYPOINTS.index(name) for name in names]
    apart = teacher.keypoints(found)[0, numbers] - teacher.keypoints(true)[0, numbers]
    return ImageBaseline(image, found, WIDTH * float(apart.norm(dim=1).mean()))


def judge(baseline: ImageBaseline, edited: Tensor, names: Sequence[str], targets: Tensor) -> ImageVerdict:
    """The verdict on ``edited (3, H, W)``, in which keypoints were dragged to ``targets (K, 2)``, pixels of itself."""
    goals = (targets.detach().cpu() + 0.5) / edited.shape[-1]
    numbers = [teacher.KEYPOINTS.index(name) for name in names]
    found, error = refit(edited, baseline.parameters, (numbers, goals))
    before, after = (teacher.keypoints(p)[0, numbers] for p in (baseline.parameters, found))
    distances = WIDTH * (after - goals).norm(dim=1)
    return ImageVerdict(
        keypoint_distance=float(distances.mean()),
        keypoint_worst=float(distances.max()),
        keypoint_moved=WIDTH * float((after - before).norm(dim=1).mean()),
        fit_error=error,
        keypoint_before=WIDTH * float((before - goals).norm(dim=1).mean()),
        shown=bool(teacher.shown(found)[0, numbers].all()),
    )
