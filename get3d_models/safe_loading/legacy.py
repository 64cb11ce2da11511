"""torch.save before 1.6, and storages inside raw pickles, which have the same layout: pickle streams, then raw data.

The streams: a magic number, a protocol number, facts about the system, the object (its storages as persistent ids),
and the list of storage keys; then for each key an int64 number of elements and the elements themselves.
"""

from typing import Any

import torch

from .drafts import Global, bytes_of
from .limits import Budget, Damaged, Suspicious, Unreadable
from .opcodes import PickleMachine
from .tensors import Storage
from .vocabulary import DATA_TYPES, STORAGE_TYPES, Arguments, Vocabulary, table

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


class StorageTable:
    """The storages of one file, by their key; persistent ids are `('storage', type, key, device, elements[, view])`."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}

    def refer(self, identifier: Any) -> Storage:
        """The storage with this persistent id, the same one each time."""
        dtype, key, elements = self._parse(identifier)
        if key not in self.storages:
            self.storages[key] = self.create(key, dtype, elements)
        storage = self.storages[key]
        if (storage.dtype, storage.elements) != (dtype, elements):
            raise Damaged("it describes one storage in two ways")
        return storage

    def create(self, key: str, dtype: torch.dtype, elements: Any) -> Storage:
        """A storage met for the first time. Here its data follow later."""
        return Storage(dtype, elements)

    @staticmethod
    def _parse(identifier: Any) -> tuple[torch.dtype, str, Any]:
        if isinstance(identifier, tuple) and identifier[:1] == ("module",):
            raise Unreadable("holds a whole module with its code, which is never run; save its state_dict() instead")
        if not isinstance(identifier, tuple) or len(identifier) not in (5, 6) or identifier[0] != "storage":
            raise Damaged("a reference to a storage makes no sense")
        kind, key, elements = identifier[1], identifier[2], identifier[4]
        if (
            not isinstance(kind, Global)
            or kind.dtype is None
            or not isinstance(key, str)
            or identifier[5:] not in ((), (None,))
        ):
            raise Damaged("a reference to a storage makes no sense")
        return kind.dtype, key, elements


def read_streams(data: memoryview, vocabulary: Vocabulary, budget: Budget) -> Any:
    """The draft in a raw pickle or, if it begins with torch's magic number, in what follows that."""
    storages = StorageTable()
    machine = PickleMachine(data, vocabulary, budget)
    first = machine.run()
    if first != MAGIC or type(first) is not int:
        return first
    if machine.run() != PROTOCOL:
        raise Unreadable("was written by a version of torch that is not known; save it again with a current one")
    system = machine.run()
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise Unreadable("holds numbers in big-endian order; save it again on an ordinary computer")
    machine.persistent = storages.refer
    value = machine.run()
    machine.persistent = None
    _attach(machine, storages.storages)
    return value


def _attach(machine: PickleMachine, storages: dict[str, Storage]) -> None:
    """Read the keys and give each storage its data, which lie in the order of the keys."""
    keys = machine.run()
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in storages for key in keys):
        raise Damaged("its list of storages makes no sense")
    for key in keys:
        storage, elements = storages[key], machine.number("<q")
        if elements != storage.elements:
            raise Suspicious(f"declares a storage of {storage.elements:,} numbers and then of {elements:,}")
        storage.attach(machine.data[machine.position :])
        machine.take(storage.bytes)
    for storage in storages.values():
        storage.attach(storage.source if storage.source is not None else memoryview(b""))


def _storage_from_bytes(arguments: Arguments, budget: Budget) -> Storage:
    """`torch.storage._load_from_bytes(bytes)`: one storage, as a complete legacy file that holds nothing else."""
    storage = read_streams(bytes_of(arguments[0] if len(arguments) == 1 else None), STORAGE_TYPES, budget)
    if not isinstance(storage, Storage):
        raise Damaged("the bytes of a storage hold something else")
    return storage


# What a raw pickle may name: all of the above, and storages as bytes.
PICKLE_TYPES: Vocabulary = {**DATA_TYPES, **table({"torch.storage _load_from_bytes": _storage_from_bytes})}
