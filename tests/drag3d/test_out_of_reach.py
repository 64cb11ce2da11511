"""A target that no animal reaches: the drag says so and leaves an animal."""

from __future__ import annotations

import pytest

import drag3d
from drag3d.core import StopReason
from get3d_models.generator import Generator
from get3d_models.mesh import components, is_watertight


@pytest.mark.slow
@pytest.mark.parametrize(("name", "offset"), [("snout", (0.0, 0.0, 0.9)), ("left_front_foot", (0.0, -0.5, 0.0))])
def test_a_target_out_of_reach_ends_the_drag_at_the_nearest_whole_shape(
    quadruped: Generator, name: str, offset: tuple[float, float, float]
) -> None:
    session = drag3d.Session(quadruped, seed=3)
    session.add_keypoint(name, offset)
    steps = list(session.drag())
    assert steps[-1].reason is StopReason.STALLED
    assert float(steps[-1].distances[0]) == min(float(s.distances[0]) for s in steps)
    assert float(steps[-1].distances[0]) < float(steps[0].distances[0]) - 0.02
    shape = session.shape
    assert is_watertight(shape.faces)
    assert components(shape.vertices, shape.faces) == 1
