"""Refreshing the surface of a changing shape gives what extracting it anew would give."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from get3d_models import Generator, GeneratorConfig
from get3d_models.refresh import SurfaceRefresh

CONFIG = GeneratorConfig(
    z_dim=8, w_dim=8, mapping_layers=1, channels=(24, 24, 24, 24, 24), plane_channels=4, decoder_width=8,
    decoder_layers=1, grid="a15", grid_resolution=40, conv_clamp=None,
)  # fmt: skip


class Ball:
    """A generator in which a field of our choosing stands in for the decoder of the signed distance."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.generator = Generator(CONFIG).requires_grad_(False)
        self.latents = self.generator.latents(0).geometry
        self.center, self.radius = torch.tensor([0.05, 0.0, 0.0]), 0.12
        self.asked = 0
        self.generator.signed_distance = self.signed_distance  # type: ignore[method-assign]
        features = self.generator.features

        def remember(planes: object, points: Tensor) -> Tensor:
            self.points = points
            return features(planes, points)  # type: ignore[arg-type]

        self.generator.features = remember  # type: ignore[method-assign]

    def signed_distance(self, features: Tensor, ws: Tensor) -> Tensor:
        """A ball, with a little of the planes so that these matter."""
        self.asked += features.shape[1]
        return self.radius - (self.points - self.center).norm(dim=2) + 1e-3 * torch.tanh(features.mean(dim=2))

    def same_as_from_scratch(self, refresh: SurfaceRefresh, latents: Tensor) -> bool:
        vertices, faces = refresh(latents)
        full_vertices, full_faces = SurfaceRefresh(self.generator)(latents)
        return torch.equal(faces, full_faces) and bool(torch.allclose(vertices, full_vertices, atol=1e-6))


@pytest.fixture
def ball() -> Ball:
    return Ball()


def test_the_first_surface_is_extracted_in_full(ball: Ball) -> None:
    refresh = SurfaceRefresh(ball.generator)
    vertices, faces = refresh(ball.latents)
    assert refresh.was_full
    shape = ball.generator.shape(ball.generator.latents(0))
    assert torch.equal(faces, shape.faces)
    assert torch.equal(vertices, shape.vertices)


def test_a_surface_that_moves_a_little_is_the_same_as_from_scratch_for_fewer_queries(ball: Ball) -> None:
    refresh = SurfaceRefresh(ball.generator)
    refresh(ball.latents)
    everything = ball.asked
    for i in range(4):
        ball.center = ball.center + torch.tensor([0.02, -0.01, 0.015])
        ball.asked = 0
        refresh(ball.latents + 0.1 * i)
        assert not refresh.was_full
        assert ball.asked < everything / 2
        assert ball.same_as_from_scratch(refresh, ball.latents + 0.1 * i)


def test_a_surface_that_grows_out_of_its_box_is_extracted_in_full(ball: Ball) -> None:
    refresh = SurfaceRefresh(ball.generator)
    refresh(ball.latents)
    ball.radius = 0.4
    assert ball.same_as_from_scratch(refresh, ball.latents)
    assert refresh.was_full


def test_a_full_extraction_can_be_asked_for_and_sees_what_appeared_elsewhere(ball: Ball) -> None:
    refresh = SurfaceRefresh(ball.generator)
    refresh(ball.latents)
    before = ball.signed_distance

    def two(features: Tensor, ws: Tensor) -> Tensor:
        other = 0.05 - (ball.points - torch.tensor([-0.4, -0.4, -0.4])).norm(dim=2)
        return torch.maximum(before(features, ws), other)

    ball.generator.signed_distance = two  # type: ignore[method-assign]
    near = refresh(ball.latents)[0]
    assert float(near[:, 0].min()) > -0.2
    everywhere = refresh(ball.latents, full=True)[0]
    assert refresh.was_full
    assert float(everywhere[:, 0].min()) < -0.4


@pytest.mark.parametrize("radius", [-0.2, 2.0])
def test_empty_and_full_shapes_are_extracted_in_full_before_and_after(ball: Ball, radius: float) -> None:
    refresh = SurfaceRefresh(ball.generator)
    for value in (0.12, radius, 0.12):
        ball.radius = value
        assert ball.same_as_from_scratch(refresh, ball.latents)
    assert refresh.was_full


def test_a_known_shape_spares_the_first_full_extraction(ball: Ball) -> None:
    refresh = SurfaceRefresh(ball.generator)
    refresh.remember(ball.generator.shape(ball.generator.latents(0)))
    ball.center = ball.center + torch.tensor([0.02, -0.01, 0.015])
    assert ball.same_as_from_scratch(refresh, ball.latents)
    assert not refresh.was_full


def test_planes_of_the_surface_have_its_colours(ball: Ball) -> None:
    refresh, latents = SurfaceRefresh(ball.generator), ball.generator.latents(0)
    for _ in range(2):
        vertices, _ = refresh(latents.geometry, ws_texture=latents.texture)
        assert refresh.planes is not None and refresh.planes.texture is not None
        with torch.no_grad():
            colors = ball.generator.colors(refresh.planes.texture, latents.texture[None], vertices[None])[0]
        ball.points = vertices[None]  # what the ball takes its features at
        assert torch.allclose(colors, ball.generator.shape(latents).colors(vertices), atol=1e-5)
    assert not refresh.was_full
