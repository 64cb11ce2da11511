"""Baking a texture: the colour of the surface at the place that each texel stands for.

A texel whose centre lies in no triangle, but so near to one that bilinear sampling on it reads the texel, gets the
colour of the triangle's nearest point: on both sides of a cut that is the colour on the cut, so that no seam shows, and
a triangle too thin to have the centre of any texel has its colours, too. All others get that of the nearest texel that
has one, for the mipmaps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drag3d.export.atlas import Atlas, Progress
from drag3d.export.atlas_kernels import kernels

if TYPE_CHECKING:
    from torch import Tensor

REACH = 1.5
"""Texels: bilinear sampling reads texels whose centres are less than the square root of 2 away."""
_CHUNK = 1 << 13  # points whose features stay in the processor's cache: faster than eight times as many by a quarter


def bake(
    colors: Callable[[Tensor], Tensor],
    vertices: NDArray[np.float32],
    atlas: Atlas,
    texture_size: int,
    progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """The texture (N, N, 3) of a colour field on an unwrapped surface, display sRGB; row 0 is at v = 0.

    colors: RGB in [0, 1] of points, (K, 3) -> (K, 3) float32. vertices: (V, 3), of the uncut mesh, where the colours
    are asked for. progress: told "baking", and how many of how many texels have their colour.
    """
    import torch  # here, because what else this package does goes without

    from drag3d.rendering.threads import one_thread

    triangle, barycentric = surface_points(atlas, texture_size)
    texels = np.flatnonzero(triangle >= 0)
    texture = np.zeros((texture_size**2, 3), np.uint8)
    for start in range(0, len(texels), _CHUNK):
        if progress is not None:
            progress("baking", start, len(texels))
        chunk = texels[start : start + _CHUNK]
        corners = vertices[atlas.origin[atlas.faces[triangle.reshape(-1)[chunk]]]]
        points = (barycentric.reshape(-1, 3)[chunk, :, None] * corners).sum(axis=1)
        with one_thread():  # two are slower on chunks so small, and far slower beside other work
            found = colors(torch.from_numpy(points)).clamp(0, 1)
        texture[chunk] = (found * 255).round().to(torch.uint8).cpu().numpy()
    return _padded(texture.reshape(texture_size, texture_size, 3), triangle >= 0)


def surface_points(atlas: Atlas, texture_size: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """For each texel the face that it is coloured by, (N, N), -1 for none, and barycentric coordinates (N, N, 3)."""
    shape = (texture_size, texture_size)
    triangle, barycentric = np.full(shape, -1, np.int32), np.zeros((*shape, 3), np.float32)
    texels = atlas.uv.astype(np.float64) * texture_size - 0.5
    kernels().nearest(texels, atlas.faces, REACH, triangle, barycentric, np.full(shape, np.inf, np.float32))
    return triangle, barycentric


def _padded(texture: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The texture with every unknown texel replaced by the nearest known one; as it is where none is known."""
    from scipy.ndimage import distance_transform_edt

    if known.all() or not known.any():
        return texture
    row, column = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return texture[row, column]
