"""All protocols in one command and one folder; and the same records however many processes share the work."""

import json
import sys

import pytest
from click.testing import CliRunner

from drag3d.cli.main import main
from drag3d.evaluation import run as running
from drag3d.evaluation.run import RESULTS, Evaluation, evaluate
from drag3d.evaluation.shape_drags import ShapeDrags
from drag3d.evaluation.suite import evaluate_all, members, summary, write_summary
from drag3d.evaluation.view_drags import ViewDrags
from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator

EVERYTHING = [("keypoints", 1), ("keypoints", 3), ("keypoints", 5), ("pairs", 1), ("pairs", 3), ("pairs", 5),
              ("return", 1), ("return", 3), ("return", 5), ("view", 1)]  # fmt: skip

RESULT = {
    "failure": None, "reason": "arrived", "steps": 7, "seconds": 1.5, "processor_seconds": 1.25,
    "peak_bytes": 1 << 20, "tracked_distance": 0.005,
    "tracked_worst": 0.005, "latent_distance_before": 7.0, "latent_distance": 8.0, "judge_error_unedited": 0.01,
    "keypoint_distance": 0.02, "keypoint_worst": 0.02, "keypoint_moved": 0.1, "fit_error": 0.001,
    "off_region_mean": 0.004, "off_region_p95": 0.01, "off_region_over_length": 0.03, "components": 1,
    "watertight": True, "way_in_space": 1.0, "chamfer": 0.004, "chamfer_before": 0.016, "volume_overlap": 0.9,
    "volume_overlap_before": 0.6,
}  # fmt: skip


@pytest.fixture
def counted(monkeypatch):
    """Stands in for drags and judge: remembers what was asked for."""
    calls = []

    def result(yardstick, generator, task, before, settings):
        calls.append((yardstick.protocol, yardstick.points, len(task.points), task.number, settings.method))
        return dict(RESULT)

    monkeypatch.setattr(running, "run_task", result)
    for yardstick in (ShapeDrags, ViewDrags):
        monkeypatch.setattr(yardstick, "before", lambda *_: None)
    return calls


@pytest.fixture
def portraits():
    config = ImageConfig(z_dim=48, w_dim=8, mapping_layers=1, channels=(8, 8, 8), conv_clamp=None)
    return ImageGenerator(config, "portrait").requires_grad_(False)


def test_all_protocols_and_all_numbers_of_points():
    assert members("shape", "all", "all") == tuple(EVERYTHING)
    assert members("image", "all", "all") == tuple(EVERYTHING[:-1])
    assert members("shape", "all", 3) == (("keypoints", 3), ("pairs", 3), ("return", 3), ("view", 1))
    assert members("shape", "pairs", "all") == (("pairs", 1), ("pairs", 3), ("pairs", 5))
    assert members("shape", "return", 2) == (("return", 2),)


def test_one_command_runs_everything_and_goes_on_where_it_stopped(small_model, counted, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # plots take most of the time, and have a test of their own
    arguments = ["eval", str(small_model), "--protocol", "all", "--points", "all", "--method", "default"]
    first = CliRunner().invoke(main, [*arguments, "--drags", "1", "--out", str(tmp_path), "--quiet"])
    assert first.exit_code == 0, first.output
    assert [call[:3] for call in counted] == [(p, n, n) for p, n in EVERYTHING]
    done = CliRunner().invoke(main, [*arguments, "--method", "draggan", "--drags", "1", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert len(counted) == 20 and {call[4] for call in counted[10:]} == {"draggan"}
    for protocol, points in EVERYTHING:
        folder = tmp_path / f"{protocol}-{points}"
        assert len((folder / RESULTS).read_text().splitlines()) == 2
        assert f"Protocol `{protocol}`, {points} point" in (folder / "report.md").read_text()
    page = (tmp_path / "summary.md").read_text()
    assert page in done.output
    assert "| protocol | points | | default | draggan |" in page
    assert "| pairs | 3 | success | 1 of 1 (100%) | 1 of 1 (100%) |" in page
    assert "Chamfer distance, after over when away | 0.25 | 0.25 |" in page
    figures = json.loads((tmp_path / "summary.json").read_text())
    assert [(one["protocol"], one["points"]) for one in figures] == EVERYTHING
    assert figures[0]["methods"]["default"]["keypoint_distance_mean"] == 2.0
    assert "records" not in figures[0]


def test_the_summary_has_a_plot_where_there_is_matplotlib(small_quadruped, counted, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    evaluation = Evaluation(("default",), drags=2)
    found = evaluate_all(small_quadruped, evaluation, (("keypoints", 1), ("return", 3)), tmp_path, quiet=True)
    files, note = write_summary(tmp_path, found)
    assert note is None and (tmp_path / "summary.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "return-3" / "report.png").is_file() and "return | 3" in summary(found)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    files, note = write_summary(tmp_path, found)
    assert note is not None and [path.name for path in files] == ["summary.md", "summary.json"]


def test_a_method_is_left_out_where_it_has_no_place_and_refused_where_that_is_everywhere(
    small_quadruped, portraits, counted, tmp_path
):
    evaluation = Evaluation(("default", "drag3d-2023"), drags=1)
    found = evaluate_all(small_quadruped, evaluation, (("keypoints", 1), ("view", 1)), tmp_path, quiet=True)
    assert [list(one["methods"]) for one in found] == [["default", "drag3d-2023"], ["default"]]
    assert "| view | 1 | success | 1 of 1 (100%) | - |" in summary(found)
    with pytest.raises(InputError, match="the method drag3d-2023 drags points of shapes in space only"):
        evaluate(portraits, evaluation, tmp_path / "images", quiet=True)


def test_another_number_of_points_is_another_evaluation(small_model, counted, tmp_path):
    arguments = ["eval", str(small_model), "--method", "default", "--drags", "1", "--out", str(tmp_path), "--quiet"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    failed = CliRunner().invoke(main, [*arguments, "--points", "3"])
    assert failed.exit_code == 2 and "points differs" in failed.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--points", "0"], "neither a whole number from 1 on nor all"),
        (["--points", "some"], "neither a whole number from 1 on nor all"),
        (["--protocol", "view", "--points", "3"], "tasks of one point only"),
        (["--method", "default:without=everything"], "no part 'everything'"),
        (["--points", "40"], "so tasks of 40 cannot be made"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_one_line(small_model, arguments, said, tmp_path):
    command = ["eval", str(small_model), "--drags", "1", "--quiet", "--out", str(tmp_path / "out"), *arguments]
    failed = CliRunner().invoke(main, command)
    assert failed.exit_code == 2
    assert said in failed.output and failed.output.count("\n") == 1


# ---- processes ------------------------------------------------------------------------------------------------------

COSTS = ("seconds", "processor_seconds", "peak_bytes")


def without_costs(records: list[dict]) -> list[dict]:
    return [{key: value for key, value in record.items() if key not in COSTS} for record in records]


@pytest.mark.slow
def test_two_processes_find_what_one_does(small_quadruped, small_model, tmp_path):
    evaluation = Evaluation(("default", "draggan"), drags=3, max_steps=2, protocol="pairs", points=3)
    alone = evaluate(small_quadruped, evaluation, tmp_path / "one", quiet=True)
    shared = evaluate(small_quadruped, evaluation, tmp_path / "two", quiet=True, jobs=2, source=str(small_model))
    assert without_costs(shared) == without_costs(alone)
    assert len(alone) == 6 and all(record["failure"] != "error" for record in alone)
    lines = (tmp_path / "two" / RESULTS).read_text().splitlines()
    assert len(lines) == 6
    (tmp_path / "two" / RESULTS).write_text("".join(f"{line}\n" for line in lines[:3]))
    again = evaluate(small_quadruped, evaluation, tmp_path / "two", quiet=True, jobs=2, source=str(small_model))
    assert without_costs(again) == without_costs(alone)


@pytest.mark.slow
def test_what_goes_wrong_in_a_process_is_said_here(small_quadruped, tmp_path):
    with pytest.raises(InputError, match="no model 'quadrupet'"):
        evaluate(small_quadruped, Evaluation(drags=2), tmp_path, quiet=True, jobs=2, source="quadrupet")
