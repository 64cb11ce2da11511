"""The frames of an animation of a shape: its states, one after the other, seen by a camera that stands still or turns.

All states are looked at before the first frame is drawn: together they say where the camera has to stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drag3d.export.framing import Camera, fit_camera, turned_camera
from drag3d.export.panel import CheckedPanel, Panel, PanelPainter, Picture, Stage
from drag3d.rendering.camera import PerspectiveCamera, Size, as_camera
from get3d_models.errors import InputError

FILM_CAMERA = Camera(margin=1.15)
FILM_SIZE = 640
TURN = 6.0
"""Degrees that a turntable turns from frame to frame: a whole turn in 5 s."""
TURNTABLE_FRAMES = round(360 / TURN)
_FRAMED = 3000  # vertices of each state that are looked at to frame the film
_RING = 24  # directions in which a turning shape is looked at


@dataclass(frozen=True)
class Shot:
    """One frame: which state of the shape, and how far the camera has turned about the vertical axis, in degrees."""

    moment: int
    turn: float = 0.0


def turntable(panel: Panel, camera: Camera = FILM_CAMERA, size: int = FILM_SIZE) -> Iterator[Picture]:
    """Frames (size, size, 3) uint8 of one whole turn round a shape; played again and again, it turns on and on."""
    shots = [Shot(0, TURN * number) for number in range(TURNTABLE_FRAMES)]
    return film_shapes([panel], shots, camera, size)


def film_shapes(
    moments: Iterable[Panel], shots: Sequence[Shot], camera: Any = FILM_CAMERA, size: int | Size = FILM_SIZE
) -> Iterator[Picture]:
    """Draw the shots; yields a frame (H, W, 3) uint8 for each, in order. size: (H, W), or the edge of a square.

    moments: the states of the shape that shots refer to by number, with their points; read once, one by one. The
    camera keeps its distance and height, chosen so that every state, from every side that is shown, is in the frame;
    one of `drag3d.rendering` stays where it is, or goes round from there. Raises `InputError` for a shape that cannot
    be drawn, and where a camera other than our perspective one shall turn.
    """
    edges = (size, size) if isinstance(size, int) else size
    panels = [CheckedPanel(panel) for panel in moments]
    if not panels:
        raise InputError("an animation needs at least one moment")
    stage = Stage.holding(panel.box for panel in panels)
    cameras = _cameras(np.concatenate([_framed(panel) for panel in panels]), [shot.turn for shot in shots], camera)
    shown: Shot | None = None
    for shot, place in zip(shots, cameras, strict=True):
        if shown is None or shot.moment != shown.moment:
            painter = PanelPainter(panels[shot.moment], stage)
        if shot != shown:
            frame = painter.picture(place, edges)
        shown = shot
        yield frame


def _framed(panel: CheckedPanel) -> npt.NDArray[Any]:
    """Points (N, 3) of a state that shall be in the frame."""
    vertices = panel.mesh.vertices
    return np.concatenate([vertices[:: 1 + len(vertices) // _FRAMED], panel.handles, panel.targets])


def _cameras(points: npt.NDArray[Any], turns: list[float], camera: Any) -> list[Any]:
    """One camera for each turn; all at the same distance and height, about the axis of `points` (N, 3) if any turns."""
    fitted = isinstance(camera, Camera)
    if not any(turns):
        return [fit_camera(points, camera, 1.0) if fitted else as_camera(camera)] * len(turns)
    low, high = points.min(axis=0), points.max(axis=0)
    axis = np.array([(low[0] + high[0]) / 2, 0.0, (low[2] + high[2]) / 2])
    first = fit_camera(_ring(points - axis) + axis, camera, 1.0) if fitted else camera
    if not isinstance(first, PerspectiveCamera):
        raise InputError("only a PerspectiveCamera goes round a shape; leave the turntable away")
    return [turned_camera(first, turn, axis) for turn in turns]


def _ring(points: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What points (N, 3) sweep when they turn about the y axis, at 64 heights and in 24 directions."""
    height, radius = points[:, 1], np.hypot(points[:, 0], points[:, 2])
    slices = np.digitize(height, np.linspace(height.min(), height.max(), 64))
    farthest = [np.flatnonzero(slices == s)[radius[slices == s].argmax()] for s in np.unique(slices)]
    angle = np.arange(_RING) * (2 * np.pi / _RING)
    places = [radius[farthest] * np.sin(angle)[:, None], np.tile(height[farthest], (_RING, 1))]
    return np.stack([*places, radius[farthest] * np.cos(angle)[:, None]], axis=2).reshape(-1, 3)
