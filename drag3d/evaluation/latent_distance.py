"""How far latents are from those that a generator was trained with: Mahalanobis' distance."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SAMPLES = 10_000
LEAST_DEVIATION = 1e-3
"""Of the largest one: directions of no account would else be infinitely far away."""


@dataclass(frozen=True)
class Distribution:
    """Mean and principal axes of the latents that a mapping network makes."""

    mean: Tensor
    """(w_dim,) float64"""
    axes: Tensor
    """(w_dim, w_dim) float64: columns, each divided by the deviation along it"""

    def distances(self, rows: Tensor) -> Tensor:
        """Of latent rows ``(R, w_dim)``: ``(R,)``. Those of samples are about the root of w_dim."""
        return ((rows.detach().cpu().double() - self.mean) @ self.axes).norm(dim=1)


def distribution_of(generator: Any) -> Distribution:
    """Of the mapped latents of a fixed set of random codes: of an image generator's, or of a shape's geometry.

    It is worked out once for each generator.
    """
    known = _KNOWN.get(generator)
    if known is None:
        known = _KNOWN[generator] = _measured(generator)
    return known


def _measured(generator: Any) -> Distribution:
    random = torch.Generator().manual_seed(0)
    codes = torch.randn(SAMPLES, generator.config.z_dim, generator=random).to(generator.device)
    with torch.no_grad():
        parts = codes.split(2048)
        if generator.kind == "shape":
            latents = torch.cat([generator.mapping_geometry(z) for z in parts])
        else:
            latents = torch.cat([generator.map(z)[:, 0] for z in parts])
    latents = latents.cpu().double()
    mean = latents.mean(dim=0)
    _, deviations, axes = torch.linalg.svd(latents - mean, full_matrices=False)
    deviations = deviations / (len(latents) - 1) ** 0.5
    return Distribution(mean, axes.t() / deviations.clamp_min(LEAST_DEVIATION * float(deviations[0])))


_KNOWN: weakref.WeakKeyDictionary[Any, Distribution] = weakref.WeakKeyDictionary()
