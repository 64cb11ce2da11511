"""torch.save since 1.6: a zip archive of *stored* entries, `<name>/data.pkl` and the storages `<name>/data/<key>`.

Read by hand: a general zip library inflates compressed entries, and builds an object for every entry that is claimed.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from .legacy import StorageTable
from .limits import MAX_ARCHIVE_ENTRIES, Budget, CutShort, Damaged, Suspicious, Unreadable
from .opcodes import PickleMachine
from .tensors import Storage
from .vocabulary import DATA_TYPES

MAGIC = b"PK\x03\x04"
END_LENGTH, LOCATOR_LENGTH, ENTRY_LENGTH, LOCAL_LENGTH = 22, 20, 46, 30
MAX_COMMENT = 0xFFFF
NOT_TORCH = "is a zip archive, but not one that torch.save wrote: unpack it and give the checkpoint inside"
DAMAGED = "its zip directory makes no sense"


@dataclass
class Entry:
    """A stored entry: its bytes in the file, and their checksum, 0 where torch.save was told not to compute it."""

    data: memoryview
    crc32: int

    def checked(self) -> memoryview:
        """The bytes, unless they do not add up."""
        if self.crc32 and zlib.crc32(self.data) != self.crc32:
            raise Damaged("its contents do not match their checksum")
        return self.data


def read_archive(data: memoryview, budget: Budget) -> Any:
    """The draft in a zip archive by torch.save.

    :raises Unreadable: if the archive compresses, overlaps, is cut short, or is not torch's.
    """
    entries = dict(_entries(data))
    roots = [name.removesuffix("data.pkl") for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise Unreadable(NOT_TORCH)
    root = roots[0]
    if f"{root}constants.pkl" in entries or any(name.startswith(f"{root}code/") for name in entries):
        raise Unreadable("is a TorchScript program, whose code is never run; save the model's state_dict() instead")
    if f"{root}byteorder" in entries and entries[f"{root}byteorder"].data != b"little":
        raise Unreadable("holds numbers in big-endian order; save it again on an ordinary computer")
    stream = entries[f"{root}data.pkl"].checked()
    return PickleMachine(stream, DATA_TYPES, budget, _ArchiveStorages(entries, root).refer).run()


class _ArchiveStorages(StorageTable):
    """Storages whose data are the archive's entries."""

    def __init__(self, entries: dict[str, Entry], root: str) -> None:
        super().__init__()
        self.entries = entries
        self.root = root

    def create(self, key: str, dtype: torch.dtype, elements: Any) -> Storage:
        entry = self.entries.get(f"{self.root}data/{key}")
        if entry is None:
            raise Damaged("the data of a tensor are missing")
        return Storage(dtype, elements, entry.data, entry.checked)


def _entries(data: memoryview) -> Iterator[tuple[str, Entry]]:
    """The entries by name. They may not overlap: their sizes add up to no more than the file's."""
    count, position, end = _directory(data)
    if count > MAX_ARCHIVE_ENTRIES:
        raise Suspicious(f"declares {count:,} entries, more than any checkpoint has")
    names: set[str] = set()
    left = len(data)
    for _ in range(count):
        header = _unpack("<4s4xHH4xLLLHHH8xL", data, position, b"PK\x01\x02")
        flags, method, crc32, packed, size, name_length, extra_length, comment_length, offset = header
        name = _name(data, position + ENTRY_LENGTH, name_length)
        extra_start = position + ENTRY_LENGTH + name_length
        position = extra_start + extra_length + comment_length
        if method or flags & 1:
            raise Unreadable(
                "is a compressed or encrypted zip archive, which torch.save never writes; unpack it or get it again"
            )
        size, packed, offset = _wide(bytes(data[extra_start : extra_start + extra_length]), [size, packed, offset])
        left -= size
        if size != packed or left < 0 or name in names or position > end:
            raise Damaged(DAMAGED)
        names.add(name)
        yield name, Entry(_content(data, offset, size, name), crc32)


def _directory(data: memoryview) -> tuple[int, int, int]:
    """How many entries the central directory has, its start and its end, from the record at the archive's end."""
    tail_start = max(0, len(data) - END_LENGTH - MAX_COMMENT)
    found = bytes(data[tail_start:]).rfind(b"PK\x05\x06")
    if found < 0:
        raise CutShort
    position = tail_start + found
    count, size, start = _unpack("<4s6xHLL2x", data, position, b"PK\x05\x06")
    locator = position - LOCATOR_LENGTH
    if locator >= 0 and data[locator : locator + 4] == b"PK\x06\x07":  # torch always writes the 64-bit form too
        (wide,) = _unpack("<4s4xQ4x", data, locator, b"PK\x06\x07")
        count, size, start = _unpack("<4s28xQQQ", data, wide, b"PK\x06\x06")
    if start + size > position:
        raise Damaged(DAMAGED)
    return count, start, start + size


def _wide(extra: bytes, fields: list[int]) -> list[int]:
    """Sizes and offset, replaced by the 64-bit ones of the zip64 extra field where the 32-bit ones are full."""
    position = 0
    wide: list[int] = []
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            content = extra[position + 4 : position + 4 + length]
            wide = list(struct.unpack(f"<{len(content) // 8}Q", content[: len(content) // 8 * 8]))
        position += 4 + length
    if len(wide) < fields.count(0xFFFFFFFF):
        raise Damaged(DAMAGED)
    return [wide.pop(0) if value == 0xFFFFFFFF else value for value in fields]


def _content(data: memoryview, offset: int, size: int, name: str) -> memoryview:
    """The bytes of an entry, which follow its local header; the header must be of the same entry."""
    name_length, extra_length = _unpack("<4s22xHH", data, offset, MAGIC)
    start = offset + LOCAL_LENGTH + name_length + extra_length
    if start + size > len(data) or _name(data, offset + LOCAL_LENGTH, name_length) != name:
        raise Damaged(DAMAGED)
    return data[start : start + size]


def _name(data: memoryview, start: int, length: int) -> str:
    name = bytes(data[start : start + length]).decode("utf-8", "backslashreplace")
    if ".." in name.split("/") or name.startswith("/") or "\\" in name:
        raise Suspicious("has zip entries that point outside the archive")
    return name


def _unpack(layout: str, data: memoryview, position: int, signature: bytes) -> tuple[int, ...]:
    """The numbers of a zip record, which begins with `signature`."""
    if position + struct.calcsize(layout) > len(data):
        raise Damaged(DAMAGED)
    found, *numbers = struct.unpack_from(layout, data, position)
    if found != signature:
        raise Damaged(DAMAGED)
    return tuple(numbers)
