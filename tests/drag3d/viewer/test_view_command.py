"""The command ``drag3d view``: what it refuses, and that it opens a window which loses nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import x_display
from click.testing import CliRunner

from drag3d.cli import main
from drag3d.viewer import display

needs_display = pytest.mark.skipif(bool(x_display.why_not()), reason=x_display.why_not() or "-")


def said(*arguments: str) -> tuple[int, str]:
    """Exit code and the one line on standard error."""
    result = CliRunner().invoke(main, ["view", *arguments])
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.output
    return result.exit_code, lines[0]


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.usefixtures("no_display")
def test_without_a_display_one_line_proposes_the_browser() -> None:
    code, line = said("portrait", "--seed", "3", "--truncation", "0.7")
    assert code == 2
    proposed = "drag3d view portrait --seed 3 --truncation 0.7 --web"
    assert line == f"error: there is no display; use a browser instead: {proposed}"


def test_a_display_that_does_not_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("X displays are Linux's here")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setenv("DISPLAY", ":4711")
    code, line = said()
    assert code == 2
    assert "does not answer" in line or "needs lib" in line
    assert line.endswith("drag3d view --web")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "PACKAGES", {"no_such_module": "NoSuchPackage"})
    code, line = said()
    assert code == 2
    assert "pip install NoSuchPackage" in line
    assert "--web" in line


def test_a_missing_library_is_named_with_its_package() -> None:
    error = OSError("libxcb-cursor.so.0: cannot open shared object file: No such file or directory")
    assert "needs libxcb-cursor.so.0" in display._missing(error)
    assert "apt install libxcb-cursor0)" in display._missing(error)
    assert display._package_of("libxkbcommon-x11.so.0") == "libxkbcommon-x11-0"
    assert display._package_of("libEGL.so.1") == "libegl1"
    assert display._package_of("libdbus-1.so.3") == "libdbus-1-3"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["quadrupd"], "did you mean 'quadruped'"),
        (["no_such_folder/x.pt"], "there is no directory"),
        (["edit.drag3d"], "there is no session"),
        (["--port", "8080"], "--port is for the browser; give --web too"),
        (["--open"], "--open is for the browser"),
        (["--token", "x"], "--token is for the browser"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_what_cannot_be_used_is_refused_before_a_window_opens(
    arguments: list[str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drag3d.cli.view._open_window", lambda *_: pytest.fail("it opened a window"))
    code, line = said(*arguments)
    assert code == 2
    assert reason in line


def test_a_session_says_itself_what_it_began_with(tmp_path: Path) -> None:
    path = tmp_path / "edit.drag3d"
    path.touch()
    code, line = said(str(path), "--seed", "3")
    assert code == 2
    assert "--seed has no meaning here" in line


def test_a_qt_that_loses_references_is_refused_before_it_can_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    class Losing:
        """As PySide6 6.12.0 on Python 3.11: each call that returns nothing costs a reference to None."""

        def setObjectName(self, name: str) -> None:
            counts.append(counts[-1] - 1)

    counts = [5000]
    monkeypatch.setattr("PySide6.QtCore.QObject", Losing)
    monkeypatch.setattr("drag3d.viewer.display.sys.getrefcount", lambda _: counts[-1])
    code, line = said("quadruped")
    assert code == 2
    assert "PySide6_Essentials<6.12" in line and "--web" in line


def test_options_reach_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("drag3d.viewer.display.why_no_window", lambda: "")
    monkeypatch.setattr("drag3d.viewer.desktop.app.run", seen.append)
    result = CliRunner().invoke(
        main, ["view", "quadruped", "--seed", "3", "--texture-seed", "5", "--truncation", "0.7"]
    )
    assert result.exit_code == 0, result.output
    (options,) = seen
    assert (options.source, options.seed, options.texture_seed, options.truncation) == ("quadruped", 3, 5, 0.7)
    assert options.autosaves is not None
    assert options.open_paths


def test_options_reach_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("drag3d.viewer.web.serving.serve", seen.append)
    result = CliRunner().invoke(
        main, ["view", "portrait", "--web", "--port", "8081", "--max-sessions", "2", "--seed", "9"]
    )
    assert result.exit_code == 0, result.output
    (options,) = seen
    assert (options.source, options.port, options.max_sessions, options.seed) == ("portrait", 8081, 2, 9)
    assert (options.host, options.open_browser) == ("127.0.0.1", False)


def test_the_command_is_light() -> None:
    code = "import sys, drag3d.cli, drag3d.cli.view as v; v.check_source('quadruped')\n"
    code += "print([m for m in ('torch', 'PySide6', 'vtkmodules', 'pyvista', 'numpy', 'aiohttp') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- the real thing -------------------------------------------------------------------------------------------------


class Program:
    """``drag3d view`` as a process, on a display."""

    def __init__(self, screen: x_display.XDisplay, state: Path, *arguments: str):
        environment = {**screen.environment, "DRAG3D_STATE": str(state), "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-m", "drag3d", "view", *arguments]
        self.screen = screen
        self.process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)

    def window(self, title: str = "Drag3D") -> str:
        """The window's number, once there is one of that title."""
        return until(lambda: self.screen.do("search", "--onlyvisible", "--name", title).split(), self.process)[0]

    def end(self) -> None:
        """If it is still there."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def until(found: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 40.0) -> Any:
    """What ``found`` gives, once it gives something."""
    end = time.monotonic() + seconds
    while not (result := found()):
        assert process.poll() is None, f"it ended: {process.stderr.read() if process.stderr else ''}"
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
    return result


@pytest.fixture
def screen() -> Iterator[x_display.XDisplay]:
    screen = x_display.XDisplay()
    yield screen
    screen.stop()


def children(pid: int) -> list[int]:
    """Processes that a process has started, on Linux."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(number) for number in listed.read_text().split()] if listed.exists() else []


@pytest.mark.window
@pytest.mark.slow
@needs_display
@pytest.mark.parametrize("way", ["ctrl+q", "the window's button"])
def test_a_closed_window_loses_nothing(screen: x_display.XDisplay, small_model: Path, tmp_path: Path, way: str) -> None:
    program = Program(screen, tmp_path, str(small_model))
    try:
        number = program.window(r"quadruped.* - Drag3D")  # the title has a name once the shape is there
        time.sleep(0.5)
        screen.do("windowfocus", number)
        screen.click(476, 419)
        screen.click(476, 350)
        screen.do("key", "space")
        autosaves = tmp_path / "autosave"
        until(lambda: list(autosaves.glob("*.drag3d")), program.process)
        workers = children(program.process.pid)
        if way == "ctrl+q":
            screen.do("key", "ctrl+q")
        else:
            close_by_protocol(screen, number)
        assert program.process.wait(20) == 0, program.process.stderr.read()  # type: ignore[union-attr]
        assert program.process.stderr.read() == ""  # type: ignore[union-attr]
        end = time.monotonic() + 5
        while left := [pid for pid in workers if Path(f"/proc/{pid}").exists()]:
            assert time.monotonic() < end, f"left behind: {left}"
            time.sleep(0.05)
    finally:
        program.end()
    from drag3d.session import Session

    (kept,) = autosaves.glob("*.drag3d")
    session = Session.open(kept, generator=str(small_model))
    assert len(session.points) == 1


def close_by_protocol(screen: x_display.XDisplay, number: str) -> None:
    """What the cross of a window's frame does: WM_DELETE_WINDOW, sent to the window."""
    import ctypes

    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    x11.XInternAtom.restype = ctypes.c_ulong
    connection = x11.XOpenDisplay(screen.name.encode())
    protocols = x11.XInternAtom(connection, b"WM_PROTOCOLS", 0)
    delete = x11.XInternAtom(connection, b"WM_DELETE_WINDOW", 0)
    event = (ctypes.c_long * 24)()
    # an XClientMessageEvent: type, serial, send_event, display, window, message_type, format, data
    event[0], event[4], event[5], event[6], event[7] = 33, int(number), protocols, 32, delete
    x11.XSendEvent.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    x11.XSendEvent(connection, int(number), 0, 0, ctypes.byref(event))
    x11.XCloseDisplay.argtypes = [ctypes.c_void_p]
    x11.XCloseDisplay(connection)


@pytest.mark.window
@pytest.mark.slow
@needs_display
def test_ctrl_c_in_the_terminal_closes_the_window(
    screen: x_display.XDisplay, small_model: Path, tmp_path: Path
) -> None:
    import signal

    program = Program(screen, tmp_path, str(small_model))
    try:
        program.window(r"quadruped.* - Drag3D")
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(20) == 0
        assert program.process.stderr.read() == ""  # type: ignore[union-attr]
    finally:
        program.end()


@pytest.mark.window
@pytest.mark.slow
@needs_display
def test_the_window_process_needs_no_torch(screen: x_display.XDisplay, small_model: Path, tmp_path: Path) -> None:
    if not Path("/proc/self/maps").exists():
        pytest.skip("what a process has loaded is read from /proc")
    program = Program(screen, tmp_path, str(small_model))
    try:
        program.window(r"quadruped.* - Drag3D")
        loaded = Path(f"/proc/{program.process.pid}/maps").read_text()
        assert re.search(r"libvtk|vtkmodules", loaded)
        assert "libtorch" not in loaded
        assert any("libtorch" in Path(f"/proc/{pid}/maps").read_text() for pid in children(program.process.pid))
        os.kill(program.process.pid, 15)
        assert program.process.wait(20) == 0
    finally:
        program.end()
