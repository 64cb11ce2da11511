"""Bars above the picture that ask something and do not block: what an earlier run left, and a worker that is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from drag3d.viewer.desktop import theme

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer
    from drag3d.viewer.replies import Autosaved

Answers = Sequence[tuple[str, Callable[[], object]]]


class Bar(QFrame):
    """A line of text and buttons."""

    def __init__(self, icon: str, text: str, answers: Answers):
        super().__init__()
        self.setObjectName("notice")
        self.text = text
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 10, 5)
        row.setSpacing(8)
        picture = QLabel()
        picture.setPixmap(theme.icon(icon).pixmap(16, 16))
        label = QLabel(text)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        row.addWidget(picture)
        row.addWidget(label, 1)
        self.buttons: dict[str, QPushButton] = {}
        for name, answer in answers:
            button = QPushButton(name)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(answer)
            row.addWidget(button)
            self.buttons[name] = button


class Bars(QWidget):
    """The bars that are to be seen now; the latest offer is made first, one at a time."""

    def __init__(self, viewer: Viewer):
        super().__init__()
        self._viewer = viewer
        self._seen: tuple[object, ...] = ()
        self.bars: list[Bar] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.hide()

    def refresh(self) -> None:
        """Show what there is to be asked now."""
        viewer = self._viewer
        seen = (viewer.dead, viewer.enabled("restart"), viewer.mirror.offers[:1])
        if seen == self._seen:
            return
        self._seen = seen
        for bar in self.bars:
            bar.hide()
            bar.deleteLater()
        self.bars = list(self._wanted())
        for bar in self.bars:
            self._column.addWidget(bar)
        self.setVisible(bool(self.bars))

    def _wanted(self) -> Sequence[Bar]:
        viewer = self._viewer
        if viewer.dead:
            said = viewer.mirror.messages[-1].text if viewer.mirror.messages else "the worker is gone"
            restart = [("Restart", lambda: viewer.run("restart"))] if viewer.enabled("restart") else []
            return [Bar("alert", said[:1].upper() + said[1:], restart)]
        return [self._offer(offer) for offer in viewer.mirror.offers[:1]]

    def _offer(self, offer: Autosaved) -> Bar:
        viewer = self._viewer
        return Bar(
            "backup-restore", offer_text(offer, time.time()),
            (
                ("Restore", lambda: viewer.restore(offer.name)),
                ("Discard", lambda: viewer.discard(offer.name)),
                ("Later", lambda: viewer.dismiss(offer.name)),
            ),
        )  # fmt: skip


def offer_text(offer: Autosaved, now: float) -> str:
    """ "An unsaved edit of quadruped, 14:02, 5 changes"; with the date where it was not today."""
    then, today = time.localtime(offer.when), time.localtime(now)
    form = "%H:%M" if then[:3] == today[:3] else "%d %B %Y, %H:%M"
    changes = f"{offer.edits} change{'' if offer.edits == 1 else 's'}"
    model = offer.model.replace("\\", "/").rpartition("/")[2]
    return f"An unsaved edit of {model}, {time.strftime(form, then)}, {changes}"
