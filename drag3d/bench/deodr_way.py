"""Differentiable rendering by deodr, an independent renderer on PyPI: the oracle and the opponent of our rasteriser.

deodr smooths silhouettes by painting past them: an edge fades out over the pixel beyond it, so what it draws is half a
pixel larger than the shape. It interpolates colours without perspective. It computes in double precision on one core.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from drag3d.rendering import clip_points, screen_points
from drag3d.rendering.camera import Size
from get3d_models.errors import InputError

MISSING = "deodr, which ours is measured against, is not installed; install it by: pip install deodr"


class DeodrRenderer:
    """Draws one mesh, a closed one whose faces are seen counterclockwise from outside; what its edges are is kept."""

    def __init__(self, faces: Tensor):
        try:
            from deodr.differentiable_renderer import Scene2D
            from deodr.triangulated_mesh import TriMeshAdjacencies
        except ImportError as error:
            raise InputError(MISSING) from error
        self.scene = Scene2D
        self.faces = faces.numpy().astype(np.uint32)
        self.adjacencies = TriMeshAdjacencies(self.faces)

    def __call__(self, camera: Any, vertices: Tensor, colors: Tensor, size: Size, smooth: bool = True) -> Tensor:
        """The image ``(H, W, C)`` of vertices ``(V, 3)``, colors ``(V, C)``, before black; differentiable in both."""
        points = screen_points(clip_points(camera, vertices, size), size)
        return _Drawn.apply(points[:, :2] / points[:, 2:3], points[:, 2], colors, self, size, smooth)


class _Drawn(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, pixels: Tensor, depths: Tensor, colors: Tensor, renderer: DeodrRenderer, size: Size, smooth: bool
    ) -> Any:
        places = pixels.detach().double().numpy()
        faces, count, channels = renderer.faces, len(places), colors.shape[1]
        flags = np.zeros((len(faces), 3), dtype=bool)
        if smooth:
            flags = np.asarray(renderer.adjacencies.edge_on_silhouette(places))
        ctx.scene = renderer.scene(
            faces=faces,
            faces_uv=faces,
            ij=places,
            depths=depths.detach().double().numpy(),
            textured=np.zeros(len(faces), dtype=bool),
            uv=np.zeros((count, 2)),
            shade=np.zeros(count),
            colors=colors.detach().double().numpy(),
            shaded=np.zeros(len(faces), dtype=bool),
            edgeflags=flags,
            height=size[0],
            width=size[1],
            nb_colors=channels,
            texture=np.zeros((0, 0)),
            background_color=np.zeros(channels),
            backface_culling=True,
        )
        ctx.dtypes = pixels.dtype, colors.dtype
        image, _ = ctx.scene.render(sigma=1.0 if smooth else 0.0)
        return torch.from_numpy(image).to(colors.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        ctx.scene.render_backward(gradients[0].double().contiguous().numpy(), make_copies=False)
        to_pixels, to_colors = (torch.from_numpy(found) for found in (ctx.scene.ij_b, ctx.scene.colors_b))
        return to_pixels.to(ctx.dtypes[0]), None, to_colors.to(ctx.dtypes[1]), None, None, None
