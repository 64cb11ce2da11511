"""Starts the window: worker first, then Qt and VTK while it loads, then the loop until the window is closed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from drag3d.viewer.link import Link, WorkerOptions

if TYPE_CHECKING:
    from PySide6.QtGui import QSurfaceFormat
    from PySide6.QtWidgets import QApplication

    from drag3d.viewer.desktop.window import Window


def run(options: WorkerOptions) -> None:
    """Show a window and return when it is closed and the worker has ended."""
    link = Link.start(options)
    try:
        application = make_application()
        window = open_window(link, lambda: Link.start(options))
        _close_on_signals(window)
        application.exec()
    finally:
        link.close()
    sys.stdout.flush()
    sys.stderr.flush()


def make_application() -> QApplication:
    """Qt's application object, in our colours; the one that there is, if there is one."""
    os.environ.setdefault("QT_API", "pyside6")
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QSurfaceFormat
    from PySide6.QtWidgets import QApplication

    from drag3d.viewer.desktop import theme

    QApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    application: Any = QApplication.instance() or QApplication(["drag3d"])
    QSurfaceFormat.setDefaultFormat(_surface())
    application.setApplicationName("Drag3D")
    application.setDesktopFileName("drag3d")
    theme.apply(application)
    return application


def _surface() -> QSurfaceFormat:
    """The OpenGL that VTK needs. Wayland wants windows to have it from the beginning, and alike."""
    from PySide6.QtGui import QSurfaceFormat

    surface = QSurfaceFormat()
    surface.setRenderableType(QSurfaceFormat.RenderableType.OpenGL)
    surface.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
    surface.setVersion(3, 2)
    surface.setSwapBehavior(QSurfaceFormat.SwapBehavior.DoubleBuffer)
    for set_size in (
        surface.setRedBufferSize, surface.setGreenBufferSize, surface.setBlueBufferSize, surface.setAlphaBufferSize,
        surface.setDepthBufferSize,
    ):  # fmt: skip
        set_size(8)
    return surface


def open_window(link: Any, restart: Callable[[], Any]) -> Window:
    """A window on the screen, joined to a worker. It is seen before VTK is loaded, which takes a second."""
    from drag3d.viewer.desktop.window import Window

    window = Window()
    window.show()
    window.activateWindow()
    _paint_now()
    from drag3d.viewer.application import Viewer
    from drag3d.viewer.scene.pointer import PointerEvents
    from drag3d.viewer.scene.scene import Scene

    picture = window.make_picture()
    viewer = Viewer(link, Scene(picture), window.dialogs, restart=restart)
    window.fill(viewer, PointerEvents(picture, viewer.pointer))
    return window


def _paint_now() -> None:
    """Let what is on the screen be painted, before the loop runs; nothing that a person does is taken yet."""
    from PySide6.QtCore import QCoreApplication, QEventLoop

    for _ in range(3):
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents, 50)


def _close_on_signals(window: Window) -> None:
    """Ctrl-C in the terminal, and being asked to end, close the window as its own button does."""
    from PySide6.QtCore import QTimer

    def soon(*_: object) -> None:  # a signal may come in the middle of a frame
        QTimer.singleShot(0, window.close)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(AttributeError, ValueError):  # Windows has no SIGHUP; not every thread may ask for signals
            signal.signal(getattr(signal, name), soon)
