"""The benchmark's table: what each part says in it, and what the parts measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from drag3d.bench.arrival import bench_arrival
from drag3d.bench.drag_step import bench_drag_step
from drag3d.bench.export import bench_export
from drag3d.bench.image_step import bench_image_step
from drag3d.bench.refresh import bench_refresh
from drag3d.bench.start import bench_start
from drag3d.bench.table import HEADER, Row, rows_of
from get3d_models import Generator, GeneratorConfig, load
from get3d_models.image_config import ImageConfig

SHAPES = GeneratorConfig(
    z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 12, 8), plane_channels=8, decoder_width=8,
    grid="body-centred", grid_resolution=16,
)  # fmt: skip
IMAGES = ImageConfig(z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 16, 12, 8, 8), conv_clamp=None)


def test_a_row_says_how_much_longer_the_textbook_takes_and_leaves_open_what_is_unknown() -> None:
    line = Row("a step", 0.25, 1.0, 3 << 20, None, "as told").line()
    assert line.split() == ["a", "step", "250.0", "ms", "1.00", "s", "4.0x", "3", "as", "told"]
    assert Row("alone", 2.0).line().split() == ["alone", "2.00", "s"] and Row("alone", 2.0).ratio is None
    assert HEADER.index("textbook") < HEADER.index("ratio")


def test_the_steps_of_shapes_and_images_are_there_for_as_many_points_as_were_asked_for() -> None:
    rows = rows_of("step", bench_drag_step(repeats=1, handles=3, threads=1, config=SHAPES))
    rows += rows_of("image-step", bench_image_step(repeats=1, threads=1, config=IMAGES, points=5))
    assert len(rows) == 5 and all(row.ratio is not None and row.ours > 0 for row in rows)
    assert all("3 points" in row.what for row in rows[:4]) and "5 points" in rows[4].what


def test_five_points_of_an_image_are_dragged_as_the_textbook_drags_them() -> None:
    report = bench_image_step(repeats=1, threads=1, config=IMAGES, points=5)
    assert report["points"] == 5 and report["gradient_difference"] < 1e-5


def test_the_refreshed_mesh_is_that_of_a_full_extraction() -> None:
    report = bench_refresh(repeats=2, threads=1, config=SHAPES)
    assert report["same"] and report["mesh_faces"] > 50
    (row,) = rows_of("mesh", report)
    assert row.ratio == pytest.approx(report["ratio"]["wall"]) and "equal meshes" in row.line()


@pytest.mark.slow
def test_keypoints_of_images_are_dragged_until_arrival_too() -> None:
    report = bench_arrival(load("portrait"), drags=1)
    (row,) = rows_of("arrival", report)
    assert report["model"] == "portrait" and row.ours == report["seconds"] > 0


@pytest.mark.slow
def test_every_way_to_export_is_timed(small_model: Path, small_quadruped: Generator) -> None:
    rows = rows_of("export", bench_export(small_model, repeats=1))
    assert len(rows) == 4 and all(row.ours > 0 for row in rows)


@pytest.mark.slow
def test_the_start_of_every_command_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    from drag3d.bench import start
    from drag3d.cli.main import main

    assert set(start.COMMANDS) - {""} == set(main.list_commands(None))  # type: ignore[arg-type]
    monkeypatch.setattr(start, "COMMANDS", ("", "models"))
    rows = rows_of("start", bench_start(repeats=1))
    assert [row.what for row in rows][:2] == ["start: drag3d --help", "start: drag3d models --help"]
    assert all(0 < row.ours < 60 for row in rows)
