"""The commands: what they write, print and leave alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from click.testing import CliRunner, Result
from PIL import Image

import drag3d
from drag3d.cli import main
from drag3d.session import Session

UP = np.array([0.0, 0.05, 0.0])
ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def done(*arguments: Any) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def mesh(path: Path) -> trimesh.Trimesh:
    return trimesh.load_mesh(path, process=False)


def same_surface(written: trimesh.Trimesh, shape: Any) -> bool:
    """Whether the triangles are those of the shape, one by one; their corners may be separate where charts end."""
    expected = shape.vertices[shape.faces].numpy()
    return written.triangles.shape == expected.shape and np.allclose(written.triangles, expected, atol=1e-5)


@pytest.mark.parametrize("command", [["--help"], ["drag", "--help"], ["demo", "--help"], ["--version"], []])
def test_help_and_version_answer_without_importing_torch(command: list[str]) -> None:
    code = (
        "import sys\n"
        "from drag3d.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert end.code == 0, end.code\n"
        "heavy = {'torch', 'numpy', 'trimesh', 'pyvista', 'scipy', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "drag3d" in ran.stdout


def test_python_m_drag3d_is_the_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "drag3d", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert drag3d.__version__ in ran.stdout


def test_sample_writes_the_shape_of_the_seed(small_model: Path, tmp_path: Path) -> None:
    result = done(
        "sample", small_model, "--seed", 3, "--texture-seed", 5, "--truncation", 0.7, "--out", tmp_path / "a.obj"
    )
    expected = Session(small_model, 3, 5, 0.7).shape
    assert same_surface(mesh(tmp_path / "a.obj"), expected)
    assert "a.obj" in result.stdout and f"{len(expected.faces)} faces" in result.stdout


def test_drag_writes_mesh_report_and_session(small_model: Path, tmp_path: Path) -> None:
    out, report, saved = tmp_path / "b.glb", tmp_path / "r.json", tmp_path / "s.drag3d"
    done(
        "drag", small_model, "--seed", 3, "--keypoint", "back:0,0.05,0", "--max-steps", 3, "--tolerance", 1e-6,
        "--method", "draggan", "--hold-weight", 5, "--stay-box", "-1,-1,-1:1,-0.2,1",
        "--out", out, "--report", report, "--session", saved,
    )  # fmt: skip
    said = json.loads(report.read_text())
    assert said["method"] == "draggan" and said["steps"] == 3 and said["stop_reason"] == "step limit"
    assert said["settings"]["tolerance"] == 1e-6 and said["settings"]["hold_weight"] == 5 and said["held_points"] > 0
    assert said["handles"][0]["name"] == "back" and said["device"] == "cpu"
    session = Session.open(saved, small_model)
    assert np.allclose(session.points[0].handle, said["handles"][0]["tracked_end"])
    written = trimesh.load(out, process=False).to_geometry()
    assert same_surface(written, session.shape)
    assert not torch.equal(session.latents.geometry, Session(small_model, 3).latents.geometry)


def test_points_are_given_as_coordinates_and_repeatedly(small_model: Path, tmp_path: Path) -> None:
    vertices = Session(small_model, 3).shape.vertices.double().numpy()
    pairs = [f"{','.join(map(str, v))}:{','.join(map(str, v + UP))}" for v in vertices[[0, 50]]]
    report = tmp_path / "r.json"
    arguments = [part for pair in pairs for part in ("--point", pair)]
    done(
        "drag", small_model, "--seed", 3, *arguments, "--max-steps", 1, "--out", tmp_path / "b.stl", "--report", report
    )
    handles = json.loads(report.read_text())["handles"]
    assert np.allclose([h["start"] for h in handles], vertices[[0, 50]], atol=1e-6)


def test_texture_latents_alone_change_colours_and_no_vertex(small_model: Path, tmp_path: Path) -> None:
    start = done("sample", small_model, "--seed", 3, "--out", tmp_path / "a.ply") and mesh(tmp_path / "a.ply")
    done("drag", small_model, "--seed", 3, "--keypoint", "back:0,0.05,0", "--latents", "texture", "--max-steps", 2,
         "--method", "draggan", "--out", tmp_path / "b.ply")  # fmt: skip
    end = mesh(tmp_path / "b.ply")
    assert np.array_equal(start.vertices, end.vertices)
    assert not np.array_equal(start.visual.vertex_colors, end.visual.vertex_colors)


def test_a_drag_that_does_not_arrive_is_no_error_and_says_why(small_model: Path, tmp_path: Path) -> None:
    result = done("drag", small_model, "--keypoint", "back:0,0.1,0", "--max-steps", 1, "--out", tmp_path / "b.glb")
    assert "step limit after 1 step " in result.stdout


def test_quiet_prints_nothing(small_model: Path, tmp_path: Path) -> None:
    result = done("sample", small_model, "--out", tmp_path / "a.glb", "--quiet")
    assert result.output == "" and (tmp_path / "a.glb").is_file()


def test_a_snapped_handle_is_noted_on_standard_error_even_when_quiet(small_model: Path, tmp_path: Path) -> None:
    session = Session(small_model, 3)
    x, y, z = session.shape.vertices[session.shape.vertices[:, 1].argmax()].tolist()
    y += 0.03 * session.shape.diagonal
    result = done("drag", small_model, "--seed", 3, "--point", f"{x},{y},{z}:{x},{y + 0.05},{z}", "--max-steps", 1,
                  "--quiet", "--out", tmp_path / "b.glb")  # fmt: skip
    assert result.stdout == "" and result.stderr.startswith("note: moved the handle") and result.stderr.count("\n") == 1


def test_a_drag_draws_before_and_after(small_model: Path, tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    result = done("drag", small_model, "--keypoint", "back:0,0.05,0", "--max-steps", 1, "--out", tmp_path / "b.glb",
                  "--picture", picture)  # fmt: skip
    assert str(picture) in result.stdout
    before, after = np.split(pixels(picture), 2, axis=1)
    red = [(half[..., 0] > 150) & (half[..., 1:].max(axis=-1) < 90) for half in (before, after)]
    assert before.shape == after.shape == (800, 800, 3) and all(found.any() for found in red)


def test_sample_draws_a_shape_and_goes_round_it_without_a_mesh_file(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drag3d.export.shape_film.TURN", 36.0)
    monkeypatch.setattr("drag3d.export.shape_film.TURNTABLE_FRAMES", 10)
    picture, film = tmp_path / "p.png", tmp_path / "turn.mp4"
    result = done("sample", small_model, "--seed", 3, "--picture", picture, "--animation", film)
    assert f"wrote {picture}, {film}: " in result.stdout and " faces" in result.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"p.png", "turn.mp4"}
    image, frames = pixels(picture), frames_of(film)
    assert image.shape == (800, 800, 3) and image[300:500, 300:500].std() > 10  # there is a shape in the middle
    assert len(frames) == 10 and all(np.abs(a - b).mean() > 0.2 for a, b in pairwise([*frames, frames[0]]))
    both = done("sample", small_model, "--seed", 3, "--picture", picture, "--out", tmp_path / "a.glb")
    assert (tmp_path / "a.glb").is_file() and f"wrote {tmp_path / 'a.glb'}, {picture}: " in both.stdout
    assert np.array_equal(pixels(picture), image)


def test_the_demo_writes_everything(small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from drag3d.cli.demo import Edit

    monkeypatch.setattr(sys.modules["drag3d.cli.demo"], "SHAPE", Edit("quadruped", 9, {"back": (0.0, 0.03, 0.0)}))
    monkeypatch.setattr("get3d_models.embedded_models", dict)  # as before there was a model of images
    out = tmp_path / "shown"
    out.mkdir()
    (out / "edited.glb").write_text("of an earlier demo")
    result = done("demo", "--out", out, "--model", small_model)
    textured = {"edited.glb", "edited.obj", "edited.mtl", "edited_texture.png", "original.glb"}
    assert {p.name for p in out.iterdir()} == textured | {"before_after.png", "report.json", "edit.drag3d"}
    assert str(out) in result.stdout and len(result.stdout.splitlines()) <= 6
    session = Session.open(out / "edit.drag3d", small_model)
    assert same_surface(mesh(out / "edited.obj"), session.shape)


def test_models_lists_size_hash_description_and_keypoints_of_what_is_embedded(
    small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from get3d_models import loading

    small_model.with_suffix(".md").write_text("# quadruped\n\n> quote\n\nA friendly animal.\nMore.\n")
    monkeypatch.setattr(loading, "_FOLDERS", (small_model.parent,))
    (row,) = json.loads(done("models", "--json").stdout)
    assert row["name"] == "quadruped" and row["bytes"] == small_model.stat().st_size
    assert row["sha256"] == Session(small_model).generator.fingerprint
    assert row["description"] == "A friendly animal." and "snout" in row["keypoints"]
    text = done("models").stdout
    assert all(part in text for part in ("quadruped", row["sha256"][:12], "A friendly animal.", "snout"))


def test_inspect_prints_what_a_file_holds(small_model: Path) -> None:
    generator = Session(small_model).generator
    found = json.loads(done("models", "--inspect", small_model, "--json").stdout)
    assert found["config"]["grid_resolution"] == 16 and found["tensors"] == len(generator.state_dict())
    assert f"sha256: {generator.fingerprint}" in done("models", "--inspect", small_model).stdout


def test_bench_prints_ratios_as_json_and_as_one_table(small_model: Path) -> None:
    arguments = ["--only", "marching", "--only", "arrival", "--resolution", 12, "--repeats", 1, "--drags", 1]
    arguments += ["--device", "cpu"]
    report = json.loads(done("bench", *arguments, "--model", small_model, "--json").stdout)
    row = report["marching"][0]["single"]["wall"]
    assert row["ratio"] == pytest.approx(row["textbook"] / row["ours"]) and "step" not in report
    assert report["machine"].startswith("cpu, ") and torch.__version__ in report["machine"]
    drags = report["arrival"][0]["each"]
    assert len(drags) == 1 and all(drag["steps"] > 0 for drag in drags)
    table = done("bench", "--only", "marching", "--resolution", 12, "--repeats", 1).stdout.splitlines()
    assert "PyTorch" in table[0] and "textbook" in table[1]
    assert len(table) == 4 and all("x " in line for line in table[2:])


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="closing a pipe early is a POSIX habit")
def test_output_may_be_cut_off_by_head(small_model: Path) -> None:
    command = f"{sys.executable} -m drag3d models --inspect {small_model} | head -n 1"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.stdout.startswith("file: ") and "Traceback" not in ran.stderr


def frames_of(path: Path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]


@pytest.mark.slow
def test_an_animation_of_a_shape_shows_its_way_from_a_camera_that_stands_still(
    small_model: Path, tmp_path: Path
) -> None:
    film, picture = tmp_path / "drag.mp4", tmp_path / "p.png"
    result = done("drag", small_model, "--seed", 3, "--keypoint", "tail:0,0.1,0", "--max-steps", 4, "--out",
                  tmp_path / "b.glb", "--animation", film, "--picture", picture)  # fmt: skip
    assert film.name in result.stdout
    frames = frames_of(film)
    assert len(frames) == 24 + 2 * 8 and frames[0].shape == (640, 640, 3)
    change = np.abs(frames[-1] - frames[0]).max(axis=-1)
    assert (change > 40).mean() > 0.001  # the tail and its handle moved
    assert np.median(change) < 4 and change[:8].max() < 10  # the camera did not
    nearest = [int(np.argmin([np.abs(f - g).mean() for g in (frames[0], frames[-1])])) for f in frames]
    assert nearest == sorted(nearest)  # from the start to the end, never back


@pytest.mark.slow
def test_a_turntable_goes_round_once_more_at_the_end(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drag3d.export.shape_film.TURN", 18.0)
    film = tmp_path / "drag.mp4"
    done("drag", small_model, "--seed", 3, "--keypoint", "tail:0,0.05,0", "--max-steps", 2, "--out", tmp_path / "b.glb",
         "--animation", film, "--turntable")  # fmt: skip
    frames = frames_of(film)
    assert len(frames) == 24 + 20 + 2 * 8
    end, whole_turn_before, half_turn_before = frames[-1], frames[8 + 23], frames[8 + 23 + 10]
    assert np.abs(end - whole_turn_before).mean() < 0.3 * np.abs(end - half_turn_before).mean()
    moving = frames[8:-8]
    assert all(np.abs(a - b).mean() > 0.2 for a, b in pairwise(moving))  # it never stops
