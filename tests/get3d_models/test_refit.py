"""The judge of edits: it finds an animal's parameters in its shape alone, wherever it starts."""

import types

import pytest
import torch

from get3d_models.errors import InputError
from get3d_models.marching import marching_tetrahedra
from get3d_models.tetgrid import grid
from get3d_models.training import quadruped as teacher
from get3d_models.training.refit import refit

NAMES = [p.name for p in teacher.SHAPE_PARAMETERS]
LOW = torch.tensor([p.low for p in teacher.SHAPE_PARAMETERS])
HIGH = torch.tensor([p.high for p in teacher.SHAPE_PARAMETERS])
LIMITED = 0.01  # of the diagonal


class ExactShape:
    """The teacher's own shape: the field a perfect student would have (scaled, clamped), and a marched mesh of it."""

    def __init__(self, parameters: torch.Tensor, noise: float = 0.0):
        self.parts, self.noise = teacher.pose(parameters), noise
        tets = grid("body-centred", 32, 1.0)
        with torch.no_grad():
            field = torch.cat([self.signed_distance(p) for p in tets.vertices.split(1 << 15)])
            self.vertices, self.faces = marching_tetrahedra(tets, field, tets.vertices)
        self.diagonal = float((self.vertices.amax(0) - self.vertices.amin(0)).norm())

    def signed_distance(self, points: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            distance = teacher.signed_distance(self.parts, points[None])[0]
        ripple = self.noise * (40 * points).sin().prod(dim=1)
        return ((distance + ripple) * 10).clamp(-1, 1)


def animal(seed: int, **changes: float) -> torch.Tensor:
    """Random parameters; ``changes`` are shares of the ranges of the named ones."""
    shares = torch.rand(1, len(NAMES), generator=torch.Generator().manual_seed(seed))
    for name, share in changes.items():
        shares[0, NAMES.index(name)] = share
    return LOW + (HIGH - LOW) * shares


def keypoint_errors(found: torch.Tensor, true: torch.Tensor, diagonal: float) -> torch.Tensor:
    return (teacher.keypoints(found) - teacher.keypoints(true)).norm(dim=2)[0] / diagonal


def test_parameters_are_found_from_the_ones_the_edit_started_with():
    true = animal(1)
    shape = ExactShape(true)
    found, error = refit(shape, true + 0.2 * (HIGH - LOW) * torch.randn(1, len(NAMES), generator=torch.manual_seed(0)))
    assert keypoint_errors(found, true, shape.diagonal).max() < 0.1 * LIMITED
    assert error < 1e-4


@pytest.mark.parametrize("seed", [2, 3])
def test_parameters_are_found_from_those_of_another_animal(seed):
    true = animal(seed)
    shape = ExactShape(true)
    found, _ = refit(shape, animal(seed + 100))
    assert keypoint_errors(found, true, shape.diagonal).max() < LIMITED


LARGE_MOVES = {
    "tail": ({"tail_pitch": 0.0, "tail_length": 1.0}, {"tail_pitch": 1.0}),
    "left_front_foot": ({"front_stance": 0.0, "leg_length": 0.9}, {"front_stance": 1.0}),
    "right_hind_foot": ({"hind_stance": 0.0, "leg_length": 1.0}, {"leg_length": 0.0}),
    "left_ear": ({"ear_splay": 0.0, "ear_length": 1.0}, {"ear_splay": 1.0}),
    "snout": ({"snout_length": 0.0, "neck_length": 0.0}, {"snout_length": 1.0, "neck_length": 1.0}),
}


@pytest.mark.parametrize(("keypoint", "guided"), [*((name, False) for name in LARGE_MOVES), ("tail", True)])
def test_a_limb_that_has_moved_far_is_found(keypoint, guided):
    before, change = LARGE_MOVES[keypoint]
    start, edited = animal(7, **before), animal(7, **{**before, **change})
    shape, number = ExactShape(edited), teacher.KEYPOINTS.index(keypoint)
    moved = (teacher.keypoints(edited) - teacher.keypoints(start))[0, number].norm() / shape.diagonal
    assert moved > 0.1  # or the test would prove nothing
    guide = (number, teacher.keypoints(edited)[0, number]) if guided else None
    found, _ = refit(shape, start, guide)
    assert keypoint_errors(found, edited, shape.diagonal).max() < LIMITED


def test_the_guide_does_not_persuade_the_judge():
    """A tracker that claims an arrival where no limb is must not get it confirmed."""
    true = animal(9)
    shape, number = ExactShape(true), teacher.KEYPOINTS.index("tail")
    claimed = teacher.keypoints(true)[0, number] + torch.tensor([0.0, 0.12, 0.05])
    found, _ = refit(shape, true, (number, claimed))
    assert keypoint_errors(found, true, shape.diagonal).max() < LIMITED


def test_mistakes_of_a_student_shift_the_answer_by_no_more_than_they_are():
    true = animal(11)
    shape = ExactShape(true, noise=0.004)
    found, error = refit(shape, true)
    assert keypoint_errors(found, true, shape.diagonal).max() * shape.diagonal < 2 * 0.004
    assert error < 0.004


def test_an_edit_beyond_the_ranges_of_the_parameters_is_followed():
    start, edited = animal(13, tail_length=0.9), animal(13, tail_length=1.12)
    shape = ExactShape(edited)
    found, _ = refit(shape, start)
    assert keypoint_errors(found, edited, shape.diagonal).max() < LIMITED


def test_the_same_seed_gives_the_same_answer():
    true = animal(15)
    shape = ExactShape(true, noise=0.003)
    (first, first_error), (second, second_error) = (refit(shape, animal(16), seed=5) for _ in range(2))
    assert torch.equal(first, second) and first_error == second_error


def test_an_empty_shape_is_refused():
    empty = types.SimpleNamespace(vertices=torch.zeros(0, 3))
    with pytest.raises(InputError, match="the shape is empty"):
        refit(empty, animal(0))
