"""The recorded drags of the official DragGAN renderer, step by step, by `draggan` in the released variant."""

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from drag3d.core import Drag, DragSettings, DragStep
from drag3d.subjects.image import ImageSubject
from get3d_models import load
from get3d_models.stylegan2 import ImageGenerator, ImageLatents

OURS = Path(__file__).parents[1] / "data" / "golden"
FOLDERS = sorted((Path(os.environ.get("DRAG3D_GOLDEN", OURS)) / "stylegan2").glob("*/drag_trace.json"))
RUNS = [(path.parent, tag) for path in FOLDERS for tag in json.loads(path.read_text())]


@pytest.fixture(params=RUNS, ids=lambda run: f"{run[0].name}-{run[1]}")
def run(request: pytest.FixtureRequest) -> tuple[Path, str]:
    return request.param


class Trace:
    """One recorded run: its options, its arrays, and the same drag by ours."""

    def __init__(self, folder: Path, tag: str):
        self.options = json.loads((folder / "drag_trace.json").read_text())[tag]
        content = np.load(folder / "drag_trace.npz")
        self.arrays = {name.split("/")[1]: content[name] for name in content.files if name.startswith(f"{tag}/")}
        network = next(folder.glob("network.*"))
        generator = load(network)
        assert isinstance(generator, ImageGenerator)
        self.generator = generator

    def steps(self) -> Iterator[DragStep]:
        o = self.options
        rows = torch.from_numpy(self.arrays["ws0"]).float().reshape(-1, self.generator.config.w_dim)
        settings = DragSettings(
            method="draggan", variant="released", max_steps=o["steps"] + 1, patience=1000, tolerance=0.0,
            learning_rate=o["lr"], hold_weight=o["lambda_mask"], patch_radius=o["r1_px"], search_radius=o["r2_px"],
            space="w+" if o["w_plus"] else "w", feature_block=o["feature_idx"],
        )  # fmt: skip
        subject = ImageSubject.for_settings(self.generator, ImageLatents(rows), settings)
        hold = None
        if o["lambda_mask"] is not None:
            fixed = self.arrays["mask_fixed"].reshape(self.generator.size[::-1]) > 0
            hold = subject.hold_points(~fixed)
        handles, targets = (torch.tensor(o[name]).flip(1).float() for name in ("points_yx", "targets_yx"))
        return islice(iter(Drag(subject, handles, targets, settings, hold)), o["steps"] + 1)


def test_the_golden_stylegan2_traces_are_there() -> None:
    assert FOLDERS


def test_every_step_is_that_of_the_golden_stylegan2_trace(run: tuple[Path, str]) -> None:
    trace = Trace(*run)
    latents = trace.arrays["w_before_each_step"]
    tracked = trace.arrays["points_after_tracking"]
    moved = 0.0
    for index, step in enumerate(trace.steps()):
        recorded = torch.from_numpy(latents[index]).float().reshape(-1, trace.generator.config.w_dim)
        count = min(len(step.latents), len(recorded))
        assert (step.latents[:count] - recorded[:count]).abs().max() <= 1e-4, index
        if index < len(tracked):
            assert step.handles.flip(1).tolist() == tracked[index].tolist(), index
        moved = float((step.latents[:count] - recorded[:count]).abs().max())
    assert index == trace.options["steps"]
    start = torch.from_numpy(latents[0]).float()
    assert (torch.from_numpy(latents[-1]) - start).abs().max() > 0.01  # the recording is of a drag that moves
    assert moved <= 1e-4
