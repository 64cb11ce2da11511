"""Layers of painted surfaces, and the solids that mark places."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import trimesh

from drag3d.rendering.camera import OrthographicCamera, orbit
from drag3d.rendering.painting import Layer, Painter, Surface
from drag3d.rendering.shading import to_linear
from drag3d.rendering.solids import Solid, arrow, ball

CAMERA = OrthographicCamera((0, 0, 3), height=2.0)
SIZE = (100, 140)


def disc(x: float = 0.0, z: float = 0.0, radius: float = 0.5, mark: bool = False) -> Surface:
    angle = torch.arange(65) * (2 * math.pi / 64)
    ring = torch.stack([x + radius * angle.cos(), radius * angle.sin(), torch.full((65,), z)], dim=1)
    vertices = torch.cat([torch.tensor([[x, 0.0, z]]), ring])
    faces = torch.stack([torch.zeros(64, dtype=torch.int64), torch.arange(1, 65), torch.arange(2, 66)], dim=1)
    normals = torch.tensor([[0.0, 0.0, 1.0]]).expand(66, 3)
    return Surface(vertices, faces, normals, torch.tensor([[0.5, 0.2, 0.1]]), mark=mark)


def area(cover: torch.Tensor) -> float:
    """In world units, of an image by CAMERA."""
    return float(cover.double().sum()) * (2.0 / SIZE[0]) ** 2


def test_cover_is_the_area_that_a_surface_has() -> None:
    layer = Painter([disc()]).paint(CAMERA, SIZE)
    assert area(layer.cover) == pytest.approx(32 * 0.25 * math.sin(2 * math.pi / 64), rel=0.004)
    assert float(layer.cover.min()) >= -1e-6 and float(layer.cover.max()) <= 1 + 1e-6
    edge = layer.cover[(layer.cover > 0.01) & (layer.cover < 0.99)]
    assert len(edge) > 100 and len(edge.unique()) > 30  # many degrees of cover, not five


def test_only_the_part_with_something_in_it_is_painted() -> None:
    layer = Painter([disc(x=0.8, radius=0.2)]).paint(CAMERA, SIZE)
    height, width = layer.cover.shape
    assert height < 26 and width < 26
    row, column = layer.corner
    rows, columns = np.nonzero(layer.cover.numpy() > 0.5)
    assert row + rows.mean() == pytest.approx(49.5, abs=0.3)
    assert column + columns.mean() == pytest.approx(69.5 + 0.8 * 50, abs=0.3)


@pytest.mark.parametrize("camera", [OrthographicCamera((5, 0, 3), (5, 0, 0)), orbit(0, 0, 0.2), orbit(180, 0, 30.0)])
def test_what_is_beside_around_or_behind_the_camera_is_no_trouble(camera: object) -> None:
    image = torch.zeros(*SIZE, 3)
    Painter([disc(), disc(z=4.0)]).paint(camera, SIZE).over(image)
    assert bool(torch.isfinite(image).all())


def test_marks_are_told_from_what_they_mark() -> None:
    layer = Painter([disc(), disc(z=0.5, radius=0.1, mark=True)]).paint(CAMERA, SIZE)
    assert area(layer.marked) == pytest.approx(math.pi * 0.01, rel=0.02)
    assert area(layer.cover) == pytest.approx(math.pi * 0.25, rel=0.01)


def test_a_layer_lies_over_what_is_below_it_and_under_what_is_above() -> None:
    half, none = torch.full((2, 2), 0.5), torch.zeros(2, 2)
    layer = Layer(torch.full((2, 2, 3), 0.25), half, none, (1, 1))
    image = torch.ones(4, 4, 3)
    layer.over(image)
    assert image[1:3, 1:3].unique().tolist() == [0.75] and float(image.sum()) == 48 - 12 * 0.25
    image, below = torch.ones(4, 4, 3), torch.zeros(4, 4)
    below[1] = 1.0
    layer.over(image, 0.5, below)
    assert image[1].unique().tolist() == [1.0] and image[2, 1:3].unique().tolist() == [0.875]


def test_the_inside_of_an_open_surface_is_lit_like_its_outside() -> None:
    image = []
    for position in ((0, 0, 3), (0, 0, -3)):
        layer = Painter([disc()]).paint(OrthographicCamera(position, height=2.0), SIZE)
        image.append(layer.color[layer.cover > 0.99].mean(dim=0))
    assert torch.allclose(image[0], image[1], atol=0.03)


def test_a_hidden_surface_shows_nothing() -> None:
    red = disc(z=-1.0, radius=0.2)
    layers = [Painter(surfaces).paint(CAMERA, SIZE) for surfaces in ([disc()], [disc(), red])]
    assert torch.equal(layers[0].color, layers[1].color)


def test_a_texture_takes_the_place_of_the_color() -> None:
    plain = disc()
    uv = torch.full((len(plain.vertices), 2), 0.5)
    texture = to_linear(torch.full((4, 4, 3), 0.5))
    white = Surface(plain.vertices, plain.faces, plain.normals, torch.ones(1, 3), uv=uv, texture=texture)
    gray = Surface(plain.vertices, plain.faces, plain.normals, to_linear(torch.full((1, 3), 0.5)))
    one, two = (Painter([surface]).paint(CAMERA, SIZE) for surface in (white, gray))
    assert torch.allclose(one.color, two.color, atol=1e-4)


# ---- solids ---------------------------------------------------------------------------------------------------------


def volume(solid: Solid) -> float:
    mesh = trimesh.Trimesh(solid.vertices.numpy(), solid.faces.numpy(), process=False)
    mesh.merge_vertices()
    assert mesh.is_watertight
    return float(mesh.volume)  # negative if faces were clockwise


def test_a_ball_is_round_and_closed() -> None:
    solid = ball((1.0, 2.0, 3.0), 0.5)
    away = solid.vertices - torch.tensor([1.0, 2.0, 3.0])
    assert torch.allclose(away.norm(dim=1), torch.tensor(0.5), atol=1e-5)
    assert torch.allclose(solid.normals, away / 0.5, atol=1e-5)
    assert volume(solid) == pytest.approx(4 / 3 * math.pi / 8, rel=0.02)


@pytest.mark.parametrize("end", [(2.0, 0, 0), (0, -3.0, 0), (1.0, 1.0, 1.0), (0, 0, 0.3)])
def test_an_arrow_fills_the_gap_between_two_balls(end: tuple[float, float, float]) -> None:
    solid = arrow((0, 0, 0), end, 0.1)
    assert solid is not None
    length = math.dist((0, 0, 0), end)
    along = solid.vertices @ (torch.tensor(end) / length).float()
    assert float(along.min()) == pytest.approx(0.1, abs=1e-5)
    assert float(along.max()) == pytest.approx(length - 0.1, abs=1e-5)
    assert volume(solid) > 0
    corner = solid.vertices[solid.faces]
    outward = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    agree = (outward * solid.normals[solid.faces].mean(dim=1)).sum(dim=1)
    assert bool((agree >= -1e-7).all())


def test_where_balls_touch_there_is_no_arrow() -> None:
    assert arrow((0, 0, 0), (0.2, 0, 0), 0.1) is None
    assert arrow((0, 0, 0), (0, 0, 0), 0.1) is None
