"""What the model `portrait` learns from: pictures of its teacher, first small whole ones, then windows of large ones.

A picture of 64 pixels tells all but the sharpness of edges and costs a tenth of one of 256. So the first part of the
run knows only the blocks up to 64 pixels; the upper ones join later, and since convolutions are local, they are taught
on windows, in which the drawing costs less too. Eyes, brows, nose and mouth are what a portrait is about, but are a
twentieth of its pixels: once the large parts are in place, what is near a keypoint counts more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from get3d_models.image_config import ImageConfig
from get3d_models.layers import MappingNetwork
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait as teacher
from get3d_models.training.fit import FitSettings
from get3d_models.windows import Windows

NEIGHBOURHOOD = 0.025
"""Standard deviation of the emphasis around a keypoint, in widths of the picture."""
FACE = (0.43, 0.5)
"""Down and across, the middle of the average face."""


@dataclass(frozen=True)
class Stage:
    """A part of the run: the pictures' resolution and the edge of the window that is looked at."""

    until: int
    """Step at which the stage ends; the last one lasts."""
    resolution: int
    window: int
    emphasis: float
    """How much more the neighbourhood of a keypoint counts than the rest."""
    faces: float = 0.0
    """Share of windows that are near the middle of the face; the others are anywhere."""
    mouth: float = 1.0
    """How much more the emphasis is at the mouth, which is learnt last."""


@dataclass(frozen=True)
class PortraitSettings(FitSettings):
    """How the portrait is trained."""

    steps: int = 21_000
    images_per_step: int = 8
    stages: tuple[Stage, ...] = (
        Stage(1300, 32, 32, 0.0),
        Stage(3000, 64, 64, 0.0),
        Stage(7000, 64, 64, 8.0),
        Stage(9000, 128, 80, 8.0, 0.5),
        Stage(9250, 256, 96, 8.0, 0.5),
        Stage(15000, 256, 96, 8.0, 0.8),
        Stage(18500, 256, 96, 8.0, 0.8, mouth=4.0),
        Stage(0, 256, 96, 8.0, 0.4, mouth=4.0),
    )
    """The run was begun without emphasis; that its start is kept makes it no worse."""
    square_weight: float = 2.0
    edge_weight: float = 0.5


@dataclass(frozen=True)
class Pictures:
    """One training batch: a window of N pictures."""

    z: Tensor
    """(N, z_dim)"""
    windows: Windows
    """One window, the same in all pictures."""
    image: Tensor
    """(N, 3, rows, columns) sRGB in [0, 1]"""
    weight: Tensor
    """(N, 1, rows, columns) how much each pixel counts"""

    def to(self, device: torch.device) -> Pictures:
        """The batch on another device."""
        return Pictures(self.z.to(device), self.windows, self.image.to(device), self.weight.to(device))


def embedded_config() -> ImageConfig:
    """The architecture of the embedded `portrait`: about 2.6 million weights, 256 pixels."""
    return ImageConfig(
        z_dim=teacher.LATENT_SIZE, w_dim=96, mapping_layers=4, channels=(192, 192, 192, 128, 96, 48, 24),
        conv_clamp=None,
    )  # fmt: skip


def make_pictures(seed: int, images: int, stage: Stage, device: torch.device | str = "cpu") -> Pictures:
    """The batch of a seed, the same whenever it is asked for."""
    random = torch.Generator(device=device).manual_seed(seed)
    z = torch.randn(images, teacher.LATENT_SIZE, generator=random, device=device)
    windows = random_window(stage, random)
    ((top, left),) = windows.corners
    down, across = torch.meshgrid(
        torch.arange(top, top + stage.window, device=device),
        torch.arange(left, left + stage.window, device=device),
        indexing="ij",
    )
    points = ((torch.stack([across, down], dim=2).flatten(0, 1) + 0.5) / stage.resolution).expand(images, -1, -1)
    parameters = teacher.parameters_from_latent(z, teacher.PARAMETERS)
    colors = teacher.draw_at(parameters, points, 1 / stage.resolution)
    near = torch.cdist(points, teacher.keypoints(parameters))
    factors = [stage.mouth if name.startswith("mouth") else 1.0 for name in teacher.KEYPOINTS]
    bumps = torch.exp(-0.5 * (near / NEIGHBOURHOOD).square()) * near.new_tensor(factors)
    weight = 1 + stage.emphasis * bumps.amax(dim=2)
    image = colors.transpose(1, 2).unflatten(2, windows.size)
    return Pictures(z, windows, image, weight[:, None].unflatten(2, windows.size))


def random_window(stage: Stage, random: torch.Generator) -> Windows:
    """A window inside the picture, near the middle of the face as often as the stage says, else anywhere.

    Windows at the border are as likely as if they could reach beyond it by a quarter.
    """
    free, margin = stage.resolution - stage.window, stage.window // 4
    corner = torch.randint(-margin, free + margin + 1, (2,), generator=random, device=random.device)
    around = torch.tensor(FACE, device=random.device) + 0.08 * torch.randn(2, generator=random, device=random.device)
    if float(torch.rand(1, generator=random, device=random.device)) < stage.faces:
        corner = (around * stage.resolution - stage.window / 2).round().long()
    top, left = corner.clamp(0, free).tolist()
    return Windows((stage.resolution,) * 2, (stage.window,) * 2, ((top, left),))


@dataclass(frozen=True)
class PortraitLesson:
    """Regression of a StyleGAN2 generator on the portrait teacher."""

    settings: PortraitSettings = PortraitSettings()
    config: ImageConfig = field(default_factory=embedded_config)

    def new_generator(self) -> ImageGenerator:
        """A generator with random weights, whose later blocks at first add nothing to the image."""
        generator = ImageGenerator(self.config, "portrait")
        first = self.settings.stages[0].resolution
        for i, block in enumerate(generator.synthesis.blocks):
            if self.config.map_size(i)[0] > first:
                torch.nn.init.zeros_(block.torgb.weight)
        return generator

    def mappings(self, generator: ImageGenerator) -> Iterable[MappingNetwork]:
        """The mapping network, whose average latent is measured in the end."""
        return (generator.mapping,)

    def stage(self, number: int) -> Stage:
        """The stage of a step."""
        return next((s for s in self.settings.stages if number < s.until), self.settings.stages[-1])

    def batch(self, number: int, device: torch.device | str = "cpu") -> Pictures:
        """The batch of a step, the same whenever it is asked for."""
        seed = self.settings.seed * 1_000_003 + number
        return make_pictures(seed, self.settings.images_per_step, self.stage(number), device)

    def losses(self, generator: ImageGenerator, batch: Pictures) -> dict[str, Tensor]:
        """Weighted means of absolute and squared errors in [-1, 1], and of those of differences between neighbours."""
        blocks = self.config.map_sizes.index(batch.windows.map_size) + 1
        plan = generator.synthesis.plan(batch.windows, blocks)
        _, images = generator.synthesis.run(generator.map(batch.z), plan.blocks, "none", images=True)
        image = images[-1] if plan.blocks[-1] == batch.windows else batch.windows.take(images[-1])
        error = image - (batch.image * 2 - 1)
        down, across = error.diff(dim=2).abs() * batch.weight[:, :, 1:], error.diff(dim=3).abs() * batch.weight[..., 1:]
        return {
            "absolute": (error.abs() * batch.weight).mean(),
            "square": self.settings.square_weight * (error.square() * batch.weight).mean(),
            "edges": self.settings.edge_weight * (down.mean() + across.mean()),
        }
