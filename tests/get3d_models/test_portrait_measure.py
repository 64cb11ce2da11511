"""The figures on the portrait's card: right for a student that is its teacher, and for known mistakes."""

import json
import math
import types

import pytest
import torch
from click.testing import CliRunner

from get3d_models.checkpoint import write_generator
from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait as teacher
from get3d_models.training.__main__ import main
from get3d_models.training.portrait_measure import held_out_codes, measure_pictures, measure_portrait


class TeacherAsStudent:
    """Answers like a generator of 64 pixels with the teacher's own pictures, all ``lighter`` by a constant.

    In a ``patch`` of a few pixels around a keypoint colours are turned into their negatives. Codes pass for latents.
    """

    device = torch.device("cpu")

    def __init__(self, lighter: float = 0.0, negative_at: str | None = None, **config):
        values = {"z_dim": teacher.LATENT_SIZE, "resolution": 64, "width": 64, "image_channels": 3, "label_dim": 0}
        self.config, self.name = types.SimpleNamespace(**{**values, **config}), "teacher"
        self.lighter, self.negative_at = lighter, negative_at

    def map(self, z):
        return z

    def image(self, ws):
        parameters = teacher.parameters_from_latent(ws, teacher.PARAMETERS)
        picture = teacher.draw(parameters, 64)
        if self.negative_at:
            places = teacher.keypoints(parameters)[:, teacher.KEYPOINTS.index(self.negative_at)] * 64 - 0.5
            for image, (x, y) in zip(picture, places.round().long().tolist(), strict=True):
                image[:, y - 1 : y + 2, x - 1 : x + 2] = 1 - image[:, y - 1 : y + 2, x - 1 : x + 2]
        return (picture + self.lighter) * 2 - 1


def test_the_teacher_itself_has_no_errors():
    figures = measure_portrait(TeacherAsStudent(), 3, quiet=True)
    assert (figures["pictures"], figures["resolution"]) == (3, 64)
    assert figures["signal_to_noise_mean"] == figures["signal_to_noise_worst"] == 100.0
    assert figures["similarity_mean"] == figures["similarity_worst"] == 1.0
    assert figures["color_error_worst"] == 0.0 and max(figures["keypoint_error_mean"].values()) < 1e-6
    assert len(figures["each"]) == 3


def test_errors_are_those_that_were_made():
    figures = measure_portrait(TeacherAsStudent(lighter=-0.02), 3, quiet=True)
    # Nothing in the picture is darker than that, so nothing is clipped.
    assert figures["color_error_mean"] == figures["color_error_worst"] == 0.02
    assert figures["signal_to_noise_mean"] == figures["signal_to_noise_overall"] == pytest.approx(33.98)
    assert 0.9 < figures["similarity_worst"] <= figures["similarity_mean"] < 1.0


def test_what_lies_beyond_white_is_clipped():
    figures = measure_portrait(TeacherAsStudent(lighter=10.0), 1, quiet=True)
    parameters = teacher.parameters_from_latent(held_out_codes(1), teacher.PARAMETERS)
    assert figures["color_error_mean"] == pytest.approx(float(1 - teacher.draw(parameters, 64).mean()), abs=1e-4)


def test_the_mean_of_ratios_is_not_the_ratio_of_all_pixels():
    figures = measure_portrait(TeacherAsStudent(lighter=10.0), 4, quiet=True)
    ratios = [each["signal_to_noise"] for each in figures["each"]]
    assert figures["signal_to_noise_mean"] == pytest.approx(sum(ratios) / 4, abs=0.006)
    assert figures["signal_to_noise_worst"] == pytest.approx(min(ratios), abs=0.006)
    overall = -10 * math.log10(sum(10 ** (-r / 10) for r in ratios) / 4)
    assert figures["signal_to_noise_overall"] == pytest.approx(overall, abs=0.006)


def test_errors_at_a_keypoint_are_found_there():
    figures = measure_portrait(TeacherAsStudent(negative_at="hair_top"), 2, quiet=True)
    errors = figures["keypoint_error_mean"]
    assert max(errors, key=errors.get) == "hair_top"
    assert errors["hair_top"] > 0.02 and errors["chin"] == 0.0


def test_pupils_under_closed_lids_are_not_counted_as_seen():
    found = measure_pictures(TeacherAsStudent(), held_out_codes(8))
    left = teacher.KEYPOINTS.index("pupil_left")
    parameters = teacher.parameters_from_latent(held_out_codes(8), teacher.PARAMETERS)
    assert [each.keypoints_shown[left] for each in found] == teacher.shown(parameters)[:, left].tolist()
    assert 0 < sum(each.keypoints_shown[left] for each in found) < 8


def test_held_out_codes_are_always_the_same_and_each_different():
    assert torch.equal(held_out_codes(4), held_out_codes(4))
    assert len(held_out_codes(4).unique(dim=0)) == 4


@pytest.mark.parametrize(
    ("config", "said"),
    [({"z_dim": 512}, "latents of 512 numbers, its teacher of 48"), ({"width": 32}, "square colour pictures")],
)
def test_other_models_cannot_be_measured(config, said):
    with pytest.raises(InputError, match=said):
        measure_portrait(TeacherAsStudent(**config), 1, quiet=True)


def test_the_command_measures_a_file_by_its_kind(tmp_path):
    torch.manual_seed(0)
    generator = ImageGenerator(ImageConfig(z_dim=48, w_dim=8, mapping_layers=1, channels=(4, 4, 4)), "portrait")
    write_generator(tmp_path / "portrait.safetensors", generator.requires_grad_(False))
    arguments = ["measure", str(tmp_path / "portrait.safetensors"), "--samples", "3", "--quiet"]
    done = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "figures.json")])
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == json.loads(json.dumps(measure_portrait(generator, 3, quiet=True)))
    assert figures["resolution"] == 16 and figures["signal_to_noise_mean"] < 24
