"""The sessions of one run, one for each shape or image that was generated or opened, as one line of undo and redo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from drag3d.session import Session
from drag3d.viewer.reel import Reel

MOST_UNEDITED = 200
"""Sessions in which nothing was done; they can be undone to, so many of them."""


class Mark:
    """A session as it was at some time. States are never changed, so they are compared by identity."""

    def __init__(self, session: Session):
        history = session.history
        self._position = history.position
        self._settings = (session.settings, session.latents_moved)
        self._objects = (session, history.current, session.latents, session.points, session.region)

    def same(self, session: Session, settings_too: bool = True) -> bool:
        """Whether it is as it was then."""
        other = Mark(session)
        alike = all(a is b for a, b in zip(self._objects, other._objects, strict=True))
        return alike and self._position == other._position and (not settings_too or self._settings == other._settings)


@dataclass(eq=False)
class Edit:
    """A session, and what the viewer knows of it beside."""

    session: Session
    model: str
    """As ``Generate`` names it"""
    label: str
    """What undo would take back, were it to take this session away"""
    path: str = ""
    """The person's own file"""
    autosave: str = ""
    """Name of its autosave; empty: it has none"""
    reel: Reel = field(default_factory=Reel)
    said: int = 0
    """How many of the session's notes have been passed on"""
    left_at: int = -1
    """Position of the history at which the next edit was begun"""
    restored: str = ""
    """Name of the autosave of an earlier run that it came from, until it is kept anew"""
    diagonal: float | None = None
    """Of the start; once it is known"""
    saved: Mark | None = None
    """What is in the person's own file; None: nothing is"""

    @property
    def edited(self) -> bool:
        """Whether there is anything but the start."""
        return len(self.session.history.entries) > 1

    @property
    def unsaved(self) -> bool:
        """Whether it has edits that are not in the person's own file."""
        dragged = self.session.latents is not self.session.history.current.latents  # a drag runs
        return (self.edited or dragged) and not (self.saved and self.saved.same(self.session))


class Edits:
    """The edits in their order, and which of them is shown."""

    def __init__(self) -> None:
        self._all: list[Edit] = []
        self._index = -1

    @property
    def current(self) -> Edit | None:
        """The one that is shown; None before the first."""
        return self._all[self._index] if self._all else None

    def __iter__(self) -> Any:
        return iter(self._all)

    def begin(self, edit: Edit) -> list[Edit]:
        """Put an edit behind the present one and show it; returns those that are forgotten with this."""
        gone = self.forget_later()
        if (before := self.current) is not None:
            before.left_at = before.session.history.position
        self._all.append(edit)
        self._index += 1
        return gone + self._thin_out()

    def forget_later(self) -> list[Edit]:
        """Forget the edits behind the present one, because something was done in it; returns them."""
        gone = self._all[self._index + 1 :]
        del self._all[self._index + 1 :]
        if gone:
            self._all[self._index].left_at = -1
        return gone

    # ---- undo and redo ------------------------------------------------------------------------------------------

    @property
    def undo_label(self) -> str:
        """What undo would take back; empty: nothing."""
        if not self._all:
            return ""
        edit = self._all[self._index]
        history = edit.session.history
        if history.can_undo:
            return history.entries[history.position].label
        return edit.label if self._index else ""

    @property
    def redo_label(self) -> str:
        """What redo would do again; empty: nothing."""
        if not self._all:
            return ""
        if self._next_is_later():
            return self._all[self._index + 1].label
        history = self._all[self._index].session.history
        return history.entries[history.position + 1].label if history.can_redo else ""

    def undo(self) -> None:
        """Take the last change back."""
        if not self._all:
            return
        if self._all[self._index].session.can_undo:
            self._all[self._index].session.undo()
        elif self._index:
            self._index -= 1

    def redo(self) -> None:
        """Do again what was undone last."""
        if not self._all:
            return
        if self._next_is_later():
            self._index += 1
        else:
            self._all[self._index].session.redo()

    def _next_is_later(self) -> bool:
        """Whether redo leads out of the present session: it stands where the next one was begun."""
        if self._index + 1 >= len(self._all):
            return False
        edit = self._all[self._index]
        return not edit.session.can_redo or edit.session.history.position == edit.left_at

    def _thin_out(self) -> list[Edit]:
        """Give back memory that is not needed now; forget the oldest unedited sessions beyond a number."""
        shown = self._all[self._index]
        for edit in self._all:
            if edit is not shown:
                edit.session.release()
        unedited = [edit for edit in self._all if not edit.edited and edit is not shown]
        gone = unedited[: max(0, len(unedited) - MOST_UNEDITED)]
        self._all = [edit for edit in self._all if edit not in gone]
        self._index = self._all.index(shown)
        return gone
