"""A model trained with FlexiCubes goes through every command; without kaolin one line says what its surface needs.

There is no trained one to be had: the embedded quadruped stands in, its field extracted on cubes, its weights random.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kaolin_stand_in
import pytest
import torch
from click.testing import CliRunner, Result

from drag3d.cli import main
from drag3d.session import Session
from get3d_models import Generator, GeneratorConfig, InputError, Shape, load
from get3d_models.checkpoint import write_generator

SAID = "the surface of a model trained with FlexiCubes needs kaolin, but kaolin is not installed; install it from"


@pytest.fixture(scope="module")
def model(quadruped: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = {"grid": "cubes", "iso_surface": "flexicubes", "grid_resolution": 24}
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig.from_dict({**quadruped.config.to_dict(), **changes}), "cubes")
    missing, unknown = generator.load_state_dict(quadruped.state_dict(), strict=False)
    assert not unknown and all(name.startswith("weight_decoder.") for name in missing)
    path = tmp_path_factory.mktemp("flexicubes") / "cubes.safetensors"
    write_generator(path, generator)
    return path


@pytest.fixture
def kaolin(monkeypatch: pytest.MonkeyPatch) -> None:
    kaolin_stand_in.install(monkeypatch)


@pytest.fixture
def no_kaolin(monkeypatch: pytest.MonkeyPatch) -> None:
    kaolin_stand_in.uninstall(monkeypatch)


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def volume(shape: Shape) -> float:
    a, b, c = shape.vertices[shape.faces].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


@pytest.mark.usefixtures("no_kaolin")
def test_inspecting_it_needs_no_kaolin(model: Path) -> None:
    result = run("models", "--inspect", model, "--json")
    assert result.exit_code == 0, result.output
    config = json.loads(result.output)["config"]
    assert (config["iso_surface"], config["grid"], config["grid_resolution"]) == ("flexicubes", "cubes", 24)


@pytest.mark.usefixtures("no_kaolin")
def test_without_kaolin_what_needs_its_surface_ends_in_one_line(model: Path, tmp_path: Path) -> None:
    for arguments in (
        ["sample", model],
        ["drag", model, "--point", "0,0.1,0:0,0.2,0"],
        ["sample", model, "--resolution", "20"],
    ):
        result = run(*arguments, "--out", tmp_path / "a.glb")
        assert result.exit_code == 2
        assert result.output.startswith(f"error: {SAID}") and len(result.output.splitlines()) == 1
    with pytest.raises(InputError, match="needs kaolin"):
        Session(str(model))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("kaolin")
def test_its_surface_is_that_of_the_same_field_on_tetrahedra(model: Path, quadruped: Generator) -> None:
    cubes, tetrahedra = load(model, grid_resolution=64).sample(3), quadruped.sample(3)
    assert volume(cubes) == pytest.approx(volume(tetrahedra), rel=0.1)  # positive, so faces look outward
    for corner in (torch.amin, torch.amax):
        ours, theirs = corner(cubes.vertices, dim=0), corner(tetrahedra.vertices, dim=0)
        torch.testing.assert_close(ours, theirs, atol=1 / 64, rtol=0)


@pytest.mark.usefixtures("kaolin")
def test_it_is_sampled_dragged_saved_and_opened_again(model: Path, tmp_path: Path) -> None:
    result = run("sample", model, "--seed", 3, "--out", tmp_path / "a.ply", "--resolution", 20)
    assert result.exit_code == 0, result.output
    session = Session(str(model), seed=3)
    top = session.shape.vertices[session.shape.vertices[:, 1].argmax()].tolist()
    session.add_point(handle=top, target=(top[0], top[1] + 0.05, top[2]))
    distances = [step.distances for step in session.drag(max_steps=20)]
    assert distances[-1][0] < distances[0][0]
    session.save(tmp_path / "edit.drag3d")
    again = Session.open(tmp_path / "edit.drag3d", str(model))
    torch.testing.assert_close(again.shape.vertices, session.shape.vertices)


# ---- USD from the command line -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_kaolin")
def test_without_kaolin_a_usd_name_is_refused_before_any_work(tmp_path: Path) -> None:
    result = run("sample", "no-such-model", "--out", tmp_path / "a.usda")
    assert result.exit_code == 2
    assert f"--out {tmp_path / 'a.usda'}: a USD file needs kaolin, but kaolin is not installed" in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.usefixtures("kaolin")
def test_with_kaolin_a_shape_is_written_as_usd_with_what_made_it(small_model: Path, tmp_path: Path) -> None:
    usd = pytest.importorskip("pxr.Usd", reason="usd-core is not installed: pip install usd-core")
    result = run("sample", small_model, "--seed", 3, "--out", tmp_path / "a.usdc")
    assert result.exit_code == 0, result.output
    stage = usd.Stage.Open(str(tmp_path / "a.usdc"))
    assert json.loads(stage.GetRootLayer().customLayerData["drag3d"])["seed"] == 3
    refused = run("sample", small_model, "--out", tmp_path / "b.usd", "--texture-size", 256)
    assert refused.exit_code == 2 and "a .usd file has no texture" in refused.output
