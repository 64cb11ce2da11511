"""The symmetric partner of a point."""

from __future__ import annotations

import math

from drag3d.session import Session
from drag3d.viewer.intents import Place
from get3d_models.errors import InputError

OWN_PARTNER = 0.01
"""Share of the diagonal within which a handle and its mirror image are the same"""


def mirrored(session: Session, index: int) -> tuple[Place, Place]:
    """Handle and target of a point's mirror image, about x = 0 of a shape or the middle of an image."""
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(session.points):
        raise InputError(f"there is no point {index} to mirror")
    point = session.points[index]
    middle = (session.generator.size[0] - 1) / 2 if session.kind == "image" else 0.0

    def other(place: Place) -> Place:
        return (2 * middle - place[0], *place[1:])

    if math.dist(point.handle, other(point.handle)) < OWN_PARTNER * session.diagonal:
        raise InputError(f"point {index} lies on the plane of symmetry: it is its own mirror image")
    return other(point.handle), other(point.target)
