"""The card of a model says what was measured, target by target, and refuses to speak of a run it does not know."""

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from get3d_models import load
from get3d_models.checkpoint import write_generator
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.training import quadruped as teacher
from get3d_models.training.__main__ import main
from get3d_models.training.card import card, read_run
from get3d_models.training.quadruped_lesson import embedded_config

FIGURES = {
    "shapes": 64, "overlap_mean": 0.95, "overlap_worst": 0.9, "color_error_mean": 0.03, "color_error_worst": 0.05,
    "distance_error_mean": 0.002, "one_component": 64, "watertight": 64, "largest_deformation": 1e-4,
    "keypoint_distance_mean": {name: 0.001 * (i + 1) for i, name in enumerate(teacher.KEYPOINTS)},
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A file as training writes it, of a generator with few weights, beside the log of its run."""
    torch.manual_seed(0)
    small = replace(embedded_config(), w_dim=8, channels=(8, 8), plane_channels=4, decoder_width=8, grid_resolution=8)
    folder = tmp_path_factory.mktemp("run")
    write_generator(folder / "quadruped.safetensors", Generator(small, "quadruped"), note="seed 3, 200 steps")
    (folder / "log.jsonl").write_text("".join(json.dumps({"step": step}) + "\n" for step in (50, 100, 150, 200)))
    return folder / "quadruped.safetensors"


def written(model, **changes) -> str:
    run = read_run(model, model.with_name("log.jsonl"), "an abacus", "80 minutes")
    return card(load(model), {**FIGURES, **changes}, run, 4_700_000)


def test_the_card_tells_how_the_model_was_made(model):
    text = written(model)
    assert "python -m get3d_models.training train quadruped --steps 200 --seed 3" in text
    assert "1,600 shapes seen" in text
    assert "Hardware: an abacus." in text and "Time: 80 minutes." in text
    assert f"{sum(p.numel() for p in load(model).parameters()):,} weights, 4.7 MB" in text
    assert "triplanes of 8 texels with 4 channels" in text


def test_the_first_line_of_prose_describes_the_model(model):
    lines = [line for line in written(model).splitlines() if line and line[0] != "#"]
    assert lines[0].startswith("A friendly four-legged animal")


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({}, "| volumetric IoU, mean | 0.95 | >= 0.90 | yes |"),
        ({"overlap_mean": 0.899}, "| volumetric IoU, mean | 0.899 | >= 0.90 | NO |"),
        ({"overlap_worst": 0.79}, "| volumetric IoU, worst | 0.79 | >= 0.80 | NO |"),
        ({"color_error_mean": 0.07}, "| colour error on the surface, mean | 0.07 | <= 0.06 | NO |"),
        ({"one_component": 63}, "| one connected component | 63 | 64 of 64 | NO |"),
        ({"watertight": 64}, "| watertight | 64 | 64 of 64 | yes |"),
    ],
)
def test_every_figure_stands_beside_its_target_and_misses_are_said(model, changes, row):
    assert row in written(model, **changes)


def test_the_keypoint_that_is_worst_is_named(model):
    assert "belly is farthest off the generated surface, 0.013 on average" in written(model)
    assert "| snout | 0.001 |" in written(model)


def test_a_log_of_another_run_is_refused(model, tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 150}\n')
    with pytest.raises(InputError, match=r"ends at step 150, but .* was trained for 200"):
        read_run(model, tmp_path / "log.jsonl")


@pytest.mark.parametrize("content", ["", "rubbish\n", "[]\n", None])
def test_what_is_no_log_is_refused(model, tmp_path, content):
    if content is not None:
        (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(InputError, match="is not the log of a training run"):
        read_run(model, tmp_path / "log.jsonl")


def test_a_file_that_training_did_not_write_is_refused(model, tmp_path):
    write_generator(tmp_path / "other.safetensors", load(model))
    with pytest.raises(InputError, match="does not say how it was trained"):
        read_run(tmp_path / "other.safetensors", model.with_name("log.jsonl"))
    (tmp_path / "rubbish.safetensors").write_bytes(b"rubbish")
    with pytest.raises(InputError, match="is not a model file"):
        read_run(tmp_path / "rubbish.safetensors", model.with_name("log.jsonl"))


def test_the_command_writes_the_card_from_measured_figures(model, tmp_path):
    (tmp_path / "figures.json").write_text(json.dumps(FIGURES))
    arguments = ["card", model, "--log", model.with_name("log.jsonl"), "--out", tmp_path / "quadruped.md",
                 "--figures", tmp_path / "figures.json", "--hardware", "an abacus", "--time", "80 minutes"]  # fmt: skip
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    size = model.stat().st_size
    run = read_run(model, model.with_name("log.jsonl"), "an abacus", "80 minutes")
    assert (tmp_path / "quadruped.md").read_text() == card(load(model), FIGURES, run, size)
