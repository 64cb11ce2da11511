"""Keys of the window, by the names that the commands use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QMainWindow

NAMES = {
    Qt.Key.Key_Space: "space", Qt.Key.Key_Return: "enter", Qt.Key.Key_Enter: "enter", Qt.Key.Key_Escape: "escape",
    Qt.Key.Key_Delete: "delete", Qt.Key.Key_Backspace: "backspace", Qt.Key.Key_Tab: "tab",
    Qt.Key.Key_Backtab: "tab", Qt.Key.Key_PageUp: "pageup", Qt.Key.Key_PageDown: "pagedown",
    Qt.Key.Key_Home: "home", Qt.Key.Key_End: "end", Qt.Key.Key_Left: "left", Qt.Key.Key_Right: "right",
    Qt.Key.Key_Up: "up", Qt.Key.Key_Down: "down", Qt.Key.Key_Insert: "insert",
    **{getattr(Qt.Key, f"Key_F{number}"): f"f{number}" for number in range(1, 13)},
}  # fmt: skip
_EDITING = ("ctrl+backspace", "ctrl+delete")
"""Keys with ctrl that belong to a text field"""
_UNDOING = ("ctrl+z", "ctrl+y", "ctrl+shift+z")
"""... while there is something typed in it"""


def name_of(event: QKeyEvent) -> str:
    """The name of a key with its modifiers, "ctrl+shift+z"; empty for keys without one, such as shift itself.

    A character that is typed with shift and is no letter has none: "?" is "?" on every keyboard.
    """
    modifiers = event.modifiers()
    control = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
    alt = bool(modifiers & Qt.KeyboardModifier.AltModifier)
    shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
    name = NAMES.get(Qt.Key(event.key())) if event.key() in NAMES else None
    if name is None:
        text = event.text()
        typed = len(text) == 1 and text.isprintable() and not control
        name = text.lower() if typed else chr(event.key()).lower() if 0x21 <= event.key() <= 0xFF else ""
        if not name:
            return ""
        shift = shift and name.isalpha()
    return f"{'ctrl+' * control}{'alt+' * alt}{'shift+' * shift}{name}"


class Keys(QObject):
    """Hands the keys of a window on to the viewer before Qt's widgets see them; the others go where Qt sends them.

    While text is typed, single keys belong to the text. Keys that are down when the window loses the keyboard are let
    go.
    """

    def __init__(self, window: QMainWindow, key: Callable[[str, bool], bool], give_back: Callable[[], None]):
        super().__init__(window)
        self._window, self._key, self._give_back = window, key, give_back
        self._down: dict[int, str] = {}

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """An event of the window as the system knows it; true if it ends here."""
        kind = event.type()
        if kind == QEvent.Type.KeyPress:
            return self._press(event)
        if kind == QEvent.Type.KeyRelease:
            return self._release(event)
        if kind == QEvent.Type.FocusOut:
            self.release_all()
        return False

    def release_all(self) -> None:
        """Let go of all that is down."""
        down, self._down = self._down, {}
        for name in down.values():
            self._key(name, False)

    def _press(self, event: Any) -> bool:
        if QApplication.activePopupWidget() is not None or QApplication.activeModalWidget() is not None:
            return False
        name = name_of(event)
        field = self._typed_in()
        if field is not None and name in ("escape", "enter"):
            if name == "escape" and hasattr(field, "revert"):
                field.revert()
            self._give_back()  # which ends the typing
            return True
        if field is not None and not self._goes_past(name, field):
            return False
        if event.isAutoRepeat():
            return event.key() in self._down
        if not name or not self._key(name, True):
            return False
        self._down[event.key()] = name
        return True

    def _release(self, event: Any) -> bool:
        if event.isAutoRepeat():
            return event.key() in self._down
        name = self._down.pop(event.key(), None)
        return name is not None and self._key(name, False)

    def _typed_in(self) -> QLineEdit | None:
        """The text that has the keyboard, if one has."""
        widget = self._window.focusWidget()
        return widget if isinstance(widget, QLineEdit) else None

    @staticmethod
    def _goes_past(name: str, field: QLineEdit) -> bool:
        """Whether a key is the viewer's though a text has the keyboard."""
        if name in _UNDOING and field.isModified():
            return False
        function = name[:1] == "f" and name[1:].isdigit()
        return function or (name.startswith("ctrl+") and name not in _EDITING)
