"""From drafts to the values a caller gets: plain data, tensors, and networks reduced to their state."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch

from .drafts import ArrayDraft, Draft, DTypeDraft, Global, ModuleDraft, NamespaceDraft
from .limits import MAX_DEPTH, MAX_VALUES, Budget, Damaged, Suspicious
from .tensors import Storage, TensorView

PLAIN = (str, int, float, bool, type(None))


@dataclass
class PickledModule:
    """A network as a pickle describes it: attributes only. The source code inside the file is never run, and not kept.

    :ivar class_name: such as `Generator`, or `dnnlib.tflib.network.Network` for a TensorFlow network.
    :ivar state: the attributes; in PyTorch's case with `_parameters`, `_buffers`, `_modules`, `_init_kwargs`.
    :ivar source_sha256: which source the file carried, for diagnostics.
    :ivar module_source_length: its length in characters.
    """

    class_name: str
    state: dict[str, Any]
    source_sha256: str | None = None
    module_source_length: int = 0

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All parameters and persistent buffers, by the names that `torch.nn.Module.state_dict` gives them."""
        return dict(self._named_tensors(""))

    def _named_tensors(self, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
        transient = self.state.get("_non_persistent_buffers_set") or ()
        for group in ("_parameters", "_buffers"):
            for name, tensor in (self.state.get(group) or {}).items():
                if isinstance(tensor, torch.Tensor) and not (group == "_buffers" and name in transient):
                    yield f"{prefix}{name}", tensor
        for name, module in (self.state.get("_modules") or {}).items():
            if isinstance(module, PickledModule):
                yield from module._named_tensors(f"{prefix}{name}.")


@dataclass
class _Finished:
    value: Any
    height: int = 0  # containers down to the deepest leaf
    count: int = 1  # values in it, shared ones counted each time


class Finisher:
    """Turns drafts into values, once for each object, so that what was shared stays shared.

    :raises Unreadable: when the whole is deeper than `MAX_DEPTH`, contains itself, or would be more than `MAX_VALUES`
        values to someone who walks it without knowing what is shared ("a billion laughs").
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.finished: dict[tuple[int, bool], _Finished | None] = {}

    def finish(self, value: Any, wanted: Collection[str] | None) -> Any:
        """The value; below the top-level keys that are not wanted, tensors have a shape and a type but no data."""
        if wanted is None or not isinstance(value, dict):
            return self._finish(value, True, 0).value
        entries = {key: self._finish(entry, key in wanted, 1) for key, entry in value.items()}
        self._measured(None, list(entries.values()))
        return {key: entry.value for key, entry in entries.items()}

    def _finish(self, value: Any, wanted: bool, depth: int) -> _Finished:
        if type(value) in PLAIN:
            return _Finished(value)
        key = (id(value), wanted)
        if key not in self.finished:
            if depth > MAX_DEPTH:
                raise Suspicious(f"nests values more than {MAX_DEPTH} deep, which no checkpoint does")
            self.finished[key] = None
            self.finished[key] = self._leaf(value, wanted) or self._container(value, wanted, depth)
        finished = self.finished[key]
        if finished is None:
            raise Suspicious("holds a value that contains itself, which no checkpoint does")
        return finished

    def _leaf(self, value: Any, wanted: bool) -> _Finished | None:
        if isinstance(value, TensorView):
            return _Finished(value.load() if wanted else value.describe())
        if isinstance(value, memoryview):
            self.budget.spend("copied_bytes", len(value))
            return _Finished(bytes(value))
        if isinstance(value, (set, frozenset)):
            return _Finished(value, 1, len(value) + 1)
        if isinstance(value, Storage):  # none in official files, but torch.save writes them
            view = TensorView(value, 0, (value.elements,), (1,), self.budget)
            return _Finished(view.load() if wanted else view.describe())
        return None

    def _container(self, value: Any, wanted: bool, depth: int) -> _Finished:
        parts, assemble = _take_apart(value)
        finished = [self._finish(part, wanted, depth + 1) for part in parts]
        return self._measured(assemble([part.value for part in finished]), finished)

    def _measured(self, value: Any, parts: list[_Finished]) -> _Finished:
        height = 1 + max((part.height for part in parts), default=0)
        count = 1 + sum(part.count for part in parts)
        if height > MAX_DEPTH:
            raise Suspicious(f"nests values more than {MAX_DEPTH} deep, which no checkpoint does")
        if count > MAX_VALUES:
            raise Suspicious(f"holds more than {MAX_VALUES:,} values, made to exhaust memory")
        return _Finished(value, height, count)


def _module(draft: ModuleDraft, state: dict[str, Any]) -> PickledModule:
    """A network whose parameters, buffers and modules are dictionaries of names, as everything after relies on."""
    for group in ("_parameters", "_buffers", "_modules"):
        named = state.get(group)
        if named is not None and not (isinstance(named, dict) and all(type(name) is str for name in named)):
            raise Damaged(f"the {group} of a network make no sense")
    if not isinstance(state.get("_non_persistent_buffers_set"), (set, frozenset, list, tuple, type(None))):
        raise Damaged("the buffers of a network make no sense")
    return PickledModule(draft.class_name, state, draft.source_sha256, draft.source_length)


def _take_apart(value: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The parts of a container, and what makes the finished container from the finished parts."""
    if isinstance(value, dict):
        return list(value.values()), lambda parts: dict(zip(value, parts, strict=True))
    if isinstance(value, (list, tuple)):
        return list(value), type(value)
    if isinstance(value, NamespaceDraft):
        return [value.fields], lambda parts: SimpleNamespace(**parts[0])
    if isinstance(value, ModuleDraft) and value.state is not None:
        return [value.state], lambda parts: _module(value, parts[0])
    if isinstance(value, ArrayDraft) and value.view is not None:
        return [value.view], lambda parts: parts[0]
    name = value.name if isinstance(value, Global) else type(value).__name__
    if isinstance(value, Draft) and not isinstance(value, DTypeDraft):
        raise Damaged(f"a {name} in it has no state")
    raise Suspicious(f"holds the type {name} itself where a value belongs")
