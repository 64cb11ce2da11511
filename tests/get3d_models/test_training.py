"""Training: the same from the same seed, interrupted or not; it learns; its batches are the teacher's answers."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import pytest
import torch

from get3d_models import GeneratorConfig
from get3d_models.errors import InputError
from get3d_models.training import quadruped as teacher
from get3d_models.training.fit import Batches, Fit, FitSettings, fit, learning_rate, prepared_ahead
from get3d_models.training.quadruped_lesson import (
    DISTANCE_SCALE,
    SURFACE_BAND,
    QuadrupedLesson,
    QuadrupedSettings,
    embedded_config,
    losses,
    side_weights,
)
from get3d_models.training.samples import Batch, make_batch

TINY = GeneratorConfig(
    z_dim=32, w_dim=8, mapping_layers=1, channels=(8, 8, 8), plane_channels=8, decoder_width=8, decoder_layers=1,
    texture_features=4, conv_clamp=None, grid="body-centred", grid_resolution=8,
)  # fmt: skip
QUICK = QuadrupedSettings(steps=8, shapes_per_step=2, points_per_shape=128, warmup_steps=2)
CPU = torch.device("cpu")


def lesson(seed: int, shapes: int, points: int) -> QuadrupedLesson:
    """Batches of so many shapes and points, for a tiny generator."""
    return QuadrupedLesson(QuadrupedSettings(seed=seed, shapes_per_step=shapes, points_per_shape=points), TINY)


def trained(folder: Path, settings: QuadrupedSettings = QUICK, **options: object):
    return fit(QuadrupedLesson(settings, TINY), folder, CPU, workers=0, quiet=True, **options)


def assert_equal_weights(first: torch.nn.Module, second: torch.nn.Module) -> None:
    theirs = second.state_dict()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name


# ---- batches --------------------------------------------------------------------------------------------------------


def test_a_batch_depends_on_its_seed_alone():
    first, again, other = (make_batch(seed, 2, 64) for seed in (5, 5, 6))
    for name, tensor in vars(first).items():
        assert torch.equal(tensor, getattr(again, name))
        assert not torch.equal(tensor, getattr(other, name))


def test_a_batch_holds_the_teachers_answers():
    batch = make_batch(1, 3, 200)
    parts = teacher.pose(teacher.parameters_from_latent(batch.z_geometry, teacher.SHAPE_PARAMETERS))
    textures = teacher.parameters_from_latent(batch.z_texture, teacher.TEXTURE_PARAMETERS)
    assert torch.allclose(batch.distance, teacher.signed_distance(parts, batch.points), atol=1e-6)
    assert torch.allclose(batch.color, teacher.colors(parts, textures, batch.points), atol=1e-5)


def test_a_batch_has_points_near_the_surface_first_and_some_anywhere():
    batch = make_batch(2, 4, 2000)
    assert batch.points.abs().max() <= 0.5
    nearest, near, anywhere = batch.distance.abs().split([1000, 500, 500], dim=1)
    assert nearest.median() < 0.01 < near.median() < 0.04 < anywhere.median()
    inside = (batch.distance[:, :1000] > 0).float().mean()
    assert 0.4 < inside < 0.6


def test_batches_come_in_order_and_carry_on_where_a_run_stopped():
    whole = list(prepared_ahead(Batches(lesson(3, 1, 16), 0, 4), workers=0))
    rest = list(prepared_ahead(Batches(lesson(3, 1, 16), 2, 4), workers=0))
    assert len(whole) == 4 and len(rest) == 2
    assert torch.equal(whole[2].points, rest[0].points) and torch.equal(whole[3].color, rest[1].color)


def test_worker_processes_prepare_the_same_batches():
    batches = Batches(lesson(3, 1, 16), 0, 3)
    with_worker, without = (list(islice(prepared_ahead(batches, workers=n), 3)) for n in (1, 0))
    for one, other in zip(with_worker, without, strict=True):
        assert torch.equal(one.points, other.points) and torch.equal(one.distance, other.distance)


# ---- losses ---------------------------------------------------------------------------------------------------------


def test_both_sides_of_the_surface_have_the_same_say():
    distance = torch.tensor([[0.01] * 6 + [-0.01] * 2 + [0.2, -0.3]])
    weights = side_weights(distance)
    assert weights[0, :6].sum() == pytest.approx(weights[0, 6:8].sum())
    assert weights[0, :8].mean() == pytest.approx(1.0)
    assert (weights[0, 8:] == 1).all()


class _Answers:
    """A generator with given signed field and colours, for the losses to look at."""

    config = TINY

    def __init__(self, field, color):
        self.field, self.color = field, color

    def map_geometry(self, z):
        return z[:, None]

    map_texture = map_geometry

    def triplanes(self, *ws):
        return type("Planes", (), {"geometry": 0, "texture": 0})

    def features(self, planes, points):
        return points

    def signed_distance(self, features, ws):
        return self.field

    def texture_features(self, features, ws):
        return features

    def raw_colors(self, features, ws):
        return self.color[:, : features.shape[1]] * 2 - 1

    def deformation_decoder(self, features, ws):
        return torch.zeros_like(features)


def batch_of(distance: torch.Tensor) -> Batch:
    shape = distance.shape
    return Batch(torch.randn(1, 32), torch.randn(1, 32), torch.rand(*shape, 3), distance, torch.rand(*shape, 3))


def test_the_teachers_answers_have_no_loss_and_far_from_the_surface_more_is_no_mistake():
    batch = batch_of(torch.tensor([[0.01, -0.02, 0.5, -0.4]]))
    exact = losses(_Answers(DISTANCE_SCALE * batch.distance, batch.color), batch)
    assert all(float(term) == pytest.approx(0, abs=1e-6) for term in exact.values())


def test_a_far_point_on_the_wrong_side_always_pulls():
    batch = batch_of(torch.tensor([[0.01, -0.02, 0.5, -0.4]]))
    field = torch.tensor([[0.1, -0.2, -7.0, -4.0]], requires_grad=True)
    losses(_Answers(field, batch.color), batch)["distance"].backward()
    assert field.grad[0, 2] < 0
    assert (field.grad[0, [3]] == 0).all()


def test_colours_count_near_the_surface_only():
    batch = batch_of(torch.tensor([[0.5 * SURFACE_BAND, 2 * SURFACE_BAND, 0.1, 0.1]]))
    wrong = batch.color.clone()
    wrong[:, 1] = 1 - wrong[:, 1]
    assert float(losses(_Answers(batch.distance * 10, wrong), batch)["color"]) == pytest.approx(0, abs=1e-6)
    wrong[:, 0] += 0.25
    assert float(losses(_Answers(batch.distance * 10, wrong), batch)["color"]) == pytest.approx(0.5, abs=1e-5)


# ---- the run --------------------------------------------------------------------------------------------------------


def test_the_learning_rate_warms_up_stays_and_falls_to_zero():
    settings = replace(FitSettings(), steps=1000, warmup_steps=100, decay_fraction=0.5, learning_rate=1.0)
    rates = [learning_rate(settings, step) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01) and rates[49] == pytest.approx(0.5)
    assert set(rates[100:500]) == {1.0}
    assert rates[750] == pytest.approx(0.5) and rates[999] == pytest.approx(0.002) and rates[1000] == 0
    assert all(later <= sooner for sooner, later in pairwise(rates[500:]))


def test_a_longer_run_begins_like_a_shorter_one():
    short, long = (replace(FitSettings(), steps=steps) for steps in (2000, 4000))
    assert all(learning_rate(short, step) == learning_rate(long, step) for step in range(1000))


def test_two_runs_with_one_seed_are_equal_and_with_two_are_not(tmp_path):
    first, again = (trained(tmp_path / name) for name in "ab")
    assert_equal_weights(first, again)
    other = trained(tmp_path / "c", replace(QUICK, seed=1))
    assert not torch.equal(first.synthesis.state_dict()[next(iter(first.synthesis.state_dict()))],
                           other.synthesis.state_dict()[next(iter(first.synthesis.state_dict()))])  # fmt: skip


def test_an_interrupted_run_resumes_to_the_very_same_weights(tmp_path):
    whole = trained(tmp_path / "whole")
    trained(tmp_path / "parts", stop_at=3)
    assert_equal_weights(whole, trained(tmp_path / "parts"))


def test_a_finished_run_is_not_trained_further(tmp_path):
    first = trained(tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    assert_equal_weights(first, trained(tmp_path))
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_the_log_tells_where_the_run_is(tmp_path):
    trained(tmp_path, stop_at=3)
    trained(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 8]
    assert set(lines[0]) == {"step", "distance", "color", "deformation"}


def test_training_learns():
    settings = replace(QUICK, steps=60, points_per_shape=512)
    run = Fit(QuadrupedLesson(settings, TINY), CPU)
    fixed = make_batch(999, 4, 512)
    weigh = {"distance": 1.0, "color": settings.color_weight, "deformation": settings.deformation_weight}

    def loss() -> float:
        with torch.no_grad():
            return sum(weigh[k] * float(v) for k, v in losses(run.generator, fixed).items())

    before = loss()
    for batch in prepared_ahead(Batches(lesson(0, 2, 512), 0, 60), workers=0):
        run.advance(batch)
    assert loss() < 0.6 * before


def test_the_finished_generator_knows_its_average_latents_and_is_not_trained_on():
    run = Fit(QuadrupedLesson(QUICK, TINY), CPU)
    run.advance(make_batch(0, 2, 128))
    done, again = run.finished(), run.finished()
    z = torch.randn(4000, 32, generator=torch.Generator().manual_seed(9))
    for name in ("mapping_geometry", "mapping_texture"):
        average, spread = getattr(done, name).w_avg, getattr(done, name)(z).std(dim=0)
        assert not torch.equal(average, torch.zeros_like(average))
        assert ((getattr(done, name)(z).mean(dim=0) - average).abs() < 0.1 * spread + 1e-4).all()
    assert_equal_weights(done, again)
    assert not done.training and not any(p.requires_grad for p in done.parameters())
    run.advance(make_batch(1, 2, 128))  # the finished generator is a copy
    assert_equal_weights(done, again)


def test_the_average_lies_between_the_weights_it_has_seen():
    run = Fit(QuadrupedLesson(replace(QUICK, average_decay=0.5), TINY), CPU)
    name = "sdf_decoder.layers.0.bias"
    start = run.generator.state_dict()[name].clone()
    run.advance(make_batch(0, 2, 128))
    after, average = run.generator.state_dict()[name], run.average.state_dict()[name]
    assert not torch.equal(start, after)
    assert torch.allclose(average, start + 0.9 * (after - start), atol=1e-6)  # at first the average forgets fast


def test_checkpoints_of_other_runs_are_refused(tmp_path):
    trained(tmp_path, stop_at=2)
    with pytest.raises(InputError, match="was trained with seed 0, not 4"):
        trained(tmp_path, replace(QUICK, seed=4))
    with pytest.raises(InputError, match="another architecture"):
        fit(QuadrupedLesson(QUICK, replace(TINY, w_dim=16)), tmp_path, CPU, workers=0, quiet=True)
    trained(tmp_path, replace(QUICK, steps=3))  # but a run may be shortened


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_damaged_checkpoints_are_refused_in_one_line(tmp_path, damage):
    trained(tmp_path, stop_at=2)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-2000] if damage is None else damage)
    with pytest.raises(InputError, match="is not a checkpoint of training") as refused:
        trained(tmp_path)
    assert "\n" not in str(refused.value)


def test_the_embedded_architecture_fits_its_budget_and_its_teacher():
    with torch.device("meta"):
        weights = sum(p.numel() for p in Fit(QuadrupedLesson(QUICK), torch.device("meta")).generator.parameters())
    assert embedded_config().z_dim == teacher.LATENT_SIZE
    assert embedded_config().resolution >= 64  # thinner triplanes lose ears and tails
    assert 4 * weights < 10e6


# ---- the command ----------------------------------------------------------------------------------------------------


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "get3d_models.training", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_training_from_the_command_line_writes_a_model_that_loads(tmp_path):
    import get3d_models

    done = command("train", "--out", tmp_path, "--steps", 1, "--workers", 0, "--quiet")
    assert done.returncode == 0, done.stderr
    generator = get3d_models.load(tmp_path / "quadruped.safetensors")
    assert generator.config == embedded_config() and generator.name == "quadruped"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--steps", "0"), "steps"),
        (("train", "--device", "abacus"), "abacus"),
        (("measure", "no-such-model"), "no model 'no-such-model'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments, said):
    failed = command(*arguments)
    assert failed.returncode == 2
    assert said in failed.stderr and failed.stderr.count("\n") == 1
