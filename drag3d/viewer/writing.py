"""Files of what is edited, and films of its drags; each can be cancelled while it is written."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drag3d.session import Session
from drag3d.viewer.drive import viewpoint
from drag3d.viewer.edits import Edit
from drag3d.viewer.intents import CameraState
from drag3d.viewer.replies import Busy, Reply
from get3d_models.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg")
LEAST_INTERVAL = 0.1
"""Seconds from one word on progress to the next"""


class Cancelled(Exception):
    """The person has thought better of it."""


class Writer:
    """Writes files. ``cancelled`` is asked now and then; when it says so, the old file stays as it was."""

    def __init__(self, send: Callable[[Reply], None], cancelled: Callable[[], bool]):
        self._send, self._cancelled = send, cancelled
        self._next = 0.0

    def export(self, edit: Edit, path: Path, settings: dict[str, Any], camera: CameraState | None) -> None:
        """Write a mesh or a picture; raises InputError, or Cancelled."""
        session = edit.session
        self._told(f"writing {path.name}", 0, 0)
        if session.kind == "shape" and path.suffix.lower() in PICTURES:
            _write_picture(path, shape_picture(session, camera))
        else:
            session.export(path, progress=self._progress, **settings)

    def film(self, edit: Edit, path: Path, turntable: bool) -> None:
        """Write the drags that led to the present state, or a turntable; raises InputError, or Cancelled."""
        session = edit.session
        film = edit.reel.film(session)
        self._told("drawing", 0, 0)
        if film is not None:
            film.write(path, turntable=turntable, progress=lambda done, total: self._told("drawing", done, total))
        elif session.kind == "image":
            raise InputError("there is nothing to show: no drag has led to this image")
        else:
            self._turn(session, path)

    def _turn(self, session: Session, path: Path) -> None:
        from drag3d.export import PaintedMesh, Panel, write_animation
        from drag3d.export.shape_film import TURNTABLE_FRAMES, turntable

        def told() -> Iterator[NDArray[np.uint8]]:
            for number, frame in enumerate(turntable(Panel(PaintedMesh.of(session.shape)))):
                self._told("drawing", number + 1, TURNTABLE_FRAMES)
                yield frame

        write_animation(path, told(), hold=0)

    def _progress(self, what: str, done: int, total: int | None) -> None:
        self._told(what, done if total else 0, total or 0)

    def _told(self, what: str, done: int, total: int) -> None:
        if self._cancelled():
            raise Cancelled
        now = time.monotonic()
        if done == 0 or now >= self._next:
            self._next = now + LEAST_INTERVAL
            self._send(Busy(what, int(done), int(total)))


def shape_picture(session: Session, camera: CameraState | None) -> NDArray[np.uint8]:
    """The shape as a window's camera sees it, or from where all of it is seen; (H, W, 3) uint8."""
    from drag3d.export import PaintedMesh, Panel, Scene, draw_view
    from drag3d.export.picture import scene_picture

    mesh = PaintedMesh.of(session.shape)
    view = viewpoint(camera)
    if view is None:
        return scene_picture(Scene([Panel(mesh)], width=800, height=800))
    return draw_view(mesh, view.camera, view.size)


def _write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    from PIL import Image

    from drag3d.export import write_bytes_atomically

    content, jpeg = io.BytesIO(), path.suffix.lower() != ".png"
    Image.fromarray(pixels).save(content, **({"format": "JPEG", "quality": 95} if jpeg else {"format": "PNG"}))
    write_bytes_atomically(path, content.getvalue())
