"""The worker process as the window sees it: intents go in, replies come out, and neither ever waits for the other.

The two are joined by one pipe. Its end of file tells each side that the other is gone, however it went. A thread reads
replies and another writes intents, so that a busy worker never holds up the window.
"""

from __future__ import annotations

import atexit
import multiprocessing
import queue
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from drag3d.viewer.intents import Intent, Quit
from drag3d.viewer.replies import Died, Reply

REAPING = 1.0
"""Seconds that a process which has closed its pipe is given to be gone"""


@dataclass(frozen=True)
class WorkerOptions:
    """What the worker begins with, and what it may do."""

    source: str
    """Name of a model, path of a checkpoint, or path of a ``.drag3d`` file"""
    seed: int = 0
    texture_seed: int | None = None
    truncation: float = 1.0
    label: int | None = None
    device: str = "auto"
    models: tuple[str, ...] = ()
    """That may be generated from; empty: the embedded ones and the source"""
    autosaves: Path | None = None
    """Where what is unsaved is kept; None: nowhere"""
    open_paths: bool = True
    """Whether files may be read and written anywhere; else only below ``folder``"""
    folder: Path | None = None


class Link:
    """A worker process. :meth:`start` returns at once; loading goes on in the worker."""

    def __init__(self, process: SpawnProcess, pipe: Connection):
        self._process, self._pipe = process, pipe
        self._outgoing: queue.SimpleQueue[tuple[int, Intent] | None] = queue.SimpleQueue()
        self._incoming: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self._number = 0
        self._closed = self._told = False
        for work in (self._read, self._write):
            threading.Thread(target=work, name=f"link{work.__name__}", daemon=True).start()
        atexit.register(self.close)

    @classmethod
    def start(cls, options: WorkerOptions) -> Link:
        """Start a worker."""
        from drag3d.viewer.worker import main

        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=main, args=(options, theirs), name="drag3d worker", daemon=True)
        process.start()
        theirs.close()  # or its end would never be noticed here
        return cls(process, ours)

    def send(self, intent: Intent) -> int:
        """Hand an intent over; returns its number. Of a worker that is gone, nothing becomes of it."""
        self._number += 1
        self._outgoing.put((self._number, intent))
        return self._number

    def poll(self) -> list[Reply]:
        """All that has arrived, in order; ``Died`` once, if the worker is gone and was not asked to go."""
        found: list[Reply] = []
        while True:
            try:
                reply = self._incoming.get_nowait()
            except queue.Empty:
                return found
            if reply is not None:
                found.append(reply)
            elif not (self._closed or self._told):
                self._told = True
                found.append(Died(self._last_words()))

    @property
    def alive(self) -> bool:
        """Whether the worker runs."""
        return not self._closed and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """Of the worker process; None once it is closed."""
        return None if self._closed else self._process.pid

    def close(self, timeout: float = 5.0) -> None:
        """End the worker: ask it, wait, and kill it if need be. Nothing is left behind."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        self.send(Quit())
        self._process.join(timeout)
        for end in (self._process.terminate, self._process.kill):
            if self._process.is_alive():
                end()
                self._process.join(1.0)
        self._outgoing.put(None)
        with suppress(ValueError):  # it cannot be killed, as one in the kernel's hands; then it is not ours to close
            self._process.close()
        self._pipe.close()

    def _last_words(self) -> str:
        self._process.join(REAPING)
        code = self._process.exitcode
        if code is None:
            self._process.kill()  # it has closed its pipe and does not go
            self._process.join(REAPING)
        why = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return f"the worker process ended unexpectedly ({why})"

    def _read(self) -> None:
        while True:
            try:
                self._incoming.put(self._pipe.recv())
            except (EOFError, OSError):
                self._incoming.put(None)
                return

    def _write(self) -> None:
        while (item := self._outgoing.get()) is not None:
            with suppress(OSError):  # it is gone; the reader has noticed
                self._pipe.send(item)
