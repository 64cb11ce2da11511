"""The older 3D editor's method, run by our core, does what was recorded of that editor; and where it has no place."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from drag3d.cli.main import main
from drag3d.core import Drag, DragSettings
from drag3d.core.methods.drag3d2023 import FROZEN_ROWS, lattice
from drag3d.subjects.image import ImageSubject
from drag3d.subjects.surface import SurfaceSubject
from get3d_models import load
from get3d_models.errors import InputError
from get3d_models.generator import Latents
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.tetgrid import load_grid

ROOT = Path(os.environ.get("DRAG3D_GOLDEN", Path(__file__).parents[1] / "data" / "golden")) / "get3d"
FOLDERS = sorted(p for p in ROOT.glob("*") if (p / "drag.npz").is_file())


def test_there_is_a_golden_get3d_trace() -> None:
    assert FOLDERS, f"no recorded drags under {ROOT}"


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda p: p.name)
def trace(request: pytest.FixtureRequest) -> tuple[SurfaceSubject, dict[str, torch.Tensor]]:
    """The recorded shape as a subject, and what was recorded of its drag."""
    folder = request.param
    arguments = json.loads((folder / "config.json").read_text())
    kwargs = arguments["generator_kwargs"]
    generator = load(folder / "checkpoint.pt", scale=kwargs["dmtet_scale"], grid_resolution=kwargs["tet_res"])
    generator = generator.with_config(conv_clamp=kwargs["conv_clamp"])
    generator.use_grid(load_grid(folder / "tet_grid.npz", kwargs["dmtet_scale"]))
    with np.load(folder / "inputs.npz") as inputs, np.load(folder / "drag.npz") as drag:
        codes = [torch.from_numpy(inputs[name][:1]) for name in ("geo_z", "tex_z")]
        recorded = {k: torch.from_numpy(np.asarray(drag[k])) for k in drag}
    with torch.no_grad():
        geometry = generator.map_geometry(codes[0], arguments["truncation_psi"])[0]
        texture = generator.map_texture(codes[1], arguments["truncation_psi"])[0]
    return SurfaceSubject(generator, Latents(geometry, texture)), recorded


def test_every_step_is_that_of_the_golden_get3d_trace(trace: tuple[SurfaceSubject, dict[str, torch.Tensor]]) -> None:
    subject, recorded = trace
    count = len(recorded["loss"])
    settings = DragSettings("drag3d-2023", max_steps=count + 1, patience=1000, tolerance=1e-9)
    drag = Drag(subject, recorded["src"], recorded["src"] + recorded["delta"], settings)
    for i, step in enumerate(islice(drag, 1, count + 1)):  # the one after that would be the nearest of all
        gradient, wanted = drag.method.moved.grad, recorded["grad"][i]
        assert step.loss == pytest.approx(float(recorded["loss"][i]), rel=1e-5)
        assert gradient is not None and float((gradient - wanted).abs().max() / wanted.abs().max()) < 2e-3
        assert float((step.latents - recorded["ws_geo_after"][i]).abs().max()) < 1e-4
        assert torch.equal(drag.method.tracked, recorded["track_index"][i])
        assert float((step.handles - recorded["points_after"][i]).abs().max()) < 1e-6
    assert step.index == count >= 4
    last = recorded["ws_geo_after"][-1]
    assert float((last - subject.start).abs().max()) > 0.004  # the recording is of a drag that moves
    assert torch.equal(step.latents[:FROZEN_ROWS], subject.start[:FROZEN_ROWS])


def test_a_handle_moves_by_three_tenths_of_a_texel_along_an_axis_at_most(small_quadruped) -> None:
    offsets = lattice(small_quadruped.config.resolution)
    assert offsets.shape == (343, 3) and torch.equal(offsets[171], torch.zeros(3))
    assert float(offsets.abs().max()) == pytest.approx(0.3 / small_quadruped.config.resolution)
    subject = SurfaceSubject(small_quadruped, small_quadruped.latents(3))
    handle = subject.shape.vertices[:1]
    steps = list(Drag(subject, handle, handle + 0.1, DragSettings("drag3d-2023", max_steps=3)))
    ways = torch.stack([step.handles[0] for step in steps[:3]]).diff(dim=0).abs()
    assert float(ways.max()) <= 0.3 / small_quadruped.config.resolution + 1e-6


def test_what_is_held_is_in_the_loss(small_quadruped) -> None:
    subject = SurfaceSubject(small_quadruped, small_quadruped.latents(3))
    handle, settings = subject.shape.vertices[:1], DragSettings("drag3d-2023", max_steps=3, learning_rate=0.05)
    free = list(Drag(subject, handle, handle + 0.1, settings))
    held = list(Drag(subject, handle, handle + 0.1, settings, hold=subject.shape.vertices[::50]))
    assert free[1].loss == pytest.approx(held[1].loss, rel=1e-5)  # nothing has changed yet
    assert held[2].loss > 1.01 * free[2].loss


def test_texture_latents_stay_where_they_are(small_quadruped) -> None:
    subject = SurfaceSubject(small_quadruped, small_quadruped.latents(3), "both")
    handle = subject.shape.vertices[:1]
    count = small_quadruped.config.geometry_rows
    _, step = islice(Drag(subject, handle, handle + 0.1, DragSettings("drag3d-2023", max_steps=2)), 2)
    changed = (step.latents != subject.start).any(dim=1)
    assert changed.any() and not changed[:FROZEN_ROWS].any() and not changed[count:].any()


def test_an_image_is_no_subject_of_it() -> None:
    config = ImageConfig(z_dim=8, w_dim=8, mapping_layers=1, channels=(8, 8, 8), conv_clamp=None)
    generator = ImageGenerator(config, "small").requires_grad_(False)
    subject, place = ImageSubject(generator, generator.latents(0)), torch.tensor([[3.0, 3.0]])
    with pytest.raises(InputError, match="drag3d-2023 drags points of shapes in space only"):
        Drag(subject, place, place + 2, DragSettings("drag3d-2023"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--view", "side", "--keypoint", "tail:20,-40"], "drags points of shapes in space only"),
        (["--keypoint", "tail:0,0,0.1", "--latents", "texture"], "moves geometry only"),
    ],
)
def test_what_it_cannot_drag_is_said_in_one_line(small_model, tmp_path, arguments, said) -> None:
    out = tmp_path / "a.glb"
    command = ["drag", str(small_model), "--method", "drag3d-2023", "--out", str(out), "--quiet", *arguments]
    failed = CliRunner().invoke(main, command)
    assert failed.exit_code == 2 and not out.exists()
    assert said in failed.output and failed.output.count("\n") == 1
