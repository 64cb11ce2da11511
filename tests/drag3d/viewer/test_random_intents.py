"""Whatever is asked, in whatever order: no exception escapes, the document tells the truth, and all can be undone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from desk import Desk, said
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drag3d.viewer import intents as asked
from drag3d.viewer.replies import ShapeShown
from get3d_models import Generator
from get3d_models.checkpoint import write_generator

WORK = "work"
"""Stands for a step of the drag, if one runs, between two intents"""

coordinate = st.one_of(st.floats(-0.4, 0.4), st.sampled_from([float("nan"), 1e30, 0.0]))
place = st.tuples(coordinate, coordinate, coordinate)
near = st.sampled_from([(0.114, 0.233, 0.136), (-0.114, 0.233, 0.136), (0.0, 0.12, 0.31), (0.067, -0.28, 0.165)])
handle = st.one_of(near, near, place)
index = st.integers(-1, 3)
changes = st.dictionaries(
    st.sampled_from(["method", "learning_rate", "max_steps", "latents_moved", "space", "tolerance", "nonsense"]),
    st.sampled_from([None, "default", "draggan", 0.01, 3, "both", "geometry", "w", -1]),
    max_size=2,
)
centers = st.lists(handle, min_size=0, max_size=3).map(lambda found: np.array(found, np.float32).reshape(-1, 3))
camera = st.sampled_from(
    [None, None, asked.CameraState((0.0, 0.1, 2.8), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), 25.0, 120, 160)]
)
intent = st.one_of(
    st.builds(asked.AddPoint, handle, place),
    st.builds(asked.AddPoint, near, st.just((0.1, 0.4, 0.1))),
    st.builds(asked.MovePoint, index, st.none() | handle, st.none() | place),
    st.builds(asked.MirrorPoint, index),
    st.builds(asked.EnablePoint, index, st.booleans()),
    st.builds(asked.RemovePoint, index),
    st.just(asked.ClearPoints()),
    st.builds(asked.Paint, centers, st.floats(-0.1, 0.4), st.booleans()),
    st.builds(asked.SetBox, place, place),
    st.just(asked.ClearRegion()),
    st.builds(asked.StartDrag, camera),
    st.builds(asked.StepDrag, camera),
    st.sampled_from([asked.PauseDrag(), asked.StopDrag(), asked.Undo(), asked.Undo(), asked.Redo(), asked.Reset()]),
    st.builds(asked.Configure, changes),
    st.builds(asked.Generate, st.sampled_from([0, 3, 4, -1]), st.sampled_from([None, 2]), st.sampled_from([1.0, 9.0])),
    st.builds(asked.Generate, st.just(1), model=st.just("portrait")),
    st.builds(asked.Look, st.booleans()),
    st.builds(asked.Shown, st.integers(0, 50)),
    st.sampled_from([asked.RestoreAutosave("../x"), asked.DiscardAutosave(""), asked.CancelWriting()]),
    st.builds(asked.SaveSession, st.sampled_from(["edit.drag3d", "../edit.drag3d", "edit.txt"])),
    st.builds(asked.OpenSession, st.sampled_from(["edit.drag3d", "none.drag3d"])),
)
sequences = st.lists(st.one_of(intent, intent, st.just(WORK)), min_size=1, max_size=25)


@pytest.fixture(scope="module")
def tiny_model(quadruped: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quadruped on a grid so coarse that a mesh takes no time at all."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    write_generator(path, quadruped.with_config(grid_resolution=10))
    return path


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> Desk:
    """Has the generator, which the others take."""
    return Desk(tiny_model, seed=3)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequence=sequences)
def test_any_sequence_leaves_a_consistent_session(
    tiny_model: Path, loaded: Desk, tmp_path_factory: pytest.TempPathFactory, sequence: list[asked.Intent | str]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    desk = Desk(
        tiny_model, lends=loaded, seed=3, models=(str(tiny_model),), autosaves=folder / "autosave", open_paths=False,
        folder=folder,
    )  # fmt: skip
    start = desk.shown
    for item in sequence:
        if isinstance(item, str):
            desk.work(2)
        else:
            desk.ask(item)
        consistent(desk)
    assert not [line for line in said(desk.replies, "error") if line.startswith("unexpected")]
    desk.ask(asked.StopDrag())
    for _ in range(200):
        if not desk.document.undo:
            break
        desk.ask(asked.Undo())
    assert desk.document.undo == "" and desk.document.points == () and not desk.document.has_region
    assert (desk.document.seed, desk.document.progress.state) == (3, "idle")
    assert np.array_equal(desk.shown.vertices, start.vertices) and desk.shown.free is None


def consistent(desk: Desk) -> None:
    """The document, and what is shown when no drag runs, are those of the session."""
    document, session = desk.document, desk.session
    assert [(p.handle, p.target, p.enabled) for p in document.points] == [
        (p.handle, p.target, p.enabled) for p in session.points
    ]
    assert (document.seed, document.has_region) == (session.seed, session.region is not None)
    assert document.settings["method"] == session.settings.method
    if document.progress.state == "idle":
        assert isinstance(desk.shown, ShapeShown)
        assert np.array_equal(desk.shown.vertices, session.shape.vertices.numpy())
        assert (desk.shown.free is not None) == document.has_region
    assert (desk.studio.patience is None) == (document.progress.state != "running")
