"""What rasterisation finds for each pixel."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Fragments:
    """The foremost triangle at the centre of each pixel of an image (H, W), and where in it.

    Barycentrics and depth are differentiable in the clip-space positions they were made from; which triangle it is has
    no gradient.
    """

    triangle: Tensor
    """(H, W) int64 index of the face; -1 where there is none"""
    barycentric: Tensor
    """(H, W, 3) perspective-correct weights of the face's corners, which add up to 1; 0 where there is no face"""
    depth: Tensor
    """(H, W) z / w, from -1 at the near plane to 1 at the far plane; 1 where there is no face"""
    points: Tensor | None = None
    """(V, 4) what they were made from, as of ``screen_points``, for a backend whose gradients go straight there"""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.triangle.shape
        return height, width

    @property
    def covered(self) -> Tensor:
        """(H, W) bool: where there is a face."""
        return self.triangle >= 0
