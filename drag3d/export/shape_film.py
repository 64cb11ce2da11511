"""The frames of a shape's animation: many states of a shape, seen by one camera that stands still or turns.

One process draws them all (see `picture.py` for why it is a process of its own). States go to it through files, one
each, so that however long a drag was, one shape at a time is in memory.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from drag3d.export.picture import (
    DRAW_SECONDS,
    Camera,
    NoPicture,
    Panel,
    View,
    can_draw,
    fit_view,
    packed_panel,
    packed_view,
    packed_words,
    run_worker,
)
from get3d_models.errors import InputError

FILM_CAMERA = Camera(margin=1.15)
_SECONDS_PER_SHOT = 20
_FRAMED = 3000  # vertices of each state that are looked at to frame the film
_RING = 24  # directions in which a turning shape is looked at


@dataclass(frozen=True)
class Shot:
    """One frame: which state of the shape, and how far the camera has turned about the vertical axis, in degrees."""

    moment: int
    turn: float = 0.0


def film_shapes(
    moments: Iterable[Panel], shots: Sequence[Shot], camera: Camera = FILM_CAMERA, size: int = 640
) -> Iterator[npt.NDArray[np.uint8]]:
    """Draw the shots; yields a frame (size, size, 3) uint8 for each, in order.

    moments: the states of the shape that shots refer to by number, with their points; read once, one by one. The
    camera keeps its distance and height, chosen so that every state, from every side that is shown, is in the frame.
    Raises `NoPicture` when this machine cannot draw, before any state is asked for, and `InputError` for a shape that
    cannot be drawn.
    """
    if reason := can_draw():
        raise NoPicture(reason)
    with tempfile.TemporaryDirectory(prefix="drag3d-film-") as directory:
        folder = Path(directory)
        samples, bounds, words = _packed(moments, folder)
        different = list(dict.fromkeys(shots))
        views = _views(samples, [shot.turn for shot in different], camera)
        layout = {
            "size": [size, size],
            "bounds": bounds,
            "panel": words,
            "shots": [
                {"moment": shot.moment, "view": packed_view(view, camera)}
                for shot, view in zip(different, views, strict=True)
            ],
        }
        (folder / "film.json").write_text(json.dumps(layout), encoding="utf-8")
        if reason := run_worker(["--film", str(folder)], DRAW_SECONDS + _SECONDS_PER_SHOT * len(different)):
            raise NoPicture(reason)
        for shot in shots:
            with Image.open(folder / f"shot_{different.index(shot)}.png") as picture:
                frame = np.asarray(picture.convert("RGB"))
            yield frame


def _packed(moments: Iterable[Panel], folder: Path) -> tuple[npt.NDArray[Any], list[list[float]], dict[str, Any]]:
    """Write a file for each state; returns points to frame (N, 3), the corners of all shapes, and the panel's words."""
    samples, low, high = [], np.full(3, np.inf), np.full(3, -np.inf)
    words: dict[str, Any] = {}
    for number, panel in enumerate(moments):
        arrays = packed_panel(panel)
        np.savez(folder / f"moment_{number}.npz", **arrays)  # type: ignore[arg-type]
        words = packed_words(panel)
        vertices = arrays["vertices"]
        low, high = np.minimum(low, vertices.min(axis=0)), np.maximum(high, vertices.max(axis=0))
        samples += [vertices[:: 1 + len(vertices) // _FRAMED], arrays["handles"], arrays["targets"]]
    if not samples:
        raise InputError("an animation needs at least one moment")
    return np.concatenate(samples), [low.tolist(), high.tolist()], words


def _views(points: npt.NDArray[Any], turns: list[float], camera: Camera) -> list[View]:
    """One view for each turn; all of the same distance and height, about the axis of `points` (N, 3) if any turns."""
    if not any(turns):
        return [fit_view(points, camera, 1.0)] * len(turns)
    low, high = points.min(axis=0), points.max(axis=0)
    axis = np.array([(low[0] + high[0]) / 2, 0.0, (low[2] + high[2]) / 2])
    centred = _reduced(points - axis)
    ring = np.concatenate([centred @ _turned(360 * step / _RING) for step in range(_RING)])
    first = fit_view(ring, camera, 1.0)
    return [
        View(first.position @ turned + axis, first.focus @ turned + axis, first.up @ turned)
        for turned in map(_turned, turns)
    ]


def _reduced(points: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """For each of 64 heights the point (1, 3) farthest from the axis: all that a turning shape's frame depends on."""
    height = points[:, 1]
    slices = np.digitize(height, np.linspace(height.min(), height.max(), 64))
    radius = np.hypot(points[:, 0], points[:, 2])
    chosen = [np.flatnonzero(slices == s)[radius[slices == s].argmax()] for s in np.unique(slices)]
    return points[chosen]


def _turned(degrees: float) -> npt.NDArray[np.float64]:
    """The matrix R so that `points @ R` are turned about the y axis, from +z towards +x, as a camera's azimuth."""
    angle = np.radians(degrees)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, 0.0, -sine], [0.0, 1.0, 0.0], [sine, 0.0, cosine]])
