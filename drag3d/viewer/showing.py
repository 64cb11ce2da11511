"""What a session looks like, sent to the window: whenever it has changed, and during a drag at the window's pace."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drag3d.session import Session
from drag3d.subjects.image import completed
from drag3d.viewer.edits import Edit
from drag3d.viewer.feature_colors import FeatureColors, image_features, map_colors
from drag3d.viewer.live_mesh import DrawnMesh, LiveMesh, original_features, whole_mesh
from drag3d.viewer.painting import free_vertices
from drag3d.viewer.replies import ImageShown, Reply, ShapeShown

AHEAD = 2
"""Versions that the window may not have drawn yet while the next is made"""
LEAST_INTERVAL = 1 / 15
SHARE = 1 / 5
"""Of the time of a drag, at most, is spent on showing it"""


class Showing:
    """Sends shapes and images. Arrays that were sent are never written to."""

    def __init__(self, send: Callable[[Reply], None]):
        self._send = send
        self.features = False
        self._version = 0
        self._undrawn: list[int] = []
        self._free_from = 0.0
        self._sent: tuple[Any, ...] = ()
        self._sent_live = False
        self._original_sent: tuple[Any, ...] = ()
        self._drawn: tuple[Any, bool, DrawnMesh] | None = None
        self._live: LiveMesh | None = None
        self._colors: tuple[Any, FeatureColors] | None = None

    def drawn(self, version: int) -> None:
        """The window has drawn a version, and needs none of those before."""
        self._undrawn = [number for number in self._undrawn if number > version]

    def show(self, edit: Edit) -> None:
        """Send what is not sent yet: the present state from scratch, and the original when it is another session."""
        session, wanted = edit.session, self.features
        now = (session, session.latents, session.region, wanted, self._feature_key(session))
        if self._sent_live or not _same(now, self._sent):
            self._sent, self._sent_live = now, False
            self._send_state(session, session.latents)
        origin = (session, wanted, self._feature_key(session))
        if not _same(origin, self._original_sent):
            self._original_sent = origin
            self._send_state(session, session.history.entries[0].state.latents, original=True)

    def show_step(self, edit: Edit, at_once: bool = False) -> None:
        """Send the state of a drag that runs, if the window has drawn what it got and it is time again."""
        session = edit.session
        began = time.perf_counter()
        if not at_once and (len(self._undrawn) >= AHEAD or began < self._free_from):
            return
        now = (session, session.latents, session.region, self.features, self._feature_key(session))
        if _same(now, self._sent):
            return
        self._sent, self._sent_live = now, True
        self._send_state(session, session.latents, live=True)
        ended = time.perf_counter()
        self._free_from = max(began + LEAST_INTERVAL, ended + (ended - began) * (1 / SHARE - 1))

    def forget(self) -> None:
        """What was kept for the next step of a drag is of no use any more: it has ended."""
        self._live = None

    # ---- inside -------------------------------------------------------------------------------------------------

    def _send_state(self, session: Session, latents: Any, live: bool = False, original: bool = False) -> None:
        self._version += 1
        if not original:
            self._undrawn.append(self._version)
        if session.kind == "image":
            free = None if original or session.region is None else session.region.free  # type: ignore[union-attr]
            pixels = session.pixels_of(latents)
            self._send(ImageShown(self._version, pixels, free, self._image_features(session, latents), original))
            return
        mesh = self._mesh(session, latents, live)
        free = None if original else free_vertices(session.region, mesh.vertices)  # type: ignore[arg-type]
        self._send(
            ShapeShown(
                self._version, mesh.vertices, mesh.faces, mesh.normals, mesh.colors, free, mesh.features, original
            )
        )

    def _mesh(self, session: Session, latents: Any, live: bool) -> DrawnMesh:
        colors = self._fitted(session) if self.features else None
        if live:
            if self._live is None or self._live.session is not session:
                self._live = LiveMesh(session)
            return self._live(colors)
        if self._drawn and self._drawn[0] is latents and self._drawn[1] == self.features:
            return self._drawn[2]
        mesh = whole_mesh(session, latents, colors)
        self._drawn = (latents, self.features, mesh)
        return mesh

    def _image_features(self, session: Session, latents: Any) -> NDArray[np.uint8] | None:
        if not self.features:
            return None
        block = self._feature_key(session)
        return map_colors(
            self._fitted(session), image_features(session.generator, latents, block), session.generator.size
        )

    def _feature_key(self, session: Session) -> Any:
        """Which features they are: of images the block, of shapes there is no choice."""
        if session.kind == "shape" or not self.features:
            return None
        return completed(session.generator, session.settings).feature_block

    def _fitted(self, session: Session) -> FeatureColors:
        key = (session, self._feature_key(session))
        if self._colors is None or not _same(self._colors[0], key):
            start = session.history.entries[0].state.latents
            if session.kind == "shape":
                found = original_features(session)
            else:
                found = image_features(session.generator, start, key[1]).flatten(1).T
            self._colors = (key, FeatureColors.fitted(found))
        return self._colors[1]


def _same(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    """Whether they hold the same objects, or equal plain values."""
    if len(first) != len(second):
        return False
    plain = (bool, int, str, type(None))
    return all(
        a is b or (isinstance(a, plain) and isinstance(b, plain) and a == b) for a, b in zip(first, second, strict=True)
    )
