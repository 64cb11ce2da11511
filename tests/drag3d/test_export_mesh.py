"""A written mesh is the mesh that was given, in every format and in every program that reads it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from drag3d.export import MESH_SUFFIXES, vertex_normals, write_mesh
from drag3d.export.mesh import srgb_to_linear
from get3d_models.errors import InputError

EIGHT_BITS = 0.5 / 255 + 1e-6
SUFFIXES_WITH_COLORS = (".glb", ".obj", ".ply")


class Mesh(NamedTuple):
    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    """A lopsided closed surface, coloured at random, its vertices and faces in no particular order."""
    rng = np.random.default_rng(0)
    ball = trimesh.creation.icosphere(3)
    order = rng.permutation(len(ball.vertices))
    vertices = (ball.vertices * [0.5, 0.2, 0.3] + [0.0, 0.1, 0.0])[order].astype(np.float32)
    faces = np.argsort(order)[ball.faces][rng.permutation(len(ball.faces))]
    return Mesh(vertices, faces, rng.random((len(vertices), 3)).astype(np.float32))


def linear_to_srgb(colors: np.ndarray) -> np.ndarray:
    return np.where(colors <= 0.0031308, colors * 12.92, 1.055 * np.maximum(colors, 0) ** (1 / 2.4) - 0.055)


def read_with_trimesh(path: Path) -> tuple[trimesh.Trimesh, np.ndarray | None]:
    """The mesh in a file, and its colours as display sRGB in [0, 1]."""
    loaded = trimesh.load(path, process=False)
    if path.suffix != ".glb":
        return loaded, loaded.visual.vertex_colors[:, :3] / 255
    [mesh] = loaded.geometry.values()  # not force="mesh": trimesh's copy would lose normals and colours
    colors = mesh.visual.vertex_attributes.get("color")
    return mesh, None if colors is None else linear_to_srgb(colors[:, :3])


def blocks_of(data: Any) -> list[Any]:
    """The meshes in what pyvista.read returned, which for glTF may be a tree of blocks."""
    return [leaf for block in data for leaf in blocks_of(block)] if hasattr(data, "n_blocks") else [data]


def json_of_glb(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    assert content[:4] == b"glTF"
    length = int.from_bytes(content[12:16], "little")
    return json.loads(content[20 : 20 + length])


@pytest.fixture(scope="module")
def pyvista() -> Any:
    """PyVista, if this machine can import it: older VTK wheels need an OpenGL library even for reading files."""
    probe = subprocess.run([sys.executable, "-c", "import pyvista"], capture_output=True, check=False, text=True)
    if probe.returncode:
        pytest.skip(f"pyvista cannot be imported here: {probe.stderr.strip().splitlines()[-1:]}")
    return pytest.importorskip("pyvista")


@pytest.mark.parametrize("suffix", SUFFIXES_WITH_COLORS)
def test_trimesh_reads_back_the_same_mesh(mesh: Mesh, tmp_path: Path, suffix: str) -> None:
    path = write_mesh(tmp_path / f"shape{suffix}", *mesh)
    loaded, colors = read_with_trimesh(path)
    assert loaded.vertices == pytest.approx(mesh.vertices, abs=1e-7)
    assert np.array_equal(loaded.faces, mesh.faces)
    assert np.abs(colors - mesh.colors).max() <= (1e-5 if suffix == ".glb" else EIGHT_BITS)


@pytest.mark.parametrize("suffix", SUFFIXES_WITH_COLORS)
def test_pyvista_reads_back_the_same_mesh(mesh: Mesh, tmp_path: Path, suffix: str, pyvista: Any) -> None:
    path = write_mesh(tmp_path / f"shape{suffix}", *mesh)
    [loaded] = blocks_of(pyvista.read(path))
    assert loaded.points == pytest.approx(mesh.vertices, abs=1e-7)
    assert np.array_equal(loaded.regular_faces, mesh.faces)
    if suffix == ".glb":
        assert np.abs(linear_to_srgb(loaded.point_data["COLOR_0"][:, :3]) - mesh.colors).max() <= 1e-5
    else:
        colors = loaded.point_data["RGB" if suffix == ".obj" else "RGBA"][:, :3] / 255
        rounded_down = 1 / 255 if suffix == ".obj" else 0.0  # by VTK's reader
        assert np.abs(colors - mesh.colors).max() <= EIGHT_BITS + rounded_down


def test_trimesh_without_materials_gives_linear_colors_of_eight_bits(mesh: Mesh, tmp_path: Path) -> None:
    path = write_mesh(tmp_path / "shape.glb", *mesh)
    loaded = trimesh.load(path, force="mesh", process=False, skip_materials=True)
    assert loaded.visual.vertex_colors[:, :3] / 255 == pytest.approx(srgb_to_linear(mesh.colors), abs=1.01 / 255)


@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
def test_the_surface_stays_closed_and_outward(mesh: Mesh, tmp_path: Path, suffix: str) -> None:
    path = write_mesh(tmp_path / f"shape{suffix}", *mesh)
    loaded = trimesh.load(path, force="mesh")  # with trimesh's usual merging, as a user would
    assert loaded.is_watertight
    assert loaded.volume == pytest.approx(trimesh.Trimesh(*mesh[:2], process=False).volume, rel=1e-4)
    assert loaded.volume > 0
    assert loaded.bounds == pytest.approx(np.stack([mesh.vertices.min(0), mesh.vertices.max(0)]), abs=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES_WITH_COLORS)
def test_coinciding_vertices_are_kept_apart(tmp_path: Path, suffix: str) -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0], [-1, 0, 0]], np.float32)
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    loaded, _ = read_with_trimesh(write_mesh(tmp_path / f"two{suffix}", vertices, faces, np.eye(6, 3)))
    assert len(loaded.vertices) == 6
    assert np.array_equal(loaded.faces, faces)


@pytest.mark.parametrize("suffix", SUFFIXES_WITH_COLORS)
def test_given_normals_are_written_with_length_one(mesh: Mesh, tmp_path: Path, suffix: str) -> None:
    directions = np.random.default_rng(1).normal(size=mesh.vertices.shape)
    path = write_mesh(tmp_path / f"shape{suffix}", *mesh, normals=7.0 * directions)
    expected = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    assert read_with_trimesh(path)[0].vertex_normals == pytest.approx(expected, abs=1e-6)


def test_a_zero_normal_is_replaced_by_that_of_the_adjoining_faces(mesh: Mesh, tmp_path: Path) -> None:
    path = write_mesh(tmp_path / "shape.glb", *mesh, normals=np.zeros_like(mesh.vertices))
    assert read_with_trimesh(path)[0].vertex_normals == pytest.approx(vertex_normals(*mesh[:2]), abs=1e-6)


def test_smooth_normals_of_an_ellipsoid_point_along_its_gradient(mesh: Mesh) -> None:
    fine = trimesh.creation.icosphere(4)
    axes = np.array([0.5, 0.2, 0.3])
    gradient = fine.vertices / axes
    expected = gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    cosine = (vertex_normals(fine.vertices * axes, fine.faces) * expected).sum(axis=1)
    assert cosine.min() > 0.998


def test_normals_are_weighted_by_area() -> None:
    # At the origin a face of area 1/2 on the ground (normal y) meets one of area 2 that stands upright (normal z).
    vertices = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [2, 0, 0], [0, 2, 0]], float)
    faces = np.array([[0, 1, 2], [0, 3, 4]])
    assert vertex_normals(vertices, faces)[0] == pytest.approx(np.array([0, 0.5, 2]) / np.hypot(0.5, 2))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-12, 1.0, 1e12]))
def test_normals_have_length_one_whatever_the_triangles(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    vertices = scale * rng.integers(-1, 2, size=(8, 3)).astype(np.float32)  # many degenerate and coinciding triangles
    normals = vertex_normals(vertices, rng.integers(0, 8, size=(10, 3)))
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(8), abs=1e-6)


def test_gltf_colors_are_linear_light(tmp_path: Path) -> None:
    # Mid grey on a display, 0.5, is 21.4 % of white's light (IEC 61966-2-1); black and white stay what they are.
    gray = np.repeat(np.array([[0.0], [0.5], [1.0]]), 3, axis=1)
    path = write_mesh(tmp_path / "gray.glb", np.eye(3), [[0, 1, 2]], gray)
    [loaded] = trimesh.load(path, process=False).geometry.values()
    assert loaded.visual.vertex_attributes["color"][:, 0] == pytest.approx([0.0, 0.21404, 1.0], abs=1e-5)


def test_gltf_material_is_neither_metal_nor_mirror(mesh: Mesh, tmp_path: Path) -> None:
    tree = json_of_glb(write_mesh(tmp_path / "shape.glb", *mesh))
    [primitive] = tree["meshes"][0]["primitives"]
    material = tree["materials"][primitive["material"]]["pbrMetallicRoughness"]
    assert material["metallicFactor"] == 0
    assert 0.5 <= material["roughnessFactor"] <= 1
    assert material.get("baseColorFactor", [1, 1, 1, 1]) == [1, 1, 1, 1]  # it would be multiplied with the colours
    assert set(primitive["attributes"]) == {"POSITION", "NORMAL", "COLOR_0"}


@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
def test_a_mesh_without_colors_can_be_written(mesh: Mesh, tmp_path: Path, suffix: str) -> None:
    path = write_mesh(tmp_path / f"plain{suffix}", mesh.vertices, mesh.faces)
    assert len(trimesh.load(path, force="mesh").faces) == len(mesh.faces)
    if suffix == ".glb":
        assert "COLOR_0" not in json_of_glb(path)["meshes"][0]["primitives"][0]["attributes"]


def test_metadata_are_found_again(mesh: Mesh, tmp_path: Path) -> None:
    facts = {
        "model": "quadruped",
        "hash": "ab12",
        "seed": np.int64(3),
        "truncation": 0.7,
        "note": "two\nlines\nf 1 2 3",
    }
    expected = facts | {"seed": 3}
    glb = write_mesh(tmp_path / "shape.glb", *mesh, metadata=facts)
    assert trimesh.load(glb).metadata.items() >= expected.items()
    assert "Drag3D" in json_of_glb(glb)["asset"]["generator"]
    obj = write_mesh(tmp_path / "shape.obj", *mesh, metadata=facts)
    comments = [line[2:] for line in obj.read_text().splitlines() if line.startswith("# ")]
    read = dict(line.split(": ", 1) for line in comments if ": " in line)
    assert {key: json.loads(value) for key, value in read.items()} == expected
    assert len(read_with_trimesh(obj)[0].faces) == len(mesh.faces)


@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
def test_tensors_write_the_same_bytes_as_arrays(mesh: Mesh, tmp_path: Path, suffix: str) -> None:
    vertices, faces, colors = (torch.from_numpy(np.array(values)) for values in mesh)
    arrays = write_mesh(tmp_path / f"arrays{suffix}", *mesh)
    tensors = write_mesh(tmp_path / f"tensors{suffix}", vertices.double().requires_grad_(), faces, colors)
    assert tensors.read_bytes() == arrays.read_bytes()


def test_a_suffix_in_capitals_is_known(mesh: Mesh, tmp_path: Path) -> None:
    assert write_mesh(tmp_path / "SHAPE.GLB", *mesh).read_bytes()[:4] == b"glTF"


def test_colors_out_of_range_are_clipped(tmp_path: Path) -> None:
    path = write_mesh(tmp_path / "a.obj", np.eye(3), [[0, 1, 2]], np.array([[-0.2, 0.5, 1.3]] * 3))
    assert read_with_trimesh(path)[1][0] == pytest.approx([0, 0.5, 1], abs=EIGHT_BITS)


TRIANGLE = np.eye(3, dtype=np.float32)
FACE = np.array([[0, 1, 2]])
NAN = np.array([[0, 0, np.nan], [1, 0, 0], [0, 1, 0]])
BAD_MESHES = {
    "no vertices": (np.zeros((0, 3)), np.zeros((0, 3), int), {}, "the shape is empty"),
    "no faces": (TRIANGLE, np.zeros((0, 3), int), {}, "the shape is empty"),
    "vertex NaN": (NAN, FACE, {}, "1 of 3 vertices are not finite"),
    "vertex infinite": (TRIANGLE - np.inf, FACE, {}, "vertices are not finite"),
    "too large for float32": (TRIANGLE.astype(float) - 1e300, FACE, {}, "3 of 3 vertices are not finite"),
    "flat vertices": (TRIANGLE[:, :2], FACE, {}, r"vertices must be numbers of shape \(3, 3\)"),
    "face beyond the vertices": (TRIANGLE, FACE + 1, {}, "faces name vertices 1 to 3, but there are 3 vertices"),
    "negative face": (TRIANGLE, FACE - 1, {}, "faces name vertices -1 to 1"),
    "faces of floats": (TRIANGLE, FACE * 1.0, {}, "faces must be integers"),
    "quads": (np.zeros((4, 3)), np.array([[0, 1, 2, 3]]), {}, r"faces must be integers of shape \(F, 3\)"),
    "color NaN": (TRIANGLE, FACE, {"colors": NAN}, "1 of 3 colors are not finite"),
    "color bytes": (TRIANGLE, FACE, {"colors": np.full((3, 3), 200, np.uint8)}, "divide 8-bit colours by 255"),
    "too few colors": (TRIANGLE, FACE, {"colors": np.zeros((2, 3))}, r"colors must be numbers of shape \(3, 3\)"),
    "normal NaN": (TRIANGLE, FACE, {"normals": NAN}, "1 of 3 normals are not finite"),
}


@pytest.mark.parametrize("name", BAD_MESHES)
def test_a_mesh_that_cannot_be_used_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    vertices, faces, others, words = BAD_MESHES[name]
    path = tmp_path / "shape.glb"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match=words) as caught:
        write_mesh(path, vertices, faces, **others)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["shape", "shape.fbx", "shape.glb.bak", ".glb"])
def test_an_unknown_suffix_names_the_known_ones(mesh: Mesh, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.glb, \.obj, \.ply, \.stl"):
        write_mesh(tmp_path / name, *mesh)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_says_so(mesh: Mesh, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="create it first"):
        write_mesh(tmp_path / "nowhere" / "shape.glb", *mesh)
