"""``drag3d view ... --web``: start the front door, say where it is, and serve until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drag3d.viewer.web.packages import missing_packages
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from drag3d.viewer.web.guard import Guard
    from drag3d.viewer.web.sessions import Setup

MEGABYTE = 1 << 20
AUTOSAVE_DAYS = 30
"""As long as a browser keeps the cookie that they are found by"""


@dataclass(frozen=True)
class WebOptions:
    """What to serve, to whom, and within which limits."""

    source: str
    """A model's name, a checkpoint or a .drag3d file"""
    seed: int = 0
    texture_seed: int | None = None
    truncation: float = 1.0
    label: int | None = None
    device: str = "auto"
    host: str = "127.0.0.1"
    port: int = 8080
    """0: any that is free"""
    token: str | None = None
    """Without which nobody comes in; None: made up where other machines can reach the server"""
    max_sessions: int = 4
    open_browser: bool = False
    upload_megabytes: int = 64
    idle_minutes: float = 30.0


def serve(options: WebOptions) -> None:
    """Serve until Ctrl-C or SIGTERM; then no process remains. InputError, in one line, if it cannot be served."""
    if missing := missing_packages():
        raise InputError(f"the viewer in a browser needs more packages: pip install {' '.join(missing)}")
    from drag3d.viewer.scene.probe import opengl_trouble

    if trouble := opengl_trouble():
        raise InputError(trouble)
    with contextlib.ExitStack() as stack:
        listening = [stack.enter_context(contextlib.closing(one)) for one in listen(options.host, options.port)]
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve_on(options, listening))


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets on all addresses of ``host``, the same port on each; InputError where that cannot be."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port {port}: a port is a number from 0 to 65535; 0 takes any that is free")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "not a name"
        raise InputError(f"--host {host}: not an address of this machine ({said}); 127.0.0.1 always is") from None
    sockets: list[socket.socket] = []
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            # With port 0, all take the one that the first address was given.
            same = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_bound(family, (address[0], same, *address[2:])))
        except OSError as error:
            if sockets:  # such as ::1 beside 127.0.0.1, where there is no IPv6
                continue
            raise InputError(_why_not(host, port, error)) from None
    return sockets


def _bound(family: int, address: tuple[str | int | bytes, ...]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(128)
    except OSError:
        one.close()
        raise
    return one


def _why_not(host: str, port: int, error: OSError) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use by another program; give another with --port, or 0 for any that is free"
    if error.errno == errno.EACCES:
        return f"you may not listen on port {port}; take one from 1024 on, or 0 for any that is free"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host}: not an address of this machine; 127.0.0.1 always is"
    return f"cannot listen on {host}, port {port}: {error.strerror}"


async def serve_on(options: WebOptions, listening: Sequence[socket.socket], command: tuple[str, ...] = ()) -> None:
    """Serve on sockets that listen, until a signal. ``command`` runs the process of a session, if not the usual one."""
    import aiohttp
    from aiohttp import web

    from drag3d.viewer.web.gateway import Gateway
    from drag3d.viewer.web.sessions import SESSION_COMMAND, Sessions

    stop = _stop_signal()
    guard = guard_of(options, listening)
    sessions = Sessions(options.max_sessions, options.idle_minutes * 60, _Setups(options), command or SESSION_COMMAND)
    untimed = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=untimed, connector=connector, auto_decompress=False) as inner:
        gateway = Gateway(guard, sessions, options.upload_megabytes * MEGABYTE, inner)
        runner = web.AppRunner(gateway.application(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        for one in listening:
            await web.SockSite(runner, one).start()
        watching = asyncio.create_task(sessions.watch())
        address = _address(options.host, guard)
        print(greeting(options, guard, address), flush=True)
        if options.open_browser:
            await asyncio.to_thread(webbrowser.open, address)
        await stop.wait()
        print("ending the sessions", file=sys.stderr, flush=True)
        watching.cancel()
        await sessions.close()
        await runner.cleanup()


def guard_of(options: WebOptions, listening: Sequence[socket.socket]) -> Guard:
    """Who may come in. A token is needed wherever other machines can reach the server."""
    from drag3d.viewer.web.guard import Guard, checked_token, is_loopback, new_token

    token = None if options.token is None else checked_token(options.token)
    if token is None and not all(is_loopback(one.getsockname()[0]) for one in listening):
        token = new_token()
    return Guard(options.host, listening[0].getsockname()[1], token)


def greeting(options: WebOptions, guard: Guard, address: str) -> str:
    """What is printed at the start."""
    most, megabytes, minutes = options.max_sessions, options.upload_megabytes, options.idle_minutes
    lines = [
        f"serving {options.source}: up to {most} session{'s' * (most != 1)} at once, each ends when nobody has looked "
        f"at it for {minutes:g} minutes; uploads up to {megabytes} MB",
        f"open {address}",
    ]
    if guard.token is not None:
        lines.append("whoever has this address, token included, can use it; the connection is not encrypted")
    return "\n".join([*lines, "stop with Ctrl-C"])


def _address(host: str, guard: Guard) -> str:
    from drag3d.viewer.web.guard import ANY_HOST

    name = socket.gethostname() if host in ANY_HOST else host
    name = f"[{name}]" if ":" in name else name
    token = "" if guard.token is None else f"?token={guard.token}"
    return f"http://{name}:{guard.port}/{token}"


def _stop_signal() -> asyncio.Event:
    """Set by Ctrl-C and by SIGTERM."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises instead
                loop.add_signal_handler(getattr(signal, name), stop.set)
    return stop


class _Setups:
    """Completes the Setup of a session: what is the same for all, and where this browser's autosaves lie."""

    def __init__(self, options: WebOptions):
        from drag3d.viewer.autosaves import default_folder
        from get3d_models.loading import embedded_models

        self.options = options
        self.autosaves = default_folder().parent / "web"
        _remove_old(self.autosaves)
        own = () if options.source.lower().endswith(".drag3d") else (options.source,)
        self.models = tuple(dict.fromkeys([*own, *embedded_models()]))

    def __call__(self, folder: str, secret: str, owner: str) -> Setup:
        from drag3d.viewer.web.guard import owner_folder
        from drag3d.viewer.web.sessions import Setup

        options, autosaves = self.options, self.autosaves / owner_folder(owner)
        autosaves.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.utime(autosaves)
        return Setup(
            options.source, folder, secret, options.seed, options.texture_seed, options.truncation, options.label,
            options.device, self.models, str(autosaves), options.upload_megabytes * MEGABYTE,
        )  # fmt: skip


def _remove_old(autosaves: Path) -> None:
    """Autosaves of browsers that have not come for so long that their cookie is gone: nobody can be offered them."""
    import shutil

    with contextlib.suppress(OSError):
        for folder in autosaves.iterdir():
            if time.time() - folder.stat().st_mtime > AUTOSAVE_DAYS * 86400:
                shutil.rmtree(folder, ignore_errors=True)
