"""Laying a surface out flat: where in a square texture each triangle of a mesh has its place.

A texture coordinate (u, v) is a place in the picture as glTF counts it: (0, 0) is the upper left corner of the upper
left texel, u runs to the right and v down, and the centre of the texel in row i and column j of N is
((j + 0.5) / N, (i + 0.5) / N). Seen in the picture, triangles are counter-clockwise, as they are from outside,
but for the charts that xatlas mirrors, a few in a hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNWRAPS = ("fast", "quality")

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and of how much (None: unknown). What it raises ends the work."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """A surface cut into charts that lie side by side in the unit square, no two triangles on top of each other.

    A vertex on a cut is there once for each chart that it borders on. M: vertices after cutting; F: faces.
    """

    uv: NDArray[np.float32]
    """(M, 2) texture coordinates in [0, 1]"""
    origin: NDArray[np.int64]
    """(M,) the vertex of the uncut mesh that each one is"""
    faces: NDArray[np.int64]
    """(F, 3) the faces of the uncut mesh, in their order, as rows of ``uv``"""
    chart: NDArray[np.int64]
    """(F,) the chart that each face lies in, from 0"""

    @property
    def charts(self) -> int:
        """How many charts there are."""
        return int(self.chart.max()) + 1 if len(self.chart) else 0


def gutter(texture_size: int) -> int:
    """Texels that charts are kept apart in a texture of that many along an edge: 8 of 1024, at least 2.

    Bilinear sampling needs 2, of the texture halved 6, so that charts do not bleed into each other in the first mipmap.
    """
    return max(2, texture_size // 128)


def cut(faces: NDArray[np.int64], chart: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut a mesh along the borders of its charts: ``origin`` (M,) and ``faces`` (F, 3) of an :class:`Atlas`.

    faces: (F, 3). chart: (F,). Vertices come chart by chart, in each by their old number.
    """
    count = int(faces.max()) + 1
    keys, place = np.unique(chart[:, None] * count + faces, return_inverse=True)
    return keys % count, place.reshape(faces.shape)
