"""Widgets made from the descriptions in :mod:`drag3d.viewer.controls`: the panel, and the groups of the toolbar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from drag3d.viewer import controls
from drag3d.viewer.commands import BY_NAME
from drag3d.viewer.controls import (
    Button,
    Choice,
    Control,
    Corners,
    Curve,
    Number,
    PointTable,
    Readout,
    Row,
    Section,
    Slider,
    Toggle,
)
from drag3d.viewer.desktop import theme
from drag3d.viewer.desktop.corners import CornersField
from drag3d.viewer.desktop.curve import CurvePlot
from drag3d.viewer.desktop.fields import (
    ChoiceField,
    CommandButton,
    NumberField,
    ReadoutField,
    Segments,
    SliderField,
    ToggleField,
)
from drag3d.viewer.desktop.points import PointList

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer

WIDTH = 326
LABEL_WIDTH = 104
FOLDED, UNFOLDED = "chevron-right", "chevron-down"


@dataclass(frozen=True)
class Bound:
    """A widget that shows one thing of the viewer."""

    control: Control
    field: Any
    around: QWidget
    """What is hidden where the control has no meaning"""
    name: str = ""
    """Of the value or command"""

    def refresh(self, viewer: Viewer, values: Mapping[str, Any], kind: str) -> None:
        """Show how it is now."""
        self.around.setVisible(kind in self.control.kinds)
        if self.name:
            self.field.setEnabled(viewer.enabled(self.name))
        if isinstance(self.control, Button):
            if self.control.label:
                self.field.show_label(self._label(viewer))
            return
        if isinstance(self.control, Choice):
            self.field.set_choices(viewer.choices(self.name))
        self.field.show_value(values.get(self.name or "points"))

    def _label(self, viewer: Viewer) -> str:
        assert isinstance(self.control, Button)
        said = viewer.label(self.control.command)
        return said if said != BY_NAME[self.control.command].text else self.control.label


class Binder:
    """Makes widgets from controls, and keeps them up to date."""

    def __init__(self, viewer: Viewer):
        self.viewer = viewer
        self.bound: list[Bound] = []
        self.rows: list[tuple[Row, QWidget]] = []

    def refresh(self, values: Mapping[str, Any], kind: str) -> None:
        """Show all values as they are now; ``kind`` is "shape" or "image"."""
        for bound in self.bound:
            bound.refresh(self.viewer, values, kind)
        for control, line in self.rows:
            line.setVisible(kind in control.kinds)

    def line(self, control: Control) -> QWidget:
        """A line of the panel: a label, where the control has one, and the field."""
        if isinstance(control, Row):
            return self._row(control)
        if isinstance(control, PointTable):
            table = PointList(self.viewer)
            return self._keep(control, table, table)
        if isinstance(control, Curve):
            plot = CurvePlot(control.label)
            return self._keep(control, plot, plot, control.value)
        if isinstance(control, Corners):
            corners = CornersField(control.label)
            corners.changed.connect(self._setter(control.value))
            return self._keep(control, corners, corners, control.value)
        if isinstance(control, Button | Toggle):
            return self.field(control)
        line = QWidget()
        row = _level(line)
        row.addWidget(_label(control.label, control.tip if not isinstance(control, Readout) else ""))
        row.addWidget(self.field(control, line), 1)
        return line

    def _row(self, control: Row) -> QWidget:
        line = QWidget()
        row = _level(line)
        for item in control.items:
            if isinstance(item, Number | Choice | Slider):
                row.addWidget(self.line(item), 1)
            else:
                row.addWidget(self.field(item))
        if not any(isinstance(item, Number | Choice | Slider) for item in control.items):
            row.addStretch(1)
        self.rows.append((control, line))
        return line

    def field(self, control: Control, around: QWidget | None = None) -> QWidget:
        """The field alone."""
        field: Any
        match control:
            case Button():
                field = CommandButton(control.command, control.label)
                self._connect(field)
                return self._keep(control, field, around or field, control.command)
            case Choice():
                field = ChoiceField()
            case Number():
                field = NumberField(control)
            case Slider():
                field = SliderField(control)
            case Toggle():
                field = ToggleField(control.label)
            case Readout():
                return self._keep(control, field := ReadoutField(), around or field, control.value)
            case _:
                raise TypeError(control)
        field.setToolTip(control.tip)
        field.changed.connect(self._setter(control.value))
        return self._keep(control, field, around or field, control.value)

    def segments(self, control: Choice) -> QWidget:
        """For the toolbar: a choice as icons side by side."""
        field = Segments(control.value)
        field.changed.connect(self._setter(control.value))
        return self._keep(control, field, field, control.value)

    def _keep(self, control: Control, field: Any, around: QWidget, name: str = "") -> Any:
        self.bound.append(Bound(control, field, around, name))
        return field

    def _setter(self, name: str) -> Callable[[Any], None]:
        return lambda value: self.viewer.set_value(name, value)

    def _connect(self, button: CommandButton) -> None:
        command = BY_NAME[button.command]
        if command.held and command.keys:  # for as long as the mouse is down
            button.pressed.connect(lambda: self.viewer.key(command.keys[0], True))
            button.released.connect(lambda: self.viewer.key(command.keys[0], False))
        else:
            button.clicked.connect(lambda: self.viewer.run(command.name))


class FoldedSection(QWidget):
    """A part of the panel under a heading that opens and closes it."""

    def __init__(self, section: Section, binder: Binder):
        super().__init__()
        self.section = section
        self._heading = QToolButton()
        self._heading.setObjectName("section")
        self._heading.setText(section.title)
        self._heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._heading.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._heading.clicked.connect(lambda: self.unfold(not self.unfolded))
        self._body = QWidget()
        column = QVBoxLayout(self._body)
        column.setContentsMargins(10, 2, 10, 10)
        column.setSpacing(6)
        for item in section.items:
            column.addWidget(binder.line(item))
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(divider(Qt.Orientation.Horizontal))
        whole.addWidget(self._heading)
        whole.addWidget(self._body)
        self.unfold(section.open)

    @property
    def unfolded(self) -> bool:
        """Whether its controls are to be seen."""
        return not self._body.isHidden()

    def unfold(self, on: bool) -> None:
        """Open or close it."""
        self._body.setVisible(on)
        self._heading.setIcon(theme.icon(UNFOLDED if on else FOLDED, theme.DIM))


class Panel(QScrollArea):
    """All sections; scrolls where they do not fit."""

    def __init__(self, binder: Binder):
        super().__init__()
        self.setFixedWidth(WIDTH)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.sections = [FoldedSection(section, binder) for section in controls.PANEL]
        for section in self.sections:
            column.addWidget(section)
        column.addStretch(1)
        self.setWidget(inside)

    def show_kind(self, kind: str) -> None:
        """Hide the sections that have no meaning for "shape" or "image"."""
        for section in self.sections:
            section.setVisible(kind in section.section.kinds)


def _level(line: QWidget) -> QHBoxLayout:
    row = QHBoxLayout(line)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(6)
    return row


def _label(text: str, tip: str = "") -> QLabel:
    label = QLabel(text)
    label.setFixedWidth(LABEL_WIDTH)
    label.setToolTip(tip)
    return label


def divider(way: Qt.Orientation) -> QWidget:
    """A thin line between parts."""
    line = QLabel()
    line.setStyleSheet(f"background: {theme.LINE}")
    if way == Qt.Orientation.Horizontal:
        line.setFixedHeight(1)
    else:
        line.setFixedWidth(1)
    return line
