"""Whatever is asked, in whatever order: no exception escapes, the document tells the truth, and all can be undone."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Work:
    """So many steps of the drag, if one runs; with ``start`` it is seen to that one does."""

    steps: int
    start: bool = False
    camera: asked.CameraState | None = None


@dataclass(frozen=True)
class Add:
    """A point somewhere on whatever is shown."""

    share: float
    way: tuple[float, float, float]


@dataclass(frozen=True)
class Stroke:
    """Of the brush, there."""

    share: float
    radius: float
    erase: bool


share = st.floats(0, 1)
coordinate = st.one_of(st.floats(-0.4, 0.4), st.sampled_from([float("nan"), 1e30, 0.0]))
place = st.tuples(coordinate, coordinate, coordinate)
way = st.sampled_from([(0.0, 0.1, 0.0), (0.1, 0.0, 0.0), (0.0, -0.05, 0.05), (0.0, 0.6, 0.0), (0.0, 0.0, 0.0)])
index = st.integers(0, 2)
changes = st.sampled_from([
    {"method": "draggan"}, {"method": None}, {"learning_rate": 0.01}, {"max_steps": 3}, {"max_steps": 50},
    {"latents_moved": "both"}, {"latents_moved": None, "space": "w"}, {"tolerance": 0.001}, {"learning_rate": -1.0},
    {"nonsense": 1}, {"latents_moved": "mind", "method": "draggan"}, {},
])  # fmt: skip
camera = st.sampled_from(
    [None, None, asked.CameraState((0.0, 0.1, 2.8), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), 25.0, 120, 160)]
)
points = st.one_of(
    st.builds(Add, share, way),
    st.builds(Add, share, way),
    st.builds(asked.MovePoint, index, st.none(), place),
    st.builds(asked.MirrorPoint, index),
    st.builds(asked.EnablePoint, index, st.booleans()),
    st.builds(asked.RemovePoint, index),
    st.builds(asked.AddPoint, place, place),
    st.just(asked.ClearPoints()),
)
regions = st.one_of(
    st.builds(Stroke, share, st.sampled_from([0.1, 0.3, 0.7, -1.0]), st.booleans()),
    st.builds(asked.SetBox, place, place),
    st.just(asked.SetBox((-1.0, 0.0, -1.0), (1.0, 1.0, 1.0))),
    st.just(asked.ClearRegion()),
)
drags = st.one_of(
    st.builds(asked.StartDrag, camera),
    st.builds(asked.StepDrag, camera),
    st.builds(Work, st.integers(1, 3)),
    st.builds(Work, st.integers(1, 3), st.just(True), camera),
    st.builds(Work, st.integers(1, 3), st.just(True), camera),
    st.sampled_from([asked.PauseDrag(), asked.StopDrag()]),
    st.builds(asked.Configure, changes),
)
history = st.sampled_from([asked.Undo(), asked.Undo(), asked.Redo(), asked.Reset()])
others = st.one_of(
    st.builds(asked.Generate, st.sampled_from([0, 3, 4, -1]), st.sampled_from([None, 2]), st.sampled_from([1.0, 9.0])),
    st.builds(asked.Generate, st.just(1), model=st.just("portrait")),
    st.builds(asked.Look, st.booleans()),
    st.builds(asked.Shown, st.integers(0, 50)),
    st.sampled_from([asked.RestoreAutosave("../x"), asked.DiscardAutosave(""), asked.CancelWriting()]),
    st.builds(asked.SaveSession, st.sampled_from(["edit.drag3d", "../edit.drag3d", "edit.txt"])),
    st.builds(asked.OpenSession, st.sampled_from(["edit.drag3d", "none.drag3d"])),
)
groups = [group.map(lambda item: item) for group in (points, regions, drags, drags, history, others)]  # of equal weight
sequences = st.lists(st.one_of(groups), min_size=6, max_size=16)


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
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(sequence=sequences)
def test_any_sequence_leaves_a_consistent_session(
    tiny_model: Path, loaded: Desk, tmp_path_factory: pytest.TempPathFactory, sequence: list[object]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    desk = Desk(
        tiny_model, lends=loaded, seed=3, models=(str(tiny_model),), autosaves=folder / "autosave", open_paths=False,
        folder=folder,
    )  # fmt: skip
    start = desk.shown
    for item in [Add(1.0, (0.0, 0.1, 0.0)), *sequence]:
        if isinstance(item, Work):
            desk.ask(*[asked.StartDrag(item.camera)] * item.start)
            desk.work(item.steps)
        else:
            desk.ask(intent_of(desk, item))
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


def intent_of(desk: Desk, item: object) -> asked.Intent:
    """What it means for what is shown now."""
    if isinstance(item, asked.Intent):
        return item
    assert isinstance(item, Add | Stroke)
    vertices = desk.shown.vertices
    vertex = vertices[round(item.share * (len(vertices) - 1))]
    if isinstance(item, Stroke):
        return asked.Paint(vertex[None], item.radius, item.erase)
    return asked.AddPoint(tuple(vertex.tolist()), tuple((vertex + np.float32(item.way)).tolist()))


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
