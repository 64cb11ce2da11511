"""A small plot of numbers against the step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from drag3d.viewer.desktop import theme

HEIGHT = 58
_MARGIN = 4.0


class CurvePlot(QWidget):
    """Linear, from zero; the greatest number and the last one are written beside it."""

    def __init__(self, label: str, parent: QWidget | None = None):
        super().__init__(parent)
        self._label = label
        self._values: tuple[float, ...] = ()
        self.setFixedHeight(HEIGHT)

    def show_value(self, values: Sequence[float]) -> None:
        """Show numbers; those that are not finite are left out."""
        kept = tuple(v for v in values if math.isfinite(v))
        if kept != self._values:
            self._values = kept
            self.update()

    def points(self, area: QRectF) -> QPolygonF:
        """The numbers as places in an area: from left to right, zero at its bottom, the greatest at its top."""
        top = max(self._values, default=0.0) or 1.0
        across = area.width() / max(1, len(self._values) - 1)
        return QPolygonF(
            [
                QPointF(area.left() + index * across, area.bottom() - max(0.0, value) / top * area.height())
                for index, value in enumerate(self._values)
            ]
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QColor(theme.LINE))
        painter.setBrush(QColor(theme.FIELD))
        painter.drawRoundedRect(frame, 3, 3)
        text = painter.fontMetrics().height()
        area = frame.adjusted(_MARGIN, text + _MARGIN, -_MARGIN, -_MARGIN)
        if len(self._values) > 1:
            painter.setPen(QPen(QColor(theme.ACCENT), 1.5))
            painter.drawPolyline(self.points(area))
        heading = frame.adjusted(6, 2, -6, 0)
        painter.setPen(QColor(theme.DIM))
        painter.drawText(heading, Qt.AlignmentFlag.AlignLeft, self._label)
        if self._values:
            first, last = f"{max(self._values):.3g}", f"{self._values[-1]:.3g}"
            said = f"{last}, at most {first}" if first != last else last
            painter.drawText(heading, Qt.AlignmentFlag.AlignRight, said)
        painter.end()
