"""The steps of a session's drags, kept for a film of them."""

from __future__ import annotations

from typing import Any

from drag3d.session import Film, Session

MOST_MOMENTS = 2000
"""Beyond, every second one of a drag is forgotten."""


class Reel:
    """What drags looked like, step by step. Drags that were undone are not shown, but come back with redo."""

    def __init__(self) -> None:
        self._drags: list[tuple[Any, list[Any]]] = []
        self._film: Film | None = None

    def begin(self, session: Session) -> None:
        """A drag begins."""
        reached = [entry.state for entry in session.history.entries]
        self._drags = [drag for drag in self._drags if any(drag[0] is state for state in reached)]
        self._film = Film(session)

    def take(self) -> None:
        """Remember the present step."""
        if self._film is None:
            return
        self._film.take()
        if len(self._film.moments) > MOST_MOMENTS:
            del self._film.moments[1:-1:2]

    def end(self, session: Session) -> None:
        """The drag has ended."""
        if self._film is not None and len(self._film.moments) > 1:
            self._drags.append((session.history.current, self._film.moments))
        self._film = None

    def film(self, session: Session) -> Film | None:
        """All drags that led to what the session is now, one after the other; None without any."""
        history = session.history
        reached = [entry.state for entry in history.entries[: history.position + 1]]
        film = Film(session)
        for state, moments in self._drags:
            if any(state is other for other in reached):
                film.moments += moments
        return film if film.moments and session.last_drag is not None else None
