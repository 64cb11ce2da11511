"""A scene without pictures and a worker without a process, for tests of what the viewer makes of mouse and keys.

The world is seen along -z by a camera without perspective, a hundred pixels to a unit, the origin at pixel (200, 200).
Its surface is the square of x and y within +-1 in the plane z = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drag3d.viewer.intents import CameraState, Intent
from drag3d.viewer.replies import Document, PointMark, Reply, ShapeShown

SCALE, MIDDLE = 100.0, 200.0


@dataclass(frozen=True)
class Press:
    """As ``drag3d.viewer.scene.pointer.Pointer``."""

    kind: str
    x: float
    y: float
    button: str = "left"
    shift: bool = False
    ctrl: bool = False
    alt: bool = False
    delta: float = 0.0


@dataclass(frozen=True)
class Hit:
    position: tuple[float, ...]
    normal: tuple[float, ...] | None


class FlatScene:
    """Remembers what it was told to show."""

    backgrounds = ("dark", "light")

    def __init__(self) -> None:
        self.kind, self.looks, self.dirty = "", (), False
        self.body: Any = None
        self.points: tuple[PointMark, ...] = ()
        self.pending: PointMark | None = None
        self.selected: int | None = None
        self.free: Any = None
        self.box: Any = (None, None)
        self.help: Any = None
        self.caption, self.renders = "", 0
        self.has_rested = True
        self.moves: list[tuple[Any, ...]] = []

    def show_shape(self, vertices: Any, *_: Any) -> None:
        self.kind, self.body = "shape", vertices
        self.looks = ("textured", "clay", "normals", "wireframe", "features")

    def show_image(self, pixels: Any, *_: Any) -> None:
        self.kind, self.body, self.looks = "image", pixels, ("textured", "features")

    def pick_surface(self, x: float, y: float) -> Hit | None:
        place = ((x - MIDDLE) / SCALE, (MIDDLE - y) / SCALE, 0.0)
        if max(abs(v) for v in place) > 1:
            return None
        return Hit(place, (0.0, 0.0, 1.0)) if self.kind == "shape" else Hit((x, y), None)

    def pick_mark(self, x: float, y: float, reach: float = 10) -> tuple[str, int] | None:
        for end in ("target", "handle"):
            for index, mark in enumerate(self.points):
                if math.dist(self.to_screen(getattr(mark, end)), (x, y)) <= reach:
                    return end, index
        return None

    def to_screen(self, place: Any) -> tuple[float, float]:
        if self.kind == "image":
            return place[0], place[1]
        return MIDDLE + SCALE * place[0], MIDDLE - SCALE * place[1]

    def on_camera_plane(self, x: float, y: float, through: Any) -> tuple[float, ...]:
        if self.kind == "image":
            return x, y
        return (x - MIDDLE) / SCALE, (MIDDLE - y) / SCALE, through[2]

    def along(self, x: float, y: float, origin: Any, direction: Any) -> tuple[float, ...]:
        wanted = np.array(self.on_camera_plane(x, y, origin)) - origin
        way = np.array(direction)
        flat = way * (1, 1, 0)
        share = float(wanted @ flat / (flat @ flat)) if flat.any() else (MIDDLE - y) / SCALE
        return tuple(np.array(origin) + share * way)

    def size_on_screen(self, length: float, at: Any) -> float:
        return length if self.kind == "image" else SCALE * length

    def set_points(self, points: Any, selected: int | None, pending: PointMark | None) -> None:
        self.points, self.selected, self.pending = tuple(points), selected, pending

    def set_region(self, free: Any) -> None:
        self.free = None if free is None else free.copy()

    def set_box(self, low: Any, high: Any) -> None:
        self.box = (low, high)

    def set_help(self, lines: Any) -> None:
        self.help = lines

    def set_caption(self, text: str) -> None:
        self.caption = text

    def camera(self) -> CameraState:
        return CameraState((0.0, 0.0, 5.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), 25.0, 400, 400)

    def rested(self, share: float) -> bool:
        return self.has_rested

    def render(self) -> None:
        self.renders += 1
        self.dirty = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *given: self.moves.append((name, *given))


class FlatLink:
    """Keeps what was sent; the test answers."""

    def __init__(self) -> None:
        self.sent: list[Intent] = []
        self.waiting: list[Reply] = []
        self.closed = False

    def send(self, intent: Intent) -> int:
        self.sent.append(intent)
        return len(self.sent)

    def poll(self) -> list[Reply]:
        found, self.waiting = self.waiting, []
        return found

    def close(self, timeout: float = 5.0) -> None:
        self.closed = True


@dataclass
class FlatHost:
    asked: list[str] = field(default_factory=list)

    def written(self, path: str) -> None:
        self.asked.append(path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda: self.asked.append(name)


def square(version: int = 1, free: Any = None, original: bool = False) -> ShapeShown:
    """The surface of the flat world, as a grid of 21 x 21 vertices."""
    axis = np.linspace(-1, 1, 21, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(x.size, np.float32)], axis=1)
    corner = (np.arange(20)[:, None] * 21 + np.arange(20)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + 22], 1), np.stack([corner, corner + 22, corner + 21], 1)]
    )
    normals = np.tile(np.array([0, 0, 1], np.float32), (len(vertices), 1))
    colors = np.full((len(vertices), 3), 128, np.uint8)
    return ShapeShown(version, vertices, faces.astype(np.int32), normals, colors, free, None, original)


SHAPE = Document(kind="shape", model="square", models=("square", "portrait"), seed=3, texture_seed=4, diagonal=2.0)
