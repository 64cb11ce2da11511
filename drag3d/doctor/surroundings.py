"""What belongs to the machine and not to Python: a display and a browser. Neither can crash us; they are tried here."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
from contextlib import closing
from pathlib import Path

from drag3d.doctor.finding import BROKEN, MISSING, WORKS, Finding

SECONDS = 5.0
X_SOCKETS = "/tmp/.X11-unix"
X_PORT = 6000
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge",
            "msedge", "brave-browser", "firefox")  # fmt: skip
ELSEWHERE = {  # where browsers lie that are not on the path
    "Darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Firefox.app/Contents/MacOS/firefox",
        "/Applications/Safari.app/Contents/MacOS/Safari",
    ),
    "Windows": tuple(
        str(Path(os.environ.get(folder, "C:/"), *parts))
        for folder in ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData")
        for parts in (
            ("Google", "Chrome", "Application", "chrome.exe"),
            ("Microsoft", "Edge", "Application", "msedge.exe"),
        )
    ),
}


def display() -> Finding:
    """Whether windows can be opened: the display that the environment names is asked for a connection."""
    if platform.system() != "Linux":
        return Finding("display", WORKS, f"taken for granted on {platform.system()}")
    wayland, x = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if not (wayland or x):
        return Finding("display", MISSING, "none (neither DISPLAY nor WAYLAND_DISPLAY is set), so no windows")
    if wayland and _connects(str(Path(os.environ.get("XDG_RUNTIME_DIR", "/"), wayland))):
        return Finding("display", WORKS, f"Wayland, {wayland}")
    if x and _x_answers(x):
        return Finding("display", WORKS, f"X, {x}")
    return Finding(
        "display", BROKEN, f"{x or wayland} does not answer, so no windows", "start it, or unset its variable"
    )


def window() -> Finding:
    """Whether the viewer's window can be opened: Qt, the system's libraries that it loads, and a display."""
    from drag3d.viewer.display import missing_packages, why_no_window

    if missing := missing_packages():
        return Finding("window", MISSING, "the viewer's window needs Qt", f"pip install {' '.join(missing)}")
    if reason := why_no_window():
        return Finding("window", MISSING, reason, "drag3d view --web shows the viewer in a browser")
    return Finding("window", WORKS, "Qt can open the viewer's window")


def web() -> Finding:
    """Whether the viewer can be served to browsers; what it draws with is OpenGL's matter."""
    from drag3d.viewer.web.packages import missing_packages

    if missing := missing_packages():
        return Finding("web viewer", MISSING, "it needs more packages", f"pip install {' '.join(missing)}")
    return Finding("web viewer", WORKS, "its packages are here: drag3d view --web")


def browser() -> Finding:
    """A browser on this machine, for the viewer; it is asked for its version, where that opens no window."""
    system = platform.system()
    places = [place for name in BROWSERS if (place := shutil.which(name))]
    places += [place for place in ELSEWHERE.get(system, ()) if Path(place).is_file()]
    if not places:
        return Finding("browser", MISSING, "none found here; one on another machine will do")
    if system == "Windows" or places[0].endswith("Safari"):
        return Finding("browser", WORKS, f"{places[0]} (not started)")
    why = ""
    for place in places:
        try:
            ran = subprocess.run([place, "--version"], capture_output=True, timeout=SECONDS, text=True, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            why = f"{place} does not start ({error})"
            continue
        return Finding("browser", WORKS, ran.stdout.strip() or place)
    return Finding("browser", BROKEN, why, "one on another machine will do")


def _x_answers(name: str) -> bool:
    """Whether an X server takes a connection; ``name`` as in DISPLAY: [host]:number[.screen]."""
    host, _, numbers = name.rpartition(":")
    number = numbers.partition(".")[0]
    if not number.isdigit():
        return False
    if host in ("", "unix"):
        place = f"{X_SOCKETS}/X{number}"
        return _connects(place) or _connects(f"\0{place}")  # Linux has abstract sockets too
    try:
        with closing(socket.create_connection((host, X_PORT + int(number)), timeout=SECONDS)):
            return True
    except (OSError, OverflowError):
        return False


def _connects(place: str) -> bool:
    """Whether somebody listens on a local socket."""
    try:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(SECONDS)
            connection.connect(place)
            return True
    except OSError:
        return False
