"""The surface of a shape whose latents change a little at a time, extracted for less than from scratch."""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor

from get3d_models.generator import Generator
from get3d_models.triplanes import LocalTriplanes

MARGIN_CELLS = 2
"""How far from the last surface to look, in edges of the grid; beyond, nothing may have changed sides."""


class SurfaceRefresh:
    """Extracts surfaces one after the other, evaluating the field only near the last one, and planes in its box.

    The result is that of the full extraction: if the surface has come to the rim of what is looked at, everything is
    computed after all. Only what appears farther away out of nothing, connected to nothing, is missed until the next
    full extraction; ask for one when a drag ends.
    """

    def __init__(self, generator: Generator):
        self.generator = generator
        self.was_full = True
        """Whether the last surface came from a full extraction."""
        self._field: Tensor | None = None
        self._surface: Tensor | None = None

    def __call__(self, ws_geometry: Tensor, full: bool = False) -> tuple[Tensor, Tensor]:
        """Vertices ``(V, 3)`` and faces ``(F, 3)`` of geometry rows ``(rows, w_dim)``; no gradient."""
        with torch.no_grad():
            ws = ws_geometry[None]
            found = None if full else self._near(ws)
            self.was_full = found is None
            planes, self._field, deformation = found or self._everywhere(ws)
            surface = self.generator.surface(planes, ws, self._field, deformation)
            self._surface = surface[0]
            return surface

    def _everywhere(self, ws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        planes = self.generator.triplanes(ws).geometry
        return planes, *self.generator.grid_fields(planes, ws)

    def _near(self, ws: Tensor) -> tuple[Tensor | LocalTriplanes, Tensor, Tensor] | None:
        """Planes, field ``(V,)`` and deformation ``(V, 3)``, new near the last surface; None if that will not do."""
        generator, last, surface = self.generator, self._field, self._surface
        if last is None or surface is None or len(surface) == 0 or not bool((last > 0).any()):
            return None
        vertices = generator.grid.vertices
        near, inner = (self._around(surface, cells) for cells in (MARGIN_CELLS + 1, MARGIN_CELLS))
        points = vertices[near]
        planes = self._planes(ws, points)
        features = generator.features(planes, points[None])
        field = generator.signed_distance(features, ws)[0]
        changed = (field > 0) != (last[near] > 0)
        if not bool((field > 0).any()) or bool(changed[~inner[near]].any()):
            return None
        deformation = torch.zeros_like(vertices)
        deformation[near] = generator.deformation(features, ws)[0]
        return planes, last.masked_scatter(near, field), deformation

    def _planes(self, ws: Tensor, points: Tensor) -> Tensor | LocalTriplanes:
        """Planes that reach the points ``(M, 3)``: of their box, if that pays."""
        lowest, highest = points.amin(dim=0), points.amax(dim=0)
        if self.generator.box_plan(lowest, highest).worth_it:
            return self.generator.box_triplanes(ws, lowest, highest)
        return self.generator.triplanes(ws).geometry

    def _around(self, surface: Tensor, cells: int) -> Tensor:
        """Which vertices of the grid lie at most so many cells (along each axis) from points ``(M, 3)``: (V,) bool."""
        low, length = self.generator.box
        count = math.ceil(length / self.cell) + 1

        def cell_of(points: Tensor) -> Tensor:
            x, y, z = ((points - low) / self.cell).floor().long().clamp(0, count - 1).unbind(1)
            return (x * count + y) * count + z

        occupied = surface.new_zeros(count**3)
        occupied[cell_of(surface)] = 1.0
        reached = torch.nn.functional.max_pool3d(occupied.view(1, 1, count, count, count), 2 * cells + 1, 1, cells)
        return reached.flatten()[cell_of(self.generator.grid.vertices)] > 0

    @cached_property
    def cell(self) -> float:
        """The farthest that an edge of the grid reaches along an axis, world units."""
        return self.generator.grid.cell
