"""Points of the session on the screen: red handles, blue targets, arrows from one to the other, and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drag3d.viewer.replies import PointMark
from drag3d.viewer.scene.atlas import BOX_HEIGHT, DOT, HEAD, RIM, TARGET
from drag3d.viewer.scene.sprites import WHITE, Color, Sprites
from drag3d.viewer.scene.view import Floats

# Of handles, targets and arrows as in the pictures that the command line writes (drag3d.export.flat_marks).
RED: Color = (229, 35, 46)
BLUE: Color = (31, 95, 224)
SLATE: Color = (57, 66, 78)
GREY: Color = (128, 134, 142)
RING: Color = (255, 196, 0)
FADED, OFF = 0.38, 0.65
"""Opacity of what the shape hides, and of points that are switched off"""

End = Literal["handle", "target"]


def nearest_dot(
    handles: Floats, targets: Floats, x: float, y: float, reach: float, scale: float
) -> tuple[End, int] | None:
    """Which dot, of places on the screen (N, 2), lies within reach of (x, y).

    Within a dot itself, targets come before handles: they are drawn above. Else the nearest one.
    """
    best: tuple[float, int, float, End, int] | None = None
    ends: tuple[tuple[End, Floats, float], ...] = (("target", targets, TARGET), ("handle", handles, DOT))
    for order, (end, places, radius) in enumerate(ends):
        for index, (across, down) in enumerate(places):
            distance = math.hypot(across - x, down - y)
            if distance <= max(reach, radius * scale):  # false for nan
                key = (max(distance - radius * scale, 0.0), order, distance, end, index)
                best = min(best, key) if best else key
    return (best[3], best[4]) if best else None


class MarkPainter:
    """Puts marks onto the sprites. ``hidden`` (N, 2) says which handles and targets are behind the shape."""

    def __init__(self, sprites: Sprites) -> None:
        self._sprites, self._scale = sprites, sprites.atlas.scale

    def paint(
        self,
        marks: Sequence[PointMark],
        handles: Floats,
        targets: Floats,
        hidden: NDArray[np.bool_],
        selected: int | None,
        pending: bool,
    ) -> None:
        """All of them, of places on the screen (N, 2); with ``pending``, the last one's target is yet to be placed.

        Arrows first, then handles, targets and numbers, so that what is small lies on top; of dots at one place the
        hidden ones are below.
        """
        last = len(marks) - 1 if pending else -1
        for index in range(len(marks)):
            self._arrow(handles[index], targets[index], marks[index].enabled, bool(hidden[index].any()), index == last)
        order = sorted(range(len(marks)), key=lambda i: (not hidden[i, 0], marks[i].enabled, i == selected))
        for index in order:
            self._dot("dot", "rim", handles[index], RED, marks[index].enabled, bool(hidden[index, 0]))
            if index == selected:
                self._ring(handles[index])
        for index in sorted(range(len(marks)), key=lambda i: (not hidden[i, 1], marks[i].enabled, i == selected)):
            self._dot("target", "target rim", targets[index], BLUE, marks[index].enabled, bool(hidden[index, 1]))
        self._numbers(marks, handles, targets, hidden, pending)

    def _dot(self, name: str, rim: str, place: Floats, color: Color, enabled: bool, hidden: bool) -> None:
        opacity = FADED if hidden else 1.0 if enabled else OFF
        self._sprites.put(rim, place[0], place[1], WHITE, opacity)
        self._sprites.put(name, place[0], place[1], color if enabled else GREY, opacity)

    def _ring(self, place: Floats) -> None:
        self._sprites.put("ring rim", place[0], place[1], SLATE, 0.85)
        self._sprites.put("ring", place[0], place[1], RING)

    def _arrow(self, handle: Floats, target: Floats, enabled: bool, hidden: bool, pending: bool) -> None:
        way = target - handle
        length = math.hypot(*way)
        tip_gap, head = (TARGET + RIM) * self._scale, HEAD[0] * self._scale
        if not tip_gap < length < 1e5:  # nan too
            return
        along = way / length
        opacity = (FADED if hidden else 1.0) * (1.0 if enabled else OFF)
        color = SLATE if enabled else GREY
        tip = target - along * min(tip_gap - 1.5 * self._scale, length)
        neck = tip - along * (head * 0.8)
        middle, turn = tip - along * head / 2, math.atan2(way[1], way[0])
        draw_head = length > tip_gap + head
        end = neck if draw_head else tip
        draw = self._sprites.dashes if pending else self._sprites.line
        draw("casing", handle, end, WHITE, opacity)
        if draw_head:
            self._sprites.put("head rim", middle[0], middle[1], WHITE, opacity, turn)
        draw("line", handle, end, color, opacity)
        if draw_head:
            self._sprites.put("head", middle[0], middle[1], color, opacity, turn)

    def _numbers(
        self,
        marks: Sequence[PointMark],
        handles: Floats,
        targets: Floats,
        hidden: NDArray[np.bool_],
        pending: bool,
    ) -> None:
        """A number beside each handle, where it covers no dot and no other number, if there is such a place."""
        taken = [(*place, DOT * 2, DOT * 2) for place in (*handles, *targets) if np.isfinite(place).all()]
        taken = [(x, y, w * self._scale, h * self._scale) for x, y, w, h in taken]
        for index in range(len(marks) - pending):
            if not np.isfinite(handles[index]).all():
                continue
            name = f"number {index}"
            sprite = self._sprites.atlas.sprites[name]
            way = targets[index] - handles[index]
            back = math.atan2(-way[1], -way[0]) if np.isfinite(way).all() and way.any() else -math.pi / 4
            best, least = None, math.inf
            for turn in (0, 0.7, -0.7, 1.4, -1.4, 2.1, -2.1, 3.14):
                c, s = math.cos(back + turn), math.sin(back + turn)
                away = (DOT + RIM + 2) * self._scale + abs(c) * sprite.width / 2 + abs(s) * BOX_HEIGHT / 2 * self._scale
                box = (handles[index][0] + away * c, handles[index][1] + away * s, sprite.width, sprite.height)
                covered = sum(_overlap(box, other) for other in taken)
                if covered < least - 1e-9:
                    best, least = box, covered
                if not covered:
                    break
            if best is None:
                continue
            taken.append(best)
            # At whole pixels, so that letters stay sharp.
            x, y = (round(c - (size - 1) / 2) + (size - 1) / 2 for c, size in ((best[0], best[2]), (best[1], best[3])))
            opacity = 0.6 if hidden[index, 0] else 1.0 if marks[index].enabled else OFF
            self._sprites.put(name, x, y, WHITE, opacity)


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Area common to two boxes, each middle and size."""
    across = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    down = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    return max(across, 0.0) * max(down, 0.0)
