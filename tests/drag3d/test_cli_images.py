"""The commands on a model of images: the same as for shapes, in pixels; what fits the other kind is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import drag3d.session
from drag3d.cli import main
from drag3d.session import Session

POINT = ("--point", "30,40:36,36")


@pytest.fixture(scope="module")
def image_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a random generator of 64 x 64 pixels that takes itself for the portrait, whose keypoints it so has."""
    from get3d_models.checkpoint import write_generator
    from get3d_models.image_config import ImageConfig
    from get3d_models.stylegan2 import ImageGenerator

    torch.manual_seed(0)
    config = ImageConfig(z_dim=48, w_dim=48, channels=(32, 32, 32, 16, 16), mapping_layers=2)
    path = tmp_path_factory.mktemp("images") / "portrait.safetensors"
    write_generator(path, ImageGenerator(config, "portrait"))
    return path


@pytest.fixture(scope="module")
def labelled_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a random generator with three classes."""
    from get3d_models.checkpoint import write_generator
    from get3d_models.image_config import ImageConfig
    from get3d_models.stylegan2 import ImageGenerator

    torch.manual_seed(1)
    config = ImageConfig(z_dim=16, w_dim=16, channels=(16, 16, 16), mapping_layers=2, label_dim=3)
    path = tmp_path_factory.mktemp("labelled") / "digits.safetensors"
    write_generator(path, ImageGenerator(config, "digits"))
    return path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def done(*arguments: Any) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: Any) -> str:
    """The one line with which a command is refused."""
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == "", result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def frames_of(path: Path) -> list[np.ndarray]:
    if path.suffix == ".gif":
        with Image.open(path) as image:
            return [np.asarray(image.convert("RGB")) for number in range(image.n_frames) if image.seek(number) is None]
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def painted(path: Path, size: tuple[int, int], white: tuple[slice, slice] | None) -> Path:
    """A mask as a PNG: black, with a white rectangle."""
    levels = np.zeros(size[::-1], np.uint8)
    if white:
        levels[white] = 255
    Image.fromarray(levels).save(path)
    return path


# ---- sample -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_sample_writes_the_image_of_the_seed(suffix: str, image_model: Path, tmp_path: Path) -> None:
    out = tmp_path / f"a.{suffix}"
    result = done("sample", image_model, "--seed", 3, "--truncation", 0.7, "--out", out)
    expected = Session(image_model, 3, truncation=0.7).image
    assert np.abs(pixels(out).astype(int) - expected).mean() < (0.001 if suffix == "png" else 4)
    assert "a." in result.stdout and "64 x 64 pixels" in result.stdout


def test_a_label_chooses_the_class(labelled_model: Path, tmp_path: Path) -> None:
    for label in (0, 2):
        done("sample", labelled_model, "--label", label, "--out", tmp_path / f"{label}.png")
        assert np.array_equal(pixels(tmp_path / f"{label}.png"), Session(labelled_model, label=label).image)
    assert not np.array_equal(pixels(tmp_path / "0.png"), pixels(tmp_path / "2.png"))
    assert "classes 0 to 2" in refused("sample", labelled_model, "--label", 3, "--out", tmp_path / "a.png")


def test_a_label_for_a_model_without_classes_is_refused(image_model: Path, tmp_path: Path) -> None:
    assert "has no class labels" in refused("sample", image_model, "--label", 0, "--out", tmp_path / "a.png")


# ---- drag ---------------------------------------------------------------------------------------------------------


def test_drag_writes_image_report_picture_and_session(image_model: Path, tmp_path: Path) -> None:
    out, report, saved, picture = (tmp_path / name for name in ("b.png", "r.json", "s.drag3d", "p.png"))
    outputs = ["--out", out, "--report", report, "--session", saved, "--picture", picture]
    settings = ["--max-steps", 3, "--tolerance", 0.01, "--layers", 4, "--feature-block", 3]
    result = done("drag", image_model, "--seed", 3, *POINT, *settings, *outputs)
    said = json.loads(report.read_text())
    assert (said["kind"], said["unit"], said["steps"]) == ("image", "px", 3)
    assert said["settings"]["layers"] == 4 and said["settings"]["feature_block"] == 3
    assert said["handles"][0]["start"] == [30, 40] and said["handles"][0]["target"] == [36, 36]
    session = Session.open(saved, image_model)
    assert np.array_equal(pixels(out), session.image)
    assert not np.array_equal(pixels(out), session.original_image)
    moved = (session.latents.rows - Session(image_model, 3).latents.rows).abs().amax(dim=1) > 0
    assert moved[:4].any() and not moved[4:].any()
    assert pixels(picture).shape[1] > 2 * 512  # two panels of eight times the image's size
    assert "pixels off its target" in result.stdout and "step limit after 3 steps" in result.stdout


def test_keypoints_are_those_of_the_teacher_in_pixels(image_model: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    done("drag", image_model, "--keypoint", "mouth_left:-4,2", "--max-steps", 1, "--out", tmp_path / "b.png",
         "--report", report)  # fmt: skip
    (handle,) = json.loads(report.read_text())["handles"]
    assert handle["name"] == "mouth_left"
    assert np.allclose(handle["start"], Session(image_model).keypoints["mouth_left"])
    assert np.allclose(np.subtract(handle["target"], handle["start"]), [-4, 2])


def test_both_variants_of_draggan_run_and_differ(image_model: Path, tmp_path: Path) -> None:
    arguments = ["drag", image_model, *POINT, "--method", "draggan", "--max-steps", 2, "--tolerance", 0.01]
    arguments += ["--out", tmp_path / "b.png", "--report", tmp_path / "r.json", "--session", tmp_path / "s.drag3d"]
    ends = []
    for variant in ("paper", "released"):
        done(*arguments, "--variant", variant)
        assert json.loads((tmp_path / "r.json").read_text())["settings"]["variant"] == variant
        ends.append(Session.open(tmp_path / "s.drag3d", image_model).latents.rows)
    assert not torch.equal(*ends)


def test_a_variant_belongs_to_draggan(image_model: Path, tmp_path: Path) -> None:
    said = refused("drag", image_model, *POINT, "--variant", "released", "--out", tmp_path / "a.png")
    assert "--method draggan" in said


def test_a_mask_is_kept_in_the_session(image_model: Path, tmp_path: Path) -> None:
    mask = painted(tmp_path / "m.png", (64, 64), (slice(20, 60), slice(10, 50)))
    done("drag", image_model, *POINT, "--mask", mask, "--max-steps", 1, "--out", tmp_path / "b.png",
         "--session", tmp_path / "s.drag3d", "--report", tmp_path / "r.json")  # fmt: skip
    region = Session.open(tmp_path / "s.drag3d", image_model).region
    assert isinstance(region, drag3d.session.masks.Mask) and region.free.sum() == 1600
    assert json.loads((tmp_path / "r.json").read_text())["held_points"] > 0


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_an_animation_begins_with_the_seed_and_ends_with_the_result(
    suffix: str, image_model: Path, tmp_path: Path
) -> None:
    out, film = tmp_path / "b.png", tmp_path / f"drag{suffix}"
    result = done("drag", image_model, *POINT, "--max-steps", 4, "--tolerance", 0.01, "--out", out, "--animation", film)
    assert film.name in result.stdout
    shown = frames_of(film)
    assert len(shown) == (24 + 2 * 8 if suffix == ".mp4" else 5)  # a GIF keeps what stands still as one frame
    assert shown[0].shape == (512, 512, 3)
    small = [frame.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3)) for frame in (shown[0], shown[-1])]
    pictures = [Session(image_model).image.astype(float), pixels(out).astype(float)]
    away = np.ones((64, 64), bool)
    away[30:46, 24:42] = False  # the marks
    errors = [[np.abs(frame - picture)[away].mean() for picture in pictures] for frame in small]
    assert errors[0][0] < errors[0][1] and errors[1][1] < errors[1][0]
    red = np.abs(shown[0].astype(int) - [229, 35, 46]).max(axis=-1) < 40
    rows, columns = np.nonzero(red)
    assert (columns.mean() + 0.5) / 8 - 0.5 == pytest.approx(30, abs=0.3)
    assert (rows.mean() + 0.5) / 8 - 0.5 == pytest.approx(40, abs=0.3)


# ---- what does not fit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--point", "30,40,1:36,36,1"], "has three coordinates, but portrait makes images: give two, x,y in pixels"),
        (["--keypoint", "mouth_left:1,2,3"], "--keypoint mouth_left:1,2,3 has three coordinates"),
        (["--point", "30,64:36,36"], "outside the image of 64 x 64 pixels"),
        (["--point", "30,40:-1,36"], "outside the image of 64 x 64 pixels"),
        (["--point", "30,40:30,40"], "equals its handle"),
        (["--keypoint", "mouth_lefd:1,2"], "did you mean 'mouth_left'"),
        (["--keypoint", "mouth_left:0,0"], "is zero"),
        (["--keypoint", "mouth_left:70,0"], "outside the image"),
        (
            [*POINT, "--move-box", "0,0,0:1,1,1"],
            "--move-box has no meaning here: portrait makes images; for images use",
        ),
        ([*POINT, "--stay-sphere", "0,0,0:1"], "--stay-sphere has no meaning here"),
        ([*POINT, "--latents", "geometry"], "--latents has no meaning here"),
        ([*POINT, "--features", "both"], "--features has no meaning here"),
        ([*POINT, "--texture-seed", "3"], "--texture-seed has no meaning here"),
        ([*POINT, "--turntable", "--animation", "a.gif"], "--turntable has no meaning here"),
        ([*POINT, "--turntable"], "give --animation too"),
        ([*POINT, "--layers", "0"], "layers must be a whole number from 1 on"),
        ([*POINT, "--layers", "99"], "latent rows"),
        ([*POINT, "--feature-block", "5"], "has blocks 0 to 4"),
        ([*POINT, "--animation", "a.avi"], "must end in .mp4 or .gif"),
        ([*POINT, "--mask", "no.png"], "does not exist"),
    ],
)
def test_input_that_does_not_fit_an_image_is_refused_and_loses_no_older_file(
    image_model: Path, tmp_path: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "b.png"
    out.write_text("precious")
    assert said in refused("drag", image_model, *arguments, "--out", out)
    assert out.read_text() == "precious" and list(tmp_path.iterdir()) == [out]


def test_masks_that_cannot_be_used_are_refused(image_model: Path, tmp_path: Path) -> None:
    small = painted(tmp_path / "small.png", (32, 64), (slice(0, 9), slice(0, 9)))
    black = painted(tmp_path / "black.png", (64, 64), None)
    elsewhere = painted(tmp_path / "elsewhere.png", (64, 64), (slice(0, 9), slice(0, 9)))
    text = tmp_path / "text.png"
    text.write_text("no image")
    for mask, said in [
        (small, "is 32 x 64 pixels, but the image is 64 x 64"),
        (black, "is black all over"),
        (text, "is not a usable PNG"),
        (elsewhere, "lies in what must stay"),
        (tmp_path, "is a directory"),
    ]:
        assert said in refused("drag", image_model, *POINT, "--mask", mask, "--out", tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--point", "1,2:3,4"], "has two coordinates, but quadruped makes 3D shapes: give three, x,y,z"),
        (["--keypoint", "back:1,2"], "--keypoint back:1,2 has two coordinates"),
        (
            ["--keypoint", "back:0,0.1,0", "--mask", "m.png"],
            "--mask is a picture of what may move; give --view too",
        ),
        (["--keypoint", "back:0,0.1,0", "--layers", "3"], "--layers has no meaning here"),
        (["--keypoint", "back:0,0.1,0", "--feature-block", "3"], "--feature-block has no meaning here"),
        (["--keypoint", "back:0,0.1,0", "--method", "draggan", "--variant", "released"], "--variant has no meaning"),
        (["--keypoint", "back:0,0.1,0", "--label", "1"], "--label has no meaning here"),
    ],
)
def test_what_fits_images_only_is_refused_for_a_shape_before_it_is_made(
    small_model: Path, tmp_path: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("work was done before looking at the options")

    monkeypatch.setattr(drag3d.session, "Session", fail)
    assert said in refused("drag", small_model, *arguments, "--out", tmp_path / "b.glb")


def test_the_wrong_suffix_for_a_kind_names_the_right_ones(image_model: Path, small_model: Path, tmp_path: Path) -> None:
    said = refused("sample", image_model, "--out", tmp_path / "a.glb")
    assert "portrait makes images, so the name must end in .png or .jpg or .jpeg" in said
    said = refused("drag", small_model, "--keypoint", "back:0,0.1,0", "--out", tmp_path / "a.png")
    assert "quadruped makes 3D shapes, so the name must end in .glb or .obj or .ply or .stl" in said
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_an_mp4_is_refused_before_the_model_is_read(
    image_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr("get3d_models.load", lambda *_, **__: pytest.fail("the model was read"))
    said = refused("drag", image_model, *POINT, "--out", tmp_path / "b.png", "--animation", tmp_path / "a.mp4")
    assert "pip install av" in said and list(tmp_path.iterdir()) == []


# ---- demo -----------------------------------------------------------------------------------------------------------


def test_the_demo_edits_an_image_beside_the_shape(
    small_model: Path, image_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drag3d.cli.demo import Edit

    demo = sys.modules["drag3d.cli.demo"]
    monkeypatch.setattr(demo, "SHAPE", Edit("quadruped", 9, {"back": (0.0, 0.03, 0.0)}))
    monkeypatch.setattr(demo, "IMAGE", Edit("portrait", 1, {"mouth_left": (-1.5, -1.0)}))
    out = tmp_path / "shown"
    result = done("demo", "--out", out, "--model", small_model, "--image-model", image_model)
    shape = {
        "edited.glb",
        "edited.obj",
        "edited.mtl",
        "edited_texture.png",
        "original.glb",
        "before_after.png",
        "report.json",
        "edit.drag3d",
    }
    image = {"edited.png", "original.png", "image_report.json", "image_edit.drag3d", "image_before_after.png"}
    assert {p.name for p in out.iterdir()} == shape | image | {"image_drag.gif"}
    assert str(out / "image_before_after.png") in result.stdout and str(out / "before_after.png") in result.stdout
    session = Session.open(out / "image_edit.drag3d", image_model)
    assert np.array_equal(pixels(out / "edited.png"), session.image)
    assert np.array_equal(pixels(out / "original.png"), session.original_image)
    assert json.loads((out / "image_report.json").read_text())["kind"] == "image"
    assert len(frames_of(out / "image_drag.gif")) >= 2
