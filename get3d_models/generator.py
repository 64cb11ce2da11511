"""The GET3D generator: latents to triplanes, signed distance, deformation, colour and mesh (Gao et al. 2022)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from get3d_models.config import FREE_ENTRIES, GeneratorConfig
from get3d_models.cubegrid import CubeGrid, cube_grid
from get3d_models.errors import InputError
from get3d_models.flexicubes import (
    WEIGHT_GAIN,
    WEIGHTS,
    fill_degenerate_cubes,
    flexicubes_class,
    flexicubes_surface,
)
from get3d_models.layers import Decoder, MappingNetwork, ToPlanes
from get3d_models.lookup import lookup, lookup_local, lookup_within
from get3d_models.marching import fill_degenerate, marching_tetrahedra
from get3d_models.shape import Shape
from get3d_models.tetgrid import TetGrid, grid
from get3d_models.triplanes import (
    LocalPlanes,
    LocalTriplanes,
    Triplanes,
    TriplaneSynthesis,
    window_of_box,
    windows_around,
)
from get3d_models.windows import Plan

RGB_CLAMP = 256.0
DECODED_AT_ONCE = {"cpu": 1 << 14}
"""Points by the device; elsewhere many more"""
AnyPlanes = Tensor | LocalPlanes | LocalTriplanes


@dataclass(frozen=True)
class Latents:
    """The extended latent codes (W+) of one shape: what a drag optimises."""

    geometry: Tensor
    """(geometry rows, w_dim) float32"""
    texture: Tensor
    """(texture rows, w_dim) float32"""

    def detach(self) -> Latents:
        """A copy cut from any graph."""
        return Latents(self.geometry.detach().clone(), self.texture.detach().clone())


@dataclass(frozen=True)
class GeometryDecoders:
    """The decoders of geometry as latents modulate them: made once where many points are decoded."""

    field: list[Tensor]
    deformation: list[Tensor]


class Generator(nn.Module):
    """Unified GET3D generator of any size; embedded and official checkpoints are this class.

    World frame: y up, the shape inside the cube ``[-scale/2, scale/2]^3``. The signed field is positive inside.
    """

    kind = "shape"

    def __init__(self, config: GeneratorConfig, name: str = "unnamed"):
        super().__init__()
        self.config = config
        self.name = name
        c = config
        self.mapping_geometry = MappingNetwork(c.z_dim, c.w_dim, c.mapping_layers)
        self.mapping_texture = MappingNetwork(c.z_dim, c.w_dim, c.mapping_layers)
        self.synthesis = TriplaneSynthesis(c.channels, c.plane_channels, c.w_dim, c.conv_clamp)
        decoder = (c.plane_channels, c.decoder_width, c.decoder_layers)
        self.sdf_decoder = Decoder(*decoder, 1, c.w_dim)
        self.deformation_decoder = Decoder(*decoder, 3, c.w_dim)
        self.weight_decoder: Decoder | None = None
        if c.iso_surface == "flexicubes":  # it reads the features of all corners of a cube, with the rows of the others
            width = (8 * c.plane_channels, c.decoder_width, c.decoder_layers)
            self.weight_decoder = Decoder(*width, WEIGHTS, c.w_dim)
        self.texture_decoder = Decoder(*decoder, c.texture_features, c.w_dim)
        # The official final layer clamps at +-256 whatever the configuration says.
        self.to_rgb = ToPlanes(c.texture_features, 3, c.w_dim, RGB_CLAMP) if c.texture_features > 3 else None
        self._grid: TetGrid | CubeGrid | None = None

    # ---- where things are -------------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mapping_geometry.w_avg.device

    @property
    def grid(self) -> TetGrid | CubeGrid:
        """The grid surfaces are extracted on; built at first use, a tetrahedral one replaceable with :meth:`use_grid`.

        Of cubes for a model trained with FlexiCubes.
        """
        if self._grid is None or self._grid.vertices.device != self.device:
            self._grid = (self._grid or self._built_grid()).to(self.device)
        return self._grid

    def _built_grid(self) -> TetGrid | CubeGrid:
        c = self.config
        if c.iso_surface == "flexicubes":
            return cube_grid(c.grid_resolution, c.scale)
        return grid(c.grid, c.grid_resolution, c.scale)

    def use_grid(self, tet_grid: TetGrid) -> None:
        """Extract on another grid, for instance an official file read with :func:`get3d_models.tetgrid.load_grid`.

        Raises InputError for a model trained with FlexiCubes, which knows no tetrahedra.
        """
        if self.config.iso_surface == "flexicubes":
            raise InputError(f"{self.name} was trained with FlexiCubes: it takes no tetrahedral grid; leave that out")
        self._grid = tet_grid
        self.__dict__.pop("box", None)

    @cached_property
    def box(self) -> tuple[float, float]:
        """Smallest coordinate and edge length of the cube that the triplanes span."""
        if self._grid is None:
            return -self.config.scale / 2, self.config.scale
        low = float(self._grid.vertices.min())
        return low, float(self._grid.vertices.max()) - low

    @cached_property
    def deforms(self) -> bool:
        """Whether the deformation is worth accounting for: more than a hundredth of its bound for the average shape."""
        with torch.no_grad():
            ws = self.mapping_geometry.w_avg.expand(1, self.config.geometry_rows, -1)
            points = self.grid.vertices[None, :: max(1, len(self.grid.vertices) // 4096)]
            offset = self.deformation(self.features(self.triplanes(ws).geometry, points), ws)
        return float(offset.abs().max()) > 0.01 * self.config.deformation_bound

    @cached_property
    def inward(self) -> float:
        """1 where the network's own field grows inwards, as GET3D's do, and -1 where it grows outwards.

        FlexiCubes takes what is negative as inside, but that decides only which way its faces look, and official
        training shows both sides of a face: which sign a network gives the outside is an accident of its training. So
        the average shape is asked: outside is the sign of most of the grid's outermost layer.
        """
        if self.config.iso_surface != "flexicubes":
            return 1.0
        found = self.grid
        assert isinstance(found, CubeGrid)
        with torch.no_grad():
            ws = self.mapping_geometry.w_avg.expand(1, self.config.geometry_rows, -1)
            points = found.vertices[~found.inner]
            raw = self._raw_field(self.features(self.triplanes(ws).geometry, points[None]), ws)
        return 1.0 if float((raw < 0).float().mean()) > 0.5 else -1.0

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of what fixes the shape of a latent: the tensors, and what they do not tell (grid, scale).

        Neither the name nor the device changes it. Computed once: a generator in training has none worth the name.
        """
        digest = hashlib.sha256()
        free = {key: getattr(self.config, key) for key in FREE_ENTRIES}
        digest.update(json.dumps(free, sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    # ---- latents ----------------------------------------------------------------------------------------------

    def map_geometry(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """``(N, z_dim) -> (N, geometry rows, w_dim)``."""
        return self.mapping_geometry(z, truncation)[:, None].repeat(1, self.config.geometry_rows, 1)

    def map_texture(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """``(N, z_dim) -> (N, texture rows, w_dim)``."""
        return self.mapping_texture(z, truncation)[:, None].repeat(1, self.config.texture_rows, 1)

    def latents(self, seed: int, texture_seed: int | None = None, truncation: float = 1.0) -> Latents:
        """The latents of a seed; geometry and texture are independent even where their seeds are equal."""
        texture_seed = seed if texture_seed is None else texture_seed
        with torch.no_grad():
            geometry = self.map_geometry(self.code(seed, "geometry"), truncation)[0]
            texture = self.map_texture(self.code(texture_seed, "texture"), truncation)[0]
        return Latents(geometry, texture)

    def code(self, seed: int, part: str) -> Tensor:
        """The random code z ``(1, z_dim)`` of a seed, for part "geometry" or "texture"; the same on every machine."""
        if seed < 0:
            raise InputError(f"a seed is a whole number from 0 on, not {seed}")
        numbers = np.random.default_rng([seed, ("geometry", "texture").index(part)])
        z = numbers.standard_normal((1, self.config.z_dim), dtype=np.float64)
        return torch.from_numpy(z.astype(np.float32)).to(self.device)

    # ---- fields -----------------------------------------------------------------------------------------------

    def triplanes(self, ws_geometry: Tensor, ws_texture: Tensor | None = None) -> Triplanes:
        """Planes of latent rows ``(N, rows, w_dim)``; without a texture latent only geometry planes are made."""
        used = ws_geometry[:, : self.config.plane_geometry_rows]
        return self.synthesis(used, None if ws_texture is None else ws_texture[:, : len(self.config.channels)])

    def local_plan(self, centers: Tensor, radius: float, texture: bool = False) -> Plan:
        """What :meth:`local_triplanes` would compute for points within ``radius`` of ``centers`` (K, 3), world units.

        It counts the multiplications and tells whether that is worth it. Raises InputError for unusable centres.
        """
        requested = windows_around(centers, radius, *self.box, self.config.resolution)
        return self.synthesis.plan(requested, texture)

    def local_triplanes(
        self, ws_geometry: Tensor, centers: Tensor, radius: float, ws_texture: Tensor | None = None
    ) -> LocalTriplanes:
        """The parts of the planes that points within ``radius`` of ``centers`` (K, 3) read, without the rest.

        Exact: :meth:`features` of ``result.geometry`` (or ``.texture``) and their gradients equal those of
        :meth:`triplanes`, at a fraction of the cost if the points fill a small part of the box.
        """
        plan = self.local_plan(centers, radius, ws_texture is not None)
        return self.planned_triplanes(ws_geometry, ws_texture, plan)

    def box_plan(self, lowest: Tensor, highest: Tensor, texture: bool = False) -> Plan:
        """What :meth:`box_triplanes` would compute. Raises InputError for an unusable box."""
        return self.synthesis.plan(window_of_box(lowest, highest, *self.box, self.config.resolution), texture)

    def box_triplanes(
        self, ws_geometry: Tensor, lowest: Tensor, highest: Tensor, ws_texture: Tensor | None = None
    ) -> LocalTriplanes:
        """The parts of the planes that points of an axis-aligned box (corners ``(3,)``, world units) read; exact."""
        plan = self.box_plan(lowest, highest, ws_texture is not None)
        return self.planned_triplanes(ws_geometry, ws_texture, plan)

    def planned_triplanes(self, ws_geometry: Tensor, ws_texture: Tensor | None, plan: Plan) -> LocalTriplanes:
        """What a plan of this generator's says, of latent rows ``(N, rows, w_dim)``."""
        used = ws_geometry[:, : self.config.plane_geometry_rows]
        used_texture = None if ws_texture is None else ws_texture[:, : len(self.config.channels)]
        return self.synthesis.local(used, used_texture, plan)

    def features(self, planes: AnyPlanes, points: Tensor) -> Tensor:
        """Summed triplane features ``(N, M, C)`` at world points ``(N, M, 3)``; of local triplanes the geometry's.

        Raises InputError where local planes do not reach a point.
        """
        if isinstance(planes, LocalTriplanes):
            planes = planes.geometry
        if isinstance(planes, LocalPlanes):
            return lookup_local(planes, points, *self.box)
        return lookup(planes, points, *self.box)

    def features_within(self, planes: LocalPlanes, points: Tensor) -> Tensor | None:
        """As :meth:`features`, and None where a point is outside the planes."""
        return lookup_within(planes, points, *self.box)

    def geometry_decoders(self, ws_geometry: Tensor) -> GeometryDecoders:
        """What latent rows ``(N, rows, w_dim)`` make of the decoders; take it for the rows where points are many."""
        rows = ws_geometry[:, self.config.plane_geometry_rows :]
        return GeometryDecoders(self.sdf_decoder.modulated(rows), self.deformation_decoder.modulated(rows))

    def signed_distance(self, features: Tensor, ws_geometry: Tensor | GeometryDecoders) -> Tensor:
        """Geometry features ``(N, M, C)`` to the signed field ``(N, M)``; positive inside, not metric."""
        raw = self._raw_field(features, ws_geometry)
        return raw if self.inward > 0 else -raw

    def _raw_field(self, features: Tensor, ws: Tensor | GeometryDecoders) -> Tensor:
        """The field as the network gives it, ``(N, M)``; see :attr:`inward` for its sign."""
        rows = ws.field if isinstance(ws, GeometryDecoders) else ws[:, self.config.plane_geometry_rows :]
        return self.sdf_decoder(features, rows).squeeze(2)

    def deformation(self, features: Tensor, ws_geometry: Tensor | GeometryDecoders) -> Tensor:
        """Geometry features to the offset of grid vertices ``(N, M, 3)``, world units."""
        ws = ws_geometry
        rows = ws.deformation if isinstance(ws, GeometryDecoders) else ws[:, self.config.plane_geometry_rows :]
        return torch.tanh(self.deformation_decoder(features, rows)) * self.config.deformation_bound

    def cube_weights(self, features: Tensor, ws_geometry: Tensor) -> Tensor:
        """Geometry features of the corners of cubes ``(N, K, 8, C)`` to FlexiCubes' weights ``(N, K, 21)``.

        Of those 12 are for edges, 8 for corners, 1 for the way quadrilaterals are split; the function that makes them
        positive is FlexiCubes' own. Raises InputError for a model trained with marching tetrahedra.
        """
        if self.weight_decoder is None:
            raise InputError(f"{self.name} was not trained with FlexiCubes: it has no weights for cubes")
        raw = self.weight_decoder(features.flatten(2), ws_geometry[:, self.config.plane_geometry_rows :])
        return raw * WEIGHT_GAIN

    def texture_features(self, features: Tensor, ws_texture: Tensor) -> Tensor:
        """Texture-plane features ``(N, M, C)`` to the features that to-RGB reads ``(N, M, texture_features)``."""
        return self.texture_decoder(features, ws_texture[:, len(self.config.channels) :])

    def raw_colors(self, texture_features: Tensor, ws_texture: Tensor) -> Tensor:
        """Colours as the network gives them: nominally in [-1, 1], not clipped. ``(N, M, 3)``."""
        if self.to_rgb is None:
            return texture_features
        return self.to_rgb.at_points(texture_features, ws_texture[:, -1])

    def colors(self, planes: Tensor | LocalPlanes, ws_texture: Tensor, points: Tensor) -> Tensor:
        """Display colours in [0, 1] ``(N, M, 3)`` of texture planes at points ``(N, M, 3)``."""
        raw = self.raw_colors(self.texture_features(self.features(planes, points), ws_texture), ws_texture)
        return ((raw + 1) / 2).clamp(0, 1)

    def parts(self, points: Tensor) -> tuple[Tensor, ...]:
        """Points ``(M, 3)`` a few thousand at a time: what is decoded of so many stays in a processor's cache."""
        return points.split(DECODED_AT_ONCE.get(points.device.type, 1 << 17))

    def field_at(self, planes: AnyPlanes, ws_geometry: Tensor, points: Tensor) -> Tensor:
        """The signed field ``(M,)`` of one shape at many points ``(M, 3)``, which local planes must reach."""
        decoders = self.geometry_decoders(ws_geometry)
        found = [self.signed_distance(self.features(planes, p[None]), decoders)[0] for p in self.parts(points)]
        return torch.cat(found)

    def deformation_at(self, planes: AnyPlanes, ws_geometry: Tensor, points: Tensor) -> Tensor:
        """The deformation ``(M, 3)`` of one shape at many points ``(M, 3)``, which local planes must reach."""
        decoders = self.geometry_decoders(ws_geometry)
        found = [self.deformation(self.features(planes, p[None]), decoders)[0] for p in self.parts(points)]
        return torch.cat(found)

    def grid_fields(self, planes: Tensor, ws_geometry: Tensor) -> tuple[Tensor, Tensor]:
        """Signed field ``(V,)`` and deformation ``(V, 3)`` of one shape at every vertex of the grid."""
        points = self.grid.vertices
        return self.field_at(planes, ws_geometry, points), self.deformation_at(planes, ws_geometry, points)

    def check_surface(self) -> None:
        """Raise InputError where no surface can be extracted: of FlexiCubes where kaolin is missing. Takes no time."""
        if self.config.iso_surface == "flexicubes":
            flexicubes_class()

    def surface(
        self, planes: AnyPlanes, ws_geometry: Tensor, field: Tensor, near: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The mesh of one shape's field ``(V,)`` at every vertex of the grid; these are deformed where it matters.

        Vertices ``(M, 3)`` and faces ``(F, 3)`` int64, counter-clockwise seen from outside. ``planes`` must reach the
        surface; if that is not every vertex of the grid, ``near (V,) bool`` says which. Raises InputError for
        FlexiCubes where kaolin is missing.
        """
        found = self.grid
        if isinstance(found, TetGrid):

            def deformed(used: Tensor) -> Tensor:
                places = found.vertices[used]
                return places + self.deformation_at(planes, ws_geometry, places)

            return marching_tetrahedra(found, fill_degenerate(found, field[None])[0], deformed)
        deformation = torch.zeros_like(found.vertices)
        reached = slice(None) if near is None else near
        deformation[reached] = self.deformation_at(planes, ws_geometry, found.vertices[reached])
        places = found.vertices

        def weights_at(corners: Tensor) -> Tensor:
            used, number = corners.unique(return_inverse=True)  # neighbours share corners
            features = self.features(planes, places[used][None])
            return self.cube_weights(features[:, number], ws_geometry)[0]

        raw = fill_degenerate_cubes(found, field if self.inward > 0 else -field)
        vertices, faces = flexicubes_surface(found, raw, places + deformation, weights_at)
        # FlexiCubes' faces look to where the network's field grows; turned, where that is inwards.
        return vertices, faces.flip(1) if self.inward > 0 else faces

    # ---- shapes -----------------------------------------------------------------------------------------------

    def shape(self, latents: Latents) -> Shape:
        """The shape of extended latents; its mesh is extracted when first looked at."""
        latents = latents.detach()
        return Shape(self, Latents(latents.geometry.to(self.device), latents.texture.to(self.device)))

    def sample(self, seed: int, texture_seed: int | None = None, truncation: float = 1.0) -> Shape:
        """The shape of a seed. ``texture_seed`` defaults to ``seed``; ``truncation`` 0 is the average shape."""
        return self.shape(self.latents(seed, texture_seed, truncation))

    def with_config(self, **changes: object) -> Generator:
        """This generator, sharing its weights, with another grid, scale or other entry that no tensor fixes.

        Raises InputError for values that it cannot have, another way to extract surfaces among them.
        """
        if changes.get("iso_surface", self.config.iso_surface) != self.config.iso_surface:
            raise InputError(f"{self.name} was trained with {self.config.iso_surface}, and works with nothing else")
        with torch.device("meta"):  # no random weights first
            copy = Generator(replace(self.config, **changes), self.name)  # type: ignore[arg-type]
        copy.load_state_dict(self.state_dict(), assign=True)
        return copy.requires_grad_(False)
