"""What the core needs of a thing that can be dragged. D is the dimension of its points, C of its features.

Handles need not live where the body does: of a shape that is dragged in a picture, handles are pixels (D = 2) and the
body's own points are in space. E is the dimension of these; for everything else it is D, and a place is a point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Field(Protocol):
    """The subject at one value of its latents, after one synthesis. Differentiable in these latents."""

    def features(self, points: Tensor) -> Tensor:
        """Features ``(M, C)`` at points ``(M, D)``, bilinear between samples."""
        ...

    def descriptors(self, points: Tensor) -> Tensor:
        """What best tells the same place of the body in a changed subject, ``(M, C)``; if nothing else the features."""
        ...

    def lift(self, points: Tensor) -> Tensor:
        """The points of the body ``(M, E)`` that are found at points ``(M, D)``; detached."""
        ...

    def level(self, points: Tensor) -> Tensor | None:
        """The implicit function whose zero set is the subject's surface, ``(M,)``; None for subjects without one."""
        ...

    def snap(self, points: Tensor, bounds: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """The nearest places where a handle may be ``(M, D)``: the surface, the pixels inside the image. Detached.

        Of what leaves the ``bounds``, lowest and highest coordinates ``(M, D)``, nobody wants to know where it ends: it
        may be left at them, so that no more than windows need to be computed.
        """
        ...


@dataclass(frozen=True)
class Responses:
    """What B latents make of N points of the body, and of K neighbourhoods of M points; without gradients."""

    described: Tensor | None
    """(B, K, M, C) descriptors, or features; None where nobody asked"""
    level: Tensor | None
    """(B, K, M) the implicit function; None where nobody asked, and for subjects without one"""
    still: Tensor
    """(B, N, S) what tells whether something has changed: the implicit function, or what is seen"""


class Subject(Protocol):
    """A generator adapted to the core."""

    start: Tensor
    """(R, w_dim) the latent rows that a drag may change, as they are before it"""
    basis: Tensor
    """(R, k, w_dim) for each row the directions in which generated latents vary, one standard deviation long"""
    origin: Tensor
    """(R, k) where ``start`` lies among generated latents: standard deviations from their mean, by direction"""
    groups: Tensor
    """(R,) which rows come from the same mapping network, by number: those move together by preference"""
    rest: Tensor
    """(M, E) samples spread over the whole body, of which all that lies far from the handles should rather stay"""
    magnification: float
    """Lengths of points for a length of the body: pixels per world unit of a view, else 1"""
    tolerance: float
    """Distance at which a handle counts as arrived, by default"""
    patch_radius: float
    """r1 in the subject's units"""
    anchor_radius: float
    """Radius of the neighbourhood by which the default method knows a handle again"""
    rest_distance: float
    """What is nearer to a handle or target than about this may move with it"""
    hold_weight: float
    """How much more what was told to stay counts for the default method than the rest"""
    coherence: float
    """How much the look of a handle's neighbourhood should stay, against the rest; 0 where geometry tells a place"""
    search_radius: float
    """r2 in the subject's units"""
    learning_rate: float
    """Of the paper's method: the step of Adam in units of ``latent_unit``"""
    latent_unit: float
    """What a learning rate is measured in: 1, or the deviation of the generator's latents"""
    extent: int
    """How many samples the whole subject has, for a mean over all of it"""
    plane_resolution: int | None
    """Samples along an edge of the feature planes that fill space; None for a subject whose points are no places in
    space"""
    step_length: float
    """One unit of motion supervision: the spacing of the feature samples the paper's method steps by"""

    def places(self, body: Tensor) -> Tensor:
        """Where points of the body ``(M, E)`` are to be found at the start: ``(M, D)``."""
        ...

    def field(self, latents: Tensor, centers: Tensor, radius: float) -> Field:
        """One synthesis of latent rows ``(R, w_dim)``, to be asked mainly within ``radius`` of ``centers`` (K, D)."""
        ...

    def responses(
        self, latents: Tensor, body: Tensor, points: Tensor | None, descriptors: bool = True, closely: bool = False
    ) -> Responses:
        """What many latent rows ``(B, R, w_dim)`` make of points of the body ``(N, E)`` and of neighbourhoods.

        The latter are ``points (K, M, D)``, each near to each other; or None where they are of no interest. Without
        ``descriptors`` features are given of them. The body may be looked at more ``closely``, which costs more.
        """
        ...

    def offsets(self, radius: float, count: int, seed: int) -> Tensor:
        """Offsets that fill the ball of ``radius``, the centre first: a disc of pixels, or up to ``count`` samples."""
        ...

    def patch(self, handle: Tensor, radius: float, count: int, seed: int) -> Tensor:
        """The neighbourhood ``(M, D)`` of a handle ``(D,)`` that motion supervision moves."""
        ...

    def candidates(self, radius: float, count: int, seed: int) -> Tensor:
        """Offsets ``(M, D)`` from where a handle was, at which it is looked for; the centre is one of them."""
        ...
