"""Valid files, damaged at random: out come data or one clear line, never another exception, and never much memory."""

import argparse
import io
import os
import pickle
import pickletools
import random
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safe_loading_jail import read_in_jail
from stylegan2_stand_ins import Network as ImageNetwork
from stylegan2_stand_ins import network_of, pickled, rosinality, snapshot, tensorflow

from get3d_models import load
from get3d_models.checkpoint import write_generator
from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.safe_loading import PickledModule, read_checkpoint
from get3d_models.stylegan2 import ImageGenerator

INERT = (dict, list, tuple, set, frozenset, str, bytes, int, float, bool, type(None))


def content() -> dict[str, Any]:
    """A little of everything that a checkpoint may hold."""
    weight = torch.arange(12.0).reshape(3, 4)
    state = OrderedDict(weight=weight, view=weight.T[1:], half=weight.half(), flag=torch.tensor([True, False]))
    state._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    options = argparse.Namespace(size=64, names=["a", ("b", 2.5)])
    return {"g_ema": state, "step": 7, "args": options, "gain": np.float64(0.5), "array": np.ones((2, 2), np.float32)}


class Network:
    """Pickles as NVIDIA's networks do: a call with everything as an argument, source included."""

    def __init__(self, **state: Any) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit",
            "class_name": "Generator",
            "state": state,
        }

    def __reduce__(self) -> Any:
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)  # type: ignore[attr-defined]


def snapshot_bytes(protocol: int) -> bytes:
    """A pickle of networks, made with stand-ins for the modules of its authors."""

    def _reconstruct_persistent_obj(meta: Any) -> None:
        raise AssertionError("only a name in the pickle")

    module = types.ModuleType("torch_utils.persistence")
    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    sys.modules["torch_utils"], sys.modules[module.__name__] = types.ModuleType("torch_utils"), module
    try:
        inner = Network(_parameters={"w": torch.nn.Parameter(torch.ones(2, 3))}, _buffers=OrderedDict(), _modules={})
        network = Network(_parameters={}, _buffers={"b": torch.zeros(2)}, _modules={"fc": inner}, names={"a"})
        return pickle.dumps({"G": network, "G_ema": network, "options": content()}, protocol=protocol)
    finally:
        del sys.modules["torch_utils"], sys.modules[module.__name__]


def torch_bytes(**options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content(), buffer, **options)
    return buffer.getvalue()


ARCHIVE = torch_bytes()
LEGACY = torch_bytes(_use_new_zipfile_serialization=False)
SNAPSHOTS = [snapshot_bytes(protocol) for protocol in (2, 4)]
SEEDS = [ARCHIVE, LEGACY, *SNAPSHOTS]


def repack(stream: bytes) -> bytes:
    """The archive with another pickle in it, all checksums right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(ARCHIVE)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            target.writestr(name, stream if name.endswith("data.pkl") else source.read(name))
    return buffer.getvalue()


def archive_stream() -> bytes:
    with zipfile.ZipFile(io.BytesIO(ARCHIVE)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


def opcodes_of(stream: bytes) -> list[tuple[str, bytes]]:
    """The stream, cut into its opcodes with their arguments, each after what it does to the stack."""
    found = [(position, opcode) for opcode, _, position in pickletools.genops(stream)]
    ends = [position for position, _ in found[1:]] + [len(stream)]
    return [
        (
            f"{len(opcode.stack_before)} {len(opcode.stack_after)} {pickletools.markobject in opcode.stack_before}",
            stream[start:end],
        )
        for (start, opcode), end in zip(found, ends, strict=True)
    ]


STREAMS = [opcodes_of(stream) for stream in (archive_stream(), *SNAPSHOTS)]


def assert_inert(value: Any) -> None:
    """Nothing but plain data and tensors, however deep."""
    if isinstance(value, (torch.Tensor, PickledModule, types.SimpleNamespace)):
        assert type(value) in (torch.Tensor, PickledModule, types.SimpleNamespace)
        for part in () if isinstance(value, torch.Tensor) else vars(value).values():
            assert_inert(part)
        if isinstance(value, torch.Tensor):
            value.float().sum().item()  # every element can be read
        return
    assert type(value) in INERT, type(value)
    if isinstance(value, (dict, list, tuple)):
        for part in [*value.keys(), *value.values()] if isinstance(value, dict) else value:
            assert_inert(part)


def read(path: Path, damaged: bytes) -> str:
    """How reading ends: `data`, or the refusal; any exception but InputError is the test's failure."""
    path.write_bytes(damaged)
    try:
        value = read_checkpoint(path)
    except InputError as refusal:
        assert str(refusal).startswith(str(path)) and str(refusal).isprintable()
        return str(refusal)
    assert_inert(value)
    return "data"


Edit = tuple[str, float, float, bytes]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "delete", "insert", "splice", "truncate", "overwrite"]),
        st.floats(0, 1, exclude_max=True),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=9),
    ),
    min_size=1,
    max_size=6,
)


def edited(original: bytes, edits: list[Edit]) -> bytes:
    """The bytes after each edit: its place and a second one (as shares of the length), and the bytes it puts there."""
    damaged = bytearray(original)
    for kind, place, other, inserted in edits:
        here, there = int(place * len(damaged)), int(other * len(damaged))
        length = len(inserted) * 3
        if kind == "flip" and damaged:
            damaged[here] ^= inserted[0] or 1
        elif kind == "delete":
            del damaged[here : here + length]
        elif kind == "insert":
            damaged[here:here] = inserted
        elif kind == "splice":
            damaged[here:here] = damaged[there : there + 10 * length]
        elif kind == "overwrite":
            damaged[here : here + len(inserted)] = inserted
        elif kind == "truncate" and place > 0.5:
            del damaged[here:]
    return bytes(damaged)


Move = tuple[str, int, int, int, int]
MOVE_KINDS = ("substitute", "substitute", "substitute", "replace", "insert", "delete")


def rearranged(choice: int, moves: list[Move], streams: list[list[tuple[str, bytes]]] = STREAMS) -> bytes:
    """A stream of whole opcodes, some of them replaced: by one that does the same to the stack, or by any others."""
    opcodes = list(streams[choice])
    for kind, donor, start, length, place in moves:
        other = streams[donor % len(streams)]
        where = place % len(opcodes)
        if kind == "substitute":
            alike = [opcode for opcode in other if opcode[0] == opcodes[where][0]]
            opcodes[where] = alike[start % len(alike)] if alike else opcodes[where]
        else:
            piece = [] if kind == "delete" else other[start % len(other) :][:length]
            opcodes[where : where + (0 if kind == "insert" else length)] = piece
    return b"".join(argument for _, argument in opcodes)


# More, to look for what few do not find: DRAG3D_FUZZ=100000 pytest -k fuzz
FILES = int(os.environ.get("DRAG3D_FUZZ", "2000"))
quick = settings(
    max_examples=max(100, FILES // 20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(MOVE_KINDS), st.integers(0, 2), st.integers(0, 9999), st.integers(1, 5), st.integers(0, 9999)
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("original", SEEDS, ids=["zip", "legacy", "pickle 2", "pickle 4"])
def test_the_files_to_be_damaged_are_good(tmp_path: Path, original: bytes) -> None:
    assert read(tmp_path / "good", original) == "data"
    assert len(original) < 20_000


@quick
@given(original=st.sampled_from(SEEDS), edits=EDITS)
def test_a_file_with_damaged_bytes_is_read_or_refused(tmp_path: Path, original: bytes, edits: list[Edit]) -> None:
    read(tmp_path / "damaged", edited(original, edits))


@quick
@given(edits=EDITS)
def test_an_archive_with_a_damaged_pickle_and_right_checksums_is_read_or_refused(
    tmp_path: Path, edits: list[Edit]
) -> None:
    read(tmp_path / "damaged", repack(edited(archive_stream(), edits)))


@quick
@given(choice=st.integers(0, 2), moves=MOVES)
def test_whole_opcodes_in_a_wrong_order_are_read_or_refused(tmp_path: Path, choice: int, moves: list[Move]) -> None:
    stream = rearranged(choice, moves)
    read(tmp_path / "damaged", repack(stream) if choice == 0 else stream)


def random_damage(generator: random.Random) -> bytes:
    """One damaged file; half of them with whole opcodes, because those get furthest."""
    if generator.random() < 0.5:
        moves = [
            (generator.choice(MOVE_KINDS), *(generator.randrange(n) for n in (3, 9999, 6, 9999)))
            for _ in range(generator.randint(1, 4))
        ]
        choice = generator.randrange(3)
        stream = rearranged(choice, moves)
        return repack(stream) if choice == 0 else stream
    kinds = ("flip", "flip", "flip", "delete", "insert", "splice", "truncate", "overwrite")
    edits = [
        (generator.choice(kinds), generator.random(), generator.random(), generator.randbytes(generator.randint(1, 9)))
        for _ in range(generator.randint(1, 3))
    ]
    if generator.random() < 0.4:
        return repack(edited(archive_stream(), edits))
    return edited(generator.choice(SEEDS), edits)


@pytest.mark.slow
def test_thousands_of_damaged_files_end_well(tmp_path: Path) -> None:
    generator = random.Random(20)
    ends = [read(tmp_path / "damaged", random_damage(generator)) for _ in range(FILES)]
    loaded = ends.count("data")
    assert loaded > FILES / 20, "damage that is never survived explores nothing"
    reasons = {end.split("damaged", 1)[1].split("(")[-1][:30] for end in ends if end != "data"}
    assert len(reasons) > 25, "all over the reader"


@pytest.mark.slow
def test_damaged_files_take_500_mb_and_run_nothing(tmp_path: Path) -> None:
    generator = random.Random(3)
    paths = [tmp_path / f"{i}" for i in range(FILES)]
    for path in paths:
        path.write_bytes(random_damage(generator))
    jailed = read_in_jail(*paths, seconds=280)
    assert len(jailed) == len(paths)
    assert {tuple(events) for _, _, events in jailed.values()} == {()}


# ---- StyleGAN2 files, all the way to a generator -----------------------------------------------------------------

TINY = ImageConfig(z_dim=2, w_dim=3, mapping_layers=1, channels=(2, 2), label_dim=2, architecture="resnet")
PLAIN = ImageConfig(z_dim=2, w_dim=3, mapping_layers=1, channels=(2, 2), conv_clamp=None)


whole_way = settings(quick, max_examples=max(40, FILES // 50))  # loading takes longer than reading


def tiny(config: ImageConfig) -> ImageGenerator:
    torch.manual_seed(5)
    return ImageGenerator(config, "tiny").requires_grad_(False)


def saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def native_bytes(folder: Path) -> bytes:
    write_generator(folder / "tiny.safetensors", tiny(TINY))
    return (folder / "tiny.safetensors").read_bytes()


IMAGE_PICKLES = [
    snapshot(network_of(tiny(TINY))),
    snapshot(network_of(tiny(PLAIN), sizes=False), protocol=2),
    tensorflow(tiny(PLAIN)),
    saved({"g_ema": rosinality(tiny(PLAIN))}, _use_new_zipfile_serialization=False),
]
IMAGE_STREAMS = [opcodes_of(stream) for stream in IMAGE_PICKLES[:3]]
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**600), 2**600), st.floats(), st.text(max_size=9), st.binary(max_size=9),
    st.lists(st.integers(-9, 9), max_size=4), st.tuples(st.text(max_size=3), st.integers()),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3), st.sets(st.integers(0, 9), max_size=3),
    st.builds(torch.zeros, st.lists(st.integers(0, 3), max_size=5)),
    st.builds(lambda shape: torch.ones(shape, dtype=torch.int16), st.lists(st.integers(0, 3), max_size=3)),
    st.builds(ImageNetwork, st.sampled_from(["Generator", "SynthesisLayer", "MappingNetwork", "x"])),
)  # fmt: skip


def loaded(path: Path, content: bytes) -> str:
    """How loading ends: `generator`, or the refusal; any exception but InputError is the test's failure."""
    path.write_bytes(content)
    try:
        generator = load(path)
    except InputError as refusal:
        assert str(path) in str(refusal) and str(refusal).isprintable()
        return str(refusal)
    assert isinstance(generator, ImageGenerator)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in generator.state_dict().values())
    latents = generator.latents(0)
    width, height = generator.size
    assert generator.pixels(latents).shape == (height, width, generator.config.image_channels)
    return "generator"


def test_the_stylegan2_files_to_be_damaged_are_good(tmp_path: Path) -> None:
    for content in (*IMAGE_PICKLES, native_bytes(tmp_path)):
        assert loaded(tmp_path / "good", content) == "generator"
        assert len(content) < 40_000


@whole_way
@given(original=st.sampled_from(IMAGE_PICKLES), edits=EDITS)
def test_a_stylegan2_file_with_damaged_bytes_is_loaded_or_refused(
    tmp_path: Path, original: bytes, edits: list[Edit]
) -> None:
    loaded(tmp_path / "damaged", edited(original, edits))


@whole_way
@given(edits=EDITS)
def test_a_native_file_with_damaged_bytes_is_loaded_or_refused(tmp_path: Path, edits: list[Edit]) -> None:
    content = native_bytes(tmp_path)
    loaded(tmp_path / "damaged", edited(content, edits))


@whole_way
@given(choice=st.integers(0, 2), moves=MOVES)
def test_a_stylegan2_file_of_rearranged_opcodes_is_loaded_or_refused(
    tmp_path: Path, choice: int, moves: list[Move]
) -> None:
    loaded(tmp_path / "damaged", rearranged(choice, moves, IMAGE_STREAMS))


def places(tree: ImageNetwork) -> list[tuple[dict[str, Any], str]]:
    """Every attribute, tensor and child of every module: the dictionary it is in, and its name there."""
    found: list[tuple[dict[str, Any], str]] = []
    for group in (tree.attributes, tree.parameters, tree.buffers, tree.modules):
        found += [(group, name) for name in group]
    for child in tree.modules.values():
        found += places(child)
    return [*found, (tree.attributes, "_modules"), (tree.attributes, "_parameters"), (tree.attributes, "extra")]


@whole_way
@given(config=st.sampled_from([TINY, PLAIN]), place=st.integers(0, 9999), value=ANYTHING)
def test_anything_may_stand_for_any_part_of_a_snapshot(
    tmp_path: Path, config: ImageConfig, place: int, value: Any
) -> None:
    tree = network_of(tiny(config))
    found = places(tree)
    group, name = found[place % len(found)]
    group[name] = value
    loaded(tmp_path / "damaged", snapshot(tree))


@whole_way
@given(place=st.integers(0, 9999), value=ANYTHING)
def test_anything_may_stand_for_any_part_of_a_tensorflow_snapshot(tmp_path: Path, place: int, value: Any) -> None:
    def change(network: Any) -> None:
        parts = [network, *network.components.values()]
        names = ("architecture", "resolution", "conv_clamp", "resample_kernel", "nonlinearity", "latent_size")
        found: list[tuple[Any, Any]] = [(p.__dict__, key) for p in parts for key in p.__dict__]
        found += [(network.static_kwargs, name) for name in names] + [
            (network.components, k) for k in network.components
        ]
        found += [(p.variables, i) for p in parts for i in range(len(p.variables))]
        group, key = found[place % len(found)]
        is_variable = isinstance(group, list)
        plain = value.numpy() if isinstance(value, torch.Tensor) else value
        group[key] = (group[key][0], plain) if is_variable and place % 2 else plain

    loaded(tmp_path / "damaged", tensorflow(tiny(PLAIN), change))


@whole_way
@given(place=st.integers(0, 9999), value=ANYTHING, average=ANYTHING)
def test_anything_may_stand_for_any_tensor_of_a_state(tmp_path: Path, place: int, value: Any, average: Any) -> None:
    official, community = dict(tiny(TINY).state_dict()), rosinality(tiny(PLAIN))
    for state in (official, community):
        name = sorted(state)[place % len(state)]
        state[name] = value
    loaded(tmp_path / "damaged", pickled({"G_ema": official}))
    loaded(tmp_path / "damaged", pickled({"g_ema": community, "latent_avg": average}))
