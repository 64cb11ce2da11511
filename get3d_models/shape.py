"""One generated shape: its latents, its surface and its colours."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from get3d_models.mesh import vertex_normals
from get3d_models.triplanes import Triplanes

if TYPE_CHECKING:
    from get3d_models.generator import Generator, Latents


class Shape:
    """A textured surface, computed from its latents when looked at; it never changes afterwards.

    World frame: y up, inside the generator's cube. Everything here is without gradient.
    """

    def __init__(self, generator: Generator, latents: Latents):
        self.generator = generator
        self.latents = latents

    @cached_property
    def planes(self) -> Triplanes:
        """Geometry and texture triplanes, ``(1, 3, C, R, R)`` each."""
        with torch.no_grad():
            return self.generator.triplanes(self.latents.geometry[None], self.latents.texture[None])

    @cached_property
    def mesh(self) -> tuple[Tensor, Tensor]:
        """``(V, 3) float32`` vertices and ``(F, 3) int64`` faces, counter-clockwise seen from outside.

        Raises InputError, in one line, for a model trained with FlexiCubes where kaolin is missing.
        """
        generator = self.generator
        with torch.no_grad():
            generator.check_surface()  # before the work, not after it
            return generator.surface(self.planes.geometry, self.latents.geometry[None], self.grid_field)

    @cached_property
    def grid_field(self) -> Tensor:
        """The signed field ``(V,)`` at every vertex of the generator's grid."""
        generator = self.generator
        with torch.no_grad():
            return generator.field_at(self.planes.geometry, self.latents.geometry[None], generator.grid.vertices)

    @property
    def vertices(self) -> Tensor:
        """``(V, 3) float32``, world units."""
        return self.mesh[0]

    @property
    def faces(self) -> Tensor:
        """``(F, 3) int64``."""
        return self.mesh[1]

    @cached_property
    def normals(self) -> Tensor:
        """Smooth unit normals of the vertices, ``(V, 3) float32``: see :meth:`normals_of`."""
        return self.normals_of(self.vertices, self.faces)

    def normals_of(self, vertices: Tensor, faces: Tensor) -> Tensor:
        """Smooth unit normals ``(V, 3)`` of any mesh of this surface: the slope of the field, measured over a texel.

        vertices ``(V, 3) float32``, faces ``(F, 3) int64``. Marching tetrahedra makes triangles of very different
        sizes, and normals averaged from them show every facet. Where the slope contradicts the triangles, as on folds
        finer than a texel, the triangles are right.
        """
        from_faces = vertex_normals(vertices, faces)
        spacing = 0.5 * self.generator.box[1] / self.generator.config.resolution
        axes = torch.eye(3, device=vertices.device) * spacing
        slope = [self.signed_distance(vertices - a) - self.signed_distance(vertices + a) for a in axes]
        outward = torch.nn.functional.normalize(torch.stack(slope, dim=1), dim=1)
        agrees = (outward * from_faces).sum(dim=1, keepdim=True) > 0.5
        return torch.where(agrees, outward, from_faces)

    @cached_property
    def vertex_colors(self) -> Tensor:
        """RGB in [0, 1] at the vertices, ``(V, 3) float32``."""
        return self.colors(self.vertices)

    @property
    def diagonal(self) -> float:
        """Length of the diagonal of the mesh's bounding box, the unit of tolerances; 0 for an empty mesh."""
        if len(self.vertices) == 0:
            return 0.0
        return float((self.vertices.amax(0) - self.vertices.amin(0)).norm())

    def colors(self, points: Tensor) -> Tensor:
        """RGB in [0, 1] of the colour field at world points: ``(N, 3) -> (N, 3) float32``."""
        texture = self.planes.texture
        assert texture is not None
        points = torch.as_tensor(points, dtype=torch.float32, device=self.generator.device)
        with torch.no_grad():
            generator, latent = self.generator, self.latents.texture[None]
            return torch.cat([generator.colors(texture, latent, p[None])[0] for p in generator.parts(points)])

    def signed_distance(self, points: Tensor) -> Tensor:
        """The generator's signed field at world points: ``(N, 3) -> (N,)``; positive inside, not metric."""
        points = torch.as_tensor(points, dtype=torch.float32, device=self.generator.device)
        with torch.no_grad():
            features = self.generator.features(self.planes.geometry, points[None])
            return self.generator.signed_distance(features, self.latents.geometry[None])[0]
