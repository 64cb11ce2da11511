"""The processes behind the front door: one for each browser session, started, found again and ended here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 120.0
"""Importing what draws takes seconds, on a busy machine many."""
END_SECONDS = 10.0
JUST_OPENED = 30.0
"""Seconds that a page has to connect to a session; until then it is kept for that page."""
NEVER_SEEN = 120.0
"""Seconds after which a session ends whose page never came"""
UPLOADS_KEPT = 2
SESSION_COMMAND = (sys.executable, "-m", "drag3d.viewer.web.process")


class NoPlace(Exception):
    """As many sessions run as may."""


class DidNotStart(Exception):
    """The process of a session ended or was silent; the text says why, if it could."""


@dataclass(frozen=True)
class Setup:
    """What the process of a session must know; goes to it as one line of JSON on its standard input."""

    source: str
    folder: str
    """Its own temporary folder"""
    secret: str
    """That the front door shows with every request, so that nobody else on the machine can use the process"""
    seed: int = 0
    texture_seed: int | None = None
    truncation: float = 1.0
    label: int | None = None
    device: str = "auto"
    models: tuple[str, ...] = ()
    autosaves: str | None = None
    upload_bytes: int = 0


@dataclass
class BrowserSession:
    """A running process, and who looks at it."""

    name: str
    owner: str
    folder: Path
    secret: str
    process: asyncio.subprocess.Process
    port: int = 0
    connections: int = 0
    """Open websockets"""
    known: bool = False
    """Whether a page has ever connected"""
    seen: float = field(default_factory=time.monotonic)
    """When somebody last looked at it"""
    awaited: float = -math.inf
    """When a browser was sent here whose page has not connected yet"""
    uploading: bool = False
    _output: asyncio.Task[None] | None = None

    @property
    def files(self) -> Path:
        """Where it writes what can be downloaded."""
        return self.folder / "files"

    @property
    def uploads(self) -> Path:
        """Where what was uploaded lies."""
        return self.folder / "uploads"

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.process.returncode is None

    @property
    def in_use(self) -> bool:
        """Whether somebody looks at it, or is about to."""
        return self.connections > 0 or time.monotonic() - self.awaited < JUST_OPENED

    def belongs_to(self, owner: str) -> bool:
        """Whether that browser made it."""
        return secrets.compare_digest(self.owner.encode(), owner.encode())

    def handed_out(self) -> None:
        """A browser was sent here, and will connect in a moment."""
        self.seen = self.awaited = time.monotonic()

    def entered(self) -> None:
        """A page has connected."""
        self.connections += 1
        self.awaited, self.known = -math.inf, True

    def left(self) -> None:
        """A page is gone."""
        self.connections -= 1
        self.seen = time.monotonic()

    async def tell(self, **message: str) -> None:
        """Send it a line."""
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            await self.process.stdin.drain()

    def new_upload(self, suffix: str) -> Path:
        """A path for a file that a browser sends; older ones are removed, the disk is not theirs."""
        old = sorted(self.uploads.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in old[: max(0, len(old) - UPLOADS_KEPT + 1)]:
            path.unlink(missing_ok=True)
        return self.uploads / f"{secrets.token_hex(8)}{suffix}"

    async def started(self, setup: Setup) -> None:
        """Wait until it listens; DidNotStart if it does not."""
        assert self.process.stdout is not None
        await self.tell(**asdict(setup))
        try:
            async with asyncio.timeout(START_SECONDS):
                while line := await self.process.stdout.readline():
                    told = _message(line)
                    if "port" in told:
                        self.port = int(told["port"])
                        self._output = asyncio.create_task(self._drain())
                        return
                    if "trouble" in told:
                        raise DidNotStart(str(told["trouble"]))
        except TimeoutError:
            raise DidNotStart("it did not answer in time") from None
        raise DidNotStart("its process ended")

    async def _drain(self) -> None:
        assert self.process.stdout is not None
        while await self.process.stdout.read(1 << 16):
            pass

    async def end(self) -> None:
        """Close its input, which ends it; kill it and what it started if it does not go by itself."""
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self.process.stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self.process.wait()
        except TimeoutError:
            pass
        _kill(self.process)
        await self.process.wait()
        if self._output is not None:
            self._output.cancel()
        await asyncio.to_thread(shutil.rmtree, self.folder, True)


@dataclass
class Sessions:
    """All sessions. ``make`` completes the Setup of one: (folder, secret, owner) -> Setup."""

    most: int
    idle_seconds: float
    make: Callable[[str, str, str], Setup]
    command: tuple[str, ...]
    _all: dict[str, BrowserSession] = field(default_factory=dict)
    _starting: dict[str, asyncio.Task[BrowserSession]] = field(default_factory=dict)
    """By their owners"""
    _ending: set[asyncio.Task[None]] = field(default_factory=set)

    def find(self, name: str) -> BrowserSession | None:
        """A running session by its name."""
        found = self._all.get(name)
        return found if found is not None and found.running else None

    def left_by(self, owner: str) -> BrowserSession | None:
        """A session of this browser that nobody looks at any more, the latest first."""
        mine = [s for s in self._all.values() if owner and s.owner == owner and s.running and not s.in_use]
        return max(mine, key=lambda s: s.seen, default=None)

    async def new(self, owner: str) -> BrowserSession:
        """Start one; NoPlace or DidNotStart. A browser that asks again meanwhile waits for the same one."""
        task = self._starting.get(owner)
        if task is None:
            self._forget_the_dead()
            if len(self._all) + len(self._starting) >= self.most:
                raise NoPlace
            task = self._starting[owner] = asyncio.create_task(self._start(owner))
            task.add_done_callback(lambda _: self._starting.pop(owner, None))
        return await asyncio.shield(task)

    async def _start(self, owner: str) -> BrowserSession:
        folder = Path(tempfile.mkdtemp(prefix="drag3d-web-"))
        for name in ("files", "uploads"):
            (folder / name).mkdir()
        secret = secrets.token_urlsafe(32)
        process = await asyncio.create_subprocess_exec(
            *self.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **_QUIET}, start_new_session=True,
        )  # fmt: skip
        session = BrowserSession(secrets.token_urlsafe(16), owner, folder, secret, process)
        try:
            await session.started(self.make(str(folder), secret, owner))
        except BaseException:
            await asyncio.shield(session.end())
            raise
        session.seen = time.monotonic()
        self._all[session.name] = session
        return session

    async def watch(self) -> None:
        """Once in a while end what nobody looks at; runs until it is cancelled."""
        while True:
            await asyncio.sleep(min(5.0, self.idle_seconds / 4))
            self._forget_the_dead()
            for session in list(self._all.values()):
                patience = self.idle_seconds if session.known else min(self.idle_seconds, NEVER_SEEN)
                if session.connections == 0 and time.monotonic() - session.seen > patience:
                    self._end(session)

    def _forget_the_dead(self) -> None:
        for session in list(self._all.values()):
            if not session.running:
                self._end(session)

    def _end(self, session: BrowserSession) -> None:
        self._all.pop(session.name, None)
        task = asyncio.create_task(session.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End all of them."""
        for task in list(self._starting.values()):
            task.cancel()
        await asyncio.gather(*self._starting.values(), return_exceptions=True)
        for session in list(self._all.values()):
            self._end(session)
        await asyncio.gather(*self._ending, return_exceptions=True)


_QUIET = {
    "WSLINK_READY_MSG": "",
    "WSLINK_WS_COMPRESS": "0",  # pictures are compressed already
    "TRAME_DISABLE_V3_WARNING": "1",
}


def _message(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _kill(process: asyncio.subprocess.Process) -> None:
    """The process and its worker: they are a process group of their own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode is None:
            process.kill()
