"""A front door in a process of its own, and browsers that are only headers; for tests of who may come in."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

STAND_IN = Path(__file__).with_name("web_stand_in.py")
_PROGRAM = """
import asyncio, json, sys
from drag3d.viewer.web.serving import WebOptions, listen, serve_on
options = WebOptions("quadruped", port=0, **json.loads(sys.argv[1]))
asyncio.run(serve_on(options, listen(options.host, options.port), (sys.executable, sys.argv[2])))
"""


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Browser:
    """Keeps cookies, as browsers do. ``host`` is what it takes the server's name to be."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    host: str = ""
    entered: list[str] = field(default_factory=list)

    def ask(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Answer:
        """One request, redirections not followed. Headers as keywords, ``_`` for ``-``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Host": self.host or f"127.0.0.1:{self.port}", **self.cookie_header()}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, sent, encode_chunked=sent.get("Transfer-Encoding") == "chunked")
            response = connection.getresponse()
            for line in response.headers.get_all("Set-Cookie") or ():
                self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """As a page of the server itself would."""
        return self.ask(path, "POST", body, **{"Origin": f"http://127.0.0.1:{self.port}", **headers})

    def cookie_header(self) -> dict[str, str]:
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Cookie": kept} if kept else {}

    def front(self) -> Answer:
        """What the front door answers; a browser that it does not know is sent there a second time, with a cookie."""
        answer = self.ask("/")
        return self.ask("/?known") if answer.headers["Location"] == "/?known" else answer

    def enter(self) -> str:
        """A session's address, ``/s/...``, through the front door."""
        answer = self.front()
        assert answer.status == 303, answer.text
        session = str(answer.headers["Location"]).removesuffix("/index.html")
        self.entered.append(session)
        return session

    def leave(self) -> None:
        """Have the stand-ins behind all sessions end, to make room for others."""
        for session in self.entered:
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.ask(f"{session}/die")


class FrontDoor:
    """``options`` are those of WebOptions."""

    def __init__(self, state: Path, **options: Any):
        import json

        environment = {**os.environ, "DRAG3D_STATE": str(state / "autosave"), "TMPDIR": str(state)}
        command = [sys.executable, "-c", _PROGRAM, json.dumps(options), str(STAND_IN)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        assert self.process.stdout is not None
        self.greeting = ""
        for line in self.process.stdout:
            self.greeting += line
            if line.startswith("stop"):
                break
        found = re.search(r"open (http://\S+:(\d+)/\S*)", self.greeting)
        assert found, self.greeting
        self.address, self.port = found[1], int(found[2])
        self.browsers: list[Browser] = []

    def browser(self, **more: Any) -> Browser:
        """One that was never here."""
        self.browsers.append(Browser(self.port, **more))
        return self.browsers[-1]

    def stop(self) -> None:
        """As Ctrl-C in a service."""
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextlib.contextmanager
def front_door(state: Path, **options: Any) -> Iterator[FrontDoor]:
    """One that is stopped at the end."""
    door = FrontDoor(state, **options)
    try:
        yield door
    finally:
        door.stop()


def descendants(pid: int) -> list[int]:
    """All processes below one, from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found


def gone(pids: list[int], seconds: float = 15.0) -> bool:
    """Whether all of these processes end within some seconds; zombies count as ended."""
    until = time.monotonic() + seconds
    while any(_runs(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
