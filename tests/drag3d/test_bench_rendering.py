"""The measurement of rendering compares ways that draw the same, and tells what a new process waits for."""

import sys

import pytest
import torch

from drag3d.bench import deodr_way
from drag3d.bench.rendering import bench_rendering, seconds_to_start, wavy_ball
from drag3d.bench.table import rows_of
from drag3d.rendering import topology_of


def test_the_measured_mesh_is_closed_and_has_forty_thousand_triangles() -> None:
    vertices, faces = wavy_ball(99)
    assert 39_000 < len(faces) < 41_000
    assert bool((topology_of(faces).faces >= 0).all())
    assert float(vertices.norm(dim=1).max()) < 0.5


def test_the_report_compares_equal_work() -> None:
    pytest.importorskip("deodr", reason="deodr is not installed (pip install deodr)")
    threads = torch.get_num_threads()
    report = bench_rendering(size=48, repeats=2, resolution=16, starts=False)
    assert torch.get_num_threads() == threads
    assert (report["size"], report["channels"], report["repeats"], report["missing"]) == (48, 4, 2, None)
    assert report["gradient_difference"] < 1e-5
    assert report["start"] is None
    for kind in ("single", "default"):
        for clock in ("wall", "cpu"):
            row = report[kind][clock]
            assert row["ratio"] == pytest.approx(row["deodr"] / row["numba"]) and row["torch"] > 0


def test_without_deodr_the_rest_is_measured_and_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("deodr", "deodr.differentiable_renderer", "deodr.triangulated_mesh"):
        monkeypatch.setitem(sys.modules, module, None)
    report = bench_rendering(size=16, repeats=1, resolution=12, starts=False)
    assert report["missing"] == deodr_way.MISSING and "pip install deodr" in deodr_way.MISSING
    row = report["single"]["wall"]
    assert row["deodr"] is None and row["ratio"] is None and row["numba"] > 0


@pytest.mark.slow
def test_the_second_process_does_not_compile_again() -> None:
    seconds = seconds_to_start()
    assert 0 < seconds["second"] < 0.8 * seconds["first"]


def test_the_table_shows_every_way_and_what_is_missing() -> None:
    row = {"numba": 0.025, "torch": 0.5, "deodr": 0.05, "ratio": 2.0}
    report = {"size": 512, "faces": 40204, "channels": 4, "repeats": 5, "missing": None, "start": None}
    report |= {kind: {"threads": 1, "wall": row, "cpu": row} for kind in ("single", "default")}
    found = rows_of("rendering", report)
    assert [(r.ours, r.textbook, r.ratio) for r in found] == [(0.025, 0.05, 2.0)] * 2
    assert all("by CPU time 2.0x" in r.line() for r in found)
    row = {**row, "deodr": None, "ratio": None}
    report |= {"missing": "no deodr", "start": {"first": 5.04, "second": 0.91}}
    report["single"] = {"threads": 1, "wall": row, "cpu": row}
    found = rows_of("rendering", report)
    assert found[0].ratio is None and found[0].note == "no deodr" and found[-1].ours == 0.91
