"""Settings of a session's drags, changed by name."""

from __future__ import annotations

from typing import Any

from drag3d.core import DragSettings
from drag3d.session import Session
from drag3d.session.checks import changed_settings
from get3d_models.errors import InputError


def configure(session: Session, changes: dict[str, Any]) -> None:
    """Change settings, all of them or, with an InputError, none; None stands for what is usual."""
    changes, before = _with_defaults(changes), session.settings
    moved = changes.pop("latents_moved", session.latents_moved)
    session.settings = changed_settings(before, changes)
    try:
        session.latents_moved = moved
    except InputError:
        session.settings = before
        raise


def changes_nothing(session: Session, changes: dict[str, Any]) -> bool:
    """Whether all of it is as it is already."""
    now = {**vars(session.settings), "latents_moved": session.latents_moved}
    if "latents_moved" in changes and changes["latents_moved"] is None:
        return False  # only the session knows what is usual of these
    return all(name in now and now[name] == value for name, value in _with_defaults(changes).items())


def take_settings(session: Session, before: Session) -> None:
    """Those of another session, if this one can have them."""
    try:
        session.settings = before.settings
        session.latents_moved = before.latents_moved
    except InputError:
        pass


def _with_defaults(changes: dict[str, Any]) -> dict[str, Any]:
    """None becomes what is usual, also of settings that know no None."""
    usual = {**vars(DragSettings()), "latents_moved": None}
    return {name: usual.get(name) if value is None else value for name, value in changes.items()}
