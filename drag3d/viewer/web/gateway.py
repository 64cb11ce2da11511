"""The front door: an HTTP server that checks who comes in, and hands what is asked on to the session's process."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import WSMsgType, web

from drag3d.viewer.web import notices
from drag3d.viewer.web.guard import (
    HEADERS,
    OWNER_COOKIE,
    OWNER_DAYS,
    Guard,
    Refused,
    from_elsewhere,
    is_page_view,
    is_websocket,
    new_owner,
    owner_of,
    set_cookie,
)
from drag3d.viewer.web.sessions import BrowserSession, DidNotStart, NoPlace, Sessions

SECRET_HEADER = "X-Drag3D-Secret"
MESSAGE_BYTES = 1 << 20
"""The most that a browser may send in one message, be it in parts."""
CHUNK_BYTES = 1 << 16
UPLOADED = ".drag3d"
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}")
_PASSED_ON = ("If-None-Match", "If-Modified-Since", "Accept-Encoding", "Range")
_PASSED_BACK = ("Content-Type", "Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Content-Range")
_HEADER_BYTES = 12
"""Of a message of wslink: number, offset, and size of the whole, four bytes each"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Gateway:
    """What browsers talk to. ``inner``: the client that talks to the sessions' processes."""

    guard: Guard
    sessions: Sessions
    upload_bytes: int
    inner: aiohttp.ClientSession

    def application(self) -> web.Application:
        """Its routes, behind the guard."""
        application = web.Application(middlewares=[self.guarded])
        application.router.add_get("/", self.front)
        application.router.add_get("/s/{session}", self.to_page)
        application.router.add_get("/s/{session}/", self.to_page)
        application.router.add_post("/s/{session}/upload", self.upload)
        application.router.add_get("/s/{session}/files/{name}", self.download)
        application.router.add_get("/s/{session}/{tail:.+}", self.hand_on)
        return application

    @web.middleware
    async def guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what may not come in, and put the headers of safety on every answer."""
        try:
            if request.path == "/" and "token" in request.query:
                response = self.exchange_token(request)
            else:
                self.guard.check(request)
                response = await handler(request)
        except Refused as refusal:
            response = notices.refused(str(refusal))
        except web.HTTPException as error:
            if error.status != 404:
                raise
            response = notices.notice(404, "Not found", "There is nothing at this address.", "To the viewer")
        if not response.prepared:
            response.headers.update(HEADERS)
            response.headers["Content-Security-Policy"] = self.guard.policy(request)
        return response

    def exchange_token(self, request: web.Request) -> web.StreamResponse:
        """The printed address: the right token becomes a cookie, and leaves the address bar."""
        self.guard.check_host(request.headers.get("Host", ""))
        token = request.query["token"]
        if self.guard.token is not None and not self.guard.knows_token(token):
            raise Refused("the token in the address is wrong; open the address that the server printed")
        # A link on another site or in a mail does not get cookies sent along on the way; a click on our own page does.
        elsewhere = from_elsewhere(request)
        response: web.StreamResponse = notices.from_another_site() if elsewhere else _sent_to("/")
        if self.guard.token is not None:
            set_cookie(response, self.guard.token_cookie, token)
        return response

    async def front(self, request: web.Request) -> web.StreamResponse:
        """A session for this browser: one that it has left, or a new one."""
        if not is_page_view(request):
            raise Refused("this address is for people, not for pictures or frames of other pages")
        if from_elsewhere(request):
            return notices.from_another_site()
        owner = owner_of(request)
        if not owner:
            return self._introduce(request)
        session = self.sessions.left_by(owner)
        if session is None:
            try:
                session = await self.sessions.new(owner)
            except NoPlace:
                return notices.all_taken(self.sessions.most)
            except DidNotStart as trouble:
                return notices.did_not_start(str(trouble))
        session.handed_out()
        response = _sent_to(f"/s/{session.name}/index.html")
        set_cookie(response, OWNER_COOKIE, owner, OWNER_DAYS)
        return response

    def _introduce(self, request: web.Request) -> web.StreamResponse:
        """A browser gets its secret before a session is started for it: so it can reload while that takes its time."""
        if "known" in request.query:
            return notices.notice(
                400, "Cookies are needed", "They tell your session from those of others.", "Try again"
            )
        response = _sent_to("/?known")
        set_cookie(response, OWNER_COOKIE, new_owner(), OWNER_DAYS)
        return response

    async def to_page(self, request: web.Request) -> web.StreamResponse:
        """The page of a session has a name, or its relative addresses would lead nowhere."""
        return _sent_to(f"/s/{request.match_info['session']}/index.html")

    def _session(self, request: web.Request) -> BrowserSession | None:
        """The session of the address, None if it is over; Refused for all browsers but its own."""
        session = self.sessions.find(request.match_info["session"])
        if session is not None and not session.belongs_to(owner_of(request)):
            raise Refused("this session belongs to another browser")
        return session

    async def hand_on(self, request: web.Request) -> web.StreamResponse:
        """Everything else a session answers itself."""
        session = self._session(request)
        if session is None:
            return notices.ended()
        tail = request.match_info["tail"]
        if ".." in tail.split("/") or "\\" in tail:
            raise web.HTTPNotFound
        address = f"http://127.0.0.1:{session.port}/{tail}"
        if is_websocket(request):
            return await self._websocket(request, session, address)
        try:
            return await self._page(request, session, address)
        except aiohttp.ClientError:
            return notices.ended()

    async def _page(self, request: web.Request, session: BrowserSession, address: str) -> web.StreamResponse:
        """What the session's process answers, a piece at a time."""
        passed = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        passed[SECRET_HEADER] = session.secret
        async with self.inner.get(address, headers=passed, allow_redirects=False) as answer:
            response = web.StreamResponse(status=answer.status)
            for name in _PASSED_BACK:
                if name in answer.headers:
                    response.headers[name] = answer.headers[name]
            page = request.path.endswith(".html")
            response.headers["Cache-Control"] = "no-store" if page else "private, max-age=3600"
            response.headers.update(HEADERS)
            response.headers["Content-Security-Policy"] = self.guard.policy(request)
            await response.prepare(request)
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _websocket(self, request: web.Request, session: BrowserSession, address: str) -> web.StreamResponse:
        outer = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES, compress=False, heartbeat=30)
        await outer.prepare(request)
        session.entered()
        try:
            headers = {SECRET_HEADER: session.secret}
            async with self.inner.ws_connect(address, headers=headers, max_msg_size=0) as inner:
                await _carry(outer, inner)
        except aiohttp.ClientError:
            pass  # the session has ended; the page notices that its connection is gone
        finally:
            session.left()
            with contextlib.suppress(ConnectionError):
                await outer.close()
        return outer

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Take a session file, a piece at a time, and let the session open it."""
        session = self._session(request)
        if session is None:
            return notices.ended()
        if session.uploading:
            return web.Response(status=409, text="a file is being uploaded already")
        too_big = f"at most {self.upload_bytes // 2**20} MB can be uploaded"
        if (request.content_length or 0) > self.upload_bytes:
            return web.Response(status=413, text=too_big, headers={"Connection": "close"})
        session.uploading = True
        path = session.new_upload(UPLOADED)
        try:
            if not await self._take_in(request, path):
                return web.Response(status=413, text=too_big, headers={"Connection": "close"})
        finally:
            session.uploading = False
        await session.tell(uploaded=str(path))
        return web.Response(status=204)

    async def _take_in(self, request: web.Request, path: Path) -> bool:
        """Write what is sent; false, and nothing is left, if it is too much or breaks off."""
        whole, size = False, 0
        try:
            with path.open("xb") as file:
                async for chunk in request.content.iter_chunked(CHUNK_BYTES):
                    size += len(chunk)
                    if size > self.upload_bytes:
                        return False
                    file.write(chunk)
            whole = True
        finally:
            if not whole:
                path.unlink(missing_ok=True)
        return True

    async def download(self, request: web.Request) -> web.StreamResponse:
        """A file that the session has written for this browser."""
        session = self._session(request)
        if session is None:
            return notices.ended()
        name = request.match_info["name"]
        path = session.files / name
        if not _FILE_NAME.fullmatch(name) or path.is_symlink() or not path.is_file():
            raise web.HTTPNotFound
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return web.FileResponse(path, headers=headers)


def _sent_to(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})


async def _carry(outer: web.WebSocketResponse, inner: aiohttp.ClientWebSocketResponse) -> None:
    """Pass messages on in both directions until one side closes."""
    ways = [asyncio.create_task(_from_browser(outer, inner)), asyncio.create_task(_from_session(inner, outer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _from_browser(outer: web.WebSocketResponse, inner: aiohttp.ClientWebSocketResponse) -> None:
    async for message in outer:
        if message.type != WSMsgType.BINARY or _whole_size(message.data) > MESSAGE_BYTES:
            await outer.close(code=aiohttp.WSCloseCode.MESSAGE_TOO_BIG)
            return
        await inner.send_bytes(message.data)


async def _from_session(inner: aiohttp.ClientWebSocketResponse, outer: web.WebSocketResponse) -> None:
    async for message in inner:
        if message.type == WSMsgType.BINARY:
            await outer.send_bytes(message.data)
        elif message.type == WSMsgType.TEXT:
            await outer.send_str(message.data)


def _whole_size(part: bytes) -> int:
    """Bytes of the message that this is a part of, as wslink writes it; its receiver would set that much aside."""
    return int.from_bytes(part[_HEADER_BYTES - 4 : _HEADER_BYTES], "little") if len(part) >= _HEADER_BYTES else 0
