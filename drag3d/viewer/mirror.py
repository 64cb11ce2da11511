"""What the window knows of the session: the last replies, and what it has asked for that is not answered yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from drag3d.viewer.intents import Place
from drag3d.viewer.replies import Autosaved, Busy, Document, ImageShown, Level, PointMark, ShapeShown

MOST_MESSAGES = 200


@dataclass(frozen=True)
class Message:
    """One line for the person; ``serial`` tells a new one from the same text said again."""

    level: Level
    text: str
    serial: int


@dataclass
class Mirror:
    """The session as the window has it. Points moved by the mouse are shown at once, before the worker has answered."""

    document: Document = field(default_factory=Document)
    shown: ShapeShown | ImageShown | None = None
    original: ShapeShown | ImageShown | None = None
    busy: Busy = field(default_factory=lambda: Busy(""))
    offers: tuple[Autosaved, ...] = ()
    messages: list[Message] = field(default_factory=list)
    _moved: dict[tuple[int, str], tuple[int, Place]] = field(default_factory=dict)
    _added: list[tuple[int, PointMark]] = field(default_factory=list)

    def say(self, level: Level, text: str) -> None:
        """Add a line."""
        serial = self.messages[-1].serial + 1 if self.messages else 1
        self.messages = [*self.messages[-MOST_MESSAGES:], Message(level, text, serial)]

    def take(self, document: Document) -> None:
        """A new state; what it answers is no longer shown ahead of it."""
        self.document = document
        self._moved = {key: value for key, value in self._moved.items() if value[0] > document.answered}
        self._added = [(number, mark) for number, mark in self._added if number > document.answered]

    def move(self, index: int, end: str, place: Place, number: int) -> None:
        """Show a point's "handle" or "target" elsewhere until intent ``number`` is answered."""
        self._moved[index, end] = (number, place)

    def leave(self, index: int, end: str) -> None:
        """Show a point where the session has it."""
        self._moved.pop((index, end), None)

    def add(self, mark: PointMark, number: int) -> None:
        """Show a point more until intent ``number`` is answered."""
        self._added.append((number, mark))

    def points(self) -> Sequence[PointMark]:
        """As they are to be shown."""
        marks = list(self.document.points)
        for (index, end), (_, place) in self._moved.items():
            if index < len(marks):
                mark = marks[index]
                marks[index] = replace(mark, handle=place) if end == "handle" else replace(mark, target=place)
        return [*marks, *(mark for _, mark in self._added)]
