"""Rasterisation on a CPU by compiled kernels, with their gradients in closed form."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from drag3d.rendering.camera import Size, screen_points
from drag3d.rendering.fragments import Fragments
from drag3d.rendering.numba_kernels import Kernels, kernels
from drag3d.rendering.silhouettes import DEPTH_SLACK, Crossings, Topology
from drag3d.rendering.threads import cores

FLOATS = (torch.float32, torch.float64)
BANDS = 2
PIXELS_OF_A_BAND = 1 << 14  # for fewer, another thread takes longer to wake than to work
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
        exact, corners, numbers = _array(points.double()), _array(faces), triangle.numpy()
        with np.errstate(divide="ignore", invalid="ignore"):  # of vertices in the camera's plane nothing is asked
            places = exact[:, [0, 1, 3]] / exact[:, 2:3]
        _in_bands(size, lambda a, b, _: self.kernels.visible(exact, places, corners, a, numbers[a:b], depth[a:b]))
        weights, depths = _Barycentrics.apply(points, faces, triangle, self.kernels)
        return Fragments(triangle, weights, depths, points)

    def interpolate(self, attributes: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
        """Attributes ``(V, C)`` at pixels: ``(H, W, C)``, 0 where there is no face."""
        weights, points = fragments.barycentric.to(attributes.dtype), fragments.points
        if points is not None and points.requires_grad and attributes.dtype == points.dtype:
            return _Picture.apply(attributes, points, weights.detach(), faces, fragments.triangle, self.kernels)
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
        places, corners = _array(points.double()), _array(faces)
        images = triangle.numpy(), weights.numpy(), depth.numpy()
        _in_bands(triangle.shape, lambda a, b, _: compiled.barycentrics(places, corners, a, *(i[a:b] for i in images)))
        return weights, depth

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        points, faces, triangle = ctx.saved_tensors
        to_weights, to_depth = gradients
        if to_weights is None:
            to_weights = points.new_zeros(*triangle.shape, 3)
        if to_depth is None:
            to_depth = points.new_empty(0, 0)
        places, corners = _array(points.double()), _array(faces)
        images = triangle.numpy(), _array(to_weights), _array(to_depth)
        sums = np.zeros((BANDS, *places.shape))
        _in_bands(
            triangle.shape,
            lambda a, b, n: ctx.compiled.barycentrics_backward(places, corners, a, *(i[a:b] for i in images), sums[n]),
        )
        return torch.from_numpy(sums.sum(axis=0)).to(points.dtype), None, None, None


class _Picture(torch.autograd.Function):
    """``_Interpolate`` after ``_Barycentrics``: gradients go to attributes and points at once."""

    @staticmethod
    def forward(
        ctx: Any, attributes: Tensor, points: Tensor, weights: Tensor, faces: Tensor, triangle: Tensor,
        compiled: Kernels,
    ) -> Any:  # fmt: skip
        ctx.save_for_backward(attributes, points, weights, faces, triangle)
        ctx.compiled = compiled
        return _interpolated(attributes, weights, faces, triangle, compiled)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:
        attributes, points, weights, faces, triangle = ctx.saved_tensors
        given, places, corners = _array(attributes), _array(points.double()), _array(faces)
        images = triangle.numpy(), _array(weights), _array(gradients[0])
        to_points, to_attributes = np.zeros((BANDS, *places.shape)), np.zeros((BANDS, *given.shape), given.dtype)
        _in_bands(
            triangle.shape,
            lambda a, b, n: ctx.compiled.picture_backward(
                places, given, corners, a, *(i[a:b] for i in images), to_points[n], to_attributes[n]
            ),
        )
        sums = torch.from_numpy(to_attributes.sum(axis=0)), torch.from_numpy(to_points.sum(axis=0)).to(points.dtype)
        return *sums, None, None, None, None


def _interpolated(attributes: Tensor, weights: Tensor, faces: Tensor, triangle: Tensor, compiled: Kernels) -> Tensor:
    image = attributes.new_empty(*triangle.shape, attributes.shape[1])
    given, corners = _array(attributes), _array(faces)
    images = triangle.numpy(), _array(weights), image.numpy()
    _in_bands(triangle.shape, lambda a, b, _: compiled.interpolate(given, corners, *(i[a:b] for i in images)))
    return image


class _Interpolate(torch.autograd.Function):
    """``TorchBackend.interpolate``; gradients go to attributes and weights."""

    @staticmethod
    def forward(
        ctx: Any, attributes: Tensor, weights: Tensor, faces: Tensor, triangle: Tensor, compiled: Kernels
    ) -> Any:
        ctx.save_for_backward(attributes, weights, faces, triangle)
        ctx.compiled = compiled
        return _interpolated(attributes, weights, faces, triangle, compiled)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        attributes, weights, faces, triangle = ctx.saved_tensors
        to_weights = torch.empty_like(weights)
        given, corners = _array(attributes), _array(faces)
        images = triangle.numpy(), _array(weights), _array(gradients[0]), to_weights.numpy()
        sums = np.zeros((BANDS, *given.shape), given.dtype)
        _in_bands(
            triangle.shape,
            lambda a, b, n: ctx.compiled.interpolate_backward(given, corners, *(i[a:b] for i in images), sums[n]),
        )
        return torch.from_numpy(sums.sum(axis=0)), to_weights, None, None, None


def _in_bands(size: tuple[int, ...], work: Callable[[int, int, int], Any]) -> None:
    """``work(first row, row after the last, number)`` for the bands of an image, at once on as many cores.

    Torch's number of threads has no say: threads of our own sleep when they have nothing to do, torch's spin, so one of
    those and two of these is the fastest. There are as many bands whatever cores there are, so that sums over them come
    out the same.
    """
    height, width = size
    if height * width < PIXELS_OF_A_BAND * BANDS:
        work(0, height, 0)
        return
    edges = [height * n // BANDS for n in range(BANDS + 1)]
    bands = [(edges[n], edges[n + 1], n) for n in range(BANDS)]
    at_once = cores() > 1
    others = [_pool().submit(work, *band) for band in bands[1:]] if at_once else []
    for band in bands[:1] if at_once else bands:
        work(*band)
    for other in others:
        other.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="drag3d-rendering")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked process has none of the threads


def _kept(name: str, size: Any, make: Callable[[], Any]) -> Any:
    """Work memory of the last size, kept per thread: fresh pages cost more than the work."""
    kept = getattr(_memory, name, None)
    if kept is None or kept[0] != size:
        kept = size, make()
        setattr(_memory, name, kept)
    return kept[1]


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().contiguous().numpy()
