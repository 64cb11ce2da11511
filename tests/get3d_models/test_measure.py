"""The figures on a model's card: right for a student that is its teacher, for one that is nothing, and for blobs."""

import types
from dataclasses import replace

import pytest
import torch

from get3d_models import GeneratorConfig
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.marching import marching_tetrahedra
from get3d_models.tetgrid import grid
from get3d_models.training import quadruped as teacher
from get3d_models.training.measure import (
    held_out_latents,
    measure_generator,
    measure_shape,
    occupancy,
    volume_points,
)

POINTS = volume_points(40)


class TeacherAsStudent:
    """Answers like a generator, with the teacher's own field and colours; ``inflated`` and ``tinted`` by a constant.

    The codes themselves pass for W and for planes, and points for their features.
    """

    def __init__(self, inflated: float = 0.0, tinted: float = 0.0, islands: int = 0):
        self.inflated, self.tinted, self.islands = inflated, tinted, islands
        self.config, self.name = types.SimpleNamespace(z_dim=teacher.LATENT_SIZE), "teacher"
        self.grid = grid("body-centred", 32, 1.0)

    def map_geometry(self, z):
        return z[:, None]

    map_texture = map_geometry

    def features(self, planes, points):
        return points

    def deformation(self, features, ws):
        return torch.zeros_like(features)

    def signed_distance(self, points, ws):
        parts = teacher.pose(teacher.parameters_from_latent(ws[:, 0], teacher.SHAPE_PARAMETERS))
        distance = teacher.signed_distance(parts, points) + self.inflated
        for island in range(self.islands):
            center = torch.tensor([0.4, 0.4 - 0.2 * island, -0.42])
            distance = torch.maximum(distance, 0.06 - (points - center).norm(dim=-1))
        return 10 * distance

    def shape(self, latents):
        return StudentShape(self, latents)


class StudentShape:
    def __init__(self, student, latents):
        self.student, self.latents = student, latents
        self.planes = types.SimpleNamespace(geometry=None)
        field = torch.cat([self.signed_distance(p) for p in student.grid.vertices.split(1 << 15)])
        self.vertices, self.faces = marching_tetrahedra(student.grid, field, student.grid.vertices)

    def signed_distance(self, points):
        return self.student.signed_distance(points[None], self.latents.geometry[None])[0]

    def colors(self, points):
        parts = teacher.pose(teacher.parameters_from_latent(self.latents.geometry, teacher.SHAPE_PARAMETERS))
        texture = teacher.parameters_from_latent(self.latents.texture, teacher.TEXTURE_PARAMETERS)
        return teacher.colors(parts, texture, points[None])[0] + self.student.tinted


def figures_of(student):
    z_geometry, z_texture = held_out_latents(1, teacher.LATENT_SIZE)
    return measure_shape(student, z_geometry, z_texture, POINTS)


def test_the_teacher_itself_has_no_errors():
    figures = figures_of(TeacherAsStudent())
    assert figures.overlap == 1.0
    assert figures.color_error < 1e-6
    assert figures.distance_error < 1e-3  # the marched mesh is linear between grid points
    assert (figures.components, figures.watertight, figures.deformation) == (1, True, 0.0)
    assert max(figures.keypoint_distances) < 1e-4


def test_errors_are_those_that_were_made():
    figures = figures_of(TeacherAsStudent(inflated=0.01, tinted=-0.05))
    assert figures.color_error == pytest.approx(0.05, abs=1e-4)
    assert figures.distance_error == pytest.approx(0.01, abs=2e-3)
    assert figures.keypoint_distances == pytest.approx([0.01] * len(teacher.KEYPOINTS), abs=1e-3)
    parts = teacher.pose(teacher.parameters_from_latent(held_out_latents(1, 32)[0], teacher.SHAPE_PARAMETERS))
    distance = teacher.signed_distance(parts, POINTS[None])[0].numpy()
    assert figures.overlap == pytest.approx((distance > 0).sum() / (distance > -0.01).sum(), abs=1e-6)


def test_pieces_that_float_apart_are_counted():
    figures = figures_of(TeacherAsStudent(islands=2))
    assert (figures.components, figures.watertight) == (3, True)


def test_an_empty_student_overlaps_nothing():
    figures = figures_of(TeacherAsStudent(inflated=-1.0))
    assert (figures.overlap, figures.components, figures.watertight) == (0.0, 0, False)


def test_the_volume_is_sampled_evenly_inside_the_box():
    points = volume_points(4)
    assert points.shape == (64, 3) and points.abs().max() == 0.375
    assert torch.allclose(points.mean(dim=0), torch.zeros(3), atol=1e-7)
    assert len(points.unique(dim=0)) == 64


def test_held_out_latents_are_always_the_same_and_each_different():
    (first, texture), (again, _) = held_out_latents(4, 32), held_out_latents(4, 32)
    assert torch.equal(first, again)
    assert not torch.equal(first, texture) and len(first.unique(dim=0)) == 4


def test_the_summary_gives_means_and_worst_cases():
    figures = measure_generator(TeacherAsStudent(tinted=0.02), shapes=1, quiet=True)
    assert figures["shapes"] == figures["one_component"] == figures["watertight"] == 1
    assert figures["overlap_mean"] == figures["overlap_worst"] == 1.0
    assert figures["color_error_mean"] == figures["color_error_worst"] == 0.02
    assert set(figures["keypoint_distance_mean"]) == set(teacher.KEYPOINTS)
    assert len(figures["each"]) == 1


TINY = GeneratorConfig(
    z_dim=32, w_dim=8, mapping_layers=1, channels=(8, 8), plane_channels=4, decoder_width=8, decoder_layers=1,
    texture_features=4, conv_clamp=None, grid="body-centred", grid_resolution=8,
)  # fmt: skip


def test_the_occupancy_of_a_real_generator_is_where_its_field_is_positive():
    torch.manual_seed(0)
    generator = Generator(TINY).requires_grad_(False)
    ws = generator.map_geometry(torch.randn(1, 32))
    planes, points = generator.triplanes(ws).geometry, torch.rand(1001, 3) - 0.5

    def field():
        return generator.signed_distance(generator.features(planes, points[None]), ws)[0]

    generator.sdf_decoder.layers[-1].bias.sub_(field().median())  # a random network may be positive everywhere
    inside = occupancy(generator, planes, ws, points)
    assert torch.equal(inside, field() > 0)
    assert 450 < inside.sum() < 550


def test_a_model_with_other_latents_cannot_be_measured():
    generator = Generator(replace(TINY, z_dim=16), "chairs")
    with pytest.raises(InputError, match="'chairs' has latents of 16 numbers, its teacher of 32"):
        measure_generator(generator, 1, quiet=True)
