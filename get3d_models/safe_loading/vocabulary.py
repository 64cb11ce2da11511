"""The complete list of what a checkpoint may name, each entry with a function of ours that builds an inert value.

Collected from files of GET3D, StyleGAN2-ADA, StyleGAN3's repository, TensorFlow's StyleGAN2 and rosinality's, in the
spellings of old and new torch and numpy. A missing name is refused *by name*, so that a gap is easy to report.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .drafts import ArrayDraft, DTypeDraft, Global, ModuleDraft, NamespaceDraft, OrderedEntries, bytes_of, state_of
from .limits import Budget, Damaged
from .tensors import STORAGE_DTYPES, Storage, TensorView, number_of

Vocabulary = Mapping[tuple[str, str], Global]
Arguments = tuple[Any, ...]

NDARRAY = Global("numpy.ndarray")


def _check(sensible: bool, what: str) -> None:
    if not sensible:
        raise Damaged(f"{what} makes no sense")


def _ordered_dict(arguments: Arguments, budget: Budget) -> OrderedEntries:
    _check(not arguments, "an OrderedDict")
    return OrderedEntries()


def _set(arguments: Arguments, budget: Budget) -> set[Any]:
    _check(len(arguments) == 1 and isinstance(arguments[0], list), "a set")
    budget.spend("opcodes", len(arguments[0]))  # one list may be named many times
    _check(all(type(item) in (str, int) for item in arguments[0]), "a set")
    return set(arguments[0])


def _bytes(arguments: Arguments, budget: Budget) -> memoryview:
    """`bytes()`: how protocol 2 writes no bytes at all."""
    _check(not arguments, "a byte string")
    return memoryview(b"")


def _encode(arguments: Arguments, budget: Budget) -> memoryview:
    """`_codecs.encode(text, 'latin1')`: how protocol 2 writes bytes."""
    _check(len(arguments) == 2 and isinstance(arguments[0], str) and arguments[1] == "latin1", "a byte string")
    budget.spend("copied_bytes", len(arguments[0]))
    try:
        return memoryview(arguments[0].encode("latin1"))
    except UnicodeEncodeError:
        raise Damaged("a byte string in it makes no sense") from None


def _tensor(arguments: Arguments, budget: Budget) -> TensorView:
    """`_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])`."""
    _check(len(arguments) in (6, 7) and isinstance(arguments[0], Storage), "a tensor")
    _check(len(arguments) == 6 or not arguments[6], "a tensor's metadata")  # conjugated or negated views
    storage, offset, shape, strides = arguments[:4]
    return TensorView(storage, offset, shape, strides, budget)


def _parameter(arguments: Arguments, budget: Budget) -> TensorView:
    """`_rebuild_parameter(data, requires_grad, hooks)`: the data."""
    _check(len(arguments) == 3 and isinstance(arguments[0], TensorView), "a parameter")
    return arguments[0]


def _size(arguments: Arguments, budget: Budget) -> tuple[Any, ...]:
    _check(len(arguments) == 1 and isinstance(arguments[0], tuple), "a torch.Size")
    return arguments[0]


def _dtype(arguments: Arguments, budget: Budget) -> DTypeDraft:
    _check(len(arguments) == 3 and isinstance(arguments[0], str), "a numpy type")
    return DTypeDraft(arguments[0])


def _number(arguments: Arguments, budget: Budget) -> int | float | bool:
    """`numpy.core.multiarray.scalar(dtype, bytes)`."""
    _check(len(arguments) == 2 and isinstance(arguments[0], DTypeDraft), "a numpy number")
    dtype = arguments[0].dtype  # refuses a type that is not of numbers, before its bytes are looked at
    return number_of(dtype, bytes_of(arguments[1]), budget)


def _array(arguments: Arguments, budget: Budget) -> ArrayDraft:
    """`numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b'b')`: an empty array, filled by its state."""
    _check(len(arguments) == 3 and arguments[0] is NDARRAY, "an array")
    return ArrayDraft()


def _persistent_module(arguments: Arguments, budget: Budget) -> ModuleDraft:
    """`torch_utils.persistence._reconstruct_persistent_obj(meta)`: NVIDIA's networks, which bring their source."""
    meta = state_of(arguments[0] if len(arguments) == 1 else None, "network", budget)
    _check(meta.get("type") == "class" and isinstance(meta.get("class_name"), str), "a network")
    module = ModuleDraft(meta["class_name"], state_of(meta.get("state"), "network", budget))
    module.set_source(meta.get("module_src"), budget)
    return module


def table(entries: dict[str, Callable[[Arguments, Budget], Any]]) -> dict[tuple[str, str], Global]:
    """Entries of a vocabulary from `"module name"` and the builder of each."""
    tokens = {name: Global(name.replace(" ", "."), build=build) for name, build in entries.items()}
    return {(name.split()[0], name.split()[1]): token for name, token in tokens.items()}


# All that the bytes of a single storage may name.
STORAGE_TYPES: Vocabulary = {
    ("torch", name): Global(f"torch.{name}", dtype=dtype) for name, dtype in STORAGE_DTYPES.items()
}

# What torch.save's streams may name. Raw pickles may also hold storages as bytes: see `legacy`.
DATA_TYPES: Vocabulary = {
    **STORAGE_TYPES,
    **table(
        {
            "collections OrderedDict": _ordered_dict,
            "builtins set": _set,
            "__builtin__ set": _set,
            "builtins bytes": _bytes,
            "__builtin__ bytes": _bytes,
            "_codecs encode": _encode,
            "torch Size": _size,
            "torch._utils _rebuild_tensor_v2": _tensor,
            "torch._utils _rebuild_parameter": _parameter,
            "numpy dtype": _dtype,
            "numpy.core.multiarray scalar": _number,
            "numpy._core.multiarray scalar": _number,
            "numpy.core.multiarray _reconstruct": _array,
            "numpy._core.multiarray _reconstruct": _array,
            "torch_utils.persistence _reconstruct_persistent_obj": _persistent_module,
        }
    ),
    ("numpy", "ndarray"): NDARRAY,
    ("argparse", "Namespace"): Global("argparse.Namespace", new=NamespaceDraft),
    ("dnnlib.util", "EasyDict"): Global("dnnlib.util.EasyDict", new=dict),
    ("dnnlib.tflib.network", "Network"): Global(
        "dnnlib.tflib.network.Network", new=lambda: ModuleDraft("dnnlib.tflib.network.Network")
    ),
}
