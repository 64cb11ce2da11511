"""The surface of a shape whose latents change a little at a time, extracted for less than from scratch."""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor

from get3d_models.generator import Generator
from get3d_models.shape import Shape
from get3d_models.triplanes import LocalPlanes, LocalTriplanes, Triplanes

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
        self.planes: Triplanes | LocalTriplanes | None = None
        """Of the last surface; those of texture where a latent of it was given"""
        self._field: Tensor | None = None
        self._surface: Tensor | None = None

    def __call__(
        self, ws_geometry: Tensor, full: bool = False, ws_texture: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Vertices ``(V, 3)`` and faces ``(F, 3)`` of geometry rows ``(rows, w_dim)``; no gradient."""
        with torch.no_grad():
            ws, texture = ws_geometry[None], None if ws_texture is None else ws_texture[None]
            found = None if full else self._near(ws, texture)
            self.was_full = found is None
            self.planes, self._field, near = found or self._everywhere(ws, texture)
            surface = self.generator.surface(_geometry(self.planes), ws, self._field, near)
            self._surface = surface[0]
            return surface

    def remember(self, shape: Shape) -> None:
        """Let the next surface be sought near that of a shape of the same generator."""
        self._field, self._surface = shape.grid_field, shape.vertices

    def _everywhere(self, ws: Tensor, texture: Tensor | None) -> tuple[Triplanes, Tensor, None]:
        planes = self.generator.triplanes(ws, texture)
        return planes, self.generator.field_at(planes.geometry, ws, self.generator.grid.vertices), None

    def _near(self, ws: Tensor, texture: Tensor | None) -> tuple[Triplanes | LocalTriplanes, Tensor, Tensor] | None:
        """Planes, field ``(V,)``, new near the last surface, and where that is; None if that will not do."""
        generator, last, surface = self.generator, self._field, self._surface
        if last is None or surface is None or len(surface) == 0 or not bool((last > 0).any()):
            return None
        vertices = generator.grid.vertices
        near, inner = (self._around(surface, cells) for cells in (MARGIN_CELLS + 1, MARGIN_CELLS))
        points = vertices[near]
        planes = self._planes(ws, texture, points)
        field = generator.field_at(_geometry(planes), ws, points)
        changed = (field > 0) != (last[near] > 0)
        if not bool((field > 0).any()) or bool(changed[~inner[near]].any()):
            return None
        return planes, last.masked_scatter(near, field), near

    def _planes(self, ws: Tensor, texture: Tensor | None, points: Tensor) -> Triplanes | LocalTriplanes:
        """Planes that reach the points ``(M, 3)``: of their box, if that pays."""
        lowest, highest = points.amin(dim=0), points.amax(dim=0)
        if self.generator.box_plan(lowest, highest, texture is not None).worth_it:
            return self.generator.box_triplanes(ws, lowest, highest, texture)
        return self.generator.triplanes(ws, texture)

    def _around(self, surface: Tensor, cells: int) -> Tensor:
        """Which vertices of the grid lie at most so many cells (along each axis) from points ``(M, 3)``: (V,) bool."""
        count = self._cells_along_edge
        reached = torch.zeros(count**3, dtype=torch.bool, device=surface.device)
        reached[self._cell_of(surface)] = True
        reached = reached.view(count, count, count)
        for axis in (0, 1, 2):
            for _ in range(cells):
                before = reached.clone()
                for here, there in ((0, 1), (1, 0)):
                    reached.narrow(axis, here, count - 1).logical_or_(before.narrow(axis, there, count - 1))
        return reached.flatten()[self._cells_of_grid]

    def _cell_of(self, points: Tensor) -> Tensor:
        """In which cell points ``(M, 3)`` lie: (M,) int64."""
        count = self._cells_along_edge
        x, y, z = ((points - self.generator.box[0]) / self.cell).floor().long().clamp(0, count - 1).unbind(1)
        return (x * count + y) * count + z

    @cached_property
    def _cells_along_edge(self) -> int:
        return math.ceil(self.generator.box[1] / self.cell) + 1

    @cached_property
    def _cells_of_grid(self) -> Tensor:
        return self._cell_of(self.generator.grid.vertices)

    @cached_property
    def cell(self) -> float:
        """The farthest that an edge of the grid reaches along an axis, world units."""
        return self.generator.grid.cell


def _geometry(planes: Triplanes | LocalTriplanes) -> Tensor | LocalPlanes:
    return planes.geometry
