"""The worker process: takes intents from the pipe, lets the studio perform them, and between them goes on dragging."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from drag3d.viewer.intents import CancelWriting, Generate, Intent, MovePoint, Quit
from drag3d.viewer.replies import Busy, Reply, Said

if TYPE_CHECKING:
    from drag3d.viewer.link import WorkerOptions

NICENESS = 3
"""The window goes first."""


class Inbox:
    """What has arrived and is not performed yet. Filled by a thread, emptied by the worker."""

    def __init__(self) -> None:
        self._items: deque[tuple[int, Intent]] = deque()
        self._changed = threading.Condition()

    def put(self, number: int, intent: Intent) -> None:
        """Add an intent behind those that wait."""
        with self._changed:
            self._items.append((number, intent))
            self._changed.notify()

    def take(self, wait: float | None) -> tuple[int, Intent] | None:
        """The next intent and its number; None if none comes within ``wait`` seconds. None for ``wait``: for ever.

        One that the next one makes pointless (a point moved and moved on, a seed passed over) is left out.
        """
        with self._changed:
            if not self._items:
                self._changed.wait_for(lambda: self._items, wait)
            if not self._items:
                return None
            item = self._items.popleft()
            while self._items and _superseded(item[1], self._items[0][1]):
                item = self._items.popleft()
            return item

    def cancelled(self) -> bool:
        """Whether what is being written shall be left; an intent that says so is taken out, all others stay."""
        with self._changed:
            for item in self._items:
                if isinstance(item[1], CancelWriting):
                    self._items.remove(item)
                    return True
            return any(isinstance(intent, Quit) for _, intent in self._items)


def _superseded(intent: Intent, following: Intent) -> bool:
    if isinstance(intent, MovePoint) and isinstance(following, MovePoint):
        alike = intent.index == following.index
        return alike and (intent.handle is None or following.handle is not None) and following.target is not None
    if isinstance(intent, Generate) and isinstance(following, Generate):
        return intent.model in (None, following.model)
    return False


class Outbox:
    """Sends replies from a thread of its own, so that a window that does not read holds no step up."""

    def __init__(self, pipe: Connection):
        self._pipe = pipe
        self._replies: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="outbox", daemon=True)
        self._thread.start()

    def put(self, reply: Reply) -> None:
        """Send a reply, some time soon."""
        self._replies.put(reply)

    def close(self, timeout: float) -> None:
        """Wait until all is sent."""
        self._replies.put(None)
        self._thread.join(timeout)

    def _write(self) -> None:
        while (reply := self._replies.get()) is not None:
            with suppress(OSError):  # the window is gone; the inbox has noticed
                self._pipe.send(reply)


def main(options: WorkerOptions, pipe: Connection) -> None:
    """The life of a worker; ends with ``Quit``, or when the window's process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is meant for the window
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(NICENESS)
    inbox, outbox = Inbox(), Outbox(pipe)
    threading.Thread(target=_listen, args=(pipe, inbox), name="inbox", daemon=True).start()
    outbox.put(Busy(f"loading {_short(options.source)}"))
    try:
        _serve(options, inbox, outbox)
    finally:
        outbox.close(timeout=2.0)


def _listen(pipe: Connection, inbox: Inbox) -> None:
    while True:
        try:
            number, intent = pipe.recv()
        except (EOFError, OSError):  # the window's process is gone
            inbox.put(0, Quit())
            return
        inbox.put(number, intent)


def _serve(options: WorkerOptions, inbox: Inbox, outbox: Outbox) -> None:
    try:
        from drag3d.viewer.studio import Studio
    except ImportError as error:
        outbox.put(Said("error", f"the worker cannot start: {error}"))
        raise
    leave_a_core()
    studio = Studio(options, outbox.put, inbox.cancelled)
    studio.begin()
    while not studio.ended:
        item = inbox.take(studio.patience)
        if item is not None:
            studio.perform(*item)
        else:
            studio.work()


def leave_a_core() -> None:
    """torch takes all cores but one, which is the window's: its threads do not sleep when they wait for each other."""
    import torch

    from drag3d.rendering.threads import cores

    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores() - 1)))


def _short(source: str) -> str:
    return os.path.basename(source) or source
