"""The judge of edited pictures: it finds a portrait's parameters in its picture alone. Pictures are the teacher's."""

import pytest
import torch

from get3d_models.errors import InputError
from get3d_models.training import portrait as teacher
from get3d_models.training.portrait_refit import refit

NAMES = [p.name for p in teacher.PARAMETERS]
LOW = torch.tensor([p.low for p in teacher.PARAMETERS])
HIGH = torch.tensor([p.high for p in teacher.PARAMETERS])
RESOLUTION = 128


def portrait(seed: int, **changes: float) -> torch.Tensor:
    """Random parameters; ``changes`` are shares of the ranges of the named ones."""
    shares = torch.rand(1, len(NAMES), generator=torch.Generator().manual_seed(seed))
    for name, share in changes.items():
        shares[0, NAMES.index(name)] = share
    return LOW + (HIGH - LOW) * shares


def picture(parameters: torch.Tensor) -> torch.Tensor:
    return teacher.draw(parameters, RESOLUTION)[0]


def place(parameters: torch.Tensor, name: str) -> torch.Tensor:
    return teacher.keypoints(parameters)[0, teacher.KEYPOINTS.index(name)]


def errors(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Of keypoints that can be seen, in pixels of 256."""
    apart = (teacher.keypoints(found) - teacher.keypoints(true))[0].norm(dim=1) * 256
    return apart[teacher.shown(true)[0]]


LARGE_MOVES = {
    "chin": ({"yaw": 0.1, "mouth_open": 0.0}, {"yaw": 0.8, "mouth_open": 0.8}),
    "mouth_right": ({"smile": 0.0, "mouth_width": 0.1}, {"smile": 1.0, "mouth_width": 1.0}),
    "hair_top": ({"head_y": 0.9, "hair_top": 0.1}, {"head_y": 0.2, "hair_top": 1.0}),
    "pupil_left": ({"yaw": 0.2, "eye_open": 0.9}, {"yaw": 0.7, "eye_open": 0.9, "gaze_x": 0.9}),
    "eye_right_upper_lid": ({"eye_open": 0.1, "pitch": 0.8}, {"eye_open": 0.9, "pitch": 0.3}),
}


@pytest.mark.slow
@pytest.mark.parametrize("keypoint", LARGE_MOVES)
def test_a_keypoint_that_was_dragged_is_found(keypoint):
    before, change = LARGE_MOVES[keypoint]
    start, edited = portrait(7, **before), portrait(7, **{**before, **change})
    goal = place(edited, keypoint)
    assert float((goal - place(start, keypoint)).norm()) * 256 > 10  # or the test would prove nothing
    found, error = refit(picture(edited), start, (teacher.KEYPOINTS.index(keypoint), goal))
    assert errors(found, edited).mean() < 0.5
    assert float((place(found, keypoint) - goal).norm()) * 256 < 0.5
    assert error < 0.005


@pytest.mark.slow
def test_the_guide_does_not_persuade_the_judge():
    """A tracker that claims an arrival where no mouth is must not get it confirmed."""
    true = portrait(9)
    claimed = place(true, "mouth_left") + torch.tensor([-0.06, 0.05])
    found, _ = refit(picture(true), true, (teacher.KEYPOINTS.index("mouth_left"), claimed))
    assert errors(found, true).max() < 0.5


@pytest.mark.slow
def test_mistakes_of_a_student_shift_the_answer_by_little():
    """A picture with smooth errors of colour, as a small generator makes them."""
    true = portrait(11)
    random = torch.Generator().manual_seed(0)
    ripple = torch.nn.functional.interpolate(torch.randn(1, 3, 12, 12, generator=random), RESOLUTION, mode="bicubic")[0]
    found, error = refit(picture(true) + 0.03 * ripple, true)
    assert errors(found, true).mean() < 1.0
    assert 0.005 < error < 0.05


@pytest.mark.slow
def test_an_edit_beyond_the_ranges_of_the_parameters_is_followed():
    start, edited = portrait(13, mouth_width=0.9), portrait(13, mouth_width=1.12)
    found, _ = refit(picture(edited), start)
    assert errors(found, edited).max() < 0.5


@pytest.mark.slow
def test_the_same_seed_gives_the_same_answer():
    (first, first_error), (second, second_error) = (refit(picture(portrait(15)), portrait(15)) for _ in range(2))
    assert torch.equal(first, second) and first_error == second_error


@pytest.mark.parametrize("shape", [(3, 256, 128), (1, 256, 256), (3, 100, 100)])
def test_pictures_of_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match=r"\(3, R, R\) with R a multiple of 128"):
        refit(torch.zeros(shape), portrait(0))
