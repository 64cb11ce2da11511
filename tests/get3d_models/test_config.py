"""A configuration fixes every size, survives JSON, and cannot hold what no generator could be built from."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from get3d_models import GeneratorConfig, InputError
from get3d_models.config import FREE_ENTRIES, PRESETS, channels_from_base

extraction = st.sampled_from([("dmtet", "a15"), ("dmtet", "body-centred"), ("flexicubes", "cubes")])
configs = st.builds(
    lambda way, **entries: GeneratorConfig(iso_surface=way[0], grid=way[1], **entries),
    way=extraction,
    z_dim=st.integers(1, 1024),
    w_dim=st.integers(1, 1024),
    mapping_layers=st.integers(1, 64),
    channels=st.lists(st.integers(1, 512), min_size=1, max_size=9).map(tuple),
    plane_channels=st.integers(1, 64),
    decoder_width=st.integers(1, 64),
    decoder_layers=st.integers(0, 64),
    texture_features=st.integers(1, 32),
    conv_clamp=st.none() | st.floats(1e-3, 1e6),
    grid_resolution=st.integers(4, 512),
    scale=st.floats(1e-6, 999),
    deformation_multiplier=st.floats(1e-6, 999),
)


@given(configs)
def test_a_configuration_survives_json_exactly(config: GeneratorConfig) -> None:
    again = GeneratorConfig.from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False)))
    assert again == config and hash(again) == hash(config)


@given(configs)
def test_rows_are_consecutive_two_in_the_first_block_three_in_each_other_and_one_per_decoder_layer(
    config: GeneratorConfig,
) -> None:
    rows = 0
    for resolution in (4 * 2**i for i in range(len(config.channels))):
        rows += len(["conv1", "togeo"] if resolution == 4 else ["conv0", "conv1", "togeo"])
    assert config.plane_geometry_rows == rows
    assert config.geometry_rows == rows + config.decoder_layers + 1
    assert config.texture_rows == len(config.channels) + config.decoder_layers + 1
    assert config.resolution == resolution


def test_the_defaults_are_those_of_the_released_models() -> None:
    config = GeneratorConfig()
    assert config.channels == channels_from_base(256, 32768, 512)
    assert (config.geometry_rows, config.texture_rows, config.plane_geometry_rows) == (22, 9, 20)


@pytest.mark.parametrize(
    ("resolution", "base", "maximum", "channels"),
    [
        (4, 32768, 512, (512,)),
        (128, 16384, 512, (512, 512, 512, 512, 256, 128)),
        (32, 256, 48, (48, 32, 16, 8)),
    ],
)
def test_channels_halve_from_the_base_and_end_at_the_maximum(
    resolution: int, base: int, maximum: int, channels: tuple[int, ...]
) -> None:
    assert channels_from_base(resolution, base, maximum) == channels


def test_every_entry_is_either_told_by_tensors_or_free() -> None:
    sizes = {"z_dim", "w_dim", "mapping_layers", "channels", "plane_channels", "decoder_width", "decoder_layers",
             "texture_features"}  # fmt: skip
    assert {f.name for f in dataclasses.fields(GeneratorConfig)} == sizes | set(FREE_ENTRIES)
    assert all(set(preset) <= set(FREE_ENTRIES) for preset in PRESETS.values())


@pytest.mark.parametrize(
    "entries",
    [
        {"z_dim": 0},
        {"w_dim": -3},
        {"mapping_layers": 0},
        {"channels": ()},
        {"channels": (8, 0, 8)},
        {"channels": (1,) * 10},
        {"plane_channels": 65537},
        {"decoder_layers": -1},
        {"decoder_layers": 65},
        {"texture_features": 0},
        {"conv_clamp": 0.0},
        {"conv_clamp": -256.0},
        {"conv_clamp": float("inf")},
        {"grid": "a14"},
        {"grid_resolution": 3},
        {"grid_resolution": 513},
        {"scale": 0.0},
        {"scale": float("nan")},
        {"scale": float("inf")},
        {"deformation_multiplier": -1.0},
        {"iso_surface": "marching cubes"},
        {"iso_surface": "flexicubes"},
        {"grid": "cubes"},
    ],
    ids=str,
)
def test_what_no_generator_can_be_built_from_is_refused_however_it_is_given(entries: dict[str, Any]) -> None:
    for make in (lambda: GeneratorConfig(**entries), lambda: GeneratorConfig.from_dict(entries)):
        with pytest.raises(InputError) as caught:
            make()
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "entries",
    [{"z_dim": "6"}, {"z_dim": 6.0}, {"z_dim": True}, {"z_dim": None}, {"channels": 4}, {"channels": [4, True]},
     {"scale": None}, {"scale": "1"}, {"scale": False}, {"grid": None}, {"grid": 3}, {"conv_clamp": "none"}],
    ids=str,
)  # fmt: skip
def test_values_of_another_type_are_refused_by_name(entries: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"has {next(iter(entries))} = "):
        GeneratorConfig.from_dict(entries)


def test_whole_numbers_may_stand_for_floats_and_only_the_clamp_may_be_absent() -> None:
    config = GeneratorConfig.from_dict({"scale": 1, "deformation_multiplier": 2, "conv_clamp": None})
    assert (config.scale, config.deformation_multiplier, config.conv_clamp) == (1, 2, None)


def test_unknown_entries_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="configuration: depth, scael"):
        GeneratorConfig.from_dict({"scael": 1.0, "scale": 1.0, "depth": 3})
