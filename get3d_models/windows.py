"""Which texels of a layer's map are computed: the whole map, or windows of it that a few points need.

Convolutions are local. The texels that a point reads depend, layer by layer down to the coarsest map, on windows that
are only slightly larger than half the ones above; from some 16 texels up they are a fraction of the map. Nothing is
approximated: beyond the edge of the image, and only there, windows hold the zeros that the whole evaluation pads with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """K windows of one size in a map. The whole map is the one window that covers everything.

    Maps ``(N * K, C, rows, columns)`` hold, for each of N latents in turn, the K windows in their order.
    """

    map_size: tuple[int, int]
    """Rows and columns of the whole map."""
    size: tuple[int, int]
    """Rows and columns of each window."""
    corners: tuple[tuple[int, int], ...]
    """(row, column) of each window's first texel; a window may reach beyond the map."""

    @classmethod
    def whole(cls, rows: int, columns: int | None = None) -> Windows:
        """All of a map; a square one has as many columns as rows."""
        size = (rows, rows if columns is None else columns)
        return cls(size, size, ((0, 0),))

    def __len__(self) -> int:
        return len(self.corners)

    @property
    def is_whole(self) -> bool:
        """Whether this is exactly the map, around which the layers then pad with zeros."""
        return self == Windows.whole(*self.map_size)

    @property
    def texels(self) -> int:
        """Texels in all windows, those beyond the map included."""
        return len(self) * self.size[0] * self.size[1]

    # ---- what a layer reads ------------------------------------------------------------------------------------

    def grown(self, margin: int) -> Windows:
        """What a convolution with a kernel of ``2 margin + 1`` reads to compute these windows."""
        if self.is_whole:
            return self
        corners = tuple((row - margin, column - margin) for row, column in self.corners)
        return Windows(self.map_size, (self.size[0] + 2 * margin, self.size[1] + 2 * margin), corners)

    def coarser(self) -> Windows:
        """What the up-sampling convolution reads, in the map of half the resolution, to compute these windows.

        Texel o filters rows o-1 to o+2 of the transposed convolution, whose row t adds up the coarse rows
        ceil(t/2)-1 to floor(t/2): together floor(o/2)-1 to floor(o/2)+1, or +2 where o is odd.
        """
        half = (self.map_size[0] // 2, self.map_size[1] // 2)
        if self.is_whole:
            return Windows.whole(*half)
        # How many rows that is depends on whether a window starts at an odd texel; all get the size of the largest.
        rows, columns = (
            max((first + size + 1) // 2 - first // 2 + 2 for first in firsts)
            for size, firsts in zip(self.size, zip(*self.corners, strict=True), strict=True)
        )
        corners = tuple((row // 2 - 1, column // 2 - 1) for row, column in self.corners)
        return Windows(half, (rows, columns), corners)

    # ---- values ------------------------------------------------------------------------------------------------

    def take(self, whole: Tensor, groups: int = 1) -> Tensor:
        """These windows of the map ``(N, groups * C, H, W)``: ``(N * K, C, rows, columns)``, zero beyond its edge.

        The K windows are ``groups`` runs of equal length; those of run g hold the g-th part of the channels.
        """
        places = torch.from_numpy(self._places).to(whole.device).chunk(groups)
        texels = whole.permute(0, 2, 3, 1).flatten(1, 2).unflatten(2, (groups, -1))
        taken = [
            texels[:, :, g].index_select(1, index.flatten()).unflatten(1, index.shape) for g, index in enumerate(places)
        ]
        maps = torch.cat(taken, dim=1).flatten(0, 1)
        return self.zero_beyond_edge(maps.unflatten(1, self.size).permute(0, 3, 1, 2))

    def zero_beyond_edge(self, maps: Tensor) -> Tensor:
        """``(N * K, C, rows, columns)`` with zeros in the texels that lie outside the map."""
        if not self.reach_beyond_edge:
            return maps
        inside = torch.from_numpy(self._inside).to(maps.device, maps.dtype)
        return (maps.unflatten(0, (-1, len(self))) * inside[:, None]).flatten(0, 1)

    def crop(self, maps: Tensor, first: Sequence[tuple[int, int]]) -> Tensor:
        """Cut these windows out of larger ones ``(N * K, C, h, h)``, whose first texels are ``first``, one for each."""
        offsets = [(row - r, column - c) for (row, column), (r, c) in zip(self.corners, first, strict=True)]
        rows, columns = self.size
        if len(set(offsets)) == 1:
            (top, left) = offsets[0]
            return maps[:, :, top : top + rows, left : left + columns]
        offsets = offsets * (len(maps) // len(self))
        by_texel = maps.permute(0, 2, 3, 1).unbind(0)
        cut = [m[r : r + rows, c : c + columns] for m, (r, c) in zip(by_texel, offsets, strict=True)]
        return torch.stack(cut).permute(0, 3, 1, 2)

    def repeat(self, rows: Tensor) -> Tensor:
        """What belongs to each latent ``(N, ...)``, once for each of its windows ``(N * K, ...)``; one serves all."""
        return rows if len(self) == 1 or len(rows) == 1 else rows.repeat_interleave(len(self), dim=0)

    def constant(self, whole: Tensor) -> Tensor:
        """The windows of a map ``(H, W)`` that all latents share, to be added: ``(K, 1, rows, columns)`` or the map."""
        return whole if self.is_whole else self.take(whole[None, None])

    @property
    def reach_beyond_edge(self) -> bool:
        """Whether a texel of a window lies outside the map."""
        (height, width), (rows, columns) = self.map_size, self.size
        return any(
            row < 0 or column < 0 or row + rows > height or column + columns > width for row, column in self.corners
        )

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """Where each texel is in the flattened map, ``(K, rows * columns)``; beyond the edge the nearest one."""
        rows, columns = (axis.clip(0, end - 1) for axis, end in zip(self._axes, self.map_size, strict=True))
        return (rows[:, :, None] * self.map_size[1] + columns[:, None, :]).reshape(len(self), -1)

    @cached_property
    def _inside(self) -> NDArray[np.bool_]:
        """Which texels lie in the map, ``(K, rows, columns)``."""
        rows, columns = ((axis >= 0) & (axis < end) for axis, end in zip(self._axes, self.map_size, strict=True))
        return rows[:, :, None] & columns[:, None, :]

    @cached_property
    def _axes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The windows' rows, ``(K, rows)``, and columns, ``(K, columns)``."""
        top, left = np.array(self.corners, dtype=np.int64).T[:, :, None]
        return top + np.arange(self.size[0]), left + np.arange(self.size[1])


@dataclass(frozen=True)
class Plan:
    """What each block of a synthesis computes so that the requested windows of its last map can be read."""

    requested: Windows
    """Windows of the map of the last block."""
    blocks: tuple[Windows, ...]
    """The output of each block, coarsest first: whole maps, then (or never) windows."""
    multiply_adds: int
    """Multiplications of the forward evaluation by this plan."""
    whole_multiply_adds: int
    """The same for whole maps in all blocks."""

    @property
    def worth_it(self) -> bool:
        """Whether the windows cost clearly less than whole maps, which serve any point."""
        return self.multiply_adds < WORTHWHILE_FRACTION * self.whole_multiply_adds


# Measured on a CPU: where small networks (1.2 million weights) break even, since each operation also has a fixed cost.
# Large ones gain more than the count tells, as whole maps of theirs do not fit in the caches.
WORTHWHILE_FRACTION = 0.7


def plan(requested: Windows, blocks: int, cost: Callable[[int, Windows], int]) -> Plan:
    """The cheapest way to the ``requested`` windows through a chain of ``blocks`` of doubling resolution.

    ``cost(i, windows)`` counts the multiplications of block i for output ``windows``. Coarse maps, of which the windows
    would cover most (or more than all, where they overlap), are computed whole and shared by all windows.
    """
    needed = [requested]
    for _ in range(blocks - 1):
        needed.insert(0, needed[0].grown(1).coarser())
    whole = [Windows.whole(*windows.map_size) for windows in needed]
    costs = [(cost(i, whole[i]), cost(i, needed[i])) for i in range(blocks)]
    totals = [sum(c[i >= start] for i, c in enumerate(costs)) for start in range(1, blocks + 1)]
    start = 1 + int(np.argmin(totals))
    return Plan(requested, (*whole[:start], *needed[start:]), min(totals), totals[-1])
