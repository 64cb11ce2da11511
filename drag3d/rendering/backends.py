"""Which code rasterises: nvdiffrast on CUDA, compiled kernels on the CPU, plain torch anywhere."""

from __future__ import annotations

from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from drag3d.rendering.camera import Size
from drag3d.rendering.fragments import Fragments
from drag3d.rendering.numba_backend import FLOATS, numba_backend
from drag3d.rendering.nvdiffrast_backend import NvdiffrastBackend, missing_nvdiffrast
from drag3d.rendering.silhouettes import Crossings, Topology
from drag3d.rendering.torch_backend import TorchBackend
from get3d_models.errors import InputError

BACKENDS = ("auto", "nvdiffrast", "numba", "torch")


class Backend(Protocol):
    """What differs between the ways to rasterise; see ``rasterizer.py`` for what is made of it."""

    name: str

    def rasterize(self, clip: Tensor, faces: Tensor, size: Size) -> Fragments:
        """Fragments of clip-space positions ``(V, 4)`` and faces ``(F, 3)`` int64; differentiable in the positions."""
        ...

    def interpolate(self, attributes: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
        """Attributes ``(V, C)`` at pixels ``(H, W, C)``; differentiable in them and in the fragments."""
        ...

    def crossings(self, points: Tensor, topology: Topology, faces: Tensor, fragments: Fragments) -> Crossings:
        """Where silhouette edges pass between pixels; no gradient."""
        ...


def backend_for(tensor: Tensor, name: str = "auto") -> Backend:
    """The backend of a name for tensors like this one; "auto" takes the best that works on its device.

    Raises InputError, in one line, for an unknown name and for a backend that does not work here or for this tensor.
    """
    if name not in BACKENDS:
        raise InputError(f"unknown rasterizer {name!r}; known: {', '.join(BACKENDS)}")
    fits_numba = tensor.device.type == "cpu" and tensor.dtype in FLOATS
    if name == "nvdiffrast" or (name == "auto" and tensor.device.type == "cuda" and tensor.dtype == torch.float32):
        reason = missing_nvdiffrast()
        if reason is None:
            return _nvdiffrast()
        if name == "nvdiffrast":
            raise InputError(reason)
    if name == "numba" or (name == "auto" and fits_numba):
        found = numba_backend()
        if found is not None and fits_numba:
            return found
        if name == "numba":
            reason = "numba does not work here" if found is None else "compiled kernels draw CPU tensors only"
            raise InputError(f"{reason}; choose the rasterizer auto or torch")
    return _torch()


@cache
def _torch() -> TorchBackend:
    return TorchBackend()


@cache
def _nvdiffrast() -> NvdiffrastBackend:
    return NvdiffrastBackend()
