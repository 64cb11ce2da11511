"""Judging an edit of an image by the teacher and by the pixels before and after; no tracker has a say.

Lengths are pixels of an image 256 wide, whatever the generator's width is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drag3d.evaluation.yardstick import Verdict
from get3d_models.stylegan2 import ImageGenerator, ImageLatents
from get3d_models.training import portrait as teacher
from get3d_models.training.portrait_refit import refit

WIDTH = 256
REACHED = 5.0
"""A keypoint this near to the target has been dragged there."""
REGION = 48.0
"""What is farther than this from handle and target should not have changed."""


@dataclass(frozen=True)
class ImageBaseline:
    """The unedited image in the judge's eyes."""

    image: Tensor
    """(3, H, W) in [0, 1]"""
    parameters: Tensor
    """(1, P) the teacher's, re-fitted"""
    error: float
    """How far the re-fitted keypoint is from the teacher's own: what the judge cannot know better"""


@dataclass(frozen=True)
class ImageVerdict(Verdict):
    """One edit; lengths in pixels of an image 256 wide, changes of colours and errors of the fit in [0, 1]."""

    keypoint_before: float
    """From the keypoint of the re-fitted teacher of the unedited image to the target"""
    shown: bool
    """Whether the edited image shows the keypoint, by the re-fitted teacher; if not, its place means nothing"""


def picture(generator: ImageGenerator, latents: ImageLatents) -> Tensor:
    """The image of latents, ``(3, H, W)`` in [0, 1] on the CPU."""
    with torch.no_grad():
        image = generator.image(latents.rows.to(generator.device)[None])[0]
    return (image * 0.5 + 0.5).clamp(0.0, 1.0).cpu()


def judge_unedited(generator: ImageGenerator, seed: int, keypoint: str) -> ImageBaseline:
    """What the judge makes of the sample of ``seed`` before it is edited."""
    true = teacher.parameters_from_latent(generator.code(seed).cpu(), teacher.PARAMETERS)
    image = picture(generator, generator.latents(seed))
    found, _ = refit(image, true)
    number = teacher.KEYPOINTS.index(keypoint)
    apart = teacher.keypoints(found)[0, number] - teacher.keypoints(true)[0, number]
    return ImageBaseline(image, found, WIDTH * float(apart.norm()))


def judge(baseline: ImageBaseline, edited: Tensor, keypoint: str, handle: Tensor, target: Tensor) -> ImageVerdict:
    """The verdict on ``edited (3, H, W)``, in which ``keypoint`` was dragged from ``handle (2,)`` to ``target (2,)``.

    These in pixels of the image itself.
    """
    width = edited.shape[-1]
    goal = (target.detach().cpu() + 0.5) / width
    number = teacher.KEYPOINTS.index(keypoint)
    found, error = refit(edited, baseline.parameters, (number, goal))
    before, after = (teacher.keypoints(p)[0, number] for p in (baseline.parameters, found))
    centers = torch.stack([handle.detach().cpu(), target.detach().cpu()])
    off = off_region_change(baseline.image, edited, centers, REGION * width / WIDTH)
    return ImageVerdict(
        keypoint_distance=WIDTH * float((after - goal).norm()),
        keypoint_moved=WIDTH * float((after - before).norm()),
        fit_error=error,
        off_region_mean=float(off.mean()) if len(off) else 0.0,
        off_region_p95=float(np.quantile(off, 0.95)) if len(off) else 0.0,
        keypoint_before=WIDTH * float((before - goal).norm()),
        shown=bool(teacher.shown(found)[0, number]),
    )


def off_region_change(original: Tensor, edited: Tensor, centers: Tensor, radius: float) -> NDArray[np.float64]:
    """Mean absolute change over channels of pixels ``(M,)``: those beyond ``radius`` pixels of all ``centers``."""
    rows, columns = (torch.arange(n, dtype=torch.float32) for n in original.shape[1:])
    down, across = torch.meshgrid(rows, columns, indexing="ij")
    places = torch.stack([across, down], dim=-1).flatten(0, 1)
    away = torch.cdist(places, centers).amin(dim=1) > radius
    return (edited - original).abs().mean(dim=0).flatten()[away].double().numpy()
