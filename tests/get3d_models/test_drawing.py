"""Two-dimensional drawing: distances are distances, corners are where they are said to be, gradients are finite."""

import math

import pytest
import torch

from get3d_models.training import drawing

BEND, SLANT = 0.03, 0.01

SHAPES = {
    "ellipse": lambda x, y: drawing.ellipse(x, y, 0.3, 0.2),
    "superellipse": lambda x, y: drawing.superellipse(x, y, 0.3, 0.2, 2.6),
    "capsule": lambda x, y: drawing.capsule(x, y, (-0.2, -0.1), (0.1, 0.2), 0.05, 0.08),
    "lens": lambda x, y: drawing.lens(x, y, 0.3, -0.1, 0.15, bend=BEND, slant=SLANT, roundness=0.3),
    "arch_stroke": lambda x, y: drawing.arch_stroke(x, y, 0.3, -0.1, 0.03, 0.02, bend=BEND, slant=SLANT, roundness=0.3),
}


def plane(size: int = 201) -> tuple[torch.Tensor, torch.Tensor]:
    axis = torch.linspace(-0.5, 0.5, size, dtype=torch.float64)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


@pytest.mark.parametrize("name", SHAPES)
def test_a_distance_changes_by_one_per_unit_at_the_edge(name):
    x, y = (t.requires_grad_() for t in plane())
    distance = SHAPES[name](x, y)
    slope_x, slope_y = torch.autograd.grad(distance.sum(), (x, y))
    edge = distance.detach().abs() < 0.003
    slope = (slope_x.square() + slope_y.square()).sqrt()[edge]
    assert edge.sum() > 100
    assert slope.median() == pytest.approx(1.0, abs=0.05)
    assert slope.quantile(0.02) > 0.65 and slope.quantile(0.98) < 1.25  # less where a stroke tapers and bends


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_one_patch_away_from_the_border_and_positive_outside(name):
    x, y = plane()
    distance = SHAPES[name](x, y)
    border = torch.cat([distance[0], distance[-1], distance[:, 0], distance[:, -1]])
    assert distance.min() < 0 < border.min()


@pytest.mark.parametrize("name", SHAPES)
def test_gradients_are_finite_even_at_the_singular_points(name):
    x = torch.tensor([0.0, 0.3, -0.3, 0.0, 0.0, -0.2, 0.1], requires_grad=True)
    y = torch.tensor([0.0, 0.0, 0.0, 0.2, -0.1, -0.1, 0.2], requires_grad=True)
    gradients = torch.autograd.grad(SHAPES[name](x, y).sum(), (x, y))
    assert all(torch.isfinite(g).all() for g in gradients)


def test_an_ellipse_with_equal_axes_is_a_circle_with_the_exact_distance():
    x, y = plane()
    radius = (x.square() + y.square()).sqrt()
    away = radius > 1e-3
    assert torch.allclose(drawing.ellipse(x, y, 0.2, 0.2)[away], radius[away] - 0.2, atol=1e-5)


def test_a_superellipse_of_power_two_is_the_ellipse():
    x, y = plane()
    away = x.square() + y.square() > 0.01
    first, second = drawing.superellipse(x, y, 0.3, 0.2, 2.0), drawing.ellipse(x, y, 0.3, 0.2)
    assert torch.allclose(first[away], second[away], atol=1e-4)


def test_the_corners_and_middles_of_a_lens_lie_on_its_edge():
    x = torch.tensor([-0.3, 0.3, 0.0, 0.0], dtype=torch.float64)
    y = torch.tensor([BEND - SLANT, BEND + SLANT, -0.1, 0.15], dtype=torch.float64)
    assert torch.allclose(SHAPES["lens"](x, y), torch.zeros_like(x), atol=1e-9)


def test_a_lens_that_is_closed_or_inverted_reaches_no_further_than_its_corners():
    x, y = plane()
    beyond = x.abs() > 0.21
    for top in (0.10, 0.14):  # the bottom is at 0.1
        assert drawing.lens(x, y, 0.2, top, 0.10, bend=0.02, roundness=0.45)[beyond].min() > 0.009


def test_a_stroke_has_its_two_thicknesses():
    x = torch.tensor([0.0, 0.3], dtype=torch.float64)
    y = torch.tensor([-0.1, BEND + SLANT], dtype=torch.float64)
    assert SHAPES["arch_stroke"](x, y).tolist() == pytest.approx([-0.03, -0.02], abs=1e-5)


def test_coverage_goes_from_one_to_zero_across_its_width_and_is_a_half_on_the_edge():
    distance = torch.tensor([-1.0, -0.05, 0.0, 0.05, 1.0])
    assert drawing.coverage(distance, 0.1).tolist() == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])


@pytest.mark.parametrize("pixels_per_edge", [0.25, 1.0, 4.0])
def test_an_edge_of_the_given_width_looks_like_the_average_over_pixels(pixels_per_edge):
    softness, pixel = 0.01, 0.01 / pixels_per_edge
    center = torch.linspace(-0.05, 0.05, 101, dtype=torch.float64)
    within = (torch.arange(64, dtype=torch.float64) + 0.5) / 64 - 0.5
    average = drawing.coverage(center[:, None] + pixel * within, softness).mean(-1)
    direct = drawing.coverage(center, drawing.edge_width(softness, pixel))
    assert (average - direct).abs().max() < 0.045


def test_painting_lays_a_colour_over_where_it_covers():
    picture, color = torch.full((1, 3, 1, 3), 0.2), torch.tensor([1.0, 0.6, 0.2])[None, :, None, None]
    painted = drawing.paint(picture, color, torch.tensor([[[0.0, 0.5, 1.0]]]))
    assert painted[0, 0, 0].tolist() == pytest.approx([0.2, 0.6, 1.0])
    assert painted[0, 2, 0].tolist() == pytest.approx([0.2, 0.2, 0.2])


def test_pixel_centres_have_x_to_the_right_and_y_down():
    x, y = drawing.pixel_grid(4, torch.zeros(1))
    assert x[0, 3].tolist() == y[0, :, 1].tolist() == [0.125, 0.375, 0.625, 0.875]
    assert math.isclose(float(y[0, 3, 0]), 0.875)
