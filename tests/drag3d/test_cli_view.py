"""The command line's drags in a view: what works, what it writes, and one line for what does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from drag3d.cli.main import main
from drag3d.session import Session, Viewpoint

SEED = ("--seed", "3")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_a_pixel_is_dragged_in_a_view(small_model: Path, tmp_path: Path) -> None:
    x, y = Viewpoint.of("side").pixels([Session(str(small_model), 3).keypoints["snout"]])[0]
    out, report, session = tmp_path / "out.glb", tmp_path / "report.json", tmp_path / "edit.drag3d"
    picture, animation = tmp_path / "drag.png", tmp_path / "drag.gif"
    found = run(
        "drag", small_model, *SEED, "--view", "side", "--pixel", f"{x + 6},{y}:{x - 14},{y}", "--out", out,
        "--report", report, "--session", session, "--picture", picture, "--animation", animation,
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "pixels off its target" in found.output
    told = json.loads(report.read_text())
    assert (told["unit"], told["view"]["name"]) == ("px", "side")
    assert told["handles"][0]["pixels"]["target"] == pytest.approx([x - 14, y], abs=0.01)
    assert out.stat().st_size > 0
    with Image.open(animation) as film:
        assert film.size == (512, 512)  # what the view shows
    with Image.open(picture) as drawn:
        assert drawn.width >= 2 * 512
    assert Session.open(session, str(small_model)).can_undo


def test_a_keypoint_is_moved_by_pixels_of_the_view(small_model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    found = run(
        "drag", small_model, *SEED, "--view", "90,0", "--view-size", "256", "--keypoint", "tail:6,-12",
        "--max-steps", "2", "--out", tmp_path / "out.stl", "--report", report,
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    pixels = json.loads(report.read_text())["handles"][0]["pixels"]
    assert np.allclose(np.subtract(pixels["target"], pixels["start"]), [6, -12], atol=0.01)


def test_a_mask_says_what_of_a_shape_may_move(small_model: Path, tmp_path: Path) -> None:
    mask = np.zeros((512, 512), dtype=np.uint8)
    mask[:, :256] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    report = tmp_path / "report.json"
    found = run(
        "drag", small_model, *SEED, "--view", "side", "--keypoint", "snout:-10,0", "--mask", tmp_path / "mask.png",
        "--max-steps", "2", "--out", tmp_path / "out.stl", "--report", report,
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert json.loads(report.read_text())["held_points"] > 50


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pixel", "1,2:3,4"), "--pixel is a place in the picture of a view; give --view too"),
        (("--view", "sideways", "--pixel", "1,2:3,4"), "--view 'sideways' is no view: give front"),
        (("--view", "side", "--pixel", "1,2,3:3,4,5"), "has three coordinates"),
        (("--view", "side", "--keypoint", "snout:1,2,3"), "has three coordinates"),
        (("--view", "side", "--pixel", "5,5:9,9"), "shows nothing of the shape"),
        (("--view", "side", "--keypoint", "right_front_foot:5,5"), "is hidden in this view"),
        (("--view-size", "300", "--keypoint", "snout:0,0,0.1"), "--view-size is that of a view's picture"),
        (("--mask", "none.png", "--keypoint", "snout:0,0,0.1"), "--mask is a picture of what may move; give --view"),
        (("--view", "side", "--keypoint", "snout:-9,0", "--mask", "none.png"), "does not exist"),
        (
            ("--view", "side", "--keypoint", "snout:-9,0", "--mask", "none.png", "--stay-sphere", "0,0,0:0.1"),
            "both say what may move",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_line(
    small_model: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "out.glb"
    found = run("drag", small_model, *SEED, *arguments, "--out", out)
    assert found.exit_code == 2, found.output
    [line] = [line for line in found.output.splitlines() if line.startswith("error:")]
    assert said in line
    assert not out.exists()


def test_images_have_no_views(tmp_path: Path) -> None:
    found = run("drag", "portrait", "--view", "side", "--point", "9,9:12,9", "--out", tmp_path / "out.png")
    assert found.exit_code == 2
    assert "--view has no meaning here: portrait makes images; an image is its own view" in found.output


def test_a_sample_is_drawn_as_a_view_shows_it(small_model: Path, tmp_path: Path) -> None:
    """The snout, pink and black, is drawn at the pixel that the view gives for it."""
    path = tmp_path / "side.png"
    found = run("sample", small_model, *SEED, "--view", "side", "--view-size", "300", "--picture", path)
    assert found.exit_code == 0, found.output
    pixels = np.asarray(Image.open(path)).astype(int)
    assert pixels.shape == (300, 300, 3)
    view, shape = Viewpoint.of("side", size=300), Session(str(small_model), 3).shape
    places = view.pixels(shape.vertices.numpy())
    left, right = places[:, 0].min(), places[:, 0].max()
    coloured = (pixels.max(axis=2) - pixels.min(axis=2)) > 40  # the paper and the shadow are grey
    columns = np.flatnonzero(coloured.any(axis=0))
    assert abs(columns.min() - left) < 4
    assert abs(columns.max() - right) < 4


def test_a_view_without_a_picture_means_nothing_to_a_sample(small_model: Path, tmp_path: Path) -> None:
    found = run("sample", small_model, "--view", "side", "--out", tmp_path / "a.glb")
    assert found.exit_code == 2
    assert "give --picture too" in found.output
