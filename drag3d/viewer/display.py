"""Whether a window can be opened here, found out without opening one: Qt ends the process where it cannot."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

PACKAGES = {"PySide6": "PySide6_Essentials", "pyvistaqt": "pyvistaqt", "qtawesome": "qtawesome"}
"""Modules that the window needs, and the packages that bring them"""
_PLUGINS = {"xcb": ("libqxcb.so",), "wayland": ("libqwayland.so", "libqwayland-generic.so", "libqwayland-egl.so")}
_REASON_LENGTH = 160
BROKEN_QT = (
    "this PySide6 and this Python do not go together, a window would end in a crash after some minutes (6.12.0 on "
    "Python 3.11 is so: pip install 'PySide6_Essentials<6.12')"
)


def missing_packages() -> list[str]:
    """What pip would have to install before a window can open."""
    return [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]


def why_no_window() -> str:
    """In one phrase why no window can be opened here; empty where one can.

    Imports the part of Qt that the window needs anyway, connects to the display, and loads what Qt would load for it.
    """
    if _loses_references():
        return BROKEN_QT
    if os.environ.get("QT_QPA_PLATFORM"):
        return ""  # somebody knows better
    if not sys.platform.startswith("linux"):
        return ""  # a Mac and Windows always have a display
    reasons = []
    if name := os.environ.get("WAYLAND_DISPLAY"):
        reasons.append(_why_no_wayland(name) or _why_no_plugin("wayland"))
    if name := os.environ.get("DISPLAY"):
        reasons.append(_why_no_x(name) or _why_no_plugin("xcb"))
    if not reasons:
        return "there is no display"
    return "" if "" in reasons else reasons[-1]


def _loses_references() -> bool:
    """Whether this PySide6 gives up a reference to None that is not its own whenever a method returns nothing.

    When none is left, Python ends the process. From Python 3.12 on None is immortal, and it does not matter.
    """
    try:
        from PySide6.QtCore import QObject
    except ImportError:
        return False  # that is said elsewhere
    thing, before = QObject(), sys.getrefcount(None)
    for _ in range(100):
        thing.setObjectName("")
    return sys.getrefcount(None) < before - 50


def _why_no_wayland(name: str) -> str:
    socket = Path(os.environ.get("XDG_RUNTIME_DIR", ""), name)
    return "" if socket.exists() else f"the Wayland display {name} does not answer"


def _why_no_x(name: str) -> str:
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError as error:
        return _missing(error)
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(name.encode(), None)
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return f"the X display {name} does not answer" if failed else ""


def _why_no_plugin(platform: str) -> str:
    """Load Qt's plugin for a platform, and with it the libraries of the system that it needs."""
    try:
        from PySide6 import QtGui, QtOpenGLWidgets  # noqa: F401 - they need libEGL and libGL
    except ImportError as error:
        return _missing(error)
    import PySide6

    folder = Path(PySide6.__path__[0], "Qt", "plugins", "platforms")
    found = [folder / name for name in _PLUGINS[platform] if (folder / name).exists()]
    if not found:
        return "" if platform == "xcb" else "this Qt has no plugin for Wayland"  # a distribution's own layout
    try:
        ctypes.CDLL(str(found[0]))
    except OSError as error:
        return _missing(error)
    return ""


def _missing(error: Exception) -> str:
    """The sentence for a library that does not load: ``libxcb-cursor.so.0: cannot open shared object file: ...``."""
    said = str(error).split("\n", maxsplit=1)[0]
    library, colon, _ = said.partition(": cannot open shared object file")
    if colon:
        name = library.rpartition(" ")[2]
        return (
            f"the window needs {name}, which is not installed (on Debian and Ubuntu: apt install {_package_of(name)})"
        )
    return f"the window's libraries do not load ({said[:_REASON_LENGTH]})"


def _package_of(library: str) -> str:
    """The Debian package of a shared library, by Debian's rule: ``libxkbcommon-x11.so.0`` is in libxkbcommon-x11-0."""
    name, _, version = library.lower().partition(".so.")
    return f"{name}{'-' if name[-1].isdigit() else ''}{version}"
