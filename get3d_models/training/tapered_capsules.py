"""Batches of tapered capsules, mirrored at x = 0: distances to each, their smooth union, points near their surfaces.

A part is the set of points whose distance to the segment ``start -> end`` is less than a radius interpolated along it.
A part may be flattened along one axis perpendicular to its segment (an ear, a chest narrower than high). Every
primitive is evaluated at ``|x|``, so a part at x > 0 stands for the pair of left and right parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

UNION_SOFTNESS = 0.012  # width of the blend between parts, in units of the box
_SHORTEST_GRADIENT = 0.5  # bounds the correction halfway between parts, where directions cancel
_REACH = 0.03  # how far a sample is moved at most to reach the union's surface
_TINY = 1e-8


@dataclass
class Parts:
    """The posed primitives of N shapes with K parts each, all float32 on one device.

    ``start``, ``end`` (N, K, 3); ``start_radius``, ``end_radius`` (N, K): radii across the widest direction;
    ``flatness`` (N, K) >= 1: the part's extent along ``flat_axis`` (N, K, 3, unit, perpendicular to the segment) is the
    radius divided by it.
    """

    start: Tensor
    end: Tensor
    start_radius: Tensor
    end_radius: Tensor
    flatness: Tensor
    flat_axis: Tensor
    _map: Tensor = field(init=False, repr=False)
    _offset: Tensor = field(init=False, repr=False)
    _length_squared: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Fold everything linear in the query point into one matrix: position along, across, and -2 p.start."""
        segment = self.end - self.start
        self._length_squared = segment.square().sum(-1).clamp_min(_TINY)
        along = segment / self._length_squared[..., None]
        self._map = torch.cat([along, self.flat_axis, -2.0 * self.start], dim=1)
        offsets = [-(self.start * along).sum(-1), -(self.start * self.flat_axis).sum(-1), self.start.square().sum(-1)]
        self._offset = torch.cat(offsets, dim=1)[..., None]

    def detach(self) -> Parts:
        """The same parts, cut from the graph that made them."""
        return Parts(
            self.start.detach(),
            self.end.detach(),
            self.start_radius.detach(),
            self.end_radius.detach(),
            self.flatness.detach(),
            self.flat_axis.detach(),
        )


@dataclass
class _Evaluation:
    """What is known of M points relative to K parts: each (N, K, M) unless noted."""

    points: Tensor  # (N, M, 3), mirrored to x >= 0
    distance: Tensor  # negative inside
    place: Tensor  # of the nearest axis point, in [0, 1]
    across: Tensor  # along the flat axis
    slope: Tensor  # 1 / |S^2 e|: makes the gradient below a unit vector


def _evaluate(parts: Parts, points: Tensor) -> _Evaluation:
    shapes, count = points.shape[0], points.shape[1]
    mirrored = torch.cat([points[..., :1].abs(), points[..., 1:]], dim=-1)
    linear = torch.baddbmm(parts._offset, parts._map, mirrored.transpose(1, 2))
    along, across, squared = linear.view(shapes, 3, -1, count).unbind(1)
    place = along.clamp(0.0, 1.0)
    squared = squared + mirrored.square().sum(-1)[:, None]
    squared = squared + place * (place - 2.0 * along) * parts._length_squared[..., None]
    stretch = parts.flatness.square()[..., None]
    across_squared = across.square()
    scaled = torch.addcmul(squared, across_squared, stretch - 1.0).clamp_min(_TINY)
    radius = torch.addcmul(parts.start_radius[..., None], place, (parts.end_radius - parts.start_radius)[..., None])
    # Inside a flat part the slope is that of the surface point straight above along the flat axis: the value then
    # tends to the half thickness in the middle instead of depending on the direction one comes from.
    excess = (radius.square() - scaled).clamp_min(0.0)
    flat = torch.addcmul(excess, across_squared, stretch)
    ratio = torch.rsqrt(1.0 + (stretch - 1.0) * flat / (scaled + excess))
    slope = torch.rsqrt(torch.addcmul(squared, across_squared, stretch.square() - 1.0).clamp_min(_TINY))
    return _Evaluation(mirrored, (scaled.sqrt() - radius) * ratio, place, across, slope)


def part_distances(parts: Parts, points: Tensor) -> Tensor:
    """Distance of ``points`` (N, M, 3) to every part, (N, K, M), NEGATIVE inside.

    For a flattened part the implicit function |S(p - axis)| - r is divided by its gradient's norm, so the
    distance is right to first order at the surface.
    """
    return _evaluate(parts, points).distance


def union_distance(parts: Parts, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The parts' smooth union: distance (N, M), NEGATIVE inside, its direction (N, M, 3), and the parts' own distances.

    The smooth minimum -k log sum exp(-d / k) has a gradient shorter than 1 in the creases between parts, where
    it averages diverging unit vectors. It is divided by that average's length, which makes it metric to first
    order at the surface. The direction is the outward unit normal there.
    """
    at = _evaluate(parts, points)
    scaled = at.distance * (-1.0 / UNION_SOFTNESS)
    total = torch.logsumexp(scaled, dim=1, keepdim=True)
    weight = torch.exp(scaled - total) * at.slope
    flat = weight * at.across * (parts.flatness.square() - 1.0)[..., None]
    lever = torch.cat([weight, weight * at.place, flat], dim=1)
    arms = torch.cat([-parts.start, parts.start - parts.end, parts.flat_axis], dim=1)
    gradient = torch.baddbmm(at.points * weight.sum(1)[..., None], lever.transpose(1, 2), arms)
    length = gradient.square().sum(-1).clamp_min(_TINY).sqrt()
    distance = -UNION_SOFTNESS * total[:, 0] / length.clamp_min(_SHORTEST_GRADIENT)
    sign = torch.where(points[..., :1] < 0, -1.0, 1.0)
    gradient = torch.cat([gradient[..., :1] * sign, gradient[..., 1:]], dim=-1)
    return distance, gradient / length[..., None], at.distance


@dataclass(frozen=True)
class SurfaceShares:
    """How often each part is drawn, ``weights`` (K,), and which stretch of it, ``exposed`` (K, 2).

    Along a part 0 is its start and 1 its end; -1 includes the cap before the start, 2 the one beyond the end.
    """

    weights: Tensor
    exposed: Tensor


@torch.no_grad()
def sample_surfaces(
    parts: Parts,
    shares: SurfaceShares,
    count: int,
    spread: float | Tensor,
    generator: torch.Generator | None,
) -> Tensor:
    """Draw (N, count, 3) points scattered around the parts' surfaces, as many inside as outside.

    Within the exposed stretches points are uniform in area (by Archimedes' hat-box theorem for the caps). ``spread``:
    standard deviation of the isotropic noise added, a number or a tensor that broadcasts against (N, count). Half of
    the points are mirrored to -x. Before the noise, points are moved onto the smooth union's surface (it lies a
    little outside of its parts') where that is near.
    """
    shapes, device = parts.start.shape[0], parts.start.device
    chosen = torch.multinomial(shares.weights, shapes * count, replacement=True, generator=generator)
    chosen = chosen.view(shapes, count)
    index = chosen[..., None].expand(-1, -1, 3)
    start, segment = parts.start.gather(1, index), (parts.end - parts.start).gather(1, index)
    flat_axis, flatness = parts.flat_axis.gather(1, index), parts.flatness.gather(1, chosen)
    radii = torch.stack([parts.start_radius.gather(1, chosen), parts.end_radius.gather(1, chosen)], dim=-1)
    length = segment.norm(dim=-1).clamp_min(_TINY**0.5)
    axis = torch.where(length[..., None] > 1e-3, segment / length[..., None], perpendicular(flat_axis))

    low, high = shares.exposed[chosen].unbind(-1)
    low = torch.where(low < 0, low * radii[..., 0], low * length)
    high = torch.where(high > 1, length + (high - 1) * radii[..., 1], high * length)
    random = torch.rand(shapes, count, 2, device=device, generator=generator)
    place = low + (high - low) * random[..., 0]
    on_axis = torch.minimum(place.clamp_min(0.0), length)
    radius = radii[..., 0] + (radii[..., 1] - radii[..., 0]) * on_axis / length
    lengthwise = ((place - on_axis) / radius).clamp(-1.0, 1.0)
    ring = (1.0 - lengthwise.square()).clamp_min(0.0).sqrt()
    angle = random[..., 1] * (2.0 * torch.pi)
    side = torch.linalg.cross(axis, flat_axis)
    points = start + axis * (on_axis + radius * lengthwise)[..., None]
    points = points + side * (radius * ring * angle.cos())[..., None]
    points = points + flat_axis * (radius * ring * angle.sin() / flatness)[..., None]
    distance, outward, _ = union_distance(parts, points)
    points = points - outward * distance.clamp(-_REACH, _REACH)[..., None]

    noise = torch.randn(shapes, count, 3, device=device, generator=generator)
    scale = spread[..., None] if isinstance(spread, Tensor) and spread.dim() else spread
    points = points + noise * scale
    sign = torch.rand(shapes, count, device=device, generator=generator).lt(0.5).to(points.dtype) * 2.0 - 1.0
    return torch.cat([points[..., :1] * sign[..., None], points[..., 1:]], dim=-1)


def perpendicular(direction: Tensor) -> Tensor:
    """Some unit vector perpendicular to each of ``direction`` (..., 3)."""
    helper = torch.zeros_like(direction)
    helper.scatter_(-1, direction.abs().argmin(-1, keepdim=True), 1.0)
    across = torch.linalg.cross(direction, helper)
    return across / across.norm(dim=-1, keepdim=True).clamp_min(_TINY)
