"""Rasterisation on a CPU by compiled kernels, with their gradients in closed form."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drag3d.rendering.camera import Size, screen_points
from drag3d.rendering.fragments import Fragments
from drag3d.rendering.numba_kernels import Kernels, kernels
from drag3d.rendering.silhouettes import DEPTH_SLACK, Crossings, Topology

FLOATS = (torch.float32, torch.float64)
_memory = threading.local()


class NumbaBackend:
    """See :class:`drag3d.rendering.backends.Backend`. CPU tensors of float32 or float64 only."""

    name = "numba"

    def __init__(self, compiled: Kernels):
        self.kernels = compiled

    def rasterize(self, clip: Tensor, faces: Tensor, size: Size) -> Fragments:
        """Fragments of clip-space positions ``(V, 4)`` and faces ``(F, 3)``."""
        points = screen_points(clip, size)
        triangle = torch.full(size, -1, dtype=torch.int64)
        depth = _kept("depth", size, lambda: np.empty(size))
        depth.fill(np.inf)
        self.kernels.visible(_array(points.double()), _array(faces), triangle.numpy(), depth)
        return Fragments(triangle, *_Barycentrics.apply(points, faces, triangle, self.kernels))

    def interpolate(self, attributes: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
        """Attributes ``(V, C)`` at pixels: ``(H, W, C)``, 0 where there is no face."""
        weights = fragments.barycentric.to(attributes.dtype)
        return _Interpolate.apply(attributes, weights, faces, fragments.triangle, self.kernels)

    def crossings(self, points: Tensor, topology: Topology, faces: Tensor, fragments: Fragments) -> Crossings:
        """Where silhouette edges pass between pixels; ``points (V, 4)`` are those of :func:`screen_points`."""
        pairs = 2 * len(fragments.triangle) * fragments.triangle.shape[1]
        share, found, place = _kept(
            "crossings", pairs, lambda: (np.empty(pairs), np.empty((pairs, 6), np.int64), np.full(pairs, -1, np.int64))
        )
        facing = np.empty(len(faces), np.int8)
        places = _array(points.double())
        self.kernels.face_directions(places, _array(faces), facing)
        count = self.kernels.walk_edges(
            places, _array(topology.ends), _array(topology.faces), facing,
            _array(fragments.triangle), _array(fragments.depth), DEPTH_SLACK, share, found, place,
        )  # fmt: skip
        rows = torch.from_numpy(found[:count].copy())
        return Crossings(rows[:, :2], rows[:, 2:4], rows[:, 4:])


def numba_backend() -> NumbaBackend | None:
    """The backend, or None without a working numba."""
    compiled = kernels()
    return None if compiled is None else NumbaBackend(compiled)


class _Barycentrics(torch.autograd.Function):
    """``barycentrics_by_torch``; gradients go to the points alone."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, faces: Tensor, triangle: Tensor, compiled: Kernels) -> Any:
        ctx.save_for_backward(points, faces, triangle)
        ctx.compiled = compiled
        ctx.set_materialize_grads(False)
        weights, depth = points.new_empty(*triangle.shape, 3), points.new_empty(triangle.shape)
        compiled.barycentrics(_array(points.double()), _array(faces), triangle.numpy(), weights.numpy(), depth.numpy())
        return weights, depth

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        points, faces, triangle = ctx.saved_tensors
        places = points.double()
        result = torch.zeros_like(places)
        to_weights, to_depth = gradients
        if to_weights is None:
            to_weights = points.new_zeros(*triangle.shape, 3)
        if to_depth is None:
            to_depth = points.new_empty(0, 0)
        ctx.compiled.barycentrics_backward(
            _array(places), _array(faces), triangle.numpy(), _array(to_weights), _array(to_depth), result.numpy()
        )
        return result.to(points.dtype), None, None, None


class _Interpolate(torch.autograd.Function):
    """``TorchBackend.interpolate``; gradients go to attributes and weights."""

    @staticmethod
    def forward(
        ctx: Any, attributes: Tensor, weights: Tensor, faces: Tensor, triangle: Tensor, compiled: Kernels
    ) -> Any:
        ctx.save_for_backward(attributes, weights, faces, triangle)
        ctx.compiled = compiled
        image = attributes.new_empty(*triangle.shape, attributes.shape[1])
        compiled.interpolate(_array(attributes), _array(faces), triangle.numpy(), _array(weights), image.numpy())
        return image

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        attributes, weights, faces, triangle = ctx.saved_tensors
        to_weights, to_attributes = torch.empty_like(weights), torch.zeros_like(attributes)
        ctx.compiled.interpolate_backward(
            _array(attributes), _array(faces), triangle.numpy(), _array(weights),
            _array(gradients[0]), to_weights.numpy(), to_attributes.numpy(),
        )  # fmt: skip
        return to_attributes, to_weights, None, None, None


def _kept(name: str, size: Any, make: Callable[[], Any]) -> Any:
    """Work memory of the last size, kept per thread: fresh pages cost more than the work."""
    kept = getattr(_memory, name, None)
    if kept is None or kept[0] != size:
        kept = size, make()
        setattr(_memory, name, kept)
    return kept[1]


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().contiguous().numpy()
