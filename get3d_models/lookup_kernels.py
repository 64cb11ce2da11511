"""Numba kernels that look points up in feature planes on the CPU, and tell how what they find changes in space.

Newton's method asks for a thousand points several times in every step of a drag. In torch these are dozens of
operations each way, which take longer than the reading. One thread, no torch; numba is imported on first use, and
`kernels` gives None where it cannot be used at all.

Planes are K windows of rows x columns texels of each plane in turn, as one array `values` in which the channels of a
texel lie beside each other; `strides` are the steps to the next window, row and column.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np


class Kernels(NamedTuple):
    """The compiled functions of this file."""

    locate: Callable[..., Any]
    look_up: Callable[..., Any]
    slope: Callable[..., Any]


@cache
def kernels(dtype: str) -> Kernels | None:
    """The kernels compiled for "float32" or "float64" numbers, or None without a working numba.

    The machine code is cached on disk where numba finds a writable place, else compiled anew in every process.
    """
    try:
        import numba
    except Exception:  # a numba that does not fit the installed numpy raises more than ImportError
        return None
    planes = f"{dtype}[::1], int64[::1], int64[:,::1], int64, int64"
    found = f"int32[::1], int32[:,:,::1], {dtype}[:,:,::1]"
    signatures = (
        f"boolean({dtype}[:,::1], float64, float64, int64, int64, int64, int64[:,::1], {found})",
        f"void({planes}, {found}, {dtype}[:,::1])",
        f"void({planes}, {found}, {dtype}[:,::1], {dtype}[:,::1])",
    )
    plain: tuple[Any, ...] = (locate_points, sum_of_planes, slope_of_planes)
    for keep in (True, False):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # Sums over channels may be added up in any order, which lets them be several at a time.
                jit: dict[str, Any] = {"cache": keep, "nogil": True, "fastmath": {"reassoc", "contract"}}
                return Kernels(*(numba.njit(types, **jit)(f) for types, f in zip(signatures, plain, strict=True)))
        except Exception:  # no writable cache directory, a full disk, or no working LLVM
            continue
    return None


def locate_points(points, low, length, resolution, rows, columns, corners, windows, texels, fractions):
    """Write where `points` (M, 3), which are clamped to the box, lie in windows of `rows` x `columns` texels.

    Those of plane p have the first texels `corners[p * K:][:K]`, (row, column). `windows` (M,) gets the first that has
    the point in every plane, `texels` (M, 3, 2) the (row, column) before it, `fractions` (M, 3, 2) the part of the way
    to the next. Returns whether each point is in a window. A window that is the whole plane has every finite point:
    texels beyond its edge are zeros.
    """
    count = corners.shape[0] // 3
    whole = count == 1 and rows == resolution and columns == resolution and not corners.any()
    along = np.empty(3)
    for m in range(points.shape[0]):
        for axis in range(3):
            share = min(max((points[m, axis] - low) / length, 0.0), 1.0)
            along[axis] = share * resolution - 0.5
        found = False
        for k in range(count):
            found = True
            for plane in range(3):
                # xy, yz, xz: (across, down) is (x, y), (y, z), (x, z)
                row = along[1 if plane == 0 else 2] - corners[plane * count + k, 0]
                column = along[1 if plane == 1 else 0] - corners[plane * count + k, 1]
                inside = row >= 0.0 and column >= 0.0 and row <= rows - 1 and column <= columns - 1
                if not inside and not (whole and np.isfinite(row + column)):
                    found = False
                    break
                last_row, last_column = (rows, columns) if whole else (rows - 2, columns - 2)
                first_row, first_column = min(int(np.floor(row)), last_row), min(int(np.floor(column)), last_column)
                texels[m, plane, 0] = first_row
                texels[m, plane, 1] = first_column
                fractions[m, plane, 0] = row - first_row
                fractions[m, plane, 1] = column - first_column
            if found:
                windows[m] = k
                break
        if not found:
            return False
    return True


def sum_of_planes(values, strides, corners, rows, columns, windows, texels, fractions, features):
    """Write the sums of the three planes' bilinear values, (M, C), at what `locate_points` found."""
    count, channels = corners.shape[0] // 3, features.shape[1]
    for m in range(windows.size):
        found = features[m]
        found[:] = 0.0
        for plane in range(3):
            first = (plane * count + windows[m]) * strides[0]
            row, column = texels[m, plane, 0], texels[m, plane, 1]
            down, across = fractions[m, plane, 0], fractions[m, plane, 1]
            up, left = 1 - down, 1 - across
            # Texels beyond the edge weigh nothing, and others are read in their place.
            up *= row >= 0
            down *= row + 1 < rows
            left *= column >= 0
            across *= column + 1 < columns
            upper, lower = first + max(row, 0) * strides[1], first + min(row + 1, rows - 1) * strides[1]
            before, behind = max(column, 0) * strides[2], min(column + 1, columns - 1) * strides[2]
            a, b = values[upper + before :][:channels], values[upper + behind :][:channels]
            c, d = values[lower + before :][:channels], values[lower + behind :][:channels]
            of_a, of_b, of_c, of_d = up * left, up * across, down * left, down * across
            for k in range(channels):
                found[k] += of_a * a[k] + of_b * b[k] + of_c * c[k] + of_d * d[k]


def slope_of_planes(values, strides, corners, rows, columns, windows, texels, fractions, grad_features, slopes):
    """Write how the product of features and `grad_features` (M, C) changes along x, y and z: (M, 3), per texel."""
    count, channels = corners.shape[0] // 3, grad_features.shape[1]
    for m in range(windows.size):
        grad = grad_features[m]
        slopes[m, 0] = slopes[m, 1] = slopes[m, 2] = 0.0
        for plane in range(3):
            first = (plane * count + windows[m]) * strides[0]
            row, column = texels[m, plane, 0], texels[m, plane, 1]
            down, across = fractions[m, plane, 0], fractions[m, plane, 1]
            upper, lower = first + max(row, 0) * strides[1], first + min(row + 1, rows - 1) * strides[1]
            before, behind = max(column, 0) * strides[2], min(column + 1, columns - 1) * strides[2]
            a, b = values[upper + before :][:channels], values[upper + behind :][:channels]
            c, d = values[lower + before :][:channels], values[lower + behind :][:channels]
            in_a = in_b = in_c = in_d = grad[0] * 0
            for k in range(channels):
                in_a += grad[k] * a[k]
                in_b += grad[k] * b[k]
                in_c += grad[k] * c[k]
                in_d += grad[k] * d[k]
            is_up, is_down, is_left, is_right = row >= 0, row + 1 < rows, column >= 0, column + 1 < columns
            in_a *= is_up and is_left
            in_b *= is_up and is_right
            in_c *= is_down and is_left
            in_d *= is_down and is_right
            slopes[m, 1 if plane == 0 else 2] += (in_c - in_a) * (1 - across) + (in_d - in_b) * across
            slopes[m, 1 if plane == 1 else 0] += (in_b - in_a) * (1 - down) + (in_d - in_c) * down
