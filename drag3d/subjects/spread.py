"""How generated latents vary: the directions in which a drag may go, one standard deviation long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

SAMPLES = 2048
KEPT = 0.07


@dataclass(frozen=True)
class Spread:
    """How generated latents vary: mean ``(w_dim,)`` and principal directions ``(k, w_dim)``, one deviation long."""

    mean: Tensor
    directions: Tensor

    def coordinates(self, rows: Tensor) -> Tensor:
        """Of latent rows ``(R, w_dim)`` along these directions, in deviations from the mean: ``(R, k)``."""
        return (rows - self.mean) @ (self.directions / self.directions.square().sum(dim=1, keepdim=True)).t()


def latent_spread(mapping: Callable[[Tensor], Tensor], z_dim: int, device: torch.device) -> Spread:
    """Principal components of the mapped latents of a fixed set of random codes; those of no account are left out.

    Those are the ones with less than ``KEPT`` of the strongest's deviation. For the embedded models about as many
    remain as their teachers have parameters.
    """
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        w = mapping(torch.randn(SAMPLES, z_dim, generator=random).to(device))
    mean = w.mean(dim=0)
    # Each device has signs of its own for the axes, and finite differences depend on which way they go.
    _, deviations, axes = torch.linalg.svd((w - mean).cpu(), full_matrices=False)
    deviations = deviations / (len(w) - 1) ** 0.5
    kept = deviations > KEPT * deviations[0]
    return Spread(mean, (axes[kept] * deviations[kept, None]).to(device))
