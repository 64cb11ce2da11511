"""The yardstick for images: tasks drag what can be seen, the judge looks at pictures alone, figures are in pixels."""

import json
import types
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from drag3d.cli.main import main
from drag3d.evaluation import course, image_drags, image_judge
from drag3d.evaluation.image_drags import LONGEST, SHORTEST, ImageDrags, keypoint_drag
from drag3d.evaluation.image_judge import REACHED, ImageBaseline, ImageVerdict, judge
from drag3d.evaluation.images import ARRIVED, REGION, off_region_change
from drag3d.evaluation.report import markdown, report, summarise, write_report
from drag3d.evaluation.run import MISJUDGED, RESULTS, Evaluation, evaluate, run_task
from drag3d.evaluation.yardstick import Point, Task
from get3d_models.checkpoint import write_generator
from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.keypoints import keypoints
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait as teacher

IMAGES = ImageDrags()
SIZE = 128


@pytest.fixture(scope="module")
def generator():
    """Of random weights, with the portrait's codes: what its tasks are does not depend on its pictures."""
    torch.manual_seed(0)
    config = ImageConfig(z_dim=48, w_dim=8, mapping_layers=1, channels=(8, 8, 8, 8, 8, 8), conv_clamp=None)
    return ImageGenerator(config, "portrait").requires_grad_(False)


# ---- tasks ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tasks(generator):
    return [keypoint_drag(generator, 0, number) for number in range(40)]


def test_a_task_depends_on_the_seed_and_its_number_alone(generator, tasks):
    assert keypoint_drag(generator, 0, 4) == tasks[4]
    assert keypoint_drag(generator, 1, 4) != tasks[4]
    assert len({(task.sample, task.other) for task in tasks}) == len(tasks)


def test_a_task_leads_to_the_other_samples_keypoint_5_to_15_percent_of_the_width_away(generator, tasks):
    for task in tasks:
        (point,) = task.points
        here, there = (keypoints(generator, seed)[point.name] for seed in (task.sample, task.other))
        assert torch.allclose(there - here, torch.tensor(point.displacement), atol=1e-4)
        assert task.length == pytest.approx(float((there - here).norm()) * 256 / SIZE, abs=1e-3)
        assert SHORTEST == 12.8 and pytest.approx(38.4) == LONGEST
        assert SHORTEST <= task.length <= LONGEST


def test_many_keypoints_get_their_turn_and_pupils_only_where_both_samples_show_them(generator, tasks):
    assert len({task.names for task in tasks}) >= 10
    pupils = [task for task in tasks if task.names[0].startswith("pupil")]
    assert pupils
    for task in pupils:
        parameters = image_drags.parameters(generator, task.sample, task.other)
        assert bool(teacher.shown(parameters)[:, teacher.KEYPOINTS.index(task.names[0])].all())


def test_the_handle_is_the_keypoint_and_the_target_as_far_as_the_task_says(generator, tasks):
    subject = IMAGES.subject(generator, tasks[0], QUICK.drag_settings("default"))
    handle, target = IMAGES.placed(subject, tasks[0])
    assert torch.allclose(handle[0], keypoints(generator, tasks[0].sample)[tasks[0].names[0]])
    assert torch.allclose(target - handle, torch.tensor([tasks[0].points[0].displacement]))


def test_each_method_moves_its_own_layers(generator, tasks):
    rows = [len(IMAGES.subject(generator, tasks[0], QUICK.drag_settings(m)).start) for m in QUICK.methods]
    assert rows == [generator.config.rows, 6]


def test_a_model_without_a_teacher_is_refused(generator):
    stranger = ImageGenerator(generator.config, "cats")
    with pytest.raises(InputError, match=r"'cats' has no teacher, .* try portrait"):
        keypoint_drag(stranger, 0, 0)


# ---- the judge ------------------------------------------------------------------------------------------------------


def portraits(*names_and_shares: dict) -> torch.Tensor:
    """The same face several times, each with some parameters at other shares of their ranges."""
    names = [p.name for p in teacher.PARAMETERS]
    low, high = (torch.tensor([getattr(p, end) for p in teacher.PARAMETERS]) for end in ("low", "high"))
    shares = torch.rand(1, len(names), generator=torch.Generator().manual_seed(3)).repeat(len(names_and_shares), 1)
    for row, changes in zip(shares, names_and_shares, strict=True):
        for name, share in changes.items():
            row[names.index(name)] = share
    return low + (high - low) * shares


def in_pixels(parameters: torch.Tensor, name: str) -> torch.Tensor:
    return teacher.keypoints(parameters)[:, teacher.KEYPOINTS.index(name)] * SIZE - 0.5


def test_change_is_measured_outside_the_region_only():
    original = torch.zeros(3, 60, 80)
    edited = original.clone()
    edited[:, 20:31, 40:51] = 0.5
    edited[0, 5, 70] = 0.9
    centers = torch.tensor([[45.0, 25.0], [40.0, 25.0]])  # x, y
    off = off_region_change(original, edited, centers, 12.0)
    assert off.max() == pytest.approx(0.3) and (off > 0).sum() == 1
    assert off_region_change(original, edited, centers[1:], 3.0).max() == pytest.approx(0.5)
    near = sum((x - 40) ** 2 + (y - 25) ** 2 <= 9 for x in range(80) for y in range(60))
    assert len(off_region_change(original, edited, centers[1:], 3.0)) == 60 * 80 - near


@pytest.mark.slow
def test_a_picture_that_has_not_moved_has_not_arrived_whatever_a_tracker_says():
    (before,) = portraits({"mouth_open": 0.2}).split(1)
    image = teacher.draw(before, SIZE)[0]
    handle = in_pixels(before, "mouth_bottom")[0]
    target = handle + torch.tensor([0.0, 9.0])
    verdict = judge(ImageBaseline(image, before, 0.0), image, ("mouth_bottom",), target[None])
    assert verdict.keypoint_distance == pytest.approx(18.0, abs=1.0)  # pixels of 256
    assert verdict.keypoint_before == pytest.approx(18.0, abs=0.01)
    assert verdict.keypoint_moved < 1.0
    assert verdict.shown


@pytest.mark.slow
def test_a_picture_whose_mouth_has_opened_has_arrived():
    before, after = portraits({"mouth_open": 0.0, "mouth_height": 0.1}, {"mouth_open": 1.0, "mouth_height": 0.9}).split(
        1
    )
    image, edited = teacher.draw(before, SIZE)[0], teacher.draw(after, SIZE)[0]
    handle, target = in_pixels(before, "mouth_bottom")[0], in_pixels(after, "mouth_bottom")[0]
    length = float((target - handle).norm()) * 2
    assert length > SHORTEST
    verdict = judge(ImageBaseline(image, before, 0.0), edited, ("mouth_bottom",), target[None])
    assert verdict.keypoint_distance < 0.5
    assert verdict.keypoint_moved == pytest.approx(length, abs=0.5)


@pytest.mark.slow
def test_a_pupil_that_the_edit_has_covered_is_not_to_be_seen():
    before, after = portraits({"eye_open": 1.0}, {"eye_open": 0.0, "eye_open_difference": 0.5}).split(1)
    handle = in_pixels(before, "pupil_left")[0]
    baseline = ImageBaseline(teacher.draw(before, SIZE)[0], before, 0.0)
    verdict = judge(baseline, teacher.draw(after, SIZE)[0], ("pupil_left",), handle[None] + 7.0)
    assert not verdict.shown
    assert not IMAGES.reached({**asdict(verdict), "keypoint_worst": 0.0})


# ---- running --------------------------------------------------------------------------------------------------------

QUICK = Evaluation(methods=("default", "draggan"), drags=2, max_steps=2)
VERDICT = ImageVerdict(
    keypoint_distance=3.0, keypoint_worst=3.0, keypoint_moved=17.0, fit_error=0.01, keypoint_before=19.5, shown=True
)  # fmt: skip


@pytest.fixture
def judged(monkeypatch):
    """The judge answers at once, always the same."""
    monkeypatch.setattr(image_drags, "judge", lambda *_: VERDICT)
    monkeypatch.setattr(
        image_drags, "judge_unedited", lambda *_: ImageBaseline(torch.zeros(3, SIZE, SIZE), torch.zeros(1, 48), 0.75)
    )


class _Ends:
    """A drag that ends one pixel and a half of 256 from its target, having stalled."""

    distance = 1.5

    def __init__(self, subject, handles, targets, settings, past=None):
        self.subject = subject

    def __iter__(self):
        distances = torch.tensor([self.distance * SIZE / 256])
        reason = types.SimpleNamespace(value="stalled")
        return iter([types.SimpleNamespace(index=7, latents=self.subject.start, distances=distances, reason=reason)])


def test_a_handle_within_two_pixels_of_256_has_arrived_however_the_drag_ended(generator, tasks, judged, monkeypatch):
    monkeypatch.setattr(course, "Drag", _Ends)
    baseline = IMAGES.before(generator, tasks[0])
    result = run_task(IMAGES, generator, tasks[0], baseline, QUICK.drag_settings("default"))
    assert ARRIVED == 2.0
    assert result["tracked_distance"] == pytest.approx(1.5)
    assert (result["failure"], result["reason"], result["judge_error_unedited"]) == (None, "stalled", 0.75)
    monkeypatch.setattr(_Ends, "distance", 2.5)
    assert run_task(IMAGES, generator, tasks[0], baseline, QUICK.drag_settings("default"))["failure"] == "stalled"


@pytest.mark.parametrize("change", [{"keypoint_worst": REACHED + 0.1}, {"shown": False}])
def test_what_the_judge_finds_elsewhere_or_nowhere_has_failed(generator, tasks, judged, monkeypatch, change):
    monkeypatch.setattr(course, "Drag", _Ends)
    monkeypatch.setattr(image_drags, "judge", lambda *_: replace(VERDICT, **change))
    result = run_task(IMAGES, generator, tasks[0], IMAGES.before(generator, tasks[0]), QUICK.drag_settings("default"))
    assert result["failure"] == MISJUDGED


def test_an_evaluation_runs_real_drags_and_goes_on_where_it_stopped(generator, judged, tmp_path):
    first = evaluate(generator, replace(QUICK, drags=1), tmp_path, quiet=True)
    everything = evaluate(generator, QUICK, tmp_path, quiet=True)
    assert everything[:2] == first
    assert [(r["task"]["number"], r["method"]) for r in everything] == [
        (0, "default"), (0, "draggan"), (1, "default"), (1, "draggan"),
    ]  # fmt: skip
    assert {(r["kind"], r["protocol"]) for r in everything} == {("image", "keypoints")}
    assert all(r["failure"] != "error" and r["steps"] <= 2 for r in everything)
    assert len((tmp_path / RESULTS).read_text().splitlines()) == 4


def test_the_judge_sees_the_picture_of_the_moved_latents(generator, tasks, monkeypatch):
    seen = []

    def remembered(image, start, guide=None, seed=0):
        seen.append((image, guide))
        return start, 0.0

    monkeypatch.setattr(image_judge, "refit", remembered)
    baseline = IMAGES.before(generator, tasks[0])
    subject = IMAGES.subject(generator, tasks[0], QUICK.drag_settings("default"))
    handle, target = IMAGES.placed(subject, tasks[0])
    there = course.Course(subject, subject.start + 0.5, handle, target, torch.zeros(1), "arrived", 1, 0.1, 0.1, None)
    edited = IMAGES.material.product(generator, subject.unpack(there.latents))
    IMAGES.judge(baseline, tasks[0], there, edited)
    (before, no_guide), (after, (numbers, goals)) = seen
    assert no_guide is None and [teacher.KEYPOINTS[number] for number in numbers] == list(tasks[0].names)
    assert torch.allclose(goals * SIZE - 0.5, target)
    rows = generator.latents(tasks[0].sample).rows
    for image, latents in ((before, rows), (after, rows + 0.5)):
        assert torch.allclose(image, (generator.image(latents[None])[0] / 2 + 0.5).clamp(0, 1), atol=1e-6)


# ---- reporting ------------------------------------------------------------------------------------------------------


def record(number: int, method: str = "default", **changes) -> dict:
    keypoint = "chin" if number % 2 else "nose_tip"
    task = Task(number, 1, 2, (Point(keypoint, (10.0, 0.0), 20.0),)).described()
    return {
        "kind": "image", "method": method, "task": task, "failure": None, "reason": "arrived", "steps": 7,
        "seconds": 1.5, "processor_seconds": 1.25, "peak_bytes": 1 << 20, "tracked_distance": 0.8, "tracked_worst": 0.8,
        "judge_error_unedited": 0.5, "off_region_mean": 0.004, "off_region_p95": 0.01, "off_region_over_length": 0.05,
        "latent_distance_before": 9.0, "latent_distance": 10.0, **asdict(VERDICT), **changes,
    }  # fmt: skip


RECORDS = [
    record(0),
    record(1, failure=MISJUDGED, keypoint_distance=9.0, keypoint_worst=9.0, off_region_mean=0.008),
    record(
        2,
        failure="stalled",
        reason="stalled",
        tracked_worst=6.0,
        keypoint_distance=12.0,
        keypoint_worst=12.0,
        shown=False,
    ),
    {"method": "default", "task": record(3)["task"], "failure": "error", "error": "LinAlgError: x"},
]


def test_the_figures_are_those_of_the_records():
    figures = summarise(RECORDS, IMAGES)
    assert (figures["drags"], figures["successes"]) == (4, 1)
    assert (figures["arrived_by_tracker"], figures["reached_by_judge"], figures["shown"]) == (2, 1, 2)
    assert (figures["keypoint_distance_before_mean"], figures["keypoint_before_judged_mean"]) == (20.0, 19.5)
    assert (figures["keypoint_distance_mean"], figures["keypoint_distance_median"]) == (8.0, 9.0)
    assert figures["off_region_mean"] == pytest.approx(100 * 0.016 / 3, abs=1e-4)
    assert figures["judge_error_unedited_worst"] == 0.5
    assert figures["failures"] == {MISJUDGED: 1, "stalled": 1, "error": 1}
    assert "watertight" not in figures


def test_the_page_speaks_of_pixels(generator, tmp_path):
    pytest.importorskip("matplotlib")
    found = report(generator, replace(QUICK, drags=4), [*RECORDS, *({**r, "method": "draggan"} for r in RECORDS)])
    page = markdown(found)
    assert "12.8 to 38.4 px away. 4 drags, seed 0" in page and "1 point: keypoints" in page
    assert "| within 2 px by its own tracker | 2 of 4 (50%) | 2 of 4 (50%) |" in page
    assert "| keypoints within 5 px by the judge | 1 of 4 (25%) | 1 of 4 (25%) |" in page
    assert "| keypoints to targets after, mean / median | 8 px / 9 px | 8 px / 9 px |" in page
    assert "| chin | 0 of 2 | 0 of 2 |" in page and "diagonal" not in page
    files, note = write_report(tmp_path, found)
    assert note is None and sorted(path.name for path in files) == ["report.json", "report.md", "report.png"]
    again = json.loads((tmp_path / "report.json").read_text())
    assert (again["kind"], again["settings"]["region_radius"]) == ("image", REGION)
    assert np.isclose(again["settings"]["drag_length"], [12.8, 38.4]).all()


def test_the_command_evaluates_a_model_of_images(generator, judged, tmp_path):
    write_generator(tmp_path / "portrait.safetensors", generator)
    arguments = ["eval", str(tmp_path / "portrait.safetensors"), "--drags", "1", "--max-steps", "1"]
    done = CliRunner().invoke(main, [*arguments, "--device", "cpu", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "# Drags of portrait: default, draggan" in done.output
    assert (tmp_path / "out" / "report.md").read_text() in done.output
