"""Small files that would cost much, or get somewhere they should not: each is refused for what it does."""

import io
import pickle
import re
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safe_loading_jail import read_in_jail

from get3d_models.errors import InputError
from get3d_models.safe_loading import read_checkpoint

HEAD = b"\x80\x04"
MEGABYTE = 1 << 20


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def laughs() -> bytes:
    """10^30 values in 30 lists of ten."""
    value: list[Any] = [1, 2]
    for _ in range(30):
        value = [value] * 10
    return pickle.dumps(value)


def nested(depth: int) -> bytes:
    value: Any = 1
    for _ in range(depth):
        value = {"state": (value,)}
    return pickle.dumps(value)


def cycle() -> bytes:
    value: dict[str, Any] = {"G_ema": []}
    value["G_ema"].append(value)
    return pickle.dumps(value)


def storage_bytes(numbers: int) -> bytes:
    buffer = io.BytesIO()
    torch.save(torch.zeros(numbers)._typed_storage(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def repeated(preparation: bytes, use: bytes, times: int) -> bytes:
    """A list of `times` results of `use`, which refers to what `preparation` left in the memo."""
    return HEAD + b"](" + preparation + use * times + b"e."


def one_storage_parsed_often() -> bytes:
    data = storage_bytes(MEGABYTE // 4)
    preparation = b"ctorch.storage\n_load_from_bytes\nq\x00B" + struct.pack("<I", len(data)) + data + b"\x85q\x01"
    return repeated(preparation, b"h\x00h\x01R", 5000)


def one_text_encoded_often() -> bytes:
    return repeated(
        b"c_codecs\nencode\nq\x00" + text("a" * MEGABYTE) + text("latin1") + b"\x86q\x01", b"h\x00h\x01R", 50_000
    )


def one_byte_string_in_many_arrays() -> bytes:
    dtype = b"cnumpy\ndtype\n" + text("f4") + b"\x89\x88\x87R(K\x03" + text("<") + b"NNNK\x00K\x00K\x00tb"
    state = (
        b"(K\x01J\x00\x00\x04\x00\x85" + dtype + b"\x89B" + struct.pack("<I", MEGABYTE) + bytes(MEGABYTE) + b"tq\x01"
    )
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nK\x00\x85C\x01b\x87q\x02"
    return repeated(array + state, b"h\x00h\x02Rh\x01b", 5000)


def one_list_in_many_sets() -> bytes:
    items = b"](" + b"".join(b"J" + struct.pack("<i", i) for i in range(50_000)) + b"e\x85q\x01"
    return repeated(b"cbuiltins\nset\nq\x00" + items, b"h\x00h\x01R", 50_000)


def one_source_in_many_modules() -> bytes:
    entries = text("type") + text("class") + text("class_name") + text("Generator") + text("state") + b"}"
    entries += text("module_src") + text("#" * 20 * MEGABYTE)
    preparation = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\nq\x00}(" + entries + b"u\x85q\x01"
    return repeated(preparation, b"h\x00h\x01R", 100_000)


def storage_hiding(content: Any) -> bytes:
    """A pickle whose storage bytes are a legacy torch file of something else."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    data = buffer.getvalue()
    return HEAD + b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(data)) + data + b"\x85R."


def archive(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as written:
        for name, content in entries:
            written.writestr(name, content)
    return buffer.getvalue()


def overlapping_archive() -> bytes:
    """Forty entries whose directory records point to the same bytes."""
    names = [f"a/data/{i:02}" for i in range(40)]
    whole = archive(("a/data.pkl", b"\x80\x02}."), *((name, bytes(1000)) for name in names[:1]))
    start = struct.unpack_from("<L", whole, len(whole) - 6)[0]
    directory = whole[start:-22]
    last = directory[directory.rindex(b"PK\x01\x02") :]
    directory += b"".join(last.replace(names[0].encode(), name.encode()) for name in names[1:])
    return whole[:start] + directory + struct.pack("<4s4xHHLL2x", b"PK\x05\x06", 41, 41, len(directory), start)


def numbered_archive(count: int) -> bytes:
    return archive(("a/data.pkl", b"\x80\x02}."), *((f"a/{i}", b"") for i in range(count)))


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "laughs": (laughs, "values"),
    "nesting": (lambda: nested(60), "deep"),
    "cycle": (cycle, "contains itself"),
    "opcodes": (lambda: HEAD + b"N" * 2_000_000 + b".", "opcodes"),
    "sets": (lambda: HEAD + b"](" + b"\x8f\x94" * 2_000_000 + b"e.", "opcodes"),
    "texts": (lambda: HEAD + b"](" + text("\N{GRINNING FACE}" + "a" * 40 * MEGABYTE) + b"e.", "text bytes"),
    "storage parsed often": (one_storage_parsed_often, "stream bytes"),
    "text encoded often": (one_text_encoded_often, "copied bytes"),
    "arrays on one byte string": (one_byte_string_in_many_arrays, "tensor bytes"),
    "sets of one list": (one_list_in_many_sets, "opcodes"),
    "modules of one source": (one_source_in_many_modules, "opcodes"),
    "tuple as key": (lambda: pickle.dumps({(1, 2): 3}), "key"),
    "colliding keys": (lambda: pickle.dumps({(2**61 - 1) * i: i for i in range(1, 9)}), "key"),
    "protocol 0 name": (lambda: HEAD + b"c" + b"a" * 5000 + b"\nb\n.", "no end"),
    "module as storage": (lambda: storage_hiding(OrderedDict(a=1)), r"asks for 'collections\.OrderedDict'"),
    "number as storage": (lambda: storage_hiding(7), "something else"),
    "storage in storage": (lambda: storage_hiding([torch.zeros(3)]), r"asks for 'torch\._utils"),
    "class as value": (lambda: HEAD + b"ccollections\nOrderedDict\n.", r"type collections\.OrderedDict itself"),
    "array without state": (
        lambda: HEAD + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R.",
        "no state",
    ),
    "state of a list": (lambda: HEAD + b"]}b.", "another kind of value"),
    "persistent id": (lambda: HEAD + b"NQ.", "storages outside itself"),
    "attribute of a known name": (lambda: HEAD + b"ctorch\nFloatStorage.__init__\n.", "asks for"),
    "compressed": (lambda: archive(("a/data.pkl", b"\x80\x02}."), method=zipfile.ZIP_DEFLATED), "compressed"),
    "overlapping entries": (overlapping_archive, "zip directory"),
    "too many entries": (lambda: numbered_archive(60_000), "60,001 entries"),
    "entry outside": (lambda: archive(("a/data.pkl", b"\x80\x02}."), ("a/../../x", b"")), "outside the archive"),
    "two pickles": (lambda: archive(("a/data.pkl", b"\x80\x02}."), ("b/data.pkl", b"")), "unpack it"),
    "TorchScript": (lambda: archive(("a/data.pkl", b"\x80\x02}."), ("a/code/x.py", b"")), "TorchScript"),
    "big-endian": (lambda: archive(("a/data.pkl", b"\x80\x02}."), ("a/byteorder", b"big")), "big-endian"),
}


@pytest.fixture(scope="module")
def jailed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str, list[str]]]:
    if not sys.platform.startswith("linux"):
        pytest.skip("the limits of the subprocess are Linux's")
    folder = tmp_path_factory.mktemp("bombs")
    for name, (make, _) in BOMBS.items():
        (folder / name).write_bytes(make())
    return read_in_jail(*(folder / name for name in BOMBS))


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_for_what_it_does_within_500_mb_and_seconds(
    name: str, jailed: dict[str, tuple[str, str, list[str]]]
) -> None:
    outcome, message, events = jailed[name]
    assert outcome == "refuse" and events == []
    assert re.search(BOMBS[name][1], message) and message.isprintable(), message


def costly_files() -> dict[str, bytes]:
    """As much of one thing as the limit on opcodes allows."""
    data = storage_bytes(0)
    storage = b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(data)) + data + b"\x85R"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\nq\x00(" + storage + b"K\x00K\x00\x85K\x01\x85\x89}tq\x01R"
    dtype = b"cnumpy\ndtype\n" + text("f4") + b"\x89\x88\x87R(K\x03" + text("<") + b"NNNK\x00K\x00K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nK\x00\x85C\x01b\x87q\x02R"
    array += b"(K\x01K\x01\x85" + dtype + b"\x89C\x04aaaatq\x01b"
    return {
        "tensors": repeated(tensor, b"h\x00h\x01R", 160_000),
        "arrays": repeated(array, b"h\x00h\x02Rh\x01b", 95_000),
        "sets": repeated(b"", b"\x8f", 499_000),
        "bytes": repeated(b"", b"C\x01a", 499_000),
    }


@pytest.mark.slow
def test_the_costliest_data_within_the_limits_take_500_mb_and_seconds(tmp_path: Path) -> None:
    files = costly_files()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    jailed = read_in_jail(*(tmp_path / name for name in files))
    assert {outcome for outcome, _, _ in jailed.values()} == {"load_without_executing"} and len(jailed) == len(files)


class View:
    """Pickles as a tensor on four numbers, whatever its offset, shape and strides."""

    def __init__(self, *geometry: Any) -> None:
        self.geometry = geometry

    def __reduce__(self) -> Any:
        storage = torch.arange(4.0)._typed_storage()
        return torch._utils._rebuild_tensor_v2, (storage, *self.geometry, False, OrderedDict())


@pytest.mark.parametrize(
    "geometry",
    [
        (0, (5,), (1,)),
        (3, (2,), (1,)),
        (5, (0,), (1,)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (-2,), (1,)),
        (0, (2, 2), (1,)),
        (0, (2, 2), (1, 3)),
        (0, (1 << 36,), (0,)),
        (0, (5,), (0,)),
        (0, (0, 1 << 61, 1 << 61), (1, 1, 1)),
        (0, (1,) * 9, (1,) * 9),
        (0, (1 << 70,), (1,)),
        (True, (1,), (1,)),
        (0.0, (1,), (1,)),
        (0, "1", (1,)),
        (None, None, None),
    ],
)
def test_a_tensor_that_leaves_its_storage_is_refused(tmp_path: Path, geometry: tuple[Any, ...]) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(View(*geometry)))
    with pytest.raises(InputError, match="again"):
        read_checkpoint(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    "geometry",
    [
        (0, (4,), (1,)),
        (2, (2,), (1,)),
        (0, (2, 2), (1, 2)),
        (3, (), ()),
        (4, (0,), (1,)),
        (0, (2, 2), (0, 1)),
        (0, (3, 1), (1, 99)),
        (0, (1, 2), ((1 << 62) - 1, 1)),
        (0, (0, 1 << 39), (1 << 61, 1 << 61)),
    ],
)
def test_any_view_within_its_storage_is_what_torch_makes_of_it(tmp_path: Path, geometry: tuple[Any, ...]) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"w": View(*geometry)}))
    offset, shape, strides = geometry
    tensor = read_checkpoint(tmp_path / "a.pkl")["w"]
    assert torch.equal(tensor, torch.arange(4.0).as_strided(shape, strides, offset)) and tensor.stride() == strides
    described = read_checkpoint(tmp_path / "a.pkl", top_level_keys=())["w"]
    assert described.is_meta and described.shape == tensor.shape and described.stride() == strides


def test_a_state_cannot_change_after_it_was_checked(tmp_path: Path) -> None:
    """The stream names the dictionary again after BUILD, and adds what would have been refused."""
    stream = HEAD + b"cargparse\nNamespace\n)\x81}q\x00bh\x00" + text("__class__") + b"Ns\x86."
    (tmp_path / "a.pkl").write_bytes(stream)
    assert read_checkpoint(tmp_path / "a.pkl") == (SimpleNamespace(), {"__class__": None})


def test_a_cycle_is_refused_also_when_only_some_entries_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(cycle())
    with pytest.raises(InputError, match="contains itself"):
        read_checkpoint(tmp_path / "a.pkl", top_level_keys=("G",))


def test_reasonable_depth_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(nested(40))
    assert isinstance(read_checkpoint(tmp_path / "a.pkl")["state"], tuple)
