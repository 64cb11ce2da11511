"""Rasterisation in plain torch: the formulas in their plainest form, on any device.

The oracle that the other backends are tested against, and what is used where neither of them is at hand. Edge functions
are homogeneous (Olano and Greer, "Triangle Scan Conversion using 2D Homogeneous Coordinates", 1997): for corners
V_i = (x w, y w, w) of a triangle, a pixel p = (x, y, 1) is V_0 l_0 + V_1 l_1 + V_2 l_2, and it is inside iff no l_i is
negative. That needs no clipping and no division by w, so triangles that reach behind the camera are handled as all
others are; z / w is sum l_i z_i, and what is nearer than the near plane fails its test pixel by pixel.
"""

from __future__ import annotations

import torch
from torch import Tensor

from drag3d.rendering.camera import Size, screen_points
from drag3d.rendering.fragments import Fragments
from drag3d.rendering.silhouettes import Crossings, Topology, crossings_by_torch, determinants

PAIRS_AT_ONCE = 1 << 22
SLACK = 1e-6  # pixels that a bounding box is enlarged by, against rounding


class TorchBackend:
    """See :class:`drag3d.rendering.backends.Backend`."""

    name = "torch"

    def rasterize(self, clip: Tensor, faces: Tensor, size: Size) -> Fragments:
        """Fragments of clip-space positions ``(V, 4)`` and faces ``(F, 3)``."""
        points = screen_points(clip, size)
        triangle = visible_by_torch(points.detach(), faces, size)
        return Fragments(triangle, *barycentrics_by_torch(points, faces, triangle))

    def interpolate(self, attributes: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
        """Attributes ``(V, C)`` at pixels: ``(H, W, C)``, 0 where there is no face."""
        rows, columns = torch.nonzero(fragments.covered, as_tuple=True)
        corners = attributes[faces[fragments.triangle[rows, columns]]]  # (P, 3, C)
        values = (corners * fragments.barycentric[rows, columns][:, :, None]).sum(dim=1)
        return values.new_zeros(*fragments.size, attributes.shape[1]).index_put((rows, columns), values)

    def crossings(self, points: Tensor, topology: Topology, faces: Tensor, fragments: Fragments) -> Crossings:
        """Where silhouette edges pass between pixels; ``points (V, 4)`` are those of :func:`screen_points`."""
        return crossings_by_torch(points, topology, faces, fragments)


def visible_by_torch(points: Tensor, faces: Tensor, size: Size) -> Tensor:
    """The foremost face ``(H, W)`` int64 at each pixel, -1 for none; of those at exactly the same depth the first."""
    height, width = size
    points = _precise(points)
    corners = points[faces]  # (F, 3, 4)
    first, last = _bounding_boxes(corners, size)
    edges, share = _edge_functions(corners)
    extent = (last - first + 1).clamp_min(0)
    counts = extent[:, 0] * extent[:, 1]
    depth = torch.full((height * width,), torch.inf, dtype=points.dtype, device=points.device)
    triangle = torch.full((height * width,), -1, dtype=torch.long, device=points.device)
    for chunk in _chunks(counts):
        face = torch.repeat_interleave(chunk, counts[chunk])
        start = counts[chunk].cumsum(0) - counts[chunk]
        number = torch.arange(len(face), device=face.device) - torch.repeat_interleave(start, counts[chunk])
        x = first[face, 0] + number % extent[face, 0]
        y = first[face, 1] + number // extent[face, 0]
        inside, z = _covers(edges[face], share[face], corners[face, :, 3], x, y)
        face, z, pixel = face[inside], z[inside], (y * width + x)[inside]
        nearest = depth.scatter_reduce(0, pixel, z, "amin")
        won = (z == nearest[pixel]) & (z < depth[pixel])  # at a depth of an earlier chunk, the lower index stays
        lowest = torch.full_like(triangle, len(faces)).scatter_reduce(0, pixel[won], face[won], "amin")
        triangle = torch.where(lowest < len(faces), lowest, triangle)
        depth = nearest
    return triangle.view(height, width)


def barycentrics_by_torch(points: Tensor, faces: Tensor, triangle: Tensor) -> tuple[Tensor, Tensor]:
    """Weights ``(H, W, 3)`` and depths ``(H, W)`` of the faces at pixels; differentiable in ``points (V, 4)``.

    Seen from the pixel the edge functions are e_0 = x_1 y_2 - y_1 x_2 and so on, without cancellation; then the weights
    are e_i / sum e and the depth is sum e_i z_i / sum e_i w_i.
    """
    rows, columns = torch.nonzero(triangle >= 0, as_tuple=True)
    corners = _precise(points)[faces[triangle[rows, columns]]]  # (P, 3, 4)
    w, z = corners[:, :, 2], corners[:, :, 3]
    x = corners[:, :, 0] - columns[:, None].to(w.dtype) * w
    y = corners[:, :, 1] - rows[:, None].to(w.dtype) * w
    edge = torch.stack([x[:, i] * y[:, j] - y[:, i] * x[:, j] for i, j in ((1, 2), (2, 0), (0, 1))], dim=1)
    weights = (edge / edge.sum(dim=1, keepdim=True)).to(points.dtype)
    depth = ((edge * z).sum(dim=1) / (edge * w).sum(dim=1)).to(points.dtype)
    barycentric = weights.new_zeros(*triangle.shape, 3).index_put((rows, columns), weights)
    return barycentric, depth.new_ones(triangle.shape).index_put((rows, columns), depth)


def _edge_functions(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Of triangles ``(F, 3, 4)`` the edge functions ``(F, 3, 3)``, turned so that none is negative inside, and one over
    their determinants ``(F,)``; the latter is infinite for triangles without area.

    An edge that two triangles share gives both the same numbers but for the sign, so no pixel falls between them.
    """
    v0, v1, v2 = corners[:, :, :3].unbind(1)
    normals = torch.stack([torch.linalg.cross(a, b) for a, b in ((v1, v2), (v2, v0), (v0, v1))], dim=1)
    determinant = determinants(corners[:, :, :3])
    return normals * determinant.sign()[:, None, None], 1 / determinant.abs()


def _covers(edges: Tensor, share: Tensor, z: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Whether triangles cover pixels ``(P,)`` between the near and far plane, and their depths there.

    ``edges (P, 3, 3)`` and ``share (P,)`` are those of :func:`_edge_functions`, ``z (P, 3)`` that of the corners.
    """
    edge = edges[:, :, 0] * x[:, None] + (edges[:, :, 1] * y[:, None] + edges[:, :, 2])
    inside = (edge >= 0).all(dim=1) & torch.isfinite(share)
    depth = (edge[:, 0] * z[:, 0] + edge[:, 1] * z[:, 1] + edge[:, 2] * z[:, 2]) * share
    return inside & (depth >= -1) & (depth <= 1), depth


def _bounding_boxes(corners: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """First and last pixel ``(F, 2)`` = (x, y) that triangles may cover: all of the image for those that reach behind
    the camera, none for those that lie there."""
    limit = torch.tensor([size[1] - 1, size[0] - 1], device=corners.device)
    w = corners[:, :, 2]
    place = corners[:, :, :2] / w[:, :, None]
    low = (place.amin(dim=1) - SLACK).nan_to_num(0.0).ceil().clamp(-1, 1e6).long().clamp_min(0)
    high = (place.amax(dim=1) + SLACK).nan_to_num(0.0).floor().clamp(-1, 1e6).long().minimum(limit)
    crossing, behind = (w <= 0).any(dim=1)[:, None], (w <= 0).all(dim=1)[:, None]
    low, high = torch.where(crossing, 0, low), torch.where(crossing, limit, high)
    return low, torch.where(behind, low - 1, high)


def _chunks(counts: Tensor) -> list[Tensor]:
    """The numbers of faces with pixels to look at, in order, so that few pairs are looked at together."""
    faces = torch.nonzero(counts > 0)[:, 0]
    if len(faces) == 0:
        return []
    number = counts[faces].cumsum(0) // PAIRS_AT_ONCE
    return list(faces.split(torch.unique_consecutive(number, return_counts=True)[1].tolist()))


def _precise(points: Tensor) -> Tensor:
    return points if points.device.type == "mps" else points.double()
