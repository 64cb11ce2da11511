"""The table of points: a card for each, with its coordinates to be typed, a tick, and a cross to delete it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QCheckBox, QFrame, QGridLayout, QLabel, QScrollArea, QToolButton, QVBoxLayout, QWidget

from drag3d.viewer.desktop import theme
from drag3d.viewer.desktop.fields import PlaceField

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer
    from drag3d.viewer.values import PointRow

MOST_SEEN = 3
"""Cards; with more, the table scrolls"""
_GAP = 4


class PointCard(QFrame):
    """One point."""

    pressed = Signal()

    def __init__(self, viewer: Viewer, index: int, parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName("point")
        self.on, self.handle, self.target = QCheckBox(str(index)), PlaceField(), PlaceField()
        self.on.setToolTip("Takes part in drags")
        self.on.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.handle.setToolTip("Handle: what is dragged. It is put onto the surface")
        self.target.setToolTip("Target: where to")
        self.length = QLabel()
        self.length.setObjectName("dim")
        self.length.setToolTip("From handle to target")
        self.remove = QToolButton()
        self.remove.setIcon(theme.icon("close"))
        self.remove.setToolTip("Delete this point")
        self.remove.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._lay_out()
        self.on.clicked.connect(lambda on: viewer.set_enabled(index, bool(on)))
        self.handle.changed.connect(lambda place: viewer.set_handle(index, place))
        self.target.changed.connect(lambda place: viewer.set_target(index, place))
        self.remove.clicked.connect(lambda: viewer.remove_point(index))
        self.pressed.connect(lambda: viewer.select_point(index))

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(6, 4, 4, 4)
        grid.setHorizontalSpacing(5)
        grid.setVerticalSpacing(3)
        grid.addWidget(self.on, 0, 0)
        for line, (field, color) in enumerate(((self.handle, theme.HANDLE), (self.target, theme.TARGET))):
            dot = QLabel("●")
            dot.setStyleSheet(f"color: {color}")
            grid.addWidget(dot, line, 1)
            grid.addWidget(field, line, 2)
        grid.addWidget(self.remove, 0, 3, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self.length, 1, 3, Qt.AlignmentFlag.AlignRight)
        grid.setColumnStretch(2, 1)
        self.length.setFixedWidth(38)
        self.length.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def show_row(self, row: PointRow) -> None:
        """Show a point as it is now."""
        self.on.setChecked(row.enabled)
        self.handle.show_value(row.handle)
        self.target.show_value(row.target)
        self.length.setText(f"{row.distance:.3f}" if len(row.handle) == 3 else f"{row.distance:.1f}")
        if self.property("selected") != row.selected:
            self.setProperty("selected", row.selected)
            self.style().unpolish(self)
            self.style().polish(self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click beside the fields selects the point."""
        self.pressed.emit()


class PointList(QWidget):
    """The cards of all points."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = viewer
        self.cards: list[PointCard] = []
        self._rows: tuple[PointRow, ...] | None = None
        self._hint = QLabel("Click the picture for a handle; the next click\nplaces its target.")
        self._hint.setObjectName("dim")
        self._inside = QWidget()
        self._column = QVBoxLayout(self._inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(_GAP)
        self._column.addStretch(1)
        self._scroll = QScrollArea()
        self._scroll.setWidget(self._inside)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(self._hint)
        outside.addWidget(self._scroll)

    def show_value(self, rows: Sequence[PointRow]) -> None:
        """Show points; cards are made once and used again."""
        rows = tuple(rows)
        if rows == self._rows:
            return
        before, self._rows = self._rows or (), rows
        while len(self.cards) < len(rows):
            card = PointCard(self._viewer, len(self.cards))
            self.cards.append(card)
            self._column.insertWidget(len(self.cards) - 1, card)
        for index, card in enumerate(self.cards):
            card.setVisible(index < len(rows))
            if index < len(rows):
                card.show_row(rows[index])
        self._hint.setVisible(not rows)
        self._scroll.setVisible(bool(rows))
        if len(rows) != len(before) and rows:
            seen = min(MOST_SEEN, len(rows))
            self._scroll.setFixedHeight(seen * (self.cards[0].sizeHint().height() + _GAP))
        self._follow(before)

    def _follow(self, before: Sequence[PointRow]) -> None:
        """Scroll to the selected card, when another one is selected."""
        chosen = [row.index for row in self._rows or () if row.selected]
        if chosen and chosen != [row.index for row in before if row.selected]:
            self._column.activate()
            self._scroll.ensureWidgetVisible(self.cards[chosen[0]], 0, _GAP)
