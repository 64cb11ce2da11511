"""Named keypoints of a model are those of its teacher for the same seed."""

from __future__ import annotations

import pytest
import torch

from get3d_models import Generator, GeneratorConfig, InputError
from get3d_models.image_config import ImageConfig
from get3d_models.keypoints import check_keypoint, keypoint_names, keypoints
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait
from get3d_models.training import quadruped as teacher

SMALL = GeneratorConfig(z_dim=32, w_dim=8, mapping_layers=1, channels=(4, 4), plane_channels=2, decoder_width=4)
PICTURES = ImageConfig(z_dim=48, w_dim=8, mapping_layers=1, channels=(4, 4, 4))


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


def test_keypoints_of_a_portrait_are_pixels_of_the_generators_image() -> None:
    generator = ImageGenerator(PICTURES, "portrait")
    expected = portrait.keypoints(portrait.parameters_from_latent(generator.code(5), portrait.PARAMETERS))[0]
    found = keypoints(generator, seed=5)
    assert tuple(found) == portrait.KEYPOINTS == keypoint_names(generator)
    # The image is 16 pixels wide, and the left edge of its first pixel lies half a pixel left of that pixel's centre.
    assert torch.allclose(torch.stack(list(found.values())), 16 * expected - 0.5)
    assert not torch.equal(found["chin"], keypoints(generator, seed=6)["chin"])


def test_the_pupil_of_an_open_eye_is_dark_at_its_place() -> None:
    generator = ImageGenerator(PICTURES, "portrait")
    seeds = range(20)
    parameters = portrait.parameters_from_latent(torch.cat([generator.code(s) for s in seeds]), portrait.PARAMETERS)
    picture = portrait.draw(parameters, generator.size[0] * 8)
    names = [q.name for q in portrait.PARAMETERS]
    for seed in seeds:
        if float(parameters[seed, names.index("eye_open")]) < 0.8:
            continue
        x, y = ((keypoints(generator, seed)["pupil_left"] + 0.5) * 8 - 0.5).round().long().tolist()
        assert float(picture[seed, :, y, x].mean()) < 0.3
        break
    else:
        pytest.fail("no seed looks at us")


@pytest.mark.parametrize(("name", "z_dim"), [("portraits", 48), ("portrait", 512), ("quadruped", 32)])
def test_image_models_without_a_teacher_have_no_keypoints(name: str, z_dim: int) -> None:
    generator = ImageGenerator(ImageConfig(z_dim=z_dim, w_dim=8, mapping_layers=1, channels=(4, 4)), name)
    assert keypoint_names(generator) == ()
    with pytest.raises(InputError, match="no named keypoints"):
        keypoints(generator, 0)


def test_truncated_portraits_belong_to_no_code_of_the_teachers() -> None:
    with pytest.raises(InputError, match=r"truncation 1 only, not 0\.7"):
        keypoints(ImageGenerator(PICTURES, "portrait"), 0, truncation=0.7)
