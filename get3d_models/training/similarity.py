"""How alike two pictures are: peak signal-to-noise ratio and structural similarity (Wang et al. 2004)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

HIGHEST_RATIO = 100.0
"""Decibels; what equal pictures get, whose ratio is infinite."""
WINDOW, DEVIATION = 11, 1.5
MEAN_CONSTANT, CONTRAST_CONSTANT = 0.01**2, 0.03**2


def peak_signal_to_noise(images: Tensor, references: Tensor) -> Tensor:
    """Of pictures ``(N, C, H, W)`` in [0, 1], over all channels and pixels of each: ``(N,)`` decibels."""
    error = (images - references).square().mean(dim=(1, 2, 3))
    return -10 * error.clamp_min(10 ** (-HIGHEST_RATIO / 10)).log10()


def structural_similarity(images: Tensor, references: Tensor) -> Tensor:
    """Of pictures ``(N, C, H, W)`` in [0, 1]: ``(N,)``, the mean over channels and all windows inside the picture.

    Windows are Gaussian, 11 x 11 with a deviation of 1.5 pixels; the constants are those of the paper (0.01, 0.03).
    """
    # Differences of squares lose digits: with float32 flat regions would get noise for a variance.
    images, references = images.double(), references.double()
    mean_a, mean_b = _windowed(images), _windowed(references)
    variance_a = _windowed(images.square()) - mean_a.square()
    variance_b = _windowed(references.square()) - mean_b.square()
    covariance = _windowed(images * references) - mean_a * mean_b
    means = (2 * mean_a * mean_b + MEAN_CONSTANT) / (mean_a.square() + mean_b.square() + MEAN_CONSTANT)
    contrasts = (2 * covariance + CONTRAST_CONSTANT) / (variance_a + variance_b + CONTRAST_CONSTANT)
    return (means * contrasts).mean(dim=(1, 2, 3)).float()


def _windowed(pictures: Tensor) -> Tensor:
    """Weighted means ``(N, C, H - 10, W - 10)`` of all windows."""
    away = torch.arange(WINDOW, device=pictures.device, dtype=pictures.dtype) - WINDOW // 2
    weights = torch.exp(-away.square() / (2 * DEVIATION**2))
    weights = weights / weights.sum()
    channels = pictures.shape[1]
    down, across = (weights.view(1, 1, *size).repeat(channels, 1, 1, 1) for size in ((WINDOW, 1), (1, WINDOW)))
    return F.conv2d(F.conv2d(pictures, down, groups=channels), across, groups=channels)
