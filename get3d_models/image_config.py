"""What a StyleGAN2 generator is made of."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from get3d_models.errors import InputError

ARCHITECTURES = ("skip", "orig", "resnet")
LARGEST_RESOLUTION = 2048


@dataclass(frozen=True)
class ImageConfig:
    """Everything that fixes a StyleGAN2 generator but its weights. Defaults are those of the released 512 px models."""

    z_dim: int = 512
    """Entries of the random code."""
    w_dim: int = 512
    """Entries of one row of the intermediate latent."""
    label_dim: int = 0
    """Classes of a conditional network; 0 for none."""
    mapping_layers: int = 8
    mapping_width: int | None = None
    """Width of the mapping network between its ends; None: w_dim."""
    label_width: int | None = None
    """Entries of the embedded label; None: w_dim."""
    channels: tuple[int, ...] = (512, 512, 512, 512, 512, 256, 128, 64)
    """Channels of the synthesis blocks at 4, 8, 16, ... texels; the last block has the resolution of the image."""
    image_channels: int = 3
    architecture: str = "skip"
    """"skip", "orig" or "resnet"."""
    conv_clamp: float | None = 256.0
    """Bound on activations; None for none."""
    start: tuple[int, int] = (4, 4)
    """Rows and columns of the constant that synthesis starts from; (4, 2) for StyleGAN-Human."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(int(c) for c in self.channels))
        object.__setattr__(self, "start", tuple(int(c) for c in self.start))
        sizes = [self.z_dim, self.w_dim, self.mapping_layers, self.image_channels, *self.channels, *self.start]
        sizes += [n for n in (self.mapping_width, self.label_width) if n is not None]
        if not self.channels or min(sizes) < 1 or self.label_dim < 0 or len(self.start) != 2:
            raise InputError("the generator's configuration has a size below 1")
        if max(*sizes, self.label_dim) > 65536 or self.mapping_layers > 64 or max(self.start) > 64:
            raise InputError("the generator's configuration has a size beyond any known model")
        if len(self.channels) > 10 or max(self.map_size(len(self.channels) - 1)) > LARGEST_RESOLUTION:
            raise InputError(f"images of more than {LARGEST_RESOLUTION} pixels are not supported")
        if self.architecture not in ARCHITECTURES:
            raise InputError(f"unknown architecture {str(self.architecture)[:40]!r}; known: {', '.join(ARCHITECTURES)}")
        if self.conv_clamp is not None and not 0 < self.conv_clamp < 1e30:
            raise InputError(f"the generator's conv_clamp must be None or positive, not {str(self.conv_clamp)[:40]}")

    def map_size(self, block: int) -> tuple[int, int]:
        """Rows and columns of the map after a block."""
        return self.start[0] << block, self.start[1] << block

    @property
    def map_sizes(self) -> list[tuple[int, int]]:
        """Rows and columns of the maps after all blocks, coarsest first."""
        return [self.map_size(i) for i in range(len(self.channels))]

    @property
    def resolution(self) -> int:
        """Height of the image in pixels."""
        return self.map_size(len(self.channels) - 1)[0]

    @property
    def width(self) -> int:
        """Width of the image in pixels."""
        return self.map_size(len(self.channels) - 1)[1]

    @property
    def rows(self) -> int:
        """Rows of the latent: one per convolution, and one for the last to-RGB layer."""
        return 2 * len(self.channels)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ImageConfig:
        """The inverse of :meth:`to_dict`; raises InputError for unknown or ill-typed entries."""
        known = {f.name: f for f in dataclasses.fields(cls)}
        unknown = sorted(str(name)[:40] for name in set(values) - set(known))
        if unknown:
            raise InputError(f"unknown entries in the generator's configuration: {', '.join(unknown)}")
        for name, value in values.items():
            if not _fits(name, value):
                raise InputError(f"the generator's configuration has {name} = {str(value)[:40]!r}, which is not usable")
        return cls(**values)


def _fits(name: str, value: Any) -> bool:
    """Whether a value may stand for an entry, by its type."""
    if name in ("channels", "start"):
        return isinstance(value, list | tuple) and all(type(v) is int for v in value)
    if name == "architecture":
        return isinstance(value, str)
    if value is None:
        return name in ("conv_clamp", "mapping_width", "label_width")
    if name == "conv_clamp":
        return type(value) is int or (type(value) is float and not math.isnan(value))
    return type(value) is int
