"""In place of a browser session's process: answers with what it was told, echoes messages, and draws nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from aiohttp import web

PAGE = "<!doctype html><title>stand-in</title>"


async def _serve(setup: dict[str, Any]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    folder = Path(setup["folder"])

    def listen() -> None:
        for line in sys.stdin:
            with (folder / "files" / "told.jsonl").open("a") as file:
                file.write(line)
        loop.call_soon_threadsafe(stop.set)

    async def about(request: web.Request) -> web.Response:
        return web.json_response({"pid": os.getpid(), "secret": request.headers.get("X-Drag3D-Secret"), "setup": setup})

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data)
        return socket

    async def die(request: web.Request) -> web.Response:
        os._exit(3)

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    threading.Thread(target=listen, daemon=True).start()
    application = web.Application()
    routes = {"/about": about, "/ws": echo, "/die": die, "/index.html": page}
    for path, answer in routes.items():
        application.router.add_get(path, answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.stdin.readline())))
