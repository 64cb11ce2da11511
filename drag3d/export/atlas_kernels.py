"""Numba kernels of unwrapping and baking: overlapping triangles, layers, packing, and what lies nearest to a texel.

One thread, no torch. Numba is imported on first use; where it cannot be used at all, the same functions run as plain
Python, which takes some hundred times as long.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: PLR0912
from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple


class Kernels(NamedTuple):
    """The compiled functions of this file."""

    overlaps: Callable[..., int]
    layers: Callable[..., None]
    pack: Callable[..., bool]
    nearest: Callable[..., None]


@cache
def kernels() -> Kernels:
    """The kernels, compiled; the machine code is cached on disk where numba finds a writable place."""
    types = (
        "int64(float64[:,:,::1], int64[::1], int64[:,::1])",
        "void(int64[::1], int64[::1], int64[::1], int64[::1])",
        "boolean(int64[:,::1], int64, int64[:,::1])",
        "void(float64[:,::1], int64[:,::1], float64, int32[:,::1], float32[:,:,::1], float32[:,::1])",
    )
    plain = Kernels(overlaps, layers, pack, nearest)
    try:
        import numba
    except Exception:  # a numba that does not fit the installed numpy raises more than ImportError
        return plain
    for keep in (True, False):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                jit: dict[str, Any] = {"cache": keep, "nogil": True, "error_model": "numpy"}
                compiled: list[Any] = [numba.njit(t, **jit)(f) for t, f in zip(types, plain, strict=True)]
                return Kernels(*compiled)
        except Exception:  # no writable cache directory, a full disk, or no working LLVM
            continue
    return plain


def overlaps(corners, group, pairs):
    """Which triangles of the same group share an area; returns how many pairs do.

    corners: (F, 3, 2), each triangle counter-clockwise, with an area, all sorted by group and then by their left edge.
    group: (F,). pairs: (P, 2), receives the first P of them. Two triangles are apart exactly where the line of one of
    their six edges has the other one beyond it; on coordinates that were float32 the sign of that is exact.
    """
    count = 0
    for a in range(len(corners)):
        right = max(corners[a, 0, 0], corners[a, 1, 0], corners[a, 2, 0])
        top = max(corners[a, 0, 1], corners[a, 1, 1], corners[a, 2, 1])
        bottom = min(corners[a, 0, 1], corners[a, 1, 1], corners[a, 2, 1])
        for b in range(a + 1, len(corners)):
            if group[b] != group[a] or min(corners[b, 0, 0], corners[b, 1, 0], corners[b, 2, 0]) >= right:
                break
            if min(corners[b, 0, 1], corners[b, 1, 1], corners[b, 2, 1]) >= top:
                continue
            if max(corners[b, 0, 1], corners[b, 1, 1], corners[b, 2, 1]) <= bottom:
                continue
            apart = False
            for side in range(6):
                mine, other = (a, b) if side < 3 else (b, a)
                px, py = corners[mine, side % 3, 0], corners[mine, side % 3, 1]
                dx, dy = corners[mine, (side + 1) % 3, 0] - px, corners[mine, (side + 1) % 3, 1] - py
                beyond = True
                for k in range(3):
                    if dx * (corners[other, k, 1] - py) - dy * (corners[other, k, 0] - px) > 0:
                        beyond = False
                if beyond:
                    apart = True
                    break
            if not apart:
                if count < len(pairs):
                    pairs[count, 0], pairs[count, 1] = a, b
                count += 1
    return count


def layers(order, start, overlapping, layer):
    """Give each triangle, in the given order, the lowest layer (F,) in which nothing overlaps it yet.

    order: (F,). Triangle t overlaps ``overlapping[start[t]:start[t + 1]]``. layer: (F,), -1 at first.
    """
    for t in order:
        lowest, free = 0, False
        while not free:
            free = True
            for k in range(start[t], start[t + 1]):
                if layer[overlapping[k]] == lowest:
                    free = False
                    lowest += 1
                    break
        layer[t] = lowest


def pack(sizes, side, places):
    """Put rectangles into a square, each as low as its turn allows; False where they do not all fit.

    sizes: (C, 2) width and height, in the order in which they are put. places: (C, 3), receives the lower left corner
    and whether (1) the rectangle was turned by 90 degrees. The outline of what is filled is a list of steps.
    """
    step_x = [0]
    step_y = [0]
    for c in range(len(sizes)):
        best_top, best_x, best_y, best_turn = 2 * side + 1, 0, 0, -1
        for turn in range(2):
            width, height = sizes[c, turn], sizes[c, 1 - turn]
            if turn == 1 and width == height:
                continue
            for k in range(len(step_x)):
                x, y = step_x[k], 0
                if x + width > side:
                    break
                for m in range(k, len(step_x)):
                    if step_x[m] >= x + width:
                        break
                    y = max(y, step_y[m])
                if y + height <= side and y + height < best_top:
                    best_top, best_x, best_y, best_turn = y + height, x, y, turn
        if best_turn < 0:
            return False
        places[c, 0], places[c, 1], places[c, 2] = best_x, best_y, best_turn
        right = best_x + sizes[c, best_turn]
        new_x = [0 for _ in range(0)]
        new_y = [0 for _ in range(0)]
        behind = 0  # the height that the outline has right of what was put
        for k in range(len(step_x)):
            if step_x[k] <= right:
                behind = step_y[k]
            if step_x[k] < best_x:
                new_x.append(step_x[k])
                new_y.append(step_y[k])
        new_x.append(best_x)
        new_y.append(best_top)
        if right < side:
            new_x.append(right)
            new_y.append(behind)
        for k in range(len(step_x)):
            if step_x[k] > right:
                new_x.append(step_x[k])
                new_y.append(step_y[k])
        step_x, step_y = new_x, new_y
    return True


def nearest(corners, faces, reach, triangle, barycentric, distance):
    """For each texel the nearest triangle, and the point of it that is nearest to the texel's centre.

    corners: (M, 2) in texels, the centres of texels at whole numbers. faces: (F, 3). reach: how far to look, in texels.
    triangle: (N, N), barycentric: (N, N, 3) and distance: (N, N) are left as they are where nothing is that near; the
    distance, squared, must be larger there. A texel whose centre lies in several triangles, as on an edge, gets the
    first.
    """
    rows, columns = distance.shape
    for face in range(len(faces)):
        ax, ay = corners[faces[face, 0], 0], corners[faces[face, 0], 1]
        bx, by = corners[faces[face, 1], 0], corners[faces[face, 1], 1]
        cx, cy = corners[faces[face, 2], 0], corners[faces[face, 2], 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        top, bottom = math.ceil(min(ay, by, cy) - reach), math.floor(max(ay, by, cy) + reach)
        left, right = math.ceil(min(ax, bx, cx) - reach), math.floor(max(ax, bx, cx) + reach)
        for i in range(max(top, 0), min(bottom + 1, rows)):
            for j in range(max(left, 0), min(right + 1, columns)):
                if distance[i, j] == 0:
                    continue
                if area != 0:
                    u = ((bx - j) * (cy - i) - (by - i) * (cx - j)) / area
                    v = ((cx - j) * (ay - i) - (cy - i) * (ax - j)) / area
                    if u >= 0 and v >= 0 and u + v <= 1:
                        triangle[i, j], distance[i, j] = face, 0
                        barycentric[i, j, 0], barycentric[i, j, 1], barycentric[i, j, 2] = u, v, 1 - u - v
                        continue
                for side in range(3):
                    px, py, qx, qy = ax, ay, bx, by
                    if side == 1:
                        px, py, qx, qy = bx, by, cx, cy
                    elif side == 2:
                        px, py, qx, qy = cx, cy, ax, ay
                    dx, dy = qx - px, qy - py
                    length = dx * dx + dy * dy
                    along = 0.0
                    if length > 0:
                        along = min(max(((j - px) * dx + (i - py) * dy) / length, 0.0), 1.0)
                    apart = (px + along * dx - j) ** 2 + (py + along * dy - i) ** 2
                    if apart <= reach * reach and apart < distance[i, j]:
                        triangle[i, j], distance[i, j] = face, apart
                        barycentric[i, j, side], barycentric[i, j, (side + 1) % 3] = 1 - along, along
                        barycentric[i, j, (side + 2) % 3] = 0
