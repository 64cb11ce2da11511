"""Normals, closedness and pieces of triangle meshes."""

import numpy as np
import pytest
import torch
import trimesh

from get3d_models.mesh import components, is_watertight, vertex_normals


def tensors(mesh: trimesh.Trimesh) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(np.array(mesh.vertices), dtype=torch.float32), torch.tensor(np.array(mesh.faces))


SPHERE = trimesh.creation.icosphere(subdivisions=3)
BOX = trimesh.creation.box()


def test_the_normals_of_a_sphere_point_along_its_radii_at_any_size() -> None:
    vertices, faces = tensors(SPHERE)
    for size in (1e-6, 1.0, 1e6):
        assert (vertex_normals(vertices * size, faces) - vertices).norm(dim=1).max() < 0.02


def test_a_face_counts_by_its_area() -> None:
    vertices = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 3.0]])
    normals = vertex_normals(vertices, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    assert torch.allclose(normals[0], torch.tensor([3.0, 0, 1]) / 10**0.5)
    assert torch.allclose(normals[1], torch.tensor([0.0, 0, 1]))


def test_a_vertex_without_area_has_no_normal_and_harms_no_gradient() -> None:
    vertices = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5.0]], requires_grad=True)
    normals = vertex_normals(vertices, torch.tensor([[0, 1, 2]]))
    assert normals[3].tolist() == [0, 0, 0]
    normals.sum().backward()
    assert torch.isfinite(vertices.grad).all()
    nothing = vertex_normals(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    assert nothing.shape == (0, 3)


def test_the_gradient_of_normals_is_right() -> None:
    vertices, faces = tensors(BOX)
    vertices = (vertices.double() + 0.1 * torch.rand(vertices.shape, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, faces), (vertices,))


@pytest.mark.parametrize("mesh", [SPHERE, BOX, trimesh.creation.torus(1, 0.3)])
def test_a_closed_mesh_is_watertight_until_a_face_is_missing_or_turned(mesh: trimesh.Trimesh) -> None:
    _, faces = tensors(mesh)
    turned = faces.clone()
    turned[3] = turned[3].flip(0)
    assert is_watertight(faces)
    assert not is_watertight(faces[1:])
    assert not is_watertight(turned)
    assert not is_watertight(torch.cat([faces, faces[:1]]))
    assert not is_watertight(faces[:0])


def test_pieces_are_counted_without_unused_vertices() -> None:
    vertices, faces = tensors(BOX)
    assert components(vertices, faces) == 1
    two = torch.cat([vertices, vertices + 3, torch.zeros(4, 3)]), torch.cat([faces, faces + len(vertices)])
    assert components(*two) == 2
    assert components(vertices, faces[:0]) == 0
