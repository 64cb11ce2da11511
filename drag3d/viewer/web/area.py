"""Where the page shows the picture: trame-pyvista's view, which is drawn here on the server and streamed."""

from __future__ import annotations

from typing import Any

from trame_pyvista.rca_view import PyVistaRCAView
from trame_rca.schedulers import RcaImageRenderScheduler
from trame_rca.view_adapter import RcaViewAdapter

from drag3d.viewer.web.frames import PICTURES_A_SECOND, Frames

MOVING_QUALITY, STILL_QUALITY = 65, 92
"""Of JPEG: while things change, and a moment later"""
MOST_PIXELS = 1920 * 1200
"""Of one picture. Screens with more get a picture that is enlarged a little: drawing in software takes its time."""
WAITING_MESSAGES = 4
"""When that many have not gone out yet, the connection is slow, and pictures are left out."""
RESIZE_INTERVAL = 50
"""Milliseconds"""


class Area(PyVistaRCAView):  # type: ignore[misc]
    """The view of a plotter whose pictures are :class:`Frames`: by itself it would draw each of them once more."""

    def __init__(self, plotter: Any):
        super().__init__(plotter, name="view", resize_throttle_ms=RESIZE_INTERVAL)

    def create_view_handler(self, *_: Any, **__: Any) -> None:
        """Nothing is streamed before :meth:`stream`, for which the loop must run."""

    def stream(self, frames: Frames) -> None:
        """Show these pictures; :meth:`render` says that there is a new one."""
        scheduler = RcaImageRenderScheduler(
            frames,
            target_fps=PICTURES_A_SECOND,
            interactive_quality=MOVING_QUALITY,
            still_quality=STILL_QUALITY,
            rca_encoder="jpeg",
        )
        name = self.name
        self.handler = RcaViewAdapter(frames, name, scheduler=scheduler, do_schedule_render_on_interaction=False)
        self.handler.max_pixel_count = MOST_PIXELS
        self.set_drop_frames_pending_network_limit(WAITING_MESSAGES)
        self.add_view_handler(self.handler)
