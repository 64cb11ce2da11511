"""Rasterisation by nvdiffrast on CUDA, where it is installed.

Its licence allows research and evaluation only, and it is not on PyPI, so it is never a requirement. Its rasterizer and
interpolation are used; silhouettes are antialiased by our own edge walking, which does not lose the gradient of meshes
that are denser than pixels.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from drag3d.rendering.camera import Size
from drag3d.rendering.fragments import Fragments
from drag3d.rendering.silhouettes import Crossings, Topology, crossings_by_torch
from get3d_models.errors import InputError
from get3d_models.optional_parts import install_sentence


class NvdiffrastBackend:
    """See :class:`drag3d.rendering.backends.Backend`. CUDA tensors of float32 only."""

    name = "nvdiffrast"

    def rasterize(self, clip: Tensor, faces: Tensor, size: Size) -> Fragments:
        """Fragments of clip-space positions ``(V, 4)`` and faces ``(F, 3)``; height and width are multiples of 8."""
        _check(clip)
        padded = tuple(-(-edge // 8) * 8 for edge in size)
        height, width = size
        # Pixels are added at the right and below: the view is made smaller towards the first row and column.
        scale = clip.new_tensor([width / padded[1], height / padded[0]])
        place = (clip[:, :2] + clip[:, 3:]) * scale - clip[:, 3:]
        fitted = torch.cat([place, clip[:, 2:]], dim=1).contiguous()
        triangles = faces.to(torch.int32).contiguous()
        found, _ = _library().rasterize(_context(clip.device), fitted[None], triangles, list(padded), grad_db=False)
        found = found[0, :height, :width]
        triangle = found[..., 3].detach().long() - 1
        covered = triangle >= 0
        weights = torch.cat([found[..., :2], 1 - found[..., :2].sum(dim=2, keepdim=True)], dim=2)
        weights = torch.where(covered[..., None], weights, torch.zeros_like(weights))
        # The depth that comes with the weights has no gradient.
        z, w = self.interpolate(clip[:, 2:], faces, Fragments(triangle, weights, found[..., 2].detach())).unbind(2)
        one = torch.ones_like(w)
        return Fragments(triangle, weights, torch.where(covered, z, one) / torch.where(covered, w, one))

    def interpolate(self, attributes: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
        """Attributes ``(V, C)`` at pixels: ``(H, W, C)``, 0 where there is no face."""
        number = (fragments.triangle + 1).to(attributes.dtype)[..., None]
        raster = torch.cat([fragments.barycentric[..., :2], fragments.depth[..., None], number], dim=2)[None]
        image, _ = _library().interpolate(attributes[None].contiguous(), raster.contiguous(), faces.to(torch.int32))
        return image[0]

    def crossings(self, points: Tensor, topology: Topology, faces: Tensor, fragments: Fragments) -> Crossings:
        """Where silhouette edges pass between pixels; ``points (V, 4)`` are those of :func:`screen_points`."""
        return crossings_by_torch(points, topology, faces, fragments)


def missing_nvdiffrast() -> str | None:
    """None where nvdiffrast can be used, else one sentence that says why not."""
    if not torch.cuda.is_available():
        return "nvdiffrast needs a CUDA device, and PyTorch finds none"
    try:
        _library()
    except Exception as error:
        said = str(error)[:80] or type(error).__name__
        return f"nvdiffrast cannot be imported ({said}); {install_sentence('nvdiffrast')}"
    return None


def _check(clip: Tensor) -> None:
    if clip.device.type != "cuda" or clip.dtype != torch.float32:
        raise InputError(f"nvdiffrast draws float32 on CUDA, not {clip.dtype} on {clip.device}; choose auto")


@cache
def _library() -> Any:
    import nvdiffrast.torch

    return nvdiffrast.torch


@cache
def _context(device: torch.device) -> Any:
    return _library().RasterizeCudaContext(device=device)
