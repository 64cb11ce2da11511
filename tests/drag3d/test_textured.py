"""A textured mesh is read back as it was written: every corner in its place, with its texel, the right way up."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import trimesh
from PIL import Image

from drag3d.export import companions, write_textured_mesh
from drag3d.export.atlas import Atlas
from drag3d.export.box_unwrap import box_unwrap
from drag3d.export.mesh import vertex_normals
from get3d_models.errors import InputError

SIZE = 64
SUFFIXES = (".glb", ".obj")


class Textured(NamedTuple):
    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    atlas: Atlas
    texture: np.ndarray


@pytest.fixture(scope="module")
def mesh() -> Textured:
    """A lopsided ball whose texture is noise, so that any mix-up of texels shows."""
    ball = trimesh.creation.icosphere(2)
    vertices = (ball.vertices * [0.5, 0.2, 0.3] + [0.0, 0.1, 0.0]).astype(np.float32)
    faces = ball.faces.astype(np.int64)
    texture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    return Textured(vertices, faces, vertex_normals(vertices, faces), box_unwrap(vertices, faces, SIZE), texture)


def texel(texture: np.ndarray, u: np.ndarray, v_from_below: np.ndarray) -> np.ndarray:
    """The texel at places counted as in OBJ, by hand: u to the right, v upwards."""
    height, width = texture.shape[:2]
    row = np.clip(((1 - v_from_below) * height).astype(int), 0, height - 1)
    return texture[row, np.clip((u * width).astype(int), 0, width - 1)]


def read_with_trimesh(path: Path) -> tuple[trimesh.Trimesh, np.ndarray]:
    """The mesh in a file and its picture. trimesh counts v from below for both formats."""
    loaded = trimesh.load(path, process=False)
    if path.suffix == ".glb":
        [loaded] = loaded.geometry.values()
        return loaded, np.asarray(loaded.visual.material.baseColorTexture.convert("RGB"))
    return loaded, np.asarray(loaded.visual.material.image.convert("RGB"))


def json_of_glb(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_trimesh_reads_back_corners_texture_coordinates_and_texture(
    mesh: Textured, tmp_path: Path, suffix: str
) -> None:
    loaded, picture = read_with_trimesh(write_textured_mesh(tmp_path / f"shape{suffix}", *mesh))
    assert np.array_equal(picture, mesh.texture)
    assert loaded.triangles == pytest.approx(mesh.vertices[mesh.faces], abs=1e-7)
    uv = loaded.visual.uv[loaded.faces]
    assert uv == pytest.approx(mesh.atlas.uv[mesh.atlas.faces] * [1, -1] + [0, 1], abs=1e-6)
    assert loaded.vertex_normals[loaded.faces] == pytest.approx(mesh.normals[mesh.faces], abs=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pyvista_reads_back_corners_and_texture_coordinates(mesh: Textured, tmp_path: Path, suffix: str) -> None:
    pyvista = pytest.importorskip("pyvista")
    data = pyvista.read(write_textured_mesh(tmp_path / f"shape{suffix}", *mesh))
    while hasattr(data, "n_blocks"):
        [data] = [block for block in data if block is not None]
    faces = data.regular_faces
    assert data.points[faces] == pytest.approx(mesh.vertices[mesh.faces], abs=1e-6)
    uv = np.asarray(data.active_texture_coordinates)[faces]
    from_below = mesh.atlas.uv[mesh.atlas.faces] * [1, -1] + [0, 1]
    assert uv == pytest.approx(from_below if suffix == ".obj" else mesh.atlas.uv[mesh.atlas.faces], abs=1e-6)


def test_the_v_axis_of_a_glb_runs_down_and_that_of_an_obj_up(mesh: Textured, tmp_path: Path) -> None:
    """By the bytes and lines of the files themselves, without any reader of others."""
    expected = texel(mesh.texture, mesh.atlas.uv[:, 0], 1 - mesh.atlas.uv[:, 1])
    glb = write_textured_mesh(tmp_path / "shape.glb", *mesh)
    tree, content = json_of_glb(glb), glb.read_bytes()
    start = 20 + int.from_bytes(content[12:16], "little") + 8
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"]]
    view = tree["bufferViews"][accessor["bufferView"]]
    offset = start + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    uv = np.frombuffer(content, "<f4", 2 * accessor["count"], offset).reshape(-1, 2)
    # glTF 2.0, 3.8.3: (0, 0) is the upper left corner of the picture.
    assert (texel(mesh.texture, uv[:, 0], 1 - uv[:, 1]) == expected).mean() > 0.99

    lines = write_textured_mesh(tmp_path / "shape.obj", *mesh).read_text().splitlines()
    uv = np.array([line.split()[1:] for line in lines if line.startswith("vt ")], float)
    # OBJ: (0, 0) is the lower left corner of the picture.
    assert (texel(mesh.texture, uv[:, 0], uv[:, 1]) == expected).mean() > 0.99


def test_an_obj_stays_closed_and_names_its_companions(mesh: Textured, tmp_path: Path) -> None:
    path = write_textured_mesh(tmp_path / "my red shape.obj", *mesh)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "my red shape.obj", "my_red_shape.mtl", "my_red_shape_texture.png",
    ]  # fmt: skip
    lines = path.read_text().splitlines()
    assert sum(line.startswith("v ") for line in lines) == len(mesh.vertices)
    corners = np.array([[c.split("/") for c in line.split()[1:]] for line in lines if line.startswith("f ")], int)
    assert np.array_equal(corners[:, :, 0] - 1, mesh.faces) and np.array_equal(corners[:, :, 2] - 1, mesh.faces)
    assert trimesh.Trimesh(mesh.vertices, corners[:, :, 0] - 1, process=False).is_watertight
    material, picture = companions(path)
    assert f"mtllib {material.name}" in lines
    entries = dict(line.split(maxsplit=1) for line in material.read_text().splitlines() if line[:1] not in ("", "#"))
    assert entries["map_Kd"] == picture.name and entries["Kd"] == "1 1 1" and entries["newmtl"] == "surface"
    assert "usemtl surface" in lines
    with Image.open(picture) as image:
        assert image.format == "PNG" and np.array_equal(np.asarray(image), mesh.texture)


def test_a_glb_has_a_plain_material_a_sampler_and_no_vertex_colours(mesh: Textured, tmp_path: Path) -> None:
    tree = json_of_glb(write_textured_mesh(tmp_path / "shape.glb", *mesh))
    [primitive] = tree["meshes"][0]["primitives"]
    assert set(primitive["attributes"]) == {"POSITION", "NORMAL", "TEXCOORD_0"}
    material = tree["materials"][primitive["material"]]["pbrMetallicRoughness"]
    assert material["metallicFactor"] == 0 and 0.5 <= material["roughnessFactor"] <= 1
    assert material.get("baseColorFactor", [1, 1, 1, 1]) == [1, 1, 1, 1]
    [texture], [sampler], [image] = tree["textures"], tree["samplers"], tree["images"]
    assert material["baseColorTexture"]["index"] == 0 and texture["sampler"] == 0 and texture["source"] == 0
    assert (sampler["wrapS"], sampler["wrapT"]) == (33071, 33071) and sampler["minFilter"] == 9987
    assert image["mimeType"] == "image/png" and "bufferView" in image


def test_metadata_are_found_again(mesh: Textured, tmp_path: Path) -> None:
    facts = {"model": "quadruped", "seed": np.int64(3), "note": "two\nlines\nf 1 2 3"}
    glb = write_textured_mesh(tmp_path / "shape.glb", *mesh, metadata=facts)
    assert trimesh.load(glb).metadata.items() >= (facts | {"seed": 3}).items()
    obj = write_textured_mesh(tmp_path / "shape.obj", *mesh, metadata=facts)
    comments = [line[2:] for line in obj.read_text().splitlines() if line.startswith("# ")]
    read = dict(line.split(": ", 1) for line in comments if ": " in line)
    assert {key: json.loads(value) for key, value in read.items()} == facts | {"seed": 3}
    assert len(read_with_trimesh(obj)[0].faces) == len(mesh.faces)


@pytest.fixture
def older(mesh: Textured, tmp_path: Path) -> Iterator[Path]:
    """The OBJ of an older set of three files."""
    path = write_textured_mesh(tmp_path / "shape.obj", *mesh)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    yield path
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("broken", ["_png", "_material", "_object"])
def test_what_fails_before_all_is_written_leaves_the_older_set(
    mesh: Textured, older: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"drag3d.export.textured.{broken}", fail)
    other = mesh._replace(texture=255 - mesh.texture, vertices=2 * mesh.vertices)
    with pytest.raises(InputError, match="the disk is full"):
        write_textured_mesh(older, *other)


def test_the_obj_is_replaced_after_what_it_names(
    mesh: Textured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: list[str] = []
    replace = os.replace

    def noted(source: Any, target: Any) -> None:
        replaced.append(Path(target).name)
        assert len([p for p in tmp_path.iterdir() if p.name.endswith(".tmp")]) == 4 - len(replaced)
        replace(source, target)

    monkeypatch.setattr("os.replace", noted)
    write_textured_mesh(tmp_path / "shape.obj", *mesh)
    assert replaced == ["shape_texture.png", "shape.mtl", "shape.obj"]


def changed_uv(atlas: Atlas, uv: np.ndarray) -> Atlas:
    return Atlas(uv.astype(np.float32), atlas.origin, atlas.faces, atlas.chart)


def test_what_does_not_fit_is_refused_and_nothing_is_written(mesh: Textured, tmp_path: Path) -> None:
    atlas = mesh.atlas
    wrong = {
        "the name must end in .glb or .obj": ("a.ply", mesh),
        "belongs to another mesh": ("a.glb", mesh._replace(faces=mesh.faces[::-1])),
        "outside of 0 to 1": ("a.glb", mesh._replace(atlas=changed_uv(atlas, atlas.uv + 0.5))),
        "coordinates outside of 0 to 1": (
            "a.obj",
            mesh._replace(atlas=changed_uv(atlas, np.full_like(atlas.uv, np.nan))),
        ),
        "must be uint8 of shape": ("a.glb", mesh._replace(texture=mesh.texture / 255)),
        r"must be uint8 of shape \(N, N, 3\)": ("a.obj", mesh._replace(texture=mesh.texture[:, :, 0])),
        "not finite": ("a.glb", mesh._replace(vertices=np.full_like(mesh.vertices, np.inf))),
        "does not exist; create it first": ("nowhere/a.obj", mesh),
    }
    for said, (name, given) in wrong.items():
        with pytest.raises(InputError, match=said) as caught:
            write_textured_mesh(tmp_path / name, *given)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
