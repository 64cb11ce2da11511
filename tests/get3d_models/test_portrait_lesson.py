"""What the portrait learns from: the same pictures whenever asked, windows of them, faces before backgrounds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from get3d_models import InputError, load
from get3d_models.checkpoint import write_generator
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait as teacher
from get3d_models.training.fit import Fit, fit
from get3d_models.training.portrait_lesson import (
    NEIGHBOURHOOD,
    PortraitLesson,
    PortraitSettings,
    Stage,
    embedded_config,
    make_pictures,
)
from get3d_models.windows import Windows

CPU = torch.device("cpu")
STAGES = (Stage(3, 8, 8, 0.0), Stage(6, 16, 16, 4.0), Stage(0, 32, 12, 4.0, 0.5))
TINY = ImageConfig(
    z_dim=teacher.LATENT_SIZE, w_dim=8, mapping_layers=1, channels=(8, 8, 8, 6), conv_clamp=None
)  # fmt: skip
QUICK = PortraitLesson(PortraitSettings(steps=9, images_per_step=2, warmup_steps=2, stages=STAGES), TINY)


@pytest.mark.parametrize("stage", [*STAGES[1:], Stage(0, 64, 24, 0.0)], ids=lambda s: str(s.resolution))
def test_a_batch_is_a_window_of_what_the_teacher_draws(stage: Stage) -> None:
    batch = make_pictures(5, 3, stage)
    ((top, left),), (rows, columns) = batch.windows.corners, batch.windows.size
    assert batch.image.shape == (3, 3, rows, columns) and rows == stage.window
    whole = teacher.draw(teacher.parameters_from_latent(batch.z, teacher.PARAMETERS), stage.resolution)
    expected = whole[:, :, top : top + rows, left : left + columns]
    assert torch.allclose(batch.image, expected, atol=2e-3)


def test_a_batch_is_the_same_whenever_it_is_asked_for() -> None:
    first, again, other = QUICK.batch(7), QUICK.batch(7), QUICK.batch(8)
    assert torch.equal(first.image, again.image) and first.windows == again.windows
    assert not torch.equal(first.z, other.z)


def test_windows_lie_in_the_picture_and_every_other_one_on_the_face() -> None:
    stage = Stage(0, 64, 24, 1.0, 0.5)
    corners = [make_pictures(seed, 1, stage).windows.corners[0] for seed in range(60)]
    assert all(0 <= value <= 40 for corner in corners for value in corner)
    assert any(0 in corner or 40 in corner for corner in corners)
    faces = [1 for top, left in corners if abs(top + 12 - 0.43 * 64) < 8 and abs(left + 12 - 32) < 8]
    assert 20 < len(faces) < 50


def test_what_is_near_a_keypoint_counts_more() -> None:
    stage = Stage(0, 64, 64, 4.0)
    batch = make_pictures(2, 2, stage)
    places = teacher.keypoints(teacher.parameters_from_latent(batch.z, teacher.PARAMETERS))
    x, y = (places[0, teacher.KEYPOINTS.index("nose_tip")] * 64).long().tolist()
    assert batch.weight[0, 0, y, x] > 4
    assert batch.weight[0, 0, 0, 0] == pytest.approx(1, abs=1e-3)  # a corner of the background
    assert (make_pictures(2, 2, replace(stage, emphasis=0.0)).weight == 1).all()
    assert 0 < NEIGHBOURHOOD < 0.1


class _Answers:
    """Stands for a generator whose image is given."""

    def __init__(self, image: Tensor, map_size: tuple[int, int]):
        self.image, self.synthesis = image, self
        self.map_size = map_size

    def plan(self, windows: Windows, blocks: int) -> "_Answers":
        self.blocks: Sequence[Windows] = [windows]
        return self

    def map(self, z: Tensor) -> Tensor:
        return z

    def run(self, *_: object, **__: object) -> tuple[list[Tensor], list[Tensor]]:
        return [], [self.image]


def test_only_the_teachers_picture_has_no_loss() -> None:
    batch = QUICK.batch(7)
    exact = batch.image * 2 - 1
    terms = QUICK.losses(_Answers(exact, batch.windows.map_size), batch)  # type: ignore[arg-type]
    assert {name: float(term) for name, term in terms.items()} == {"absolute": 0, "square": 0, "edges": 0}
    brighter = QUICK.losses(_Answers(exact + 0.1, batch.windows.map_size), batch)  # type: ignore[arg-type]
    assert float(brighter["absolute"]) == pytest.approx(0.1 * float(batch.weight.mean()), rel=1e-4)
    assert float(brighter["edges"]) == pytest.approx(0, abs=1e-6)


def test_an_error_near_a_keypoint_costs_more_than_elsewhere() -> None:
    batch = QUICK.batch(4)

    def cost(place: tuple[int, ...]) -> float:
        wrong = batch.image * 2 - 1
        wrong[:, :, place[0], place[1]] += 0.5
        terms = QUICK.losses(_Answers(wrong, batch.windows.map_size), batch)  # type: ignore[arg-type]
        return float(terms["absolute"])

    heavy = divmod(int(batch.weight.mean(dim=0).argmax()), 16)
    assert cost(heavy) > 2 * cost((0, 0))


def test_windows_teach_what_whole_pictures_teach() -> None:
    """The loss of a window is that of the same part of the whole image."""
    torch.manual_seed(0)
    generator = ImageGenerator(TINY)
    batch = QUICK.batch(8)
    ((top, left),), (rows, columns) = batch.windows.corners, batch.windows.size
    image = generator.image(generator.map(batch.z), "none")[:, :, top : top + rows, left : left + columns]
    error = (image - (batch.image * 2 - 1)) * 1.0
    expected = float((error.abs() * batch.weight).mean().detach())
    assert float(QUICK.losses(generator, batch)["absolute"].detach()) == pytest.approx(expected, rel=1e-4)


def test_blocks_above_the_first_stage_at_first_add_nothing() -> None:
    generator = QUICK.new_generator()
    assert not generator.synthesis.b16.torgb.weight.any() and not generator.synthesis.b32.torgb.weight.any()
    assert generator.synthesis.b8.torgb.weight.any()


def test_stages_follow_each_other_by_step() -> None:
    assert [QUICK.stage(number).resolution for number in (0, 2, 3, 5, 6, 8, 100)] == [8, 8, 16, 16, 32, 32, 32]


def test_a_run_can_be_interrupted_and_the_generator_written(tmp_path: Path) -> None:
    whole = fit(QUICK, tmp_path / "whole", CPU, workers=0, quiet=True)
    fit(QUICK, tmp_path / "parts", CPU, workers=0, quiet=True, stop_at=4)
    parts = fit(QUICK, tmp_path / "parts", CPU, workers=0, quiet=True)
    for ours, theirs in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert whole.mapping.w_avg.abs().max() > 0
    write_generator(tmp_path / "portrait.safetensors", whole, note="seed 0, 9 steps")
    assert load(tmp_path / "portrait.safetensors").fingerprint == whole.fingerprint


def test_a_run_that_went_further_is_taken_as_it_is(tmp_path: Path) -> None:
    long = fit(QUICK, tmp_path, CPU, workers=0, quiet=True)
    short = fit(replace(QUICK, settings=replace(QUICK.settings, steps=5)), tmp_path, CPU, workers=0, quiet=True)
    assert torch.equal(long.mapping.fc0.weight, short.mapping.fc0.weight)


def test_a_run_of_other_stages_is_not_continued(tmp_path: Path) -> None:
    fit(QUICK, tmp_path, CPU, workers=0, quiet=True, stop_at=2)
    other = replace(QUICK, settings=replace(QUICK.settings, stages=STAGES[1:]))
    with pytest.raises(InputError, match="stages"):
        fit(other, tmp_path, CPU, workers=0, quiet=True)


@pytest.mark.slow
def test_a_short_training_reduces_the_error() -> None:
    lesson = replace(QUICK, settings=replace(QUICK.settings, steps=120, stages=(Stage(0, 16, 16, 0.0),)))
    run = Fit(lesson, CPU)
    first = sum(run.advance(lesson.batch(0)).values())
    for number in range(1, 120):
        last = sum(run.advance(lesson.batch(number)).values())
    assert last < 0.5 * first


def test_the_embedded_architecture_fits_its_teacher_and_its_15_megabytes() -> None:
    config = embedded_config()
    assert config.z_dim == teacher.LATENT_SIZE and config.resolution == config.width == 256
    with torch.device("meta"):
        generator = ImageGenerator(config)
    assert 4 * sum(t.numel() for t in generator.state_dict().values()) < 15e6
