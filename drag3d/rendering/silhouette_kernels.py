"""The kernels of silhouettes: which way faces are turned, and where edges between them pass between pixels.

As those of ``numba_kernels``, which compiles them.
"""

# mypy: disable-error-code="no-untyped-def"
# ruff: noqa: PLR0912, PLR0915
from __future__ import annotations

import numpy as np

FLAT = 1e-14  # a determinant below this share of its terms is that of a triangle without area


def face_directions(points, faces, facing):
    """Write into ``facing`` (F,) whether faces are turned one way (1), the other (-1), or edge on (0)."""
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0, w0 = points[i, 0], points[i, 1], points[i, 2]
        x1, y1, w1 = points[j, 0], points[j, 1], points[j, 2]
        x2, y2, w2 = points[k, 0], points[k, 1], points[k, 2]
        determinant = x0 * (y1 * w2 - w1 * y2) + y0 * (w1 * x2 - x1 * w2) + w0 * (x1 * y2 - y1 * x2)
        terms = abs(x0) * (abs(y1 * w2) + abs(w1 * y2)) + abs(y0) * (abs(w1 * x2) + abs(x1 * w2))
        terms += abs(w0) * (abs(x1 * y2) + abs(y1 * x2))
        facing[f] = 0 if not abs(determinant) > FLAT * terms else (1 if determinant > 0 else -1)


def walk_edges(points, ends, beside, facing, triangle, depth, slack, share, found, place):
    """The crossings of silhouette edges; see ``silhouettes.crossings_by_torch``. Returns how many there are.

    Work memory: ``share`` (2 H W,), any content, is the best share of each pair of pixels; ``place`` (2 H W,), -1
    before, where in ``found`` it stands. Each row of ``found`` (2 H W, 6), any content, becomes (first end, second end,
    inside x, inside y, outside x, outside y).
    """
    height, width = triangle.shape
    count = 0
    for e in range(ends.shape[0]):
        side = facing[beside[e, 0]]
        if beside[e, 1] >= 0:
            other = facing[beside[e, 1]]
            if side == other:
                continue
            if side == 0:
                side = -other
        elif side == 0:
            continue
        i, j = ends[e, 0], ends[e, 1]
        ax, ay, aw, az = points[i, 0], points[i, 1], points[i, 2], points[i, 3]
        bx, by, bw, bz = points[j, 0], points[j, 1], points[j, 2], points[j, 3]
        front_a, front_b = aw + az, bw + bz
        if front_a < 0 and front_b < 0:
            continue
        start_x, start_y, start_w, end_x, end_y, end_w = ax, ay, aw, bx, by, bw
        if front_a < 0 or front_b < 0:
            s = front_a / (front_a - front_b)
            middle_x, middle_y, middle_w = ax + s * (bx - ax), ay + s * (by - ay), aw + s * (bw - aw)
            if front_a < 0:
                start_x, start_y, start_w = middle_x, middle_y, middle_w
            else:
                end_x, end_y, end_w = middle_x, middle_y, middle_w
        if start_w <= 0 or end_w <= 0:
            continue
        start_x, start_y, end_x, end_y = start_x / start_w, start_y / start_w, end_x / end_w, end_y / end_w
        steep = abs(start_y - end_y) >= abs(start_x - end_x)
        # From here on u is the coordinate across which pixels are compared, v the one that is stepped through.
        if steep:
            au, av, bu, bv = ax, ay, bx, by
            low, high, lines, columns = min(start_y, end_y), max(start_y, end_y), height, width
        else:
            au, av, bu, bv = ay, ax, by, bx
            low, high, lines, columns = min(start_x, end_x), max(start_x, end_x), width, height
        if not (high > 0 and low <= lines - 1):
            continue
        first, last = int(np.ceil(max(low, 0.0))), int(np.ceil(min(high, np.float64(lines))))
        across, along, rest = av * bw - aw * bv, aw * bu - au * bw, au * bv - av * bu
        inward = across * side > 0 if steep else across * side < 0
        for line in range(first, last):
            crossing = -(along * line + rest) / across
            if not (crossing >= 0 and crossing < columns - 1):
                continue
            before = int(np.floor(crossing))
            inner, outer = (before + 1, before) if inward else (before, before + 1)
            t = before + 1 - crossing if inward else crossing - before
            inside_x, inside_y, outside_x, outside_y = (
                (inner, line, outer, line) if steep else (line, inner, line, outer)
            )
            if triangle[inside_y, inside_x] < 0:
                continue
            if triangle[outside_y, outside_x] >= 0:
                local_a, local_b = av - line * aw, bv - line * bw
                z = (local_a * bz - local_b * az) / (local_a * bw - local_b * aw)
                if not depth[outside_y, outside_x] > z + slack:
                    continue
            pair = line * width + before if steep else height * width + before * width + line
            row = place[pair]
            if row < 0:
                row = count
                place[pair] = row
                count += 1
            elif share[pair] >= t:
                continue
            share[pair] = t
            found[row, 0] = i
            found[row, 1] = j
            found[row, 2] = inside_x
            found[row, 3] = inside_y
            found[row, 4] = outside_x
            found[row, 5] = outside_y
    for row in range(count):
        x, y = min(found[row, 2], found[row, 4]), min(found[row, 3], found[row, 5])
        upright = found[row, 3] == found[row, 5]
        place[y * width + x if upright else height * width + y * width + x] = -1
    return count
