"""A generator's fingerprint stands for everything that decides what its latents look like, and for nothing else."""

from __future__ import annotations

import pytest
import torch

from get3d_models import Generator, GeneratorConfig, load
from get3d_models.checkpoint import write_generator

CONFIG = GeneratorConfig(
    z_dim=4, w_dim=8, mapping_layers=1, channels=(4, 4), plane_channels=2, decoder_width=4, grid_resolution=8
)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(CONFIG).requires_grad_(False)


def test_it_is_a_sha256_in_hex_that_name_and_copies_do_not_change(generator: Generator) -> None:
    copy = generator.with_config()
    copy.name = "another name"
    assert copy.fingerprint == generator.fingerprint and len(bytes.fromhex(generator.fingerprint)) == 32


def test_it_survives_a_file(generator: Generator, tmp_path) -> None:  # type: ignore[no-untyped-def]
    write_generator(tmp_path / "g.safetensors", generator)
    assert load(tmp_path / "g.safetensors").fingerprint == generator.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"grid_resolution": 10},
        {"scale": 0.8},
        {"grid": "body-centred"},
        {"conv_clamp": None},
        {"deformation_multiplier": 2.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_entry_that_no_tensor_tells_changes_it(generator: Generator, change: dict[str, object]) -> None:
    assert generator.with_config(**change).fingerprint != generator.fingerprint


def test_the_smallest_change_of_any_tensor_changes_it(generator: Generator) -> None:
    seen = {generator.fingerprint}
    for name in generator.state_dict():
        copy = Generator(CONFIG)
        copy.load_state_dict(generator.state_dict())
        value = copy.state_dict()[name]
        last = tuple(size - 1 for size in value.shape)
        value[last] = torch.nextafter(value[last], torch.tensor(torch.inf))
        seen.add(copy.fingerprint)
    assert len(seen) == 1 + len(generator.state_dict())


def test_two_tensors_that_swap_their_values_change_it(generator: Generator) -> None:
    state = generator.state_dict()
    first, second = "mapping_geometry.fc0.weight", "mapping_texture.fc0.weight"
    copy = Generator(CONFIG)
    copy.load_state_dict({**state, first: state[second], second: state[first]})
    assert copy.fingerprint != generator.fingerprint
