"""What a teacher depends on: named numbers with a range, each a fixed function of one entry of a latent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Parameter", "by_name", "parameters_from_latent"]


@dataclass(frozen=True)
class Parameter:
    """A named number a teacher depends on, uniform in [low, high]. Lengths in the teacher's unit, angles in radians."""

    name: str
    low: float
    high: float
    description: str


def parameters_from_latent(z: Tensor, parameters: tuple[Parameter, ...]) -> Tensor:
    """Parameters (N, P) of latents ``z`` (N, L), P <= L: low + (high - low) Phi(z / rms(z)), one latent entry each.

    Phi is the normal distribution function, so parameters of normal latents are uniform. Leftover entries are unused.
    """
    normalized = z * torch.rsqrt(z.square().mean(-1, keepdim=True) + 1e-8)
    low = z.new_tensor([p.low for p in parameters])
    high = z.new_tensor([p.high for p in parameters])
    return low + (high - low) * torch.special.ndtr(normalized[:, : len(parameters)])


def by_name(values: Tensor, parameters: tuple[Parameter, ...]) -> dict[str, Tensor]:
    """The columns (N,) of ``values`` (N, P), each under its parameter's name."""
    return {p.name: value for p, value in zip(parameters, values.unbind(-1), strict=True)}
