"""Fields of the panel: each shows a value of the viewer and emits ``changed`` when the person gives it another one.

``show_value`` never touches what somebody is typing, and never emits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent, QWheelEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSlider,
    QToolButton,
    QWidget,
)

from drag3d.viewer.commands import BY_NAME
from drag3d.viewer.controls import Number, Slider
from drag3d.viewer.desktop import theme

Choices = tuple[tuple[str, str], ...]


class TypedField(QLineEdit):
    """A text that stands for a value. It counts once typing has ended; what stands for nothing is taken back."""

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._value: Any = None
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.editingFinished.connect(self._finish)

    @property
    def value(self) -> Any:
        """What holds; not what is being typed."""
        return self._value

    def show_value(self, value: Any) -> None:
        """Show a value, unless somebody has begun to type here and has not finished."""
        self._value = value
        if not (self.hasFocus() and self.isModified()):
            self.revert()

    def revert(self) -> None:
        """Show again what holds."""
        text = self._as_text(self._value)
        if self.text() != text:
            self.setText(text)
            self.setCursorPosition(0)
        self.setModified(False)

    def _finish(self) -> None:
        if not self.isModified():
            return
        self.setModified(False)
        known, value = self._meant(self.text().strip())
        if known and value != self._value:
            self._value = value
            self.changed.emit(value)
        self.revert()

    # Of each kind of field. Qt's metaclass allows no abstract methods.
    _as_text: Callable[[Any], str]
    _meant: Callable[[str], tuple[bool, Any]]
    """Whether a text stands for a value, and for which"""


class NumberField(TypedField):
    """A number to type, or to step with the arrow keys; where it is optional, empty means None."""

    def __init__(self, control: Number, parent: QWidget | None = None):
        super().__init__(parent)
        self.control = control
        self.setMinimumWidth(40)
        self.setPlaceholderText("automatic" if control.optional else "")

    def _as_text(self, value: float | None) -> str:
        if value is None:
            return ""
        if self.control.type == "int":
            return str(round(value))
        return f"{value:.{self.control.digits}f}".rstrip("0").rstrip(".") or "0"

    def _meant(self, text: str) -> tuple[bool, float | None]:
        if not text:
            return self.control.optional, None
        try:
            value = float(text.replace(",", "."))
        except ValueError:
            return False, None
        if not self.control.low <= value <= self.control.high:  # nan is not, either
            return False, None
        return True, round(value) if self.control.type == "int" else value

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The arrow keys step."""
        way = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}.get(Qt.Key(event.key()))
        if way is None:
            super().keyPressEvent(event)
            return
        known, start = self._meant(self.text().strip())
        start = self._value if not known or start is None else start
        value = (self.control.low if start is None else start) + way * self.control.step
        self.setText(self._as_text(min(self.control.high, max(self.control.low, value))))
        self.setModified(True)
        self._finish()


class ChoiceField(QComboBox):
    """One of several texts."""

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._choices: Choices = ()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.activated.connect(lambda index: self.changed.emit(self.itemData(index)))

    def set_choices(self, choices: Choices) -> None:
        """Keys and texts."""
        if choices == self._choices:
            return
        self._choices = choices
        with QSignalBlocker(self):
            self.clear()
            for key, text in choices:
                self.addItem(text[:1].upper() + text[1:] if text.islower() and len(text) > 2 else text, key)
        longest = max((self.fontMetrics().horizontalAdvance(text) for _, text in choices), default=0)
        self.view().setMinimumWidth(min(420, longest + 40))

    def show_value(self, value: Any) -> None:
        """Show the choice of a key; none, where it is not among them."""
        if self.view().isVisible():
            return
        index = self.findData("" if value is None else value)
        if index != self.currentIndex():
            with QSignalBlocker(self):
                self.setCurrentIndex(index)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel scrolls the panel and changes no choice by accident."""
        event.ignore()


class Segments(QWidget):
    """One of a few, as buttons side by side with the icons of the commands that choose them."""

    changed = Signal(object)

    def __init__(self, value: str, parent: QWidget | None = None):
        super().__init__(parent)
        self._value = value
        self._choices: Choices = ()
        self._buttons: dict[str, QToolButton] = {}
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(1)

    @staticmethod
    def possible(value: str) -> bool:
        """Whether every choice of a value has a command with an icon."""
        icons = [command.icon for name, command in BY_NAME.items() if name.startswith(f"{value}_")]
        return bool(icons) and all(icons)

    def set_choices(self, choices: Choices) -> None:
        """Keys and texts; those that are not there now are hidden."""
        if choices == self._choices:
            return
        self._choices = choices
        for key, text in choices:
            if key not in self._buttons:
                self._buttons[key] = self._button(key, text)
        for key, button in self._buttons.items():
            button.setVisible(key in dict(choices))

    def _button(self, key: str, text: str) -> QToolButton:
        button = QToolButton(self)
        command = BY_NAME.get(f"{self._value}_{key}")
        button.setToolTip(tip_of(command.name) if command else text)
        if command and command.icon:
            button.setIcon(theme.icon(command.icon))
        else:
            button.setText(text)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda: self.changed.emit(key))
        self._row.addWidget(button)
        return button

    def show_value(self, value: Any) -> None:
        """Press the button of a key."""
        for key, button in self._buttons.items():
            button.setChecked(key == value)


class ToggleField(QCheckBox):
    """On or off."""

    changed = Signal(object)

    def __init__(self, label: str, parent: QWidget | None = None):
        super().__init__(label, parent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.clicked.connect(lambda on: self.changed.emit(bool(on)))

    def show_value(self, value: Any) -> None:
        """Show whether it is on."""
        self.setChecked(bool(value))


class SliderField(QWidget):
    """A number to slide; it counts when the slider is let go."""

    changed = Signal(object)

    def __init__(self, control: Slider, parent: QWidget | None = None):
        super().__init__(parent)
        self._control = control
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, round((control.high - control.low) / control.step))
        self._slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._slider.installEventFilter(self)
        self._text = QLabel(self)
        self._text.setFixedWidth(32)
        self._text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider, 1)
        row.addWidget(self._text)
        self._slider.valueChanged.connect(self._moved)
        self._slider.sliderReleased.connect(self._finish)

    @property
    def _value(self) -> float:
        return round(self._control.low + self._slider.value() * self._control.step, 6)

    def show_value(self, value: float | None) -> None:
        """Show a number."""
        if value is None or self._slider.isSliderDown():
            return
        with QSignalBlocker(self._slider):
            self._slider.setValue(round((value - self._control.low) / self._control.step))
        self._text.setText(f"{value:.2f}")

    def _moved(self) -> None:
        self._text.setText(f"{self._value:.2f}")
        if not self._slider.isSliderDown():  # a click beside the knob
            self._finish()

    def _finish(self) -> None:
        self.changed.emit(self._value)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """The wheel scrolls the panel."""
        if isinstance(event, QWheelEvent):
            event.ignore()
            return True
        return False


class ReadoutField(QLabel):
    """A text that changes; what is too long for the panel is in the tooltip."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setMinimumWidth(20)

    def show_value(self, value: Any) -> None:
        """Show a text."""
        text = "" if value is None else str(value)
        if text != self.text():
            self.setText(text)
            self.setToolTip(text if self.fontMetrics().horizontalAdvance(text) > self.width() else "")


class PlaceField(TypedField):
    """Coordinates to type, with commas or spaces between them: x, y, z in world units, or x, y in pixels."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setMinimumWidth(60)

    def _as_text(self, value: tuple[float, ...] | None) -> str:
        place = value or ()
        return ", ".join(f"{number:.{3 if len(place) == 3 else 1}f}" for number in place)

    def _meant(self, text: str) -> tuple[bool, tuple[float, ...] | None]:
        place = place_of(text, len(self._value or ()))
        return place is not None, place


def place_of(text: str, count: int) -> tuple[float, ...] | None:
    """``count`` finite numbers from a text such as "0.1, 0.2 -3"; None where it has others."""
    try:
        numbers = tuple(float(part) for part in text.replace(",", " ").replace(";", " ").split())
    except ValueError:
        return None
    return numbers if len(numbers) == count and all(abs(number) < 1e6 for number in numbers) else None


def tip_of(command: str, label: str = "") -> str:
    """What a command does and its keys, for tooltips."""
    found = BY_NAME[command]
    keys = " or ".join(key_text(key) for key in found.keys)
    return f"{label or found.text}{f'  ({keys})' if keys else ''}"


def key_text(key: str) -> str:
    """A key as people write it: "ctrl+shift+z" is Ctrl+Shift+Z."""
    return "+".join(part.capitalize() if len(part) > 1 else part.upper() for part in key.split("+") if part) or key


class CommandButton(QToolButton):
    """Runs a command; with a label, it stands beside the icon."""

    def __init__(self, command: str, label: str = "", parent: QWidget | None = None):
        super().__init__(parent)
        self.command = command
        found = BY_NAME[command]
        self.setToolTip(tip_of(command))
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        if found.icon:
            self.setIcon(theme.icon(found.icon))
        self.show_label(label)

    def show_label(self, label: str) -> None:
        """Change the text beside the icon."""
        if label == self.text():
            return
        self.setText(label)
        beside = Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        self.setToolButtonStyle(beside if label else Qt.ToolButtonStyle.ToolButtonIconOnly)
