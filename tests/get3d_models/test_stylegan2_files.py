"""StyleGAN2 files of every layout load whole and exactly, or one line says why not; nothing in them is run."""

from __future__ import annotations

import argparse
import ast
import csv
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from stylegan2_stand_ins import Network, network_of, pickled, rosinality, snapshot, tensorflow

from get3d_models import InputError, load
from get3d_models.checkpoint import NATIVE_IMAGE_FORMAT, open_model, read_header, write_generator
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.stylegan2_layouts import ROSINALITY, translated

DATA = Path(__file__).parents[1] / "data"
SMALL = {"z_dim": 5, "w_dim": 6, "mapping_layers": 2, "channels": (5, 4), "conv_clamp": None}
CONFIGS: dict[str, dict[str, Any]] = {
    "skip": {"conv_clamp": 256.0},
    "orig": {"architecture": "orig"},
    "resnet": {"architecture": "resnet", "conv_clamp": 2.5},
    "labels": {"label_dim": 3, "conv_clamp": 256.0},
    "human": {"start": (4, 2), "conv_clamp": 256.0},
    "odd mapping": {"label_dim": 2, "label_width": 3, "mapping_width": 7, "mapping_layers": 3},
    "grey, 32 pixels": {"image_channels": 1, "channels": (4, 4, 3, 3)},
}


def network(**changes: Any) -> ImageGenerator:
    torch.manual_seed(11)
    generator = ImageGenerator(ImageConfig.from_dict({**SMALL, **changes}), "random").requires_grad_(False)
    for name, tensor in generator.state_dict().items():
        if name.endswith(("bias", "noise_strength", "w_avg")):
            tensor.add_(torch.randn_like(tensor))
    return generator


@pytest.fixture
def plain() -> ImageGenerator:
    return network()


def file(folder: Path, content: bytes, name: str = "any.name") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def torch_file(folder: Path, content: Any) -> Path:
    torch.save(content, folder / "file.pt")
    return folder / "file.pt"


def refusal(path: Path, **overrides: Any) -> str:
    """The one line by which loading ends."""
    with pytest.raises(InputError) as caught:
        load(path, **overrides)
    message = str(caught.value)
    assert message.startswith(str(path)) and message.isprintable() and len(message) < 400 + len(str(path))
    return message


def assert_same(found: Any, original: ImageGenerator, but: tuple[str, ...] = ()) -> None:
    """The same network, tensor for tensor, and the same picture."""
    assert isinstance(found, ImageGenerator)
    ours, theirs = found.state_dict(), original.state_dict()
    assert ours.keys() == theirs.keys()
    for key, tensor in theirs.items():
        assert key.endswith(but or "-") or torch.equal(ours[key], tensor), key
    for entry in ("architecture", "conv_clamp", "start", "channels", "label_dim", "resolution", "rows", "z_dim"):
        assert getattr(found.config, entry) == getattr(original.config, entry), entry
    if not but:
        ws = original.map(original.code(1), original.one_hot(1) if original.config.label_dim else None)
        assert torch.equal(found.image(ws), original.image(ws))
    assert not any(p.requires_grad for p in found.parameters())


# ---- the released layout -----------------------------------------------------------------------------------------


def released_layout() -> list[dict[str, str]]:
    """Every tensor of a released 512 px network, and where rosinality has it."""
    with (DATA / "stylegan2_state_dict_512.tsv").open(newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def test_the_default_configuration_has_the_tensors_of_a_released_network() -> None:
    with torch.device("meta"):
        ours = ImageGenerator(ImageConfig()).state_dict()
    assert {k: tuple(v.shape) for k, v in ours.items()} == {
        row["key"]: ast.literal_eval(row["shape"]) for row in released_layout()
    }
    assert (len(ours), sum(v.numel() for v in ours.values())) == (163, 30_976_487)


def test_rosinality_names_of_a_released_network_become_the_official_ones_in_the_official_shapes() -> None:
    column, shape = list(released_layout()[0])[5:7]
    rows = [row for row in released_layout() if "." in row[column]]
    state = {r[column].removesuffix(" (x4)"): torch.zeros(()).expand(ast.literal_eval(r[shape])) for r in rows}
    found = translated(state, ROSINALITY, "a file")
    assert len(rows) > 120
    assert {k: tuple(v.shape) for k, v in found.items()} == {r["key"]: ast.literal_eval(r["shape"]) for r in rows}


# ---- every layout, every kind ------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("sizes", [True, False], ids=["stylegan3 repository", "ada"])
@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_a_pickled_snapshot_is_the_network_its_attributes_tell(
    tmp_path: Path, changes: dict[str, Any], sizes: bool, protocol: int
) -> None:
    generator = network(**changes)
    found = open_model(file(tmp_path, snapshot(network_of(generator, sizes), protocol)))
    assert_same(found.generator, generator)
    assert found.layout == "a stylegan2-ada-pytorch or stylegan3-repository pickle" and found.source_sha256


@pytest.mark.parametrize("changes", [c for n, c in CONFIGS.items() if n != "human"], ids=lambda c: str(c)[:20])
def test_a_tensorflow_snapshot_is_the_same_network(tmp_path: Path, changes: dict[str, Any]) -> None:
    generator = network(**changes)
    found = open_model(file(tmp_path, tensorflow(generator)))
    assert found.layout == "a TensorFlow pickle"
    assert_same(found.generator, generator, but=("affine.bias",))
    for key, tensor in generator.state_dict().items():
        assert torch.allclose(found.generator.state_dict()[key], tensor, atol=1e-6), key


@pytest.mark.parametrize("changes", [{}, {"start": (4, 2)}, {"channels": (3, 4, 5, 3)}, {"channels": (4,)}])
def test_a_rosinality_file_is_the_same_network(tmp_path: Path, changes: dict[str, Any]) -> None:
    generator = network(**changes)
    content = {"g_ema": rosinality(generator), "latent_avg": generator.mapping.w_avg}
    found = open_model(torch_file(tmp_path, content))
    assert found.layout == "a rosinality g_ema file" and not found.notes
    assert_same(found.generator, generator)


def packed(state: dict[str, Any]) -> dict[str, Any]:
    """As safetensors wants tensors: the weights of transposed convolutions are laid out as these read them."""
    return {name: tensor.contiguous() for name, tensor in state.items()}


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_a_state_in_official_names_is_the_same_network(tmp_path: Path, changes: dict[str, Any]) -> None:
    generator = network(**{**changes, "conv_clamp": 256.0})
    state = dict(generator.state_dict())
    for content in (state, {"G_ema": state}, {"g_ema": state, "step": 3}):
        found = open_model(torch_file(tmp_path, content))
        assert_same(found.generator, generator)
        assert "conv_clamp is not in the file" in found.notes[0]
    save_file(packed(state), tmp_path / "bare.safetensors")
    assert_same(load(tmp_path / "bare.safetensors"), generator)


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_a_native_file_gives_back_every_bit_name_and_note(tmp_path: Path, changes: dict[str, Any]) -> None:
    generator = network(**changes)
    write_generator(tmp_path / "own.safetensors", generator, note="from nowhere")
    assert_same(load(tmp_path / "own.safetensors"), generator)
    header = read_header(tmp_path / "own.safetensors")
    assert (header.name, header.config, header.note) == ("random", generator.config, "from nowhere")
    assert load(tmp_path / "own.safetensors").fingerprint == generator.fingerprint
    first = (tmp_path / "own.safetensors").read_bytes()
    write_generator(tmp_path / "own.safetensors", generator, note="from nowhere")
    assert (tmp_path / "own.safetensors").read_bytes() == first


def test_the_averaged_generator_may_be_pickled_alone(tmp_path: Path, plain: ImageGenerator) -> None:
    assert_same(load(file(tmp_path, pickled(network_of(plain)))), plain)


def test_half_and_double_precision_become_single(tmp_path: Path, plain: ImageGenerator) -> None:
    tree = network_of(plain)
    conv = tree["synthesis.b8.conv1"]
    conv.parameters = {k: v.half() for k, v in conv.parameters.items()}
    found = load(file(tmp_path, snapshot(tree)))
    assert {v.dtype for v in found.state_dict().values()} == {torch.float32}
    expected = plain.state_dict()["synthesis.b8.conv1.weight"].half().float()
    assert torch.equal(found.state_dict()["synthesis.b8.conv1.weight"], expected)


# ---- what may be missing -----------------------------------------------------------------------------------------


def test_without_stored_noise_it_is_drawn_once_and_for_all(tmp_path: Path, plain: ImageGenerator) -> None:
    state = {k: v for k, v in rosinality(plain).items() if not k.startswith("noises.")}
    content = {"g_ema": state, "latent_avg": plain.mapping.w_avg, "args": argparse.Namespace(size=8)}
    found = open_model(torch_file(tmp_path, content))
    assert "noise is not in the file" in found.notes[0]
    assert_same(found.generator, plain, but=("noise_const",))
    assert found.generator.fingerprint == load(tmp_path / "file.pt").fingerprint
    noise = found.generator.state_dict()["synthesis.b8.conv1.noise_const"]
    assert noise.shape == (8, 8) and 0.5 < float(noise.std()) < 1.5


def test_without_an_average_latent_it_is_the_mean_over_many_codes(tmp_path: Path, plain: ImageGenerator) -> None:
    found = open_model(torch_file(tmp_path, {"g_ema": rosinality(plain)}))
    assert "estimated" in found.notes[0]
    assert_same(found.generator, plain, but=("w_avg",))
    random = torch.Generator().manual_seed(99)
    ws = plain.map(torch.randn(20_000, 5, generator=random))[:, 0]
    error = (found.generator.mapping.w_avg - ws.mean(dim=0)) / ws.std(dim=0)
    assert float(error.abs().max()) < 5 / 4096**0.5


def test_an_average_latent_repeated_for_every_row_is_one_average_latent(tmp_path: Path, plain: ImageGenerator) -> None:
    average = plain.mapping.w_avg
    assert_same(load(torch_file(tmp_path, {"g_ema": rosinality(plain), "latent_avg": average.repeat(4, 1)})), plain)
    different = torch.stack([average, average + 1])
    assert "differs between rows" in refusal(
        torch_file(tmp_path, {"g_ema": rosinality(plain), "latent_avg": different})
    )


def test_a_network_trained_without_an_average_latent_gets_one(tmp_path: Path) -> None:
    generator = network(label_dim=3)
    tree = network_of(generator)
    del tree["mapping"].buffers["w_avg"]
    assert "missing (mapping.w_avg)" in refusal(file(tmp_path, snapshot(tree)))
    tree["mapping"].attributes["w_avg_beta"] = None
    found = load(file(tmp_path, snapshot(tree)))
    assert_same(found, generator, but=("w_avg",))
    assert float(found.mapping.w_avg.abs().max()) > 0


def test_a_layer_without_noise_is_one_whose_noise_has_no_strength(tmp_path: Path) -> None:
    generator = network(start=(4, 2))
    tree = network_of(generator)
    layer = tree["synthesis.b8.conv0"]
    layer.attributes["use_noise"] = False
    del layer.buffers["noise_const"], layer.parameters["noise_strength"]
    found = load(file(tmp_path, snapshot(tree)))
    assert_same(found, generator, but=("b8.conv0.noise_const", "b8.conv0.noise_strength"))
    generator.synthesis.b8.conv0.noise_strength.zero_()
    ws = generator.map(generator.code(0))
    assert torch.equal(found.image(ws), generator.image(ws))


# ---- what ours would not reproduce -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "attribute", "value", "said"),
    [
        ("mapping.fc0", "activation", "relu", "mapping.fc0 has activation = 'relu', and only 'lrelu' is supported"),
        ("mapping.fc1", "weight_gain", 1.0, "mapping.fc1 has weight_gain = 1, and only 0.00408248 is supported"),
        ("mapping.fc1", "bias_gain", 1, "mapping.fc1 has bias_gain = 1, and only 0.01"),
        ("mapping", "num_layers", 8, "mapping has num_layers = 8, and only 2"),
        ("synthesis.b8.conv0", "activation", "swish", "activation = 'swish'"),
        ("synthesis.b8.conv0", "up", 1, "up = 1, and only 2"),
        ("synthesis.b8.conv1", "up", True, "up = True, and only 1"),
        ("synthesis.b8.conv1", "conv_clamp", 100, "different bounds on activations (conv_clamp 100 and None)"),
        ("synthesis.b8.conv1", "conv_clamp", "256", "conv_clamp = '256'"),
        ("synthesis.b8.conv1", "conv_clamp", [1], "conv_clamp = a list"),
        ("synthesis.b8.torgb", "weight_gain", 10**300, "and only 0.5 is supported"),
        ("synthesis.b8.conv1.affine", "bias_gain", torch.ones(3), "bias_gain = a Tensor, and only 1"),
        ("synthesis.b8.skip", "conv_clamp", 256, "conv_clamp = 256, and only None"),
        ("synthesis.b8", "architecture", "skip", "its blocks are not of one architecture"),
        ("", "img_resolution", 16, "resolution is 16, its tensors say 8"),
        ("", "c_dim", 10, "label_dim is 10, its tensors say 0"),
    ],
)
def test_an_attribute_that_ours_would_ignore_is_refused_by_name(
    tmp_path: Path, module: str, attribute: str, value: Any, said: str
) -> None:
    tree = network_of(network(architecture="resnet"))
    tree[module].attributes[attribute] = value
    assert said in refusal(file(tmp_path, snapshot(tree)))
    del tree[module].attributes[attribute]
    assert "nothing" in refusal(file(tmp_path, snapshot(tree))) or attribute == "architecture"


def test_all_layers_may_clamp_at_another_bound(tmp_path: Path) -> None:
    tree = network_of(network())
    for name in ("b4.conv1", "b4.torgb", "b8.conv0", "b8.conv1", "b8.torgb"):
        tree[f"synthesis.{name}"].attributes["conv_clamp"] = 300
    assert load(file(tmp_path, snapshot(tree))).config.conv_clamp == 300.0
    for bad in (-1, float("nan"), float("inf")):
        for name in ("b4.conv1", "b4.torgb", "b8.conv0", "b8.conv1", "b8.torgb"):
            tree[f"synthesis.{name}"].attributes["conv_clamp"] = bad
        assert "conv_clamp" in refusal(file(tmp_path, snapshot(tree)))


def test_another_resampling_filter_is_refused(tmp_path: Path, plain: ImageGenerator) -> None:
    other = torch.full((4, 4), 1 / 16)
    tree = network_of(plain)
    tree["synthesis.b8.conv0"].buffers["resample_filter"] = other
    state = {**rosinality(plain), "to_rgbs.0.upsample.kernel": other}
    bare = {**plain.state_dict(), "synthesis.b4.resample_filter": other}
    for path in (file(tmp_path, snapshot(tree)), torch_file(tmp_path, {"g_ema": state}), torch_file(tmp_path, bare)):
        assert "resamples with another filter than [1, 3, 3, 1]" in refusal(path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("nonlinearity", "relu", "its nonlinearity is relu"),
        ("mapping_lrmul", 1.0, "its mapping_lrmul is 1.0"),
        ("resample_kernel", [1, 2, 1], "its resample_kernel is [1, 2, 1]"),
        ("architecture", "other", "its architecture is other"),
        ("use_noise", False, "its use_noise is False"),
        ("latent_size", 512, "z_dim is 512, its tensors say 5"),
        ("conv_clamp", "256", "conv_clamp is a str"),
    ],
)
def test_a_tensorflow_setting_that_ours_would_ignore_is_refused_by_name(
    tmp_path: Path, plain: ImageGenerator, name: str, value: Any, said: str
) -> None:
    content = tensorflow(plain, lambda network: network.static_kwargs.update({name: value}))  # type: ignore[attr-defined]
    assert said in refusal(file(tmp_path, content))


# ---- other networks ----------------------------------------------------------------------------------------------


def stylegan3_tree() -> Network:
    layer = Network("SynthesisLayer", parameters={"weight": torch.zeros(4, 4, 3, 3)})
    source = Network("SynthesisInput", buffers={"freqs": torch.zeros(4, 2)})
    synthesis = Network("SynthesisNetwork", modules={"input": source, "L0_36_512": layer})
    return Network("Generator", modules={"mapping": Network("MappingNetwork"), "synthesis": synthesis})


def test_a_stylegan3_generator_is_refused_by_name(tmp_path: Path) -> None:
    said = "is a StyleGAN3 (alias-free) generator, which is not supported; give a StyleGAN2 file"
    assert said in refusal(file(tmp_path, snapshot(stylegan3_tree())))
    assert said in refusal(torch_file(tmp_path, {"G_ema": {"synthesis.L0_36_512.weight": torch.zeros(2)}}))
    assert said in refusal(torch_file(tmp_path, {"synthesis.input.freqs": torch.zeros(4, 2)}))


def test_a_discriminator_alone_is_refused_as_such(tmp_path: Path) -> None:
    said = "holds a discriminator, not a generator"
    critic = Network("Discriminator", parameters={"b4.out.weight": torch.zeros(1, 4)})
    assert said in refusal(file(tmp_path, pickled(critic)))
    assert said in refusal(torch_file(tmp_path, {"b64.fromrgb.weight": torch.zeros(4, 3, 1, 1)}))
    assert said in refusal(torch_file(tmp_path, {"g_ema": {"final_linear.0.weight": torch.zeros(4, 4)}}))
    assert "has no 'G_ema' or 'g_ema'" in refusal(file(tmp_path, pickled({"D": critic})))


def test_generators_of_other_projects_are_refused_by_the_class_that_is_unknown(tmp_path: Path) -> None:
    tree = network_of(network())
    tree.class_name = "TriPlaneGenerator"
    assert "it holds a 'TriPlaneGenerator' where a Generator belongs" in refusal(file(tmp_path, snapshot(tree)))
    tree = network_of(network())
    tree.modules["superresolution"] = Network("SuperresolutionHybrid")
    assert "it holds a 'SuperresolutionHybrid' (its superresolution)" in refusal(file(tmp_path, snapshot(tree)))


def test_a_tensorflow_network_of_stylegan_1_is_refused_by_name(tmp_path: Path, plain: ImageGenerator) -> None:
    def change(network: Any) -> None:
        network.components["synthesis"].variables.append(("4x4/Const/StyleMod/weight", np.zeros((4, 4), np.float32)))

    assert "is a StyleGAN (version 1) generator" in refusal(file(tmp_path, tensorflow(plain, change)))


# ---- damage ------------------------------------------------------------------------------------------------------

RESIDUAL = {"architecture": "resnet", "channels": (5, 4, 3)}


@pytest.mark.parametrize("key", sorted(network(**RESIDUAL).state_dict()))
def test_without_any_one_tensor_or_with_a_spoilt_one_a_file_is_refused_by_its_name(tmp_path: Path, key: str) -> None:
    tensors = dict(network(**RESIDUAL).state_dict())
    if not key.endswith("resample_filter"):
        assert key in refusal(torch_file(tmp_path, {k: v for k, v in tensors.items() if k != key}))
        assert key in refusal(torch_file(tmp_path, {**tensors, key: torch.ones_like(tensors[key], dtype=torch.int64)}))
    spoilt = tensors[key].clone()
    spoilt[tuple(size - 1 for size in spoilt.shape)] = float("nan")
    assert key in refusal(torch_file(tmp_path, {**tensors, key: spoilt}))
    refusal(torch_file(tmp_path, {**tensors, key: tensors[key].flatten()[:0]}))
    refusal(torch_file(tmp_path, {**tensors, key: torch.stack([tensors[key]] * 2)}))
    refusal(torch_file(tmp_path, {**tensors, key: "text"}))


@pytest.mark.parametrize("key", sorted(rosinality(network())))
def test_rosinality_files_too(tmp_path: Path, plain: ImageGenerator, key: str) -> None:
    state = rosinality(plain)
    for changed in (state[key].flatten()[:0], torch.stack([state[key]] * 2), state[key] * float("nan"), "text"):
        refusal(torch_file(tmp_path, {"g_ema": {**state, key: changed}}))
    if not key.endswith("kernel") and not key.startswith("noises."):
        refusal(torch_file(tmp_path, {"g_ema": {k: v for k, v in state.items() if k != key}}))


def test_tensorflow_variables_too(tmp_path: Path, plain: ImageGenerator) -> None:
    def dropped(part: str, index: int) -> Callable[[Any], None]:
        return lambda network: network.components[part].variables.pop(index)

    for part, count in (("mapping", 4), ("synthesis", 22)):
        for index in range(count):
            refusal(file(tmp_path, tensorflow(plain, dropped(part, index))))
    for changes in ({"variables": None}, {"components": []}, {"components": {}}, {"variables": [3]}):
        refusal(file(tmp_path, tensorflow(plain, lambda network, c=changes: network.__dict__.update(c))))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("convs.7.conv.weight", "its blocks are 4, 8, 64"),
        ("style.0.weight", "1 unknown (mapping.fc-1.weight)"),
        ("convs.0.other.weight", "holds an unknown 'convs.0.other.weight'"),
        ("style.x\ny\x1b[2J", "holds an unknown"),
        ("x" * 9000, "holds an unknown 'xxx"),
    ],
)
def test_no_key_is_ignored_silently(tmp_path: Path, plain: ImageGenerator, key: str, said: str) -> None:
    assert said in refusal(torch_file(tmp_path, {"g_ema": {**rosinality(plain), key: torch.zeros(1, 4, 4, 3, 3)}}))
    surplus = {**plain.state_dict(), f"synthesis.{key}": torch.zeros(4)}
    assert "1 unknown (synthesis." in refusal(torch_file(tmp_path, surplus))


def test_sizes_that_no_network_has_are_refused(tmp_path: Path, plain: ImageGenerator) -> None:
    state = dict(plain.state_dict())
    odd = {k.replace("b8", "b9"): v for k, v in state.items()}
    assert "its blocks are 4, 9" in refusal(torch_file(tmp_path, odd))
    assert "constant of 8x8" in refusal(torch_file(tmp_path, {**state, "synthesis.b4.const": torch.zeros(5, 8, 8)}))
    many = {f"synthesis.b{4 << i}.conv1.weight": torch.zeros(2, 2, 3, 3) for i in range(12)}
    message = refusal(torch_file(tmp_path, {**state, **many, "synthesis.b8192.torgb.weight": torch.zeros(3, 2, 1, 1)}))
    assert "images of more than 2048 pixels are not supported" in message


def test_an_image_model_has_nothing_to_override(tmp_path: Path, plain: ImageGenerator) -> None:
    write_generator(tmp_path / "own.safetensors", plain)
    for path in (tmp_path / "own.safetensors", file(tmp_path, snapshot(network_of(plain)))):
        for overrides in ({"scale": 2.0}, {"grid": "a15", "grid_resolution": 20}):
            assert f"makes images, which have no {' or '.join(sorted(overrides))}" in refusal(path, **overrides)


@pytest.mark.parametrize("config", [{"channels": []}, {"architecture": "x"}, {"scale": 1.0}, {"start": [4]}])
def test_a_native_file_with_a_wrong_configuration_is_refused(
    tmp_path: Path, plain: ImageGenerator, config: dict[str, Any]
) -> None:
    about = {"config": {**plain.config.to_dict(), **config}, "name": "a", "note": ""}
    save_file(packed(plain.state_dict()), tmp_path / "own.safetensors", {NATIVE_IMAGE_FORMAT: json.dumps(about)})
    assert "is a damaged generator file" in refusal(tmp_path / "own.safetensors")


@pytest.mark.parametrize("group", ["_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"])
@pytest.mark.parametrize("value", [3, "text", torch.zeros(2), [("a", 1)]], ids=["int", "str", "tensor", "list"])
def test_a_network_whose_parts_are_no_dictionaries_is_refused(
    tmp_path: Path, plain: ImageGenerator, group: str, value: Any
) -> None:
    tree = network_of(plain)
    tree.attributes[group] = value
    if group != "_non_persistent_buffers_set" or value != [("a", 1)]:
        assert "is damaged" in refusal(file(tmp_path, snapshot(tree)))


def test_a_plain_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    for content in ((), (1, 2), [], 3, None, {}, {"G_ema": 3}, {"g_ema": None}, {"G_ema": ()}):
        refusal(file(tmp_path, pickle.dumps(content)))
