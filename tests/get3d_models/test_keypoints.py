"""Named keypoints of a model are those of its teacher for the same seed."""

from __future__ import annotations

import pytest
import torch

from get3d_models import Generator, GeneratorConfig, InputError
from get3d_models.keypoints import check_keypoint, keypoint_names, keypoints
from get3d_models.training import quadruped as teacher

SMALL = GeneratorConfig(z_dim=32, w_dim=8, mapping_layers=1, channels=(4, 4), plane_channels=2, decoder_width=4)


def test_keypoints_are_the_teachers_for_the_code_of_the_seed() -> None:
    generator = Generator(SMALL, "quadruped")
    parameters = teacher.parameters_from_latent(generator.code(5, "geometry"), teacher.SHAPE_PARAMETERS)
    expected = teacher.keypoints(parameters)[0]
    found = keypoints(generator, seed=5)
    assert tuple(found) == teacher.KEYPOINTS == keypoint_names(generator)
    assert torch.equal(torch.stack(list(found.values())), expected)
    assert not torch.equal(found["tail"], keypoints(generator, seed=6)["tail"])


def test_they_lie_on_the_teachers_surface() -> None:
    generator = Generator(SMALL, "quadruped")
    parts = teacher.pose(teacher.parameters_from_latent(generator.code(5, "geometry"), teacher.SHAPE_PARAMETERS))
    places = torch.stack(list(keypoints(generator, seed=5).values()))
    assert float(teacher.signed_distance(parts, places[None]).abs().max()) < 2e-3


def test_an_unknown_keypoint_suggests_the_nearest_and_lists_all() -> None:
    generator = Generator(SMALL, "quadruped")
    assert check_keypoint(generator, "tail") == "tail"
    with pytest.raises(InputError, match=r"did you mean 'left_ear'\? It has: snout, .*belly"):
        check_keypoint(generator, "left ear")
    with pytest.raises(InputError, match="no keypoint 'xyz'; It has"):
        check_keypoint(generator, "xyz")


@pytest.mark.parametrize(("name", "z_dim"), [("chair", 32), ("quadruped", 512)])
def test_models_without_a_teacher_have_none_and_say_so(name: str, z_dim: int) -> None:
    generator = Generator(GeneratorConfig(z_dim, 8, 1, (4, 4), 2, 4), name)
    assert keypoint_names(generator) == ()
    for ask in (lambda: keypoints(generator, 0), lambda: check_keypoint(generator, "tail")):
        with pytest.raises(InputError, match="no named keypoints"):
            ask()


def test_truncated_shapes_belong_to_no_code_of_the_teachers() -> None:
    with pytest.raises(InputError, match=r"truncation 1 only, not 0\.5"):
        keypoints(Generator(SMALL, "quadruped"), 0, truncation=0.5)
