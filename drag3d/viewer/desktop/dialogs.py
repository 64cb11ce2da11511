"""Dialogs that ask for files and how to write them. None of them blocks: a drag goes on behind them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QFileDialog, QFormLayout, QWidget

from drag3d.viewer.controls import Number
from drag3d.viewer.desktop.fields import ChoiceField, NumberField

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer

SESSION = ".drag3d"
FORMATS = {
    "shape": (
        (".glb", "GLB, mesh with texture"), (".obj", "OBJ, mesh with texture"), (".ply", "PLY, mesh with colours"),
        (".stl", "STL, mesh"), (".usd", "USD, mesh with colours"), (".png", "PNG, picture of this view"),
    ),
    "image": ((".png", "PNG"), (".jpg", "JPEG")),
}  # fmt: skip
FILMS = ((".mp4", "MP4"), (".gif", "GIF"))
TEXTURED = (".glb", ".obj")
MESHES = (".glb", ".obj", ".ply", ".stl", ".usd")
_NUMBERS = (
    Number("texture_size", "Texture", "int", 64, 8192, 256, optional=True, tip="Texels along an edge"),
    Number("resolution", "Resolution", "int", 8, 256, 8, optional=True, tip="Of the grid that the surface is found on"),
    Number("smooth", "Smooth", "int", 0, 1000, 5, optional=True, tip="Rounds of smoothing"),
    Number("simplify", "Simplify to", "int", 4, 1 << 30, 1000, optional=True, tip="Triangles"),
)

_EMPTY = {"texture_size": "1024", "resolution": "the model's own", "smooth": "not at all", "simplify": "all triangles"}


class Dialogs:
    """What the viewer asks of the window."""

    def __init__(self, window: QWidget):
        self._window = window
        self.viewer: Viewer
        self._folder = Path.cwd()
        self._settings: dict[str, Any] = {}
        self._dialog: QDialog | None = None
        """The one that is open; Python would forget it"""

    def request_open(self) -> None:
        """Choose a session and open it."""
        self._files("Open a session", f"Sessions (*{SESSION})", "", self.viewer.open)

    def request_save(self) -> None:
        """Choose where to write the session."""
        document = self.viewer.mirror.document
        name = document.path or str(self._folder / f"{self._stem()}{SESSION}")
        self._files("Save the session", f"Sessions (*{SESSION})", name, self.viewer.save, SESSION)

    def request_export(self) -> None:
        """Choose a format, its options, and a file."""
        kind = self.viewer.mirror.document.kind or "shape"
        dialog = ExportDialog(self._window, FORMATS[kind], self._settings)

        def chosen() -> None:
            self._settings = dialog.remembered()
            suffix, settings = dialog.suffix, dialog.settings()
            name = str(self._folder / f"{self._stem()}{suffix}")
            self._files("Export", f"*{suffix}", name, lambda path: self.viewer.export(path, settings), suffix)

        self._show(dialog, chosen)

    def request_film(self) -> None:
        """Choose a format, whether to go round the shape, and a file."""
        shape = self.viewer.mirror.document.kind == "shape"
        dialog = FilmDialog(self._window, shape)

        def chosen() -> None:
            suffix, turntable = dialog.suffix, dialog.turntable
            name = str(self._folder / f"{self._stem()}{suffix}")
            self._files("Animation", f"*{suffix}", name, lambda path: self.viewer.film(path, turntable), suffix)

        self._show(dialog, chosen)

    def written(self, path: str) -> None:
        """The viewer says so itself."""

    def _stem(self) -> str:
        document = self.viewer.mirror.document
        model = Path(document.model).stem or "edit"
        return f"{model}-{document.seed}"

    def _files(self, title: str, pattern: str, name: str, then: Any, suffix: str = "") -> None:
        dialog = QFileDialog(self._window, title, str(self._folder), pattern)
        if suffix:
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            dialog.setDefaultSuffix(suffix[1:])
            dialog.selectFile(name)
        else:
            dialog.setFileMode(QFileDialog.FileMode.ExistingFile)

        def chosen() -> None:
            path = dialog.selectedFiles()[0]
            self._folder = Path(path).parent
            then(path)

        self._show(dialog, chosen)

    def _show(self, dialog: QDialog, accepted: Any) -> None:
        if self._dialog is not None:
            self._dialog.reject()
        self._dialog = dialog
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def finished(result: int) -> None:
            if self._dialog is dialog:
                self._dialog = None
            if result == QDialog.DialogCode.Accepted:
                accepted()

        dialog.finished.connect(finished)
        dialog.open()


class ExportDialog(QDialog):
    """A format, and what files of that format can be told."""

    def __init__(self, parent: QWidget, formats: tuple[tuple[str, str], ...], remembered: dict[str, Any]):
        super().__init__(parent)
        self.setWindowTitle("Export")
        form = QFormLayout(self)
        form.setContentsMargins(16, 14, 16, 12)
        form.setSpacing(8)
        self.format = ChoiceField()
        self.format.set_choices(formats)
        self.format.show_value(remembered.get("format", formats[0][0]))
        if self.format.currentIndex() < 0:
            self.format.setCurrentIndex(0)
        self.format.setMinimumWidth(220)
        form.addRow("Format", self.format)
        self.colors = QCheckBox("Colours at the vertices, no texture")
        self.unwrap = ChoiceField()
        self.unwrap.set_choices((("", "fast"), ("quality", "with less distortion, slower")))
        self.numbers = {control.value: NumberField(control) for control in _NUMBERS}
        form.addRow("Texture", self.numbers["texture_size"])
        form.addRow("Laid out", self.unwrap)
        form.addRow("", self.colors)
        for control in _NUMBERS[1:]:
            form.addRow(control.label, self.numbers[control.value])
        for control in _NUMBERS:
            self.numbers[control.value].setToolTip(control.tip)
            self.numbers[control.value].setPlaceholderText(_EMPTY[control.value])
            self.numbers[control.value].show_value(remembered.get(control.value))
        self.colors.setChecked(bool(remembered.get("vertex_colors")))
        self.unwrap.show_value(remembered.get("unwrap", ""))
        form.addRow(_buttons(self, "Export..."))
        self._form, self._mesh = form, any(suffix in MESHES for suffix, _ in formats)
        self.format.currentIndexChanged.connect(self._fit)
        self.colors.toggled.connect(self._fit)
        self._fit()

    @property
    def suffix(self) -> str:
        """Of the file."""
        return str(self.format.currentData())

    def settings(self) -> dict[str, Any]:
        """Those of ``ExportSettings`` that were given and fit the format."""
        found: dict[str, Any] = {name: field.value for name, field in self.numbers.items() if field.isEnabled()}
        if self.colors.isEnabled():
            found["vertex_colors"] = self.colors.isChecked()
        if self.unwrap.isEnabled():
            found["unwrap"] = self.unwrap.currentData()
        return {name: value for name, value in found.items() if value}

    def remembered(self) -> dict[str, Any]:
        """For the next time."""
        numbers = {name: field.value for name, field in self.numbers.items()}
        chosen = {"unwrap": self.unwrap.currentData(), "vertex_colors": self.colors.isChecked()}
        return {"format": self.suffix, **numbers, **chosen}

    def _fit(self) -> None:
        """Offer what files of the chosen format can be told."""
        mesh, textured = self.suffix in MESHES, self.suffix in TEXTURED
        for name, field in self.numbers.items():
            field.setEnabled(mesh and (name != "texture_size" or (textured and not self.colors.isChecked())))
        self.colors.setEnabled(textured)
        self.unwrap.setEnabled(textured and not self.colors.isChecked())
        for row in (*self.numbers.values(), self.colors, self.unwrap):
            self._form.setRowVisible(row, self._mesh)


class FilmDialog(QDialog):
    """MP4 or GIF, and whether to go round the shape."""

    def __init__(self, parent: QWidget, shape: bool):
        super().__init__(parent)
        self.setWindowTitle("Animation")
        form = QFormLayout(self)
        form.setContentsMargins(16, 14, 16, 12)
        form.setSpacing(8)
        self.format = ChoiceField()
        self.format.set_choices(FILMS)
        self.format.setMinimumWidth(180)
        form.addRow("Format", self.format)
        self._turntable = QCheckBox("Go round the shape once")
        if shape:
            form.addRow("", self._turntable)
        else:
            self._turntable.hide()
        form.addRow(_buttons(self, "Write..."))

    @property
    def suffix(self) -> str:
        """Of the file."""
        return str(self.format.currentData())

    @property
    def turntable(self) -> bool:
        """Whether the shape is gone round."""
        return self._turntable.isChecked()


def _buttons(dialog: QDialog, text: str) -> QDialogButtonBox:
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
    buttons.button(QDialogButtonBox.StandardButton.Ok).setText(text)
    for button in buttons.buttons():
        button.setIcon(QIcon())
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    return buttons
