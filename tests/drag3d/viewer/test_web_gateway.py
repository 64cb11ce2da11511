"""The front door of the browser's viewer: who may come in, to what, and how much of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest
from front_door import Browser, FrontDoor, descendants, front_door, gone

from drag3d.viewer.web.guard import Guard, Refused, owner_folder
from drag3d.viewer.web.serving import WebOptions, guard_of, listen
from get3d_models.errors import InputError

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    """For this machine only, with room for many, and for uploads of a megabyte."""
    with front_door(tmp_path_factory.mktemp("state"), max_sessions=12, upload_megabytes=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    """Reachable by all, so with a token; room for one."""
    with front_door(tmp_path_factory.mktemp("state"), host="0.0.0.0", max_sessions=1) as opened:
        yield opened


@pytest.fixture
def browser(door: FrontDoor) -> Browser:
    return door.browser()


@pytest.fixture(autouse=True)
def sessions_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """Or the next test would find all places taken."""
    yield
    if "door" in request.fixturenames:
        opened = request.getfixturevalue("door")
        while opened.browsers:
            opened.browsers.pop().leave()


def setup_of(browser: Browser, session: str) -> dict[str, object]:
    answer = browser.ask(f"{session}/about")
    assert answer.status == 200, answer.text
    return json.loads(answer.body)


def said_to(browser: Browser, session: str) -> list[dict[str, str]]:
    """What the session's process was told after its setup."""
    files = Path(str(setup_of(browser, session)["setup"]["folder"]), "files", "told.jsonl")  # type: ignore[index]
    until = time.monotonic() + 5
    while not files.exists() and time.monotonic() < until:
        time.sleep(0.02)
    return [json.loads(line) for line in files.read_text().splitlines()] if files.exists() else []


async def talk(door: FrontDoor, browser: Browser, session: str, message: bytes = bytes(16), **headers: str) -> object:
    """Send a message over a websocket; the echo, or the code that it was closed with."""
    sent = {"Origin": f"http://127.0.0.1:{door.port}", **browser.cookie_header(), **headers}
    async with aiohttp.ClientSession() as client:
        address = f"http://127.0.0.1:{door.port}{session}/ws"
        async with client.ws_connect(address, headers=sent, max_msg_size=0) as connection:
            await connection.send_bytes(message)
            answer = await connection.receive(timeout=10)
            return answer.data if answer.type == aiohttp.WSMsgType.BINARY else connection.close_code


# ---- sessions -----------------------------------------------------------------------------------------------------


def test_the_front_door_gives_each_browser_a_session_and_a_page(browser: Browser) -> None:
    session = browser.enter()
    page = browser.ask(f"{session}/index.html")
    assert (page.status, page.headers["Cache-Control"]) == (200, "no-store")
    assert "stand-in" in page.text
    assert browser.ask(f"{session}/").headers["Location"] == f"{session}/index.html"
    assert browser.ask(session).headers["Location"] == f"{session}/index.html"


def test_two_browsers_have_different_processes_folders_and_autosaves(door: FrontDoor) -> None:
    browsers = [door.browser(), door.browser()]
    found = [setup_of(browser, browser.enter()) for browser in browsers]
    assert found[0]["pid"] != found[1]["pid"]
    setups = [dict(one["setup"]) for one in found]  # type: ignore[call-overload]
    for name in ("folder", "autosaves", "secret"):
        assert setups[0][name] != setups[1][name]
    for browser, setup in zip(browsers, setups, strict=True):
        owner = browser.cookies["drag3d_owner"]
        assert Path(setup["autosaves"]).name == owner_folder(owner)
        assert owner not in setup["autosaves"]
        assert Path(setup["autosaves"]).stat().st_mode & 0o777 == 0o700


def test_a_browser_comes_back_to_the_session_it_has_left_but_not_to_one_it_looks_at(door: FrontDoor) -> None:
    browser = door.browser()
    session = browser.enter()
    assert browser.enter() != session, "the first one is about to be looked at"
    asyncio.run(talk(door, browser, session))
    time.sleep(0.2)
    assert browser.enter() == session


@pytest.mark.parametrize("path", ["/index.html", "/about", "/files/told.jsonl", "/", ""])
def test_another_browser_that_knows_the_address_is_refused(door: FrontDoor, browser: Browser, path: str) -> None:
    session = browser.enter()
    other = door.browser()
    other.enter()
    for stranger in (other, door.browser()):
        answer = stranger.ask(f"{session}{path}")
        if answer.status == 303:  # to the page, which is refused
            answer = stranger.ask(answer.headers["Location"])
        assert answer.status == 403
        assert "another browser" in answer.text
    assert setup_of(browser, session), "its own browser is not"


def test_another_browser_can_neither_talk_nor_upload(door: FrontDoor, browser: Browser) -> None:
    session = browser.enter()
    other = door.browser()
    other.enter()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        asyncio.run(talk(door, other, session))
    assert refusal.value.status == 403
    assert other.post(f"{session}/upload", b"x").status == 403
    assert asyncio.run(talk(door, browser, session, bytes(12) + b"hello")) == bytes(12) + b"hello"


def test_an_unknown_session_has_ended(browser: Browser) -> None:
    browser.enter()
    answer = browser.ask("/s/AAAAAAAAAAAAAAAAAAAAAA/index.html")
    assert answer.status == 404
    assert "ended" in answer.text


def test_a_session_whose_process_dies_has_ended_and_leaves_nothing(browser: Browser) -> None:
    session = browser.enter()
    setup = setup_of(browser, session)
    assert "ended" in browser.ask(f"{session}/die").text
    until = time.monotonic() + 10
    while (answer := browser.ask(f"{session}/index.html")).status != 404 and time.monotonic() < until:
        time.sleep(0.1)
    assert "ended" in answer.text
    folder = Path(str(setup["setup"]["folder"]))  # type: ignore[index]
    browser.enter()
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not folder.exists()


def test_a_browser_that_reloads_while_its_session_starts_gets_that_one(browser: Browser) -> None:
    browser.ask("/")
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: browser.ask("/").headers["Location"], range(4)))
    assert len(set(answers)) == 1
    browser.entered.append(answers[0].removesuffix("/index.html"))
    assert setup_of(browser, browser.entered[0])


def test_a_browser_without_cookies_is_told_so(door: FrontDoor) -> None:
    answer = door.browser().ask("/?known")
    assert answer.status == 400
    assert "Cookies" in answer.text


# ---- who may come in ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.1.7", "", "["])
def test_a_server_for_this_machine_answers_to_no_other_name(door: FrontDoor, host: str) -> None:
    answer = door.browser(host=host or " ").ask("/")
    assert answer.status in (400, 403)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_names_of_this_machine_may_have_any_port_as_tunnels_need(door: FrontDoor, name: str) -> None:
    assert door.browser(host=f"{name}:9999").enter().startswith("/s/")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "", "http://localhost"])
def test_pages_of_other_sites_can_neither_talk_nor_upload(door: FrontDoor, browser: Browser, origin: str) -> None:
    session = browser.enter()
    assert browser.post(f"{session}/upload", b"x", Origin=origin).status == 403
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        asyncio.run(talk(door, browser, session, Origin=origin))
    assert refusal.value.status == 403


def test_an_upload_without_origin_is_refused(browser: Browser) -> None:
    assert browser.ask(f"{browser.enter()}/upload", "POST", b"x").status == 403


def test_pictures_and_frames_of_other_pages_start_no_session(browser: Browser) -> None:
    for destination in ("image", "iframe", "empty"):
        answer = browser.ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Dest=destination)
        assert answer.status == 403
        assert not browser.cookies


def test_a_link_on_another_site_needs_a_click_before_a_session_starts(browser: Browser) -> None:
    answer = browser.ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document")
    assert (answer.status, browser.cookies) == (200, {})
    assert 'href="/"' in answer.text
    browser.ask("/", Sec_Fetch_Site="same-origin", Sec_Fetch_Dest="document")
    assert browser.cookies


def test_every_answer_forbids_frames_sniffing_and_referrers(browser: Browser) -> None:
    session = browser.enter()
    for path in ("/", f"{session}/index.html", f"{session}/about", f"{session}/files/nothing", "/nowhere", "/s/x/y"):
        headers = browser.ask(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "no-referrer", path
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path


def test_cookies_can_be_read_by_no_script_and_sent_by_no_other_site(browser: Browser) -> None:
    cookie = browser.ask("/").headers["Set-Cookie"]
    assert all(part in cookie for part in ("drag3d_owner=", "HttpOnly", "SameSite=Strict", f"Max-Age={30 * 86400}"))


def test_with_a_token_nobody_comes_in_without_it(locked: FrontDoor) -> None:
    stranger = locked.browser()
    assert stranger.ask("/").status == 403
    assert stranger.ask("/s/x/index.html").status == 403
    assert stranger.post("/s/x/upload", b"x").status == 403
    assert stranger.ask("/?token=wrong-but-as-long-as-it-takes").status == 403
    assert not stranger.cookies
    forged = locked.browser(cookies={f"drag3d_token_{locked.port}": "wrong"})
    assert forged.ask("/").status == 403


def test_the_printed_address_lets_one_in_and_the_token_leaves_the_address(locked: FrontDoor) -> None:
    token = locked.address.partition("?token=")[2]
    assert len(token) >= 32
    browser = locked.browser()
    answer = browser.ask(f"/?token={token}")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    session = browser.enter()
    assert setup_of(browser, session)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        half = Browser(locked.port, {"drag3d_owner": browser.cookies["drag3d_owner"]})
        asyncio.run(talk(locked, half, session))
    full = locked.browser(cookies={f"drag3d_token_{locked.port}": token})
    refusal = full.front()
    assert refusal.status == 503
    assert "All places are taken" in refusal.text


def test_a_server_for_all_answers_to_addresses_but_to_no_strange_name(locked: FrontDoor) -> None:
    assert locked.browser(host="evil.example").ask("/").status == 403
    guard = Guard("0.0.0.0", 8080, "t" * 20)
    guard.check_host("192.168.1.7:8080")
    guard.check_host("[fe80::1]:8080")
    guard.check_host(f"{socket.gethostname()}:8080")
    with pytest.raises(Refused):
        guard.check_host("evil.example:8080")


def test_the_greeting_says_what_is_served_and_that_the_address_is_a_key(door: FrontDoor, locked: FrontDoor) -> None:
    assert door.greeting.startswith("serving quadruped: up to 12 sessions at once")
    assert "uploads up to 1 MB" in door.greeting and "?token=" not in door.greeting
    assert "up to 1 session at once" in locked.greeting and "not encrypted" in locked.greeting


# ---- files --------------------------------------------------------------------------------------------------------


def test_an_upload_arrives_whole_under_a_name_of_the_servers_own(browser: Browser) -> None:
    session = browser.enter()
    content = os.urandom(700_000)
    assert browser.post(f"{session}/upload?name=../../evil", content).status == 204
    said = said_to(browser, session)
    path = Path(said[-1]["uploaded"])
    setup = setup_of(browser, session)["setup"]
    assert path.read_bytes() == content
    assert path.parent == Path(str(setup["folder"]), "uploads")  # type: ignore[index]
    assert path.suffix == ".drag3d" and "evil" not in path.name


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_over_the_limit_is_refused_and_nothing_of_it_stays(browser: Browser, chunked: bool) -> None:
    session = browser.enter()
    piece = b"x" * 65536
    body = (piece for _ in range(17)) if chunked else piece * 17
    try:
        answer = browser.post(f"{session}/upload", body, **({"Transfer_Encoding": "chunked"} if chunked else {}))
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server has closed while the rest was on its way
    else:
        assert answer.status == 413
        assert "at most 1 MB" in answer.text
    setup = setup_of(browser, session)["setup"]
    assert not list(Path(str(setup["folder"]), "uploads").iterdir())  # type: ignore[index]


def test_only_the_last_uploads_stay_on_the_disk(browser: Browser) -> None:
    session = browser.enter()
    for number in range(5):
        assert browser.post(f"{session}/upload", b"%d" % number).status == 204
    setup = setup_of(browser, session)["setup"]
    kept = sorted(path.read_bytes() for path in Path(str(setup["folder"]), "uploads").iterdir())  # type: ignore[index]
    assert kept == [b"3", b"4"]


def test_a_file_of_the_session_is_downloaded_and_none_outside_of_its_folder(browser: Browser) -> None:
    session = browser.enter()
    folder = Path(str(setup_of(browser, session)["setup"]["folder"]))  # type: ignore[index]
    (folder / "files" / "edit.glb").write_bytes(b"glTF")
    (folder / "files" / ".hidden").write_bytes(b"no")
    (folder / "files" / "link.glb").symlink_to("/etc/passwd")
    (folder / "secret.glb").write_bytes(b"no")
    answer = browser.ask(f"{session}/files/edit.glb")
    assert (answer.status, answer.body) == (200, b"glTF")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="edit.glb"'
    outside = (
        "../secret.glb", "..%2fsecret.glb", "%2e%2e%2fsecret.glb", "%2e%2e/secret.glb", "..%5csecret.glb", ".hidden",
        "link.glb", "%2fetc%2fpasswd", "..", "edit.glb%00", "nothing.glb",
    )  # fmt: skip
    for name in outside:
        answer = browser.ask(f"{session}/files/{name}")
        assert answer.status in (400, 403, 404), name
        assert answer.body != b"no" and b"root" not in answer.body, name


def test_the_sessions_process_is_asked_for_no_path_above_its_own(browser: Browser) -> None:
    session = browser.enter()
    for tail in ("../x", "a/../../about", "%2e%2e/about", "a%2f..%2f..%2fabout"):
        assert browser.ask(f"{session}/{tail}").status in (303, 404)


# ---- messages -----------------------------------------------------------------------------------------------------


def test_a_message_over_the_limit_ends_the_connection(door: FrontDoor, browser: Browser) -> None:
    session = browser.enter()
    assert asyncio.run(talk(door, browser, session, bytes((1 << 20) + 1))) == 1009
    claimed = bytes(8) + (1 << 30).to_bytes(4, "little") + b"first part"
    assert asyncio.run(talk(door, browser, session, claimed)) == 1009
    fits = bytes(8) + (1 << 19).to_bytes(4, "little") + b"first part"
    assert asyncio.run(talk(door, browser, session, fits)) == fits


def test_the_process_is_shown_a_secret_that_browsers_never_see(browser: Browser) -> None:
    found = setup_of(browser, browser.enter())
    assert found["secret"] == found["setup"]["secret"]  # type: ignore[index]
    assert len(str(found["secret"])) > 40


# ---- beginning and end --------------------------------------------------------------------------------------------


@needs_proc
@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_when_the_server_ends_no_process_is_left(tmp_path: Path, way: signal.Signals) -> None:
    with front_door(tmp_path) as door:
        browsers = [door.browser(), door.browser()]
        folders = [Path(str(setup_of(b, b.enter())["setup"]["folder"])) for b in browsers]  # type: ignore[index]
        below = descendants(door.process.pid)
        assert len(below) == 2
        door.process.send_signal(way)
        door.process.wait(20)
        assert gone(below)
        if way != signal.SIGKILL:
            assert door.process.returncode == 0
            assert not any(folder.exists() for folder in folders)


@needs_proc
def test_a_session_that_nobody_looks_at_ends_and_makes_room(tmp_path: Path) -> None:
    with front_door(tmp_path, max_sessions=1, idle_minutes=0.03) as door:
        browser, other = door.browser(), door.browser()
        session = browser.enter()
        below = descendants(door.process.pid)
        assert other.front().status == 503
        assert gone(below, 10)
        assert browser.ask(f"{session}/index.html").status == 404
        assert other.enter()


def test_what_cannot_be_listened_on_is_refused_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} is in use"):
            listen("127.0.0.1", port)
    for host, port, words in (
        ("127.0.0.1", 70000, "0 to 65535"),
        ("no.such.host.invalid", 0, "--host no.such.host.invalid: not an address"),
        ("192.0.2.1", 0, "--host 192.0.2.1: not an address of this machine"),
        ("a" * 70 + ".example", 0, "not an address"),
    ):
        with pytest.raises(InputError, match=words):
            listen(host, port)


def test_neither_the_front_door_nor_a_sessions_window_imports_torch() -> None:
    modules = ("serving", "gateway", "process", "served", "page", "area", "frames")
    lines = [f"import drag3d.viewer.web.{name}" for name in modules]
    lines += ["import sys, drag3d.viewer.application", "sys.exit('torch' in sys.modules)"]
    assert subprocess.run([sys.executable, "-c", "\n".join(lines)], check=False).returncode == 0


def test_a_token_is_made_up_exactly_where_others_can_reach_the_server() -> None:
    for host, needed in (("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)):
        sockets = listen(host, 0)
        try:
            guard = guard_of(WebOptions("quadruped", host=host), sockets)
            assert (guard.token is not None) == needed
            assert {one.getsockname()[1] for one in sockets} == {guard.port}
            given = guard_of(WebOptions("quadruped", host=host, token="chosen-by-hand"), sockets)
            assert given.token == "chosen-by-hand"
            for bad in ("", "short", "with spaces in it", "ünicode-characters", "x" * 201):
                with pytest.raises(InputError, match="--token must be"):
                    guard_of(WebOptions("quadruped", host=host, token=bad), sockets)
        finally:
            for one in sockets:
                one.close()


def test_what_is_missing_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from drag3d.viewer.scene import probe
    from drag3d.viewer.web import packages, serving

    monkeypatch.setattr(probe, "opengl_trouble", lambda: "no off-screen OpenGL")
    with pytest.raises(InputError, match=r"^no off-screen OpenGL$"):
        serving.serve(WebOptions("quadruped", port=0))
    monkeypatch.setitem(packages.PACKAGES, "no_such_module_here", "no-such-package")
    with pytest.raises(InputError, match=r"pip install no-such-package$"):
        serving.serve(WebOptions("quadruped", port=0))
