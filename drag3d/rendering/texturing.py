"""Colours of surfaces from pictures that lie on them."""

from __future__ import annotations

import torch
from torch import Tensor

from get3d_models.errors import InputError


def sample_texture(texture: Tensor, uv: Tensor) -> Tensor:
    """Bilinear values ``(P, C)`` of a texture ``(h, w, C)`` at ``uv (P, 2)``; differentiable in both.

    As in glTF, (0, 0) is the upper left corner of the upper left texel and v runs down. Beyond the border the texels of
    the border go on. Raises InputError for arrays of other shapes.
    """
    if texture.ndim != 3 or 0 in texture.shape or not texture.dtype.is_floating_point:
        raise InputError(f"a texture is floats of shape (h, w, C), not {texture.dtype} of {tuple(texture.shape)}")
    if uv.ndim != 2 or uv.shape[1] != 2:
        raise InputError(f"texture coordinates are of shape (P, 2), not {tuple(uv.shape)}")
    grid = (2 * uv - 1).to(texture)[None, None]
    found = torch.nn.functional.grid_sample(
        texture.permute(2, 0, 1)[None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return found[0, :, 0].T
