"""Differentiable marching tetrahedra (DMTet, Shen et al. 2021) over a fixed grid whose edge tables are built once.

Conventions, those of the official GET3D surfaces: a grid vertex is inside iff its sdf > 0; the mesh vertices follow the
lexicographic order of the cut grid edges; tets with one triangle come before tets with two; triangles face outward.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from get3d_models import marching_kernels
from get3d_models.errors import InputError
from get3d_models.marching_kernels import Kernels, Tables
from get3d_models.tetgrid import TET_EDGES, TetGrid


def marching_tetrahedra(
    grid: TetGrid, sdf: Tensor, vertices: Tensor | Callable[[Tensor], Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """The zero surface of `sdf` (V,) as mesh vertices (M, 3), in the grid's units, and faces (F, 3) int64.

    `vertices` (V, 3) are the (deformed) places of the grid's vertices, the grid's own by default; or a function that
    tells those of some vertices, numbers (K,) int64 to (K, 3): only the ends of cut edges matter. Gradients flow to
    `sdf` and `vertices`; which edges are cut has none. A field that is positive nowhere or everywhere has no surface:
    zero vertices and zero faces (`fill_degenerate` is GET3D's remedy). The surface is closed unless it runs into the
    boundary of the grid, where it is open.

    On the CPU a numba kernel does the discrete part, elsewhere (or without numba) torch does, with the same result.
    Raises InputError for wrong shapes, and for NaN or infinite values.
    """
    points = vertices if isinstance(vertices, Tensor) else grid.vertices
    _check(grid, sdf, points)
    kernels = marching_kernels.kernels() if grid.device.type == "cpu" else None
    if kernels is None:
        cut, faces = cut_surface_by_torch(grid, sdf.detach() > 0)
    else:
        occupied = (sdf.detach().numpy() > 0).view(np.uint8)
        cut, faces = map(torch.from_numpy, kernels.surface(_tables(grid, kernels), occupied, triangle_table()))
    if callable(vertices):
        points = _only_ends(grid, cut, vertices)
    if kernels is None or sdf.dtype != points.dtype or sdf.dtype not in (torch.float32, torch.float64):
        mesh = interpolate_by_torch(sdf, points, grid.edges[cut])
    else:
        mesh = _Interpolate.apply(sdf, points, cut, (grid, kernels))
    if not _all_finite(mesh):
        raise InputError("the grid's deformed vertices hold NaN or infinite numbers; give finite positions")
    return mesh, faces


def _only_ends(grid: TetGrid, cut: Tensor, places: Callable[[Tensor], Tensor]) -> Tensor:
    """Where the ends of the cut edges are, in a tensor (V, 3) of all vertices; the others are anywhere."""
    is_end = torch.zeros(len(grid.vertices), dtype=torch.bool, device=grid.device)
    is_end[grid.edges[cut].reshape(-1)] = True
    used = is_end.nonzero()[:, 0]
    found = places(used)
    return found.new_empty(grid.vertices.shape).index_put((used,), found)


def interpolate_by_torch(sdf: Tensor, points: Tensor, ends: Tensor) -> Tensor:
    """Where sdf (V,), linear between `points` (V, 3), is zero on the edges `ends` (M, 2): (M, 3)."""
    s = sdf[ends.reshape(-1)].reshape(-1, 2, 1)
    p = points[ends.reshape(-1)].reshape(-1, 2, 3)
    # A cut edge has one end above zero and one at or below it, so the difference is never zero.
    return (p[:, 1] * s[:, 0] - p[:, 0] * s[:, 1]) / (s[:, 0] - s[:, 1])


class _Interpolate(torch.autograd.Function):
    """`interpolate_by_torch` on the CPU, fused; its second derivatives go through the torch version."""

    @staticmethod
    def forward(ctx: Any, sdf: Tensor, points: Tensor, cut: Tensor, context: tuple[TetGrid, Kernels]) -> Tensor:
        ctx.save_for_backward(sdf, points, cut)
        ctx.grid, ctx.kernels = grid, kernels = context
        mesh = torch.empty((len(cut), 3), dtype=sdf.dtype)
        kernels.interpolate(*_arrays(sdf, points), *_tables(grid, kernels)[:2], *_arrays(cut, mesh))
        return mesh

    @staticmethod
    def backward(ctx: Any, grad_mesh: Tensor) -> tuple[Tensor | None, ...]:
        sdf, points, cut = ctx.saved_tensors
        needed = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():  # asked to be differentiated again
            inputs = [tensor for tensor, need in zip((sdf, points), needed, strict=True) if need]
            mesh = interpolate_by_torch(sdf, points, ctx.grid.edges[cut])
            found = iter(torch.autograd.grad(mesh, inputs, grad_mesh, create_graph=True))
            return *(next(found) if need else None for need in needed), None, None
        # numpy's zeros are mapped lazily: most of the grid is far from the surface and is never touched.
        grad_sdf, grad_points = (np.zeros(tuple(t.shape), t.detach().numpy().dtype) for t in (sdf, points))
        arrays = _arrays(sdf, points), _tables(ctx.grid, ctx.kernels)[:2], _arrays(cut, grad_mesh)
        ctx.kernels.interpolate_backward(*arrays[0], *arrays[1], *arrays[2], grad_sdf, grad_points)
        grads = (torch.from_numpy(grad_sdf), torch.from_numpy(grad_points))
        return *(grad if need else None for grad, need in zip(grads, needed, strict=True)), None, None


def _arrays(*tensors: Tensor) -> list[NDArray]:
    """The tensors as contiguous arrays."""
    return [np.ascontiguousarray(tensor.detach().numpy()) for tensor in tensors]


def _tables(grid: TetGrid, kernels: Kernels) -> Tables:
    """The kernels' tables of a grid, built at its first use and kept as long as it lives."""
    tables = _TABLES.get(grid)
    if tables is None:
        tables = _TABLES[grid] = Tables.of(grid, kernels.tets_around)
    return tables


_TABLES: weakref.WeakKeyDictionary[TetGrid, Tables] = weakref.WeakKeyDictionary()


def _all_finite(values: Tensor) -> bool:
    """Whether there is no NaN or infinity; numpy on the CPU, because torch would wake its threads for this."""
    if values.device.type == "cpu" and values.dtype != torch.bfloat16:
        return bool(np.isfinite(values.detach().numpy()).all())
    return bool(torch.isfinite(values.detach()).all())


def cut_surface_by_torch(grid: TetGrid, occupied: Tensor) -> tuple[Tensor, Tensor]:
    """Cut edges (M,) int64 ascending and faces (F, 3) int64 into them, for `occupied` (V,) bool, on any device."""
    device = occupied.device
    is_cut = occupied[grid.edges[:, 0]] != occupied[grid.edges[:, 1]]
    cut = is_cut.nonzero().reshape(-1)
    number = torch.empty(len(grid.edges), dtype=torch.int64, device=device)
    number[cut] = torch.arange(len(cut), device=device)
    bits = torch.tensor([1, 2, 4, 8], dtype=torch.int64, device=device)
    code = (occupied[grid.tets] * bits).sum(dim=1)
    table = torch.from_numpy(triangle_table()).to(device=device, dtype=torch.int64)
    triangles = (table[:, :, 0] >= 0).sum(dim=1)[code]
    faces = []
    for count in (1, 2):
        tets = (triangles == count).nonzero().reshape(-1)
        local = table[code[tets], :count].reshape(-1, 3 * count)
        faces.append(number[grid.tet_edges[tets].long().gather(1, local)].reshape(-1, 3))
    return cut, torch.cat(faces)


def degenerate_samples(sdf: Tensor) -> Tensor:
    """Which samples of `sdf` (N, V) have no surface, (N,) bool: nothing above zero, or nothing below it."""
    return ~((sdf > 0).any(dim=1) & (sdf < 0).any(dim=1))


def fill_degenerate(grid: TetGrid, sdf: Tensor) -> Tensor:
    """GET3D's rule for samples without a surface: `sdf` (N, V) -> (N, V), other samples untouched.

    With m and M the smallest and largest value of the whole batch, such a sample gets 1 - m at the grid's centre vertex
    and -1 - M on its boundary, and is detached (detach its deformation too, see `degenerate_samples`). That gives a
    small blob at the centre only while -1 < M < 0; further away the signs come out as the rule says, not as one would
    wish, and are kept because generators were trained with it. Raises InputError for wrong shapes, NaN and infinities.
    """
    if sdf.ndim != 2 or sdf.shape[1] != len(grid.vertices):
        raise InputError(f"sdf must have shape (N, {len(grid.vertices)}), one value per grid vertex, not {sdf.shape}")
    values = sdf.detach()
    if not _all_finite(values):
        raise InputError("the sdf holds NaN or infinite numbers; give finite values")
    empty = degenerate_samples(values)
    if not empty.any():
        return sdf
    filled = values.clone()
    filled[:, grid.center] = 1 - values.min()
    filled[:, grid.boundary] = -1 - values.max()
    return torch.where(empty[:, None], filled, sdf)


@functools.cache
def triangle_table() -> NDArray[np.int8]:
    """For each of the 16 occupancies (sum of occupied_i 2^i) its triangles as tet edge numbers, (16, 2, 3), -1 unused.

    Generated: the polygon of cut edges is ordered so that it faces away from the occupied corners of a positively
    oriented tet. A quadrilateral is split along edges 1-4 where both are cut, else 2-3. Which vertex a triangle names
    first is a convention that only the output of the official code shows.
    """
    table = np.full((16, 2, 3), -1, dtype=np.int8)
    for code in range(1, 15):
        inside = [bool(code >> corner & 1) for corner in range(4)]
        loop = _outward_loop(inside)
        if len(loop) == 3:
            last = {8: max(loop), 11: sorted(loop)[1]}.get(code, min(loop))
            start = (loop.index(last) + 1) % 3
        else:
            diagonal = (1, 4) if 1 in loop and 4 in loop else (2, 3)
            start = loop.index(diagonal[inside[3]])
        loop = loop[start:] + loop[:start]
        for i in range(len(loop) - 2):
            table[code, i] = loop[0], loop[i + 1], loop[i + 2]
    return table


def _outward_loop(inside: list[bool]) -> list[int]:
    """The cut edges of a tet in counter-clockwise order, seen from outside the surface."""
    corners = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], dtype=float)
    cut = [e for e, (a, b) in enumerate(TET_EDGES) if inside[a] != inside[b]]
    middle = {e: corners[list(TET_EDGES[e])].mean(axis=0) for e in cut}
    outward = corners[~np.array(inside)].mean(axis=0) - corners[np.array(inside)].mean(axis=0)
    loop = [cut[0]]
    while len(loop) < len(cut):
        # Cut edges that share a face of the tet share a corner, and are neighbours on the polygon.
        here = set(TET_EDGES[loop[-1]])
        loop.append(next(e for e in cut if e not in loop and here & set(TET_EDGES[e])))
    normal = np.cross(middle[loop[1]] - middle[loop[0]], middle[loop[2]] - middle[loop[0]])
    return loop if normal @ outward > 0 else loop[::-1]


def _check(grid: TetGrid, sdf: Tensor, points: Tensor) -> None:
    count = len(grid.vertices)
    if sdf.shape != (count,) or not sdf.is_floating_point():
        raise InputError(f"sdf must be {count} floating point numbers, one per grid vertex, not {tuple(sdf.shape)}")
    if points.shape != (count, 3) or not points.is_floating_point():
        raise InputError(f"vertices must be floating point of shape ({count}, 3), not {tuple(points.shape)}")
    if not sdf.device == points.device == grid.device:
        devices = f"{grid.device}, {sdf.device}, {points.device}"
        raise InputError(f"grid, sdf and vertices must be on one device, not on {devices}; use .to(device)")
    if not _all_finite(sdf):
        raise InputError("the sdf holds NaN or infinite numbers; give finite values")
