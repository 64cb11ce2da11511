"""The card of the portrait says what was measured, target by target."""

import json

import pytest
import torch
from click.testing import CliRunner

from get3d_models import load
from get3d_models.checkpoint import write_generator
from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait as teacher
from get3d_models.training.__main__ import main
from get3d_models.training.card import TrainingRun, card, read_run
from get3d_models.training.portrait_lesson import PortraitSettings

FIGURES = {
    "pictures": 256, "resolution": 256, "signal_to_noise_mean": 26.5, "signal_to_noise_worst": 21.0,
    "signal_to_noise_overall": 26.0, "similarity_mean": 0.9, "similarity_worst": 0.8, "color_error_mean": 0.02,
    "color_error_worst": 0.05, "keypoint_shown": dict.fromkeys(teacher.KEYPOINTS, 256) | {"pupil_left": 180},
    "keypoint_error_mean": {name: 0.001 * (i + 1) for i, name in enumerate(teacher.KEYPOINTS)},
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A file as training writes it, of a generator with few weights, beside the log of its run."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    generator = ImageGenerator(ImageConfig(z_dim=48, w_dim=8, mapping_layers=1, channels=(6, 5, 4)), "portrait")
    write_generator(folder / "portrait.safetensors", generator, note="seed 3, 7200 steps")
    (folder / "log.jsonl").write_text(json.dumps({"step": 7200}) + "\n")
    return folder / "portrait.safetensors"


def written(model, size: int = 10_400_000, **changes) -> str:
    run = read_run(model, model.with_name("log.jsonl"), "an abacus", "80 minutes")
    return card(load(model), {**FIGURES, **changes}, run, size)


def test_the_card_tells_how_the_model_was_made(model):
    text = written(model)
    assert "python -m get3d_models.training train portrait --steps 7200 --seed 3" in text
    assert "57,600 pictures seen" in text
    assert "Hardware: an abacus." in text and "Time: 80 minutes." in text
    assert f"{sum(p.numel() for p in load(model).parameters()):,} weights, 10.4 MB" in text
    assert "6, 5, 4 channels at 4 to 16 pixels" in text


def test_the_card_tells_the_stages_that_the_run_reached(model):
    first, second = PortraitSettings().stages[:2]
    run = TrainingRun(seed=0, steps=first.until + 70)
    line = next(line for line in card(load(model), FIGURES, run, 1).splitlines() if line.startswith("- Stages"))
    assert line.count("steps") == 2
    assert line.startswith(f"- Stages: steps 0 to {first.until:,} whole pictures of {first.resolution}")
    assert f"; steps {first.until:,} to {first.until + 70:,} " in line and f"pictures of {second.resolution}" in line


def test_the_card_has_the_sections_of_every_card(model):
    found = [line for line in written(model).splitlines() if line.startswith("#")]
    assert found == [
        "# portrait", "## How it was made", "## How well it measured", "## Limits", "## Keypoints", "## Licence",
    ]  # fmt: skip
    prose = next(line for line in written(model).splitlines() if line and line[0] != "#")
    assert prose.startswith("A cartoon portrait")


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({}, "| PSNR, mean of the pictures (dB) | 26.5 | >= 24 | yes |"),
        ({"signal_to_noise_mean": 23.99}, "| PSNR, mean of the pictures (dB) | 23.99 | >= 24 | NO |"),
        ({}, "| SSIM, mean | 0.9 | >= 0.85 | yes |"),
        ({"similarity_mean": 0.849}, "| SSIM, mean | 0.849 | >= 0.85 | NO |"),
        ({"resolution": 128}, "| resolution (pixels) | 128 | 256 | NO |"),
        ({"size": 15_100_000}, "| size (MB) | 15.1 | <= 15 | NO |"),
    ],
)
def test_every_figure_stands_beside_its_target_and_misses_are_said(model, changes, row):
    assert row in written(model, **changes)


def test_keypoints_tell_their_error_and_how_often_they_are_seen(model):
    text = written(model)
    assert "| pupil_left | 0.007 | 180 of 256 |" in text and "| mouth_left | 0.001 | 256 of 256 |" in text
    assert "ear_right has the largest colour error around it, 0.017 on average" in text


def test_figures_of_another_kind_of_model_are_refused(model):
    run = read_run(model, model.with_name("log.jsonl"))
    with pytest.raises(InputError, match="figures lack 'pictures'"):
        card(load(model), {"shapes": 64, "overlap_mean": 0.9}, run, 1)


def test_the_command_writes_the_card_from_measured_figures(model, tmp_path):
    (tmp_path / "figures.json").write_text(json.dumps(FIGURES))
    arguments = ["card", model, "--log", model.with_name("log.jsonl"), "--out", tmp_path / "portrait.md",
                 "--figures", tmp_path / "figures.json", "--hardware", "an abacus", "--time", "80 minutes"]  # fmt: skip
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "portrait.md").read_text() == written(model, model.stat().st_size)
