"""`drag3d convert` and `drag3d models --inspect`, on model files of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from drag3d.cli import main
from get3d_models import load

DATA = Path(__file__).parents[1] / "data"
SNAPSHOT = DATA / "golden/stylegan2/skip64/network.pkl"
TENSORFLOW = DATA / "golden/stylegan2/tf_legacy64/network.pkl"
ROSINALITY = DATA / "golden/stylegan2/rosinality64/g_ema_zip.pt"
NO_NOISE = DATA / "golden/stylegan2/rosinality64/g_ema_no_noise_trainstyle.pt"
GET3D = DATA / "golden/get3d/planes64/checkpoint.pt"
HOSTILE = DATA / "hostile/h01_reduce_os_system.pkl"


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def done(*arguments: Any) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: Any) -> str:
    result = run(*arguments)
    assert result.exit_code == 2 and len(result.stderr.splitlines()) == 1 and result.stdout == "", result.output
    return result.stderr


@pytest.mark.parametrize("path", [SNAPSHOT, TENSORFLOW, ROSINALITY, NO_NOISE, GET3D], ids=lambda p: p.parent.name)
def test_a_converted_file_is_the_same_generator(path: Path, tmp_path: Path) -> None:
    said = done("convert", path, tmp_path / "own.safetensors").stdout
    original, own = load(path), load(tmp_path / "own.safetensors")
    assert own.fingerprint == original.fingerprint and own.config == original.config
    assert str(tmp_path / "own.safetensors") in said and own.fingerprint[:12] in said
    assert all(torch.equal(own.state_dict()[k], v) for k, v in original.state_dict().items())
    assert [p.name for p in tmp_path.iterdir()] == ["own.safetensors"]


def test_converting_again_changes_no_byte(tmp_path: Path) -> None:
    names = [tmp_path / f"{name}.safetensors" for name in "abc"]
    done("convert", SNAPSHOT, names[0])
    done("convert", SNAPSHOT, names[1])
    done("convert", names[0], names[2])
    assert names[0].read_bytes() == names[1].read_bytes() == names[2].read_bytes()


def test_what_a_file_lacks_is_noted_and_quiet_says_nothing_else(tmp_path: Path) -> None:
    result = done("convert", NO_NOISE, tmp_path / "own.safetensors", "--quiet")
    assert result.stdout == "" and result.stderr == "note: the noise is not in the file; drawn from seed 0\n"


def test_outputs_that_cannot_be_are_refused_before_the_input_is_read(tmp_path: Path) -> None:
    assert "must end in .safetensors" in refused("convert", HOSTILE, tmp_path / "own.pt")
    assert "there is no directory" in refused("convert", HOSTILE, tmp_path / "nowhere" / "own.safetensors")
    done("convert", SNAPSHOT, tmp_path / "own.safetensors")
    (tmp_path / "link.safetensors").symlink_to(tmp_path / "own.safetensors")
    assert "is the input itself" in refused("convert", tmp_path / "own.safetensors", tmp_path / "link.safetensors")


def test_a_refused_input_leaves_an_older_output_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").write_bytes(b"older")
    assert HOSTILE.name in refused("convert", HOSTILE, tmp_path / "own.safetensors")
    assert "no model" in refused("convert", tmp_path / "missing.pkl", tmp_path / "own.safetensors")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("own.safetensors", b"older")]


@pytest.mark.parametrize(
    ("path", "kind", "layout"),
    [
        (SNAPSHOT, "image", "a stylegan2-ada-pytorch or stylegan3-repository pickle"),
        (TENSORFLOW, "image", "a TensorFlow pickle"),
        (ROSINALITY, "image", "a rosinality g_ema file"),
        (GET3D, "shape", "a GET3D checkpoint"),
    ],
    ids=["snapshot", "tensorflow", "rosinality", "get3d"],
)
def test_inspect_tells_kind_layout_and_sizes(path: Path, kind: str, layout: str) -> None:
    generator = load(path)
    found = json.loads(done("models", "--inspect", path, "--json").stdout)
    assert (found["kind"], found["layout"], found["sha256"]) == (kind, layout, generator.fingerprint)
    assert found["parameters"] == sum(tensor.numel() for tensor in generator.state_dict().values())
    if kind == "image":
        assert (found["pixels"], found["labels"], found["config"]["architecture"]) == ("64x64", 0, "skip")
        assert found["config"]["conv_clamp"] == generator.config.conv_clamp
    assert f"layout: {layout}\n" in done("models", "--inspect", path).stdout


def test_inspect_tells_which_source_code_it_ignored_and_what_is_missing() -> None:
    found = json.loads(done("models", "--inspect", SNAPSHOT, "--json").stdout)
    assert len(bytes.fromhex(found["ignored source code"].removeprefix("sha256 "))) == 32
    assert "notes" not in found
    found = json.loads(done("models", "--inspect", NO_NOISE, "--json").stdout)
    assert found["notes"] == ["the noise is not in the file; drawn from seed 0"]
    assert "ignored source code" not in found


def test_inspect_tells_what_a_native_file_says_of_its_origin(tmp_path: Path) -> None:
    done("convert", TENSORFLOW, tmp_path / "own.safetensors")
    found = json.loads(done("models", "--inspect", tmp_path / "own.safetensors", "--json").stdout)
    assert (found["name"], found["note"]) == ("network", "converted; it was a TensorFlow pickle")
    assert found["layout"] == "a file of drag3d's own"
