"""How the window looks: one dark, neutral theme, and the icons in its colours."""

from __future__ import annotations

import functools

import qtawesome
from PySide6.QtCore import QTemporaryDir
from PySide6.QtGui import QColor, QIcon, QPalette
from PySide6.QtWidgets import QApplication

BASE, PANEL, FIELD, LINE = "#1f2125", "#26292e", "#1a1c1f", "#3a3f47"
TEXT, DIM, OFF = "#dde0e5", "#9aa1ab", "#5d636d"
ACCENT, HANDLE, TARGET = "#4c8dff", "#e5484d", "#4c8dff"
LEVELS = {"note": TEXT, "done": "#7bc47f", "error": "#ff8a80"}
"""Colours of messages"""

_KEPT: list[QTemporaryDir] = []
"""Folders that go when the program ends"""
_SHEET = f"""
QMainWindow, QDialog {{ background: {PANEL}; }}
QToolTip {{ background: {FIELD}; color: {TEXT}; border: 1px solid {LINE}; padding: 4px; }}
QMenuBar, QToolBar, QStatusBar {{ background: {PANEL}; border: none; }}
QMenuBar {{ border-bottom: 1px solid {LINE}; }}
QMenuBar::item {{ padding: 4px 10px; }}
QMenuBar::item:selected, QMenu::item:selected {{ background: {LINE}; }}
QMenu {{ background: {PANEL}; border: 1px solid {LINE}; }}
QMenu::item {{ padding: 5px 24px 5px 8px; }}
QMenu::item:disabled {{ color: {OFF}; }}
QMenu::icon {{ padding-left: 8px; }}
QMenu::separator {{ height: 1px; background: {LINE}; margin: 4px 0; }}
QToolBar {{ border-bottom: 1px solid {LINE}; padding: 3px 6px; spacing: 2px; }}
QToolBar::separator {{ background: {LINE}; width: 1px; margin: 6px 7px; }}
QStatusBar {{ border-top: 1px solid {LINE}; }}
QStatusBar::item {{ border: none; }}
QToolButton {{ border: 1px solid transparent; border-radius: 4px; padding: 3px; color: {TEXT}; }}
QToolButton:hover {{ background: {LINE}; }}
QToolButton:pressed, QToolButton:checked {{ background: #33486e; border-color: {ACCENT}; }}
QToolButton:disabled {{ color: {OFF}; }}
QToolButton#section {{ font-weight: 600; text-align: left; padding: 6px 4px; border-radius: 0; border: none; }}
QFrame#divider {{ background: {LINE}; border: none; }}
QFrame#point {{ background: {BASE}; border: 1px solid {LINE}; border-radius: 4px; }}
QFrame#point[selected="true"] {{ border-color: {ACCENT}; }}
QFrame#notice {{ background: #2f3a4f; border-bottom: 1px solid {LINE}; }}
QLabel:disabled, QCheckBox:disabled {{ color: {OFF}; }}
QLabel#dim {{ color: {DIM}; }}
QLineEdit, QComboBox {{
    background: {FIELD}; border: 1px solid {LINE}; border-radius: 3px; padding: 2px 5px; min-height: 18px;
    selection-background-color: {ACCENT};
}}
QLineEdit:focus {{ border-color: {ACCENT}; }}
QLineEdit:disabled, QComboBox:disabled {{ color: {OFF}; }}
QComboBox::drop-down {{ border: none; width: 18px; }}
QComboBox::down-arrow {{ image: url(FOLDER/down.png); width: 12px; height: 12px; }}
QCheckBox {{ spacing: 5px; }}
QCheckBox::indicator {{ width: 13px; height: 13px; border: 1px solid {OFF}; border-radius: 3px; background: {FIELD}; }}
QCheckBox::indicator:checked {{ background: {ACCENT}; border-color: {ACCENT}; image: url(FOLDER/tick.png); }}
QCheckBox::indicator:disabled {{ border-color: {LINE}; }}
QComboBox QAbstractItemView {{ background: {PANEL}; border: 1px solid {LINE}; selection-background-color: {LINE}; }}
QPushButton {{
    background: {LINE}; border: 1px solid {LINE}; border-radius: 3px; padding: 3px 12px; min-height: 18px;
}}
QPushButton:hover {{ border-color: {ACCENT}; }}
QPushButton:disabled {{ color: {OFF}; }}
QScrollArea {{ border: none; background: {PANEL}; }}
QScrollArea > QWidget > QWidget {{ background: {PANEL}; }}
QScrollBar:vertical {{ background: {PANEL}; width: 10px; margin: 0; }}
QScrollBar::handle:vertical {{ background: {LINE}; border-radius: 4px; min-height: 24px; margin: 1px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; }}
QProgressBar {{ background: {FIELD}; border: 1px solid {LINE}; border-radius: 3px; max-height: 10px; }}
QProgressBar::chunk {{ background: {ACCENT}; border-radius: 2px; }}
"""


def apply(application: QApplication) -> None:
    """Give an application this look."""
    application.setStyle("Fusion")
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, color in (
        (roles.Window, PANEL), (roles.Base, FIELD), (roles.AlternateBase, BASE), (roles.Button, PANEL),
        (roles.Text, TEXT), (roles.WindowText, TEXT), (roles.ButtonText, TEXT), (roles.PlaceholderText, OFF),
        (roles.ToolTipBase, FIELD), (roles.ToolTipText, TEXT), (roles.Highlight, ACCENT),
        (roles.HighlightedText, "#ffffff"), (roles.Light, LINE), (roles.Mid, LINE), (roles.Dark, BASE),
    ):  # fmt: skip
        palette.setColor(role, QColor(color))
    for role in (roles.Text, roles.WindowText, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(OFF))
    application.setPalette(palette)
    font = application.font()
    font.setPixelSize(12)
    application.setFont(font)
    application.setStyleSheet(_SHEET.replace("FOLDER", _pictures()))


@functools.cache
def _pictures() -> str:
    """A folder with the little pictures that a style sheet can only have from files."""
    folder = QTemporaryDir()
    for name, drawing in (("down", "chevron-down"), ("tick", "check-bold")):
        icon(drawing).pixmap(24, 24).save(f"{folder.path()}/{name}.png")
    _KEPT.append(folder)
    return folder.path().replace("\\", "/")


@functools.cache
def icon(name: str, color: str = TEXT) -> QIcon:
    """One of the Material Design Icons, by its name without prefix."""
    return qtawesome.icon(f"mdi6.{name}", color=color, color_disabled=OFF, color_on="#ffffff")
