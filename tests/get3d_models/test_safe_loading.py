"""Checkpoints from strangers load as inert data, or end in one clear line: never in running code or full memory."""

import argparse
import json
import math
import os
import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safe_loading_jail import read_in_jail

from get3d_models.errors import InputError
from get3d_models.safe_loading import PickledModule, read_checkpoint

DATA = Path(__file__).parents[1] / "data"
HOSTILE = DATA / "hostile"
GOLDEN = DATA / "golden"
EXPECTED = json.loads((HOSTILE / "expect.json").read_text())
SNAPSHOT = GOLDEN / "stylegan2/skip64/network.pkl"
TORCH_FILES = [
    GOLDEN / "get3d/planes64/checkpoint.pt",
    *(GOLDEN / "stylegan2/rosinality64" / f"g_ema_{kind}.pt" for kind in ("zip", "legacy", "no_noise_trainstyle")),
]


def hostile_traces() -> list[Path]:
    return sorted(Path("/tmp").glob("drag3d__hostile_*"))


@pytest.fixture(scope="module")
def jailed() -> dict[str, tuple[str, str, list[str]]]:
    if not sys.platform.startswith("linux"):
        pytest.skip("the limits of the subprocess are Linux's")
    assert not hostile_traces(), "an earlier run of something else left traces"
    return read_in_jail(*(HOSTILE / name for name in EXPECTED))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_hostile_file_ends_as_expected_within_500_mb_and_seconds(
    name: str, jailed: dict[str, tuple[str, str, list[str]]]
) -> None:
    outcome, message, events = jailed[name]
    assert outcome == EXPECTED[name]["expect"], message
    assert events == [], "something was compiled, imported or run"
    if outcome == "refuse":
        assert message.startswith(str(HOSTILE / name)) and message.isprintable()
        assert any(advice in message for advice in ("again", "give", "report", "browser")), message


def test_no_hostile_payload_left_a_trace(jailed: dict[str, tuple[str, str, list[str]]]) -> None:
    assert len(jailed) == len(EXPECTED) == len(list(HOSTILE.glob("h*")))
    assert hostile_traces() == []


@pytest.mark.parametrize("name", ["h01_reduce_os_system.pkl", "h03_nested_storage_bytes.pkl", "h07b_reduce_in_zip.pt"])
def test_a_file_that_asks_for_a_program_is_refused_by_that_name(name: str) -> None:
    with pytest.raises(InputError, match=r"posix\.system"):
        read_checkpoint(HOSTILE / name)


# What official and community files hold


def tensors(value: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors below `value`, by their path."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, PickledModule):
        yield from tensors(value.state, name)
    elif isinstance(value, (dict, list, tuple)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from tensors(item, f"{name}/{key}")


def assert_same_tensors(ours: Any, theirs: Any) -> None:
    mine, reference = dict(tensors(ours)), dict(tensors(theirs))
    assert list(mine) == list(reference) and mine
    for name, tensor in mine.items():
        assert tensor.dtype == reference[name].dtype and tensor.shape == reference[name].shape, name
        assert tensor.stride() == reference[name].stride(), name
        assert torch.equal(bits(tensor), bits(reference[name])), name


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a tensor, so that NaN equals NaN and -0 differs from 0."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


@pytest.mark.parametrize("path", TORCH_FILES, ids=lambda path: path.name)
def test_a_torch_file_gives_bit_for_bit_what_torch_loads(path: Path) -> None:
    with torch.serialization.safe_globals([argparse.Namespace]):
        assert_same_tensors(read_checkpoint(path), torch.load(path, weights_only=True))


def test_a_stylegan2_snapshot_becomes_modules_without_their_code() -> None:
    snapshot = read_checkpoint(SNAPSHOT)
    assert list(snapshot) == ["G", "D", "G_ema", "augment_pipe", "training_set_kwargs"]
    generator = snapshot["G_ema"]
    assert generator.class_name == "Generator" and len(generator.source_sha256) == 64
    assert generator.module_source_length == 201 and "module_src" not in str(vars(generator).keys())
    state = generator.state_dict()
    assert len(state) == 106 and all(torch.isfinite(tensor).all() for tensor in state.values())
    assert state["synthesis.b4.const"].shape == (48, 4, 4)
    assert state["synthesis.b64.conv1.affine.weight"].shape == (16, 64)
    assert state["mapping.w_avg"].shape == (64,)
    weight_gain = generator.state["_modules"]["mapping"].state["_modules"]["fc0"].state["weight_gain"]
    assert type(weight_gain) is float and 0 < weight_gain < 1, "numpy numbers become Python's"


def test_the_snapshot_whose_source_is_an_attack_has_the_same_tensors() -> None:
    hostile = read_checkpoint(HOSTILE / "h02_persistence_module_src.pkl")
    assert_same_tensors(hostile, read_checkpoint(SNAPSHOT))


def test_one_network_in_three_formats_has_the_same_weights() -> None:
    """The golden files hold one G_ema in NVIDIA's PyTorch and TensorFlow formats and in rosinality's."""
    official = read_checkpoint(SNAPSHOT)["G_ema"].state_dict()
    community = read_checkpoint(TORCH_FILES[1])["g_ema"]
    tensorflow = read_checkpoint(GOLDEN / "stylegan2/tf_legacy64/network.pkl")[2]
    assert tensorflow.class_name == "dnnlib.tflib.network.Network" and tensorflow.state["name"] == "Gs"
    mapping = tensorflow.state["components"]["mapping"]
    assert len(mapping.source_sha256) == 64 and "build_module_src" not in mapping.state
    variables = dict(mapping.state["variables"])
    layers = [name for name in official if name.startswith("mapping.fc") and name.endswith("weight")]
    assert len(layers) >= 2
    for i in range(len(layers)):
        weight = official[f"mapping.fc{i}.weight"]
        assert torch.equal(weight, community[f"style.{i + 1}.weight"])
        assert torch.equal(weight, variables[f"Dense{i}/weight"].T)
    constant = dict(tensorflow.state["components"]["synthesis"].state["variables"])["4x4/Const/const"]
    assert torch.equal(constant, community["input.input"]) and torch.equal(constant[0], official["synthesis.b4.const"])


# What torch.save writes


def varied_content() -> dict[str, Any]:
    """Every kind of value and tensor that a training checkpoint may hold."""
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    state = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).state_dict()
    assert hasattr(state, "_metadata")
    return {
        "state_dict": state,
        "types": {str(t): torch.tensor([0, 1, 2, 100]).to(t) for t in (torch.float16, torch.bfloat16, torch.float64)},
        "integers": [torch.tensor([[-1, 2]], dtype=t) for t in (torch.int64, torch.int32, torch.int16, torch.int8)],
        "bytes": (torch.tensor([255], dtype=torch.uint8), torch.tensor([True, False])),
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 3),
        "transposed": base.T,
        "strided": base[1::2, ::3],
        "narrow": base[2:4],
        "channels_last": torch.randn(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "special": torch.tensor([math.nan, math.inf, -0.0]),
        "nested": OrderedDict(a={"b": [1, (2.5, None, True)], 7: "text é ☃"}),
        "big": [2**31, -(2**40), 2**70, -1],
        "args": argparse.Namespace(size=64, lr=0.002, names=["a"]),
        "shape": torch.Size([1, 2]),
    }


def assert_same_content(ours: Any, theirs: Any) -> None:
    """Equal, with the documented replacements of classes."""
    if isinstance(theirs, torch.Tensor):
        assert_same_tensors([ours], [theirs])
    elif isinstance(theirs, dict):
        assert type(ours) is dict and list(ours) == list(theirs)
        assert_same_content(list(ours.values()), list(theirs.values()))
    elif isinstance(theirs, (list, tuple)):
        assert isinstance(ours, tuple if isinstance(theirs, tuple) else list) and len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same_content(mine, other)
    elif isinstance(theirs, argparse.Namespace):
        assert type(ours) is SimpleNamespace and vars(ours) == vars(theirs)
    else:
        assert type(ours) is type(theirs) and ours == theirs


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_what_torch_saves_comes_back(tmp_path: Path, zipped: bool, protocol: int) -> None:
    path = tmp_path / "anything.bin"
    content = varied_content()
    torch.save(content, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    assert_same_content(read_checkpoint(path), content)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_python_pickles_comes_back(tmp_path: Path, protocol: int) -> None:
    content = {
        **varied_content(),
        "set": {"a", "b"},
        "bytes": b"\x00\xffraw",
        "number": np.float64(0.25),
        "flag": np.bool_(1),
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    expected = {**content, "number": 0.25, "flag": True}
    assert_same_content(read_checkpoint(tmp_path / "a.pkl"), expected)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_numpy_arrays_become_tensors(tmp_path: Path, dtype: str, protocol: int) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    content = {"rows": array, "columns": np.asfortranarray(array), "empty": array[:0], "scalar": np.array(3, dtype)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    for name, tensor in read_checkpoint(tmp_path / "a.pkl").items():
        assert np.array_equal(tensor.numpy(), content[name]) and tensor.numpy().dtype == content[name].dtype, name


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_shared_storages_stay_shared_and_the_file_is_let_go(tmp_path: Path, zipped: bool) -> None:
    """A generator and its average may be saved as two sets of tensors on the same weights."""
    path = tmp_path / "shared.pt"
    weight = torch.randn(1000, 100)
    torch.save(
        {"G": {"w": weight.detach()}, "G_ema": {"w": weight.detach()}}, path, _use_new_zipfile_serialization=zipped
    )
    loaded = read_checkpoint(path)
    path.write_bytes(b"overwritten")
    assert loaded["G"]["w"] is not loaded["G_ema"]["w"]
    loaded["G"]["w"][0, 0] = 42
    assert loaded["G_ema"]["w"][0, 0] == 42
    assert torch.equal(loaded["G_ema"]["w"][1:], weight[1:])


def test_a_file_saved_without_checksums_loads(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.arange(9.0)}, path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_checkpoint(path)["w"], torch.arange(9.0))


def test_data_that_are_not_wanted_are_not_read(tmp_path: Path) -> None:
    """Shown by spoiling them: only who reads them can notice."""
    path = tmp_path / "large.pt"
    wanted, unwanted = torch.randn(100), torch.full((300, 1000), 7.5)
    torch.save({"G_ema": {"w": wanted}, "D": {"w": unwanted}, "G": {"w": wanted}}, path)
    raw = bytearray(path.read_bytes())
    spoilt = raw.index(unwanted.numpy().tobytes()[:400]) + 200
    raw[spoilt] ^= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match="checksum"):
        read_checkpoint(path)
    loaded = read_checkpoint(path, top_level_keys=("G_ema",))
    assert torch.equal(loaded["G_ema"]["w"], wanted)
    assert loaded["D"]["w"].is_meta and loaded["D"]["w"].shape == (300, 1000)
    assert loaded["G"]["w"].is_meta, "although its data happen to be loaded for G_ema"


# What is not a checkpoint


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Quota exceeded</html>", "browser"),
        (b"\n\n  <html>", "browser"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        (b"\x1f\x8b\x08\x00" + bytes(40), "gzip"),
        (b'\x10\x00\x00\x00\x00\x00\x00\x00{"a":{}}        ', "safetensors"),
        (b"(dp0\nS'G'\n.", "protocol 2 to 5"),
        (b"\x80\x09N.", "protocol 9"),
        (b"\x80\x02", "cut short"),
        (b"PK\x03\x04" + bytes(100), "cut short"),
        (bytes(1000), "not a checkpoint"),
    ],
)
def test_something_else_is_told_for_what_it_is(tmp_path: Path, content: bytes, advice: str) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=advice) as refusal:
        read_checkpoint(path)
    assert str(refusal.value).startswith(str(path)) and "\n" not in str(refusal.value)


def test_a_zip_of_something_else_is_told_for_what_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("network.pkl", b"x")
    with pytest.raises(InputError, match="unpack it"):
        read_checkpoint(tmp_path / "a.zip")


def test_a_path_that_leads_nowhere_gets_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "shapenet_car.pt").write_bytes(b"x")
    with pytest.raises(InputError, match=r"does not exist: did you mean .*shapenet_car\.pt\?"):
        read_checkpoint(tmp_path / "shapenet_cars.pt")
    with pytest.raises(InputError, match="there is no directory"):
        read_checkpoint(tmp_path / "nowhere" / "a.pt")
    with pytest.raises(InputError, match=r"is a directory: give a file in it, such as .*shapenet_car\.pt"):
        read_checkpoint(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not an ordinary file"):
        read_checkpoint(tmp_path / "pipe")


@pytest.mark.parametrize(
    "path", [*TORCH_FILES, SNAPSHOT, GOLDEN / "stylegan2/tf_legacy64/network.pkl"], ids=lambda p: p.name
)
def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, path: Path) -> None:
    whole = path.read_bytes()
    for share in (0.001, 0.03, 0.3, 0.9, 0.999):
        (tmp_path / "cut").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match="again"):
            read_checkpoint(tmp_path / "cut")
    (tmp_path / "cut").write_bytes(whole[:-1])
    with pytest.raises(InputError, match="again"):
        read_checkpoint(tmp_path / "cut")
