"""Blender reads a textured GLB and OBJ as they were meant: places, texture coordinates, texture, normals, material.

Blender's `bpy` (350 MB to download, a minute to install) wants another NumPy than we do, so it gets a virtual
environment of its own, made for this one test and removed after it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drag3d.export import write_textured_mesh
from drag3d.export.bake import bake
from drag3d.export.box_unwrap import box_unwrap
from get3d_models import Generator

BLENDER = ("bpy>=4.2,<5.1", "numpy<2")  # the newest there is for this Python: 4.5 for 3.11
READER = Path(__file__).with_name("blender_reads.py")


@pytest.fixture
def blender(tmp_path: Path) -> Iterator[Path]:
    """The Python of an environment with bpy, or a skip that says why there cannot be one here."""
    folder = tmp_path / "blender"
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    free = {name: value for name, value in os.environ.items() if name not in ("PIP_CONSTRAINT", "PYTHONPATH")}
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir", "--only-binary", ":all:", *BLENDER]
    try:
        for command in (install, [str(python), "-c", "import bpy"]):
            run = subprocess.run(command, env=free, capture_output=True, text=True, check=False)
            if run.returncode:
                said = (run.stderr.strip().splitlines() or [f"code {run.returncode}"])[-1]
                pytest.skip(
                    f"Blender's bpy cannot be installed for Python {sys.version.split()[0]} here: {said[-300:]}"
                )
        yield python
    finally:
        shutil.rmtree(folder)  # a gigabyte, which pytest would keep


@pytest.mark.slow
@pytest.mark.bpy
@pytest.mark.timeout(900)
def test_blender_sees_what_was_written(blender: Path, quadruped: Generator, tmp_path: Path) -> None:
    shape = quadruped.sample(3)
    vertices, faces, normals = shape.vertices.numpy(), shape.faces.numpy(), shape.normals.numpy()
    atlas = box_unwrap(vertices, faces, 256)
    texture = bake(shape.colors, vertices, atlas, 256)
    paths = [tmp_path / "a.glb", tmp_path / "an animal.obj"]
    for path in paths:
        write_textured_mesh(path, vertices, faces, normals, atlas, texture)
    subprocess.run([str(blender), str(READER), str(tmp_path / "seen.npz"), *map(str, paths)], check=True, timeout=300)
    with np.load(tmp_path / "seen.npz") as arrays:
        seen = dict(arrays)
    for number, path in enumerate(paths):
        found = {name.split()[1]: array for name, array in seen.items() if name.startswith(str(number))}
        assert np.allclose(found["vertices"][found["faces"]], vertices[faces], atol=1e-6), path
        assert len(found["vertices"]) == len(vertices if path.suffix == ".obj" else atlas.uv)  # an OBJ stays closed
        assert np.allclose(found["uv"], atlas.uv[atlas.faces] * [1, -1] + [0, 1], atol=1e-6)  # Blender's v runs up
        assert np.abs(found["picture"] * 255 - texture).max() < 0.51 and found["srgb"]
        solid = (
            np.linalg.norm(np.cross(*(vertices[faces[:, k]] - vertices[faces[:, 0]] for k in (1, 2))), axis=1) > 1e-7
        )
        assert np.abs(found["normals"] - normals[faces])[solid].max() < 0.01  # Blender keeps few bits of a normal
        assert np.allclose(found["look"], [0.0, 0.8])
