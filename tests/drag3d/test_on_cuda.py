"""On a CUDA device everything works as on the processor: the same numbers, within what float32 leaves open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from drag3d.bench.measuring import measure
from drag3d.cli import main
from drag3d.core import DragStep
from drag3d.evaluation.run import Evaluation, run_task
from drag3d.evaluation.yardstick import yardstick_of
from drag3d.session import Session, Viewpoint
from get3d_models import load
from get3d_models.refresh import SurfaceRefresh

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

SIDE = Viewpoint.of("side")
DEVICES = ("cpu", "cuda")


@pytest.fixture(scope="module")
def shapes() -> dict[str, Any]:
    return {device: load("quadruped", device) for device in DEVICES}


@pytest.fixture(scope="module")
def images() -> dict[str, Any]:
    return {device: load("portrait", device) for device in DEVICES}


def largest_difference(a: Any, b: Any) -> float:
    return float((torch.as_tensor(a).cpu() - torch.as_tensor(b).cpu()).abs().max())


def dragged(session: Session, **settings: Any) -> list[DragStep]:
    steps = list(session.drag(**settings))
    assert np.isfinite([step.distances for step in steps]).all()
    return steps


def test_planes_fields_and_pictures_are_those_of_the_processor(shapes: dict[str, Any], images: dict[str, Any]) -> None:
    for seed in (3, 8):
        fields = []
        for device in DEVICES:
            latents = shapes[device].latents(seed)
            planes = shapes[device].triplanes(latents.geometry[None])
            with torch.no_grad():
                fields.append((planes.geometry, shapes[device].grid_fields(planes.geometry, latents.geometry[None])[0]))
        size = float(fields[0][0].abs().max())
        assert largest_difference(fields[0][0], fields[1][0]) < 1e-4 * size  # 1e-3 of TF32 would be seen
        assert largest_difference(fields[0][1], fields[1][1]) < 1e-4
        pictures = [images[device].sample(seed).astype(int) for device in DEVICES]
        assert np.abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.parametrize("method", ["default", "draggan", "drag3d-2023"])
def test_a_shape_is_dragged_as_on_the_processor(shapes: dict[str, Any], method: str) -> None:
    ends = []
    for device in DEVICES:
        session = Session(shapes[device], seed=3)
        session.add_keypoint("left_ear", (0.0, 0.06, 0.0))
        session.add_keypoint("tail", (0.0, 0.03, -0.03))
        ends.append(dragged(session, method=method, max_steps=2)[-1].handles)
    assert largest_difference(*ends) < 2e-3


def test_colours_are_dragged_as_on_the_processor(shapes: dict[str, Any]) -> None:
    ends = []
    for device in DEVICES:
        session = Session(shapes[device], seed=3)
        session.latents_moved = "texture"
        session.add_keypoint("left_ear", (0.0, 0.03, 0.0))
        ends.append(dragged(session, max_steps=2)[-1].handles)
    assert largest_difference(*ends) < 4e-3


def test_a_drag_in_a_picture_of_a_shape_goes_as_on_the_processor(shapes: dict[str, Any]) -> None:
    ends = []
    for device in DEVICES:
        session = Session(shapes[device], seed=3)
        session.add_keypoint("snout", (-20.0, 5.0), SIDE)
        # One step only: afterwards a pixel that just shows, or just does not, decides between two ways to go on, on the
        # processor alone already, with noise of 1e-7.
        ends.append(dragged(session, view=SIDE, max_steps=1)[-1].handles)
    assert largest_difference(*ends) < 0.1  # pixels of 512


@pytest.mark.parametrize("method", ["default", "draggan"])
def test_an_image_is_dragged_as_on_the_processor(images: dict[str, Any], method: str) -> None:
    ends = []
    mask = np.zeros((256, 256), dtype=bool)
    mask[100:, :] = True
    for device in DEVICES:
        session = Session(images[device], seed=1)
        session.add_keypoint("mouth_left", (-8, -8))
        session.set_mask(mask)
        ends.append(dragged(session, method=method, max_steps=2)[-1].handles)
    assert largest_difference(*ends) < 0.3


def test_two_drags_and_a_file_of_the_session_and_the_mesh(shapes: dict[str, Any], tmp_path: Path) -> None:
    session = Session(shapes["cuda"], seed=3)
    tail = session.keypoints["tail"]
    session.add_keypoint("left_ear", (0.0, 0.05, 0.0))
    dragged(session)
    session.clear_points()
    session.add_point(tail, (tail[0], tail[1] + 0.04, tail[2]))
    dragged(session)
    session.save(tmp_path / "edit.drag3d")
    reopened = Session.open(tmp_path / "edit.drag3d", device="cpu")
    assert largest_difference(reopened.shape.vertices, session.shape.vertices) < 1e-3
    for name in ("edit.glb", "edit.obj", "edit.png"):
        path = tmp_path / name
        (session.draw if name.endswith("png") else session.export)(path)
        assert path.stat().st_size > 1000


def test_a_mesh_refreshed_near_the_last_one_is_the_full_one(shapes: dict[str, Any]) -> None:
    generator = shapes["cuda"]
    rows = generator.latents(3).geometry
    further = rows + 0.05 * (generator.latents(4).geometry - rows)
    near, full = SurfaceRefresh(generator), SurfaceRefresh(generator)
    near(rows)
    (vertices, faces), (expected, expected_faces) = near(further), full(further)
    # Windows of other sizes are convolved by other algorithms there: equal but for rounding.
    assert torch.equal(faces, expected_faces) and float((vertices - expected).abs().max()) < 1e-5
    assert not near.was_full


@pytest.mark.parametrize("kind", ["shape", "image"])
@pytest.mark.parametrize("protocol", ["keypoints", "pairs", "return"])
def test_drags_are_judged_there(shapes: dict[str, Any], images: dict[str, Any], kind: str, protocol: str) -> None:
    generator = (shapes if kind == "shape" else images)["cuda"]
    evaluation = Evaluation(methods=("default",), protocol=protocol, points=1, seed=0)
    yardstick = yardstick_of(kind, protocol, 1)
    task = yardstick.task(generator, 0, 0)
    record = run_task(
        yardstick, generator, task, yardstick.before(generator, task), evaluation.drag_settings("default")
    )
    assert record["failure"] != "error" and record["steps"] > 0


def test_measured_times_wait_for_the_device_and_memory_is_its_own() -> None:
    device = torch.device("cuda")
    matrix = torch.randn(4096, 4096, device=device)
    seconds, _, peak = measure(lambda: [matrix @ matrix for _ in range(20)][-1], device)
    assert seconds > 20 * 2 * 4096**3 / 1e15  # no card makes so many operations in float32
    assert peak is not None and peak >= matrix.nbytes


def test_commands_take_the_device(tmp_path: Path) -> None:
    for arguments in (
        ["sample", "quadruped", "--seed", "3", "--device", "cuda", "--out", str(tmp_path / "a.glb")],
        ["sample", "portrait", "--seed", "3", "--out", str(tmp_path / "a.png")],
        ["bench", "--only", "image-step", "--image-resolution", "256", "--points", "1", "--repeats", "1"],
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
    assert torch.cuda.get_device_name() in result.output
