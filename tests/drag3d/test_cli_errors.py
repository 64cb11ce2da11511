"""Bad input on the command line: one line, exit code 2, no traceback, nothing lost, and nothing computed before."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import drag3d.session
from drag3d.cli import main
from drag3d.session import Session

HOSTILE = Path(__file__).parents[1] / "data" / "hostile"
NAMES = [k for k, v in json.loads((HOSTILE / "expect.json").read_text()).items() if v["expect"] == "refuse"]
POINT = ("--point", "0,0,0:0,0.1,0")


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def refused(*arguments: Any, code: int = 2) -> str:
    """The one line with which a command is refused."""
    result = run(*arguments)
    lines = [line for line in result.stderr.splitlines() if line and not line.startswith("note: ")]
    assert result.exit_code == code, result.output
    assert len(lines) == 1 and lines[0].startswith("error: ") and result.stdout == "", result.output
    return lines[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_model_file_is_refused_and_runs_nothing(name: str, tmp_path: Path) -> None:
    assert name in refused("sample", HOSTILE / name, "--out", tmp_path / "a.glb")
    assert name in refused("models", "--inspect", HOSTILE / name)
    assert not list(tmp_path.iterdir()) and not list(Path("/tmp").glob("drag3d__hostile_*"))


def test_a_truncated_or_foreign_model_file_is_refused(small_model: Path, tmp_path: Path) -> None:
    cut, text = tmp_path / "cut.safetensors", tmp_path / "text.safetensors"
    cut.write_bytes(small_model.read_bytes()[:-1000])
    text.write_text("no model")
    for path in (cut, text):
        assert str(path) in refused("sample", path, "--out", tmp_path / "a.glb")


def test_an_unknown_model_suggests_the_nearest(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from get3d_models import loading

    monkeypatch.setattr(loading, "_FOLDERS", (small_model.parent,))
    assert "did you mean 'quadruped'?" in refused("sample", "quadrupd", "--out", tmp_path / "a.glb")
    assert "no directory" in refused("sample", "no/such/model.pt", "--out", tmp_path / "a.glb")
    assert "is a directory" in refused("sample", tmp_path, "--out", tmp_path / "a.glb")


OUTPUTS = {
    "missing directory": (["--out", "nowhere/b.glb"], "there is no directory nowhere; create it first"),
    "unknown suffix": (["--out", "b.fbx"], "must end in .glb or .obj or .ply or .stl"),
    "no suffix": (["--out", "b"], "must end in"),
    "a directory": (["--out", "folder.glb"], "is a directory"),
    "report elsewhere": (["--out", "b.glb", "--report", "nowhere/r.json"], "--report nowhere/r.json: there is no"),
    "report of another kind": (["--out", "b.glb", "--report", "r.txt"], "must end in .json"),
    "picture of another kind": (["--out", "b.glb", "--picture", "p.jpg"], "must end in .png"),
    "session of another kind": (["--out", "b.glb", "--session", "s.json"], "must end in .drag3d"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("work was done before looking at the outputs")

    monkeypatch.chdir(tmp_path)
    Path("folder.glb").mkdir()
    monkeypatch.setattr(drag3d.session, "Session", fail)
    arguments, said = OUTPUTS[name]
    assert said in refused("drag", "quadruped", *POINT, *arguments)


def test_two_outputs_may_not_be_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "r.json")
    from drag3d.cli.common import check_outputs
    from get3d_models.errors import InputError

    with pytest.raises(InputError, match="--a and --b name the same file"):
        check_outputs([("--a", tmp_path / "r.json", (".json",)), ("--b", tmp_path / "link.json", (".json",))])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_one_may_not_write_to_is_refused_before_any_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "you may not write" in refused("drag", "quadruped", *POINT, "--out", tmp_path / "b.glb")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no point to drag; give --point"),
        (["--point", "0,0,0"], "two places of two or three finite numbers"),
        (["--point", "0,0:1,1,1"], "two places of two or three finite numbers"),
        (["--point", "a,b,c:1,1,1"], "two places of two or three finite numbers"),
        (["--point", "nan,0,0:1,1,1"], "finite"),
        (["--point", "0,0,0:inf,1,1"], "finite"),
        (["--keypoint", "snout"], "as snout:dx,dy,dz for a shape"),
        (["--keypoint", ":1,2,3"], "as snout:dx,dy,dz for a shape"),
        ([*POINT, "--move-box", "0,0,0"], "two places"),
        ([*POINT, "--move-sphere", "0,0,0"], "write it as x,y,z:r"),
        ([*POINT, "--method", "magic"], "'default', 'draggan'"),
        ([*POINT, "--latents", "all"], "'geometry', 'texture', 'both'"),
        ([*POINT, "--max-steps", "many"], "not a valid integer"),
        ([*POINT, "--max-step"], "--max-step"),
        ([*POINT, "--no-such-option"], "No such option"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_without_loading_a_model(arguments: list[str], said: str) -> None:
    assert said in refused("drag", "no-such-model", *arguments, "--out", "b.glb")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keypoint", "snot:0,0,0.1"], "did you mean 'snout'"),
        (["--keypoint", "back:0,0,0"], "is zero"),
        (["--keypoint", "back:0,0.1,0", "--truncation", "0.5"], "truncation 1 only"),
        (["--keypoint", "back:0,0.1,0", "--truncation", "nan"], "truncation"),
        (["--keypoint", "back:0,0.1,0", "--seed", "-1"], "seed"),
        (["--keypoint", "back:0,9,0"], "far outside"),
        (["--keypoint", "back:0,0.1,0", "--max-steps", "-1"], "max_steps"),
        (["--keypoint", "back:0,0.1,0", "--tolerance", "nan"], "tolerance"),
        (["--keypoint", "back:0,0.1,0", "--move-box", "0,0,0:0,1,1"], "differ along every axis"),
        (["--keypoint", "back:0,0.1,0", "--move-sphere", "3,3,3:0.1"], "no part of the surface"),
        (["--keypoint", "back:0,0.1,0", "--stay-box", "-1,-1,-1:1,1,1"], "no part of the surface"),
        (["--point", "0.4,0.4,0.4:0,0,0"], "% of the shape's diagonal off the surface"),
    ],
)
def test_input_that_does_not_fit_the_shape_is_refused_and_loses_no_older_file(
    small_model: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    files = {name: tmp_path / f"old.{name}" for name in ("glb", "json", "drag3d")}
    for path in files.values():
        path.write_text("precious")
    outputs = ["--out", files["glb"], "--report", files["json"], "--session", files["drag3d"]]
    assert said in refused("drag", small_model, *arguments, *outputs)
    assert all(path.read_text() == "precious" for path in files.values()) and len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(
    small_model: Path, tmp_path: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    said = refused("sample", small_model, "--device", device, "--out", tmp_path / "a.glb")
    assert f"device {device} is not available" in said and "cpu" in said


def test_unknown_commands_and_missing_arguments_are_one_line_too() -> None:
    assert "No such command 'drug'" in refused("drug")
    assert "Missing argument 'MODEL'" in refused("sample")
    assert "Missing option '--out'" in refused("drag", "quadruped", *POINT)
    assert "there is nothing to write; give --out, --picture or --animation" in refused("sample", "quadruped")
    assert "no model 'quadrupde'" in refused("bench", "--model", "quadrupde")


def test_ctrl_c_leaves_with_130_and_the_session_so_far(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drag3d.cli import running

    class Bar(running.tqdm):  # type: ignore[type-arg,misc]
        def update(self, n: float | None = 1) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "tqdm", Bar)
    saved = tmp_path / "s.drag3d"
    arguments = ["drag", small_model, "--seed", 3, "--keypoint", "back:0,0.1,0", "--out", tmp_path / "b.glb"]
    assert refused(*arguments, "--session", saved, code=130) == "error: interrupted"
    assert "the drag so far is in" in run(*arguments, "--session", saved).stderr
    assert Session.open(saved, small_model).undo() == "drag, 1 step"
    assert not (tmp_path / "b.glb").exists()


def test_a_full_disk_is_bad_input_and_a_bug_is_not(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug\nin two lines")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert "the disk is full" in refused("sample", small_model, "--out", tmp_path / "a.glb")
    monkeypatch.delenv("DRAG3D_TRACEBACK", raising=False)
    monkeypatch.setattr(Session, "export", broken)
    said = refused("sample", small_model, "--out", tmp_path / "a.glb", code=1)
    assert "unexpected ZeroDivisionError: a bug in two lines" in said and "DRAG3D_TRACEBACK=1" in said


def test_a_demo_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in refused("demo", "--out", tmp_path / "file")
    assert "no directory" in refused("demo", "--out", tmp_path / "no" / "such")
