"""The older editor's step is our oracle: it does what was recorded of it, and the windowed step the same for less."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from drag3d.bench.drag_step import WindowedDrag, bench_drag_step, random_generator
from drag3d.bench.measuring import measure
from drag3d.bench.textbook_step import FROZEN_ROWS, LEARNING_RATE, TextbookDrag, lattice, textbook_planes
from get3d_models import Generator, GeneratorConfig, load
from get3d_models.tetgrid import load_grid

ROOT = Path(os.environ.get("DRAG3D_GOLDEN", Path(__file__).parents[1] / "data" / "golden")) / "get3d"
FOLDERS = sorted(p for p in ROOT.glob("*") if (p / "drag.npz").is_file())
SMALL = GeneratorConfig(
    z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 12, 8), plane_channels=8, decoder_width=8,
    grid="body-centred", grid_resolution=16,
)  # fmt: skip


class Trace:
    """One recorded drag of the older editor: the network, where it started, and what each step gave."""

    def __init__(self, folder: Path):
        arguments = json.loads((folder / "config.json").read_text())
        kwargs = arguments["generator_kwargs"]
        generator = load(folder / "checkpoint.pt", scale=kwargs["dmtet_scale"], grid_resolution=kwargs["tet_res"])
        self.generator = generator.with_config(conv_clamp=kwargs["conv_clamp"])
        self.generator.use_grid(load_grid(folder / "tet_grid.npz", kwargs["dmtet_scale"]))
        with np.load(folder / "inputs.npz") as inputs, np.load(folder / "drag.npz") as drag:
            codes = [torch.from_numpy(inputs[name][:1]) for name in ("geo_z", "tex_z")]
            self.recorded: dict[str, Tensor] = {k: torch.from_numpy(np.asarray(drag[k])) for k in drag}
        self.ws_geometry = self.generator.map_geometry(codes[0], arguments["truncation_psi"])[0]
        self.ws_texture = self.generator.map_texture(codes[1], arguments["truncation_psi"])[0]
        self.handles = self.recorded["src"]
        self.targets = self.handles + self.recorded["delta"]


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda p: p.name)
def trace(request: pytest.FixtureRequest) -> Trace:
    return Trace(request.param)


@pytest.fixture(scope="module")
def small() -> tuple[Generator, Tensor, Tensor]:
    return random_generator(SMALL)


def test_there_is_a_golden_get3d_trace() -> None:
    assert FOLDERS, f"no recorded drags under {ROOT}"


def test_the_golden_get3d_trace_was_made_with_the_settings_of_the_oracle(trace: Trace) -> None:
    assert float(trace.recorded["lr"]) == LEARNING_RATE
    assert int(trace.recorded["frozen_rows"]) == FROZEN_ROWS
    spacing = lattice(trace.generator.config.resolution).diff(dim=0)[0, 2]
    assert float(spacing) == pytest.approx(float(trace.recorded["step_size"]), rel=1e-6)


def test_the_textbook_step_reproduces_the_golden_get3d_trace(trace: Trace) -> None:
    drag = TextbookDrag(trace.generator, trace.ws_geometry, trace.ws_texture, trace.handles, trace.targets)
    recorded = trace.recorded
    for i in range(len(recorded["loss"])):
        result = drag.step(refresh_mesh=i == 0)
        assert result.loss == pytest.approx(float(recorded["loss"][i]), rel=1e-5)
        # |F(q + d) - F(q)| has a kink at zero: rounding can turn the sign of a few of its 22,000 terms.
        assert float((result.gradient - recorded["grad"][i]).abs().max() / recorded["grad"][i].abs().max()) < 2e-3
        assert float((result.latents - recorded["ws_geo_after"][i]).abs().max()) < 1e-4
        assert torch.equal(result.tracked, recorded["track_index"][i])
        assert float((result.handles - recorded["points_after"][i]).abs().max()) < 1e-6


def test_the_windowed_step_reproduces_the_golden_get3d_trace(trace: Trace) -> None:
    drag = WindowedDrag(trace.generator, trace.ws_geometry, trace.handles, trace.targets)
    recorded = trace.recorded
    for i in range(len(recorded["loss"])):
        result = drag.step()
        assert result.loss == pytest.approx(float(recorded["loss"][i]), rel=1e-5)
        assert float((result.gradient - recorded["grad"][i]).abs().max() / recorded["grad"][i].abs().max()) < 2e-3
        assert float((result.latents - recorded["ws_geo_after"][i]).abs().max()) < 1e-4
        if i:  # tracking waits for the next synthesis
            assert torch.equal(result.tracked, recorded["track_index"][i - 1])
            assert float((result.handles - recorded["points_after"][i - 1]).abs().max()) < 1e-6


def test_scaling_weights_or_activations_gives_the_same_planes(small: tuple[Generator, Tensor, Tensor]) -> None:
    generator, geometry, texture = small
    ours = generator.triplanes(geometry[None], texture[None])
    theirs = textbook_planes(generator, geometry, texture)
    assert ours.texture is not None
    for a, b in ((ours.geometry[0], theirs[0]), (ours.texture[0], theirs[1])):
        assert float((a - b).abs().max()) < 1e-5 * float(b.abs().max())


def test_both_ways_extract_the_same_surface(small: tuple[Generator, Tensor, Tensor]) -> None:
    generator, geometry, texture = small
    places = torch.tensor([[0.1, 0.2, -0.1]])
    drag = TextbookDrag(generator, geometry, texture, places, places + 0.1)
    result = drag.step()
    assert result.mesh is not None
    windowed = WindowedDrag(generator, geometry, places, places + 0.1).step(refresh_mesh=True)
    assert windowed.mesh is not None
    vertices, faces, normals = windowed.mesh
    assert len(vertices) == len(result.mesh[0]) == len(normals) > 50
    assert len(faces) == len(result.mesh[1])
    apart = torch.cdist(vertices, result.mesh[0], compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1)
    assert float(apart.max()) < 1e-3


def test_in_double_precision_the_gradients_of_both_ways_are_the_same() -> None:
    """In single precision rounding turns the sign of a few terms of the L1 loss; here hardly any is so near to zero."""
    generator, geometry, texture = random_generator(SMALL)
    generator, geometry, texture = generator.double(), geometry.double(), texture.double()
    places = torch.tensor([[0.1, 0.2, -0.1], [0.49, -0.3, 0.0]], dtype=torch.float64)
    theirs = TextbookDrag(generator, geometry, texture, places, places - 0.1).step(refresh_mesh=False).gradient
    ours = WindowedDrag(generator, geometry, places, places - 0.1).step().gradient
    assert float((ours - theirs).abs().max() / theirs.abs().max()) < 1e-9


def test_a_drag_has_arrived_when_each_coordinate_is_within_a_hundredth(small: tuple[Generator, Tensor, Tensor]) -> None:
    generator, geometry, texture = small
    places = torch.zeros(2, 3)
    near = torch.tensor([[0.009, 0, 0], [0, -0.009, 0.009]])
    assert TextbookDrag(generator, geometry, texture, places, near).arrived()
    assert not TextbookDrag(generator, geometry, texture, places, near * 1.2).arrived()


def test_the_report_compares_equal_work(small: tuple[Generator, Tensor, Tensor]) -> None:
    threads = torch.get_num_threads()
    report = bench_drag_step(repeats=1, handles=3, threads=1, config=SMALL)
    assert torch.get_num_threads() == threads
    assert (report["resolution"], report["handles"], report["repeats"]) == (64, 3, 1)
    assert report["gradient_difference"] < 2e-3
    assert 0 < report["multiply_adds"]["windows"] <= report["multiply_adds"]["whole"]
    assert report["mesh_faces"] > 50
    for way in ("windowed", "windowed_mesh", "draggan", "default"):
        expected = report["textbook"]["wall"] / report[way]["wall"]
        assert report["ratio"][way]["wall"] == pytest.approx(expected)


def test_measuring_sees_the_memory_a_step_takes() -> None:
    wall, cpu, peak = measure(lambda: torch.ones(16_000_000).sum())
    assert wall > 0
    assert cpu >= 0
    if peak is not None:
        assert 56_000_000 < peak < 150_000_000
