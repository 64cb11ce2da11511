"""What a generator is made of: sizes read from tensors, and what tensors cannot tell (grid, scale, iso-surface)."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from get3d_models.errors import InputError

GRID_KINDS = ("a15", "body-centred", "cubes")
# The ways to extract a surface, and the grids that each can work on.
ISO_SURFACES = {"dmtet": ("a15", "body-centred"), "flexicubes": ("cubes",)}
# Entries that no tensor's shape tells.
FREE_ENTRIES = ("conv_clamp", "grid", "grid_resolution", "scale", "deformation_multiplier", "iso_surface")


@dataclass(frozen=True)
class GeneratorConfig:
    """Everything that fixes a GET3D generator but its weights. Defaults are those of the released models."""

    z_dim: int = 512
    """Entries of the two random codes, one for geometry and one for texture."""
    w_dim: int = 512
    """Entries of one row of the intermediate latents."""
    mapping_layers: int = 8
    """Layers of each mapping network."""
    channels: tuple[int, ...] = (512, 512, 512, 512, 512, 256, 128)
    """Channels of the synthesis blocks at 4, 8, 16, ... texels; the last block has the resolution of the triplanes."""
    plane_channels: int = 32
    """Feature channels of each of the three planes."""
    decoder_width: int = 32
    """Width of the hidden layers of the three decoders."""
    decoder_layers: int = 1
    """Hidden layers of each decoder."""
    texture_features: int = 16
    """Outputs of the texture decoder; with 3 or fewer they are the colour itself and there is no to-RGB layer."""
    conv_clamp: float | None = 256.0
    """Bound on activations, as in all official commands; None for none."""
    grid: str = "a15"
    """Tetrahedral lattice: "a15", the one inside the official grids, or "body-centred". FlexiCubes takes "cubes"."""
    grid_resolution: int = 90
    """Resolution of the lattice; also bounds the deformation, see :attr:`deformation_bound`."""
    scale: float = 1.0
    """Edge of the cube that the grid fills, in world units."""
    deformation_multiplier: float = 1.0
    """Divides the deformation; the official option, which FlexiCubes doubles."""
    iso_surface: str = "dmtet"
    """How the surface is extracted: "dmtet", or "flexicubes" (by kaolin), which has a decoder more."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(int(c) for c in self.channels))
        sizes = (self.z_dim, self.w_dim, self.mapping_layers, self.plane_channels, self.decoder_width, *self.channels)
        if not self.channels or min(sizes) < 1 or self.decoder_layers < 0 or self.texture_features < 1:
            raise InputError("the generator's configuration has a size below 1")
        if len(self.channels) > 9 or max(sizes) > 65536 or self.decoder_layers > 64 or self.mapping_layers > 64:
            raise InputError("the generator's configuration has a size beyond any known model")
        if self.grid not in GRID_KINDS:
            raise InputError(f"unknown tetrahedral grid {self.grid!r}; known: {', '.join(GRID_KINDS)}")
        if self.iso_surface not in ISO_SURFACES:
            raise InputError(f"unknown iso-surface {self.iso_surface[:40]!r}; known: {', '.join(ISO_SURFACES)}")
        if self.grid not in ISO_SURFACES[self.iso_surface]:
            fitting = " or ".join(map(repr, ISO_SURFACES[self.iso_surface]))
            raise InputError(f"iso-surface {self.iso_surface!r} works on the grid {fitting}, not on {self.grid!r}")
        if not 4 <= self.grid_resolution <= 512:
            raise InputError(f"the grid resolution must be 4 to 512, not {self.grid_resolution}")
        for name in ("scale", "deformation_multiplier"):
            if not 0 < getattr(self, name) < 1e3:
                value = str(getattr(self, name))[:40]
                raise InputError(f"the generator's {name} must be above 0 and below 1000, not {value}")
        if self.conv_clamp is not None and not 0 < self.conv_clamp < 1e30:
            raise InputError(f"the generator's conv_clamp must be None or positive, not {str(self.conv_clamp)[:40]}")

    @property
    def resolution(self) -> int:
        """Texels along an edge of a triplane."""
        return 4 << (len(self.channels) - 1)

    @property
    def deformation_bound(self) -> float:
        """The farthest that a vertex of the grid is moved along an axis, world units."""
        divisor = self.deformation_multiplier * (2.0 if self.iso_surface == "flexicubes" else 1.0)
        return 1.0 / (self.grid_resolution * divisor)

    @property
    def plane_geometry_rows(self) -> int:
        """Geometry rows the triplane synthesis consumes: two in the first block, three in each further one."""
        return 3 * len(self.channels) - 1

    @property
    def geometry_rows(self) -> int:
        """Rows of the geometry latent: those of the planes, then one per layer of the geometry decoders."""
        return self.plane_geometry_rows + self.decoder_layers + 1

    @property
    def texture_rows(self) -> int:
        """Rows of the texture latent: one per block, then one per layer of the texture decoder."""
        return len(self.channels) + self.decoder_layers + 1

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GeneratorConfig:
        """The inverse of :meth:`to_dict`; raises InputError for unknown or ill-typed entries."""
        known = {f.name: f for f in dataclasses.fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise InputError(
                f"unknown entries in the generator's configuration: {', '.join(str(n)[:40] for n in unknown)}"
            )
        for name, value in values.items():
            if not _fits(value, getattr(cls, name), optional=name == "conv_clamp"):
                raise InputError(f"the generator's configuration has {name} = {str(value)[:40]!r}, which is not usable")
        return cls(**values)


def channels_from_base(resolution: int, base: int, maximum: int) -> tuple[int, ...]:
    """Official rule for the channels at 4, 8, ..., ``resolution`` texels: min(base // r, maximum)."""
    return tuple(min(base // (4 << i), maximum) for i in range((resolution // 4).bit_length()))


# What a released file does not hold. Keys are file names without suffix (nv-tlabs/GET3D README).
PRESETS: dict[str, dict[str, Any]] = {
    "shapenet_car": {"scale": 1.0},
    "shapenet_motorbike": {"scale": 1.0},
    "shapenet_chair": {"scale": 0.8},
    "shapenet_table": {"scale": 0.8},
}


def _fits(value: Any, default: Any, optional: bool) -> bool:
    """Whether a value may stand where the default does, by its type; a number by not being NaN, too."""
    if value is None:
        return optional
    if isinstance(default, tuple):
        return isinstance(value, list | tuple) and all(type(v) is int for v in value)
    if isinstance(default, float):
        return type(value) is int or (type(value) is float and not math.isnan(value))
    return type(value) is type(default)
