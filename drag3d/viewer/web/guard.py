"""Who may come in: the token, the names this server answers to, the origin of what is asked, and who owns a session."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass, field

from aiohttp import web
from yarl import URL

from get3d_models.errors import InputError

OWNER_COOKIE = "drag3d_owner"
OWNER_DAYS = 30
_OWNER = re.compile(r"[A-Za-z0-9_-]{43}")  # what secrets.token_urlsafe() makes
_TOKEN = re.compile(r"[A-Za-z0-9_-]{12,200}")
ANY_HOST = ("0.0.0.0", "::", "")

POLICY = "; ".join((
    "default-src 'self'",
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # trame's page compiles its templates in the browser
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' blob: data:",
    "font-src 'self' data:",
    "connect-src 'self' {websocket}",  # Safari does not count websockets of the same host as 'self'
    "frame-ancestors 'none'",
    "form-action 'self'",
    "base-uri 'self'",
))  # fmt: skip
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Refused(Exception):
    """A request that is answered with 403; the text says why."""


def new_token() -> str:
    """A token nobody guesses."""
    return secrets.token_urlsafe(24)


def checked_token(token: str) -> str:
    """A token that a person chose; InputError if it is too short, or could not stand in an address."""
    if not _TOKEN.fullmatch(token):
        raise InputError(
            "--token must be 12 to 200 letters, digits, - or _; leave it out, and one is made up and printed"
        )
    return token


def is_loopback(address: str) -> bool:
    """Whether an IP address can only be reached from this machine."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


@dataclass
class Guard:
    """Judges requests. ``token`` None: none is needed, because only this machine can reach the server."""

    host: str
    """That it listens on"""
    port: int
    token: str | None = None
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        local = {"localhost", "127.0.0.1", "::1"}
        own = (
            {self.host.lower()}
            if self.host not in ANY_HOST
            else {socket.gethostname().lower(), socket.getfqdn().lower()}
        )
        self.names = frozenset(local | own)

    def check(self, request: web.Request) -> None:
        """Raise :class:`Refused` for requests with a foreign Host or Origin, or without the token."""
        self.check_host(request.headers.get("Host", ""))
        writes = request.method not in ("GET", "HEAD")
        if writes or is_websocket(request):
            self.check_origin(request)
        if self.token is not None and not self.knows_token(request.cookies.get(self.token_cookie, "")):
            raise Refused("this server needs a token; open the address that it printed when it was started")

    def check_host(self, host: str) -> None:
        """A page of another name that was pointed at this server must not talk to it (DNS rebinding).

        The port may differ: tunnels change it. On a wildcard address all plain IP addresses are ours: a name is what
        rebinding needs.
        """
        name = _name_of(host)
        if name in self.names or (self.host in ANY_HOST and _is_address(name)):
            return
        raise Refused(f"this server is not called {name[:80]!r}; open the address that it printed")

    def check_origin(self, request: web.Request) -> None:
        """Only pages of this very server may write or open websockets."""
        origin = request.headers.get("Origin", "")
        host = request.headers.get("Host", "")
        if origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            raise Refused("this comes from a page of another site")

    @property
    def token_cookie(self) -> str:
        """Cookies do not tell ports apart; two servers on one machine must not take each other's."""
        return f"drag3d_token_{self.port}"

    def knows_token(self, given: str) -> bool:
        """Whether it is the right one."""
        return self.token is not None and secrets.compare_digest(given.encode(), self.token.encode())

    def policy(self, request: web.Request) -> str:
        """The Content-Security-Policy of pages."""
        host = request.headers.get("Host", "")
        return POLICY.format(websocket=f"ws://{host} wss://{host}")


def is_websocket(request: web.Request) -> bool:
    """Whether a websocket shall be opened."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def from_elsewhere(request: web.Request) -> bool:
    """Whether a page of another site led here; browsers that do not say so are taken to come from nowhere."""
    return request.headers.get("Sec-Fetch-Site", "none") in ("cross-site", "same-site")


def is_page_view(request: web.Request) -> bool:
    """Whether a person opens an address, and not a page that loads pictures or frames."""
    return request.headers.get("Sec-Fetch-Dest", "document") == "document"


def owner_of(request: web.Request) -> str:
    """The browser's own secret; empty if it has none yet."""
    owner = request.cookies.get(OWNER_COOKIE, "")
    return owner if _OWNER.fullmatch(owner) else ""


def new_owner() -> str:
    """A secret for a browser."""
    return secrets.token_urlsafe(32)


def owner_folder(owner: str) -> str:
    """Name of a browser's folder on this machine; does not give its secret away."""
    return hashlib.sha256(owner.encode()).hexdigest()[:32]


def set_cookie(response: web.StreamResponse, name: str, value: str, days: int | None = None) -> None:
    """A cookie no script can read and no other site can use; ``days`` None: until the browser is closed."""
    age = None if days is None else days * 86400
    response.set_cookie(name, value, max_age=age, httponly=True, samesite="Strict", path="/")


def _name_of(host: str) -> str:
    """The name in a Host header, without port and brackets, lower case; empty if it is none."""
    try:
        return (URL(f"http://{host}").host or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
