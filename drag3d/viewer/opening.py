"""Where sessions come from: a seed, a file, or what an earlier run left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from drag3d.session import Session
from drag3d.viewer.configuring import take_settings
from drag3d.viewer.edits import Edit, Mark
from drag3d.viewer.intents import Generate
from drag3d.viewer.library import Library
from drag3d.viewer.replies import Busy, Reply
from get3d_models.errors import InputError


class Opening:
    """Makes edits, and says so where it takes a while. InputError for whatever cannot be had."""

    def __init__(self, library: Library, send: Callable[[Reply], None]):
        self._library, self._send = library, send

    def generated(self, wanted: Generate, before: Edit | None) -> Edit:
        """What seeds give; ``before`` is the present edit, whose model and settings are taken over where they fit.

        What has no meaning for a kind of model (a texture seed for images, a class for shapes) is left out: it is still
        in the panel when another model is chosen.
        """
        model = wanted.model if wanted.model is not None else before.model if before else None
        if model is None:
            raise InputError("there is nothing to edit yet; choose a model, or open a session")
        if not self._library.is_loaded(model):
            self._send(Busy(f"loading {os.path.basename(model) or model}"))
        try:
            generator = self._library.generator(model)
            texture, label = (wanted.texture_seed, None) if generator.kind == "shape" else (None, wanted.label)
            session = Session(generator, wanted.seed, texture, wanted.truncation, label=label)
        finally:
            self._send(Busy(""))
        if before is not None and before.session.kind == session.kind:
            take_settings(session, before.session)
        return Edit(session, model, f"seed {session.seed}")

    def opened(self, name: str) -> Edit:
        """The session of a person's file."""
        path = self._library.place(name)
        session, model = self._loaded(path)
        return Edit(session, model, f"open {path.name}", path=str(path), saved=Mark(session))

    def restored(self, name: str, path: Path, model: str) -> Edit:
        """The autosave of that name, which lies there and belongs to that model."""
        session, model = self._loaded(path, model)
        return Edit(session, model, f"restore seed {session.seed}", restored=name)

    def _loaded(self, path: Path, model: str = "") -> tuple[Session, str]:
        self._send(Busy(f"opening {path.name}"))
        try:
            return self._library.session(path, model)
        finally:
            self._send(Busy(""))
