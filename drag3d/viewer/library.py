"""Which models may be generated from and which files may be touched, and the generators that are loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from drag3d.session import Session
from drag3d.session.storage import SUFFIX, read_session
from drag3d.viewer.link import WorkerOptions
from get3d_models.devices import chosen_device
from get3d_models.errors import InputError
from get3d_models.loading import embedded_models, load

MOST_LOADED = 3


class Library:
    """Models by the names that people choose them by: those of embedded ones, paths of others."""

    def __init__(self, options: WorkerOptions):
        self.options = options
        own = () if options.source.endswith(SUFFIX) else (options.source,)
        self.models = tuple(dict.fromkeys(options.models or (*embedded_models(), *own)))
        self._loaded: dict[str, Any] = {}

    def generator(self, model: str) -> Any:
        """The generator of one of :attr:`models`; InputError for others. The last three are kept."""
        if model not in self.models:
            raise InputError(f"the model {model[:120]!r} cannot be chosen here; choose {' or '.join(self.models)}")
        return self._made(model)

    def is_loaded(self, model: str) -> bool:
        """Whether it takes no time to have it."""
        return model in self._loaded

    def session(self, path: Path, model: str = "") -> tuple[Session, str]:
        """The session of a file, and its model's name; ``model`` says which that is, where it is not embedded.

        A generator that is loaded and belongs to it is taken, else one of the embedded ones.
        """
        record = read_session(path)
        if model in self.models:
            self.generator(model)
        elif model and self.options.open_paths:  # of an earlier run, which was started with it
            self._made(model)
            self.models = (*self.models, model)
        for name, generator in self._loaded.items():
            if generator.fingerprint == record.fingerprint:
                return Session.open(path, generator), name
        if record.model in self.models and record.model in embedded_models():
            generator = self.generator(record.model)
            given = generator if generator.fingerprint == record.fingerprint else None
            return Session.open(path, given, device=chosen_device(self.options.device)), record.model
        if record.model in embedded_models():
            raise InputError(f"{path} belongs to the model {record.model!r}, which cannot be chosen here")
        last = next(reversed(self._loaded.values()), None)
        return Session.open(path, last), record.model  # refused in the session's own words, of any other model

    def place(self, path: str) -> Path:
        """A path that may be read or written; InputError for one that may not."""
        if not path or "\0" in path:
            raise InputError("a file needs a name")
        if self.options.open_paths:
            return Path(path).expanduser()
        if self.options.folder is None:
            raise InputError("files cannot be opened or written here")
        folder = os.path.realpath(self.options.folder)
        real = os.path.realpath(os.path.join(folder, path))
        if os.path.commonpath([folder, real]) != folder or real == folder:
            raise InputError(f"the file {os.path.basename(path)[:80]!r} lies outside of the folder for files")
        return Path(real)

    def _made(self, model: str) -> Any:
        found = self._loaded.pop(model, None)
        if found is None:
            found = load(model, device=chosen_device(self.options.device))
            self._loaded = dict(list(self._loaded.items())[1 - MOST_LOADED :])
        self._loaded[model] = found
        return found
