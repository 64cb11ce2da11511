"""Keys, texts and numbers of the window, without one."""

from __future__ import annotations

import time
from typing import Any

import pytest

from drag3d.viewer.commands import COMMANDS, command_of
from drag3d.viewer.replies import Autosaved

pytest.importorskip("PySide6.QtGui", reason="Qt's libraries are not there", exc_type=ImportError)

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent


def pressed(key: Any, text: str = "", **modifiers: bool) -> str:
    """The name of a key that Qt tells of."""
    from drag3d.viewer.desktop.keys import name_of

    held = Qt.KeyboardModifier.NoModifier
    for name, down in modifiers.items():
        held |= getattr(Qt.KeyboardModifier, f"{name.capitalize()}Modifier") if down else held
    return name_of(QKeyEvent(QEvent.Type.KeyPress, key, held, text))


def test_keys_have_the_names_that_the_commands_use() -> None:
    assert pressed(Qt.Key.Key_Space, " ") == "space"
    assert pressed(Qt.Key.Key_Enter, "\r", keypad=True) == "enter"
    assert pressed(Qt.Key.Key_Z, "\x1a", control=True, shift=True) == "ctrl+shift+z"
    assert pressed(Qt.Key.Key_Backspace, "\x7f", control=True) == "ctrl+backspace"
    assert pressed(Qt.Key.Key_B, "B", shift=True) == "shift+b"
    assert pressed(Qt.Key.Key_PageUp, shift=True) == "shift+pageup"
    assert pressed(Qt.Key.Key_Question, "?", shift=True) == "?"
    assert pressed(Qt.Key.Key_BracketLeft, "[") == "["
    assert pressed(Qt.Key.Key_F1) == "f1"
    assert pressed(Qt.Key.Key_1, "1", keypad=True) == "1"


def test_keys_of_their_own_have_no_name() -> None:
    for key in (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_VolumeUp):
        assert pressed(key) == ""


def test_every_key_of_a_command_can_be_pressed() -> None:
    from drag3d.viewer.desktop.keys import NAMES

    for command in COMMANDS:
        for key in command.keys:
            last = key.rpartition("+")[2] or key
            assert last in NAMES.values() or len(last) == 1, key
            assert command_of(key, command.kinds[0]) is command


def test_places_are_numbers_with_commas_or_spaces() -> None:
    from drag3d.viewer.desktop.fields import place_of

    assert place_of("0.1, -2 3e-1", 3) == (0.1, -2.0, 0.3)
    assert place_of("12;13", 2) == (12.0, 13.0)
    for text, count in (("", 3), ("1, 2", 3), ("1 2 3", 2), ("1, 2, x", 3), ("nan 0 0", 3), ("inf 0 0", 3)):
        assert place_of(text, count) is None


def test_tips_say_what_a_button_does_and_its_keys() -> None:
    from drag3d.viewer.desktop.fields import tip_of

    assert tip_of("redo") == "Redo  (Ctrl+Y or Ctrl+Shift+Z)"
    assert tip_of("help") == "Help  (F1 or ?)"


def test_an_offer_says_when_and_how_much() -> None:
    from drag3d.viewer.desktop.bars import offer_text

    now = time.mktime((2026, 3, 2, 18, 0, 0, 0, 0, -1))
    today = time.mktime((2026, 3, 2, 14, 2, 0, 0, 0, -1))
    assert offer_text(Autosaved("a", "quadruped", today, 5), now) == "An unsaved edit of quadruped, 14:02, 5 changes"
    assert offer_text(Autosaved("a", "/home/me/portrait.pt", today - 86400, 1), now) == (
        f"An unsaved edit of portrait.pt, {time.strftime('%d %B %Y', time.localtime(today - 86400))}, 14:02, 1 change"
    )
