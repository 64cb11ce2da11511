"""A pickle interpreter that can only build data.

Python's own unpickler imports and calls what a file names. This one knows the opcodes that protocols 2 to 5 write for
plain data, and a *vocabulary*: a fixed table of (module, name) pairs, each with a function of ours that builds an inert
value. Nothing is imported, no attribute is looked up by a name from the file, and nothing is allocated from a length
that the file declares: it is first compared with the bytes really there, and byte strings are views of the mapped file.
"""

import pickletools
import struct
from collections.abc import Callable, Mapping
from typing import Any

from .drafts import Draft, Global
from .limits import MAX_OPCODES, Budget, CutShort, Damaged, Suspicious, Unreadable

OPCODE_NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
MAX_GLOBAL_NAME = 256


class PickleMachine:
    """Interprets pickle streams that lie one after another in `data`.

    :param data: the bytes, as a view that is never copied as a whole.
    :param vocabulary: which (module, name) pairs may be named, and what they build.
    :param budget: what all streams of one file may cost together.
    :param persistent: what builds a value from a persistent id (torch's storages); without it such ids are refused.
    """

    def __init__(
        self,
        data: memoryview,
        vocabulary: Mapping[tuple[str, str], Global],
        budget: Budget,
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        self.data = data
        self.vocabulary = vocabulary
        self.budget = budget
        self.persistent = persistent
        self.position = 0
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        budget.spend("stream_bytes", len(data))

    def run(self) -> Any:
        """Interpret one stream, from `position` to its STOP, and return the value it describes.

        :raises Unreadable: for anything that is not a well-formed stream of data.
        """
        self.stack, self.marks, self.memo = [], [], {}
        while True:
            start = self.position
            code = self.take(1)[0]
            self.budget.spend("opcodes", 1)
            if code == STOP:
                return self._result(start)
            operation = OPERATIONS.get(code)
            if operation is None:
                if code not in OPCODE_NAMES:
                    raise self._nonsense(start)
                raise Suspicious(f"uses the pickle opcode {OPCODE_NAMES[code]}, which no checkpoint needs")
            try:
                operation(self)
            except IndexError:  # popped more than was pushed
                raise self._nonsense(start) from None

    def _result(self, start: int) -> Any:
        if len(self.stack) != 1 or self.marks:
            raise self._nonsense(start)
        return self.stack.pop()

    @staticmethod
    def _nonsense(position: int) -> Damaged:
        return Damaged(f"its pickle stream makes no sense at byte {position:,}")

    def take(self, length: int) -> memoryview:
        """The next `length` bytes, if there are so many."""
        end = self.position + length
        if end > len(self.data):
            raise CutShort
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def take_line(self) -> str:
        """The next line of a GLOBAL; names are short, so no long search for its end."""
        window = bytes(self.data[self.position : self.position + MAX_GLOBAL_NAME])
        length = window.find(b"\n")
        if length < 0:
            raise Damaged("a name in it has no end") if len(window) == MAX_GLOBAL_NAME else CutShort
        self.position += length + 1
        return window[:length].decode("ascii", "backslashreplace")

    def number(self, layout: str) -> int:
        """The next number, laid out as `struct` would say it."""
        return int(struct.unpack(layout, self.take(struct.calcsize(layout)))[0])

    def push(self, value: Any) -> None:
        """Put `value` on the stack."""
        self.stack.append(value)

    def pop_mark(self) -> list[Any]:
        """Everything pushed since the last MARK."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def pop(self, kind: type) -> Any:
        """The top of the stack, which must be of this type or a subclass."""
        return _expect(self.stack.pop(), kind)


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise Damaged("its pickle stream has a value where another kind of value belongs")
    return value


def _key(key: Any) -> Any:
    """Only keys whose hashes cannot be made to collide: strings (salted) and integers below the hash modulus."""
    if key is None or type(key) in (str, bool) or (type(key) is int and abs(key) < 1 << 60):
        return key
    raise Suspicious(f"uses a {type(key).__name__} as a key, which no checkpoint needs")


def _text(machine: PickleMachine, length: int) -> str:
    encoded = machine.take(length)
    machine.budget.spend("text_bytes", length)
    try:
        return str(encoded, "utf-8")
    except UnicodeDecodeError:
        raise Damaged("a text in it is not UTF-8") from None


def _mark(machine: PickleMachine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _protocol(machine: PickleMachine) -> None:
    protocol = machine.number("<B")
    if not 2 <= protocol <= 5:
        raise Unreadable(f"is a pickle of protocol {protocol}; protocols 2 to 5 are read: save it again with Python 3")


def _frame(machine: PickleMachine) -> None:
    if machine.number("<Q") > len(machine.data) - machine.position:
        raise CutShort


def _append(machine: PickleMachine, items: list[Any]) -> None:
    _expect(machine.stack[-1], list).extend(items)


def _set_items(machine: PickleMachine, items: list[Any]) -> None:
    target = _expect(machine.stack[-1], dict)
    if len(items) % 2:
        raise IndexError
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[_key(key)] = value


def _add_items(machine: PickleMachine) -> None:
    items = machine.pop_mark()
    _expect(machine.stack[-1], set).update(map(_key, items))


def _recall(machine: PickleMachine, index: int) -> None:
    if index not in machine.memo:
        raise IndexError
    machine.push(machine.memo[index])


def _look_up(machine: PickleMachine, module: str, name: str) -> None:
    """Push the token of an exact pair: a dotted name is just another name that is not in the table."""
    token = machine.vocabulary.get((module, name))
    if token is None:
        asked = f"{module}.{name}"[:MAX_GLOBAL_NAME]
        raise Unreadable(
            f"asks for {asked!a}, which is not in the list of known data types; nothing was run. "
            "Do not open it with other programs unless you trust it; if it is a genuine model, report that name"
        )
    machine.push(token)


def _stack_global(machine: PickleMachine) -> None:
    name, module = machine.pop(str), machine.pop(str)
    _look_up(machine, module, name)


def _reduce(machine: PickleMachine) -> None:
    arguments, token = machine.pop(tuple), machine.pop(Global)
    machine.push(token.call(arguments, machine.budget))


def _new_object(machine: PickleMachine) -> None:
    arguments, token = machine.pop(tuple), machine.pop(Global)
    machine.push(token.create(arguments))


def _build(machine: PickleMachine) -> None:
    state = machine.stack.pop()
    _expect(machine.stack[-1], Draft).build(state, machine.budget)


def _persistent(machine: PickleMachine) -> None:
    if machine.persistent is None:
        raise Suspicious("refers to storages outside itself, as only torch.save's files may")
    machine.push(machine.persistent(machine.stack.pop()))


def _pushing(value: Callable[["PickleMachine"], Any]) -> Callable[["PickleMachine"], None]:
    return lambda machine: machine.push(value(machine))


def _tuple_of(length: int) -> Callable[["PickleMachine"], None]:
    def operation(machine: PickleMachine) -> None:
        if len(machine.stack) < length:
            raise IndexError
        machine.stack[-length:] = [tuple(machine.stack[-length:])]

    return operation


def _remember(index: Callable[["PickleMachine"], int]) -> Callable[["PickleMachine"], None]:
    def operation(machine: PickleMachine) -> None:
        position = index(machine)
        if position > MAX_OPCODES:  # picklers count from 0; the C unpickler would allocate up to here
            raise Suspicious(f"remembers a value under the impossible number {position:,}")
        machine.memo[position] = machine.stack[-1]

    return operation


STOP = ord(".")
OPERATIONS: dict[int, Callable[[PickleMachine], None]] = {
    ord(code): operation
    for code, operation in {
        "\x80": _protocol,
        "\x95": _frame,
        "(": _mark,
        "N": _pushing(lambda m: None),
        "\x88": _pushing(lambda m: True),
        "\x89": _pushing(lambda m: False),
        "K": _pushing(lambda m: m.number("<B")),
        "M": _pushing(lambda m: m.number("<H")),
        "J": _pushing(lambda m: m.number("<i")),
        "\x8a": _pushing(lambda m: int.from_bytes(m.take(m.number("<B")), "little", signed=True)),
        "G": _pushing(lambda m: struct.unpack(">d", m.take(8))[0]),
        "\x8c": _pushing(lambda m: _text(m, m.number("<B"))),
        "X": _pushing(lambda m: _text(m, m.number("<I"))),
        "\x8d": _pushing(lambda m: _text(m, m.number("<Q"))),
        "C": _pushing(lambda m: m.take(m.number("<B"))),
        "B": _pushing(lambda m: m.take(m.number("<I"))),
        "\x8e": _pushing(lambda m: m.take(m.number("<Q"))),
        ")": _pushing(lambda m: ()),
        "\x85": _tuple_of(1),
        "\x86": _tuple_of(2),
        "\x87": _tuple_of(3),
        "t": _pushing(lambda m: tuple(m.pop_mark())),
        "]": _pushing(lambda m: []),
        "a": lambda m: _append(m, [m.stack.pop()]),
        "e": lambda m: _append(m, m.pop_mark()),
        "}": _pushing(lambda m: {}),
        "s": lambda m: _set_items(m, [m.stack.pop(), m.stack.pop()][::-1]),
        "u": lambda m: _set_items(m, m.pop_mark()),
        "\x8f": _pushing(lambda m: set()),
        "\x90": _add_items,
        "\x91": _pushing(lambda m: frozenset(map(_key, m.pop_mark()))),
        "\x94": _remember(lambda m: len(m.memo)),
        "q": _remember(lambda m: m.number("<B")),
        "r": _remember(lambda m: m.number("<I")),
        "h": lambda m: _recall(m, m.number("<B")),
        "j": lambda m: _recall(m, m.number("<I")),
        "c": lambda m: _look_up(m, m.take_line(), m.take_line()),
        "\x93": _stack_global,
        "R": _reduce,
        "\x81": _new_object,
        "b": _build,
        "Q": _persistent,
    }.items()
}
