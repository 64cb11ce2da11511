"""Synthesis of the geometry and texture triplanes, and their features at points in space (GET3D, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from get3d_models.errors import InputError
from get3d_models.layers import ModulatedConvolution, ToPlanes, resample_filter, upsample2
from get3d_models.windows import Plan, Windows, plan

# The two coordinates of a point that index each plane: (width, height) of xy, yz and xz.
PLANE_AXES = ((0, 1), (1, 2), (0, 2))
# Windows are enlarged by this many texels, far more than rounding can move a point and far less than changes the cost.
ROUNDING_MARGIN = 1e-3


@dataclass(frozen=True)
class LocalPlanes:
    """The parts of a batch of three planes that are near some points; look them up as the whole planes are."""

    texels: Tensor
    """(N, 3 * K, C, size, size): K windows of each plane"""
    windows: Windows
    """Where these are: those of the first plane, then those of the second and third."""


@dataclass(frozen=True)
class Triplanes:
    """Feature planes of a batch of shapes; ``texture`` is None where only geometry was asked for."""

    geometry: Tensor
    """(N, 3, C, R, R)"""
    texture: Tensor | None = None
    """(N, 3, C, R, R)"""


@dataclass(frozen=True)
class LocalTriplanes:
    """What :class:`Triplanes` are near some points; ``texture`` is None where only geometry was asked for."""

    geometry: LocalPlanes
    texture: LocalPlanes | None = None


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

    def forward(self, x: Tensor | None, ws: Tensor, windows: Windows) -> Tensor:
        """Activations ``(N * K, C, size, size)`` after this block's convolutions, from those of the block before."""
        if self.first:
            x = self.const.expand(len(ws), -1, -1, -1)
            return self.conv1(x, ws[:, 0], windows)
        x = self.conv0(x, ws[:, 0], self.conv1.reads(windows))
        return self.conv1(x, ws[:, 1], windows)

    def reads(self, windows: Windows) -> Windows:
        """What must be known of the block before to compute these windows."""
        return self.conv0.reads(self.conv1.reads(windows))

    def add_planes(self, planes: Tensor | None, added: Tensor, windows: Windows) -> Tensor:
        """The planes of the block before, doubled, plus what this one adds ``(N * K, c, size, size)``."""
        if planes is not None:
            added = upsample2(planes, self.resample_filter, windows, self.reads(windows)) + added
        return windows.zero_beyond_edge(added)

    def multiply_adds(self, windows: Windows, texture: bool) -> int:
        """Multiplications that one latent's windows cost."""
        count = self.conv1.multiply_adds(windows)
        if not self.first:
            count += self.conv0.multiply_adds(self.conv1.reads(windows))
        return count + (2 if texture else 1) * self.togeo.multiply_adds(windows, plane_groups(windows))


def plane_groups(windows: Windows) -> int:
    """Windows of triplanes come in three runs, one for each plane and its part of the channels; a whole map has all."""
    return 1 if windows.is_whole else len(PLANE_AXES)


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
        everything = [Windows.whole(resolution) for resolution in self.resolutions]
        geometry, texture = self._evaluate(ws_geometry, ws_texture, everything, everything[-1])
        return Triplanes(self._split(geometry), None if texture is None else self._split(texture))

    def local(self, ws_geometry: Tensor, ws_texture: Tensor | None, plan: Plan) -> LocalTriplanes:
        """What :meth:`forward` gives, in the requested windows of a :meth:`plan` only; its gradients are the same."""
        geometry, texture = self._evaluate(ws_geometry, ws_texture, plan.blocks, plan.requested)
        return LocalTriplanes(self._locate(geometry, plan), None if texture is None else self._locate(texture, plan))

    def plan(self, requested: Windows, texture: bool) -> Plan:
        """The cheapest way to windows of the planes, with or without those of texture."""
        blocks = self.blocks
        return plan(requested, len(blocks), lambda i, windows: blocks[i].multiply_adds(windows, texture))

    def _evaluate(
        self, ws_geometry: Tensor, ws_texture: Tensor | None, windows: Sequence[Windows], requested: Windows
    ) -> tuple[Tensor, Tensor | None]:
        """Geometry and texture planes in the ``requested`` windows, where each block computes its ``windows``."""
        state: list[Tensor | None] = [None, None, None]  # activations, geometry and texture planes of the block before
        have = windows[0]
        row = 0
        for i, (block, here) in enumerate(zip(self.blocks, windows, strict=True)):
            if i:
                have = _narrow(state, have, block.reads(here))
            rows = ws_geometry[:, row : row + block.geometry_rows]
            row += block.geometry_rows
            x, geometry, texture = state
            x = block(x, rows, here)
            groups = plane_groups(here)
            geometry = block.add_planes(geometry, block.togeo(x, rows[:, -1], groups), here)
            if ws_texture is not None:
                texture = block.add_planes(texture, block.totex(x, ws_texture[:, i], groups), here)
            state, have = [x, geometry, texture], here
        state[0] = None
        _narrow(state, have, requested)
        assert state[1] is not None
        return state[1], state[2]

    def _split(self, planes: Tensor) -> Tensor:
        return planes.unflatten(1, (3, self.planes))

    @staticmethod
    def _locate(texels: Tensor, plan: Plan) -> LocalPlanes:
        return LocalPlanes(texels.unflatten(0, (-1, len(plan.requested))), plan.requested)


def _narrow(state: list[Tensor | None], have: Windows, needed: Windows) -> Windows:
    """Replace whole maps in ``state`` by the windows of them that are ``needed``, unless these are what they are."""
    if have != needed:
        x, geometry, texture = state
        state[0] = None if x is None else needed.take(x)
        state[1:] = [None if p is None else needed.take(p, plane_groups(needed)) for p in (geometry, texture)]
    return needed


def plane_position(points: Tensor, low: float, length: float) -> Tensor:
    """World coordinates (any shape) clamped to the box and scaled to [-1, 1], edge to edge."""
    return ((points - low) / length).clamp(0.0, 1.0) * 2.0 - 1.0


def texel_position(points: Tensor, low: float, length: float, resolution: int) -> Tensor:
    """World coordinates (any shape) in texels, the centre of the first being 0; as grid_sample reckons it."""
    return ((plane_position(points, low, length) + 1.0) * resolution - 1.0) / 2.0


def windows_around(centers: Tensor, radius: float, low: float, length: float, resolution: int) -> Windows:
    """The texels that points within ``radius`` of ``centers`` (K, 3) read, of each plane in turn: 3 K windows."""
    if centers.ndim != 2 or centers.shape[1] != 3 or len(centers) == 0:
        raise InputError(f"the centres of windows have shape {tuple(centers.shape)}; give at least one, as (K, 3)")
    if not bool(centers.isfinite().all()) or not (math.isfinite(radius) and radius >= 0):
        raise InputError("the centres of windows and their radius must be finite, and the radius not negative")
    ends = torch.stack([centers.detach().double() - radius, centers.detach().double() + radius])
    first, last = texel_position(ends, low, length, resolution)
    first = (first - ROUNDING_MARGIN).floor().long()
    last = (last + ROUNDING_MARGIN).floor().long() + 1
    size = int((last - first).max()) + 1
    corners = [(row, column) for across, down in PLANE_AXES for row, column in first[:, [down, across]].tolist()]
    return Windows(resolution, size, tuple(corners))


def lookup(planes: Tensor, points: Tensor, low: float, length: float) -> Tensor:
    """Sum of the three planes' bilinear values at points.

    planes ``(N, 3, C, R, R)``; points ``(N, M, 3)`` in world units; the box is [low, low + length]^3 and points outside
    take the value at its border. As in the official lookup, texel centres are half a texel inside and zeros lie
    outside the planes. Returns ``(N, M, C)``. Differentiable in the planes and in the points; the official system
    detaches the points, so detach them to get its gradients.
    """
    position = plane_position(points, low, length)
    # One call of grid_sample for all planes: (N * 3, C, R, R) at (N * 3, M, 1, 2).
    grid = torch.stack([position[..., list(axes)] for axes in PLANE_AXES], dim=1)
    sampled = F.grid_sample(
        planes.flatten(0, 1),
        grid.flatten(0, 1).unsqueeze(2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return sampled.squeeze(3).unflatten(0, (len(planes), 3)).sum(dim=1).transpose(1, 2)


def lookup_local(planes: LocalPlanes, points: Tensor, low: float, length: float) -> Tensor:
    """What :func:`lookup` gives for points inside the windows; raises InputError where a point is in none of them."""
    windows, size = planes.windows, planes.windows.size
    count = len(windows) // len(PLANE_AXES)
    position = texel_position(points, low, length, windows.resolution)
    position = torch.stack([position[..., list(axes)] for axes in PLANE_AXES], dim=2)  # (N, M, 3, 2): across, down
    first = position.detach().floor()
    corners = torch.tensor(windows.corners, device=points.device).flip(1).unflatten(0, (len(PLANE_AXES), count))
    place = first.long().unsqueeze(3) - corners  # (N, M, 3, K, 2)
    inside = ((place >= 0) & (place <= size - 2)).flatten(4).all(dim=4).all(dim=2)  # (N, M, K)
    if not bool(inside.any(dim=2).all()):
        raise InputError("a point lies outside the windows of the local planes: ask for a larger radius, or whole")
    window = inside.to(torch.uint8).argmax(dim=2)
    choice = window[:, :, None, None, None].expand(-1, -1, len(PLANE_AXES), -1, 2)
    across, down = place.gather(3, choice).squeeze(3).unbind(3)  # (N, M, 3) each

    shapes = torch.arange(len(points), device=points.device)[:, None, None]
    runs = torch.arange(len(PLANE_AXES), device=points.device) * count
    map_index = shapes * len(windows) + runs + window[:, :, None]
    texel = (map_index * size + down) * size + across
    table = planes.texels.permute(0, 1, 3, 4, 2).flatten(0, 3)
    right, below = (position - first).unbind(3)
    # Not grid_sample: it takes one map for all points, and here each has a window of its own.
    offsets = torch.tensor([0, 1, size, size + 1], device=points.device)
    above, left = 1 - below, 1 - right
    weights = torch.stack([above * left, above * right, below * left, below * right], dim=3)
    values = F.embedding(texel[..., None] + offsets, table)  # (N, M, 3, 4, C)
    return (values * weights[..., None]).flatten(2, 3).sum(dim=2)
