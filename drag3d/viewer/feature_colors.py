"""What drags follow, as colours: the first three principal components of features, fitted once to the original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from get3d_models.triplanes import LocalPlanes

LOW, HIGH = 0.01, 0.99
"""Quantiles that become the darkest and the brightest level"""
FITTED = 20_000
"""Features that a fit looks at, at most"""


@dataclass(frozen=True)
class FeatureColors:
    """Three directions in the space of features, one for each of red, green and blue, and what is dark and bright."""

    mean: Tensor
    """(C,)"""
    axes: Tensor
    """(C, 3), unit length"""
    low: Tensor
    """(3,)"""
    high: Tensor
    """(3,)"""

    @classmethod
    def fitted(cls, features: Tensor) -> FeatureColors:
        """To features ``(N, C)``, of the original; whatever shows later is coloured by the same."""
        features = features.detach().double()[:: 1 + len(features) // FITTED]
        channels = features.shape[1]
        if len(features) == 0:
            features = torch.zeros(1, channels, dtype=torch.float64)
        mean = features.mean(dim=0)
        _, vectors = torch.linalg.eigh((features - mean).T @ (features - mean))
        axes = torch.zeros(channels, 3, dtype=torch.float64)
        axes[:, : min(3, channels)] = vectors.flip(1)[:, :3]
        strongest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
        axes = axes * torch.where(strongest < 0, -1.0, 1.0)  # a direction and its opposite are the same to a fit
        found = (features - mean) @ axes
        low, high = torch.quantile(found, LOW, dim=0), torch.quantile(found, HIGH, dim=0)
        return cls(*(part.float() for part in (mean, axes, low, high)))

    def of(self, features: Tensor) -> NDArray[np.uint8]:
        """Colours ``(N, 3)`` of features ``(N, C)``."""
        found = (features.detach().float() - self.mean) @ self.axes
        shares = (found - self.low) / (self.high - self.low).clamp_min(1e-12)
        return (shares.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def surface_features(generator: Any, planes: Tensor | LocalPlanes, latents: Any, points: Tensor) -> Tensor:
    """What a drag of geometry follows at points ``(M, 3)`` of a shape: ``(M, C)``, on the CPU; see ``SurfaceField``."""
    with torch.no_grad():
        rows = latents.geometry.to(generator.device)[None, generator.config.plane_geometry_rows :]
        return generator.sdf_decoder.hidden(generator.features(planes, points[None]), rows)[0].cpu()


def image_features(generator: Any, latents: Any, block: int) -> Tensor:
    """The map ``(C, h, w)`` that drags of an image follow, on the CPU."""
    with torch.no_grad():
        return generator.features(latents.rows.to(generator.device)[None], block)[0].cpu()


def map_colors(colors: FeatureColors, features: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A map ``(C, h, w)`` as a picture ``(H, W, 3)`` of ``size`` = (width, height), bilinear between its texels."""
    channels, height, width = features.shape
    small = torch.from_numpy(colors.of(features.reshape(channels, -1).T)).float().view(height, width, 3)
    large = torch.nn.functional.interpolate(
        small.permute(2, 0, 1)[None], (size[1], size[0]), mode="bilinear", align_corners=False
    )
    return large[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).contiguous().numpy()
