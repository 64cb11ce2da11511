"""A further drag keeps what earlier ones were asked for, and lets go home what nobody asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from drag3d.core import Drag, DragSettings, DragStep, Past, StopReason
from drag3d.session import Session
from drag3d.subjects.surface import SurfaceSubject
from get3d_models import Generator
from get3d_models.keypoints import keypoints


class Drags:
    """Drags one after the other on one shape, as the core sees them."""

    def __init__(self, generator: Generator):
        self.generator = generator
        self.first = SurfaceSubject(generator, generator.latents(3))
        places = keypoints(generator, 3)
        ends = torch.stack([places["tail"], places["right_front_foot"]])
        self.tail, self.foot = self.first.field(self.first.start, ends, self.first.search_radius).snap(ends)

    def subject(self, after: DragStep) -> SurfaceSubject:
        return SurfaceSubject(self.generator, self.first.unpack(after.latents))

    def run(self, subject: SurfaceSubject, handle: torch.Tensor, way: list[float], past: Past | None) -> DragStep:
        target = handle + torch.tensor(way)
        return list(Drag(subject, handle[None], target[None], DragSettings(), past=past))[-1]


@pytest.fixture(scope="module")
def drags(small_quadruped: Generator) -> Drags:
    return Drags(small_quadruped)


def strayed(subject: SurfaceSubject, step: DragStep, points: torch.Tensor) -> float:
    """Root mean square of the signed field's change at points, since the subject's start."""
    rows = torch.stack([subject.start, step.latents])
    with torch.no_grad():
        before, after = subject.responses(rows, points, None).still[..., 0]
    return float((after - before).square().mean().sqrt())


@pytest.mark.parametrize(("name", "way"), [("tail", [0.0, 0.06, 0.0]), ("foot", [0.0, -0.08, 0.0])])
def test_dragged_back_latents_are_nearer_to_what_they_were_than_without_a_memory(
    drags: Drags, name: str, way: list[float]
) -> None:
    handle = getattr(drags, name)
    out = drags.run(drags.first, handle, way, None)
    back = drags.subject(out)
    pasts = (Past(drags.first.start, back.rest[:0]), None)
    ends = [drags.run(back, out.handles[0], (handle - out.handles[0]).tolist(), past) for past in pasts]
    assert all(end.reason is StopReason.ARRIVED for end in ends)
    remembered, forgotten = (float((end.latents - drags.first.start).norm()) for end in ends)
    assert remembered < 0.95 * forgotten
    assert remembered < 0.3 * float((out.latents - drags.first.start).norm())


def test_what_an_earlier_drag_was_asked_for_stays_when_the_rest_goes_home(drags: Drags) -> None:
    tail = drags.run(drags.first, drags.tail, [0.0, 0.12, 0.0], None)
    again = drags.subject(tail)
    foot = again.field(again.start, drags.foot[None], 0.1).snap(drags.foot[None])[0]
    near = again.rest[(again.rest - tail.handles[0]).norm(dim=1) < 1.5 * again.anchor_radius]
    assert len(near) > 5
    held, free = (
        strayed(again, drags.run(again, foot, [0.0, -0.08, 0.0], Past(drags.first.start, settled)), near)
        for settled in (tail.handles, tail.handles[:0])
    )
    assert held < 0.5 * free


def test_a_place_that_is_dragged_on_is_not_held(drags: Drags) -> None:
    out = drags.run(drags.first, drags.tail, [0.0, 0.08, 0.0], None)
    again = drags.subject(out)
    on = [drags.run(again, out.handles[0], [0.0, 0.08, 0.0], Past(drags.first.start, settled))
          for settled in (out.handles, out.handles[:0])]  # fmt: skip
    assert torch.equal(on[0].latents, on[1].latents)


def test_a_session_knows_its_drags_back_to_the_last_reset(small_quadruped: Generator, tmp_path: Path) -> None:
    session = Session(small_quadruped, seed=3)
    assert session._earlier() is None
    session.add_keypoint("tail", (0, 0.05, 0))
    assert session._earlier() is None
    list(session.drag(max_steps=1))
    first = session._earlier()
    assert first is not None and np.allclose(first.settled, [session.points[0].handle])
    session.clear_points()
    assert session._earlier() == first, "points that are gone were dragged all the same"
    session.save(tmp_path / "a.drag3d")
    assert Session.open(tmp_path / "a.drag3d", small_quadruped)._earlier() is not None
    session.undo()
    session.undo()
    assert session._earlier() is None
    session.redo()
    session.reset()
    assert session._earlier() is None
