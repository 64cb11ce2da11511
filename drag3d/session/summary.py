"""How a drag ended, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drag3d.session.session import Session


def summary(session: Session) -> str:
    """One line on the last drag: how it ended, after how long, and what is left."""
    result = session.last_drag
    assert result is not None
    left = length(session, max(result.distances))
    count = f"{result.steps} step{'' if result.steps == 1 else 's'}"
    handles = "the farthest handle is" if len(result.distances) > 1 else "the handle is"
    return f"{result.reason} after {count} in {result.seconds:.1f} s; {handles} {left} off its target"


def length(session: Session, distance: float) -> str:
    """A distance of the last drag as people think of it: pixels of an image, a share of a shape."""
    assert session.last_drag is not None
    if session.kind == "image" or session.last_drag.view is not None:
        return f"{distance:.1f} pixels"
    return f"{distance / session.last_drag.diagonal:.1%} of the diagonal"
