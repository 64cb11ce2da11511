"""One browser session: viewer, scene and page joined, and the loop that keeps them going."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drag3d.viewer.commands import BY_NAME
from drag3d.viewer.web import gestures
from drag3d.viewer.web.frames import PICTURES_A_SECOND, Frames
from drag3d.viewer.web.host import BrowserHost
from drag3d.viewer.web.pagestate import SETTABLE, PageState, coordinates, finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drag3d.viewer.link import Link

SECRET_HEADER = "X-Drag3D-Secret"
TRIGGERS = ("events", "run", "give", "point", "corner", "editing", "offer", "export", "film", "cancel", "trouble")
FIRST_SIZE = (960, 752)
NETWORK = 0.004
"""Seconds between two pictures that the network gets at least"""
LIVELY, CALM = 1 / PICTURES_A_SECOND, 0.15
"""Seconds between two looks at the worker: while something happens, and else"""
LIVELY_FOR = 2.0
"""Seconds after the last change"""


class Served:
    """Everything of one session in this process. ``listening`` is told the port."""

    def __init__(self, setup: dict[str, Any], link: Link, listening: Callable[[int], None]):
        from trame.app import get_server

        from drag3d.viewer.application import Viewer
        from drag3d.viewer.scene.offscreen import offscreen_plotter
        from drag3d.viewer.scene.scene import Scene
        from drag3d.viewer.web.page import build_page
        from drag3d.viewer.web.process import _link

        self.setup, self._listening = setup, listening
        self.server = get_server("drag3d", client_type="vue3")
        self.plotter = offscreen_plotter(*FIRST_SIZE)
        scene = Scene(self.plotter)
        self.frames = Frames(self.plotter, scene)
        self.host = BrowserHost(self.server.state, Path(setup["folder"], "files"), self._download)
        self.viewer = Viewer(link, scene, self.host, restart=lambda: _link(setup))
        self.host.viewer = self.viewer
        self.page = PageState(self.viewer, self.server.state)
        self.area, self._fetch = build_page(self.server, self.plotter, setup["upload_bytes"])
        self._wake = asyncio.Event()
        self._last_message = 0
        self._lively_until = 0.0
        self._join()

    # ---- what the page calls --------------------------------------------------------------------------------------

    def _join(self) -> None:
        """Triggers, and values that the page may change."""
        for name in (
            "events",
            "run",
            "give",
            "point",
            "corner",
            "editing",
            "offer",
            "export",
            "film",
            "cancel",
            "trouble",
        ):
            self.server.trigger(name)(self._guarded(getattr(self, f"on_{name}")))
        for name in SETTABLE:
            self.server.state.change(f"value_{name}")(self._when_changed(name))
        self.server.controller.on_server_bind.add(self._only_for_the_front_door)
        self.server.controller.on_server_ready.add(self._ready)

    def _when_changed(self, name: str) -> Callable[..., None]:
        return self._guarded(lambda **_: self.page.changed(name))

    def _guarded(self, call: Callable[..., None]) -> Callable[..., None]:
        """Whatever a page sends, the session goes on; and the loop looks at once at what has become of it."""

        def guarded(*args: Any, **more: Any) -> None:
            with self._surviving():
                call(*args, **more)
            self._wake.set()

        return guarded

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            self.viewer.mirror.say("error", f"that went wrong: {type(error).__name__}: {str(error)[:200]}")

    def on_events(self, events: Any) -> None:
        """Mouse and keys."""
        gestures.take(self.viewer, events, self.frames.size)

    def on_run(self, command: Any) -> None:
        """A button."""
        if command in BY_NAME or command == "restart":
            self.viewer.run(command)

    def on_give(self, name: Any, value: Any) -> None:
        """A number was typed."""
        if name in SETTABLE:
            self.page.give(name, value)

    def on_point(self, index: Any, what: Any, *more: Any) -> None:
        """Something in a line of the table of points."""
        rows = self.viewer.values()["points"]
        if not isinstance(index, int) or not 0 <= index < len(rows):
            return
        if what == "select":
            self.viewer.select_point(index)
        elif what == "enable":
            self.viewer.set_enabled(index, more[0] is True)
        elif what == "remove":
            self.viewer.remove_point(index)
        elif what in ("handle", "target"):
            place = self._typed(getattr(rows[index], what), more[0] if more else None)
            if place is not None:
                (self.viewer.set_handle if what == "handle" else self.viewer.set_target)(index, place)

    def on_corner(self, number: Any, texts: Any) -> None:
        """A corner of the box."""
        box = self.viewer.values()["box"]
        if box is None or number not in (0, 1):
            return
        corner = self._typed(box[number], texts)
        if corner is not None:
            self.viewer.set_value("box", (corner, box[1]) if number == 0 else (box[0], corner))

    def _typed(self, place: tuple[float, ...], texts: Any) -> tuple[float, ...] | None:
        """The place that was typed, None if that is no place or the same; what was left as shown is as it was."""
        shown = coordinates(place, self.viewer.mirror.document.kind)
        if not isinstance(texts, list) or len(texts) != len(place):
            return None
        try:
            typed = tuple(
                old if text == same else finite(text) for old, same, text in zip(place, shown, texts, strict=True)
            )
        except ValueError:
            return None
        return None if typed == place else typed

    def on_editing(self, on: Any) -> None:
        """The focus is in a table, or has left it."""
        self.page.edit_tables(on is True)

    def on_offer(self, name: Any, what: Any) -> None:
        """An autosave shall be restored or forgotten."""
        if name in [offer.name for offer in self.viewer.mirror.offers]:
            (self.viewer.restore if what == "restore" else self.viewer.discard)(name)

    def on_export(self) -> None:
        """The dialog's button."""
        self.host.export()

    def on_film(self) -> None:
        """The dialog's button."""
        self.host.film()

    def on_cancel(self) -> None:
        """Of what is being written."""
        self.host.cancel()

    def on_trouble(self, text: Any) -> None:
        """Something went wrong in the page."""
        self.viewer.mirror.say("error", str(text)[:300])

    # ---- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until the front door is gone."""
        try:
            asyncio.run(self._run())
        finally:
            self.viewer.close()
            with suppress(Exception):
                self.viewer.scene.close()
                self.plotter.close()

    async def _run(self) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        threading.Thread(target=self._listen_to_front_door, args=(loop, stop), daemon=True).start()
        self.area.stream(self.frames)
        how = {"exec_mode": "coroutine", "backend": "aiohttp", "thread": True, "open_browser": False}
        serving = asyncio.ensure_future(
            self.server.start(host="127.0.0.1", port=0, timeout=0, show_connection_info=False, **how)
        )
        ticking = asyncio.create_task(self._tick_on())
        ended = asyncio.create_task(stop.wait())
        await asyncio.wait([serving, ticking, ended], return_when=asyncio.FIRST_COMPLETED)
        for task in (ticking, serving):
            task.cancel()
        await asyncio.gather(ticking, serving, return_exceptions=True)

    def _listen_to_front_door(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        for line in sys.stdin:
            with suppress(ValueError):
                uploaded = json.loads(line).get("uploaded")
                if uploaded:
                    loop.call_soon_threadsafe(self._guarded(self.host.open), uploaded)
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    def _ready(self, **_: Any) -> None:
        self._listening(self.server.port)

    def _only_for_the_front_door(self, web_server: Any) -> None:
        """Others on this machine can connect to the port, too, and are sent away."""
        from aiohttp import web

        secret = self.setup["secret"]

        @web.middleware
        async def guarded(request: web.Request, handler: Any) -> web.StreamResponse:
            if not secrets.compare_digest(request.headers.get(SECRET_HEADER, "").encode(), secret.encode()):
                raise web.HTTPForbidden
            return await handler(request)

        web_server.app.middlewares.append(guarded)

    async def _tick_on(self) -> None:
        while True:
            self._wake.clear()
            began = time.monotonic()
            with self._surviving():
                self.tick()
            spent = time.monotonic() - began
            await asyncio.sleep(max(NETWORK, 1 / PICTURES_A_SECOND - spent))  # more pictures would not be sent
            pause = LIVELY if time.monotonic() < self._lively_until else CALM
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    def tick(self) -> None:
        """One round: the worker's answers, the page, the picture."""
        changed = self.viewer.tick()
        self.page.tick()
        self.host.tick()
        if changed:
            self.page.refresh()
        self._show_message()
        self.server.state.flush()
        drawn = self.frames.take_new()
        if drawn:
            self.area.render()
        if changed or drawn:
            self._lively_until = time.monotonic() + LIVELY_FOR

    def _show_message(self) -> None:
        messages = self.viewer.mirror.messages
        if messages and messages[-1].serial != self._last_message:
            self._last_message = messages[-1].serial
            self.page.refresh()
            self.server.state["message_open"] = True

    def _download(self, name: str) -> None:
        self._fetch(name)
