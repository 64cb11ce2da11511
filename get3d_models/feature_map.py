"""Features at pixels: a map of the synthesis, or windows of it, as if up-sampled to the size of the image.

DragGAN enlarges the whole map to image size, bilinearly, and samples the result bilinearly. A value of that at a point
is a sum over at most sixteen texels, so nothing needs to be enlarged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from get3d_models.devices import constant
from get3d_models.errors import InputError
from get3d_models.windows import Windows

# As many texel rows are gathered at once: 512 channels of them are 64 MB.
GATHERED = 1 << 15


@dataclass(frozen=True)
class FeatureMap:
    """Windows of one image's feature map, with zeros beyond its edge, to be looked up at pixel coordinates."""

    texels: Tensor
    """(K, C, rows, columns)"""
    windows: Windows
    size: tuple[int, int]
    """Width and height of the image in pixels."""

    def at(self, points: Tensor, beyond: str = "border") -> Tensor:
        """Features ``(M, C)`` at pixel coordinates ``(M, 2)``, differentiable in the map, not in the points.

        Beyond the centres of the outermost pixels there is the ``border``'s value, or "zeros". Raises InputError where
        a point is outside the windows.
        """
        parts = [self._at(p, beyond) for p in points.detach().double().split(GATHERED // 16)]
        return torch.cat(parts) if parts else self.texels.new_zeros(0, self.texels.shape[1])

    def covers(self, points: Tensor) -> bool:
        """Whether all pixel coordinates ``(M, 2)`` can be looked up."""
        texels, _ = self._weighed(points.detach().double(), "border")
        return bool(self._place(texels)[1].all())

    def _at(self, points: Tensor, beyond: str) -> Tensor:
        texels, weights = self._weighed(points, beyond)
        place, found = self._place(texels)
        if not bool(found.all()):
            raise InputError(
                "a point lies outside the windows of the local features: ask for larger ones or the whole map"
            )
        return (F.embedding(place, self._table) * weights.to(self._table.dtype)[..., None]).sum(dim=1)

    def _weighed(self, points: Tensor, beyond: str) -> tuple[Tensor, Tensor]:
        """The texels that points read, ``(M, T, 2)`` as (row, column), and their weights ``(M, T)``; T is 4 or 16."""
        width, height = self.size
        last = constant((width - 1, height - 1), points.dtype, points.device)
        if beyond == "border":
            points = points.clamp_min(0).minimum(last)
        if bool((points == points.round()).all()):
            pixels, shares = points[:, None], points.new_ones(len(points), 1)
        else:
            pixels, shares = _corners(points)
        shares = shares * ((pixels >= 0) & (pixels <= last)).all(dim=2)
        rows, columns = self.windows.map_size
        scale = constant((columns / width, rows / height), points.dtype, points.device)
        at = (pixels.clamp_min(0).minimum(last) + 0.5) * scale - 0.5
        texels, parts = _corners(at.flatten(0, 1))
        edge = constant((columns - 1, rows - 1), points.dtype, points.device)
        texels = texels.clamp_min(0).minimum(edge).unflatten(0, pixels.shape[:2]).flatten(1, 2)
        weights = (parts.unflatten(0, pixels.shape[:2]) * shares[..., None]).flatten(1, 2)
        return texels.flip(2).long(), weights

    def _place(self, texels: Tensor) -> tuple[Tensor, Tensor]:
        """Where texels ``(M, T, 2)`` are in the table ``(M, T)``, and whether some window has them."""
        rows, columns = self.windows.size
        corners = constant(self.windows.corners, texels.dtype, texels.device)
        inside = texels[:, :, None] - corners  # (M, T, K, 2)
        held = ((inside >= 0) & (inside < constant((rows, columns), texels.dtype, texels.device))).all(dim=3)
        window = held.to(torch.uint8).argmax(dim=2)
        chosen = inside.gather(2, window[..., None, None].expand(-1, -1, 1, 2)).squeeze(2)
        place = (window * rows + chosen[..., 0]) * columns + chosen[..., 1]
        return torch.where(held.any(dim=2), place, 0), held.any(dim=2)

    @cached_property
    def _table(self) -> Tensor:
        """All texels of all windows, ``(K * rows * columns, C)``."""
        with torch.enable_grad():  # tracking may be the first to ask, without a need of gradients
            return self.texels.permute(0, 2, 3, 1).flatten(0, 2)


def _corners(points: Tensor) -> tuple[Tensor, Tensor]:
    """The four samples around each point ``(M, 4, 2)`` and their bilinear weights ``(M, 4)``."""
    first = points.floor()
    part = (points - first)[:, None]
    steps = constant(((0, 0), (1, 0), (0, 1), (1, 1)), points.dtype, points.device)
    weights = torch.where(steps.bool(), part, 1 - part).prod(dim=2)
    return first[:, None] + steps, weights


def windows_around(centers: Tensor, radius: float, size: tuple[int, int], map_size: tuple[int, int]) -> Windows:
    """The texels of a map that pixels within ``radius`` of ``centers (K, 2)`` read: K windows, one for each."""
    if centers.ndim != 2 or centers.shape[1] != 2 or len(centers) == 0:
        raise InputError(f"the centres of windows have shape {tuple(centers.shape)}; give at least one, as (K, 2)")
    if not bool(centers.isfinite().all()) or not (math.isfinite(radius) and radius >= 0):
        raise InputError("the centres of windows and their radius must be finite, and the radius not negative")
    centers = centers.detach().double().cpu()
    last = centers.new_tensor([size[0] - 1, size[1] - 1])
    edge = centers.new_tensor([map_size[1] - 1, map_size[0] - 1])
    scale = (edge + 1) / (last + 1)

    def texel(pixel: Tensor) -> Tensor:
        return (pixel.clamp_min(0).minimum(last) + 0.5) * scale - 0.5

    first = texel((centers - radius).floor()).floor().clamp_min(0).minimum(edge).long()
    final = (texel((centers + radius).ceil()).floor() + 1).clamp_min(0).minimum(edge).long()
    columns, rows = ((final - first).amax(dim=0) + 1).tolist()
    return Windows(map_size, (rows, columns), tuple((y, x) for x, y in first.tolist()))
