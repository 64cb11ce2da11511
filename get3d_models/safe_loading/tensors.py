"""Storages and the views on them that tensors are, with every bound checked before a byte is allocated."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .limits import MAX_RANK, MAX_TENSOR_ELEMENTS, Budget, CutShort, Damaged, Suspicious

STORAGE_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "DoubleStorage": torch.float64,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
NUMPY_DTYPES = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "u2": torch.uint16,
    "u4": torch.uint32,
    "u8": torch.uint64,
    "b1": torch.bool,
}


Checked = Callable[[], memoryview]


class Storage:
    """`elements` numbers of one type, as they lie in the file; copied from it when the first tensor on it is wanted.

    :param checked: gives the bytes again, or refuses them if they do not match the file's checksum.
    """

    def __init__(
        self, dtype: torch.dtype, elements: Any, source: memoryview | None = None, checked: Checked | None = None
    ) -> None:
        self.dtype = dtype
        self.elements = whole_number(elements, "a storage's size")
        self.checked = checked
        self.source: memoryview | None = None
        self._loaded: torch.Tensor | None = None
        if source is not None:
            self.attach(source)

    @property
    def bytes(self) -> int:
        """How many bytes the elements take."""
        return self.elements * self.dtype.itemsize

    def attach(self, source: memoryview) -> None:
        """Say where the bytes are; refuses fewer than declared."""
        if self.bytes > len(source):
            raise Suspicious(f"declares a storage of {self.bytes:,} bytes but holds {len(source):,}")
        self.source = source

    def load(self) -> torch.Tensor:
        """The elements, `(elements,)`, a copy of the file's that all tensors on this storage share."""
        if self._loaded is None:
            self._loaded = self._copy()
        return self._loaded

    def _copy(self) -> torch.Tensor:
        if self.source is None:
            raise CutShort
        source = self.checked() if self.checked else self.source
        raw = torch.empty(self.bytes, dtype=torch.uint8)
        raw.numpy()[:] = np.frombuffer(source[: self.bytes], np.uint8)
        if self.dtype == torch.bool:
            raw.ne_(0)  # a bool that is neither 0 nor 1 is undefined behaviour in C++
        return raw.view(self.dtype)


class TensorView:
    """A tensor to be: which elements of a storage, in which shape.

    :raises Unreadable: unless every element lies within the storage and the view has no more elements than it (a stride
        of 0 makes 4 bytes look like a terabyte).
    """

    def __init__(self, storage: Storage, offset: Any, shape: Any, strides: Any, budget: Budget) -> None:
        self.storage = storage
        self.offset = whole_number(offset, "a tensor's offset")
        self.shape = _whole_numbers(shape, "a tensor's shape")
        self.strides = _whole_numbers(strides, "a tensor's strides")
        if len(self.shape) != len(self.strides):
            raise Damaged(f"a tensor of shape {_short(shape)} has {len(self.strides)} strides")
        if math.prod(max(length, 1) for length in self.shape) > MAX_TENSOR_ELEMENTS:
            raise Suspicious(f"declares a tensor of the impossible shape {_short(shape)}")
        elements = math.prod(self.shape)
        last = sum((length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True))
        end = self.offset + (last + 1 if elements else 0)
        if elements > storage.elements or end > storage.elements:
            raise Suspicious(f"declares a tensor of shape {_short(shape)} on a storage of {storage.elements:,} numbers")
        budget.spend("tensor_bytes", elements * storage.dtype.itemsize)

    def load(self) -> torch.Tensor:
        """The tensor itself, on the CPU, sharing memory with the other views of its storage only."""
        return self.storage.load().as_strided(self.shape, self.strides, self.offset)

    def describe(self) -> torch.Tensor:
        """The tensor's shape and type without its data, on torch's device `meta`."""
        return torch.empty_strided(self.shape, self.strides, dtype=self.storage.dtype, device="meta")


def view_of_array(dtype: torch.dtype, shape: Any, column_major: bool, source: memoryview, budget: Budget) -> TensorView:
    """The tensor equal to a numpy array whose elements lie in `source`, by rows or by columns."""
    lengths = _whole_numbers(shape, "an array's shape")
    storage = Storage(dtype, math.prod(lengths), source)
    order = lengths if column_major else lengths[::-1]
    strides = [math.prod(max(length, 1) for length in order[:i]) for i in range(len(order))]
    return TensorView(storage, 0, lengths, tuple(strides if column_major else strides[::-1]), budget)


def number_of(dtype: torch.dtype, source: memoryview, budget: Budget) -> int | float | bool:
    """The one number in `source`."""
    if len(source) != dtype.itemsize:
        raise Damaged(f"a number of {dtype.itemsize} bytes has {len(source)}")
    return TensorView(Storage(dtype, 1, source), 0, (), (), budget).load().item()


def whole_number(value: Any, what: str) -> int:
    """`value`, if it is a non-negative integer that fits 62 bits."""
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise Damaged(f"{what} is {_short(value)}")
    return value


def _whole_numbers(values: Any, what: str) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > MAX_RANK:
        raise Damaged(f"{what} is no tuple of at most {MAX_RANK} numbers")
    return tuple(whole_number(value, what) for value in values)


def _short(value: Any) -> str:
    """A value for a message: numbers as they are (an integer of 2,000 bits is not), anything else by its type."""
    if isinstance(value, tuple) and len(value) <= MAX_RANK and all(type(item) is int for item in value):
        return "(" + ", ".join(_short(item) for item in value) + ")"
    return str(value) if type(value) is int and abs(value) < 1 << 64 else f"a {type(value).__name__}"
