"""Shadows and occlusion: dark below and between, light in the open, and at the place where the camera has it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import trimesh

from drag3d.rendering.camera import OrthographicCamera, PerspectiveCamera, orbit, pixels_of
from drag3d.rendering.ground import Shadow, shadow_below, shadow_seen
from drag3d.rendering.hiding import hidden_from
from drag3d.rendering.occlusion import open_shares

SIZE = (120, 160)


def tensors(mesh: trimesh.Trimesh) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    vertices, faces, normals = (np.array(x) for x in (mesh.vertices, mesh.faces, mesh.vertex_normals))
    return torch.tensor(vertices).float(), torch.tensor(faces), torch.tensor(normals).float()


def cube(height: float = 0.0, x: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """A cube of edge 1 whose underside is at a height."""
    mesh = trimesh.creation.box(extents=[1, 1, 1])
    mesh.apply_translation([x, 0.5 + height, 0])
    return tensors(mesh)[:2]


def at(shadow: Shadow, x: float, z: float) -> float:
    pixel = [int((v - low) / shadow.breadth * len(shadow.darkness)) for v, low in ((z, shadow.back), (x, shadow.left))]
    return float(shadow.darkness[pixel[0], pixel[1]])


def test_a_shadow_is_darkest_at_what_touches_the_ground_and_fades() -> None:
    shadow = shadow_below(*cube(), 0.0)
    line = [at(shadow, x, 0.0) for x in (0.0, 0.45, 0.6, 0.8, 1.0, 1.15)]
    assert line[0] > 0.8 and line == sorted(line, reverse=True) and line[-1] < 0.15
    assert at(shadow, 0.6, 0) == pytest.approx(at(shadow, -0.6, 0), abs=0.04)
    assert at(shadow, 0.6, 0) == pytest.approx(at(shadow, 0, 0.6), abs=0.04)
    edge = torch.cat([shadow.darkness[0], shadow.darkness[-1], shadow.darkness[:, 0], shadow.darkness[:, -1]])
    assert float(edge.max()) < 0.01
    assert float(shadow.darkness.min()) >= 0 and float(shadow.darkness.max()) <= 1


def test_the_higher_a_shape_hangs_the_lighter_and_wider_its_shadow() -> None:
    shadows = [shadow_below(*cube(height), 0.0) for height in (0.0, 0.5, 1.5)]
    middle = [at(shadow, 0.0, 0.0) for shadow in shadows]
    assert middle[0] > middle[1] + 0.1 > middle[2] + 0.2
    width = [float((s.darkness > 0.5 * s.darkness.max()).sum()) * (s.breadth / len(s.darkness)) ** 2 for s in shadows]
    assert width[0] < width[1] < width[2]


@pytest.mark.parametrize("camera", [orbit(30, 40, 6.0), OrthographicCamera((2, 3, 2), height=5.0)])
def test_a_shadow_is_seen_where_the_camera_has_it(camera: object) -> None:
    shadow = shadow_below(*cube(x=0.7), 0.0)
    seen = shadow_seen(shadow, camera, SIZE)
    assert seen.shape == SIZE
    places = [(0.7, 0.0), (1.4, 0.2), (0.1, -0.3), (0.7, 0.8)]
    pixels = pixels_of(camera, torch.tensor([[x, 0.0, z] for x, z in places], dtype=torch.float64), SIZE).round().long()
    for (x, z), (column, row) in zip(places, pixels.tolist(), strict=True):
        assert float(seen[row, column]) == pytest.approx(at(shadow, x, z), abs=0.12)
    assert float(seen[0, 0]) == 0


@pytest.mark.parametrize("elevation", [0, -5, -60])
@pytest.mark.parametrize("perspective", [True, False])
def test_from_the_side_and_from_below_no_shadow_is_seen(elevation: float, perspective: bool) -> None:
    camera = orbit(0, elevation, 6.0, (0, -0.1, 0))
    if not perspective:
        camera = OrthographicCamera(camera.position, camera.focus)
    assert float(shadow_seen(shadow_below(*cube(), 0.0), camera, SIZE).max()) == 0


def test_behind_the_camera_there_is_no_shadow() -> None:
    camera = PerspectiveCamera((0, 0.8, 4.0), (0, 0.6, 9.0))
    assert float(shadow_seen(shadow_below(*cube(), 0.0), camera, SIZE).max()) == 0


# ---- occlusion ------------------------------------------------------------------------------------------------------


def test_a_ball_sees_everything_around_it() -> None:
    assert float(open_shares(*tensors(trimesh.creation.icosphere(3))).min()) > 0.93


def test_between_two_walls_it_is_dark_and_outside_it_is_not() -> None:
    walls = []
    for x in (-0.25, 0.25):
        wall = trimesh.creation.box(extents=[0.1, 2, 2]).subdivide().subdivide().subdivide()
        wall.apply_translation([x, 0, 0])
        walls.append(wall)
    mesh = trimesh.util.concatenate(walls)
    vertices, faces, _ = tensors(mesh)
    normals = torch.zeros_like(vertices)
    normals[:, 0] = torch.sign(vertices[:, 0]) * torch.where(vertices[:, 0].abs() > 0.25, 1.0, -1.0)
    share = open_shares(vertices, faces, normals)
    middle = (vertices[:, 1:].abs() < 0.5).all(dim=1)
    outside = vertices[:, 0].abs() > 0.25
    assert float(share[middle & outside].min()) > 0.95
    # Of what a place in the middle of the gap faces, the other wall hides all but a narrow rim.
    assert float(share[middle & ~outside].max()) < 0.3


def test_occlusion_does_not_depend_on_size_or_place() -> None:
    vertices, faces, normals = tensors(trimesh.creation.torus(1.0, 0.4))
    near = open_shares(vertices, faces, normals)
    far = open_shares(1e-3 * vertices + 5e-3, faces, normals)
    assert torch.allclose(near, far, atol=0.03)
    inner = vertices[:, :2].norm(dim=1) < 0.65
    outer = vertices[:, :2].norm(dim=1) > 1.35
    assert float(near[inner].mean()) < float(near[outer].mean()) - 0.1


# ---- hiding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("camera", [orbit(0, 0, 4.0), OrthographicCamera((0, 0, 4))])
def test_points_behind_a_surface_are_hidden_and_those_on_it_are_not(camera: object) -> None:
    vertices, faces, _ = tensors(trimesh.creation.icosphere(3))
    points = torch.tensor([
        [0, 0, 1.0], [0, 0, 0], [0, 0, -1.0], [0, 0, -3.0], [1.3, 0, 0], [0, 0, 2.0], [0.5, 0.5, math.sqrt(0.5)],
    ])  # fmt: skip
    assert hidden_from(camera, points, vertices, faces, 0.05).tolist() == [False, True, True, True, False, False, False]


def test_what_lies_behind_the_viewer_hides_nothing() -> None:
    vertices, faces, _ = tensors(trimesh.creation.icosphere(2))
    points = torch.tensor([[0.0, 0.0, -2.0]])
    camera = orbit(0, 0, 0.5, (0, 0, -2.0))  # between the point and the ball
    assert hidden_from(camera, points, vertices, faces).tolist() == [False]
    assert hidden_from(orbit(0, 0, 9.0, (0, 0, -2.0)), points, vertices, faces).tolist() == [True]


def test_no_points_are_no_trouble() -> None:
    vertices, faces, _ = tensors(trimesh.creation.icosphere(1))
    assert hidden_from(orbit(0), torch.zeros(0, 3), vertices, faces).tolist() == []
