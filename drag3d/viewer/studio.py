"""The worker's heart: performs intents on sessions, drags, and says what has become of it. No process, no toolkit."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from functools import singledispatchmethod
from pathlib import Path

from drag3d.session import Box, Session
from drag3d.session.storage import SUFFIX
from drag3d.session.summary import summary
from drag3d.viewer import intents as asked
from drag3d.viewer.configuring import changes_nothing, configure
from drag3d.viewer.documents import document
from drag3d.viewer.drive import Drive, viewpoint
from drag3d.viewer.edits import Edit, Edits, Mark
from drag3d.viewer.keeping import Keeping
from drag3d.viewer.library import Library
from drag3d.viewer.link import WorkerOptions
from drag3d.viewer.mirroring import mirrored
from drag3d.viewer.opening import Opening
from drag3d.viewer.painting import paint
from drag3d.viewer.replies import Busy, Level, Offers, Reply, Said, Written
from drag3d.viewer.showing import Showing
from drag3d.viewer.writing import Cancelled, Writer
from get3d_models.errors import InputError

MOST_POINTS = 64
DOCUMENT_INTERVAL = 1 / 30
TRACEBACK_SWITCH = "DRAG3D_TRACEBACK"

GO_ON = (
    asked.StartDrag, asked.StepDrag, asked.PauseDrag, asked.StopDrag, asked.Look, asked.Shown, asked.CancelWriting,
    asked.DiscardAutosave, asked.Quit,
)  # fmt: skip
"""Do not disturb a drag, or see to it themselves"""
END_IT = (
    asked.Generate, asked.OpenSession, asked.RestoreAutosave, asked.Undo, asked.Redo, asked.Reset, asked.SaveSession,
    asked.Export, asked.WriteFilm,
)  # fmt: skip
"""End a drag; all others interrupt it, and it goes on with what has changed"""


class Studio:
    """Performs intents one by one. Whatever goes wrong is said, and the studio goes on working.

    ``send`` takes replies; ``cancelled`` tells whether what is being written shall be left. Whoever owns the studio
    calls :meth:`begin`, then :meth:`perform` for each intent, and :meth:`work` when none has come for
    :attr:`patience` seconds.
    """

    def __init__(
        self, options: WorkerOptions, send: Callable[[Reply], None], cancelled: Callable[[], bool] = lambda: False
    ):
        self.options, self.send = options, send
        self.edits, self.drive, self.library = Edits(), Drive(), Library(options)
        self.opening, self.showing, self.writer = Opening(self.library, send), Showing(send), Writer(send, cancelled)
        self.keeping = Keeping(options.autosaves, self._say)
        self.answered, self.ended = 0, False
        self._document_from = 0.0

    def begin(self) -> None:
        """Load what the options name, and offer what an earlier run left."""
        self.send(Offers(self.keeping.offered()))
        source = self.options.source
        if source.endswith(SUFFIX):
            self._attempt(lambda: self._begin_edit(self.opening.opened(source)))
        else:
            options = self.options
            first = asked.Generate(options.seed, options.texture_seed, options.truncation, options.label, source)
            self._attempt(lambda: self._begin_edit(self.opening.generated(first, None)))
        self._attempt(self._tell)

    @property
    def patience(self) -> float | None:
        """Seconds until there is something to do of oneself; None: nothing."""
        return 0.0 if self.drive.state == "running" else None

    def work(self) -> None:
        """Make a step of the drag that runs, and show it."""
        if self.drive.state != "running":
            return
        self._attempt(self._step)
        ended = self.drive.state != "running"
        self._attempt(lambda: self._tell(hurried=not ended))

    def perform(self, number: int, intent: asked.Intent) -> None:
        """Carry an intent out, or say why not; a document follows, and what it changed."""
        before = None if self.edits.current is None else Mark(self._session)
        self._attempt(lambda: self._perform(intent))
        self.answered = number
        if before is not None and self.edits.current is not None and not before.same(self._session, False):
            travelled = isinstance(intent, asked.Undo | asked.Redo)
            self.keeping.drop([] if travelled else self.edits.forget_later())
        self._attempt(self._tell)

    # ---- what is asked ------------------------------------------------------------------------------------------

    def _perform(self, intent: asked.Intent) -> None:
        if isinstance(intent, GO_ON) or self.drive.state == "idle":
            self._do(intent)
        elif isinstance(intent, END_IT):
            self._end_drag()
            self._do(intent)
        elif not (isinstance(intent, asked.Configure) and changes_nothing(self._session, intent.changes)):
            self._interrupted(intent)

    def _interrupted(self, intent: asked.Intent) -> None:
        """Between two parts of a drag; it goes on if it ran, also where the intent is refused."""
        ran = self.drive.state == "running"
        self.drive.end()
        try:
            self._do(intent)
        finally:
            if ran:
                try:
                    self.drive.renew()
                except InputError as error:
                    self._say("note", f"the drag has ended: {error}")

    @singledispatchmethod
    def _do(self, intent: asked.Intent) -> None:
        raise InputError(f"nobody knows how to {type(intent).__name__} here")

    @_do.register
    def _(self, intent: asked.Generate) -> None:
        self._begin_edit(self.opening.generated(intent, self.edits.current))

    @_do.register
    def _(self, intent: asked.OpenSession) -> None:
        self._begin_edit(self.opening.opened(intent.path))

    @_do.register
    def _(self, intent: asked.RestoreAutosave) -> None:
        self._begin_edit(self.opening.restored(intent.name, *self.keeping.found(intent.name)))
        self.send(Offers(self.keeping.offered(without=intent.name)))

    @_do.register
    def _(self, intent: asked.DiscardAutosave) -> None:
        self.keeping.discard(intent.name)
        self.send(Offers(self.keeping.offered()))

    @_do.register
    def _(self, intent: asked.AddPoint) -> None:
        self._add_point(intent.handle, intent.target)

    @_do.register
    def _(self, intent: asked.MovePoint) -> None:
        if intent.handle is not None or intent.target is not None:
            self._session.move_point(intent.index, intent.handle, intent.target)

    @_do.register
    def _(self, intent: asked.MirrorPoint) -> None:
        handle, target = mirrored(self._session, intent.index)
        try:
            self._add_point(handle, target)
        except InputError as error:
            raise InputError(f"point {intent.index} has no mirror image here: {error}") from None

    @_do.register
    def _(self, intent: asked.EnablePoint) -> None:
        self._session.enable_point(intent.index, bool(intent.enabled))

    @_do.register
    def _(self, intent: asked.RemovePoint) -> None:
        self._session.remove_point(intent.index)

    @_do.register
    def _(self, intent: asked.ClearPoints) -> None:
        if self._session.points:
            self._session.clear_points()

    @_do.register
    def _(self, intent: asked.Paint) -> None:
        paint(self._session, intent)

    @_do.register
    def _(self, intent: asked.SetBox) -> None:
        self._session.set_region(Box(intent.low, intent.high))  # type: ignore[arg-type]

    @_do.register
    def _(self, intent: asked.ClearRegion) -> None:
        session = self._session
        if session.region is not None and session.kind == "image":
            session.set_mask(None)
        elif session.region is not None:
            session.set_region()

    @_do.register
    def _(self, intent: asked.StartDrag) -> None:
        self._start(intent.camera, once=False)

    @_do.register
    def _(self, intent: asked.StepDrag) -> None:
        self._start(intent.camera, once=True)

    @_do.register
    def _(self, intent: asked.PauseDrag) -> None:
        self.drive.pause()

    @_do.register
    def _(self, intent: asked.StopDrag) -> None:
        self._end_drag()

    @_do.register
    def _(self, intent: asked.Configure) -> None:
        configure(self._session, intent.changes)

    @_do.register
    def _(self, intent: asked.Undo) -> None:
        self.edits.undo()

    @_do.register
    def _(self, intent: asked.Redo) -> None:
        self.edits.redo()

    @_do.register
    def _(self, intent: asked.Reset) -> None:
        session = self._session
        if session.history.current is not session.history.entries[0].state:
            session.reset()

    @_do.register
    def _(self, intent: asked.SaveSession) -> None:
        edit, path = self._current, self.library.place(intent.path)
        edit.session.save(path)
        edit.path, edit.saved = str(path), Mark(edit.session)
        self.keeping.drop([edit])
        self._say("done", f"saved {path.name}")
        self.send(Written(str(path)))

    @_do.register
    def _(self, intent: asked.Export) -> None:
        edit, path = self._current, self.library.place(intent.path)
        self._write(path, lambda: self.writer.export(edit, path, dict(intent.settings), intent.camera))

    @_do.register
    def _(self, intent: asked.WriteFilm) -> None:
        edit, path = self._current, self.library.place(intent.path)
        self._write(path, lambda: self.writer.film(edit, path, intent.turntable))

    @_do.register
    def _(self, intent: asked.CancelWriting) -> None:
        pass  # what is being written looks for it by itself

    @_do.register
    def _(self, intent: asked.Look) -> None:
        self.showing.features = bool(intent.features)

    @_do.register
    def _(self, intent: asked.Shown) -> None:
        self.showing.drawn(intent.version)

    @_do.register
    def _(self, intent: asked.Quit) -> None:
        self.ended = True
        self.drive.end()
        self.keeping.keep(self.edits, at_once=True)

    # ---- inside -------------------------------------------------------------------------------------------------

    @property
    def _current(self) -> Edit:
        edit = self.edits.current
        if edit is None:
            raise InputError("there is nothing to edit yet; choose a model, or open a session")
        return edit

    @property
    def _session(self) -> Session:
        return self._current.session

    def _begin_edit(self, edit: Edit) -> None:
        self.drive.forget()
        self.keeping.keep(self.edits, at_once=True)  # a drag may have ended just now, and is left
        self.keeping.drop(self.edits.begin(edit))

    def _add_point(self, handle: asked.Place, target: asked.Place) -> None:
        if len(self._session.points) >= MOST_POINTS:
            raise InputError(f"there are at most {MOST_POINTS} points here; remove one first")
        self._session.add_point(handle, target)

    def _start(self, camera: asked.CameraState | None, once: bool) -> None:
        if self.drive.active:
            self.drive.go_on(once)
        else:
            view = viewpoint(camera) if self._session.kind == "shape" else None
            self.drive.begin(self._current, view, once)

    def _step(self) -> None:
        edit = self._current
        if self.drive.advance():
            self._say_how_it_ended()
        else:
            self.showing.show_step(edit, at_once=self.drive.state == "paused")

    def _end_drag(self) -> None:
        if self.drive.active:
            self.drive.end()
            self._say_how_it_ended()

    def _say_how_it_ended(self) -> None:
        result = self._session.last_drag
        if result is not None:
            self._say("done" if result.reason == "arrived" else "note", summary(self._session))

    def _write(self, path: Path, write: Callable[[], None]) -> None:
        try:
            write()
        except Cancelled:
            self._say("note", f"{path.name} was not written: cancelled")
            return
        finally:
            self.send(Busy(""))
        self._say("done", f"wrote {path.name}")
        self.send(Written(str(path)))

    def _tell(self, hurried: bool = False) -> None:
        """Send whatever is news: notes, the shape or image, the document; and keep what is unsaved."""
        edit, now = self.edits.current, time.perf_counter()
        if edit is not None:
            for note in edit.session.notes[edit.said :]:
                self._say("note", note)
            edit.said = len(edit.session.notes)
            if self.drive.state == "idle":
                self.showing.forget()
            if self.drive.state != "running":  # whoever pauses wants to look closely
                self._attempt(lambda: self.showing.show(edit))
        if not (hurried and now < self._document_from):
            self._document_from = now + DOCUMENT_INTERVAL
            self.send(document(self.edits, self.drive.progress, self.answered, self.library.models))
        self.keeping.keep(self.edits, at_once=self.drive.state != "running")

    def _say(self, level: Level, text: str) -> None:
        self.send(Said(level, text))

    def _attempt(self, do: Callable[[], None]) -> None:
        """Do it; what goes wrong is said in one line."""
        try:
            do()
        except InputError as error:
            self._say("error", str(error))
        except Exception as error:
            if os.environ.get(TRACEBACK_SWITCH):
                traceback.print_exc()
            self._say("error", str(InputError(f"unexpected {type(error).__name__}: {error}"))[:400])
