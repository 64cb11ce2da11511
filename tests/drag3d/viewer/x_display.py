"""X displays of one's own for tests of windows, and mouse and keys on them through xdotool."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SIZE = (1280, 800)


@functools.cache
def why_not() -> str:
    """Why no window can be tested here; empty where one can."""
    absent = [program for program in ("Xvfb", "xdotool") if shutil.which(program) is None]
    if absent:
        return f"{' and '.join(absent)} not installed"
    try:
        import PySide6
        from PySide6 import QtGui, QtOpenGLWidgets  # noqa: F401 - they need libEGL and libGL

        plugin = Path(PySide6.__path__[0], "Qt", "plugins", "platforms", "libqxcb.so")
        if plugin.exists():
            ctypes.CDLL(str(plugin))
    except (ImportError, OSError) as error:
        return f"Qt cannot open windows here: {error}"
    return ""


class XDisplay:
    """An Xvfb on a free display number; it ends with :meth:`stop`, with this process, or with its last client."""

    def __init__(self, width: int = SIZE[0], height: int = SIZE[1], for_one_client: bool = False):
        reading, writing = os.pipe()
        ending = "-terminate" if for_one_client else "-noreset"
        screen = ("-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", ending)
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), *screen], pass_fds=[writing], stderr=subprocess.DEVNULL
        )
        os.close(writing)
        with os.fdopen(reading) as said:  # it says its number once it can be used
            number = said.readline().strip()
        if not number:
            self.stop()
            raise RuntimeError("Xvfb does not start")
        self.name = f":{number}"
        if not for_one_client:
            atexit.register(self.stop)

    @property
    def environment(self) -> dict[str, str]:
        """For programs that shall open their windows here."""
        kept = {name: value for name, value in os.environ.items() if name not in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
        return {**kept, "DISPLAY": self.name}

    def do(self, *arguments: object) -> str:
        """Let xdotool do something; returns what it prints."""
        words = ["xdotool", *(str(argument) for argument in arguments)]
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=20, check=False)
        return done.stdout

    def click(self, x: float, y: float, keys: Sequence[str] = ()) -> None:
        """A click of the left button, with keys held."""
        self.do("mousemove", round(x), round(y))
        self.drag([(x, y)], keys)

    def drag(self, places: Sequence[tuple[float, float]], keys: Sequence[str] = ()) -> None:
        """Press the left button at the first place, go to all others, let go at the last; with keys held."""
        words: list[object] = ["mousemove", round(places[0][0]), round(places[0][1])]
        words += [word for key in keys for word in ("keydown", key)]
        words += ["sleep", 0.05, "mousedown", 1, "sleep", 0.05]
        for x, y in places[1:]:
            words += ["mousemove", round(x), round(y), "sleep", 0.03]
        words += ["mouseup", 1, "sleep", 0.05]
        words += [word for key in keys for word in ("keyup", key)]
        self.do(*words)

    def stop(self) -> None:
        """End the server."""
        if self._server.poll() is None:
            self._server.terminate()
            try:
                self._server.wait(5)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()


@functools.cache
def shared_display() -> XDisplay:
    """One for all windows of this process: Qt stays with the display that it saw first.

    Qt, which dies noisily if its display goes before it, is the client with which it ends.
    """
    return XDisplay(for_one_client=True)
