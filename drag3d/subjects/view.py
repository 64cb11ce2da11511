"""A shape as a camera shows it, as a subject: handles are pixels, features are those of the visible surface.

The surface is rasterised, which tells at each pixel which point of it is seen. A feature at a pixel is that of this
point, found exactly: along the pixel's ray, to where the signed field is zero. So the feature field in the picture is
continuous between pixels and differentiable in the latents: when the field s changes, the point seen along the ray's
direction r moves by -ds / (grad s . r), and its feature changes as well.

A ray that misses the surface sees the place where it comes nearest to it. There the signed field says how far outside
the silhouette the pixel is. So what is seen goes on smoothly across silhouettes, where a picture's features end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drag3d.core.settings import DragSettings
from drag3d.core.subject import Responses
from drag3d.rendering import as_camera, clip_points, interpolate, pixel_rays, pixels_of, rasterize
from drag3d.rendering.camera import Size
from drag3d.subjects.surface import ManyShapes, SurfaceField, SurfaceSubject
from get3d_models.errors import InputError
from get3d_models.generator import Generator, Latents
from get3d_models.refresh import SurfaceRefresh

SEEN_EDGE = 256
"""The surface is rasterised with at most so many pixels along an edge: the rays find the rest."""
ROUNDS = 3
GRAZING = 0.3
"""Where a ray meets the surface at less than this share of the field's slope, the point seen moves as at that share."""
GAP_WEIGHT = 1.0
TOLERANCE = 2 / 512
HIDDEN_SHARE = 0.04
"""A point this share of the diagonal behind what is seen there is hidden."""


class Sight:
    """What a camera sees of a surface: for each pixel of a coarse picture the point of the surface, or the nearest."""

    def __init__(self, camera: Any, size: Size, vertices: Tensor, faces: Tensor):
        self.camera, self.size = camera, size
        shrink = max(1.0, max(size) / SEEN_EDGE)
        coarse = max(1, round(size[0] / shrink)), max(1, round(size[1] / shrink))
        fragments = rasterize(clip_points(camera, vertices, coarse), faces, coarse)
        self.positions = interpolate(vertices, faces, fragments)
        self.covered = fragments.covered
        self.scale = torch.tensor([coarse[1] / size[1], coarse[0] / size[0]], device=vertices.device)

    @cached_property
    def nearest(self) -> Tensor:
        """(h, w, 2) int64: for each pixel (x, y) of the nearest one that shows the surface."""
        from scipy.ndimage import distance_transform_edt  # a fifth of a second, which other drags need not wait for

        if not bool(self.covered.any()):
            raise InputError("nothing of the shape is seen in this view; turn it, or undo the last drag")
        rows, columns = distance_transform_edt(~self.covered.cpu().numpy(), return_distances=False, return_indices=True)
        return torch.from_numpy(np.stack([columns, rows], axis=2).astype(np.int64)).to(self.positions.device)

    def _coarse(self, pixels: Tensor) -> Tensor:
        """The pixels ``(M, 2)`` of the coarse picture that show pixels ``(M, 2)``, int64; the nearest ones inside."""
        height, width = self.covered.shape
        place = ((pixels.detach() + 0.5) * self.scale).floor().long()
        return place.clamp_min(0).minimum(place.new_tensor([width - 1, height - 1]))

    def around(self, pixels: Tensor) -> Tensor:
        """Points of the surface ``(M, 3)`` seen at pixels ``(M, 2)``, or nearest to there in the picture; coarse."""
        x, y = self._coarse(pixels).unbind(1)
        x, y = self.nearest[y, x].unbind(1)
        return self.positions[y, x]

    def shows(self, pixels: Tensor) -> Tensor:
        """Whether pixels ``(M, 2)`` show the surface: ``(M,)`` bool."""
        x, y = self._coarse(pixels).unbind(1)
        return self.covered[y, x]

    def onto(self, pixels: Tensor) -> Tensor:
        """The nearest pixels ``(M, 2)`` that show the surface; those that do stay."""
        x, y = self._coarse(pixels).unbind(1)
        there = (self.nearest[y, x] + 0.5) / self.scale - 0.5
        return torch.where(self.covered[y, x][:, None], pixels.detach(), there)


class ViewField:
    """One synthesis of the shape as the camera sees it."""

    def __init__(self, subject: ViewSubject, latents: Tensor, centers: Tensor, radius: float):
        self.subject = subject
        self.latents = latents
        if math.isfinite(radius):
            centers = self.subject.sight_of(latents).around(centers)
            radius = radius / subject.magnification + subject.depth_slack
        self.surface = SurfaceField(subject.surface, latents, centers, radius)

    @property
    def sight(self) -> Sight:
        """What is seen of the surface."""
        return self.subject.sight_of(self.latents)

    def features(self, points: Tensor) -> Tensor:
        """Features ``(M, C)`` of the points seen at pixels ``(M, 2)``, from the planes that are followed."""
        return self.surface.features(self._seen(points)[0])

    def descriptors(self, points: Tensor) -> Tensor:
        """What is seen at pixels ``(M, 2)``: ``(M, C)``.

        Of the geometry the activations of its decoder and how far outside the silhouette a pixel is, of the texture the
        colour.
        """
        seen, gap = self._seen(points)
        parts = []
        if "geometry" in self.subject.surface.feature_planes:
            parts += [self.surface.activations("geometry", seen), gap[:, None] * self.subject.gap_weight]
        if "texture" in self.subject.surface.feature_planes:
            parts.append(self.surface.colors(seen) * self.subject.color_weight)
        return torch.cat(parts, dim=1)

    def lift(self, points: Tensor) -> Tensor:
        """The points ``(M, 3)`` of the surface that are seen at pixels ``(M, 2)``; detached."""
        with torch.no_grad():
            return self._seen(points)[0]

    def level(self, points: Tensor) -> Tensor | None:
        """None: in the picture a surface is what is seen, not a curve."""
        return None

    def snap(self, points: Tensor, bounds: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """The nearest pixels ``(M, 2)`` that show the surface; detached."""
        return self.sight.onto(points)

    def sighted(self, pixels: Tensor) -> tuple[Tensor, Sighting]:
        """Points ``(M, 3)`` seen at pixels ``(M, 2)``, and how; detached."""
        start, ray = pixel_rays(self.subject.camera, pixels.detach(), self.subject.size)
        near = self.sight.around(pixels)
        with torch.no_grad():
            first = ((near - start) * ray).sum(dim=1)

            def field(along: Tensor) -> Tensor:
                points = start + along[..., None] * ray
                return self.surface.signed(points.reshape(-1, 3), detached=True).view(along.shape)

            along, slope, hit = meet(field, first, self.subject.ray_step)
            seen = start + along[:, None] * ray
        return seen, Sighting(ray, slope.clamp_min(GRAZING * self.subject.level_slope), hit)

    def _seen(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Points ``(M, 3)`` seen at pixels ``(M, 2)``, and the signed field there ``(M,)``: 0, or below it in a gap.

        Both are differentiable in the latents.
        """
        seen, sight = self.sighted(pixels)
        if not torch.is_grad_enabled() or self.subject.surface.latents_moved == "texture":
            with torch.no_grad():
                level = self.surface.signed(seen, detached=True)
            return seen, torch.where(sight.hit, 0.0, level.clamp_max(0.0))
        level = self.surface.signed(seen)
        moved = seen - sight.ray * torch.where(sight.hit, (level - level.detach()) / sight.slope, 0.0)[:, None]
        return moved, torch.where(sight.hit, 0.0, level.clamp_max(0.0))


@dataclass(frozen=True)
class Sighting:
    """How M pixels see a surface."""

    ray: Tensor
    """(M, 3) unit directions of sight"""
    slope: Tensor
    """(M,) of the field along them; not less than where the sight grazes the surface"""
    hit: Tensor
    """(M,) bool: whether they meet the surface"""


def meet(field: Callable[[Tensor], Tensor], along: Tensor, step: float) -> tuple[Tensor, Tensor, Tensor]:
    """Where rays enter a surface, or come nearest to it, from a guess of the way ``(M,)``.

    ``field`` tells the signed values at ways ``(..., M)``, positive inside. In each round it is taken for the parabola
    through three values ``step`` apart, later less. Returns ways, the field's slopes there along the ray, and whether
    the rays enter; ``(M,)`` each.
    """
    for number in range(ROUNDS):
        h = step / 2**number
        before, here, after = field(torch.stack([along - h, along, along + h]))
        b, a = (after - before) / (2 * h), (after - 2 * here + before) / (2 * h * h)
        inside = b * b - 4 * a * here
        root = inside.clamp_min(0.0).sqrt()
        # The root at which the field rises; where there is none, the top of the parabola.
        way = -2 * here / _away_from_zero(b + root)
        top = torch.where(a < 0, -b / (2 * a.clamp_max(-1e-9)), b.sign() * step)
        along = along + torch.where(inside > 0, way, top).clamp(-4 * h, 4 * h)
        hit, slope = inside > 0, root
    return along, slope, hit


def _away_from_zero(values: Tensor) -> Tensor:
    return torch.where(values.abs() < 1e-9, 1e-9, values)


class ViewSubject:
    """A shape that is dragged in a picture of it: handles are pixels (x, y) of ``size`` = (height, width).

    ``latents_moved`` and ``features`` are those of :class:`SurfaceSubject`. Lengths are pixels.
    """

    def __init__(
        self,
        generator: Generator,
        latents: Latents,
        camera: Any,
        size: Size = (512, 512),
        latents_moved: str = "geometry",
        features: str | None = None,
    ):
        self.surface = surface = SurfaceSubject(generator, latents, latents_moved, features)
        self.generator, self.camera, self.size = generator, as_camera(camera), size
        self.start, self.basis, self.origin, self.groups = surface.start, surface.basis, surface.origin, surface.groups
        self.rest = surface.rest
        self.learning_rate, self.latent_unit = surface.learning_rate, surface.latent_unit
        self.hold_weight, self.coherence, self.extent = surface.hold_weight, surface.coherence, surface.extent
        self.diagonal = surface.shape.diagonal
        self.magnification = self._pixels_per_unit()
        self.patch_radius, self.search_radius, self.anchor_radius, self.rest_distance, self.step_length = (
            getattr(surface, name) * self.magnification
            for name in ("patch_radius", "search_radius", "anchor_radius", "rest_distance", "step_length")
        )
        self.tolerance = max(TOLERANCE * max(size), 1.0)
        self.plane_resolution: int | None = None
        self.ray_step = surface.step_length
        self.depth_slack = 2 * surface.patch_radius
        self._refresh = SurfaceRefresh(generator)
        self._sights: list[tuple[Tensor, Sight]] = [
            (self.start, Sight(self.camera, size, surface.shape.vertices, surface.shape.faces))
        ]
        self._measure()

    @classmethod
    def for_settings(
        cls, generator: Generator, latents: Latents, camera: Any, size: Size, latents_moved: str, settings: DragSettings
    ) -> ViewSubject:
        """The subject as the settings of a drag want it."""
        return cls(generator, latents, camera, size, latents_moved, settings.features)

    def _pixels_per_unit(self) -> float:
        """Pixels for a world unit, across the line of sight, in the middle of the shape."""
        vertices = self.surface.shape.vertices
        middle = (vertices.amin(dim=0) + vertices.amax(dim=0)) / 2
        across = self.camera.view_matrix()[0, :3].to(middle)
        ends = pixels_of(self.camera, torch.stack([middle - 0.01 * across, middle + 0.01 * across]), self.size)
        return float((ends[1] - ends[0]).norm()) / 0.02

    def _measure(self) -> None:
        """How fast the field, the decoder's activations and the colours change in space, on the surface."""
        vertices = self.surface.shape.vertices
        points = vertices[torch.linspace(0, len(vertices) - 1, min(256, len(vertices))).long()]
        self.level_slope = self.gap_weight = self.color_weight = 1.0
        field = SurfaceField(self.surface, self.start, points[:1], math.inf)
        axes = torch.eye(3, device=points.device) * self.ray_step

        def slope(of: Callable[[Tensor], Tensor]) -> float:
            differences = [of(points + a) - of(points - a) for a in axes]
            steepness = torch.stack(differences).flatten(2).square().sum(dim=(0, 2)).mean().sqrt()
            return float(steepness.clamp_min(1e-9)) / (2 * self.ray_step)

        with torch.no_grad():
            self.level_slope = slope(lambda p: field.signed(p)[:, None])
            if "geometry" in self.surface.feature_planes:
                activations = slope(lambda p: field.activations("geometry", p))
                self.gap_weight = GAP_WEIGHT * activations / self.level_slope
                if "texture" in self.surface.feature_planes:
                    self.color_weight = activations / slope(field.colors)

    # ---- what is seen -----------------------------------------------------------------------------------------

    def sight_of(self, latents: Tensor) -> Sight:
        """What is seen of the surface of moved rows ``(R, w_dim)``; the last ones asked for are remembered."""
        if self.surface.latents_moved == "texture":
            return self._sights[0][1]
        for known, sight in self._sights:
            if torch.equal(known, latents.detach()):
                return sight
        geometry, _ = self.surface.rows(latents.detach())
        vertices, faces = self._refresh(geometry[0])
        if len(faces) == 0:
            raise InputError("nothing is left of the shape; take a target that is nearer, or another one")
        sight = Sight(self.camera, self.size, vertices, faces)
        self._sights = [self._sights[0], *self._sights[1:][-2:], (latents.detach().clone(), sight)]
        return sight

    def lifted(self, latents: Tensor, pixels: Tensor) -> Tensor:
        """Points of the surface ``(K, 3)`` of moved rows that are seen at pixels ``(K, 2)``, or nearest to there."""
        pixels = pixels.to(self.start.device)
        return self.field(latents.to(self.start.device), pixels, math.inf).lift(pixels)

    def hidden(self, latents: Tensor, points: Tensor) -> Tensor:
        """Which points ``(K, 3)`` of the surface of moved rows something else is in front of: ``(K,)`` bool."""
        pixels = pixels_of(self.camera, points, self.size)
        ray = pixel_rays(self.camera, pixels, self.size)[1]
        sight = self.sight_of(latents)
        before = ((points - sight.around(pixels)) * ray).sum(dim=1)
        return sight.shows(pixels) & (before > HIDDEN_SHARE * self.diagonal)

    # ---- what the core asks for -------------------------------------------------------------------------------

    def places(self, body: Tensor) -> Tensor:
        """The pixels ``(M, 2)`` at which points of the body ``(M, 3)`` are to be found, hidden or not."""
        return pixels_of(self.camera, body, self.size)

    def moved_rows(self, latents: Latents) -> Tensor:
        """See :meth:`SurfaceSubject.moved_rows`."""
        return self.surface.moved_rows(latents)

    def unpack(self, moved: Tensor) -> Latents:
        """All latents of the shape for moved rows ``(R, w_dim)``."""
        return self.surface.unpack(moved)

    def field(self, latents: Tensor, centers: Tensor, radius: float) -> ViewField:
        """One synthesis of moved rows ``(R, w_dim)``, of the windows that feed the pixels near centres if that pays."""
        return ViewField(self, latents, centers, radius)

    def responses(
        self, latents: Tensor, body: Tensor, points: Tensor | None, descriptors: bool = True, closely: bool = False
    ) -> Responses:
        """See :class:`drag3d.core.subject.Subject`; ``latents`` are near to those of the first of them.

        What tells of a change is the signed field, and the colour where that can change.
        """
        moved, many = self.surface.latents_moved, ManyShapes(self.surface, latents)
        still = [] if moved == "texture" else [many.signed(body)[..., None]]
        if moved != "geometry":
            still.append(many.colors(body) * (self.color_weight / self.gap_weight if still else 1.0))
        described = None
        if points is not None:
            described = self._described(many, latents, points.flatten(0, 1), descriptors).unflatten(1, points.shape[:2])
        return Responses(described, None, torch.cat(still, dim=2))

    def _described(self, many: ManyShapes, latents: Tensor, pixels: Tensor, descriptors: bool) -> Tensor:
        """Descriptors or features ``(B, M, C)`` at pixels ``(M, 2)``.

        What pixels see is found for the first latents, of the others it is told to first order, as in
        :meth:`ViewField._seen`.
        """
        seen, sight = ViewField(self, latents[0], pixels, math.inf).sighted(pixels)
        gap: Tensor | None = None
        if self.surface.latents_moved != "texture":
            level = many.signed(seen)
            moved = torch.where(sight.hit, (level - level[:1]) / sight.slope, 0.0)
            seen = seen - sight.ray * moved[..., None]
            gap = torch.where(sight.hit, 0.0, level.clamp_max(0.0))[..., None] * self.gap_weight
        parts = []
        for name in self.surface.feature_planes:
            if not descriptors:
                parts.append(many.features(name, seen))
            elif name == "geometry":
                parts += [many.activations(name, seen), *([] if gap is None else [gap])]
            else:
                parts.append(many.colors(seen) * self.color_weight)
        return torch.cat(parts, dim=2)

    def offsets(self, radius: float, count: int, seed: int) -> Tensor:
        """``count`` offsets ``(count, 2)`` that fill the disc of ``radius`` evenly, the centre first.

        A sunflower's: each is turned by the golden angle from the last, at the root of its share of the area.
        """
        number = torch.arange(count, dtype=torch.float32)
        angle = number * (math.pi * (3 - math.sqrt(5))) + seed
        length = (number / max(1, count - 1)).sqrt() * radius
        return torch.stack([length * angle.cos(), length * angle.sin()], dim=1).to(self.start.device)

    def patch(self, handle: Tensor, radius: float, count: int, seed: int) -> Tensor:
        """The neighbourhood ``(M, 2)`` of a handle ``(2,)``, the handle first."""
        return handle + self.offsets(radius, count, seed)

    def candidates(self, radius: float, count: int, seed: int) -> Tensor:
        """As :meth:`offsets`."""
        return self.offsets(radius, count, seed)


def held_vertices(camera: Any, mask: NDArray[np.bool_], vertices: Tensor) -> NDArray[np.int64]:
    """Numbers of the vertices ``(V, 3)`` that lie behind black pixels of a mask (H, W), True where things may move.

    What is hidden goes with what hides it. Outside of the picture everything stays.
    """
    height, width = mask.shape
    x, y = (pixels_of(camera, vertices, (height, width)) + 0.5).floor().long().cpu().numpy().T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    free = np.zeros(len(vertices), dtype=bool)
    free[inside] = mask[y[inside], x[inside]]
    return np.flatnonzero(~free)
