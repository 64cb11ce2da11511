"""USD files have the mesh, its colours in linear light and what made it; without kaolin one line says what is missing.

Read back by Pixar's own library (usd-core). kaolin writes them, or where it is not installed its stand-in.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import kaolin_stand_in
import numpy as np
import pytest
import torch

from drag3d.export.mesh import USD_SUFFIXES
from drag3d.export.usd import missing_for_usd, write_usd
from get3d_models import InputError
from get3d_models.optional_parts import kaolin_is_available

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, -3]], dtype=np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
COLORS = np.array([[0, 0, 0], [1, 0.5, 0.25], [0.2, 0.4, 0.6], [0.04, 1, 1]])
pixar = pytest.importorskip("pxr.Usd", reason="usd-core is not installed: pip install usd-core")


@pytest.fixture(params=["the stand-in", "kaolin"])
def kaolin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test with the stand-in, and again with kaolin itself where it is installed."""
    if request.param == "the stand-in":
        kaolin_stand_in.install(monkeypatch)
    elif not kaolin_is_available():
        pytest.skip("NVIDIA's kaolin is not installed here; only its stand-in was tested")


def read(path: Path):  # type: ignore[no-untyped-def]
    """Stage and only mesh of a file."""
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(str(path))
    [prim] = [prim for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
    return stage, UsdGeom.Mesh(prim)


@pytest.mark.usefixtures("kaolin")
@pytest.mark.parametrize("suffix", [*USD_SUFFIXES, ".USDA"])
def test_a_file_holds_the_same_mesh_in_every_format(tmp_path: Path, suffix: str) -> None:
    from pxr import UsdGeom

    path = write_usd(tmp_path / f"shape{suffix}", VERTICES, FACES, COLORS)
    content = path.read_bytes()
    assert content.startswith(b"#usda" if suffix.lower() == ".usda" else b"PXR-USDC")
    readable = tmp_path / f"copy{suffix.lower()}"
    readable.write_bytes(content)
    stage, mesh = read(readable)
    assert np.array_equal(np.array(mesh.GetPointsAttr().Get()), VERTICES)
    assert np.array(mesh.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3).tolist() == FACES.tolist()
    assert list(mesh.GetFaceVertexCountsAttr().Get()) == [3] * 4
    assert np.array(mesh.GetExtentAttr().Get()).tolist() == [[0, 0, -3], [1, 2, 0]]
    assert mesh.GetSubdivisionSchemeAttr().Get() == "none"
    assert (UsdGeom.GetStageUpAxis(stage), UsdGeom.GetStageMetersPerUnit(stage)) == ("Y", 1.0)
    assert stage.GetDefaultPrim()


@pytest.mark.usefixtures("kaolin")
def test_colours_are_linear_at_the_vertices_and_normals_smooth_at_the_corners(tmp_path: Path) -> None:
    normals = np.array([[0, 0, 2], [0, 1, 0], [1, 0, 0], [0, 0, -1]], dtype=np.float32)
    _, mesh = read(write_usd(tmp_path / "a.usda", torch.from_numpy(VERTICES), torch.from_numpy(FACES), COLORS, normals))
    color = mesh.GetDisplayColorPrimvar()
    assert color.GetInterpolation() == "vertex"
    linear = np.where(COLORS <= 0.04045, COLORS / 12.92, ((COLORS + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(np.array(color.Get()), linear, atol=1e-6)
    assert mesh.GetNormalsInterpolation() == "faceVarying"
    unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    np.testing.assert_allclose(np.array(mesh.GetNormalsAttr().Get()), unit[FACES].reshape(-1, 3), atol=1e-6)


@pytest.mark.usefixtures("kaolin")
def test_metadata_survive_and_without_colours_there_are_none(tmp_path: Path) -> None:
    made_by = {"model": "quadruped", "seed": 3, "truncation": np.float32(0.5), 'odd "name"\n': [1, 2]}
    stage, mesh = read(write_usd(tmp_path / "a.usda", VERTICES, FACES, metadata=made_by))
    assert json.loads(stage.GetRootLayer().customLayerData["drag3d"]) == {**made_by, "truncation": 0.5}
    assert not mesh.GetDisplayColorPrimvar().HasValue()


@pytest.mark.usefixtures("kaolin")
def test_an_older_file_is_replaced_and_left_alone_when_something_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.usda"
    path.write_text("not USD at all")
    with pytest.raises(InputError, match="not finite numbers"):
        write_usd(path, VERTICES * np.nan, FACES)
    assert path.read_text() == "not USD at all"
    write_usd(path, VERTICES, FACES)
    write_usd(path, VERTICES, FACES[:2])
    _stage, mesh = read(path)
    assert len(mesh.GetFaceVertexCountsAttr().Get()) == 2
    assert os.listdir(tmp_path) == ["a.usda"]


@pytest.mark.usefixtures("kaolin")
def test_names_and_places_that_cannot_be_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.usd, \.usda, \.usdc"):
        write_usd(tmp_path / "a.usdz", VERTICES, FACES)
    with pytest.raises(InputError, match="does not exist; create it first"):
        write_usd(tmp_path / "missing" / "a.usd", VERTICES, FACES)


def test_without_kaolin_or_pixars_library_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaolin_stand_in.uninstall(monkeypatch)
    with pytest.raises(InputError) as caught:
        write_usd(tmp_path / "a.usd", VERTICES, FACES)
    said = str(caught.value)
    assert "a USD file needs kaolin, but kaolin is not installed; install it from NVIDIA's own index: pip" in said
    kaolin_stand_in.install(monkeypatch)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pxr"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pxr", None)
    assert missing_for_usd() == "a USD file needs Pixar's library, but pxr is not installed; pip install usd-core"
    assert not list(tmp_path.iterdir())
