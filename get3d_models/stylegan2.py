"""The StyleGAN2 generator: latents to feature maps and images (Karras et al. 2020), of any size and all three kinds.

The synthesis can stop at any block and compute only windows of its map; what that gives equals the whole evaluation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from get3d_models.errors import InputError
from get3d_models.feature_map import FeatureMap, windows_around
from get3d_models.image_config import ImageConfig
from get3d_models.layers import (
    Kept,
    MappingNetwork,
    ModulatedConvolution,
    Noise,
    ResidualSkip,
    ToPlanes,
    laid_out,
    random_start,
    resample_filter,
    turned,
    upsample2,
)
from get3d_models.windows import Plan, Windows, plan

RESIDUAL_GAIN = 0.5**0.5
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class ImageLatents:
    """The extended latent code (W+) of one image: what a drag optimises."""

    rows: Tensor
    """(rows, w_dim) float32"""

    def detach(self) -> ImageLatents:
        """A copy cut from any graph."""
        return ImageLatents(self.rows.detach().clone())


class ImageBlock(nn.Module):
    """One resolution: convolutions, and in the kind "skip", or in the last block, the layer that adds to the image.

    Rows of the latent: one per convolution; the to-RGB layer takes the row that follows, which the next block's first
    convolution takes too.
    """

    resample_filter: Tensor

    def __init__(self, config: ImageConfig, index: int):
        super().__init__()
        inputs, outputs = config.channels[index - 1] if index else 0, config.channels[index]
        size, clamp, w_dim = config.map_size(index), config.conv_clamp, config.w_dim
        self.first = index == 0
        self.residual = config.architecture == "resnet" and not self.first
        if self.first:
            self.const = nn.Parameter(random_start(outputs, *size))
        else:
            self.conv0 = ModulatedConvolution(inputs, outputs, w_dim, size, up=True, clamp=clamp)
        gain = RESIDUAL_GAIN if self.residual else 1.0
        self.conv1 = ModulatedConvolution(outputs, outputs, w_dim, size, up=False, clamp=clamp, gain=gain)
        if config.architecture == "skip" or index == len(config.channels) - 1:
            self.torgb = ToPlanes(outputs, config.image_channels, w_dim, clamp)
        if self.residual:
            self.skip = ResidualSkip(inputs, outputs)
        self.register_buffer("resample_filter", resample_filter())
        self._kept = Kept()

    @property
    def convolutions(self) -> int:
        """How many rows of the latent the convolutions take."""
        return 1 if self.first else 2

    def forward(self, x: Tensor | None, rows: Sequence[Tensor], windows: Windows, noise: Noise) -> Tensor:
        """Activations ``(N * K, C, rows, columns)``, from those of the block before in the windows it :meth:`reads`."""
        if self.first or x is None:
            return self.conv1(laid_out(self.const.expand(len(rows[0]), -1, -1, -1)), rows[0], windows, noise)
        y = self.conv1(self.conv0(x, rows[0], self.conv1.reads(windows), noise), rows[1], windows, noise)
        return y + self.skip(x, windows, self.reads(windows)) if self.residual else y

    def reads(self, windows: Windows) -> Windows:
        """What must be known of the block before to compute these windows."""
        return self.conv0.reads(self.conv1.reads(windows))

    def add_image(self, image: Tensor | None, x: Tensor, w: Tensor, windows: Windows) -> Tensor:
        """The image of the block before, doubled, plus what this one adds ``(N * K, channels, rows, columns)``."""
        added = self.torgb(x, w)
        if image is not None:
            taps = self._kept("filter", self.resample_filter, turned)
            added = upsample2(image, taps, windows, self.reads(windows)) + added
        return windows.zero_beyond_edge(added)

    def multiply_adds(self, windows: Windows) -> int:
        """Multiplications that one latent's windows cost, the to-RGB layer aside."""
        count = self.conv1.multiply_adds(windows)
        return count if self.first else count + self.conv0.multiply_adds(self.conv1.reads(windows))


class ImageSynthesis(nn.Module):
    """From latent rows to feature maps and the image: blocks of doubling resolution."""

    def __init__(self, config: ImageConfig):
        super().__init__()
        self.names = [f"b{4 << i}" for i in range(len(config.channels))]
        for i, name in enumerate(self.names):
            self.add_module(name, ImageBlock(config, i))

    @property
    def blocks(self) -> list[ImageBlock]:
        """The blocks from the coarsest resolution up."""
        return [getattr(self, name) for name in self.names]

    def run(
        self, ws: Tensor, windows: Sequence[Windows], noise: Noise, images: bool
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Activations after each of the first blocks, as many as there are ``windows``, and the images so far.

        Each block computes its windows; the first few may be whole maps (see :func:`get3d_models.windows.plan`).
        """
        activations: list[Tensor] = []
        pictures: list[Tensor] = []
        rows, have = list(ws.unbind(1)), windows[0]  # by slices, the gradient of each would be a tensor of all rows
        x: Tensor | None = None
        image: Tensor | None = None
        for i, (block, here) in enumerate(zip(self.blocks, windows, strict=False)):
            needed = block.reads(here) if i else have
            if needed != have:
                x = None if x is None else needed.take(x)
                image = None if image is None else needed.take(image)
            x = block(x, rows, here, noise)
            rows = rows[block.convolutions :]
            if images and hasattr(block, "torgb"):
                image = block.add_image(image, x, rows[0], here)
                pictures.append(image)
            activations.append(x)
            have = here
        return activations, pictures

    def plan(self, requested: Windows, blocks: int) -> Plan:
        """The cheapest way to windows of the map after so many blocks."""
        found = self.blocks[:blocks]
        return plan(requested, blocks, lambda i, windows: found[i].multiply_adds(windows))


class ImageGenerator(nn.Module):
    """StyleGAN2 generator of any size; embedded, official and community checkpoints are this class.

    Pixel coordinates are (x, y), pixel centres at integers, the origin top left.
    """

    kind = "image"

    def __init__(self, config: ImageConfig, name: str = "unnamed"):
        super().__init__()
        self.config = c = config
        self.name = name
        self.mapping = MappingNetwork(
            c.z_dim, c.w_dim, c.mapping_layers, c.label_dim, c.mapping_width, c.label_width
        )  # fmt: skip
        self.synthesis = ImageSynthesis(config)
        self._fingerprint: str | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mapping.w_avg.device

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        return self.config.width, self.config.resolution

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of what fixes the image of a latent: the tensors, and what they do not tell.

        Neither the name nor the device changes it. Computed once: a generator in training has none worth the name.
        """
        if self._fingerprint is None:
            digest = hashlib.sha256()
            free = {"architecture": self.config.architecture, "conv_clamp": self.config.conv_clamp}
            digest.update(json.dumps(free, sort_keys=True).encode())
            for name, tensor in sorted(self.state_dict().items()):
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    # ---- latents ----------------------------------------------------------------------------------------------

    def code(self, seed: int) -> Tensor:
        """The random code z ``(1, z_dim)`` of a seed: the one that the official tools draw."""
        if not 0 <= seed <= MAX_SEED:
            raise InputError(f"the seed of an image is a whole number from 0 to {MAX_SEED}, not {seed}")
        z = np.random.RandomState(seed).randn(1, self.config.z_dim)
        return torch.from_numpy(z.astype(np.float32)).to(self.device)

    def map(self, z: Tensor, label: Tensor | None = None, truncation: float = 1.0, cutoff: int | None = None) -> Tensor:
        """``(N, z_dim)`` and ``(N, label_dim)`` to latent rows ``(N, rows, w_dim)``.

        ``truncation`` pulls the first ``cutoff`` rows (None: all) towards the average latent. A network with labels
        given none takes the zero label, as official tools do.
        """
        if self.config.label_dim and label is None:
            label = z.new_zeros(len(z), self.config.label_dim)
        w = self.mapping(z, label=label if self.config.label_dim else None)
        rows = w[:, None].repeat(1, self.config.rows, 1)
        if truncation == 1:
            return rows
        average = self.mapping.w_avg
        pulled = average + truncation * (rows[:, :cutoff] - average)
        return torch.cat([pulled, rows[:, pulled.shape[1] :]], dim=1)

    def latents(
        self, seed: int, truncation: float = 1.0, cutoff: int | None = None, label: int | None = None
    ) -> ImageLatents:
        """The latents of a seed, and of a class where the network has labels. Raises InputError for an unknown one."""
        with torch.no_grad():
            z = self.code(seed)
            return ImageLatents(self.map(z, self.one_hot(label), truncation, cutoff)[0])

    def one_hot(self, label: int | None) -> Tensor | None:
        """The label vector ``(1, label_dim)`` of a class number, None for None; InputError for no class."""
        count = self.config.label_dim
        if label is None:
            return None
        if count == 0:
            raise InputError(f"model {self.name!r} has no class labels; leave the label out")
        if not 0 <= label < count:
            raise InputError(f"model {self.name!r} has classes 0 to {count - 1}, not {label}")
        return torch.nn.functional.one_hot(torch.tensor([label]), count).to(self.device, torch.float32)

    # ---- maps -------------------------------------------------------------------------------------------------

    def block_index(self, block: int) -> int:
        """``block``, counted from 0, or the last one if the network has fewer; InputError for a negative one."""
        if block < 0:
            raise InputError(f"feature blocks are counted from 0 (the paper's 6th is 5), not {block}")
        return min(block, len(self.config.channels) - 1)

    def features(self, ws: Tensor, block: int = 5, noise: Noise = "const") -> Tensor:
        """The whole map after a block, before its to-RGB layer: ``(N, rows, w_dim) -> (N, C, h, w)``."""
        windows = [Windows.whole(*self.config.map_size(i)) for i in range(self.block_index(block) + 1)]
        return self.synthesis.run(ws, windows, noise, images=False)[0][-1]

    def feature_map(self, ws: Tensor, block: int = 5, noise: Noise = "const") -> FeatureMap:
        """The whole map of one image ``(1, rows, w_dim)``, to be looked up at pixels."""
        texels = self.features(ws, block, noise)
        return FeatureMap(texels, Windows.whole(*texels.shape[2:]), self.size)

    def local_plan(self, centers: Tensor, radius: float, block: int = 5) -> Plan:
        """What :meth:`local_features` would compute; tells the multiplications and whether that is worth it."""
        block = self.block_index(block)
        requested = windows_around(centers, radius, self.size, self.config.map_size(block))
        return self.synthesis.plan(requested, block + 1)

    def local_features(
        self, ws: Tensor, centers: Tensor, radius: float, block: int = 5, noise: Noise = "const"
    ) -> FeatureMap:
        """The map of one image ``(1, rows, w_dim)`` within ``radius`` pixels of ``centers (K, 2)``; exact."""
        plan = self.local_plan(centers, radius, block)
        texels = self.synthesis.run(ws, plan.blocks, noise, images=False)[0][-1]
        if plan.blocks[-1] != plan.requested:  # the last map was cheaper whole
            return FeatureMap(texels, plan.blocks[-1], self.size)
        return FeatureMap(texels, plan.requested, self.size)

    # ---- images -----------------------------------------------------------------------------------------------

    def image(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """``(N, rows, w_dim) -> (N, channels, H, W)``, nominally in [-1, 1], not clipped."""
        return self.images(ws, noise)[-1]

    def images(self, ws: Tensor, noise: Noise = "const") -> list[Tensor]:
        """The image as it stands after each block that has a to-RGB layer, coarsest first."""
        windows = [Windows.whole(*self.config.map_size(i)) for i in range(len(self.config.channels))]
        return self.synthesis.run(ws, windows, noise, images=True)[1]

    def pixels(self, latents: ImageLatents, noise: Noise = "const") -> NDArray[np.uint8]:
        """The picture ``(H, W, channels) uint8`` of latents, sRGB."""
        with torch.no_grad():
            image = self.image(latents.rows.to(self.device)[None], noise)[0]
            levels = (image * 127.5 + 128).clamp(0, 255).to(torch.uint8)
        return levels.permute(1, 2, 0).contiguous().cpu().numpy()

    def sample(
        self, seed: int, truncation: float = 1.0, cutoff: int | None = None, label: int | None = None
    ) -> NDArray[np.uint8]:
        """The picture ``(H, W, channels) uint8`` of a seed."""
        return self.pixels(self.latents(seed, truncation, cutoff, label))
