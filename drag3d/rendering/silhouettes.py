"""Antialiasing of silhouettes, which is also what makes a picture differentiable where a surface ends.

An edge of the mesh is a silhouette edge when it bounds one face that is turned to the camera and one that is turned
away, or one face only. Each is walked along its major axis, one row (or column) of pixels at a time. It crosses the
line between two neighbouring pixel centres at a place that is a differentiable function of the edge's two ends; there
the colours of the two pixels are blended by how far the crossing is from the middle between them, as if the surface's
side were covered up to the crossing and the other beyond it.

Walking edges instead of looking at the triangle that each pixel happens to show finds silhouettes of meshes that are
denser than pixels, where hardly any pixel shows a triangle with a silhouette edge.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from drag3d.rendering.fragments import Fragments

DEPTH_SLACK = 1e-7  # what lies beside a silhouette counts as behind it from this difference of depth on
FLAT = 1e-14  # a determinant below this share of its terms is that of a triangle without area


@dataclass(frozen=True)
class Topology:
    """The edges of a mesh and the faces beside them. An edge with more than two faces is there several times."""

    ends: Tensor
    """(E, 2) int64 vertices, in the order in which the first face runs through them"""
    faces: Tensor
    """(E, 2) int64 the faces beside it; the second is -1 at a border"""


@dataclass(frozen=True)
class Crossings:
    """Where silhouette edges pass between the centres of two neighbouring pixels; at most one for each pair."""

    ends: Tensor
    """(P, 2) int64 vertices of the edge"""
    inside: Tensor
    """(P, 2) int64 (x, y) of the pixel on the surface's side"""
    outside: Tensor
    """(P, 2) int64 (x, y) of its neighbour"""


_known: dict[int, tuple[weakref.ref[Tensor], int, Topology]] = {}


def topology_of(faces: Tensor) -> Topology:
    """The edges of faces ``(F, 3)``; those of a tensor seen before are remembered while it lives."""
    key = id(faces)
    if key in _known and _known[key][0]() is faces and _known[key][1] == faces._version:
        return _known[key][2]
    found = _topology(faces)
    _known[key] = weakref.ref(faces, lambda _: _known.pop(key, None)), faces._version, found
    return found


def _topology(faces: Tensor) -> Topology:
    count = int(faces.max()) + 1 if len(faces) else 0
    directed = torch.stack([faces, faces.roll(-1, dims=1)], dim=2).flatten(0, 1)  # (3F, 2), face by face
    key = directed.amin(dim=1) * count + directed.amax(dim=1)
    key, order = key.sort(stable=True)
    begins = torch.ones_like(key, dtype=torch.bool)
    begins[1:] = key[1:] != key[:-1]
    # Of faces around one edge, two and two make an edge with two sides; an odd one out is a border.
    place = torch.arange(len(key), device=key.device)
    place = place - torch.where(begins, place, 0).cummax(dim=0).values if len(key) else place
    first = place % 2 == 0
    paired = torch.zeros_like(first)
    paired[:-1] = first[:-1] & ~first[1:] & (key[:-1] == key[1:])
    face = order // 3
    second = torch.where(paired, face.roll(-1), -1)
    return Topology(directed[order[first]], torch.stack([face[first], second[first]], dim=1))


def silhouette_edges(points: Tensor, topology: Topology, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers ``(S,)`` of the silhouette edges, and on which side of each the surface lies ``(S,)``, +1 or -1.

    That side is the sign of ``det(A, B, p)`` for pixels p = (x, y, 1) of the surface, with the ends A and B as they
    stand in ``points (V, 4)`` = (x w, y w, w, z). Faces seen from the edge on are no faces at all.
    """
    facing = determinants(points[:, :3][faces]).sign()
    one, other = facing[topology.faces[:, 0]], facing[topology.faces[:, 1].clamp_min(0)]
    border = topology.faces[:, 1] < 0
    edges = torch.nonzero(border & (one != 0) | ~border & (one != other))[:, 0]
    one, other = one[edges], torch.where(border, 0.0, other)[edges]
    # The second face runs through the edge the other way, so its sign counts with a minus; either tells the side.
    return edges, torch.where(one != 0, one, -other)


def determinants(corners: Tensor) -> Tensor:
    """Those of corners ``(F, 3, 3)`` = (x w, y w, w), positive or negative as faces are turned; 0 for flat faces.

    Rounding gives a flat face a small one, which is told by the size of the terms that it is the sum of.
    """
    a, b, c = corners.unbind(1)
    first, second = b.roll(-1, dims=1) * c.roll(-2, dims=1), b.roll(-2, dims=1) * c.roll(-1, dims=1)
    determinant = (a * (first - second)).sum(dim=1)
    terms = (a.abs() * (first.abs() + second.abs())).sum(dim=1)
    return torch.where(determinant.abs() > FLAT * terms, determinant, torch.zeros_like(determinant))


def crossings_by_torch(points: Tensor, topology: Topology, faces: Tensor, fragments: Fragments) -> Crossings:
    """The crossings of ``points (V, 4)`` (see :func:`screen_points`), by expanding every edge into all its rows."""
    height, width = fragments.size
    points = points.detach() if points.device.type == "mps" else points.detach().double()
    edges, side = silhouette_edges(points, topology, faces)
    ends = topology.ends[edges]
    a, b = points[ends[:, 0]], points[ends[:, 1]]
    near_a, near_b = _clipped(a, b)
    place_a, place_b = near_a[:, :2] / near_a[:, 2:3], near_b[:, :2] / near_b[:, 2:3]
    reach = (place_a - place_b).abs()
    steep = reach[:, 1] >= reach[:, 0]
    along = steep.long()  # the coordinate that is stepped through: 1 is y, for edges that are rather upright
    start, stop = (p.gather(1, along[:, None])[:, 0] for p in (place_a, place_b))
    limit = torch.where(steep, height, width)
    first = torch.minimum(start, stop).nan_to_num(0.0).ceil().clamp(0, 1e6).long()
    last = torch.minimum(torch.maximum(start, stop).nan_to_num(0.0).ceil().clamp(0, 1e6).long(), limit)
    count = (last - first).clamp_min(0)
    edge = torch.repeat_interleave(torch.arange(len(ends), device=ends.device), count)
    line = torch.arange(len(edge), device=ends.device) - (count.cumsum(0) - count)[edge] + first[edge]
    crossing, depth, inward = _crossing(a[edge], b[edge], line.to(points.dtype), steep[edge], side[edge])
    before = crossing.floor()
    share = torch.where(inward, before + 1 - crossing, crossing - before)  # from the inside pixel to the crossing
    before = before.nan_to_num(-1.0).clamp(-1, 1e6).long()
    usable = (before >= 0) & (before + 1 < torch.where(steep, width, height)[edge])
    edge, line, share, depth, inward, before = (v[usable] for v in (edge, line, share, depth, inward, before))
    upright = steep[edge]
    inner, outer = before + inward.long(), before + 1 - inward.long()
    inside = torch.stack([torch.where(upright, inner, line), torch.where(upright, line, inner)], dim=1)
    outside = torch.stack([torch.where(upright, outer, line), torch.where(upright, line, outer)], dim=1)
    seen = fragments.covered[inside[:, 1], inside[:, 0]]
    behind = ~fragments.covered[outside[:, 1], outside[:, 0]]
    behind |= fragments.depth.detach()[outside[:, 1], outside[:, 0]] > depth + DEPTH_SLACK
    kept = seen & behind
    pair = torch.where(upright, line * width + before, height * width + before * width + line)
    kept = torch.nonzero(kept)[:, 0]
    chosen = kept[_farthest(pair[kept], share[kept])]
    return Crossings(ends[edge[chosen]], inside[chosen], outside[chosen])


def antialias_crossings(image: Tensor, points: Tensor, crossings: Crossings) -> Tensor:
    """The image ``(H, W, C)`` with pixels blended at crossings; differentiable in it and in ``points (V, 4)``.

    With t the distance from the inside pixel to the crossing, beyond the middle (t > 1/2) the outside pixel takes
    t - 1/2 of the inside colour, before it the inside pixel takes 1/2 - t of the outside colour.
    """
    if len(crossings.ends) == 0:
        return image.clone()
    inside, outside = crossings.inside, crossings.outside
    a, b = points[crossings.ends[:, 0]], points[crossings.ends[:, 1]]
    # Seen from the inside pixel, the point of the edge on its row (or column) is u_c / w_c with
    # u_c = v_a u_b - u_a v_b and w_c = v_a w_b - w_a v_b; u is the way to the other pixel, v across it.
    origin = inside.to(points.dtype)
    local_a, local_b = a[:, :2] - origin * a[:, 2:3], b[:, :2] - origin * b[:, 2:3]
    way = (outside - inside).to(points.dtype)
    u_a, u_b = (local_a * way).sum(dim=1), (local_b * way).sum(dim=1)
    v_a, v_b = (local_a * way.abs().flip(1)).sum(dim=1), (local_b * way.abs().flip(1)).sum(dim=1)
    share = (v_a * u_b - u_a * v_b) / (v_a * b[:, 2] - a[:, 2] * v_b)
    width = image.shape[1]
    return _Blended.apply(image, share, *(p[:, 1] * width + p[:, 0] for p in (inside, outside)))


class _Blended(torch.autograd.Function):
    """The image with pixels ``first (P,)`` or ``second (P,)`` blended; gradients go to it and to ``share (P,)``."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, share: Tensor, first: Tensor, second: Tensor) -> Tensor:
        flat = image.reshape(-1, image.shape[2])
        amount = (share - 0.5).to(image.dtype)[:, None]
        difference = flat.index_select(0, first) - flat.index_select(0, second)
        blended = torch.where(share > 0.5, second, first)
        ctx.save_for_backward(share, amount, difference, blended, first, second)
        # On CUDA index_add would add in a different order each time.
        return flat.clone().index_put_((blended,), amount * difference, accumulate=True).view_as(image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> Any:
        share, amount, difference, blended, first, second = ctx.saved_tensors
        flat = gradients[0].reshape(-1, difference.shape[1])
        taken = flat.index_select(0, blended)
        to_share = (taken * difference).sum(dim=1).to(share.dtype)
        taken = taken * amount
        to_image = flat.clone().index_put_((first,), taken, accumulate=True)
        to_image.index_put_((second,), -taken, accumulate=True)
        return to_image.view_as(gradients[0]), to_share, None, None


def _clipped(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The ends ``(S, 4)`` of what lies between the near plane and the eye's other side: where z + w is not negative.

    Edges of which nothing does come back with both ends in one place.
    """
    front_a, front_b = a[:, 2] + a[:, 3], b[:, 2] + b[:, 3]
    difference = front_a - front_b
    share = torch.where(difference != 0, front_a / torch.where(difference != 0, difference, 1.0), 0.0)[:, None]
    middle = a + share * (b - a)
    start = torch.where((front_a < 0)[:, None], middle, a)
    end = torch.where((front_b < 0)[:, None], middle, b)
    none = ((front_a < 0) & (front_b < 0) | (start[:, 2] <= 0) | (end[:, 2] <= 0))[:, None]
    return torch.where(none, torch.ones_like(a), start), torch.where(none, torch.ones_like(b), end)


def _crossing(a: Tensor, b: Tensor, line: Tensor, steep: Tensor, side: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where edges cross a row (a column, if not steep), at which depth, and whether the surface lies further along."""
    normal = torch.linalg.cross(a[:, :3], b[:, :3])  # normal . (x, y, 1) = 0 along the edge
    across = torch.where(steep, normal[:, 0], normal[:, 1])
    with_line = torch.where(steep, normal[:, 1], normal[:, 0])
    crossing = -(with_line * line + normal[:, 2]) / across
    local_a = torch.where(steep, a[:, 1], a[:, 0]) - line * a[:, 2]
    local_b = torch.where(steep, b[:, 1], b[:, 0]) - line * b[:, 2]
    depth = (local_a * b[:, 3] - local_b * a[:, 3]) / (local_a * b[:, 2] - local_b * a[:, 2])
    return crossing, depth, across * side > 0


def _farthest(pair: Tensor, share: Tensor) -> Tensor:
    """For each pair of pixels the number of the crossing with the largest share; the first of equals."""
    order = share.argsort(descending=True, stable=True)
    order = order[pair[order].argsort(stable=True)]
    sorted_pair = pair[order]
    first = torch.ones_like(sorted_pair, dtype=torch.bool)
    first[1:] = sorted_pair[1:] != sorted_pair[:-1]
    return order[first]
