"""Numba kernels of marching tetrahedra on the CPU, over static int32 tables of a grid.

One thread, no torch: several threads would only wait for each other over a millisecond's work. Numba is imported on
first use, and `kernels()` is None where it cannot be used at all.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: PLR0912
from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from get3d_models.tetgrid import TetGrid


class Tables(NamedTuple):
    """What the kernels read of a grid, laid out so that a cut edge costs one miss of the cache, not two.

    The tets around edge e are `around[e]`, the last one repeated where there are fewer than six (both lattices have six
    at most), and the `more_tets` of every place where `more_edges` is e.
    `spare` keeps work memory between calls, because fresh pages cost as much as the work: a call takes a set out, or
    makes one when other threads have them all, and puts it back.
    """

    near: NDArray[np.int32]  # (E,) the smaller end of each edge
    far: NDArray[np.int32]  # (E,) the larger end
    tets: NDArray[np.int32]  # (T, 4)
    tet_edges: NDArray[np.int32]  # (T, 6)
    around: NDArray[np.int32]  # (E, 6)
    more_edges: NDArray[np.int32]  # (X,)
    more_tets: NDArray[np.int32]  # (X,)
    spare: list[tuple[NDArray, ...]]

    @classmethod
    def of(cls, grid: TetGrid, tets_around: Callable[..., Any]) -> Tables:
        """The tables of a grid on the CPU; the second is the kernel of that name."""
        near, far = (np.ascontiguousarray(column, dtype=np.int32) for column in grid.edges.numpy().T)
        tet_edges = np.ascontiguousarray(grid.tet_edges.numpy(), dtype=np.int32)
        around = np.empty((len(near), 6), np.int32)
        more_edges, more_tets = tets_around(tet_edges, around)
        return cls(near, far, grid.tets.numpy().astype(np.int32), tet_edges, around, more_edges, more_tets, [])


class Kernels(NamedTuple):
    """The compiled functions of this file."""

    extract: Callable[..., Any]
    interpolate: Callable[..., Any]
    interpolate_backward: Callable[..., Any]
    tets_around: Callable[..., Any]

    def surface(
        self, tables: Tables, occupied: NDArray[np.uint8], triangles: NDArray[np.int8]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Cut edges (M,) ascending and triangles (F, 3) of their numbers, for `occupied` (V,) of 0 and 1."""
        edges, tets = len(tables.near), len(tables.tets)
        try:
            work = tables.spare.pop()
        except IndexError:
            lists = np.empty(edges, np.int32), np.empty(edges, np.int32), np.empty(2 * tets + 8, np.int32)
            work = *lists, np.zeros((tets + 7) // 8 * 8, np.uint8)
        found = self.extract(occupied, *tables[:7], triangles, *work)
        tables.spare.append(work)
        return found


@cache
def kernels() -> Kernels | None:
    """The compiled kernels, or None without a working numba.

    The machine code is cached on disk where numba finds a writable place, else compiled anew in every process.
    """
    try:
        import numba
    except Exception:  # a numba that does not fit the installed numpy raises more than ImportError
        return None
    tables, around = (
        "uint8[::1], int32[::1], int32[::1], int32[:,::1], int32[:,::1]",
        "int32[:,::1], int32[::1], int32[::1]",
    )
    extract_types = f"({tables}, {around}, int8[:,:,::1], int32[::1], int32[::1], int32[::1], uint8[::1])"
    field, cut = "{0}[::1], {0}[:,::1]", "int32[::1], int32[::1], int64[::1]"
    forward_types = [f"void({field}, {cut}, {{0}}[:,::1])".format(f) for f in ("float32", "float64")]
    backward_types = [f"void({field}, {cut}, {{0}}[:,::1], {field})".format(f) for f in ("float32", "float64")]
    for keep in (True, False):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                jit: dict[str, Any] = {"cache": keep, "nogil": True, "error_model": "numpy"}
                return Kernels(
                    numba.njit(extract_types, **jit)(extract),
                    numba.njit(forward_types, **jit)(interpolate),
                    numba.njit(backward_types, **jit)(interpolate_backward),
                    numba.njit("(int32[:,::1], int32[:,::1])", **jit)(tets_around),
                )
        except Exception:  # no writable cache directory, a full disk, or no working LLVM
            continue
    return None


def extract(
    occ, near, far, tets, tet_edges, around, more_edges, more_tets, triangles, number, cut, active, mark
):  # fmt: skip
    """Cut edges (M,) int64 in ascending order and triangles (F, 3) int64 of their numbers, for `occ` (V,) of 0 and 1.

    Every edge is looked at once; tets only where a cut edge leads to them, marked in a byte map that is then read
    eight at a time, so that they come in order. One-triangle tets come first, then two-triangle tets; they are told
    apart without branches, which nobody could predict. Work memory: `number` (E,), `cut` (E,), `active` (2T + 8,) with
    any content, `mark` (T rounded up to 8s), zero before and after.
    """
    cuts = 0
    for e in range(far.size):
        if occ[far[e]] != occ[near[e]]:
            number[e] = cuts
            cut[cuts] = e
            cuts += 1
    for i in range(cuts):
        for k in range(6):
            mark[around[cut[i], k]] = 1
    for i in range(more_edges.size):
        if occ[far[more_edges[i]]] != occ[near[more_edges[i]]]:
            mark[more_tets[i]] = 1
    words = mark.view(np.uint64)
    count = 0
    for w in range(words.size):
        if words[w] != 0:
            for t in range(8 * w, 8 * w + 8):
                active[count] = t
                count += mark[t]
            words[w] = 0
    double = active[count:]
    ones = 0
    twos = 0
    for i in range(count):
        t = active[i]
        code = occ[tets[t, 0]] + 2 * occ[tets[t, 1]] + 4 * occ[tets[t, 2]] + 8 * occ[tets[t, 3]]
        is_double = triangles[code, 1, 0] >= 0
        active[ones] = double[twos] = 16 * t + code
        ones += 1 - is_double
        twos += is_double
    faces = np.empty((ones + 2 * twos, 3), np.int64)
    for i in range(ones):
        t = active[i] >> 4
        code = active[i] & 15
        for k in range(3):
            faces[i, k] = number[tet_edges[t, triangles[code, 0, k]]]
    for i in range(twos):
        t = double[i] >> 4
        code = double[i] & 15
        for k in range(3):
            faces[ones + 2 * i, k] = number[tet_edges[t, triangles[code, 0, k]]]
            faces[ones + 2 * i + 1, k] = number[tet_edges[t, triangles[code, 1, k]]]
    return cut[:cuts].astype(np.int64), faces


def interpolate(sdf, points, near, far, cut, mesh):
    """Write the zero crossings of the cut edges into `mesh` (M, 3)."""
    for i in range(cut.size):
        a = near[cut[i]]
        b = far[cut[i]]
        for k in range(3):
            mesh[i, k] = (points[b, k] * sdf[a] - points[a, k] * sdf[b]) / (sdf[a] - sdf[b])


def interpolate_backward(sdf, points, near, far, cut, grad_mesh, grad_sdf, grad_points):
    """Add the gradients of `interpolate` to `grad_sdf` (V,) and `grad_points` (V, 3).

    With v = (p1 s0 - p0 s1) / d and d = s0 - s1: dv/dp0 = -s1/d, dv/dp1 = s0/d, dv/ds0 = -s1 (p1 - p0) / d^2 and
    dv/ds1 = s0 (p1 - p0) / d^2.
    """
    for i in range(cut.size):
        a = near[cut[i]]
        b = far[cut[i]]
        difference = sdf[a] - sdf[b]
        weight_a = -sdf[b] / difference
        weight_b = sdf[a] / difference
        slope = (
            grad_mesh[i, 0] * (points[b, 0] - points[a, 0])
            + grad_mesh[i, 1] * (points[b, 1] - points[a, 1])
            + grad_mesh[i, 2] * (points[b, 2] - points[a, 2])
        ) / difference
        grad_sdf[a] += weight_a * slope
        grad_sdf[b] += weight_b * slope
        for k in range(3):
            grad_points[a, k] += weight_a * grad_mesh[i, k]
            grad_points[b, k] += weight_b * grad_mesh[i, k]


def tets_around(tet_edges, around):
    """Write the tets at each edge into `around` (E, 6), and return edges and tets (X,) of what finds no place there."""
    seen = np.zeros(around.shape[0], np.int32)
    more = 0
    for t in range(tet_edges.shape[0]):
        for k in range(6):
            e = tet_edges[t, k]
            if seen[e] < 6:
                around[e, seen[e]] = t
            else:
                more += 1
            seen[e] += 1
    for e in range(around.shape[0]):
        for k in range(seen[e], 6):
            around[e, k] = around[e, seen[e] - 1]
    more_edges = np.empty(more, np.int32)
    more_tets = np.empty(more, np.int32)
    if more:
        seen[:] = 0
        more = 0
        for t in range(tet_edges.shape[0]):
            for k in range(6):
                e = tet_edges[t, k]
                if seen[e] >= 6:
                    more_edges[more] = e
                    more_tets[more] = t
                    more += 1
                seen[e] += 1
    return more_edges, more_tets
