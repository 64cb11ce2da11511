"""The yardstick: tasks are fixed by seeds, the judge sees what happened and nothing else, runs can be resumed."""

import json
import math
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from click.testing import CliRunner

from drag3d.cli.main import main
from drag3d.core import DragSettings
from drag3d.evaluation import course
from drag3d.evaluation import run as running
from drag3d.evaluation.report import markdown, report, summarise, to_success, write_report
from drag3d.evaluation.run import MISJUDGED, RESULTS, Evaluation, evaluate, run_task
from drag3d.evaluation.shape_drags import LONGEST, SHORTEST, ShapeDrags, keypoint_drag
from drag3d.evaluation.shape_judge import REACHED, judge, judge_unedited
from drag3d.evaluation.surfaces import off_region_change, surface_distances
from drag3d.subjects.surface import SurfaceSubject
from get3d_models.errors import InputError
from get3d_models.keypoints import keypoints

SHAPES = ShapeDrags()

# ---- tasks ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tasks(small_quadruped):
    return [keypoint_drag(small_quadruped, 0, number) for number in range(6)]


def test_a_task_depends_on_the_seed_and_its_number_alone(small_quadruped, tasks):
    assert keypoint_drag(small_quadruped, 0, 4) == tasks[4]
    assert keypoint_drag(small_quadruped, 1, 4) != tasks[4]
    assert len({(task.sample, task.other) for task in tasks}) == len(tasks)


def test_a_task_leads_to_the_other_samples_keypoint_10_to_20_percent_away(small_quadruped, tasks):
    for task in tasks:
        (point,) = task.points
        here, there = (keypoints(small_quadruped, seed)[point.name] for seed in (task.sample, task.other))
        assert torch.allclose(there - here, torch.tensor(point.displacement), atol=1e-6)
        share = float((there - here).norm()) / small_quadruped.sample(task.sample).diagonal
        assert task.length == pytest.approx(share, abs=1e-5)
        assert SHORTEST <= task.length <= LONGEST


def test_several_keypoints_get_their_turn(tasks):
    assert len({task.names for task in tasks}) >= 3


def test_the_handle_lies_on_the_surface_beside_the_keypoint(small_quadruped, tasks):
    task = tasks[0]
    subject = SurfaceSubject(small_quadruped, small_quadruped.latents(task.sample))
    handle, target = SHAPES.placed(subject, task)
    assert handle.shape == target.shape == (1, 3)
    assert float(subject.shape.signed_distance(handle).abs()) < 0.02
    assert float((handle - keypoints(small_quadruped, task.sample)[task.names[0]]).norm()) < 0.05
    assert torch.allclose(target - handle, torch.tensor([task.points[0].displacement]), atol=1e-6)


def test_a_model_without_a_teacher_is_refused():
    stranger = types.SimpleNamespace(name="chairs", config=types.SimpleNamespace(z_dim=512))
    with pytest.raises(InputError, match="'chairs' has no teacher"):
        keypoint_drag(stranger, 0, 0)


# ---- surfaces -------------------------------------------------------------------------------------------------------


def surface(mesh: trimesh.Trimesh) -> types.SimpleNamespace:
    vertices, faces = (torch.from_numpy(np.array(a)) for a in (mesh.vertices, mesh.faces))
    return types.SimpleNamespace(vertices=vertices.float(), faces=faces)


def test_distances_to_a_sphere_are_those_of_geometry():
    random = np.random.default_rng(0)
    directions = random.normal(size=(300, 3))
    radii = random.uniform(0.7, 1.3, size=300)
    points = directions / np.linalg.norm(directions, axis=1, keepdims=True) * radii[:, None]
    found = surface_distances(points, surface(trimesh.creation.icosphere(subdivisions=4)))
    assert np.abs(found - np.abs(radii - 1)).max() < 1.5e-3  # a polyhedron lies a little inside of its sphere


def test_distances_are_exact_within_edges_and_beyond_corners_even_of_triangles_without_area():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]])
    triangles = types.SimpleNamespace(vertices=vertices, faces=torch.tensor([[0, 1, 2], [0, 1, 3]]))
    points = np.array([[0.2, 0.2, 0.5], [-3.0, -4.0, 0.0], [2.0, 0.0, 0.25]])
    assert surface_distances(points, triangles) == pytest.approx([0.5, 5.0, 0.25])


def test_no_surface_is_infinitely_far():
    nothing = types.SimpleNamespace(vertices=torch.zeros(0, 3), faces=torch.zeros(0, 3, dtype=torch.int64))
    assert surface_distances(np.zeros((2, 3)), nothing).tolist() == [math.inf, math.inf]


def test_change_is_measured_outside_the_region_only():
    original = surface(trimesh.creation.icosphere(subdivisions=4))
    centers = torch.tensor([[1.0, 0, 0]])
    edited = types.SimpleNamespace(vertices=original.vertices.clone(), faces=original.faces)
    bumped = (edited.vertices - centers).norm(dim=1) < 0.5
    edited.vertices[bumped] *= 1.2
    assert off_region_change(original, original, centers, 0.5).max() < 1e-6
    assert off_region_change(original, edited, centers, 0.7).max() < 1e-6
    assert off_region_change(original, edited, centers, 0.1).max() > 0.1
    moved = types.SimpleNamespace(vertices=original.vertices * 1.1, faces=original.faces)
    assert off_region_change(original, moved, centers, 0.7).mean() == pytest.approx(0.1, abs=2e-3)


# ---- the judge ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged(quadruped):
    """A task with a foot on the full grid, the baseline of its sample, and where the foot should go."""
    task = next(t for t in (keypoint_drag(quadruped, 3, n) for n in range(50)) if t.names[0].endswith("foot"))
    place = keypoints(quadruped, task.sample)[task.names[0]]
    target = place + torch.tensor([task.points[0].displacement])
    return task, judge_unedited(quadruped.sample(task.sample), task.sample, task.names), target


def test_the_judge_knows_the_unedited_shape(judged):
    _, baseline, _ = judged
    assert baseline.error < REACHED


def test_a_shape_that_has_not_moved_has_not_arrived_whatever_a_tracker_says(judged):
    task, baseline, target = judged
    verdict = judge(baseline, baseline.shape, task.names, target)
    assert verdict.keypoint_distance == verdict.keypoint_worst > REACHED
    assert verdict.keypoint_distance == pytest.approx(task.length, abs=REACHED)
    assert verdict.keypoint_moved < 0.01


def test_a_shape_that_really_is_the_other_sample_has_arrived(quadruped, judged):
    task, baseline, target = judged
    verdict = judge(baseline, quadruped.sample(task.other), task.names, target)
    assert verdict.keypoint_distance <= REACHED
    assert verdict.keypoint_moved == pytest.approx(task.length, abs=2 * REACHED)


# ---- running --------------------------------------------------------------------------------------------------------

QUICK = Evaluation(methods=("default", "draggan"), drags=2, max_steps=3)


@pytest.fixture
def counted(monkeypatch):
    """Stands in for drags and judge: counts the calls."""
    calls = []

    def result(yardstick, generator, task, baseline, settings):
        calls.append((task.number, settings.method, torch.get_num_threads()))
        return dict(FINISHED)

    monkeypatch.setattr(running, "run_task", result)
    monkeypatch.setattr(ShapeDrags, "before", lambda *_: None)
    return calls


FINISHED = {
    "failure": None, "reason": "arrived", "steps": 7, "seconds": 1.5, "processor_seconds": 1.25,
    "peak_bytes": 1 << 20, "tracked_distance": 0.005,
    "tracked_worst": 0.005, "latent_distance_before": 7.0, "latent_distance": 8.0, "judge_error_unedited": 0.01,
    "keypoint_distance": 0.02, "keypoint_worst": 0.02, "keypoint_moved": 0.1, "fit_error": 0.001,
    "off_region_mean": 0.004, "off_region_p95": 0.01, "off_region_over_length": 0.03, "components": 1,
    "watertight": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def baseline(small_quadruped, tasks):
    return SHAPES.before(small_quadruped, tasks[0])


@pytest.mark.parametrize("method", ["default", pytest.param("draggan", marks=pytest.mark.slow)])
def test_one_drag_is_run_and_judged(small_quadruped, tasks, baseline, method):
    result = run_task(SHAPES, small_quadruped, tasks[0], baseline, replace(QUICK, max_steps=2).drag_settings(method))
    assert set(result) == set(FINISHED)
    assert result["steps"] <= 2 and result["seconds"] > 0
    assert (result["failure"] is None) == (result["reason"] == "arrived" and result["keypoint_worst"] <= REACHED)


class _Arrives:
    """A drag that claims to have arrived without moving anything."""

    def __init__(self, subject, handles, targets, settings, past=None):
        self.subject, self.targets = subject, targets

    def __iter__(self):
        step = types.SimpleNamespace(
            index=1, latents=self.subject.start, distances=torch.zeros(len(self.targets)), handles=self.targets,
            reason=types.SimpleNamespace(value="arrived"),
        )  # fmt: skip
        return iter([step])


def test_a_tracker_that_deceives_itself_has_failed(small_quadruped, tasks, baseline, monkeypatch):
    monkeypatch.setattr(course, "Drag", _Arrives)
    result = run_task(SHAPES, small_quadruped, tasks[0], baseline, QUICK.drag_settings("default"))
    assert result["reason"] == "arrived" and result["failure"] == MISJUDGED


def test_a_drag_that_breaks_down_is_a_result(small_quadruped, tasks, monkeypatch):
    def breaks(*_, **_settings):
        raise torch.linalg.LinAlgError("singular\nmatrix")

    monkeypatch.setattr(course, "Drag", breaks)
    result = run_task(SHAPES, small_quadruped, tasks[0], None, QUICK.drag_settings("default"))
    assert result == {"failure": "error", "error": "LinAlgError: singular matrix"}


def test_an_evaluation_goes_on_where_it_stopped(small_quadruped, counted, tmp_path):
    first = evaluate(small_quadruped, replace(QUICK, drags=1, methods=("default",)), tmp_path, quiet=True)
    everything = evaluate(small_quadruped, QUICK, tmp_path, quiet=True)
    assert [c[:2] for c in counted] == [(0, "default"), (0, "draggan"), (1, "default"), (1, "draggan")]
    assert everything[0] == first[0]
    assert [(r["task"]["number"], r["method"]) for r in everything] == [c[:2] for c in counted]
    assert evaluate(small_quadruped, QUICK, tmp_path, quiet=True) == everything
    assert len(counted) == 4


def test_records_of_an_older_form_are_not_gone_on_with(small_quadruped, counted, tmp_path):
    everything = evaluate(small_quadruped, QUICK, tmp_path, quiet=True)
    assert {record["kind"] for record in everything} == {"shape"}
    path = tmp_path / RESULTS
    path.write_text(path.read_text().replace('"format": 2, ', ""))
    with pytest.raises(InputError, match=r"results of another evaluation .format differs"):
        evaluate(small_quadruped, QUICK, tmp_path, quiet=True)


def test_a_line_that_an_interruption_cut_is_run_again(small_quadruped, counted, tmp_path):
    everything = evaluate(small_quadruped, QUICK, tmp_path, quiet=True)
    path = tmp_path / RESULTS
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    assert evaluate(small_quadruped, QUICK, tmp_path, quiet=True) == everything
    assert counted[-1][:2] == (1, "draggan") and len(counted) == 5
    assert path.read_bytes() == content


@pytest.mark.parametrize("change", [{"seed": 1}, {"max_steps": 4}, {"points": 3}])
def test_results_of_another_evaluation_are_not_mixed_in(small_quadruped, counted, tmp_path, change):
    evaluate(small_quadruped, QUICK, tmp_path, quiet=True)
    with pytest.raises(InputError, match=f"results of another evaluation .{next(iter(change))} differs"):
        evaluate(small_quadruped, replace(QUICK, **change), tmp_path, quiet=True)


@pytest.mark.parametrize("content", ["rubbish\n", "[1]\n", "{}\n"])
def test_files_that_hold_no_results_are_refused(small_quadruped, counted, tmp_path, content):
    (tmp_path / RESULTS).write_text(content)
    with pytest.raises(InputError, match="not a file of results"):
        evaluate(small_quadruped, QUICK, tmp_path, quiet=True)
    assert (tmp_path / RESULTS).read_text() == content


def test_drags_run_on_one_thread_and_the_rest_as_before(small_quadruped, counted, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        evaluate(small_quadruped, QUICK, tmp_path, quiet=True)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert {threads for _, _, threads in counted} == {1}


# ---- reporting ------------------------------------------------------------------------------------------------------


def record(number: int, method: str = "default", **changes) -> dict:
    point = {"name": "tail" if number % 2 else "snout", "displacement": [0.1, 0.0, 0.0], "length": 0.125}
    task = {"number": number, "sample": 1, "other": 2, "points": [point], "length": 0.125}
    return {"method": method, "task": task, **FINISHED, **changes}


RECORDS = [
    record(0),
    record(
        1,
        failure=MISJUDGED,
        keypoint_distance=0.06,
        keypoint_worst=0.06,
        latent_distance=11.0,
        off_region_mean=0.008,
        seconds=3.5,
        steps=9,
    ),
    record(
        2,
        failure="stalled",
        reason="stalled",
        keypoint_distance=0.1,
        keypoint_worst=0.1,
        components=2,
        watertight=False,
        seconds=9.0,
    ),
    {"method": "default", "task": record(3)["task"], "failure": "error", "error": "LinAlgError: x"},
]


def test_the_figures_are_those_of_the_records():
    figures = summarise(RECORDS, SHAPES)
    assert (figures["drags"], figures["successes"]) == (4, 1)
    assert (figures["arrived_by_tracker"], figures["reached_by_judge"]) == (2, 1)
    assert figures["keypoint_distance_before_mean"] == 12.5
    assert figures["keypoint_distance_mean"] == pytest.approx(6.0)
    assert figures["keypoint_distance_median"] == pytest.approx(6.0)
    assert figures["off_region_mean"] == pytest.approx(100 * 0.016 / 3, abs=1e-4)
    assert figures["off_region_over_length"] == 0.03
    assert figures["off_region_over_way"] == pytest.approx(3 * 0.03 * 0.125 / 0.3, abs=1e-5)
    assert (figures["latent_distance_before_mean"], figures["latent_distance_mean"]) == (7.0, 9.0)
    assert (figures["one_component"], figures["watertight"]) == (2, 2)
    assert (figures["steps_median"], figures["seconds_median"], figures["seconds_worst"]) == (7.0, 3.5, 9.0)
    assert figures["failures"] == {MISJUDGED: 1, "stalled": 1, "error": 1}
    assert figures["by_keypoint"] == {"snout": {"drags": 2, "successes": 1}, "tail": {"drags": 2, "successes": 0}}


@pytest.mark.parametrize(
    ("failures", "seconds", "median"),
    [
        ([None, None, None], [1.0, 4.0, 2.0], 2.0),
        ([None, None, "stalled"], [1.0, 4.0, 0.1], 4.0),
        ([None, "error"], [1.0, 0.1], None),
    ],
)
def test_a_failure_never_gets_there(failures, seconds, median):
    """However quickly it failed: the median of all drags is that of times, and of infinity for failures."""
    records = [
        {**RECORDS[0], "failure": failure, "processor_seconds": time}
        for failure, time in zip(failures, seconds, strict=True)
    ]
    figures = summarise(records, SHAPES)
    assert figures["processor_seconds_to_success_median"] == median
    assert to_success(figures) == ("never: fewer succeed" if median is None else f"{median:g}")


def test_a_method_that_always_breaks_down_has_no_figures():
    figures = summarise([RECORDS[3]], SHAPES)
    assert (figures["successes"], figures["keypoint_distance_mean"], figures["seconds_median"]) == (0, None, None)


@pytest.fixture
def found(small_quadruped):
    draggan = [{**r, "method": "draggan", "peak_bytes": None} for r in RECORDS]
    return report(small_quadruped, replace(QUICK, drags=4), [*RECORDS, *draggan])


def test_the_page_shows_the_methods_side_by_side(found):
    page = markdown(found)
    assert "| | default | draggan |" in page
    assert "| success: arrived, and judged so | 1 of 4 (25%) | 1 of 4 (25%) |" in page
    assert "| peak memory beyond the model's, median / worst | 1 MiB / 1 MiB | - / - |" in page
    assert f"| failures by reason | {MISJUDGED}: 1, stalled: 1, error: 1 |" in page
    assert "| tail | 0 of 2 | 0 of 2 |" in page
    assert found["model"]["sha256"] in page and torch.__version__ in page


def test_the_report_is_written_as_page_figures_and_plot(found, tmp_path):
    pytest.importorskip("matplotlib")
    files, note = write_report(tmp_path, found)
    assert note is None
    assert sorted(path.name for path in files) == ["report.json", "report.md", "report.png"]
    again = json.loads((tmp_path / "report.json").read_text())
    assert again["methods"]["default"]["successes"] == 1 and len(again["records"]) == 8
    assert again["settings"]["seed"] == 0 and again["drag_settings"][1]["method"] == "draggan"
    assert (tmp_path / "report.png").read_bytes()[:4] == b"\x89PNG"


def test_without_matplotlib_a_sentence_takes_the_place_of_the_plot(found, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    files, note = write_report(tmp_path, found)
    assert note is not None and "matplotlib is not installed" in note and "\n" not in note
    assert sorted(path.name for path in files) == ["report.json", "report.md"]


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_the_report_and_says_it(small_model, counted, tmp_path):
    arguments = ["eval", str(small_model), "--drags", "2", "--max-steps", "3", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "| success: arrived, and judged so | 2 of 2 (100%) | 2 of 2 (100%) |" in done.output
    assert len((tmp_path / "out" / RESULTS).read_text().splitlines()) == 4
    assert (tmp_path / "out" / "report.md").read_text() in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quadrupet"], "no model 'quadrupet'"),
        (["quadruped", "--method", "magic"], "unknown method 'magic'; known: default, draggan"),
        (["quadruped", "--method", "default", "--method", "default"], "each only once"),
        (["quadruped", "--drags", "0"], "--drags"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_one_line(arguments, said, tmp_path):
    failed = CliRunner().invoke(main, ["eval", *arguments, "--out", str(tmp_path / "out")])
    assert failed.exit_code == 2
    assert said in failed.output and failed.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_default_method_succeeds_on_the_embedded_model(quadruped, tmp_path):
    """A few drags of the series whose fifty are reported; they must not be worse than the whole."""
    records = evaluate(quadruped, Evaluation(methods=("default",), drags=5), tmp_path, quiet=True)
    assert sum(r["failure"] is None for r in records) >= 4, [(r["task"], r["failure"]) for r in records]


# ---- settings behind a method's name --------------------------------------------------------------------------------


def test_settings_may_follow_the_name_of_a_method():
    settings = Evaluation(max_steps=30).drag_settings("draggan:learning_rate=0.02,layers=14,space=w")
    assert (settings.method, settings.learning_rate, settings.layers, settings.space) == ("draggan", 0.02, 14, "w")
    assert settings.max_steps == 30
    assert Evaluation(max_steps=30).drag_settings("drag3d-2023:max_steps=900").max_steps == 900
    assert Evaluation().drag_settings("draggan") == DragSettings(method="draggan")


@pytest.mark.parametrize(
    "method", ["draggan:speed=3", "draggan:learning_rate", "draggan:method=default", "dragged:seed=1"]
)
def test_unusable_settings_of_a_method_are_refused_before_anything_runs(method):
    with pytest.raises(InputError):
        Evaluation((method,)).check()
