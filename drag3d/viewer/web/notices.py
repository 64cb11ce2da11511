"""Pages of a sentence or two, for all that is not the viewer itself."""

from __future__ import annotations

import html

from aiohttp import web

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Drag3D</title><style>
body {{ background: #16181d; color: #d7dae0; font: 17px/1.5 system-ui, sans-serif; display: grid; place-items: center;
        min-height: 90vh; margin: 0; }}
main {{ max-width: 34rem; padding: 2rem; }}
h1 {{ font-size: 1.35rem; font-weight: 600; }}
a {{ color: #7cb7ff; }}
</style></head><body><main><h1>{title}</h1><p>{text}</p>{link}</main></body></html>
"""


def notice(status: int, title: str, text: str, link: str = "") -> web.Response:
    """A page; ``link``: the words of a link to the front door."""
    anchor = f'<p><a href="/">{html.escape(link)}</a></p>' if link else ""
    body = _PAGE.format(title=html.escape(title), text=html.escape(text), link=anchor)
    return web.Response(text=body, status=status, content_type="text/html", headers={"Cache-Control": "no-store"})


def refused(reason: str) -> web.Response:
    """403."""
    return notice(403, "Not allowed", f"{reason[:1].upper()}{reason[1:]}.")


def all_taken(most: int) -> web.Response:
    """503."""
    response = notice(
        503,
        "All places are taken",
        f"This server has room for {most} session{'s' * (most != 1)} at once, and all are in use. "
        "A place becomes free when somebody closes the viewer for a while.",
        "Try again",
    )
    response.headers["Retry-After"] = "60"
    return response


def ended() -> web.Response:
    """404, for sessions that are over or never were."""
    return notice(
        404,
        "This session has ended",
        "Sessions end when nobody has looked at them for a while, or when the server is stopped. What was not saved is "
        "offered in a new session.",
        "Begin a new session",
    )


def did_not_start(reason: str) -> web.Response:
    """500."""
    return notice(500, "The session did not start", reason or "The server's log says why.", "Try again")


def from_another_site() -> web.Response:
    """200: a link on another site led here. A click of the person, here, is needed to go on."""
    return notice(200, "Drag3D", "A link on another site has led here.", "Open the viewer")
