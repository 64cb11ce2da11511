"""A fixed pattern of dots that hides the steps between neighbouring colours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def dots(height: int, width: int) -> npt.NDArray[np.float32]:
    """(H, W) an ordered pattern, the 8x8 Bayer matrix repeated, between -1/2 and 1/2 and with mean 0.

    It depends on the place alone, so what does not change in pictures made with it does not change in them either.
    """
    matrix = np.zeros((1, 1))
    for _ in range(3):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    tile = (matrix + 0.5) / 64 - 0.5
    return np.tile(tile, (-(-height // 8), -(-width // 8)))[:height, :width].astype(np.float32)
