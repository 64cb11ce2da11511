"""The surface of a generated shape as a subject: triplane features at points of the surface."""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor

from drag3d.core.subject import Responses
from drag3d.subjects.spread import latent_spread
from get3d_models.errors import InputError
from get3d_models.generator import Generator, GeometryDecoders, Latents
from get3d_models.shape import Shape
from get3d_models.triplanes import LocalTriplanes, Triplanes

LATENTS_MOVED = ("geometry", "texture", "both")
NEWTON_STEPS = 4
LONGEST_STEP, CONVERGED = 1 / 32, 1e-4
"""Of Newton's steps onto the surface, in edges of the box: a longer one is cut, after a shorter one a point is there"""
WORTH_TAKING_OUT = 0.75
"""If fewer of the points are still on their way, the others rest"""
REST_POINTS = 1024
PAPER_RATE = 0.02
HOLD_WEIGHT = 8.0
AFFORDABLE_MULTIPLY_ADDS = 2e9


class SurfaceField:
    """One synthesis of the shape. The implicit function is that of the *extracted* surface, deformation included.

    The mesh has its vertices at v + deformation(v) where the signed field at v is zero. So the function whose zero set
    is that surface is s(x - deformation(x)), up to the square of the (small) deformation.
    """

    def __init__(self, subject: SurfaceSubject, latents: Tensor, centers: Tensor, radius: float):
        self.subject, self.generator = subject, subject.generator
        self.ws_geometry, self.ws_texture = subject.rows(latents)
        self.needed_texture = self.ws_texture if "texture" in subject.feature_planes else None
        self.local: LocalTriplanes | None = None
        generator, texture = self.generator, self.needed_texture
        if math.isfinite(radius):
            plan = generator.local_plan(centers, radius, texture is not None)
            if plan.worth_it:
                self.local = generator.planned_triplanes(self.ws_geometry, texture, plan)

    @cached_property
    def whole(self) -> Triplanes:
        """The whole planes, where windows around the handles are not enough."""
        with torch.enable_grad():  # tracking may be the first to ask, without a need of gradients; the step has one
            return self.generator.triplanes(self.ws_geometry, self.needed_texture)

    def features(self, points: Tensor) -> Tensor:
        """Features ``(M, C)`` of world points ``(M, 3)``, from the planes that the subject was told to use."""
        return torch.cat([self._features(name, points) for name in self.subject.feature_planes], dim=1)

    def descriptors(self, points: Tensor) -> Tensor:
        """Activations ``(M, C)`` of the decoders' last hidden layers at world points ``(M, 3)``.

        Triplane features belong to a place in space; what the decoder makes of them belongs to a place on the body.
        """
        return torch.cat([self.activations(name, points) for name in self.subject.feature_planes], dim=1)

    def activations(self, name: str, points: Tensor) -> Tensor:
        """Of the last hidden layer of the decoder of "geometry" or "texture": ``(M, C)`` at world points ``(M, 3)``."""
        config, features = self.generator.config, self._features(name, points)[None]
        if name == "geometry":
            return self.generator.sdf_decoder.hidden(features, self.ws_geometry[:, config.plane_geometry_rows :])[0]
        return self.generator.texture_decoder.hidden(features, self.ws_texture[:, len(config.channels) :])[0]

    def colors(self, points: Tensor) -> Tensor:
        """Colours as the network gives them, nominally in [-1, 1]: ``(M, 3)`` at world points ``(M, 3)``."""
        features = self._features("texture", points)[None]
        return self.generator.raw_colors(self.generator.texture_features(features, self.ws_texture), self.ws_texture)[0]

    def lift(self, points: Tensor) -> Tensor:
        """The points themselves: handles are where the body is."""
        return points.detach()

    def level(self, points: Tensor) -> Tensor | None:
        """Signed field ``(M,)`` at world points ``(M, 3)``: positive inside, zero on the extracted surface.

        None where only texture latents move: the surface says nothing then of where its colours went.
        """
        if self.subject.latents_moved == "texture":
            return None
        return self.signed(points)

    def _features(self, name: str, points: Tensor, detached: bool = False) -> Tensor:
        generator = self.generator
        if self.local is not None:
            local = getattr(self.local, name)
            found = generator.features_within(local.detach() if detached else local, points[None])
            if found is not None:
                return found.squeeze(0)
        whole = getattr(self.whole, name)
        return generator.features(whole.detach() if detached else whole, points[None]).squeeze(0)

    @cached_property
    def _still(self) -> GeometryDecoders:
        """The decoders as the latents modulate them, without a gradient to these."""
        with torch.no_grad():
            return self.generator.geometry_decoders(self.ws_geometry)

    def signed(self, points: Tensor, detached: bool = False) -> Tensor:
        """Signed field ``(M,)`` at world points ``(M, 3)``; ``detached`` from the latents."""
        generator, decoders = self.generator, self._still if detached else self.ws_geometry
        if self.subject.deforms:
            features = self._features("geometry", points, detached)[None]
            points = points - generator.deformation(features, decoders).squeeze(0)
        features = self._features("geometry", points, detached)[None]  # anew: it may lie outside the windows now
        return generator.signed_distance(features, decoders).squeeze(0)

    def snap(self, points: Tensor, bounds: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """The surface points that Newton's method finds along the field's gradient from ``(M, 3)``; detached.

        A point that comes to the bounds is left there; so it is at the faces of the box.
        """
        low, length = self.generator.box
        lowest, highest = (points.new_full((1, 3), end) for end in (low, low + length))
        if bounds is not None:
            lowest, highest = bounds[0].maximum(lowest), bounds[1].minimum(highest)
        found = places = points.detach().clone()
        rows: Tensor | None = None  # of `found` that `places` are, where these are not all
        for _ in range(NEWTON_STEPS):
            places.requires_grad_(True)
            with torch.enable_grad():
                level = self.signed(places, detached=True)
                (slope,) = torch.autograd.grad(level, places, torch.ones_like(level))
            level, places = level.detach(), places.detach()
            ratio = level / torch.linalg.vecdot(slope, slope).clamp_min(1e-6)  # steps are that many slopes
            squared = ratio * level  # of the lengths of the steps
            ratio = ratio * (squared.reciprocal().sqrt() * (length * LONGEST_STEP)).clamp_max(1.0)
            places = torch.addcmul(places, ratio[:, None], slope, value=-1).clamp(lowest, highest)
            going = squared > (length * CONVERGED) ** 2
            count = int(going.sum())
            if count < WORTH_TAKING_OUT * len(going):
                found = places if rows is None else found.index_copy(0, rows, places)
                rows = going.nonzero()[:, 0] if rows is None else rows[going]
                places = places[going]
                lowest, highest = (ends[going] if len(ends) > 1 else ends for ends in (lowest, highest))
            if count == 0:
                break
        return places if rows is None else found.index_copy(0, rows, places)


class ManyShapes:
    """Whole syntheses of B moved latent rows ``(B, R, w_dim)``; what is asked for is ``(B, M, ...)``.

    Points are ``(M, 3)``, or ``(B, M, 3)`` where each latent has its own.
    """

    def __init__(self, subject: SurfaceSubject, latents: Tensor):
        self.generator, self.deforms = subject.generator, subject.deforms
        self.geometry_rows, self.texture_rows = subject.many_rows(latents)
        with_texture = "texture" in subject.feature_planes or subject.latents_moved != "geometry"
        self.planes = self.generator.triplanes(self.geometry_rows, self.texture_rows if with_texture else None)

    def features(self, name: str, points: Tensor) -> Tensor:
        """Features of the planes "geometry" or "texture"."""
        return self.generator.features(getattr(self.planes, name), points.expand(len(self.geometry_rows), -1, -1))

    def activations(self, name: str, points: Tensor) -> Tensor:
        """See :meth:`SurfaceField.activations`."""
        config, features = self.generator.config, self.features(name, points)
        if name == "geometry":
            return self.generator.sdf_decoder.hidden(features, self.geometry_rows[:, config.plane_geometry_rows :])
        return self.generator.texture_decoder.hidden(features, self.texture_rows[:, len(config.channels) :])

    def colors(self, points: Tensor) -> Tensor:
        """As the network gives them."""
        features = self.generator.texture_features(self.features("texture", points), self.texture_rows)
        return self.generator.raw_colors(features, self.texture_rows)

    def signed(self, points: Tensor) -> Tensor:
        """The signed field, deformation included."""
        generator, rows = self.generator, self.geometry_rows
        if self.deforms:
            points = points - generator.deformation(self.features("geometry", points), rows)
        return generator.signed_distance(self.features("geometry", points), rows)


class SurfaceSubject:
    """A shape whose latents can be dragged by points on its surface.

    ``latents_moved`` says which latents a drag may change: "geometry", "texture" or "both". ``features`` says in
    the same words from which planes features come: by default the geometry planes, and the texture planes where texture
    latents move.
    ``shape`` is that of the latents, from whoever has its mesh already. Lengths are world units.
    """

    def __init__(
        self,
        generator: Generator,
        latents: Latents,
        latents_moved: str = "geometry",
        features: str | None = None,
        shape: Shape | None = None,
    ):
        if latents_moved not in LATENTS_MOVED:
            raise InputError(f"latents to move are {', '.join(LATENTS_MOVED)}, not {latents_moved!r}")
        if features not in (None, *LATENTS_MOVED):
            raise InputError(f"features are {', '.join(LATENTS_MOVED)}, not {features!r}")
        if latents_moved == "texture" and features == "geometry":
            raise InputError("geometry features do not change with texture latents; follow texture features")
        planes = {"geometry": ("geometry",), "texture": ("texture",), "both": ("geometry", "texture")}
        self.generator = generator
        shape = generator.shape(latents) if shape is None else shape
        self.latents = shape.latents  # where the generator is
        self.latents_moved = latents_moved
        self.feature_planes = planes[features or latents_moved]
        config = generator.config
        self.deforms = generator.deforms
        self.start = self.moved_rows(self.latents)
        self.basis, self.origin = self._whitened()
        counts = [len(rows) for rows in self._moved(self.latents)]
        self.groups = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)).to(self.start.device)
        _, length = generator.box
        # The paper's radii are 3 and 12 pixels of a 512 px image, its step one sample of a map of 128.
        self.patch_radius = 3.0 * length / 128
        self.search_radius = 12.0 * length / 128
        self.hold_weight, self.magnification, self.coherence = HOLD_WEIGHT, 1.0, 0.0
        self.anchor_radius, self.rest_distance = 2.0 * self.patch_radius, 8.5 * self.patch_radius
        self.step_length = length / min(128, config.resolution)
        self.plane_resolution: int | None = config.resolution
        self.learning_rate = PAPER_RATE
        self.latent_unit = float(self.basis.square().sum(dim=1).mean().sqrt())
        self.tolerance = 0.01 * shape.diagonal
        self.shape = shape
        vertices = shape.vertices
        count = min(REST_POINTS, len(vertices)) if self._can_watch_all() else 0
        self.extent = len(vertices)
        self.rest = vertices[torch.linspace(0, max(0, len(vertices) - 1), count).long()]

    def _can_watch_all(self) -> bool:
        """Whether derivatives of the whole surface are affordable at every drag: on a CPU only of small generators."""
        centre = torch.zeros(1, 3, device=self.start.device)
        cost = self.generator.local_plan(centre, self.step_length).whole_multiply_adds
        return self.generator.device.type != "cpu" or cost < AFFORDABLE_MULTIPLY_ADDS

    def _whitened(self) -> tuple[Tensor, Tensor]:
        """Basis ``(R, k, w_dim)`` and origin ``(R, k)``, padded with zero where geometry's and texture's k differ."""
        generator, parts = self.generator, []
        for name in ("geometry", "texture"):
            if self.latents_moved in (name, "both"):
                spread = latent_spread(getattr(generator, f"mapping_{name}"), generator.config.z_dim, generator.device)
                rows = getattr(self.latents, name)
                parts.append((spread.directions.expand(len(rows), -1, -1), spread.coordinates(rows)))
        widest = max(origin.shape[1] for _, origin in parts)

        def pad(values: Tensor, after: int) -> Tensor:
            return torch.nn.functional.pad(values, (0, 0) * after + (0, widest - values.shape[1]))

        return torch.cat([pad(basis, 1) for basis, _ in parts]), torch.cat([pad(origin, 0) for _, origin in parts])

    def places(self, body: Tensor) -> Tensor:
        """The points themselves."""
        return body

    def _moved(self, latents: Latents) -> list[Tensor]:
        return [getattr(latents, name) for name in ("geometry", "texture") if self.latents_moved in (name, "both")]

    def moved_rows(self, latents: Latents) -> Tensor:
        """The rows ``(R, w_dim)`` of latents that this drag may change."""
        return torch.cat(self._moved(latents)).to(self.generator.device)

    def rows(self, moved: Tensor) -> tuple[Tensor, Tensor]:
        """Geometry and texture rows ``(1, rows, w_dim)`` for moved rows ``(R, w_dim)``."""
        return self.many_rows(moved[None])

    def many_rows(self, moved: Tensor) -> tuple[Tensor, Tensor]:
        """Geometry and texture rows ``(B, rows, w_dim)`` for moved rows ``(B, R, w_dim)``."""
        if self.latents_moved == "geometry":
            return moved, self.latents.texture.expand(len(moved), -1, -1)
        if self.latents_moved == "texture":
            return self.latents.geometry.expand(len(moved), -1, -1), moved
        count = self.generator.config.geometry_rows
        return moved[:, :count], moved[:, count:]

    def unpack(self, moved: Tensor) -> Latents:
        """All latents of the shape for moved rows ``(R, w_dim)``."""
        geometry, texture = self.rows(moved.to(self.start.device))
        return Latents(geometry[0], texture[0]).detach()

    def field(self, latents: Tensor, centers: Tensor, radius: float) -> SurfaceField:
        """One synthesis of moved rows ``(R, w_dim)``, of the windows that feed the points near centres if that pays."""
        return SurfaceField(self, latents, centers, radius)

    def responses(
        self, latents: Tensor, body: Tensor, points: Tensor | None, descriptors: bool = True, closely: bool = False
    ) -> Responses:
        """See :class:`drag3d.core.subject.Subject`. What tells of a change is the signed field; else descriptors."""
        many, texture = ManyShapes(self, latents), self.latents_moved == "texture"
        still = many.activations("texture", body) if texture else many.signed(body)[..., None]
        if points is None:
            return Responses(None, None, still)
        flat, of = points.flatten(0, 1), many.activations if descriptors else many.features
        described = torch.cat([of(name, flat) for name in self.feature_planes], dim=2)
        level = None if texture else many.signed(flat).unflatten(1, points.shape[:2])
        return Responses(described.unflatten(1, points.shape[:2]), level, still)

    def offsets(self, radius: float, count: int, seed: int) -> Tensor:
        """Up to ``count`` offsets spread evenly over the ball of ``radius``, the centre first ``(count, 3)``."""
        random = torch.Generator().manual_seed(seed)
        direction = torch.randn(count - 1, 3, generator=random)
        length = torch.rand(count - 1, 1, generator=random) ** (1 / 3) * radius
        ball = torch.nn.functional.normalize(direction, dim=1) * length
        return torch.cat([torch.zeros(1, 3), ball]).to(self.start.device)

    def patch(self, handle: Tensor, radius: float, count: int, seed: int) -> Tensor:
        """Up to ``count`` places ``(M, 3)`` in the ball around a handle ``(3,)``, the handle first."""
        return handle + self.offsets(radius, count, seed)

    def candidates(self, radius: float, count: int, seed: int) -> Tensor:
        """As :meth:`offsets`."""
        return self.offsets(radius, count, seed)
