"""What the scene shows of what the window knows: the body or the original, points, region, caption."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drag3d.viewer import values
from drag3d.viewer.intents import Place
from drag3d.viewer.replies import ImageShown, ShapeShown

if TYPE_CHECKING:
    from drag3d.viewer.application import Viewer


class Drawing:
    """Brings the scene up to date with the viewer."""

    def __init__(self, viewer: Viewer):
        self.viewer = viewer

    def body(self) -> None:
        """The shape or image, or the original while comparing; with all that lies on it."""
        viewer, scene = self.viewer, self.viewer.scene
        shown = viewer.mirror.original if viewer.comparing and viewer.mirror.original else viewer.mirror.shown
        if isinstance(shown, ShapeShown):
            scene.show_shape(shown.vertices, shown.faces, shown.normals, shown.colors, shown.features)
        elif isinstance(shown, ImageShown):
            scene.show_image(shown.pixels, shown.features)
        else:
            return
        if viewer.look not in scene.looks:
            viewer.look = scene.looks[0]
            scene.set_look(viewer.look)
        self.region(None if shown.original else shown.free)
        self.box()
        self.points()

    def points(self) -> None:
        """The points; while comparing, none."""
        viewer = self.viewer
        viewer.touch()
        if viewer.comparing:
            viewer.scene.set_points((), None, None)
        else:
            chosen = viewer.selected if viewer.selected >= 0 else None
            viewer.scene.set_points(viewer.mirror.points(), chosen, viewer.points.pending)

    def region(self, free: NDArray[np.bool_] | None) -> None:
        """Tint what must stay: ``free`` of vertices (V,) or pixels (H, W)."""
        self.viewer.scene.set_region(free if self.viewer.region_shown else None)

    def box(self) -> None:
        """The box in which things may move."""
        viewer = self.viewer
        box = viewer.mirror.document.box if viewer.region_shown and not viewer.comparing else None
        viewer.scene.set_box(*(box or (None, None)))

    def caption(self) -> None:
        """How far the drag is, while it runs."""
        viewer = self.viewer
        progress = viewer.mirror.document.progress
        if viewer.comparing:
            text = "original"
        elif progress.state == "idle" or not progress.distances:
            text = ""
        else:
            left = values.length(viewer.mirror.document, max(progress.distances))
            text = f"step {progress.step}, {left} to go"
        viewer.scene.set_caption(text)


def normal_at(shown: ShapeShown | ImageShown | None, place: Place) -> Place | None:
    """Of the surface, at the vertex nearest to ``place``; None for images."""
    if not isinstance(shown, ShapeShown) or not len(shown.vertices):
        return None
    away = shown.vertices - np.asarray(place, dtype=np.float32)
    return tuple(float(v) for v in shown.normals[int((away * away).sum(axis=1).argmin())])


def paintable(shown: ShapeShown | ImageShown) -> NDArray[Any]:
    """The places a brush can touch: vertices (V, 3), or pixels (H, W, 2) as x, y."""
    if isinstance(shown, ShapeShown):
        return shown.vertices
    height, width = shown.pixels.shape[:2]
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def free_to_paint(shown: ShapeShown | ImageShown, erase: bool) -> NDArray[np.bool_]:
    """A copy of what may move, as a stroke finds it; where there is no region, a first stroke makes one."""
    if shown.free is not None:
        return shown.free.copy()
    return np.full(paintable(shown).shape[:-1], erase)
