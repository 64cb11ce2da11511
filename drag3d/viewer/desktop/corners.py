"""The corners of the box, as six numbers."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from drag3d.viewer.controls import Number
from drag3d.viewer.desktop.fields import NumberField

Corner = tuple[float, ...]


class CornersField(QWidget):
    """Low and high x, y, z; all empty where there is no box. Emits ``changed`` once all six are there."""

    changed = Signal(object)

    def __init__(self, label: str, parent: QWidget | None = None):
        super().__init__(parent)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(5)
        grid.setVerticalSpacing(3)
        for column, axis in enumerate("xyz"):
            title = QLabel(axis)
            title.setObjectName("dim")
            grid.addWidget(title, 0, column + 1)
        self.fields: list[NumberField] = []
        for line, name in enumerate(("from", "to")):
            grid.addWidget(QLabel(f"{label} {name}"), line + 1, 0)
            for column, axis in enumerate("xyz"):
                field = NumberField(Number(f"{name} {axis}", axis, low=-1e6, high=1e6, step=0.01, optional=True))
                field.setPlaceholderText("")
                field.changed.connect(self._typed)
                grid.addWidget(field, line + 1, column + 1)
                grid.setColumnStretch(column + 1, 1)
                self.fields.append(field)
        self._shown: tuple[Corner, Corner] | None = None

    def show_value(self, box: tuple[Corner, Corner] | None) -> None:
        """Show a box, or none; what has been typed of an unfinished box stays until there is one."""
        if box == self._shown:
            return
        self._shown = box
        numbers = (None,) * 6 if box is None else (*box[0], *box[1])
        for field, number in zip(self.fields, numbers, strict=True):
            field.show_value(number)

    def _typed(self) -> None:
        numbers = [field.value for field in self.fields]
        if None in numbers:
            return
        pairs = [sorted(pair) for pair in zip(numbers[:3], numbers[3:], strict=True)]  # type: ignore[type-var]
        self.changed.emit((tuple(low for low, _ in pairs), tuple(high for _, high in pairs)))
