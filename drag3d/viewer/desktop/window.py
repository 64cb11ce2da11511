"""The main window: toolbar, picture, panel, status bar."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QShowEvent
from PySide6.QtOpenGLWidgets import QOpenGLWidget
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QProgressBar,
    QPushButton,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from drag3d.viewer import controls
from drag3d.viewer.commands import BY_NAME
from drag3d.viewer.controls import Choice
from drag3d.viewer.desktop import theme
from drag3d.viewer.desktop.bars import Bars
from drag3d.viewer.desktop.dialogs import Dialogs
from drag3d.viewer.desktop.fields import Segments, key_text
from drag3d.viewer.desktop.keys import Keys
from drag3d.viewer.desktop.panel import Binder, Panel, divider
from drag3d.viewer.intents import CancelWriting

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer
    from drag3d.viewer.desktop.picture import Picture
    from drag3d.viewer.scene.pointer import PointerEvents

SIZE = (1280, 800)
TICK = 16
"""Milliseconds between two looks at what the worker says"""
MESSAGE_SECONDS = 12
MENUS = (
    ("&File", ("open", "save", "", "export", "film", "", "quit")),
    ("&Edit", ("undo", "redo", "reset", "", "mirror_point", "toggle_point", "remove_point", "clear_points", "",
               "clear_region")),
    ("&Drag", ("start", "step", "stop")),
    ("&View", ("look_textured", "look_clay", "look_normals", "look_wireframe", "look_features", "",
               "next_background", "toggle_region", "", "reset_camera", "isometric")),
    ("&Help", ("help",)),
)  # fmt: skip
QUIT = "ctrl+q"


class Window(QMainWindow):
    """The window. It can be shown at once; :meth:`make_picture` loads VTK, :meth:`fill` makes the controls."""

    def __init__(self) -> None:
        super().__init__()
        self.resize(*SIZE)
        self.setWindowTitle("Drag3D")
        self._middle = QWidget()
        self._column = QVBoxLayout(self._middle)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._waiting = QLabel("Starting ...")
        self._waiting.setObjectName("dim")
        self._waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._column.addWidget(self._waiting, 1)
        self.setCentralWidget(self._middle)
        # With an OpenGL widget in it, be it hidden, the window is from the first the kind of window that the picture
        # needs; else the system's window would be replaced by another one when the picture comes.
        self._forerunner = QOpenGLWidget(self._middle)
        self._forerunner.hide()
        self.picture: Picture
        self.dialogs = Dialogs(self)
        self.viewer: Viewer
        self._timer = QTimer(self)
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self.tick)

    def make_picture(self) -> Picture:
        """The plotter, in the middle of the window."""
        from drag3d.viewer.desktop.picture import Picture

        self.picture = Picture(self._middle)
        self._waiting.hide()
        self._column.addWidget(self.picture, 1)
        return self.picture

    def fill(self, viewer: Viewer, mouse: PointerEvents) -> None:
        """Make the controls of a viewer, and begin to tick; ``mouse`` is what hands it the mouse."""
        self.viewer = self.dialogs.viewer = viewer
        self._mouse = mouse
        self.binder = Binder(viewer)
        self.bars = Bars(viewer)
        self._column.insertWidget(0, self.bars)
        self.panel = Panel(self.binder)
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._middle, 1)
        row.addWidget(divider(Qt.Orientation.Vertical))
        row.addWidget(self.panel)
        self.setCentralWidget(whole)
        self._make_toolbar()
        self._make_menus()
        self.line = StatusLine(self, viewer)
        self.keys = Keys(self, self._key, self.picture.setFocus)
        self._listen()
        self._refresh()
        self.picture.setFocus()
        self._timer.start()

    # ---- the loop ---------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Take in what the worker says; nothing here waits for it."""
        if self.viewer.tick():
            self._refresh()
        self.line.tick()

    def _refresh(self) -> None:
        document = self.viewer.mirror.document
        self.binder.refresh(self.viewer.values(), document.kind or "shape")
        self.panel.show_kind(document.kind or "shape")
        self.bars.refresh()
        self.line.refresh()
        title = Path(document.path).name if document.path else Path(document.model).name
        self.setWindowTitle(f"{title}[*] - Drag3D" if title else "Drag3D")
        self.setWindowModified(document.unsaved)

    # ---- toolbar and menus ------------------------------------------------------------------------------------

    def _make_toolbar(self) -> None:
        bar = QToolBar("Tools", self)
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        for number, group in enumerate(controls.TOOLBAR):
            if number:
                bar.addSeparator()
            for control in group:
                if isinstance(control, Choice):
                    label = QLabel(f" {control.label} ")
                    label.setObjectName("dim")
                    bar.addWidget(label)
                    segments = Segments.possible(control.value)
                    bar.addWidget(self.binder.segments(control) if segments else self.binder.field(control))
                else:
                    bar.addWidget(self.binder.field(control))
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, bar)
        self.toolbar = bar

    def _make_menus(self) -> None:
        for title, names in MENUS:
            menu = QMenu(title, self)
            actions: dict[str, QAction] = {}
            for name in names:
                if not name:
                    menu.addSeparator()
                else:
                    actions[name] = self._action(name)
                    menu.addAction(actions[name])
            menu.aboutToShow.connect(lambda actions=actions: self._prepare(actions))
            self.menuBar().addMenu(menu)

    def _action(self, name: str) -> QAction:
        # Keys stand behind a tab and are no shortcuts of Qt's: they come by way of `Keys`, once.
        if name == "quit":
            action = QAction(theme.icon("exit-to-app"), f"Quit\t{key_text(QUIT)}", self)
            action.triggered.connect(self.close)
            return action
        command = BY_NAME[name]
        keys = f"\t{key_text(command.keys[0])}" if command.keys else ""
        action = QAction(f"{command.text}{keys}", self)
        if command.icon:
            action.setIcon(theme.icon(command.icon))
        action.triggered.connect(lambda: self.viewer.run(name))
        return action

    def _prepare(self, actions: dict[str, QAction]) -> None:
        kind = self.viewer.mirror.document.kind or "shape"
        for name, action in actions.items():
            action.setEnabled(name == "quit" or self.viewer.enabled(name))
            action.setVisible(name == "quit" or kind in BY_NAME[name].kinds)

    # ---- keys and the end -------------------------------------------------------------------------------------

    def _key(self, name: str, down: bool) -> bool:
        if name == QUIT:
            if down:
                self.close()
            return True
        return self.viewer.key(name, down)

    def showEvent(self, event: QShowEvent) -> None:
        """From now on the system's own window is there, which has the keys."""
        super().showEvent(event)
        if hasattr(self, "keys"):
            self._listen()

    def event(self, event: QEvent) -> bool:
        """The system's window may become another one."""
        if event.type() == QEvent.Type.WinIdChange and hasattr(self, "keys"):
            self._listen()
        return super().event(event)

    def _listen(self) -> None:
        if self.windowHandle() is not None:
            self.windowHandle().removeEventFilter(self.keys)
            self.windowHandle().installEventFilter(self.keys)

    def closeEvent(self, event: QCloseEvent) -> None:
        """What is unsaved stays as an autosave, so there is nothing to ask."""
        self._timer.stop()
        self.hide()
        if hasattr(self, "viewer"):
            self.viewer.close()
            self._mouse.close()
            self.viewer.scene.close()  # nothing of ours is called any more while VTK takes its window apart
            self.picture.close()
        super().closeEvent(event)


class StatusLine:
    """The status bar: the last message, what takes a while, and a button that ends it."""

    def __init__(self, window: QMainWindow, viewer: Viewer):
        self._viewer = viewer
        bar = window.statusBar()
        bar.setSizeGripEnabled(False)
        self.message, self.busy = QLabel(), QLabel()
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setMinimumWidth(100)
        self.bar = QProgressBar()
        self.bar.setFixedWidth(160)
        self.bar.setTextVisible(False)
        self.cancel = QPushButton("Cancel")
        self.cancel.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.cancel.clicked.connect(lambda: viewer.send(CancelWriting()))
        bar.addWidget(self.message, 1)
        for widget in (self.busy, self.bar, self.cancel):
            bar.addPermanentWidget(widget)
        self._serial, self._ticks = 0, 0

    def refresh(self) -> None:
        """Show the last message and what is being done."""
        mirror = self._viewer.mirror
        if mirror.messages and mirror.messages[-1].serial != self._serial:
            last = mirror.messages[-1]
            self._serial, self._ticks = last.serial, MESSAGE_SECONDS * 1000 // TICK
            self.message.setText(f" {last.text[:1].upper()}{last.text[1:]}")
            self.message.setToolTip(last.text)
            self.message.setStyleSheet(f"color: {theme.LEVELS[last.level]}")
        busy = mirror.busy
        # A bar that runs to and fro would have the whole window put together anew at every move, picture and all: on a
        # machine without a GPU that takes from the worker what it loads with.
        self.bar.setVisible(bool(busy.text) and busy.total > 0)
        self.busy.setVisible(bool(busy.text))
        self.cancel.setVisible(bool(busy.text) and not busy.text.startswith("loading"))
        self.busy.setText(busy.text if busy.total else f"{busy.text} ...")
        self.bar.setRange(0, max(1, busy.total))
        self.bar.setValue(busy.done)

    def tick(self) -> None:
        """Messages go after a while."""
        if self._ticks:
            self._ticks -= 1
            if not self._ticks:
                self.message.setText("")
                self.message.setToolTip("")
