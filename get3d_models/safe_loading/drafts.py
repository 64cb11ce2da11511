"""What the interpreter builds: plain containers, and drafts of the few objects that are described in two steps."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from .limits import Budget, Damaged, Suspicious, Unreadable
from .tensors import NUMPY_DTYPES, TensorView, view_of_array


@dataclass(frozen=True)
class Global:
    """A token for one known (module, name): what calling it builds (`call`), and what its bare instance is (`new`)."""

    name: str
    build: Callable[[tuple[Any, ...], Budget], Any] | None = None
    new: Callable[[], Any] | None = None
    dtype: torch.dtype | None = None

    def call(self, arguments: tuple[Any, ...], budget: Budget) -> Any:
        """What `name(*arguments)` stands for."""
        if self.build is None:
            raise Suspicious(f"calls {self.name}, which only names a type")
        return self.build(arguments, budget)

    def create(self, arguments: tuple[Any, ...]) -> Any:
        """What `name.__new__(name)` stands for; it never has arguments."""
        if self.new is None or arguments:
            raise Suspicious(f"creates a {self.name} in a way that no checkpoint does")
        return self.new()


class Draft(ABC):
    """An object whose state follows its creation (the pickle opcode BUILD)."""

    @abstractmethod
    def build(self, state: Any, budget: Budget) -> None:
        """Take the state, in the one form the class is known to write; anything else is refused."""


class OrderedEntries(dict[Any, Any], Draft):
    """An OrderedDict. Its only state, the `_metadata` of a state_dict, counts module versions and is dropped."""

    __slots__ = ()

    def build(self, state: Any, budget: Budget) -> None:
        state_of(state, "collections.OrderedDict", budget)


@dataclass(eq=False)
class NamespaceDraft(Draft):
    """An argparse.Namespace: the options of a training run."""

    fields: dict[str, Any] = field(default_factory=dict)

    def build(self, state: Any, budget: Budget) -> None:
        self.fields = state_of(state, "argparse.Namespace", budget)
        if not all(name.isidentifier() and not name.startswith("__") for name in self.fields):
            raise Suspicious("has an option whose name is not a name")


@dataclass(eq=False)
class ModuleDraft(Draft):
    """A network that carries its own source code, of which only the digest is kept."""

    class_name: str
    state: dict[str, Any] | None = None
    source_sha256: str | None = None
    source_length: int = 0

    def build(self, state: Any, budget: Budget) -> None:
        """The state of a TensorFlow network (dnnlib.tflib), whose source is one of its entries."""
        self.state = state_of(state, self.class_name, budget)
        self.set_source(self.state.pop("build_module_src", None), budget)

    def set_source(self, source: Any, budget: Budget) -> None:
        """Note which source this is; many modules refer to one text, which is digested once."""
        if source is None:
            return
        if not isinstance(source, str):
            raise Suspicious("has a module whose source is no text")
        if id(source) not in budget.digests:
            budget.digests[id(source)] = (hashlib.sha256(source.encode()).hexdigest(), source)
        self.source_sha256, self.source_length = budget.digests[id(source)][0], len(source)


@dataclass(eq=False)
class DTypeDraft(Draft):
    """A numpy.dtype of numbers. The byte order follows in its state."""

    code: str

    def build(self, state: Any, budget: Budget) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) >= 2 else None
        if order not in ("<", "|", "="):
            raise Unreadable("holds numbers in big-endian order; save it again on an ordinary computer")

    @property
    def dtype(self) -> torch.dtype:
        """The same type in torch."""
        if self.code not in NUMPY_DTYPES:
            raise Suspicious(f"holds numpy values of type {self.code[:16]!a}; only plain numbers are read")
        return NUMPY_DTYPES[self.code]


@dataclass(eq=False)
class ArrayDraft(Draft):
    """A numpy.ndarray, which becomes a tensor."""

    view: TensorView | None = None

    def build(self, state: Any, budget: Budget) -> None:
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], DTypeDraft)):
            raise Damaged("the state of a numpy array makes no sense")
        _, shape, dtype, column_major, source = state
        self.view = view_of_array(dtype.dtype, shape, column_major is True, bytes_of(source), budget)


def state_of(value: Any, what: str, budget: Budget) -> dict[str, Any]:
    """A copy of `value`, a dictionary of names; a copy, because the stream may change the original later."""
    if not isinstance(value, dict):
        raise Damaged(f"the state of a {what} is no dictionary")
    budget.spend("opcodes", len(value))
    if not all(type(key) is str for key in value):
        raise Damaged(f"the state of a {what} has entries without a name")
    return dict(value)


def bytes_of(value: Any) -> memoryview:
    """`value`, if it is a byte string."""
    if isinstance(value, memoryview):
        return value
    raise Damaged(f"it has a {type(value).__name__} where bytes belong")
