"""The surface of a shape whose latents change a little at a time, extracted for less than from scratch."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from get3d_models.generator import Generator
from get3d_models.triplanes import LocalTriplanes

MARGIN_CELLS = 2
"""How far beyond the last surface to look, in edges of the grid; the outermost must stay outside."""


class SurfaceRefresh:
    """Extracts surfaces one after the other, evaluating planes and field only in the box around the last one.

    The result is that of the full extraction: if the surface has reached the rim of the box, everything is computed
    after all. Only what appears beyond the box out of nothing, connected to nothing, is missed until the next full
    extraction; ask for one when a drag ends.
    """

    def __init__(self, generator: Generator):
        self.generator = generator
        self.was_full = True
        """Whether the last surface came from a full extraction."""
        self._field: Tensor | None = None

    def __call__(self, ws_geometry: Tensor, full: bool = False) -> tuple[Tensor, Tensor]:
        """Vertices ``(V, 3)`` and faces ``(F, 3)`` of geometry rows ``(rows, w_dim)``; no gradient."""
        with torch.no_grad():
            ws = ws_geometry[None]
            box = None if full else self._box()
            found = None if box is None else self._near(ws, *box)
            self.was_full = found is None
            planes, self._field, deformation = found or self._everywhere(ws)
            return self.generator.surface(planes, ws, self._field, deformation)

    def _everywhere(self, ws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        planes = self.generator.triplanes(ws).geometry
        return planes, *self.generator.grid_fields(planes, ws)

    def _box(self) -> tuple[Tensor, Tensor] | None:
        """Lowest and highest corner of the box to look in; None where there was no surface yet."""
        if self._field is None:
            return None
        occupied = self.generator.grid.vertices[self._field > 0]
        if len(occupied) == 0:
            return None
        margin = MARGIN_CELLS * self.cell
        return occupied.amin(dim=0) - margin, occupied.amax(dim=0) + margin

    def _near(self, ws: Tensor, lowest: Tensor, highest: Tensor) -> tuple[LocalTriplanes, Tensor, Tensor] | None:
        """Planes of the box, field ``(V,)`` and deformation ``(V, 3)``, new inside; None if that will not do or pay."""
        generator, vertices, last = self.generator, self.generator.grid.vertices, self._field
        assert last is not None
        if not generator.box_plan(lowest, highest).worth_it:
            return None
        inside = ((vertices >= lowest) & (vertices <= highest)).all(dim=1)
        points = vertices[inside]
        planes = generator.box_triplanes(ws, lowest, highest)
        features = generator.features(planes, points[None])
        field = generator.signed_distance(features, ws)[0]
        if not bool((field > 0).any()):
            return None
        rim = ((points < lowest + self.cell) | (points > highest - self.cell)).any(dim=1)
        if bool((field[rim] > 0).any()):  # beyond the box all is outside, so the surface would be cut off
            return None
        deformation = torch.zeros_like(vertices)
        deformation[inside] = generator.deformation(features, ws)[0]
        return planes, last.masked_scatter(inside, field), deformation

    @cached_property
    def cell(self) -> float:
        """The farthest that an edge of the grid reaches along an axis, world units."""
        return self.generator.grid.cell
