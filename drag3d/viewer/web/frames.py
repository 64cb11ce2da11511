"""Pictures of the scene for the browser: one for each time that it was drawn, and none when nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from drag3d.viewer.scene.scene import Scene

PICTURES_A_SECOND = 30.0
"""At most"""
SMALLEST, LARGEST = 16, 8192
"""Pixels along an edge"""


class Frames:
    """What trame-rca takes pictures from. The viewer draws; here what was drawn is only read, once.

    The mouse does not come this way: see :mod:`drag3d.viewer.web.gestures`.
    """

    def __init__(self, plotter: Any, scene: Scene):
        self._plotter, self._scene = plotter, scene
        self._drawn, self._resized = True, False
        self._picture: NDArray[np.uint8] | None = None
        plotter.render_window.AddObserver("EndEvent", self._note)

    def _note(self, *_: Any) -> None:
        self._drawn, self._picture = True, None

    def take_new(self) -> bool:
        """Whether the scene has been drawn since this was last asked."""
        new, self._drawn = self._drawn, False
        return new

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        width, height = self._plotter.render_window.GetSize()
        return width, height

    @property
    def img_cols_rows(self) -> tuple[NDArray[np.uint8], int, int]:
        """The picture (H, W, 3), its width and height."""
        if self._resized:  # a picture of the old size would be stretched
            self._resized = False
            self._scene.render()
        if self._picture is None:
            self._picture = self._scene.drawn()
            self._drawn = False
        height, width = self._picture.shape[:2]
        return self._picture, width, height

    def process_resize_event(self, width: int, height: int) -> None:
        """The view in the browser has another size."""
        size = [min(LARGEST, max(SMALLEST, int(length))) for length in (width, height)]
        if size != list(self.size):
            self._plotter.window_size = size
            self._scene.dirty = self._resized = True

    def process_interaction_event(self, event: dict[str, Any]) -> None:
        """Not used: see above."""
