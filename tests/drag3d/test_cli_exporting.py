"""The options of an export: what commands write with them, what they refuse, and the progress they show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from click.testing import CliRunner, Result
from PIL import Image

from drag3d.cli import main
from drag3d.session import Session

if sys.platform != "win32":
    import pty
    import termios

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def done(*arguments: Any) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: Any) -> str:
    result = run(*arguments)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1, result.output
    return result.stderr


def tree_of(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])


def test_a_glb_has_a_texture_unless_vertex_colours_are_asked_for(small_model: Path, tmp_path: Path) -> None:
    done("sample", small_model, "--out", tmp_path / "a.glb")
    done("sample", small_model, "--out", tmp_path / "b.glb", "--vertex-colors")
    attributes = [tree_of(tmp_path / n)["meshes"][0]["primitives"][0]["attributes"] for n in ("a.glb", "b.glb")]
    assert "TEXCOORD_0" in attributes[0] and "COLOR_0" not in attributes[0]
    assert "COLOR_0" in attributes[1] and "TEXCOORD_0" not in attributes[1]


def test_an_obj_comes_with_its_material_and_a_texture_of_the_size_asked_for(small_model: Path, tmp_path: Path) -> None:
    done("sample", small_model, "--out", tmp_path / "a.obj", "--texture-size", 128)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mtl", "a.obj", "a_texture.png"]
    with Image.open(tmp_path / "a_texture.png") as image:
        assert image.size == (128, 128)


@pytest.mark.parametrize("command", [["sample"], ["drag", "--keypoint", "back:0,0.02,0", "--max-steps", "1"]])
def test_mesh_options_do_what_the_session_does(small_model: Path, tmp_path: Path, command: list[str]) -> None:
    name, *given = command
    options = ["--resolution", 24, "--smooth", 2, "--simplify", 600]
    result = done(name, small_model, "--seed", 3, *given, *options, "--out", tmp_path / "a.ply")
    mesh = trimesh.load_mesh(tmp_path / "a.ply", process=False)
    assert 597 <= len(mesh.faces) <= 600 and mesh.is_watertight
    if name == "sample":
        Session(small_model, 3).export(tmp_path / "b.ply", resolution=24, smooth=2, simplify=600)
        assert np.array_equal(mesh.vertices, trimesh.load_mesh(tmp_path / "b.ply", process=False).vertices)
        assert f"{len(mesh.faces)} faces" in result.stdout


REFUSED = {
    "size": (["--out", "a.glb", "--texture-size", 32], "the texture size must be a whole number from 64 to 8192"),
    "faces": (["--out", "a.glb", "--simplify", 2], "the triangles to simplify to must be a whole number from 4"),
    "grid": (["--out", "a.glb", "--resolution", 200], "take at most 111"),
    "bound": (["--out", "a.glb", "--resolution", 1000], "must be a whole number from 8 to 256"),
    "both": (["--out", "a.obj", "--texture-size", 64, "--vertex-colors"], "leave out the texture size"),
    "ply": (["--out", "a.ply", "--texture-size", 64], "a .ply file has no texture; leave out the texture size"),
    "stl": (["--out", "a.stl", "--unwrap", "fast"], "a .stl file has no texture; leave out the unwrapping"),
    "colours": (["--out", "a.stl", "--vertex-colors"], "an .stl file has no colours"),
    "choice": (["--out", "a.glb", "--unwrap", "best"], "'best' is not one of 'fast', 'quality'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_options_that_cannot_be_used_are_refused_in_one_line(
    small_model: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, said = REFUSED[name]
    if name == "choice":
        assert said in run("sample", small_model, *arguments).stderr
    else:
        assert said in refused("sample", small_model, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("taken", ["a.mtl", "a_texture.png"])
def test_what_is_written_beside_an_obj_is_looked_at_before_any_work(
    small_model: Path, tmp_path: Path, taken: str
) -> None:
    (tmp_path / taken).mkdir()
    assert f"{taken} is a directory" in refused("sample", small_model, "--out", tmp_path / "a.obj")
    done("sample", small_model, "--out", tmp_path / "a.obj", "--vertex-colors")


def test_a_picture_does_not_take_the_name_of_the_texture(small_model: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a_texture.png"
    said = refused("drag", small_model, "--keypoint", "back:0,0.1,0", "--out", tmp_path / "a.obj", "--picture", picture)
    assert f"the texture of --out and --picture name the same file {picture}" in said


@pytest.mark.parametrize(
    "option",
    [
        ["--texture-size", 64], ["--unwrap", "fast"], ["--vertex-colors"], ["--resolution", 20], ["--smooth", 0],
        ["--simplify", 100],
    ],
)  # fmt: skip
def test_models_of_images_refuse_each_option_by_its_name(option: list[Any], tmp_path: Path) -> None:
    for command in (["sample", "portrait"], ["drag", "portrait", "--keypoint", "mouth_left:-2,0"]):
        said = refused(*command, *option, "--out", tmp_path / "a.png")
        assert f"{option[0]} has no meaning here: portrait makes images" in said
    assert list(tmp_path.iterdir()) == []


def test_a_session_of_an_image_refuses_settings_of_shapes(tmp_path: Path) -> None:
    from get3d_models.errors import InputError

    with pytest.raises(InputError, match="texture_size is a setting for shapes; this model makes images"):
        Session("portrait", 1).export(tmp_path / "a.png", texture_size=512)


def on_a_terminal(command: list[str]) -> str:
    """What a program writes to standard error when that is a terminal."""
    screen, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 100))
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=end, cwd=ROOT)
    os.close(end)
    shown = b""

    def read() -> None:
        nonlocal shown
        try:
            while part := os.read(screen, 4096):
                shown += part
        except OSError:  # the other side was closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    assert program.wait(120) == 0
    reader.join(10)
    os.close(screen)
    return shown.decode(errors="replace")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are not to be had")
def test_a_terminal_shows_each_part_of_the_work_and_quiet_nothing(small_model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "drag3d", "sample", str(small_model), "--out", str(tmp_path / "a.glb")]
    shown = on_a_terminal([*command, "--smooth", "1", "--unwrap", "quality", "--texture-size", "512"])
    for part in ("smoothing", "unwrapping", "baking", "writing"):
        assert part in shown
    assert "baking:   0%" in shown
    assert on_a_terminal([*command, "--quiet"]) == ""


def test_no_bar_is_drawn_where_nobody_looks(small_model: Path, tmp_path: Path) -> None:
    assert done("sample", small_model, "--out", tmp_path / "a.glb").stderr == ""


@pytest.mark.parametrize("command", ["sample", "drag"])
def test_help_says_what_each_option_costs(command: str) -> None:
    said = " ".join(done(command, "--help").output.split())
    costs = {"--texture-size": "4096 17 s", "--unwrap": "5 s", "--vertex-colors": "0.1 s", "--resolution": "10 s"}
    costs |= {"--smooth": "0.01 s each", "--simplify": "2 s"}
    for option, cost in costs.items():
        assert cost in said.split(f" {option} ", 1)[1].split(" --", 1)[0], option
