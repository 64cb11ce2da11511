"""Rasterisation on a CPU as compiled loops; the formulas are those of ``torch_backend``, which they are tested against.

The kernels are serial and release the interpreter's lock: numba's own parallel loops abort the process when two threads
call them. They compute in double precision, and take positions in it. Each is compiled when it is first called with
tensors of a type, so that a first picture waits for what it needs alone, and the machine code is cached on disk.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: PLR0912, PLR0915
from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from drag3d.rendering.silhouette_kernels import FLAT, face_directions, walk_edges

SLACK = 1e-6  # pixels that a bounding box is enlarged by, against rounding


class Kernels(NamedTuple):
    """The compiled functions of this file."""

    visible: Callable[..., None]
    barycentrics: Callable[..., None]
    barycentrics_backward: Callable[..., None]
    interpolate: Callable[..., None]
    interpolate_backward: Callable[..., None]
    picture_backward: Callable[..., None]
    face_directions: Callable[..., None]
    walk_edges: Callable[..., int]


@cache
def kernels() -> Kernels | None:
    """The kernels, or None without a working numba."""
    try:
        import numba
    except Exception:  # a numba that does not fit the installed numpy raises more than ImportError
        return None
    for keep in (True, False):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compiled = numba.njit(cache=keep, nogil=True, error_model="numpy")
                every = (
                    visible, barycentrics, barycentrics_backward, interpolate, interpolate_backward, picture_backward,
                    face_directions, walk_edges,
                )  # fmt: skip
                found = Kernels(*(compiled(function) for function in every))
                # The smallest is compiled now, to see that compiling and keeping what was compiled work here.
                found.face_directions(np.zeros((3, 4)), np.zeros((1, 3), np.int64), np.zeros(1, np.int8))
                return found
        except Exception:  # no writable cache directory, a full disk, or no working LLVM
            continue
    return None


def visible(points, places, faces, first, triangle, depth):
    """Write the foremost face at each pixel into ``triangle`` (H, W), -1 before; ``depth`` (H, W) is inf before.

    Both are the rows of the image from row ``first`` on, as in the other kernels that know where pixels are.

    points (V, 4) = (x w, y w, w, z), and places (V, 3) = (x, y, z / w). Faces that are turned one way come first: those
    of a closed mesh that face the camera hide the others, which then are dropped after a look at the depths.
    """
    height, width = triangle.shape
    for turn in range(2):
        for f in range(faces.shape[0]):
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            w0, w1, w2 = points[i, 2], points[j, 2], points[k, 2]
            left, right, top, bottom = 0, width - 1, first, first + height - 1
            if w0 > 0 and w1 > 0 and w2 > 0:
                a, b, c = places[i, 0], places[j, 0], places[k, 0]
                p, q, r = places[i, 1], places[j, 1], places[k, 1]
                away = (b - a) * (r - p) > (c - a) * (q - p)
                if away != (turn == 1):
                    continue
                low, high = min(a, b, c) - SLACK, max(a, b, c) + SLACK
                if not (low <= right and high >= 0):
                    continue
                left, right = int(np.ceil(max(low, 0.0))), int(np.floor(min(high, np.float64(right))))
                if left > right:
                    continue
                low, high = min(p, q, r) - SLACK, max(p, q, r) + SLACK
                if not (low <= bottom and high >= top):
                    continue
                top, bottom = int(np.ceil(max(low, np.float64(top)))), int(np.floor(min(high, np.float64(bottom))))
                if top > bottom:
                    continue
                nearest = min(places[i, 2], places[j, 2], places[k, 2]) - SLACK * SLACK
                hidden = True
                for y in range(top, bottom + 1):
                    for x in range(left, right + 1):
                        if not depth[y - first, x] < nearest:
                            hidden = False
                            break
                    if not hidden:
                        break
                if hidden:
                    continue
            elif turn == 1 or (w0 <= 0 and w1 <= 0 and w2 <= 0):
                continue
            x0, y0, z0 = points[i, 0], points[i, 1], points[i, 3]
            x1, y1, z1 = points[j, 0], points[j, 1], points[j, 3]
            x2, y2, z2 = points[k, 0], points[k, 1], points[k, 3]
            n0x, n0y, n0z = y1 * w2 - w1 * y2, w1 * x2 - x1 * w2, x1 * y2 - y1 * x2
            determinant = x0 * n0x + y0 * n0y + w0 * n0z
            terms = abs(x0) * (abs(y1 * w2) + abs(w1 * y2)) + abs(y0) * (abs(w1 * x2) + abs(x1 * w2))
            terms += abs(w0) * (abs(x1 * y2) + abs(y1 * x2))
            if not abs(determinant) > FLAT * terms:
                continue
            n1x, n1y, n1z = y2 * w0 - w2 * y0, w2 * x0 - x2 * w0, x2 * y0 - y2 * x0
            n2x, n2y, n2z = y0 * w1 - w0 * y1, w0 * x1 - x0 * w1, x0 * y1 - y0 * x1
            if determinant < 0:
                n0x, n0y, n0z, n1x, n1y, n1z, n2x, n2y, n2z = -n0x, -n0y, -n0z, -n1x, -n1y, -n1z, -n2x, -n2y, -n2z
            share = 1 / abs(determinant)
            for y in range(top, bottom + 1):
                r0, r1, r2 = n0y * y + n0z, n1y * y + n1z, n2y * y + n2z
                begin, end = np.float64(left), np.float64(right)  # about where the row is inside; pixels decide exactly
                for slope, rest in ((n0x, r0), (n1x, r1), (n2x, r2)):
                    if slope > 0:
                        begin = max(begin, -rest / slope - SLACK)
                    elif slope < 0:
                        end = min(end, -rest / slope + SLACK)
                if begin > end:
                    continue
                for x in range(int(np.ceil(begin)), int(np.floor(end)) + 1):
                    e0, e1, e2 = n0x * x + r0, n1x * x + r1, n2x * x + r2
                    if e0 < 0 or e1 < 0 or e2 < 0:
                        continue
                    z = (e0 * z0 + e1 * z1 + e2 * z2) * share
                    known = depth[y - first, x]
                    if z >= -1 and z <= 1 and (z < known or (z == known and f < triangle[y - first, x])):
                        depth[y - first, x] = z
                        triangle[y - first, x] = f


def barycentrics(points, faces, first, triangle, weights, depth):
    """Write the weights (H, W, 3) and depths (H, W) of the visible faces; 0 and 1 where there is none."""
    height, width = triangle.shape
    last = -1  # the face of the pixel before, whose corners are at hand
    xw0, yw0, w0, z0 = xw1, yw1, w1, z1 = xw2, yw2, w2, z2 = 0.0, 0.0, 0.0, 0.0
    for row in range(height):
        y = first + row
        for x in range(width):
            f = triangle[row, x]
            if f < 0:
                weights[row, x, 0] = weights[row, x, 1] = weights[row, x, 2] = 0
                depth[row, x] = 1
                continue
            if f != last:
                i, j, k, last = faces[f, 0], faces[f, 1], faces[f, 2], f
                xw0, yw0, w0, z0 = points[i, 0], points[i, 1], points[i, 2], points[i, 3]
                xw1, yw1, w1, z1 = points[j, 0], points[j, 1], points[j, 2], points[j, 3]
                xw2, yw2, w2, z2 = points[k, 0], points[k, 1], points[k, 2], points[k, 3]
            x0, y0, x1, y1, x2, y2 = xw0 - x * w0, yw0 - y * w0, xw1 - x * w1, yw1 - y * w1, xw2 - x * w2, yw2 - y * w2
            e0, e1, e2 = x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1
            total = 1 / (e0 + e1 + e2)
            weights[row, x, 0] = e0 * total
            weights[row, x, 1] = e1 * total
            weights[row, x, 2] = e2 * total
            depth[row, x] = (e0 * z0 + e1 * z1 + e2 * z2) / (e0 * w0 + e1 * w1 + e2 * w2)


def barycentrics_backward(points, faces, first, triangle, grad_weights, grad_depth, grad_points):
    """Add the gradients of `barycentrics` to ``grad_points`` (V, 4); a ``grad_depth`` of size 0 stands for zeros.

    With b_i = e_i / E, E = sum e, and d = N / Q, N = sum e_i z_i, Q = sum e_i w_i:
    dL/de_i = (g_i - sum g_j b_j) / E + h (z_i - d w_i) / Q, dL/dz_i = h e_i / Q and dL/dw_i = -h d e_i / Q, where g and
    h are the gradients of b and d; e_i is bilinear in the corners as seen from the pixel, (x w - p w, ...).
    """
    height, width = triangle.shape
    last, i, j, k = -1, 0, 0, 0  # the face of the pixel before, whose corners and sums are at hand
    xw0, yw0, w0, z0 = xw1, yw1, w1, z1 = xw2, yw2, w2, z2 = 0.0, 0.0, 0.0, 0.0
    sx0, sy0, sw0, sz0 = sx1, sy1, sw1, sz1 = sx2, sy2, sw2, sz2 = 0.0, 0.0, 0.0, 0.0
    for row in range(height + 1):
        y = first + row
        for x in range(width if row < height else 1):
            f = triangle[row, x] if row < height else -2  # one pixel more, for the sums of the last face
            if f == -1:
                continue
            if f != last:
                if last >= 0:
                    grad_points[i, 0] += sx0
                    grad_points[i, 1] += sy0
                    grad_points[i, 2] += sw0
                    grad_points[i, 3] += sz0
                    grad_points[j, 0] += sx1
                    grad_points[j, 1] += sy1
                    grad_points[j, 2] += sw1
                    grad_points[j, 3] += sz1
                    grad_points[k, 0] += sx2
                    grad_points[k, 1] += sy2
                    grad_points[k, 2] += sw2
                    grad_points[k, 3] += sz2
                if f < 0:
                    break
                i, j, k, last = faces[f, 0], faces[f, 1], faces[f, 2], f
                xw0, yw0, w0, z0 = points[i, 0], points[i, 1], points[i, 2], points[i, 3]
                xw1, yw1, w1, z1 = points[j, 0], points[j, 1], points[j, 2], points[j, 3]
                xw2, yw2, w2, z2 = points[k, 0], points[k, 1], points[k, 2], points[k, 3]
                sx0, sy0, sw0, sz0 = sx1, sy1, sw1, sz1 = sx2, sy2, sw2, sz2 = 0.0, 0.0, 0.0, 0.0
            x0, y0, x1, y1, x2, y2 = xw0 - x * w0, yw0 - y * w0, xw1 - x * w1, yw1 - y * w1, xw2 - x * w2, yw2 - y * w2
            e0, e1, e2 = x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1
            total = 1 / (e0 + e1 + e2)
            g0, g1, g2 = grad_weights[row, x, 0], grad_weights[row, x, 1], grad_weights[row, x, 2]
            mean = (g0 * e0 + g1 * e1 + g2 * e2) * total
            c0, c1, c2 = (g0 - mean) * total, (g1 - mean) * total, (g2 - mean) * total
            if grad_depth.size:
                q = 1 / (e0 * w0 + e1 * w1 + e2 * w2)
                d = (e0 * z0 + e1 * z1 + e2 * z2) * q
                h = grad_depth[row, x] * q
                c0, c1, c2 = c0 + h * (z0 - d * w0), c1 + h * (z1 - d * w1), c2 + h * (z2 - d * w2)
                sz0, sz1, sz2 = sz0 + h * e0, sz1 + h * e1, sz2 + h * e2
                sw0, sw1, sw2 = sw0 - h * d * e0, sw1 - h * d * e1, sw2 - h * d * e2
            gx, gy = c2 * y1 - c1 * y2, c1 * x2 - c2 * x1
            sx0, sy0, sw0 = sx0 + gx, sy0 + gy, sw0 - x * gx - y * gy
            gx, gy = c0 * y2 - c2 * y0, c2 * x0 - c0 * x2
            sx1, sy1, sw1 = sx1 + gx, sy1 + gy, sw1 - x * gx - y * gy
            gx, gy = c1 * y0 - c0 * y1, c0 * x1 - c1 * x0
            sx2, sy2, sw2 = sx2 + gx, sy2 + gy, sw2 - x * gx - y * gy


def interpolate(attributes, faces, triangle, weights, image):
    """Write attributes (V, C) at pixels into ``image`` (H, W, C), 0 where there is no face."""
    height, width = triangle.shape
    for y in range(height):
        for x in range(width):
            f = triangle[y, x]
            if f < 0:
                image[y, x] = 0
                continue
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            a, b, c = weights[y, x, 0], weights[y, x, 1], weights[y, x, 2]
            for channel in range(attributes.shape[1]):
                image[y, x, channel] = (
                    a * attributes[i, channel] + b * attributes[j, channel] + c * attributes[k, channel]
                )


def interpolate_backward(attributes, faces, triangle, weights, grad_image, grad_weights, grad_attributes):
    """Write the gradients of `interpolate` into ``grad_weights`` (H, W, 3), add those to ``grad_attributes`` (V, C)."""
    height, width = triangle.shape
    for y in range(height):
        for x in range(width):
            f = triangle[y, x]
            if f < 0:
                grad_weights[y, x] = 0
                continue
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            a, b, c = weights[y, x, 0], weights[y, x, 1], weights[y, x, 2]
            g0, g1, g2 = 0.0, 0.0, 0.0
            for channel in range(attributes.shape[1]):
                g = grad_image[y, x, channel]
                g0 += g * attributes[i, channel]
                g1 += g * attributes[j, channel]
                g2 += g * attributes[k, channel]
                grad_attributes[i, channel] += a * g
                grad_attributes[j, channel] += b * g
                grad_attributes[k, channel] += c * g
            grad_weights[y, x, 0] = g0
            grad_weights[y, x, 1] = g1
            grad_weights[y, x, 2] = g2


def picture_backward(
    points, attributes, faces, first, triangle, weights, grad_image, grad_points, grad_attributes
):  # fmt: skip
    """Add the gradients of `interpolate` with weights by `barycentrics` to ``grad_points``, ``grad_attributes``.

    The two backward passes in one, for gradients of weights that nobody else asks for.
    """
    height, width = triangle.shape
    channels = attributes.shape[1]
    last, i, j, k = -1, 0, 0, 0  # the face of the pixel before, whose corners and sums are at hand
    xw0, yw0, w0 = xw1, yw1, w1 = xw2, yw2, w2 = 0.0, 0.0, 0.0
    sx0, sy0, sw0 = sx1, sy1, sw1 = sx2, sy2, sw2 = 0.0, 0.0, 0.0
    for row in range(height + 1):
        y = first + row
        for x in range(width if row < height else 1):
            f = triangle[row, x] if row < height else -2  # one pixel more, for the sums of the last face
            if f == -1:
                continue
            if f != last:
                if last >= 0:
                    grad_points[i, 0] += sx0
                    grad_points[i, 1] += sy0
                    grad_points[i, 2] += sw0
                    grad_points[j, 0] += sx1
                    grad_points[j, 1] += sy1
                    grad_points[j, 2] += sw1
                    grad_points[k, 0] += sx2
                    grad_points[k, 1] += sy2
                    grad_points[k, 2] += sw2
                if f < 0:
                    break
                i, j, k, last = faces[f, 0], faces[f, 1], faces[f, 2], f
                xw0, yw0, w0 = points[i, 0], points[i, 1], points[i, 2]
                xw1, yw1, w1 = points[j, 0], points[j, 1], points[j, 2]
                xw2, yw2, w2 = points[k, 0], points[k, 1], points[k, 2]
                sx0, sy0, sw0 = sx1, sy1, sw1 = sx2, sy2, sw2 = 0.0, 0.0, 0.0
            b0, b1, b2 = weights[row, x, 0], weights[row, x, 1], weights[row, x, 2]
            g0, g1, g2 = 0.0, 0.0, 0.0
            for channel in range(channels):
                g = grad_image[row, x, channel]
                g0 += g * attributes[i, channel]
                g1 += g * attributes[j, channel]
                g2 += g * attributes[k, channel]
                grad_attributes[i, channel] += b0 * g
                grad_attributes[j, channel] += b1 * g
                grad_attributes[k, channel] += b2 * g
            x0, y0, x1, y1, x2, y2 = xw0 - x * w0, yw0 - y * w0, xw1 - x * w1, yw1 - y * w1, xw2 - x * w2, yw2 - y * w2
            total = 1 / (x1 * y2 - y1 * x2 + x2 * y0 - y2 * x0 + x0 * y1 - y0 * x1)
            mean = g0 * b0 + g1 * b1 + g2 * b2
            c0, c1, c2 = (g0 - mean) * total, (g1 - mean) * total, (g2 - mean) * total
            gx, gy = c2 * y1 - c1 * y2, c1 * x2 - c2 * x1
            sx0, sy0, sw0 = sx0 + gx, sy0 + gy, sw0 - x * gx - y * gy
            gx, gy = c0 * y2 - c2 * y0, c2 * x0 - c0 * x2
            sx1, sy1, sw1 = sx1 + gx, sy1 + gy, sw1 - x * gx - y * gy
            gx, gy = c1 * y0 - c0 * y1, c0 * x1 - c1 * x0
            sx2, sy2, sw2 = sx2 + gx, sy2 + gy, sw2 - x * gx - y * gy
