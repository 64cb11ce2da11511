"""Undo and redo without limit, of immutable states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A state and what led to it, in a few words ("add point 2")."""

    label: str
    state: T


class History(Generic[T]):
    """States one after the other, and which of them is current. States are never changed, so sharing them is safe."""

    def __init__(self, first: T, label: str = "start"):
        self._entries = [Entry(label, first)]
        self._position = 0

    @classmethod
    def restored(cls, entries: Iterable[Entry[T]], position: int) -> History[T]:
        """A history as it was saved; ``position`` is that of the current entry."""
        entries = list(entries)
        if not 0 <= position < len(entries):
            raise IndexError(f"position {position} in a history of {len(entries)}")
        history = cls(entries[0].state)
        history._entries, history._position = entries, position
        return history

    @property
    def entries(self) -> tuple[Entry[T], ...]:
        """All states, those that can be redone included; the first one is the start."""
        return tuple(self._entries)

    @property
    def position(self) -> int:
        """Index of the current entry."""
        return self._position

    @property
    def current(self) -> T:
        """The current state."""
        return self._entries[self._position].state

    @property
    def can_undo(self) -> bool:
        """Whether something lies before the current state."""
        return self._position > 0

    @property
    def can_redo(self) -> bool:
        """Whether something was undone since the last edit."""
        return self._position + 1 < len(self._entries)

    def record(self, label: str, state: T) -> None:
        """Make ``state`` current; what had been undone before is forgotten."""
        del self._entries[self._position + 1 :]
        self._entries.append(Entry(label, state))
        self._position += 1

    def undo(self) -> str | None:
        """Go one state back and return what was undone, or None when there is nothing."""
        if not self.can_undo:
            return None
        self._position -= 1
        return self._entries[self._position + 1].label

    def redo(self) -> str | None:
        """Go one state forward and return what was redone, or None when there is nothing."""
        if not self.can_redo:
            return None
        self._position += 1
        return self._entries[self._position].label
