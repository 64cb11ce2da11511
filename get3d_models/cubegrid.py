"""The regular grid of cubes that FlexiCubes models extract their surfaces on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from get3d_models.errors import InputError

MIN_RESOLUTION = 4
BOUNDARY_LAYERS = 2
# The official grid's coordinates are rounded to so many steps of its edge; a surface follows its grid.
ROUNDING_STEPS = 10**5
#: Corners of a cube as steps along x, y and z; x runs fastest.
CORNERS = np.array([(i & 1, i >> 1 & 1, i >> 2 & 1) for i in range(8)])


@dataclass(frozen=True, eq=False)
class CubeGrid:
    """A cube centred on the origin, cut into ``resolution ** 3`` cubes; every tensor lives on one device.

    vertices   (V, 3) float32, world units (already scaled), V = (resolution + 1) ** 3, x slowest and z fastest
    cubes      (resolution ** 3, 8) int64, their corners, in the order of :data:`CORNERS`
    boundary   (V,) bool, in the outermost two layers of vertices
    inner      (V,) bool, not in the outermost layer
    center     the vertex that the official rule for empty shapes makes solid, one step beyond the middle
    """

    vertices: Tensor
    cubes: Tensor
    boundary: Tensor
    inner: Tensor
    center: int
    resolution: int
    scale: float
    name: str = "cubes"

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self.vertices.device

    @property
    def cell(self) -> float:
        """The edge of a cube, world units."""
        return self.scale / self.resolution

    def to(self, device: torch.device | str) -> CubeGrid:
        """The same grid on `device` (itself when it is already there)."""
        if torch.empty(0, device=device).device == self.device:
            return self
        names = ("vertices", "cubes", "boundary", "inner")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


@lru_cache(maxsize=2)
def cube_grid(resolution: int, scale: float = 1.0) -> CubeGrid:
    """The grid of that resolution on the CPU, built once and shared; do not change its tensors.

    Raises InputError for a resolution below 4 or a scale that is not positive.
    """
    if resolution < MIN_RESOLUTION or not 0 < scale < float("inf"):
        raise InputError(f"a grid of cubes needs a resolution from {MIN_RESOLUTION} up and a positive scale")
    n = resolution
    steps = np.arange(n + 1, dtype=np.float32) / np.float32(n)
    steps = np.round(steps * np.float32(ROUNDING_STEPS)) / np.float32(ROUNDING_STEPS) - np.float32(0.5)
    axes = np.meshgrid(steps, steps, steps, indexing="ij")
    places = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    corners = (places + CORNERS) @ np.array([(n + 1) ** 2, n + 1, 1])
    middle = n // 2 + 1
    return CubeGrid(
        vertices=torch.from_numpy(np.stack(axes, axis=-1).reshape(-1, 3)) * scale,
        cubes=torch.from_numpy(corners.astype(np.int64)),
        boundary=torch.from_numpy(_outermost(n, BOUNDARY_LAYERS)),
        inner=torch.from_numpy(~_outermost(n, 1)),
        center=(middle * (n + 1) + middle) * (n + 1) + middle,
        resolution=n,
        scale=float(scale),
    )


def _outermost(resolution: int, layers: int) -> np.ndarray:
    """Which vertices, (V,) bool, are in so many layers from the outside."""
    near = np.zeros(resolution + 1, dtype=bool)
    near[:layers] = near[-layers:] = True
    return (near[:, None, None] | near[:, None] | near).reshape(-1)
