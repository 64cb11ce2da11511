"""Synthesis of the geometry and texture triplanes, and their features at points in space (GET3D, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from get3d_models.layers import ModulatedConvolution, ToPlanes, resample_filter, upsample2

# The two coordinates of a point that index each plane: (width, height) of xy, yz and xz.
PLANE_AXES = ((0, 1), (1, 2), (0, 2))


@dataclass(frozen=True)
class Triplanes:
    """Feature planes of a batch of shapes; ``texture`` is None where only geometry was asked for."""

    geometry: Tensor
    """(N, 3, C, R, R)"""
    texture: Tensor | None = None
    """(N, 3, C, R, R)"""


class SynthesisBlock(nn.Module):
    """One resolution: two modulated convolutions and the layers that add to the geometry and the texture planes.

    Latent rows are consecutive and not shared with the next block (unlike StyleGAN2): conv0, conv1, togeo take geometry
    rows, totex its own texture row.
    """

    resample_filter: Tensor

    def __init__(self, inputs: int, outputs: int, planes: int, w_dim: int, resolution: int, clamp: float | None):
        super().__init__()
        self.first = inputs == 0
        if self.first:
            self.const = nn.Parameter(torch.randn(outputs, resolution, resolution))
        else:
            self.conv0 = ModulatedConvolution(inputs, outputs, w_dim, resolution, up=True, clamp=clamp)
        self.conv1 = ModulatedConvolution(outputs, outputs, w_dim, resolution, up=False, clamp=clamp)
        self.togeo = ToPlanes(outputs, 3 * planes, w_dim, clamp)
        self.totex = ToPlanes(outputs, 3 * planes, w_dim, clamp)
        self.register_buffer("resample_filter", resample_filter())

    @property
    def geometry_rows(self) -> int:
        """How many rows of the geometry latent this block consumes."""
        return 2 if self.first else 3

    def forward(self, x: Tensor | None, ws: Tensor) -> Tensor:
        """The activations after this block's convolutions: ``(N, C, r, r)``."""
        if self.first:
            x = self.const.expand(len(ws), -1, -1, -1)
            return self.conv1(x, ws[:, 0])
        return self.conv1(self.conv0(x, ws[:, 0]), ws[:, 1])


class TriplaneSynthesis(nn.Module):
    """From latent rows to triplanes: blocks of doubling resolution, their planes summed through a skip chain."""

    def __init__(self, channels: tuple[int, ...], planes: int, w_dim: int, clamp: float | None):
        super().__init__()
        self.resolutions = [4 << i for i in range(len(channels))]
        self.planes = planes
        for i, resolution in enumerate(self.resolutions):
            inputs = channels[i - 1] if i else 0
            block = SynthesisBlock(inputs, channels[i], planes, w_dim, resolution, clamp)
            self.add_module(f"b{resolution}", block)

    @property
    def blocks(self) -> list[SynthesisBlock]:
        """The blocks from the coarsest resolution up."""
        return [getattr(self, f"b{r}") for r in self.resolutions]

    def forward(self, ws_geometry: Tensor, ws_texture: Tensor | None = None) -> Triplanes:
        """``(N, geometry rows, w_dim)`` and optionally ``(N, texture rows, w_dim)`` to :class:`Triplanes`."""
        x: Tensor | None = None
        geometry: Tensor | None = None
        texture: Tensor | None = None
        row = 0
        for i, block in enumerate(self.blocks):
            rows = ws_geometry[:, row : row + block.geometry_rows]
            row += block.geometry_rows
            x = block(x, rows)
            geometry = self._accumulate(geometry, block.togeo(x, rows[:, -1]), block)
            if ws_texture is not None:
                texture = self._accumulate(texture, block.totex(x, ws_texture[:, i]), block)
        assert geometry is not None
        return Triplanes(self._split(geometry), None if texture is None else self._split(texture))

    @staticmethod
    def _accumulate(planes: Tensor | None, added: Tensor, block: SynthesisBlock) -> Tensor:
        return added if planes is None else upsample2(planes, block.resample_filter) + added

    def _split(self, planes: Tensor) -> Tensor:
        return planes.unflatten(1, (3, self.planes))


def lookup(planes: Tensor, points: Tensor, low: float, length: float) -> Tensor:
    """Sum of the three planes' bilinear values at points.

    planes ``(N, 3, C, R, R)``; points ``(N, M, 3)`` in world units; the box is [low, low + length]^3 and points outside
    take the value at its border. As in the official lookup, texel centres are half a texel inside and zeros lie
    outside the planes. Returns ``(N, M, C)``. Differentiable in the planes and in the points; the official system
    detaches the points, so detach them to get its gradients.
    """
    position = ((points - low) / length).clamp(0.0, 1.0) * 2.0 - 1.0
    # One call of grid_sample for all planes: (N * 3, C, R, R) at (N * 3, M, 1, 2).
    grid = torch.stack([position[..., list(axes)] for axes in PLANE_AXES], dim=1)
    sampled = F.grid_sample(
        planes.flatten(0, 1), grid.flatten(0, 1).unsqueeze(2), mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return sampled.squeeze(3).unflatten(0, (len(planes), 3)).sum(dim=1).transpose(1, 2)
