"""Surfaces of GET3D models that were trained with FlexiCubes (Shen et al. 2023), extracted by NVIDIA's kaolin.

FlexiCubes takes a field that is *negative* inside: its faces look towards where the field grows. Fields here are
those of the network, as they are, unless a docstring says otherwise.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from get3d_models.cubegrid import CubeGrid
from get3d_models.errors import InputError
from get3d_models.optional_parts import install_sentence, require_kaolin

# What the network decodes for each cube: a weight for each edge, one for each corner, and one for splitting quads.
EDGES, CORNERS, SPLITS = 12, 8, 1
WEIGHTS = EDGES + CORNERS + SPLITS
WEIGHT_GAIN = 0.1
WEIGHT_SCALE = 0.5
CUBES_PER_CHUNK = 1 << 15
HOMES = ("kaolin.ops.conversions", "kaolin.non_commercial")  # it has moved


def flexicubes_class() -> Callable[..., Any]:
    """kaolin's ``FlexiCubes``; InputError in one line where kaolin, or this part of it, is missing."""
    purpose = "the surface of a model trained with FlexiCubes"
    require_kaolin(purpose)
    for home in HOMES:
        try:
            found = getattr(importlib.import_module(home), "FlexiCubes", None)
        except ImportError:
            continue
        if found is not None:
            return found
    raise InputError(f"{purpose} needs a newer kaolin, one with FlexiCubes; {install_sentence('kaolin')}")


def flexicubes_surface(
    grid: CubeGrid, field: Tensor, vertices: Tensor, weights_at: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The zero surface of ``field`` (V,) as vertices (M, 3) and faces (F, 3) int64, which look to where it grows.

    ``vertices`` (V, 3) are the deformed places of the grid's. ``weights_at`` gives the decoded weights (K, 21) of the
    cubes whose corners (K, 8) it is called with; only cubes that the surface passes through are asked for, since
    FlexiCubes reads no others. Raises InputError for a field that is not finite, and where kaolin is missing.
    """
    if field.shape != (len(grid.vertices),):
        raise InputError(
            f"the field must be {len(grid.vertices)} numbers, one per grid vertex, not {tuple(field.shape)}"
        )
    if not bool(torch.isfinite(field).all()) or not bool(torch.isfinite(vertices).all()):
        raise InputError("the field or the deformed grid holds NaN or infinite numbers; give finite values")
    extract = flexicubes_class()(device=str(grid.device))
    crossed = crossed_cubes(grid, field)
    weights = field.new_zeros(len(grid.cubes), WEIGHTS)
    parts = [weights_at(corners) for corners in grid.cubes[crossed].split(CUBES_PER_CHUNK)]
    if parts:
        weights[crossed] = torch.cat(parts).to(field.dtype)
    mesh, faces, _ = extract(
        vertices,
        field,
        grid.cubes,
        grid.resolution,
        weight_scale=WEIGHT_SCALE,
        beta=weights[:, :EDGES],
        alpha=weights[:, EDGES : EDGES + CORNERS],
        gamma_f=weights[:, EDGES + CORNERS],
        training=False,
    )
    return mesh, faces


def crossed_cubes(grid: CubeGrid, field: Tensor) -> Tensor:
    """Which cubes (C,) bool have corners on both sides, negative and not, of a field (V,)."""
    inside = (field < 0)[grid.cubes]
    return inside.any(dim=1) & ~inside.all(dim=1)


def fill_degenerate_cubes(grid: CubeGrid, field: Tensor) -> Tensor:
    """GET3D's rule for a field (V,) without a surface: nothing above zero, or nothing below, off the outermost layer.

    With m and M its smallest and largest value, 1 - m is put at the grid's centre and -1 - M in the boundary's two
    layers; any other field is returned as it is.
    """
    inner = field[grid.inner]
    if bool((inner > 0).any()) and bool((inner < 0).any()):
        return field
    put = torch.zeros_like(field)
    put[grid.center] += 1 - field.min()
    put[grid.boundary] += -1 - field.max()
    return torch.where(put != 0, put, field)
