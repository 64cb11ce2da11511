"""A written shape looks like the generator's: what its files show is its colour field, and its mesh its surface."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from drag3d.export import ExportSettings, write_shape
from drag3d.export.mesh import vertex_normals
from drag3d.rendering import clip_points, interpolate, orbit, rasterize
from drag3d.rendering.texturing import sample_texture
from drag3d.session import Session
from get3d_models import Generator, Shape
from get3d_models.errors import InputError

VIEWS = [(0, 10), (90, 0), (200, 35), (300, -40), (30, 80)]


def textured(path: Path) -> tuple[trimesh.Trimesh, np.ndarray]:
    """The mesh in a file, and its texture, with row 0 at the top."""
    loaded = trimesh.load(path, process=False)
    if path.suffix == ".glb":
        [loaded] = loaded.geometry.values()
        return loaded, np.asarray(loaded.visual.material.baseColorTexture.convert("RGB"))
    return loaded, np.asarray(loaded.visual.material.image.convert("RGB"))


def difference(path: Path, shape: Shape, size: int = 512) -> float:
    """How far what a file shows is from the colour field: mean absolute difference over covered pixels of some views.

    One picture of each view has the texture, sampled bilinearly; the other the field's colour at the surface point.
    """
    mesh, picture = textured(path)
    vertices = torch.from_numpy(np.array(mesh.vertices)).float()
    faces = torch.from_numpy(np.array(mesh.faces)).long()
    uv = torch.from_numpy(np.array(mesh.visual.uv) * [1, -1] + [0, 1]).float()
    texture = torch.tensor(picture).float() / 255
    off: list[Tensor] = []
    for azimuth, elevation in VIEWS:
        fragments = rasterize(clip_points(orbit(azimuth, elevation), vertices, (size, size)), faces, (size, size))
        seen = fragments.triangle >= 0
        at = interpolate(torch.cat([vertices, uv], dim=1), faces, fragments)[seen]
        off.append((sample_texture(texture, at[:, 3:]) - shape.colors(at[:, :3])).abs().mean(dim=1))
    return float(torch.cat(off).mean())


@pytest.mark.parametrize("name", ["a.glb", "a.obj"])
@pytest.mark.parametrize(
    "settings",
    [
        ExportSettings(),
        ExportSettings(texture_size=512, simplify=3000),
        ExportSettings(texture_size=512, smooth=5),
        ExportSettings(texture_size=512, resolution=24),
        ExportSettings(texture_size=512, unwrap="quality", simplify=3000),
    ],
    ids=lambda s: " ".join(s.given()) or "default",
)
def test_a_picture_of_the_file_is_one_of_the_colour_field(
    quadruped: Generator, tmp_path: Path, name: str, settings: ExportSettings
) -> None:
    shape = quadruped.sample(3)
    assert difference(write_shape(tmp_path / name, shape, settings), shape) < 0.004


def test_another_shapes_colours_would_be_noticed(quadruped: Generator, tmp_path: Path) -> None:
    shape, other = quadruped.sample(3), quadruped.sample(3, texture_seed=4)
    assert difference(write_shape(tmp_path / "a.glb", shape, ExportSettings(texture_size=256)), other) > 0.02


def test_a_texture_has_what_colours_at_vertices_cannot_show(small_quadruped: Generator, tmp_path: Path) -> None:
    """On a coarse mesh the colour between vertices is the field's, not the mean of theirs."""
    shape = small_quadruped.sample(3)
    middles = shape.vertices[shape.faces].mean(dim=1)
    averaged = shape.vertex_colors[shape.faces].mean(dim=1)
    mesh, picture = textured(write_shape(tmp_path / "a.glb", shape))
    uv = torch.from_numpy(mesh.visual.uv[mesh.faces].mean(axis=1) * [1, -1] + [0, 1]).float()
    found = sample_texture(torch.tensor(picture).float() / 255, uv)
    expected = shape.colors(middles)
    assert float((found - expected).abs().mean()) < 0.2 * float((averaged - expected).abs().mean())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.glb", "a.obj"])
def test_forty_thousand_triangles_are_exported_completely(quadruped: Generator, tmp_path: Path, name: str) -> None:
    shape = quadruped.sample(3)
    path = write_shape(tmp_path / name, shape, ExportSettings(resolution=74))
    mesh, picture = textured(path)
    assert len(mesh.faces) == pytest.approx(40_000, rel=0.05) and picture.shape == (1024, 1024, 3)
    closed = trimesh.Trimesh(mesh.vertices, mesh.faces)
    closed.merge_vertices(merge_tex=True, merge_norm=True)
    assert closed.is_watertight and closed.volume > 0
    off = float(shape.signed_distance(torch.from_numpy(np.array(mesh.vertices)).float()).abs().mean())
    assert off < 0.25 * float(shape.signed_distance(shape.vertices[shape.faces].mean(dim=1)).abs().mean())
    assert difference(path, shape) < 0.004


def test_normals_on_both_sides_of_a_cut_are_those_of_the_uncut_vertex(quadruped: Generator, tmp_path: Path) -> None:
    shape = quadruped.sample(3)
    mesh, _ = textured(write_shape(tmp_path / "a.glb", shape, ExportSettings(texture_size=64)))
    corners = mesh.vertex_normals[mesh.faces]
    assert len(mesh.vertices) > len(shape.vertices)
    assert np.allclose(corners, shape.normals[shape.faces].numpy(), atol=1e-6)


def test_a_simplified_mesh_has_the_fields_normals_and_a_smoothed_one_its_own(
    quadruped: Generator, tmp_path: Path
) -> None:
    shape = quadruped.sample(3)
    for settings, own in (({"simplify": 3000}, False), ({"smooth": 10}, True)):
        mesh, _ = textured(write_shape(tmp_path / "a.obj", shape, ExportSettings(texture_size=64, **settings)))
        welded = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        welded.merge_vertices(merge_tex=True, merge_norm=True)
        vertices, faces = np.array(welded.vertices, np.float32), np.array(welded.faces)
        place = np.zeros(len(mesh.vertices), int)
        place[mesh.faces] = faces
        from_faces = vertex_normals(vertices, faces)[place]
        from_field = shape.normals_of(torch.from_numpy(vertices), torch.from_numpy(faces)).numpy()[place]
        assert np.abs(mesh.vertex_normals - (from_faces if own else from_field)).max() < 1e-3
        assert np.abs(mesh.vertex_normals - (from_field if own else from_faces)).max() > 0.1


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".ply"])
def test_vertex_colours_are_the_plain_way(small_quadruped: Generator, tmp_path: Path, suffix: str) -> None:
    shape = small_quadruped.sample(3)
    path = write_shape(tmp_path / f"a{suffix}", shape, ExportSettings(vertex_colors=True, simplify=400))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    mesh = trimesh.load_mesh(path, process=False, skip_materials=True)
    assert 396 <= len(mesh.faces) <= 400
    colors = np.array(mesh.visual.vertex_colors[:, :3]) / 255
    if suffix == ".glb":
        colors = np.where(colors <= 0.0031308, colors * 12.92, 1.055 * colors ** (1 / 2.4) - 0.055)
    expected = shape.colors(torch.from_numpy(np.array(mesh.vertices)).float()).numpy()
    assert np.abs(colors - expected).max() < 0.03  # eight bits of linear light are coarse in the dark


def test_what_made_the_file_is_in_it_with_the_settings_that_were_given(
    small_quadruped: Generator, tmp_path: Path
) -> None:
    session = Session(small_quadruped, 3)
    session.export(tmp_path / "a.glb", texture_size=64, simplify=500)
    content = (tmp_path / "a.glb").read_bytes()
    extras = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])["scenes"][0]["extras"]
    assert extras["model"] == "quadruped" and extras["seed"] == 3
    assert extras["texture_size"] == 64 and extras["simplify"] == 500 and "unwrap" not in extras


def test_a_session_exports_with_keywords_and_refuses_what_it_does_not_know(
    small_quadruped: Generator, tmp_path: Path
) -> None:
    session = Session(small_quadruped, 3)
    assert session.export(tmp_path / "a.ply", smooth=2) == tmp_path / "a.ply"
    assert session.export_original(tmp_path / "b.stl", simplify=100).is_file()
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("c.glb", {"texture": 512}, "unknown setting of an export 'texture'"),
        ("c.ply", {"texture_size": 512}, "a .ply file has no texture"),
        ("c.png", {"texture_size": 512}, "this model makes 3D shapes"),
        ("c.fbx", {}, "must end in one of .glb, .obj, .ply, .stl"),
    ]
    for name, given, said in refused:
        with pytest.raises(InputError, match=said):
            session.export(tmp_path / name, **given)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ply", "b.stl"]


def test_every_part_of_the_work_is_told_and_may_be_ended(small_quadruped: Generator, tmp_path: Path) -> None:
    session = Session(small_quadruped, 3)
    settings: dict[str, Any] = {"texture_size": 64, "resolution": 20, "smooth": 1, "simplify": 500}
    told: list[str] = []
    session.export(tmp_path / "a.glb", progress=lambda what, *_: told.append(what), **settings)
    assert list(dict.fromkeys(told)) == ["extracting", "smoothing", "simplifying", "unwrapping", "baking", "writing"]
    before = (tmp_path / "a.glb").read_bytes()

    for part in dict.fromkeys(told):

        def end(what: str, *_: object, part: str = part) -> None:
            if what == part:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            session.export(tmp_path / "a.glb", progress=end, **(settings | {"smooth": 2}))
    assert [p.name for p in tmp_path.iterdir()] == ["a.glb"] and (tmp_path / "a.glb").read_bytes() == before


def test_a_shape_without_surface_is_refused(small_quadruped: Generator, tmp_path: Path) -> None:
    shape = small_quadruped.sample(3)
    shape.__dict__["mesh"] = (torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    with pytest.raises(InputError, match="the shape is empty"):
        write_shape(tmp_path / "a.glb", shape)
