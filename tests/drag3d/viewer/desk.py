"""A studio without a process: intents go in, and what it replied is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from drag3d.viewer.intents import Intent, Shown
from drag3d.viewer.link import WorkerOptions
from drag3d.viewer.replies import Document, ImageShown, Reply, Said, ShapeShown
from drag3d.viewer.studio import Studio

R = TypeVar("R")
MOST_STEPS = 500


class Desk:
    """Somebody at the window who draws everything at once."""

    def __init__(self, source: str | Path, draws: bool = True, lends: Desk | None = None, **options: Any):
        self.replies: list[Reply] = []
        self.draws, self.number, self.cancels = draws, 0, 0
        self.studio = Studio(WorkerOptions(str(source), **options), self._take, self._cancelled)
        if lends is not None:  # generators, so that they are loaded once
            self.studio.library._loaded.update(lends.studio.library._loaded)
        self.studio.begin()

    def ask(self, *intents: Intent) -> list[Reply]:
        """Have intents performed, one after the other; returns all that was replied."""
        before = len(self.replies)
        for intent in intents:
            self.number += 1
            self.studio.perform(self.number, intent)
            assert self.document.answered == self.number
        return self.replies[before:]

    def work(self, steps: int = MOST_STEPS) -> int:
        """Let it make up to so many steps of the drag; returns how many it made."""
        for made in range(steps):
            if self.studio.patience is None:
                return made
            self.studio.work()
            if self.draws and isinstance(shown := self.shown, ShapeShown | ImageShown):
                self.studio.perform(self.number, Shown(shown.version))
        return steps

    def last(self, kind: type[R]) -> R:
        """The last reply of a kind."""
        return next(reply for reply in reversed(self.replies) if isinstance(reply, kind))

    @property
    def document(self) -> Document:
        """As the window has it."""
        return self.last(Document)

    @property
    def shown(self) -> Any:
        """What is drawn."""
        kinds = (ShapeShown, ImageShown)
        return next(r for r in reversed(self.replies) if isinstance(r, kinds) and not r.original)

    @property
    def session(self) -> Any:
        """Behind it all."""
        edit = self.studio.edits.current
        assert edit is not None
        return edit.session

    def _take(self, reply: Reply) -> None:
        self.replies.append(reply)

    def _cancelled(self) -> bool:
        self.cancels -= 1
        return self.cancels == 0


def said(replies: list[Reply], level: str) -> list[str]:
    """The lines of a level among replies."""
    return [reply.text for reply in replies if isinstance(reply, Said) and reply.level == level]
