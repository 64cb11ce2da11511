"""The Khronos validator finds nothing wrong with a GLB that Drag3D wrote: no error, no warning, not even a hint."""

import contextlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from drag3d.export import ExportSettings, write_mesh, write_shape, write_textured_mesh
from drag3d.export.box_unwrap import box_unwrap
from get3d_models import Generator

NODE_PROJECT = Path(__file__).parents[1] / "node"
pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def node() -> str:
    """Node with the validator installed (npm ci, once), or a skip that says what is missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed: the Khronos validator cannot run")
    if not (NODE_PROJECT / "node_modules" / "gltf-validator").is_dir():
        install(npm)
    return node


def install(npm: str) -> None:
    """Install beside and move into place, since another test process may be doing the same."""
    with tempfile.TemporaryDirectory(prefix="node_modules.", dir=NODE_PROJECT) as name:
        folder = Path(name)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(NODE_PROJECT / file, folder)
        command = [npm, "ci", "--no-audit", "--no-fund"]
        installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if installed.returncode:
            pytest.skip(f"npm could not install gltf-validator: {installed.stderr.strip()[-200:]}")
        with contextlib.suppress(OSError):  # the other was faster
            (folder / "node_modules").rename(NODE_PROJECT / "node_modules")


def validate(node: str, path: Path) -> dict[str, Any]:
    command = [node, str(NODE_PROJECT / "validate.mjs"), str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def meshes() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    ball = trimesh.creation.icosphere(3)
    flat = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0], [5, 5, 5]], float)
    return {
        "ball": (ball.vertices, ball.faces),  # on a unit sphere positions and normals are the same bytes
        "ellipsoid": (ball.vertices * [0.5, 0.2, 0.3], ball.faces),
        "one triangle": (np.eye(3), np.array([[0, 1, 2]])),
        "collinear triangle and lonely vertex": (flat, np.array([[0, 1, 2], [0, 1, 3]])),
        "far away and tiny": (ball.vertices * 1e-3 + 1e3, ball.faces),
    }


@pytest.mark.parametrize("name", meshes())
@pytest.mark.parametrize("colored", [True, False], ids=["colored", "plain"])
def test_the_validator_has_nothing_to_say(node: str, tmp_path: Path, name: str, colored: bool) -> None:
    vertices, faces = meshes()[name]
    colors = np.random.default_rng(0).random((len(vertices), 3)) if colored else None
    path = write_mesh(tmp_path / "shape.glb", vertices, faces, colors, metadata={"model": "quadruped", "seed": 3})
    info = nothing_to_say(node, path)
    assert info["totalVertexCount"] == len(vertices)
    assert info["totalTriangleCount"] == len(faces)


def nothing_to_say(node: str, path: Path) -> dict[str, Any]:
    """What the validator read, once it has found nothing wrong."""
    report = validate(node, path)
    counts = {key: report["issues"][key] for key in ("numErrors", "numWarnings", "numInfos", "numHints")}
    assert counts == dict.fromkeys(counts, 0), report["issues"]["messages"]
    return report["info"]


@pytest.mark.parametrize("name", meshes())
def test_nor_has_it_of_textured_meshes(node: str, tmp_path: Path, name: str) -> None:
    vertices, faces = (np.asarray(values) for values in meshes()[name])
    atlas = box_unwrap(vertices.astype(np.float32), faces.astype(np.int64), 64)
    texture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    facts = {"model": "quadruped", "seed": 3}
    path = write_textured_mesh(tmp_path / "shape.glb", vertices, faces, None, atlas, texture, metadata=facts)
    info = nothing_to_say(node, path)
    assert info["totalVertexCount"] == len(atlas.uv) and info["totalTriangleCount"] == len(faces)
    assert info["hasTextures"]
    [image] = [resource for resource in info["resources"] if resource["mimeType"] == "image/png"]
    assert (image["image"]["width"], image["image"]["height"]) == (64, 64)


@pytest.mark.parametrize("unwrap", ["fast", "quality"])
def test_nor_has_it_of_an_animal_as_people_export_it(
    node: str, tmp_path: Path, small_quadruped: Generator, unwrap: str
) -> None:
    settings = ExportSettings(unwrap=unwrap, smooth=1, simplify=1000)
    nothing_to_say(node, write_shape(tmp_path / "a.glb", small_quadruped.sample(3), settings))


def test_the_validator_is_really_asked(node: str, tmp_path: Path) -> None:
    path = write_mesh(tmp_path / "shape.glb", np.eye(3), [[0, 1, 2]])
    path.write_bytes(path.read_bytes().replace(b'"VEC3"', b'"VEC2"'))
    assert validate(node, path)["issues"]["numErrors"] > 0
