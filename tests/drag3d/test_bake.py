"""A baked texture has the surface's colours wherever bilinear sampling on the surface looks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from drag3d.export.atlas import Atlas
from drag3d.export.atlas_kernels import nearest
from drag3d.export.bake import REACH, bake, surface_points
from drag3d.export.box_unwrap import box_unwrap
from drag3d.rendering import interpolate, rasterize
from drag3d.rendering.texturing import sample_texture

EIGHT_BITS = 0.5 / 255 + 1e-6


def waves(points: Tensor) -> Tensor:
    """A smooth colour field that has no direction or place in common with any chart."""
    a, b, c = (points @ torch.tensor(axis) for axis in ([3.0, 1.0, -2.0], [-1.0, 4.0, 1.0], [2.0, -1.0, 3.0]))
    return 0.5 + 0.5 * torch.stack([torch.sin(a), torch.sin(b + 1), torch.sin(c + 2)], dim=1)


def ball() -> tuple[np.ndarray, np.ndarray]:
    mesh = trimesh.creation.icosphere(3)
    return (mesh.vertices * [0.5, 0.3, 0.4]).astype(np.float32), mesh.faces.astype(np.int64)


def on_the_surface(atlas: Atlas, vertices: np.ndarray, count: int) -> tuple[Tensor, Tensor]:
    """Random places of the surface, half of them on cuts: texture coordinates (K, 2) and points (K, 3)."""
    rng = np.random.default_rng(0)
    edges = np.sort(atlas.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, uses = np.unique(edges, axis=0, return_counts=True)
    cuts = edges[uses == 1][rng.integers(0, (uses == 1).sum(), count // 2)]
    on_cuts = np.concatenate([cuts, cuts[:, :1]], axis=1)
    corners = np.concatenate([on_cuts, atlas.faces[rng.integers(0, len(atlas.faces), count - count // 2)]])
    weights = rng.dirichlet(np.ones(3), count)
    uv = (weights[:, :, None] * atlas.uv[corners]).sum(axis=1)
    points = (weights[:, :, None] * vertices[atlas.origin[corners]]).sum(axis=1)
    return torch.from_numpy(uv).float(), torch.from_numpy(points).float()


@pytest.mark.parametrize(("texture_size", "tolerance"), [(64, 0.08), (256, 0.02), (1024, 0.006)])
def test_sampled_at_any_place_of_the_surface_it_has_the_colour_there(texture_size: int, tolerance: float) -> None:
    vertices, faces = ball()
    atlas = box_unwrap(vertices, faces, texture_size)
    texture = bake(waves, vertices, atlas, texture_size)
    uv, points = on_the_surface(atlas, vertices, 20_000)
    found = sample_texture(torch.from_numpy(texture).float() / 255, uv)
    assert float((found - waves(points)).abs().max()) < tolerance


def test_seams_do_not_show_in_the_first_mipmap() -> None:
    """The texture is halved by averaging, as renderers do it: at cuts it must not be worse than elsewhere."""
    vertices, faces = ball()
    atlas = box_unwrap(vertices, faces, 1024)
    texture = torch.from_numpy(bake(waves, vertices, atlas, 1024)).float() / 255
    smaller = torch.nn.functional.avg_pool2d(texture.permute(2, 0, 1)[None], 2)[0].permute(1, 2, 0)
    uv, points = on_the_surface(atlas, vertices, 20_000)
    assert float((sample_texture(smaller, uv) - waves(points)).abs().max()) < 0.012


def test_without_padding_seams_would_show() -> None:
    """So that the tests above can fail: the colours of the texels inside of triangles alone do not do."""
    vertices, faces = ball()
    atlas = box_unwrap(vertices, faces, 256)
    texture = bake(waves, vertices, atlas, 256)
    texture[rasterized(atlas, 256) < 0] = 0
    uv, points = on_the_surface(atlas, vertices, 20_000)
    assert float((sample_texture(torch.from_numpy(texture).float() / 255, uv) - waves(points)).abs().max()) > 0.2


def rasterized(atlas: Atlas, size: int) -> np.ndarray:
    clip, faces = flat(atlas)
    return rasterize(clip, faces, (size, size)).triangle.numpy()


def flat(atlas: Atlas) -> tuple[Tensor, Tensor]:
    uv = torch.from_numpy(atlas.uv)
    clip = torch.cat([uv * 2 - 1, torch.zeros(len(uv), 1), torch.ones(len(uv), 1)], dim=1)
    return clip, torch.from_numpy(atlas.faces)


def test_texels_inside_of_triangles_are_those_of_the_rasteriser() -> None:
    vertices, faces = ball()
    atlas = box_unwrap(vertices, faces, 512)
    triangle, barycentric = surface_points(atlas, 512)
    clip, corners = flat(atlas)
    fragments = rasterize(clip, corners, (512, 512))
    expected = fragments.triangle.numpy()
    inside = expected >= 0
    assert (triangle[inside] == expected[inside]).mean() > 0.9999  # texels on an edge, but for rounding
    positions = interpolate(torch.from_numpy(vertices[atlas.origin]), corners, fragments).numpy()
    own = (barycentric[..., None] * vertices[atlas.origin[atlas.faces[triangle]]]).sum(axis=2)
    assert np.abs(own - positions)[inside].max() < 1e-5
    assert (triangle >= 0).sum() > inside.sum()


def test_texels_beside_triangles_get_the_nearest_point_by_brute_force() -> None:
    rng = np.random.default_rng(1)
    uv = rng.random((12, 2)).astype(np.float32) * 0.8 + 0.1
    faces = np.arange(12).reshape(-1, 3)
    triangle, barycentric = surface_points(Atlas(uv, np.arange(12), faces, np.zeros(4, np.int64)), 24)
    steps = np.linspace(0, 1, 201)
    grid = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-9])
    dense = grid @ uv[faces].astype(float) * 24 - 0.5  # (4, P, 2): each triangle full of points
    for i in range(24):
        for j in range(24):
            distance = np.linalg.norm(dense - [j, i], axis=2).min(axis=1)
            assert (triangle[i, j] >= 0) == (distance.min() <= REACH) or abs(distance.min() - REACH) < 0.05
            if triangle[i, j] >= 0:
                found = barycentric[i, j] @ uv[faces[triangle[i, j]]] * 24 - 0.5
                assert np.linalg.norm(found - [j, i]) < distance.min() + 0.05
                assert barycentric[i, j].sum() == pytest.approx(1, abs=1e-6) and barycentric[i, j].min() >= 0


def test_a_sliver_between_the_centres_of_texels_has_its_colours() -> None:
    """A strip a tenth of a texel wide covers no centre at all."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 0.01, 0], [0, 0.01, 0]], np.float32)
    uv = np.array([[0.1, 0.501], [0.9, 0.501], [0.9, 0.504], [0.1, 0.504]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    atlas = Atlas(uv, np.arange(4), faces, np.zeros(2, np.int64))
    assert rasterized(atlas, 32).max() == -1
    texture = bake(lambda p: torch.cat([p[:, :1], 1 - p[:, :1], 0 * p[:, :1]], dim=1), vertices, atlas, 32)
    at = torch.linspace(0.1, 0.9, 50)
    found = sample_texture(torch.from_numpy(texture).float() / 255, torch.stack([at, torch.full_like(at, 0.502)], 1))
    assert np.abs(found[:, 0].numpy() - (at.numpy() - 0.1) / 0.8).max() < 0.03
    assert float(found[:, 1].min()) > -EIGHT_BITS and float((found[:, 0] + found[:, 1] - 1).abs().max()) < 0.01


def test_everything_else_has_the_colour_of_the_nearest_texel() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]], np.float32)
    uv = np.array([[0.05, 0.05], [0.2, 0.05], [0.05, 0.2], [0.95, 0.95], [0.8, 0.95], [0.95, 0.8]], np.float32)
    atlas = Atlas(uv, np.arange(6), np.array([[0, 1, 2], [3, 4, 5]]), np.array([0, 1]))
    texture = bake(lambda p: torch.cat([0 * p[:, :1], 0 * p[:, :1] + 1, p[:, 2:]], 1), vertices, atlas, 64)
    assert (texture[:, :, 1] == 255).all()  # no texel was left empty
    assert texture[0, 0, 2] == 0 and texture[63, 63, 2] == 255
    assert texture[20, 20, 2] == 0 and texture[44, 44, 2] == 255


def test_colours_are_asked_for_in_chunks_and_progress_is_told() -> None:
    vertices, faces = ball()
    atlas = box_unwrap(vertices, faces, 512)
    asked: list[int] = []
    told: list[tuple[str, int, int | None]] = []

    def colors(points: Tensor) -> Tensor:
        asked.append(len(points))
        return waves(points)

    bake(colors, vertices, atlas, 512, lambda *said: told.append(said))
    assert len(asked) > 1 and max(asked) <= 1 << 13
    assert sum(asked) == (surface_points(atlas, 512)[0] >= 0).sum()
    assert [done for _, done, _ in told] == np.cumsum([0, *asked[:-1]]).tolist()
    assert {(what, total) for what, _, total in told} == {("baking", sum(asked))}


def test_the_kernel_gives_the_same_as_plain_python() -> None:
    """Which runs where numba cannot."""
    vertices, faces = ball()
    atlas = box_unwrap(vertices, faces[:60], 64)
    triangle, barycentric = np.full((64, 64), -1, np.int32), np.zeros((64, 64, 3), np.float32)
    texels = atlas.uv.astype(np.float64) * 64 - 0.5
    nearest(texels, atlas.faces, REACH, triangle, barycentric, np.full((64, 64), np.inf, np.float32))
    compiled = surface_points(atlas, 64)
    assert np.array_equal(triangle, compiled[0]) and np.allclose(barycentric, compiled[1], atol=1e-6)
