"""Synthesis of the geometry and texture triplanes (GET3D, section 3.1): whole, or what points in space need of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from get3d_models.errors import InputError
from get3d_models.layers import (
    Kept,
    ModulatedConvolution,
    ToPlanes,
    laid_out,
    random_start,
    resample_filter,
    turned,
    upsample2,
)
from get3d_models.windows import Plan, Windows, plan

# The two coordinates of a point that index each plane: (width, height) of xy, yz and xz.
PLANE_AXES = ((0, 1), (1, 2), (0, 2))
# Windows are enlarged by this many texels, far more than rounding can move a point and far less than changes the cost.
ROUNDING_MARGIN = 1e-3

Coordinates = TypeVar("Coordinates", Tensor, NDArray[np.float64])


@dataclass(frozen=True)
class LocalPlanes:
    """The parts of a batch of three planes that are near some points; look them up as the whole planes are."""

    texels: Tensor
    """(N, 3 * K, C, rows, columns): K windows of each plane"""
    windows: Windows
    """Where these are: those of the first plane, then those of the second and third."""

    def detach(self) -> LocalPlanes:
        """The same cut from any graph."""
        return LocalPlanes(self.texels.detach(), self.windows)


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
        size = (resolution, resolution)
        if self.first:
            self.const = nn.Parameter(random_start(outputs, resolution, resolution))
        else:
            self.conv0 = ModulatedConvolution(inputs, outputs, w_dim, size, up=True, clamp=clamp)
        self.conv1 = ModulatedConvolution(outputs, outputs, w_dim, size, up=False, clamp=clamp)
        self.togeo = ToPlanes(outputs, 3 * planes, w_dim, clamp)
        self.totex = ToPlanes(outputs, 3 * planes, w_dim, clamp)
        self.register_buffer("resample_filter", resample_filter())
        self._kept = Kept()

    @property
    def geometry_rows(self) -> int:
        """How many rows of the geometry latent this block consumes."""
        return 2 if self.first else 3

    def forward(self, x: Tensor | None, rows: Sequence[Tensor], windows: Windows) -> Tensor:
        """Activations ``(N * K, C, rows, columns)`` after this block's convolutions, from those of the block before."""
        if self.first:
            x = laid_out(self.const.expand(len(rows[0]), -1, -1, -1))
            return self.conv1(x, rows[0], windows)
        x = self.conv0(x, rows[0], self.conv1.reads(windows))
        return self.conv1(x, rows[1], windows)

    def reads(self, windows: Windows) -> Windows:
        """What must be known of the block before to compute these windows."""
        return self.conv0.reads(self.conv1.reads(windows))

    def add_planes(self, planes: Tensor | None, added: Tensor, windows: Windows) -> Tensor:
        """The planes of the block before, doubled, plus what this one adds ``(N * K, c, rows, columns)``."""
        if planes is not None:
            taps = self._kept("filter", self.resample_filter, turned)
            added = upsample2(planes, taps, windows, self.reads(windows)) + added
        return windows.zero_beyond_edge(added)

    def multiply_adds(self, windows: Windows, texture: bool) -> int:
        """Multiplications that one latent's windows cost."""
        count = self.conv1.multiply_adds(windows)
        if not self.first:
            count += self.conv0.multiply_adds(self.conv1.reads(windows))
        return count + (2 if texture else 1) * self.togeo.multiply_adds(windows, plane_groups(windows))


def plane_groups(windows: Windows) -> int:
    """Windows of triplanes come in three runs, one for each plane and its channels; a single one has all."""
    return 1 if len(windows) == 1 else len(PLANE_AXES)


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
        # Taken apart at once: by slices, the gradient of each row would be a tensor of all rows.
        geometry_rows = list(ws_geometry.unbind(1))
        texture_rows = [] if ws_texture is None else list(ws_texture.unbind(1))
        for i, (block, here) in enumerate(zip(self.blocks, windows, strict=True)):
            if i:
                have = _narrow(state, have, block.reads(here))
            rows, geometry_rows = geometry_rows[: block.geometry_rows], geometry_rows[block.geometry_rows :]
            x, geometry, texture = state
            x = block(x, rows, here)
            groups = plane_groups(here)
            geometry = block.add_planes(geometry, block.togeo(x, rows[-1], groups), here)
            if ws_texture is not None:
                texture = block.add_planes(texture, block.totex(x, texture_rows[i], groups), here)
            state, have = [x, geometry, texture], here
        state[0] = None
        _narrow(state, have, requested)
        assert state[1] is not None
        return state[1], state[2]

    def _split(self, planes: Tensor) -> Tensor:
        return planes.unflatten(1, (3, self.planes))

    @staticmethod
    def _locate(texels: Tensor, plan: Plan) -> LocalPlanes:
        windows = plan.requested
        if len(windows) > 1:
            return LocalPlanes(texels.unflatten(0, (-1, len(windows))), windows)
        each = Windows(windows.map_size, windows.size, windows.corners * len(PLANE_AXES))
        return LocalPlanes(texels.unflatten(1, (len(PLANE_AXES), -1)), each)


def _narrow(state: list[Tensor | None], have: Windows, needed: Windows) -> Windows:
    """Replace whole maps in ``state`` by the windows of them that are ``needed``, unless these are what they are."""
    if have != needed:
        x, geometry, texture = state
        state[0] = None if x is None else needed.take(x)
        state[1:] = [None if p is None else needed.take(p, plane_groups(needed)) for p in (geometry, texture)]
    return needed


def plane_position(points: Coordinates, low: float, length: float) -> Coordinates:
    """World coordinates (any shape) clamped to the box and scaled to [-1, 1], edge to edge."""
    return ((points - low) / length).clip(0.0, 1.0) * 2.0 - 1.0


def texel_position(points: Coordinates, low: float, length: float, resolution: int) -> Coordinates:
    """World coordinates (any shape) in texels, the centre of the first being 0; as grid_sample reckons it."""
    return ((plane_position(points, low, length) + 1.0) * resolution - 1.0) / 2.0


def windows_around(centers: Tensor, radius: float, low: float, length: float, resolution: int) -> Windows:
    """The texels that points within ``radius`` of ``centers`` (K, 3) read, of each plane in turn: 3 K windows."""
    if centers.ndim != 2 or centers.shape[1] != 3 or len(centers) == 0:
        raise InputError(f"the centres of windows have shape {tuple(centers.shape)}; give at least one, as (K, 3)")
    places = _on_processor(centers)
    if not np.isfinite(places).all() or not (math.isfinite(radius) and radius >= 0):
        raise InputError("the centres of windows and their radius must be finite, and the radius not negative")
    first, last = _texels_between(places - radius, places + radius, low, length, resolution)
    corners = [(row, column) for across, down in PLANE_AXES for row, column in first[:, [down, across]].tolist()]
    size = int((last - first).max()) + 1
    return Windows((resolution, resolution), (size, size), tuple(corners))


def window_of_box(lowest: Tensor, highest: Tensor, low: float, length: float, resolution: int) -> Windows:
    """The texels that points of the box from ``lowest`` to ``highest`` (3,) read: one window for all planes."""
    if lowest.shape != (3,) or highest.shape != (3,) or not bool((lowest <= highest).all()):
        raise InputError("a box is given by its lowest and its highest corner, three finite coordinates each")
    first, last = _texels_between(_on_processor(lowest), _on_processor(highest), low, length, resolution)
    across, down = ([axes[i] for axes in PLANE_AXES] for i in (0, 1))
    top, left = int(first[down].min()), int(first[across].min())
    size = (int(last[down].max()) - top + 1, int(last[across].max()) - left + 1)
    return Windows((resolution, resolution), size, ((top, left),))


def _on_processor(points: Tensor) -> NDArray[np.float64]:
    """Few numbers are reckoned with there in a fraction of the time."""
    return points.detach().cpu().double().numpy()


def _texels_between(
    lowest: NDArray[np.float64], highest: NDArray[np.float64], low: float, length: float, resolution: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last texel that lookups between two coordinates read, along each axis."""
    first, last = (texel_position(end, low, length, resolution) for end in (lowest, highest))
    first, last = np.floor(first - ROUNDING_MARGIN), np.floor(last + ROUNDING_MARGIN) + 1
    return first.astype(np.int64), last.astype(np.int64)
