"""What a window does for the viewer that only it can."""

from __future__ import annotations

from typing import Protocol


class Host(Protocol):
    """What differs between the windows."""

    def request_open(self) -> None:
        """Let the person choose a session, then call :meth:`Viewer.open`."""

    def request_save(self) -> None:
        """... a place for the session, then :meth:`Viewer.save`."""

    def request_export(self) -> None:
        """... a place and a format, then :meth:`Viewer.export`."""

    def request_film(self) -> None:
        """... a place, then :meth:`Viewer.film`."""

    def written(self, path: str) -> None:
        """A file that was asked for is there."""
