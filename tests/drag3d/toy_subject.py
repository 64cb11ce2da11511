"""Analytic things to drag, in D dimensions and without a network, of which it is known where every point has gone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from drag3d.core.subject import Responses

CHANNELS = 16
ROWS = 3
SPARE = 2
ROW_SHARES = (0.4, 0.3, 0.3)
BLOB = 0.25
CENTER = 0.8


class Waves:
    """A smooth random feature field: ``(M, D) -> (M, C)``, sines of random directions, wavelengths and phases."""

    def __init__(self, dimensions: int, seed: int, wavelength: float = 0.8):
        random = torch.Generator().manual_seed(seed)
        self.frequencies = torch.randn(dimensions, CHANNELS, generator=random) * (2 * math.pi / wavelength)
        self.phases = torch.rand(CHANNELS, generator=random) * 2 * math.pi

    def __call__(self, points: Tensor) -> Tensor:
        return torch.sin(points @ self.frequencies + self.phases)


def ball(dimensions: int, radius: float, count: int, seed: int) -> Tensor:
    """``(count, D)`` offsets that fill the ball, the centre first."""
    random = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(count - 1, dimensions, generator=random), dim=1)
    length = torch.rand(count - 1, 1, generator=random) ** (1 / dimensions) * radius
    return torch.cat([torch.zeros(1, dimensions), direction * length])


class WarpedField:
    """Waves carried along by x -> center + matrix (x - center) + translation; a surface too where ``normal`` is given.

    The surface is the plane through the centre with that normal, carried along as well.
    """

    def __init__(self, waves: Waves, center: Tensor, matrix: Tensor, translation: Tensor, normal: Tensor | None = None):
        self.waves, self.center, self.matrix, self.translation, self.normal = waves, center, matrix, translation, normal

    def _unwarped(self, points: Tensor) -> Tensor:
        return torch.linalg.solve(self.matrix, (points - self.center - self.translation).t()).t() + self.center

    def features(self, points: Tensor) -> Tensor:
        return self.waves(self._unwarped(points))

    def descriptors(self, points: Tensor) -> Tensor:
        return self.features(points)

    def lift(self, points: Tensor) -> Tensor:
        return points.detach()

    def level(self, points: Tensor) -> Tensor | None:
        return None if self.normal is None else (self._unwarped(points) - self.center) @ self.normal

    def snap(self, points: Tensor, bounds: tuple[Tensor, Tensor] | None = None) -> Tensor:
        return points.detach()


class ToyField:
    """Two blobs of features at the places that the latents give them; with a surface each, or without."""

    def __init__(self, subject: ToySubject, latents: Tensor):
        self.subject = subject
        self.shifts = subject.shifts(latents)

    def features(self, points: Tensor) -> Tensor:
        parts = []
        for waves, center, shift in zip(self.subject.waves, self.subject.centers, self.shifts, strict=True):
            at_start = points - shift
            fading = torch.exp(-0.5 * ((at_start - center) / BLOB).square().sum(dim=1, keepdim=True))
            parts.append(fading * waves(at_start))
        return torch.stack(parts).sum(dim=0)

    def descriptors(self, points: Tensor) -> Tensor:
        return self.features(points)

    def lift(self, points: Tensor) -> Tensor:
        return points.detach()

    def level(self, points: Tensor) -> Tensor | None:
        if not self.subject.solid:
            return None
        return (BLOB - (points[:, None] - self.subject.centers - self.shifts).norm(dim=2)).amax(dim=1)

    def snap(self, points: Tensor, bounds: tuple[Tensor, Tensor] | None = None) -> Tensor:
        if not self.subject.solid:
            return points.detach()
        centers = (self.subject.centers + self.shifts).detach()
        points = points.detach()
        center = centers[torch.cdist(points, centers).argmin(dim=1)]
        return center + torch.nn.functional.normalize(points - center, dim=1) * BLOB


class ToySubject:
    """Two far blobs. Latent entries 0..D-1 move the first, entries D..2D-1 the second.

    ``solid`` blobs are balls with a surface on which handles live. ``coupling`` is the share of the first blob's motion
    that the second makes too, whatever its own entries say. Blobs move along the first ``free_axes`` axes only (by
    default along all). One standard deviation of the latents moves them by ``deviation``.
    """

    def __init__(
        self,
        dimensions: int,
        solid: bool = False,
        coupling: float = 0.0,
        free_axes: int | None = None,
        deviation: float = 0.1,
    ):
        self.dimensions, self.solid, self.coupling = dimensions, solid, coupling
        self.waves = (Waves(dimensions, seed=1), Waves(dimensions, seed=2))
        axis = torch.eye(dimensions)[0]
        self.centers = torch.stack([-CENTER * axis, CENTER * axis])
        w_dim = 2 * dimensions + SPARE
        self.free = (torch.arange(dimensions) < (dimensions if free_axes is None else free_axes)).float()
        self.start = torch.randn(ROWS, w_dim, generator=torch.Generator().manual_seed(3))
        self.basis = (deviation * torch.eye(w_dim)).expand(ROWS, -1, -1)
        self.origin = torch.zeros(ROWS, w_dim)
        self.groups = torch.tensor([0, 0, 1])
        self.rest = (self.centers[:, None] + ball(dimensions, 1.2 * BLOB, 100, seed=4)).flatten(0, 1)
        self.tolerance, self.patch_radius, self.search_radius, self.step_length = 0.02, 0.06, 0.15, 0.02
        self.learning_rate, self.latent_unit = 0.02, deviation
        self.extent, self.hold_weight, self.plane_resolution = 1000, 30.0, None
        self.anchor_radius, self.rest_distance = 2 * self.patch_radius, 8.5 * self.patch_radius
        self.magnification, self.coherence = 1.0, 0.0
        self.syntheses = self.probes = 0
        if solid:
            self.rest = self.field(self.start, self.centers, 1.0).snap(self.rest)
        self.syntheses = 0

    def places(self, body: Tensor) -> Tensor:
        return body

    def field(self, latents: Tensor, centers: Tensor, radius: float) -> ToyField:
        self.syntheses += 1
        return ToyField(self, latents)

    def responses(
        self, latents: Tensor, body: Tensor, points: Tensor | None, descriptors: bool = True, closely: bool = False
    ) -> Responses:
        assert not torch.is_grad_enabled()
        self.probes += len(latents)
        fields = [ToyField(self, rows) for rows in latents]

        def all_of(values: list[Tensor]) -> Tensor:
            return torch.stack(values) if points is None else torch.stack(values).unflatten(1, points.shape[:2])

        still = torch.stack([f.level(body)[:, None] if self.solid else f.features(body) for f in fields])  # type: ignore[index]
        if points is None:
            return Responses(None, None, still)
        flat = points.flatten(0, 1)
        level = all_of([f.level(flat) for f in fields]) if self.solid else None  # type: ignore[misc]
        return Responses(all_of([f.features(flat) for f in fields]), level, still)

    def offsets(self, radius: float, count: int, seed: int) -> Tensor:
        return ball(self.dimensions, radius, count, seed)

    def patch(self, handle: Tensor, radius: float, count: int, seed: int) -> Tensor:
        return handle + ball(self.dimensions, radius, count, seed)

    def candidates(self, radius: float, count: int, seed: int) -> Tensor:
        return ball(self.dimensions, radius, count, seed)

    def shifts(self, latents: Tensor) -> Tensor:
        """How far the two blobs have moved since the start, ``(2, D)``."""
        change = torch.tensor(ROW_SHARES, dtype=latents.dtype) @ (latents - self.start)
        first = change[: self.dimensions] * self.free
        second = change[self.dimensions : 2 * self.dimensions] * self.free
        return torch.stack([first, second + self.coupling * first])

    def handle(self, blob: int, *direction: float) -> Tensor:
        """A place ``(D,)`` for a handle: on the blob's surface in that direction, or halfway there without surface.

        Of a direction only the first D entries count; missing ones are zero.
        """
        towards = torch.zeros(self.dimensions)
        towards[: len(direction)] = torch.tensor(direction[: self.dimensions])
        towards = torch.nn.functional.normalize(towards, dim=0)
        return self.centers[blob] + towards * BLOB * (1.0 if self.solid else 0.5)

    def true_places(self, handles: Tensor, latents: Tensor) -> Tensor:
        """Where what was at ``handles (K, D)`` at the start is for these latents, whatever a tracker believes."""
        blob = torch.cdist(handles, self.centers).argmin(dim=1)
        return handles + self.shifts(latents)[blob]
