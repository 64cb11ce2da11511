"""Features of the triplanes at points in space (GET3D, section 3.1): of whole planes, or of windows of them.

On the CPU compiled kernels read the planes of a shape; elsewhere torch does, with the same result but for rounding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from get3d_models import lookup_kernels
from get3d_models.devices import constant
from get3d_models.errors import InputError
from get3d_models.triplanes import PLANE_AXES, LocalPlanes, plane_position, texel_position
from get3d_models.windows import Windows

KERNEL_TYPES = {torch.float32: "float32", torch.float64: "float64"}


def lookup(planes: Tensor, points: Tensor, low: float, length: float) -> Tensor:
    """Sum of the three planes' bilinear values at points.

    planes ``(N, 3, C, R, R)``; points ``(N, M, 3)`` in world units; the box is [low, low + length]^3 and points outside
    take the value at its border. As in the official lookup, texel centres are half a texel inside and zeros lie
    outside the planes. Returns ``(N, M, C)``. Differentiable in the planes and in the points; the official system
    detaches the points, so detach them to get its gradients.
    """
    if _kernels_serve(planes, points):
        size = (planes.shape[3], planes.shape[4])
        features, found = _Read.apply(points.squeeze(0), planes.squeeze(0), _whole(size), (low, length))
        if found:  # else a point is not finite
            return features[None]
    return lookup_by_torch(planes, points, low, length)


def lookup_by_torch(planes: Tensor, points: Tensor, low: float, length: float) -> Tensor:
    """The same without kernels."""
    return _sample(planes, _by_plane(plane_position(points, low, length)))


def lookup_local(planes: LocalPlanes, points: Tensor, low: float, length: float) -> Tensor:
    """What :func:`lookup` gives for points inside the windows; raises InputError where a point is in none of them."""
    found = lookup_within(planes, points, low, length)
    if found is None:
        raise InputError("a point lies outside the windows of the local planes: ask for larger ones or whole planes")
    return found


def lookup_within(planes: LocalPlanes, points: Tensor, low: float, length: float) -> Tensor | None:
    """As :func:`lookup_local`, and None where a point is outside the windows."""
    if _kernels_serve(planes.texels, points):
        features, found = _Read.apply(points.squeeze(0), planes.texels.squeeze(0), planes.windows, (low, length))
        return features[None] if found else None
    return lookup_within_by_torch(planes, points, low, length)


def lookup_within_by_torch(planes: LocalPlanes, points: Tensor, low: float, length: float) -> Tensor | None:
    """The same without kernels."""
    if len(planes.windows) == len(PLANE_AXES):
        return _lookup_one_window(planes, points, low, length)
    position = _by_plane(texel_position(points, low, length, planes.windows.map_size[0]))  # (N, 3, M, 2)
    place, inside = _places(planes.windows, position)
    if not bool(inside.any(dim=2).all()):
        return None
    fraction = position - position.detach().floor()
    choice = inside.to(torch.uint8).argmax(dim=2)
    place = place.gather(3, choice[:, None, :, None, None].expand(-1, len(PLANE_AXES), -1, 1, 2)).squeeze(3)
    return _gather(planes, choice, place, fraction)


def _whole(size: tuple[int, int]) -> Windows:
    """The one window of each plane that is all of it."""
    return Windows(size, size, ((0, 0),) * len(PLANE_AXES))


def _kernels_serve(texels: Tensor, points: Tensor) -> bool:
    """Whether kernels read these planes: on a CPU, for one shape."""
    alike = texels.device.type == "cpu" and len(texels) == 1 and texels.dtype == points.dtype
    name = KERNEL_TYPES.get(texels.dtype)
    return alike and name is not None and lookup_kernels.kernels(name) is not None


class _Read(torch.autograd.Function):
    """Features ``(M, C)`` of planes ``(3 * K, C, rows, columns)`` by kernels, and whether each point is in a window.

    They are the same ones whether gradients are wanted or not: losses are made of small differences of them. What wants
    no gradient of the planes, as Newton's method, gets that of the points ``(M, 3)`` from kernels; else torch finds it.
    Differentiable once.
    """

    @staticmethod
    def forward(
        ctx: Any, points: Tensor, texels: Tensor, windows: Windows, box: tuple[float, float]
    ) -> tuple[Tensor, bool]:
        kernels = lookup_kernels.kernels(KERNEL_TYPES[texels.dtype])
        assert kernels is not None
        places, planes = points.detach().contiguous().numpy(), _Planes.of(texels.detach(), windows)
        where = (
            np.empty(len(places), np.int32),
            np.empty((len(places), 3, 2), np.int32),
            np.empty((len(places), 3, 2), places.dtype),
        )
        found = kernels.locate(places, *box, windows.map_size[0], *planes[3:], planes.corners, *where)
        features = np.empty((len(places) if found else 0, texels.shape[1]), places.dtype)
        if found:
            kernels.look_up(*planes, *where, features)
        ctx.save_for_backward(points, texels)
        ctx.of = kernels, places, planes, where, windows, box
        return torch.from_numpy(features), found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_features: Tensor, _: Any) -> tuple[Tensor | None, Tensor | None, None, None]:
        kernels, places, planes, where, windows, (low, length) = ctx.of
        if ctx.needs_input_grad[1]:
            return *_gradients_by_torch(ctx, grad_features, windows, low, length), None, None
        slopes = np.empty_like(places)
        kernels.slope(*planes, *where, grad_features.contiguous().numpy(), slopes)
        scale = places.dtype.type(windows.map_size[0] / length)
        slopes *= ((places >= low) & (places <= low + length)) * scale
        return torch.from_numpy(slopes), None, None, None


def _gradients_by_torch(
    ctx: Any, grad_features: Tensor, windows: Windows, low: float, length: float
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients in points and planes; ``grad_features`` may be a batch of them, of which only torch knows."""
    needed = ctx.needs_input_grad[:2]
    with torch.enable_grad():
        points, texels = (
            saved.detach().requires_grad_(need) for saved, need in zip(ctx.saved_tensors, needed, strict=True)
        )
        if windows == _whole(windows.map_size):
            features: Tensor | None = lookup_by_torch(texels[None], points[None], low, length)
        else:
            features = lookup_within_by_torch(LocalPlanes(texels[None], windows), points[None], low, length)
        assert features is not None
        inputs = [tensor for tensor in (points, texels) if tensor.requires_grad]
        found = iter(torch.autograd.grad(features.squeeze(0), inputs, grad_features))
    return next(found) if needed[0] else None, next(found) if needed[1] else None


class _Planes(NamedTuple):
    """What the kernels read."""

    values: NDArray[Any]
    strides: NDArray[np.int64]
    corners: NDArray[np.int64]
    rows: int
    columns: int

    @classmethod
    def of(cls, texels: Tensor, windows: Windows) -> _Planes:
        """Of ``(3 * K, C, rows, columns)``, copied only if the channels of a texel do not lie beside each other."""
        texels = texels.permute(0, 2, 3, 1)
        texels = texels if texels.stride(3) == 1 else texels.contiguous()
        extent = 1 + sum((size - 1) * step for size, step in zip(texels.shape, texels.stride(), strict=True))
        values = texels.as_strided((extent,), (1,)).numpy()
        return cls(values, np.array(texels.stride()[:3]), np.array(windows.corners), *windows.size)


def _lookup_one_window(planes: LocalPlanes, points: Tensor, low: float, length: float) -> Tensor | None:
    """The same where each plane has one window, with few operations: points are looked up dozens of times a step."""
    (rows, columns), resolution = planes.windows.size, planes.windows.map_size[0]
    dtype, device = points.dtype, points.device
    before = tuple(((-column - 0.5, -row - 0.5),) for row, column in planes.windows.corners)
    along = _by_plane(((points - low) / length).clamp(0.0, 1.0))
    place = torch.add(constant(before, dtype, device), along, alpha=resolution)  # texels into the window
    found = place.detach()
    if not bool(((found >= 0) & (found <= constant((columns - 1, rows - 1), dtype, device))).all()):
        return None
    scale = constant((2 / columns, 2 / rows), dtype, device)
    return _sample(planes.texels, torch.addcmul(constant((1 / columns - 1, 1 / rows - 1), dtype, device), place, scale))


def _places(windows: Windows, position: Tensor) -> tuple[Tensor, Tensor]:
    """For positions ``(N, 3, M, 2)`` the texel up and left in each window ``(N, 3, M, K, 2)``, and which hold it.

    The second is ``(N, M, K)``: whether a point is inside the k-th window of every plane.
    """
    rows, columns = windows.size
    size = constant((columns, rows), torch.int64, position.device)  # across, down, as positions are
    first = tuple((column, row) for row, column in windows.corners)
    corners = constant(first, torch.int64, position.device).unflatten(0, (len(PLANE_AXES), 1, -1))
    place = position.detach().floor().long().unsqueeze(3) - corners
    return place, ((place >= 0) & (place <= size - 2)).all(dim=4).all(dim=1)


def _by_plane(position: Tensor) -> Tensor:
    """Coordinates ``(N, M, 3)`` as (across, down) in each plane: ``(N, 3, M, 2)``."""
    axes = constant(tuple(axis for plane in PLANE_AXES for axis in plane), torch.int64, position.device)
    by_plane = position.index_select(2, axes).unflatten(2, (len(PLANE_AXES), 2)).transpose(1, 2)
    return by_plane.contiguous()  # grid_sample takes five times as long for others


def _sample(maps: Tensor, position: Tensor) -> Tensor:
    """Sum over planes of maps ``(N, 3, C, rows, columns)`` at ``(N, 3, M, 2)`` in [-1, 1] from edge to edge."""
    sampled = F.grid_sample(
        maps.flatten(0, 1),
        position.flatten(0, 1).unsqueeze(2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return sampled.squeeze(3).unflatten(0, maps.shape[:2]).sum(dim=1).transpose(1, 2)


def _gather(planes: LocalPlanes, choice: Tensor, place: Tensor, fraction: Tensor) -> Tensor:
    """The same where points have windows of their own, which grid_sample does not know: ``(N, M, C)``.

    ``choice (N, M)`` is each point's window, ``place`` the texel in it up and left of the point, ``fraction`` the part
    of the way to the next texel, both ``(N, 3, M, 2)`` as (across, down).
    """
    columns = planes.windows.size[1]
    maps = torch.arange(planes.texels.shape[:2].numel(), device=choice.device).view(len(choice), len(PLANE_AXES), -1)
    chosen = maps.gather(2, choice[:, None].expand(-1, len(PLANE_AXES), -1))
    texel = (chosen * planes.windows.size[0] + place[..., 1]) * columns + place[..., 0]  # (N, 3, M)
    right, below = fraction.unbind(3)
    above, left = 1 - below, 1 - right
    weights = torch.stack([above * left, above * right, below * left, below * right], dim=3)
    offsets = constant((0, 1, columns, columns + 1), torch.int64, choice.device)
    table = planes.texels.movedim(2, 4).flatten(0, 3)
    values = F.embedding(texel[..., None] + offsets, table)  # (N, 3, M, 4, C)
    return (values * weights[..., None]).sum(dim=3).sum(dim=1)
