"""When what is unsaved is kept, and under which name; what lies in the folder is the business of ``autosaves``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from drag3d.viewer.autosaves import Autosaves
from drag3d.viewer.edits import Edit, Edits, Mark
from drag3d.viewer.replies import Autosaved, Level
from get3d_models.errors import InputError

LEAST_INTERVAL = 1.0
SHARE = 0.05
"""Of the time, at most, goes into keeping a long history while a drag runs"""


class Keeping:
    """Keeps what is unsaved in a folder. Where that cannot be written, it says so once and keeps nothing."""

    def __init__(self, folder: Path | None, say: Callable[[Level, str], None]):
        self._autosaves = None if folder is None else Autosaves(folder)
        self._say = say
        self._from = 0.0
        self._kept: dict[str, Mark] = {}

    def offered(self, without: str = "") -> tuple[Autosaved, ...]:
        """What an earlier run left."""
        found = () if self._autosaves is None else self._autosaves.offered()
        return tuple(item for item in found if item.name != without)

    def found(self, name: str) -> tuple[Path, str]:
        """The file and the model of what is offered under a name; InputError for any other name."""
        for item in self.offered():
            if item.name == name:
                assert self._autosaves is not None
                return self._autosaves.path(name), item.model
        raise InputError("this autosave is not there any more")

    def discard(self, name: str) -> None:
        """Forget what is offered under a name."""
        self.found(name)
        assert self._autosaves is not None
        self._autosaves.remove(name)

    def drop(self, edits: Iterable[Edit]) -> None:
        """Of these, nothing needs to be kept any more."""
        for edit in edits:
            if edit.autosave and self._autosaves is not None:
                self._autosaves.remove(edit.autosave)
            self._kept.pop(edit.autosave, None)
            edit.autosave = ""

    def keep(self, edits: Edits, at_once: bool) -> None:
        """Keep the present edit, if it has changed and it is time; or its autosave is removed, if all is saved."""
        edit = edits.current
        if self._autosaves is None or edit is None:
            return
        if not edit.unsaved:
            self.drop([edit])
            return
        kept = self._kept.get(edit.autosave)
        began = time.monotonic()
        if (kept and kept.same(edit.session)) or (began < self._from and not at_once):
            return
        name = edit.autosave or self._autosaves.new_name()
        try:
            self._autosaves.write(name, edit.session.save, edit.model, len(edit.session.history.entries) - 1)
        except (OSError, InputError) as error:
            self._say("note", str(InputError(f"there is no autosave in this run: {error}")))
            self._autosaves = None
            return
        edit.autosave, self._kept[name] = name, Mark(edit.session)
        if edit.restored:
            self._autosaves.remove(edit.restored)
            edit.restored = ""
        ended = time.monotonic()
        self._from = ended + max(LEAST_INTERVAL, (ended - began) / SHARE)
