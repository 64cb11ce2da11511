"""PyVista's picture as a Qt widget."""

from __future__ import annotations

import os
from typing import Any

os.environ["QT_API"] = "pyside6"  # qtpy would take another Qt, if there is one

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QWidget
from pyvistaqt import QtInteractor


class Picture(QtInteractor):
    """A plotter in a widget that draws each frame once.

    pyvistaqt's widget draws a frame when it is told to, and the same frame again when Qt comes to paint it. On a
    machine without a GPU a frame takes a tenth of a second, so a frame that has been drawn is only copied here.
    """

    def __init__(self, parent: QWidget):
        self._is_drawn = False
        super().__init__(parent, multi_samples=0, auto_update=False)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setAcceptDrops(False)
        self.setMinimumSize(200, 150)

    def _cb_frame(self, window: Any, event: Any) -> None:
        """VTK has finished a frame."""
        self._is_drawn = not getattr(self, "_in_paint", False)
        super()._cb_frame(window, event)

    def resizeGL(self, width: int, height: int) -> None:
        """A frame of another size has to be drawn."""
        self._is_drawn = False
        super().resizeGL(width, height)

    def paintGL(self) -> None:
        """Qt wants to see the frame."""
        drawn, self._is_drawn = self._is_drawn, False
        if not drawn or getattr(self, "_in_paint", None) is not False:
            super().paintGL()
            return
        self._in_paint = True  # as while VTK draws: then there is nothing to be drawn
        try:
            super().paintGL()
        finally:
            self._in_paint = False

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """pyvistaqt takes any release for that of the button which was pressed last."""
        self._active_button = event.button()
        super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys are the window's, see :mod:`drag3d.viewer.desktop.keys`; VTK's own hotkeys are not wanted."""
        event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """As above."""
        event.ignore()
