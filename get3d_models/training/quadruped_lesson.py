"""What the model `quadruped` learns from: points of the teacher's animals, their signed distance and colour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from get3d_models.config import GeneratorConfig
from get3d_models.generator import Generator
from get3d_models.layers import MappingNetwork
from get3d_models.training.fit import FitSettings
from get3d_models.training.samples import Batch, make_batch

DISTANCE_SCALE = 10.0
SURFACE_BAND = 0.03


@dataclass(frozen=True)
class QuadrupedSettings(FitSettings):
    """How the quadruped is trained."""

    shapes_per_step: int = 8
    points_per_shape: int = 3072
    color_weight: float = 0.4
    deformation_weight: float = 0.1


def embedded_config() -> GeneratorConfig:
    """The architecture of the embedded `quadruped`: about 1.2 million weights."""
    return GeneratorConfig(
        z_dim=32, w_dim=64, mapping_layers=3, channels=(128, 128, 128, 64, 32), plane_channels=32, decoder_width=64,
        decoder_layers=2, texture_features=16, conv_clamp=None, grid="body-centred", grid_resolution=40,
    )  # fmt: skip


def losses(generator: Generator, batch: Batch) -> dict[str, Tensor]:
    """The three terms: signed distance, colour near the surface, and no deformation.

    The target distance is scaled and clamped to [-1, 1]; the prediction is not clamped, so a point on the wrong side
    always gets a gradient, but beyond the clamped target on the right side it may be what it likes.
    """
    ws_geometry, ws_texture = generator.map_geometry(batch.z_geometry), generator.map_texture(batch.z_texture)
    planes = generator.triplanes(ws_geometry, ws_texture)
    assert planes.texture is not None
    features = generator.features(planes.geometry, batch.points)
    target = batch.distance * DISTANCE_SCALE
    error = generator.signed_distance(features, ws_geometry) - target.clamp(-1, 1)
    satisfied = (target.abs() >= 1) & (error.sign() == target.sign())
    distance = (torch.where(satisfied, 0.0, error.abs()) * side_weights(batch.distance)).mean()

    count = batch.points.shape[1] // 2  # the points drawn nearest to the surface come first
    raw = generator.texture_features(generator.features(planes.texture, batch.points[:, :count]), ws_texture)
    difference = (generator.raw_colors(raw, ws_texture) - (batch.color[:, :count] * 2 - 1)).abs().mean(dim=2)
    near = batch.distance[:, :count].abs() < SURFACE_BAND
    color = (difference * near).sum() / near.sum().clamp_min(1)

    # The grid stays put: the signed field alone carries the shape, and is smooth in the latents.
    offset = generator.deformation_decoder(features[:, ::16], ws_geometry[:, generator.config.plane_geometry_rows :])
    return {"distance": distance, "color": color, "deformation": torch.tanh(offset).abs().mean()}


def side_weights(distance: Tensor) -> Tensor:
    """Weights ``(N, M)`` that give both sides of the surface the same say, or an unsure network would inflate."""
    near = distance.abs() < SURFACE_BAND
    inside = near & (distance > 0)
    share = (inside.sum() / near.sum().clamp_min(1)).clamp(0.05, 0.95)
    return torch.where(near, torch.where(inside, 0.5 / share, 0.5 / (1 - share)), 1.0)


@dataclass(frozen=True)
class QuadrupedLesson:
    """Regression of a GET3D generator on the quadruped teacher."""

    settings: QuadrupedSettings = QuadrupedSettings()
    config: GeneratorConfig = field(default_factory=embedded_config)

    def new_generator(self) -> Generator:
        """A generator with random weights."""
        return Generator(self.config, "quadruped")

    def mappings(self, generator: Generator) -> Iterable[MappingNetwork]:
        """The mapping networks, whose average latents are measured in the end."""
        return generator.mapping_geometry, generator.mapping_texture

    def batch(self, number: int, device: torch.device | str = "cpu") -> Batch:
        """The batch of a step, the same whenever it is asked for."""
        settings = self.settings
        seed = settings.seed * 1_000_003 + number
        return make_batch(seed, settings.shapes_per_step, settings.points_per_shape, device)

    def losses(self, generator: Generator, batch: Batch) -> dict[str, Tensor]:
        """The terms of :func:`losses`, weighted."""
        weights = {"color": self.settings.color_weight, "deformation": self.settings.deformation_weight}
        return {name: weights.get(name, 1.0) * term for name, term in losses(generator, batch).items()}
