"""A shape in a picture as a subject: what is seen at a pixel, how it changes with the latents, and what is hidden."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from drag3d.core import Drag, DragSettings
from drag3d.rendering import orbit, pixel_rays, pixels_of
from drag3d.subjects.view import Sight, ViewField, ViewSubject, held_vertices, meet
from get3d_models import Generator
from get3d_models.errors import InputError
from get3d_models.keypoints import keypoints

CAMERA = orbit(60, 15, 2.8, field_of_view=25)
SIZE = (200, 240)


@pytest.fixture(scope="module")
def subject(small_quadruped: Generator) -> ViewSubject:
    return ViewSubject(small_quadruped, small_quadruped.latents(3), CAMERA, SIZE)


@pytest.fixture(scope="module")
def painted(small_quadruped: Generator) -> ViewSubject:
    return ViewSubject(small_quadruped, small_quadruped.latents(3), CAMERA, SIZE, "texture")


def field_of(subject: ViewSubject, latents: Tensor | None = None) -> ViewField:
    latents = subject.start if latents is None else latents
    return subject.field(latents, torch.zeros(1, 2), math.inf)


def pixels_on(subject: ViewSubject, count: int, seed: int = 0, border: int = 0) -> Tensor:
    """Pixels (count, 2), between whole numbers, that show the shape and are at least ``border`` from its outline."""
    height, width = subject.size
    every = torch.cartesian_prod(torch.arange(width), torch.arange(height)).float()
    shows = subject.sight_of(subject.start).shows(every).view(width, height)
    inner = -torch.nn.functional.max_pool2d(-shows[None].float(), 2 * border + 1, 1, border)[0] > 0
    pixels = every[inner.flatten()]
    random = torch.Generator().manual_seed(seed)
    return pixels[torch.randperm(len(pixels), generator=random)[:count]] + 0.8 * torch.rand(count, 2, generator=random)


# ---- rays -----------------------------------------------------------------------------------------------------------


def sphere(start: Tensor, ray: Tensor) -> object:
    return lambda along: 1 - (start + along[..., None] * ray).norm(dim=-1)


def test_a_ray_that_hits_a_ball_enters_where_geometry_says() -> None:
    start = torch.tensor([[0.0, 0.3, 3.0], [-0.5, 0.2, 3.0], [0.0, 0.0, 3.0]], dtype=torch.float64)
    ray = torch.tensor([[0.0, 0.0, -1.0]], dtype=torch.float64).expand(3, -1)
    true = 3 - (1 - start[:, :2].square().sum(dim=1)).sqrt()
    along, slope, hit = meet(sphere(start, ray), true + torch.tensor([0.03, -0.03, 0.01]), 0.02)  # type: ignore[arg-type]
    assert bool(hit.all())
    assert torch.allclose(along, true, atol=1e-6)
    assert torch.allclose(slope, (1 - start[:, :2].square().sum(dim=1)).sqrt(), atol=1e-3)


def test_a_ray_that_misses_a_ball_stops_where_it_is_nearest() -> None:
    start = torch.tensor([[0.0, 1.02, 3.0], [-1.1, 0.2, 3.0]], dtype=torch.float64)
    ray = torch.tensor([[0.0, 0.0, -1.0]], dtype=torch.float64).expand(2, -1)
    along, _, hit = meet(sphere(start, ray), torch.tensor([2.95, 3.04], dtype=torch.float64), 0.02)  # type: ignore[arg-type]
    assert not bool(hit.any())
    assert torch.allclose(along, torch.full((2,), 3.0, dtype=torch.float64), atol=2e-3)


# ---- what is seen ---------------------------------------------------------------------------------------------------


def first_seen(subject: ViewSubject, pixels: Tensor) -> Tensor:
    """The slow way: along each ray, the first of thousands of samples that lies inside."""
    start, ray = pixel_rays(subject.camera, pixels, subject.size)
    along = torch.linspace(1.8, 3.6, 3001)
    points = start[:, None] + along[None, :, None] * ray[:, None]
    inside = subject.surface.shape.signed_distance(points.reshape(-1, 3)).view(len(pixels), -1) > 0
    assert bool(inside.any(dim=1).all())
    return points[torch.arange(len(pixels)), inside.to(torch.uint8).argmax(dim=1)]


def test_what_is_seen_at_a_pixel_is_the_first_point_of_the_surface_along_its_ray(subject: ViewSubject) -> None:
    pixels = pixels_on(subject, 300, border=3)
    seen = field_of(subject).lift(pixels)
    away = (seen - first_seen(subject, pixels)).norm(dim=1)
    # Samples are 0.0006 apart; near outlines within the shape a coarse pixel may tell of the part behind.
    assert float(away.median()) < 6e-4
    assert float((away < 2e-3).float().mean()) > 0.97


def test_a_point_seen_at_a_pixel_is_projected_there(subject: ViewSubject) -> None:
    pixels = pixels_on(subject, 300)
    field = field_of(subject)
    seen = field.lift(pixels)
    assert float((pixels_of(CAMERA, seen, SIZE) - pixels).abs().max()) < 2e-3
    assert torch.equal(subject.places(seen), pixels_of(CAMERA, seen, SIZE))
    level = field.surface.signed(seen).detach()
    inner = pixels_on(subject, 300, border=3)
    assert float(level.abs().median()) < 1e-4
    assert float(field.surface.signed(field.lift(inner)).detach().abs().max()) < 0.02 * subject.level_slope


def test_features_at_pixels_are_those_of_the_points_seen(subject: ViewSubject) -> None:
    pixels = pixels_on(subject, 50)
    field = field_of(subject)
    expected = field.surface.features(field.lift(pixels))
    assert torch.allclose(field.features(pixels), expected, atol=1e-4)


@pytest.mark.parametrize("moved", ["geometry", "both"])
def test_the_derivative_of_what_is_seen_is_that_of_finite_differences(small_quadruped: Generator, moved: str) -> None:
    subject = ViewSubject(small_quadruped, small_quadruped.latents(3), CAMERA, SIZE, moved)
    pixels = pixels_on(subject, 40, border=6)
    rows = subject.start.clone().requires_grad_(True)
    field = field_of(subject, rows)
    weights = torch.randn(field.descriptors(pixels).shape, generator=torch.Generator().manual_seed(1))
    # Grazing rays have a derivative that is damped on purpose: leave them out.
    along = field.lift(pixels)
    ray = pixel_rays(CAMERA, pixels, SIZE)[1]
    ahead = (field.surface.signed(along + 1e-3 * ray) - field.surface.signed(along - 1e-3 * ray)).detach() / 2e-3
    steep = ahead > 0.5 * subject.level_slope
    assert int(steep.sum()) > 20
    (gradient,) = torch.autograd.grad((field.descriptors(pixels) * weights)[steep].sum(), rows)
    for number in range(4):
        group = subject.groups == subject.groups[-1 if number % 2 else 0]
        direction = subject.basis[:, number] * group[:, None]
        values = []
        for step in (0.02, -0.02):
            with torch.no_grad():
                values.append(
                    float(
                        (field_of(subject, subject.start + step * direction).descriptors(pixels) * weights)[steep].sum()
                    )
                )
        difference = (values[0] - values[1]) / 0.04
        assert float((gradient * direction).sum()) == pytest.approx(
            difference, rel=0.05, abs=0.02 * float(gradient.norm())
        )


def test_what_is_seen_goes_on_smoothly_across_a_silhouette(quadruped: Generator) -> None:
    subject = ViewSubject(quadruped, quadruped.latents(3), CAMERA, SIZE)
    covered = subject.sight_of(subject.start).covered
    row = int(covered.sum(dim=1).argmax())
    edge = float(torch.nonzero(covered[row]).min())  # the leftmost pixel of the widest row
    across = torch.arange(-5, 5, 0.1)
    line = torch.stack([edge + across, torch.full_like(across, float(row))], dim=1)
    field = field_of(subject)
    described = field.descriptors(line).detach()
    jumps = (described[1:] - described[:-1]).norm(dim=1)
    assert float(jumps.max()) < 0.25 * float((described[-1] - described[0]).norm())
    gap = described[:, -1]  # the last channel tells how far outside
    assert float(gap[-1]) == 0.0
    assert float(gap[0]) < float(gap[20]) < 0.0


def test_a_handle_may_be_where_the_shape_is_seen(subject: ViewSubject) -> None:
    pixels = pixels_on(subject, 20, border=1)
    field = field_of(subject)
    assert torch.equal(field.snap(pixels), pixels)
    beside = torch.tensor([[0.0, 0.0], [239.0, 199.0]])
    snapped = field.snap(beside)
    assert bool(subject.sight_of(subject.start).shows(snapped).all())
    every = torch.nonzero(subject.sight_of(subject.start).covered).flip(1).float()
    assert torch.allclose((snapped - beside).norm(dim=1), torch.cdist(beside, every).amin(dim=1), atol=1e-4)


def test_pixels_per_unit_are_those_of_the_projection_in_the_middle_of_the_shape(subject: ViewSubject) -> None:
    vertices = subject.surface.shape.vertices
    middle = (vertices.amin(dim=0) + vertices.amax(dim=0)) / 2
    up = CAMERA.view_matrix()[1, :3].float()
    ends = pixels_of(CAMERA, torch.stack([middle, middle + 0.05 * up]), SIZE)
    assert float((ends[1] - ends[0]).norm()) / 0.05 == pytest.approx(subject.magnification, rel=0.02)


def test_an_empty_view_is_refused_in_one_line(small_quadruped: Generator) -> None:
    away = orbit(0, 0, 2.8, focus=(50.0, 0.0, 0.0))
    subject = ViewSubject(small_quadruped, small_quadruped.latents(3), away, SIZE)
    with pytest.raises(InputError, match="nothing of the shape is seen in this view"):
        field_of(subject).lift(torch.zeros(1, 2))


# ---- texture --------------------------------------------------------------------------------------------------------


def test_texture_latents_change_colours_and_not_what_is_seen(painted: ViewSubject) -> None:
    pixels = pixels_on(painted, 50)
    other = painted.start + painted.basis[:, 0]
    before, after = field_of(painted), field_of(painted, other)
    assert torch.equal(before.lift(pixels), after.lift(pixels))
    assert float((before.descriptors(pixels) - after.descriptors(pixels)).detach().abs().max()) > 0.01
    assert torch.allclose(before.descriptors(pixels), before.surface.colors(before.lift(pixels)), atol=1e-6)


# ---- hidden and held ------------------------------------------------------------------------------------------------


def test_points_are_hidden_exactly_where_something_is_in_front_of_them(subject: ViewSubject) -> None:
    vertices = subject.surface.shape.vertices[::7]
    hidden = subject.hidden(subject.start, vertices)
    pixels = pixels_of(CAMERA, vertices, SIZE)
    shows = subject.sight_of(subject.start).shows(pixels)
    behind = torch.zeros(len(vertices))
    start, ray = pixel_rays(CAMERA, pixels[shows], SIZE)
    behind[shows] = ((vertices[shows] - start) * ray).sum(dim=1)
    samples = torch.linspace(1.8, 3.6, 1501)
    points = start[:, None] + samples[None, :, None] * ray[:, None]
    inside = subject.surface.shape.signed_distance(points.reshape(-1, 3)).view(len(start), -1) > 0
    first = samples[inside.to(torch.uint8).argmax(dim=1)]
    depth = (behind[shows] - first) / subject.diagonal
    clear = inside.any(dim=1) & ((depth - 0.04).abs() > 0.02)
    agree = (hidden[shows] == (depth > 0.04))[clear]
    assert float(agree.float().mean()) > 0.97
    assert 0.2 < float(hidden.float().mean()) < 0.8


def test_what_lies_behind_black_pixels_is_held_seen_or_not(subject: ViewSubject) -> None:
    mask = np.zeros(SIZE, dtype=bool)
    mask[:, :120] = True
    vertices = subject.surface.shape.vertices
    held = held_vertices(CAMERA, mask, vertices)
    x = pixels_of(CAMERA, vertices, SIZE)[:, 0]
    assert np.array_equal(np.sort(held), np.flatnonzero((x >= 119.5).numpy()))
    outside = vertices + torch.tensor([0.0, 50.0, 0.0])
    assert len(held_vertices(CAMERA, np.ones(SIZE, dtype=bool), outside)) == len(vertices)


# ---- drags ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["default", "draggan"])
def test_both_methods_bring_a_snout_nearer_in_the_picture(subject: ViewSubject, method: str) -> None:
    snout = keypoints(subject.generator, 3)["snout"]
    ends = subject.places(torch.stack([snout, snout + torch.tensor([0.0, 0.0, 0.08])]))
    handle = subject.sight_of(subject.start).onto(ends[:1])
    settings = DragSettings(method=method, max_steps=20)
    steps = list(Drag(subject, handle, handle + ends[1] - ends[0], settings))
    assert float(steps[0].distances[0]) > 8
    assert float(steps[-1].distances[0]) < 0.5 * float(steps[0].distances[0])
    lifted = subject.lifted(steps[-1].latents, steps[-1].handles)
    assert float((pixels_of(CAMERA, lifted, SIZE) - steps[-1].handles).norm()) < 0.05


def test_a_sight_is_as_coarse_as_it_may_be_whatever_the_size_of_the_picture(subject: ViewSubject) -> None:
    shape = subject.surface.shape
    fine = Sight(CAMERA, (1000, 1200), shape.vertices, shape.faces)
    assert max(fine.covered.shape) == 256
    pixels = pixels_on(subject, 200, border=2)
    near = fine.around((pixels + 0.5) * 5 - 0.5)
    away = (near - subject.sight_of(subject.start).around(pixels)).norm(dim=1)
    assert float(away.median()) < 0.01


@pytest.mark.parametrize("moved", ["geometry", "texture", "both"])
def test_what_many_latents_make_of_a_view_is_what_each_makes_to_first_order(
    small_quadruped: Generator, moved: str
) -> None:
    """The first of them exactly; another within a tenth of what it changes."""
    subject = ViewSubject(small_quadruped, small_quadruped.latents(3), CAMERA, SIZE, moved)
    nudge = torch.randn(subject.start.shape, generator=torch.Generator().manual_seed(0))
    many = torch.stack([subject.start, subject.start + 0.02 * subject.latent_unit * nudge])
    pixels = pixels_on(subject, 24, border=6).view(2, 12, 2)
    body = subject.rest[::40]
    with torch.no_grad():
        found = subject.responses(many, body, pixels)
        fields = [field_of(subject, latents) for latents in many]
        described = torch.stack([field.descriptors(pixels.flatten(0, 1)) for field in fields])
        level = torch.stack([field.surface.signed(body) for field in fields])[..., None]
        colors = None if moved == "geometry" else torch.stack([field.surface.colors(body) for field in fields])
    assert found.described is not None
    ours = found.described.flatten(1, 2)
    assert torch.allclose(ours[0], described[0], atol=1e-4 * float(described.abs().max()))
    change = described[1] - described[0]
    assert float((ours[1] - ours[0] - change).norm()) < 0.1 * float(change.norm())
    ratio = 1.0 if moved == "texture" else subject.color_weight / subject.gap_weight
    still = [] if moved == "texture" else [level]
    still += [] if colors is None else [ratio * colors]
    assert torch.allclose(found.still, torch.cat(still, dim=2), atol=1e-4)
