"""Official files of the released layout load whole; ours come back bit by bit; of anything else one line says what."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from get3d_models import Generator, GeneratorConfig, InputError, load, loading
from get3d_models.checkpoint import NATIVE_FORMAT, read_header, write_generator

DATA = Path(__file__).parents[1] / "data"
SMALL = GeneratorConfig(
    z_dim=6, w_dim=8, mapping_layers=2, channels=(6, 4), plane_channels=2, decoder_width=4, texture_features=5
)
PLANES = "synthesis.generator.tri_plane_synthesis."
State = dict[str, Tensor]


def released_layout() -> dict[str, tuple[int, ...]]:
    """Every key of a released file and its shape."""
    with (DATA / "get3d_state_dict_released.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["dtype"] for row in rows} == {"float32"}
    return {row["key"]: tuple(ast.literal_eval(row["shape"])) for row in rows}


def our_name(official: str) -> str:
    """The documented renaming (facts, section 2), written down a second time."""
    for old, new in (
        (r"synthesis\.generator\.tri_plane_synthesis\.", "synthesis."),
        (r"synthesis\.generator\.mlp_synthesis_sdf\.", "sdf_decoder."),
        (r"synthesis\.generator\.mlp_synthesis_def\.", "deformation_decoder."),
        (r"synthesis\.generator\.mlp_synthesis_tex\.", "texture_decoder."),
        (r"synthesis\.generator\.mlp_synthesis_weight\.", "weight_decoder."),
        (r"synthesis\.to_rgb\.", "to_rgb."),
        (r"mapping_geo\.", "mapping_geometry."),
        (r"mapping\.", "mapping_texture."),
    ):
        if re.match(old, official):
            return re.sub(old, new, official, count=1)
    raise AssertionError(official)


def small_state(texture_features: int = 5, hidden: int = 1) -> State:
    """An official generator state of few numbers, spelled out by the rules of the facts' section 2."""
    z, w, planes, width = 6, 8, 2, 4
    random = torch.Generator().manual_seed(0)
    state: State = {}

    def add(prefix: str, **shapes: tuple[int, ...]) -> None:
        for name, shape in shapes.items():
            state[f"{prefix}.{name.replace('__', '.')}"] = torch.randn(shape, generator=random)

    for mapping in ("mapping", "mapping_geo"):
        add(mapping, w_avg=(w,))
        add(f"{mapping}.fc0", weight=(w, z), bias=(w,))
        add(f"{mapping}.fc1", weight=(w, w), bias=(w,))
    for before, resolution, here in ((0, 4, 6), (6, 8, 4)):
        block = f"{PLANES}b{resolution}"
        add(block, resample_filter=(4, 4), **({} if before else {"const": (here, 4, 4)}))
        for layer, inputs in (("conv0", before), ("conv1", here)):
            if inputs:
                add(f"{block}.{layer}", weight=(here, inputs, 3, 3), bias=(here,), noise_strength=(),
                    noise_const=(resolution, resolution), resample_filter=(4, 4), affine__weight=(inputs, w),
                    affine__bias=(inputs,))  # fmt: skip
        for layer in ("togeo", "totex"):
            add(f"{block}.{layer}", weight=(3 * planes, here, 1, 1), bias=(3 * planes,), affine__weight=(here, w),
                affine__bias=(here,))  # fmt: skip
    for decoder, outputs in (("sdf", 1), ("def", 3), ("tex", texture_features)):
        widths = [planes, *[width] * hidden, outputs]
        for i in range(hidden + 1):
            add(f"synthesis.generator.mlp_synthesis_{decoder}.layers.{i}", weight=(widths[i + 1], widths[i]),
                bias=(widths[i + 1],), affine__weight=(widths[i], w), affine__bias=(widths[i],))  # fmt: skip
    if texture_features > 3:
        add("synthesis.to_rgb", weight=(3, texture_features, 1, 1), bias=(3,), affine__weight=(texture_features, w),
            affine__bias=(texture_features,))  # fmt: skip
    return state


def official_file(folder: Path, state: Any = None, name: str = "model.pt") -> Path:
    path = folder / name
    torch.save({"G_ema": small_state() if state is None else state}, path)
    return path


def native_file(folder: Path, name: str = "model.safetensors", **changes: Any) -> Path:
    torch.manual_seed(1)
    generator = Generator(GeneratorConfig(**{**SMALL.to_dict(), **changes}), "fox")
    write_generator(folder / name, generator, note="seed 4")
    return folder / name


def refusal(path: str | Path, **overrides: Any) -> str:
    """The one line by which loading ends."""
    with pytest.raises(InputError) as caught:
        load(path, **overrides)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message.isprintable()
    assert len(message) < 400 + 2 * len(str(path))
    return message


# ---- the released files -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A random file of exactly a released file's layout and size: G and G_ema, which share the buffers, and a D."""
    random = torch.Generator().manual_seed(0)
    averaged = {k: torch.randn(shape, generator=random) for k, shape in released_layout().items()}
    trained = {k: v if k.endswith(("w_avg", "noise_const", "filter")) else v.half() for k, v in averaged.items()}
    critic = {"b1024.fromrgb.weight": torch.zeros(32, 3, 1, 1)}
    path = tmp_path_factory.mktemp("released") / "shapenet_chair.pt"
    torch.save({"G": trained, "G_ema": averaged, "D": critic}, path)
    (path.parent / "shapenet_car.pt").symlink_to(path)
    (path.parent / "my_cups.pt").symlink_to(path)
    yield path
    path.unlink()  # pytest would keep its 200 MB for three runs


def test_a_file_of_the_released_layout_loads_at_full_size_and_every_tensor_of_it_is_used(released: Path) -> None:
    file = torch.load(released, mmap=True, weights_only=True)["G_ema"]
    assert (len(file), sum(v.numel() for v in file.values())) == (217, 34_314_180 + 176_080)
    generator = load(released)
    ours = generator.state_dict()
    assert sorted(ours) == sorted(map(our_name, file))
    for key, value in file.items():
        assert torch.equal(ours[our_name(key)], value), key
    assert {type(v) for v in generator.parameters()} == {torch.nn.Parameter}
    assert len(list(generator.parameters())) == 182 and len(list(generator.buffers())) == 35
    assert not any(p.requires_grad for p in generator.parameters())


def test_the_configuration_of_a_released_file_is_read_off_its_tensors(released: Path) -> None:
    config = load(released).config
    assert (config.z_dim, config.w_dim, config.mapping_layers) == (512, 512, 8)
    assert config.channels == (512, 512, 512, 512, 512, 256, 128) and config.resolution == 256
    assert (config.plane_channels, config.texture_features) == (32, 16)
    assert (config.decoder_layers, config.decoder_width) == (1, 32)
    assert (config.geometry_rows, config.texture_rows, config.plane_geometry_rows) == (22, 9, 20)
    assert (config.grid, config.grid_resolution, config.conv_clamp) == ("a15", 90, 256.0)
    assert (config.deformation_multiplier, config.iso_surface) == (1.0, "dmtet")


def test_scales_of_released_models_come_from_presets_by_file_name_and_the_caller_has_the_last_word(
    released: Path,
) -> None:
    assert load(released).config.scale == 0.8
    assert load(released.with_name("shapenet_car.pt")).config.scale == 1.0
    assert load(released.with_name("my_cups.pt")).config.scale == 1.0
    config = load(released, scale=0.95, grid_resolution=70, grid="body-centred", conv_clamp=None).config
    assert (config.scale, config.grid_resolution, config.grid, config.conv_clamp) == (0.95, 70, "body-centred", None)


@pytest.mark.parametrize(
    ("name", "scale"),
    [("car", 1.0), ("motorbike", 1.0), ("chair", 0.8), ("table", 0.8)],
)
def test_every_released_model_has_its_preset(tmp_path: Path, name: str, scale: float) -> None:
    assert load(official_file(tmp_path, name=f"shapenet_{name}.pt")).config.scale == scale
    assert load(official_file(tmp_path, name=f"shapenet_{name}.pt"), scale=0.5).config.scale == 0.5


# ---- official files of other sizes --------------------------------------------------------------------------------


@pytest.mark.parametrize(("texture_features", "hidden"), [(5, 1), (5, 0), (3, 2), (2, 1), (4, 3)])
def test_other_sizes_are_read_off_the_tensors_too(tmp_path: Path, texture_features: int, hidden: int) -> None:
    state = small_state(texture_features, hidden)
    generator = load(official_file(tmp_path, state))
    config = generator.config
    assert (config.z_dim, config.w_dim, config.mapping_layers, config.channels) == (6, 8, 2, (6, 4))
    assert (config.plane_channels, config.texture_features, config.decoder_layers) == (2, texture_features, hidden)
    assert (config.geometry_rows, config.texture_rows) == (5 + hidden + 1, 2 + hidden + 1)
    assert (generator.to_rgb is None) == (texture_features <= 3)
    assert {our_name(k) for k in state} == set(generator.state_dict())
    assert all(torch.equal(generator.state_dict()[our_name(k)], v) for k, v in state.items())


def test_the_file_may_be_deleted_and_shared_tensors_do_not_stay_shared(tmp_path: Path) -> None:
    state = small_state()
    state["mapping.w_avg"] = state["mapping_geo.w_avg"]
    state = {k: v.double() if k.endswith("bias") else v for k, v in state.items()}
    path = official_file(tmp_path, state)
    generator = load(path)
    path.unlink()
    generator.mapping_geometry.w_avg.zero_()
    assert torch.equal(generator.mapping_texture.w_avg, state["mapping.w_avg"])
    assert {v.dtype for v in generator.state_dict().values()} == {torch.float32}
    assert generator.name == "model"


def changed(key: str, change: Callable[[Tensor], Tensor | None]) -> State:
    state = small_state()
    value = change(state.pop(key))
    return state if value is None else {**state, key: value}


def spoilt(value: float, dtype: torch.dtype = torch.float32) -> Callable[[Tensor], Tensor]:
    """Only the last entry is made unusable."""

    def change(tensor: Tensor) -> Tensor:
        tensor = tensor.to(dtype).clone()
        tensor.view(-1)[-1] = value
        return tensor

    return change


@pytest.mark.parametrize("key", sorted(small_state()))
def test_without_any_one_tensor_a_file_is_refused_by_that_tensors_name(tmp_path: Path, key: str) -> None:
    assert our_name(key) in refusal(official_file(tmp_path, changed(key, lambda v: None)))


@pytest.mark.parametrize("key", sorted(small_state()))
def test_no_tensor_may_have_another_shape_or_hold_a_number_that_is_not_finite(tmp_path: Path, key: str) -> None:
    for spoil in (spoilt(float("nan")), spoilt(float("-inf")), spoilt(1e300, torch.float64)):
        message = refusal(official_file(tmp_path, changed(key, spoil)))
        assert our_name(key) in message and "NaN or infinite" in message
    refusal(official_file(tmp_path, changed(key, lambda v: torch.stack([v, v]))))
    refusal(official_file(tmp_path, changed(key, lambda v: v.flatten()[:0])))
    message = refusal(official_file(tmp_path, changed(key, lambda v: v.to(torch.int64))))
    assert our_name(key) in message and "int64 numbers instead of floats" in message


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("synthesis.generator.extra.weight", "holds an unknown 'synthesis.generator.extra.weight'"),
        ("mapping_geo.fc7.bias", "1 unknown (mapping_geometry.fc7.bias)"),
        (f"{PLANES}b4.conv0.weight", "1 unknown (synthesis.b4.conv0.weight)"),
        (f"{PLANES}b9.conv1.weight", "unknown"),
        (f"{PLANES}b{'9' * 5000}.conv1.weight", "unknown"),
        ("mapping.one\nline\x1b[31m", "unknown"),
        ("x" * 9000, "holds an unknown 'xxx"),
        (7, "holds an unknown '7'"),
        ("synthesis.generator.mlp_synthesis_weight.layers.0.weight", "missing (weight_decoder."),
    ],
)
def test_no_key_is_ignored_silently(tmp_path: Path, key: Any, said: str) -> None:
    assert said in refusal(official_file(tmp_path, {**small_state(), key: torch.zeros(4)}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"G": {}, "D": {}}, "has no 'G_ema'"),
        ({"G_ema": [1, 2]}, "has no 'G_ema'"),
        ({"G_ema": {}}, "no usable tensor mapping_geometry.fc0.weight"),
        ({"G_ema": {"mapping.w_avg": "text"}}, "holds an unknown 'mapping.w_avg'"),
        ({"state_dict": {"layer.weight": torch.zeros(3)}}, "has no 'G_ema'"),
        ({"G_ema": {"synthesis.b4.const": torch.zeros(3)}}, "no usable tensor synthesis.b4.const"),
        ([torch.zeros(3)], "has no 'G_ema'"),
        (torch.zeros(3), "has no 'G_ema'"),
        (None, "has no 'G_ema'"),
    ],
)
def test_files_of_something_else_are_named_as_such(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "other.pt")
    assert said in refusal(tmp_path / "other.pt")


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_official_file_is_refused(tmp_path: Path, part: float) -> None:
    path = official_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    refusal(path)


REFUSED = [k for k, v in json.loads((DATA / "hostile" / "expect.json").read_text()).items() if v["expect"] == "refuse"]


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_files_are_refused_and_do_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("a command was run")

    path = DATA / "hostile" / name
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "system", forbidden)
    assert str(path) in refusal(path)
    assert not list(tmp_path.iterdir())


def test_a_generator_whose_source_code_is_an_attack_loads_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("a command was run")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "system", forbidden)
    hostile = load(DATA / "hostile" / "h02_persistence_module_src.pkl")
    assert hostile.fingerprint == load(DATA / "golden/stylegan2/skip64/network.pkl").fingerprint
    assert not list(tmp_path.iterdir())


# ---- our own format -----------------------------------------------------------------------------------------------


def test_a_native_file_gives_back_every_bit_name_and_note(tmp_path: Path) -> None:
    torch.manual_seed(1)
    config = GeneratorConfig(**{**SMALL.to_dict(), "scale": 0.1 + 0.2, "conv_clamp": None, "grid": "body-centred"})
    generator = Generator(config, "fox")
    generator.mapping_texture.w_avg.copy_(torch.tensor([-0.0, 1e-45, 3e38, 1, 2, 3, 4, 5]))
    write_generator(tmp_path / "any.safetensors", generator, note="seed 4, 7 steps")
    again = load(tmp_path / "any.safetensors")
    assert again.config == generator.config and again.name == "any"
    header = read_header(tmp_path / "any.safetensors")
    assert (header.name, header.config, header.note) == ("fox", config, "seed 4, 7 steps")
    before, after = generator.state_dict(), again.state_dict()
    assert sorted(before) == sorted(after)
    for key, value in before.items():
        assert np.array_equal(value.numpy().view(np.uint32), after[key].numpy().view(np.uint32)), key
    assert torch.equal(again.sample(3).latents.geometry, generator.sample(3).latents.geometry)


def test_a_native_file_of_an_official_one_is_the_same_generator(tmp_path: Path) -> None:
    official = load(official_file(tmp_path), scale=0.7, grid_resolution=12)
    write_generator(tmp_path / "own.safetensors", official)
    own = load(tmp_path / "own.safetensors")
    assert own.fingerprint == official.fingerprint and own.config == official.config


def test_the_same_generator_always_gives_the_same_bytes(tmp_path: Path) -> None:
    first = native_file(tmp_path).read_bytes()
    assert all(native_file(tmp_path, f"{i}.safetensors").read_bytes() == first for i in range(8))
    write_generator(tmp_path / "again.safetensors", load(tmp_path / "model.safetensors"), note="seed 4")
    # The name is the file's, once it is loaded; nothing else differs.
    assert (tmp_path / "again.safetensors").read_bytes().replace(b'\\"model\\"', b'\\"fox\\"')[8:1000] == first[8:1000]
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert list(file.metadata()) == [NATIVE_FORMAT]


def test_overrides_replace_what_a_native_file_says_of_grid_and_scale(tmp_path: Path) -> None:
    path = native_file(tmp_path, scale=0.7)
    config = load(path, grid_resolution=12, conv_clamp=None).config
    assert (config.scale, config.grid_resolution, config.conv_clamp) == (0.7, 12, None)


@pytest.mark.parametrize("path", ["official", "native"])
def test_sizes_cannot_be_overridden_nor_entries_misspelt(tmp_path: Path, path: str) -> None:
    file = official_file(tmp_path) if path == "official" else native_file(tmp_path)
    load(file, z_dim=6)
    assert "z_dim follows from the file's tensors" in refusal(file, z_dim=7)
    assert "channels follows from the file's tensors" in refusal(file, channels=(6, 4, 4))
    assert "unknown entries in the generator's configuration: scael" in refusal(file, scael=1.0)
    for name, value in {"scale": None, "grid_resolution": 12.5, "grid": "cubic", "iso_surface": "flexicubes"}.items():
        refusal(file, **{name: value})


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = native_file(tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"cannot write .*No such file"):
        write_generator(tmp_path / "missing" / "a.safetensors", Generator(SMALL))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_generator(path, Generator(SMALL))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("length", [9, 100, 2000, -1])
def test_a_truncated_native_file_is_refused(tmp_path: Path, length: int) -> None:
    path = native_file(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    assert "is a damaged generator file" in refusal(path)
    with pytest.raises(InputError, match="is a damaged generator file"):
        read_header(path)


def rewritten(path: Path, metadata: dict[str, str] | None, state: State | None = None) -> Path:
    """The file with other metadata, and other tensors where given."""
    with safe_open(path, framework="pt") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
    save_file({k: v.contiguous() for k, v in (state or tensors).items()}, path, metadata=metadata)
    return path


@pytest.mark.parametrize(
    "metadata", [None, {}, {"format": "pt"}, {"format": NATIVE_FORMAT, "config": "{}"}, {"drag3d-get3d-2": "{}"}]
)
def test_a_safetensors_file_of_something_else_is_named_as_such(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    assert "but not one of drag3d's generators" in refusal(rewritten(native_file(tmp_path), metadata))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "{}", "[" * 100_000, '{"config": {}, "name": "a"}', '{"config": [], "name": "a", "note": ""}',
     '{"config": {}, "name": 3, "note": ""}', '{"config": {}, "name": "a", "note": null}',
     '{"config": {}, "name": "a", "note": "", "code": "import os"}'],
)  # fmt: skip
def test_a_native_file_whose_description_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    path = rewritten(native_file(tmp_path), {NATIVE_FORMAT: text})
    assert "its description makes no sense" in refusal(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scale": None}, "scale = 'None'"),
        ({"scale": "big"}, "scale = 'big'"),
        ({"scale": float("nan")}, "scale = 'nan'"),
        ({"scale": float("inf")}, "scale must be"),
        ({"scale": -1.0}, "scale must be"),
        ({"deformation_multiplier": 0}, "deformation_multiplier must be"),
        ({"deformation_multiplier": 10**400}, "deformation_multiplier must be"),
        ({"conv_clamp": -1}, "conv_clamp must be"),
        ({"conv_clamp": float("inf")}, "conv_clamp must be"),
        ({"grid_resolution": 3}, "grid resolution must be 4 to 512"),
        ({"grid_resolution": 10**9}, "grid resolution must be 4 to 512"),
        ({"grid_resolution": True}, "grid_resolution = 'True'"),
        ({"grid": "../secret"}, "unknown tetrahedral grid"),
        ({"iso_surface": "marching cubes"}, "unknown iso-surface 'marching cubes'; known: dmtet, flexicubes"),
        ({"iso_surface": "flexicubes"}, "iso-surface 'flexicubes' works on the grid 'cubes', not on 'a15'"),
        ({"iso_surface": "flexicubes", "grid": "cubes"}, "missing (weight_decoder."),
        ({"grid": "cubes"}, "iso-surface 'dmtet' works on the grid 'a15' or 'body-centred', not on 'cubes'"),
        ({"channels": []}, "a size below 1"),
        ({"channels": [4, 0]}, "a size below 1"),
        ({"channels": [4] * 30}, "beyond any known model"),
        ({"channels": [4, 2.5]}, "channels = "),
        ({"channels": "44"}, "channels = '44'"),
        ({"w_dim": 10**12}, "beyond any known model"),
        ({"decoder_layers": -1}, "a size below 1"),
        ({"mapping_layers": 10**6}, "beyond any known model"),
        ({"z_dim": 7}, "tensor mapping_geometry.fc0.weight has shape (8, 6), expected (8, 7)"),
        ({"channels": [6, 4, 4]}, "missing (synthesis.b16."),
        ({"channels": [6]}, "unknown (synthesis.b8."),
        ({"texture_features": 3}, "4 unknown (to_rgb."),
        ({"hook": "os.system"}, "unknown entries in the generator's configuration: hook"),
        ({"a\nb\x1b[2J" + "c" * 9000: 1}, "unknown entries in the generator's configuration: a"),
    ],
)
def test_a_native_file_with_a_wrong_configuration_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    about = {"config": {**SMALL.to_dict(), **change}, "name": "fox", "note": ""}
    path = rewritten(native_file(tmp_path), {NATIVE_FORMAT: json.dumps(about)})
    assert said in refusal(path)


def test_a_native_file_with_a_tensor_too_many_too_few_or_spoilt_is_refused(tmp_path: Path) -> None:
    good = Generator(SMALL).state_dict()
    about = {NATIVE_FORMAT: json.dumps({"config": SMALL.to_dict(), "name": "fox", "note": ""})}
    key = "synthesis.b8.conv0.bias"
    for state, said in (
        ({**good, "more": torch.zeros(1)}, "1 unknown (more)"),
        ({k: v for k, v in good.items() if k != key}, f"1 missing ({key})"),
        ({**good, key: spoilt(float("nan"))(good[key])}, f"tensor {key} holds NaN"),
        ({**good, key: good[key].int()}, f"tensor {key} holds int32 numbers"),
        ({**good, key: good[key][:1]}, f"tensor {key} has shape (1,), expected (4,)"),
    ):
        assert said in refusal(rewritten(native_file(tmp_path), about, state))


# ---- names and paths ----------------------------------------------------------------------------------------------


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of embedded models: a quadruped and a vase."""
    for name in ("quadruped", "vase"):
        native_file(tmp_path, f"{name}.safetensors")
    monkeypatch.setattr(loading, "_FOLDERS", (tmp_path,))
    return tmp_path


def test_an_embedded_model_loads_by_its_name(shelf: Path) -> None:
    assert list(loading.embedded_models()) == ["quadruped", "vase"]
    assert load("quadruped").name == "quadruped"


def test_for_an_unknown_name_the_nearest_one_is_suggested(shelf: Path) -> None:
    assert "no model 'quadrupd': did you mean 'quadruped'?" in refusal("quadrupd")
    assert "did you mean 'vase'?" in refusal("vases")
    assert "embedded models: quadruped, vase" in refusal("zzz")
    assert "embedded models: quadruped, vase" in refusal("z\n\x00z")


def test_what_is_no_file_is_refused_and_said_to_be_so(shelf: Path, tmp_path: Path) -> None:
    assert "is a directory; give the checkpoint file inside it" in refusal(tmp_path)
    assert "is a directory" in refusal("")
    assert f"there is no directory {tmp_path / 'nowhere'}" in refusal(tmp_path / "nowhere" / "model.pt")
    assert "no model" in refusal(tmp_path / "missing.pt")
    assert "no model" in refusal("/dev/null")
    assert "no model '~nobody-of-this-name/a.pt'" in refusal("~nobody-of-this-name/a.pt")
    assert "no model 'xxx" in refusal("x" * 5000)
    for content in (b"", b"{", b"rubbish", b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1\n"):
        (tmp_path / "file.pt").write_bytes(content)
        assert str(tmp_path / "file.pt") in refusal(tmp_path / "file.pt")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = native_file(tmp_path)

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    assert refusal(path) == f"cannot read {path}: Permission denied"


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = native_file(tmp_path)
    for device in ("nonsense", f"cuda:{torch.cuda.device_count()}"):
        with pytest.raises(InputError, match=f"the device '{device}' cannot be used") as caught:
            load(path, device=device)
        assert len(str(caught.value).splitlines()) == 1


def test_weights_of_a_loaded_network_lie_as_their_convolutions_read_them(quadruped: Generator) -> None:
    for generator in (quadruped, quadruped.with_config(grid_resolution=16)):
        for block in generator.synthesis.blocks[1:]:
            for kernels in (block.conv0.weight.transpose(0, 1), block.conv1.weight):
                assert kernels.is_contiguous(memory_format=torch.channels_last) and not kernels.is_contiguous()
