"""The stages of a picture: rasterize, interpolate, (shade,) antialias. All differentiable, all deterministic.

clip = clip_points(camera, vertices, size)
fragments = rasterize(clip, faces, size)
image = interpolate(colors, faces, fragments)
image = antialias(image, clip, faces, fragments)
"""

from __future__ import annotations

import torch
from torch import Tensor

from drag3d.rendering.backends import backend_for
from drag3d.rendering.camera import Size, screen_points
from drag3d.rendering.fragments import Fragments
from drag3d.rendering.silhouettes import Topology, antialias_crossings, topology_of
from get3d_models.errors import InputError

LARGEST_SIZE = 16384


def rasterize(clip: Tensor, faces: Tensor, size: Size, backend: str = "auto") -> Fragments:
    """The foremost face at the centre of each pixel of an image of ``size`` = (height, width).

    ``clip (V, 4)`` float are clip-space positions (see ``camera.py``), ``faces (F, 3)`` int64. Both sides of a face are
    seen. A pixel on an edge belongs to both faces beside it, and of faces at exactly one depth the first is taken, so
    the result is the same every time. What lies before the near plane or behind the far plane is cut away, pixel by
    pixel. Gradients flow from barycentrics and depth to ``clip``. Raises InputError for wrong shapes and sizes.
    """
    _check(clip, faces, size)
    return backend_for(clip, backend).rasterize(clip, faces, size)


def interpolate(attributes: Tensor, faces: Tensor, fragments: Fragments, backend: str = "auto") -> Tensor:
    """Attributes of vertices ``(V, C)`` float at pixels: ``(H, W, C)``, 0 where there is no face; differentiable."""
    if attributes.ndim != 2 or not attributes.dtype.is_floating_point:
        raise InputError(f"attributes are floats of shape (V, C), not {attributes.dtype} of {tuple(attributes.shape)}")
    return backend_for(attributes, backend).interpolate(attributes, faces, fragments)


def antialias(
    image: Tensor,
    clip: Tensor,
    faces: Tensor,
    fragments: Fragments,
    topology: Topology | None = None,
    backend: str = "auto",
) -> Tensor:
    """The image ``(H, W, C)`` with its silhouettes smoothed; differentiable in it and, at silhouettes, in ``clip``.

    ``topology`` is :func:`topology_of` of the faces, which is otherwise computed, and remembered for these faces.
    """
    if image.ndim != 3 or tuple(image.shape[:2]) != fragments.size:
        raise InputError(f"an image of {fragments.size} pixels is needed, not of shape {tuple(image.shape)}")
    points = screen_points(clip, fragments.size)
    with torch.no_grad():
        found = backend_for(clip, backend).crossings(
            points, topology_of(faces) if topology is None else topology, faces, fragments
        )
    return antialias_crossings(image, points, found)


def _check(clip: Tensor, faces: Tensor, size: Size) -> None:
    if clip.ndim != 2 or clip.shape[1] != 4 or not clip.dtype.is_floating_point:
        raise InputError(f"clip-space positions are floats of shape (V, 4), not {clip.dtype} of {tuple(clip.shape)}")
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype != torch.int64:
        raise InputError(f"faces are int64 of shape (F, 3), not {faces.dtype} of {tuple(faces.shape)}")
    if len(size) != 2 or not all(isinstance(edge, int) and 1 <= edge <= LARGEST_SIZE for edge in size):
        raise InputError(f"an image's height and width are whole numbers from 1 to {LARGEST_SIZE}, not {size}")
    if len(faces) and not (int(faces.min()) >= 0 and int(faces.max()) < len(clip)):
        raise InputError(f"faces refer to vertices 0 to {len(clip) - 1}; these have others")
