"""How well a trained portrait matches its teacher, on latents it was not trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from get3d_models.errors import InputError
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait as teacher
from get3d_models.training.measure import HELD_OUT_SEED
from get3d_models.training.similarity import peak_signal_to_noise, structural_similarity

BATCH = 8
DISC = 12 / 256
"""Radius of the disc around a keypoint in which colours are compared, in widths of the image."""


@dataclass(frozen=True)
class PictureFigures:
    """One held-out picture against the teacher's, both in [0, 1]; what lies beyond is clipped."""

    signal_to_noise: float
    """Peak signal-to-noise ratio, dB."""
    similarity: float
    """Structural similarity (Wang et al. 2004)."""
    color_error: float
    """Mean absolute error over channels and pixels."""
    keypoint_errors: tuple[float, ...]
    """The same in a disc around each keypoint."""
    keypoints_shown: tuple[bool, ...]
    """Whether the teacher's picture shows the keypoint: a closed lid covers its pupil."""


def held_out_codes(pictures: int, z_dim: int = teacher.LATENT_SIZE) -> Tensor:
    """Codes ``(N, z_dim)`` of a seed that training never draws."""
    return torch.randn(pictures, z_dim, generator=torch.Generator().manual_seed(HELD_OUT_SEED))


def measure_pictures(generator: ImageGenerator, z: Tensor) -> list[PictureFigures]:
    """Figures of the pictures of codes ``(N, z_dim)``, all at once."""
    with torch.no_grad():
        images = (generator.image(generator.map(z)) * 0.5 + 0.5).clamp(0.0, 1.0)
        parameters = teacher.parameters_from_latent(z, teacher.PARAMETERS)
        truth = teacher.draw(parameters, generator.config.resolution)
        error = (images - truth).abs().mean(dim=1)
        ratio, similarity = peak_signal_to_noise(images, truth), structural_similarity(images, truth)
        around = _mean_around(error, teacher.keypoints(parameters) * error.shape[-1] - 0.5, DISC * error.shape[-1])
        shown = teacher.shown(parameters)
    return [
        PictureFigures(
            float(ratio[i]), float(similarity[i]), float(error[i].mean()),
            tuple(round(e, 5) for e in around[i].tolist()), tuple(shown[i].tolist()),
        )
        for i in range(len(z))
    ]  # fmt: skip


def _mean_around(values: Tensor, places: Tensor, radius: float) -> Tensor:
    """Means ``(N, K)`` of maps ``(N, H, W)`` within ``radius`` of places ``(N, K, 2)``, all in pixels."""
    rows, columns = (torch.arange(n, device=values.device, dtype=values.dtype) for n in values.shape[1:])
    down, across = torch.meshgrid(rows, columns, indexing="ij")
    means = []
    for place in places.unbind(dim=1):
        near = (across - place[:, :1, None]).square() + (down - place[:, 1:, None]).square() <= radius**2
        means.append((values * near).sum(dim=(1, 2)) / near.sum(dim=(1, 2)).clamp_min(1))
    return torch.stack(means, dim=1)


def measure_portrait(generator: ImageGenerator, pictures: int = 256, quiet: bool = False) -> dict[str, object]:
    """Figures over held-out latents: means and worst cases.

    Raises InputError for a generator whose latents or pictures are not like the teacher's.
    """
    config = generator.config
    if config.z_dim != teacher.LATENT_SIZE:
        raise InputError(
            f"model {generator.name!r} has latents of {config.z_dim} numbers, its teacher of {teacher.LATENT_SIZE}; "
            "only models trained on the portrait can be measured"
        )
    if config.image_channels != 3 or config.width != config.resolution or config.label_dim:
        raise InputError(f"model {generator.name!r} does not make square colour pictures without labels, as its teacher"
                         " does; only models trained on the portrait can be measured")  # fmt: skip
    codes = held_out_codes(pictures).split(BATCH)
    results: list[PictureFigures] = []
    for z in tqdm(codes, disable=quiet, desc="measuring", unit="batch"):
        results += measure_pictures(generator, z.to(generator.device))
    ratios, similarities, errors = (
        np.array([getattr(r, key) for r in results]) for key in ("signal_to_noise", "similarity", "color_error")
    )
    near, shown = (np.array([getattr(r, key) for r in results]) for key in ("keypoint_errors", "keypoints_shown"))
    return {
        "pictures": pictures,
        "resolution": config.resolution,
        "signal_to_noise_mean": round(float(ratios.mean()), 2),
        "signal_to_noise_worst": round(float(ratios.min()), 2),
        "signal_to_noise_overall": round(float(-10 * np.log10(np.mean(10 ** (-ratios / 10)))), 2),
        "similarity_mean": round(float(similarities.mean()), 4),
        "similarity_worst": round(float(similarities.min()), 4),
        "color_error_mean": round(float(errors.mean()), 4),
        "color_error_worst": round(float(errors.max()), 4),
        "keypoint_error_mean": dict(zip(teacher.KEYPOINTS, near.mean(axis=0).round(5).tolist(), strict=True)),
        "keypoint_shown": dict(zip(teacher.KEYPOINTS, shown.sum(axis=0).tolist(), strict=True)),
        "each": [asdict(r) for r in results],
    }
