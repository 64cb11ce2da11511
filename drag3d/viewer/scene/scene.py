"""What both windows draw with: everything that is shown, and where things are on the screen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drag3d.viewer.intents import CameraState, Place
from drag3d.viewer.replies import PointMark
from drag3d.viewer.scene.body import Body
from drag3d.viewer.scene.ground import Ground
from drag3d.viewer.scene.lights import BACKGROUNDS, set_background
from drag3d.viewer.scene.marks import End
from drag3d.viewer.scene.navigation import ImageCamera, ShapeCamera
from drag3d.viewer.scene.outlines import BoxWires
from drag3d.viewer.scene.overlay import Overlay, in_world
from drag3d.viewer.scene.picking import Hit, hit_surface
from drag3d.viewer.scene.picture import Picture
from drag3d.viewer.scene.stage import Stage
from drag3d.viewer.scene.view import Floats, View

__all__ = ["BACKGROUNDS", "LOOKS", "PLOTTER_OPTIONS", "Scene"]

PLOTTER_OPTIONS = {"multi_samples": 0}
"""For whoever makes a QtInteractor: samples cost more than all the rest where a processor draws."""
LOOKS: dict[str, tuple[str, ...]] = {
    "": (),
    "shape": ("textured", "clay", "normals", "wireframe", "features"),
    "image": ("textured", "features"),
}
FAST, SLOW = 0.010, 0.060
"""Seconds: pictures that take less have smooth edges always; a coarse stand-in is moved where they take more."""
REST = 0.25
"""Seconds without change after which slow machines, too, draw smooth edges"""


class Scene:
    """A shape or an image with its marks, drawn in a PyVista plotter; nothing is drawn before :meth:`render`.

    Screen positions are pixels from the upper left corner, y down, whole numbers at the centres of pixels. ``scale`` is
    how many of them make one pixel of design (a display's device pixel ratio): dots and letters grow with it.
    """

    def __init__(self, plotter: Any, scale: float = 1.0) -> None:
        self.kind: Literal["", "shape", "image"] = ""
        self.scale = scale
        self._changed = True
        self._rough, self._rendered = False, 0.0  # the last frame: whether its edges were not smooth, and when it was
        self._took = 0.0
        self._body, self._ground, self._picture, self._wires = Body(), Ground(), Picture(), BoxWires()
        self._overlay = Overlay()
        self._shape_camera, self._image_camera = ShapeCamera(), ImageCamera()
        self._look, self._background = "textured", BACKGROUNDS[0]
        self._moving, self._sparing = False, False
        self._fitted = (0, 0)  # size of the window that cameras have last been fitted to
        self._stage = Stage(plotter, self._prepare)
        for actor in (self._body.actor, self._ground.actor, self._picture.actor, self._wires.actor):
            self._stage.world.AddActor(actor)
        for actor in self._overlay.actors:
            self._stage.over.AddActor(actor)
        set_background(self._stage.world, self._background)

    def close(self) -> None:
        """Let go of the plotter's window, before that is closed."""
        self._stage.close()

    # ---- what is shown --------------------------------------------------------------------------------------------

    @property
    def looks(self) -> tuple[str, ...]:
        """Names of the looks that what is shown can have."""
        return LOOKS[self.kind]

    def show_shape(
        self,
        vertices: NDArray[np.float32],
        faces: NDArray[np.int32],
        normals: NDArray[np.float32],
        colors: NDArray[np.uint8],
        features: NDArray[np.uint8] | None = None,
    ) -> None:
        """Show a mesh, see ``ShapeShown``. The camera stays, except for the first shape. Arrays are not copied."""
        if abs(len(faces) - len(self._body.faces)) > 0.2 * len(faces):
            self._stage.forget_times()
            self._sparing = False
        self._body.show(vertices, faces, normals, colors, features)
        self._ground.show(vertices, self._body.low, self._body.high)
        self._shape_camera.surround(vertices)
        self._show("shape")
        if self._body.shown == 1:
            self._shape_camera.fit(*self._stage.size)

    def show_image(self, pixels: NDArray[np.uint8], features: NDArray[np.uint8] | None = None) -> None:
        """Show an image, see ``ImageShown``. What is in view stays, except for images of another size."""
        self._picture.show(pixels, features)
        camera = self._image_camera
        fresh = self.kind != "image" or (camera.width, camera.height) != self._picture.size
        self._image_camera = camera.resized(*self._picture.size)
        self._show("image")
        if fresh:
            self._image_camera.fit(*self._stage.size)

    def _show(self, kind: Literal["shape", "image"]) -> None:
        self.kind, self.dirty = kind, True
        self._body.actor.SetVisibility(kind == "shape" and len(self._body.faces) > 0)
        self._picture.actor.SetVisibility(kind == "image")
        self._apply_look()

    def set_look(self, look: str) -> None:
        """Show it in another way, one of :attr:`looks`; one that only the other kind has shows as "textured"."""
        self._look = look
        self._apply_look()

    def _apply_look(self) -> None:
        look = self._look if self._look in self.looks else "textured"
        shown = self._body if self.kind == "shape" else self._picture if self.kind == "image" else None
        if shown is not None and shown.look != look:
            shown.look, shown.stale = look, True
        self.dirty = True

    def set_background(self, name: str) -> None:
        """One of BACKGROUNDS."""
        set_background(self._stage.world, name)
        self._background, self.dirty = name, True

    def set_region(self, free: NDArray[np.bool_] | None) -> None:
        """Grey what must stay: ``free`` says which vertices (V,) or pixels (H, W) may move; None: nothing is greyed."""
        shown = self._body if self.kind == "shape" else self._picture
        if free is None and shown.free is None:
            return
        shown.free, shown.stale, self.dirty = free, True, True

    def set_box(self, low: Place | None, high: Place | None) -> None:
        """Show a box of wires, or none."""
        self._wires.show(low, high)
        self.dirty = True

    def set_points(self, marks: Sequence[PointMark], selected: int | None, pending: PointMark | None) -> None:
        """Show points; ``pending`` is one whose target follows the mouse."""
        self._overlay.set_points(marks, selected, pending)
        self.dirty = True

    def set_brush(self, center: Place | None, radius: float, erase: bool) -> None:
        """Show what the brush would touch; radius in world units, or pixels of the image."""
        self._overlay.brush = None if center is None else (center, radius, erase)
        self.dirty = True

    def set_help(self, lines: Sequence[tuple[str, str]] | None) -> None:
        """Lay two columns of text over the picture, or take them away."""
        self._overlay.help = tuple(lines) if lines else None
        self.dirty = True

    def set_caption(self, text: str) -> None:
        """A line at the bottom left."""
        if text != self._overlay.caption:
            self._overlay.caption, self.dirty = text, True

    # ---- drawing --------------------------------------------------------------------------------------------------

    @property
    def dirty(self) -> bool:
        """Whether there is something to draw: a change, or, after a while without any, smooth edges."""
        resting = self._rough and not self._moving and time.monotonic() - self._rendered > REST
        return self._changed or resting

    @dirty.setter
    def dirty(self, changed: bool) -> None:
        self._changed = changed

    def rested(self, share: float) -> bool:
        """Whether a frame now would leave drawing at no more than this share of the time."""
        return time.monotonic() - self._rendered >= self._took * (1 / share - 1)

    def render(self) -> None:
        """Draw once."""
        self._render(smooth=not self._changed and not self._moving)

    def _render(self, smooth: bool) -> None:
        typical = self._stage.typical
        if self._moving and typical is not None and typical > SLOW:
            self._sparing = True
        smooth = smooth or (typical is not None and typical < FAST)
        self._stage.world.SetUseFXAA(self.kind == "shape" and smooth)
        self._changed, self._rough = False, self.kind == "shape" and not smooth
        began = time.monotonic()
        self._stage.draw(timed=not smooth or (typical is not None and typical < FAST))
        self._rendered = time.monotonic()
        self._took = self._rendered - began

    def drawn(self) -> NDArray[np.uint8]:
        """(H, W, 3) what was drawn last, row 0 at the top; draws nothing."""
        return self._stage.pixels()

    def screenshot(self) -> NDArray[np.uint8]:
        """(H, W, 3) what the window shows, drawn anew if anything changed, with smooth edges."""
        if self._changed or self._rough:
            self._render(smooth=True)
        return self._stage.pixels()

    def set_moving(self, moving: bool) -> None:
        """Say that the camera moves, or is still again: on a slow machine less is drawn meanwhile."""
        if moving != self._moving:
            self._moving, self._changed = moving, True

    def _prepare(self) -> None:
        """Before each frame, whoever asked for it: bring everything up to the camera and the size of the window."""
        size = self._stage.size
        if size != self._fitted:
            self._fitted = size
            for camera in (self._shape_camera, self._image_camera):
                if camera.untouched:
                    camera.fit(*size)
        view, shape = self._view(), self.kind == "shape"
        near, far = (1.0, 20.0) if self.kind == "image" else self._shape_camera.depths(view)
        self._stage.look(view, near, far)
        sparing = self._sparing and self._moving
        self._ground.actor.SetVisibility(shape and not sparing and len(self._body.faces) > 0)
        self._wires.actor.SetVisibility(shape and self._wires.corners is not None)
        if shape:
            self._body.set_draft(sparing)
            self._body.draw()
            self._overlay.paint(view, self.scale, self._body, self._wires)
        elif self.kind == "image":
            self._picture.zoomed(self._image_camera.scale)
            self._picture.draw()
            self._overlay.paint(view, self.scale, None, None)
        else:
            self._overlay.clear()
        self._overlay.write(size, self.scale)

    # ---- where things are -----------------------------------------------------------------------------------------

    def _view(self) -> View:
        camera = self._image_camera if self.kind == "image" else self._shape_camera
        return camera.view(*self._stage.size)

    def _as_place(self, point: Floats) -> Place:
        if self.kind == "image":
            return float(point[0]), float(-point[1])
        return tuple(map(float, point))

    def pick_surface(self, x: float, y: float) -> Hit | None:
        """What of the shape or image is seen at (x, y); None: nothing."""
        view = self._view()
        origin, direction = view.ray(x, y)
        if self.kind == "shape":
            return hit_surface(self._body.vertices, self._body.faces, self._body.normals, origin, direction)
        if self.kind == "image":
            across, down = self._as_place(origin)
            width, height = self._picture.size
            if -0.5 <= across <= width - 0.5 and -0.5 <= down <= height - 0.5:
                return Hit((across, down), None)
        return None

    def pick_mark(self, x: float, y: float, reach: float = 10) -> tuple[End, int] | None:
        """Which dot is within reach of (x, y), in pixels of design; targets lie above handles."""
        if not self.kind:
            return None
        reach *= self.scale
        return self._overlay.pick(self._view(), x, y, reach, self.scale, 2 if self.kind == "image" else 3)

    def to_screen(self, place: Place) -> tuple[float, float]:
        """Where a place is seen; (nan, nan) if it is behind the camera."""
        x, y, _ = self._view().project(in_world(place))[0]
        return float(x), float(y)

    def on_camera_plane(self, x: float, y: float, through: Place) -> Place:
        """The place at (x, y) as far away as ``through``; of images, the pixel there."""
        view = self._view()
        depth = float(view.local(in_world(through))[0, 2])
        if view.perspective and depth <= 0:
            depth = self._shape_camera.distance
        return self._as_place(view.in_plane(x, y, depth))

    def along(self, x: float, y: float, origin: Place, direction: Place) -> Place:
        """The place on a line nearest to what is seen at (x, y); ``origin`` if the line points at the viewer."""
        eye, ray = self._view().ray(x, y)
        start = in_world(origin)[0]
        line = in_world(direction)[0]
        line = line / max(float(np.linalg.norm(line)), 1e-12)
        between, cosine = start - eye, float(line @ ray)
        slant = 1 - cosine**2
        if slant < 1e-6:
            return tuple(origin)
        share = (cosine * float(between @ ray) - float(between @ line)) / slant
        return self._as_place(start + share * line)

    def size_on_screen(self, length: float, at: Place) -> float:
        """Pixels that a length takes at a place; 0 behind the camera."""
        view = self._view()
        return view.size(length, float(view.local(in_world(at))[0, 2]))

    # ---- the camera -----------------------------------------------------------------------------------------------

    def orbit(self, dx: float, dy: float) -> None:
        """Turn the shape along with a movement of the pointer by (dx, dy) pixels; images pan."""
        if self.kind == "image":
            self.pan(dx, dy)
            return
        self._shape_camera.orbit(dx, dy, self._view())
        self.dirty = True

    def pan(self, dx: float, dy: float) -> None:
        """Move what is shown along with the pointer, by (dx, dy) pixels."""
        (self._image_camera if self.kind == "image" else self._shape_camera).pan(dx, dy, self._view())
        self.dirty = True

    def zoom(self, factor: float, x: float, y: float) -> None:
        """Enlarge by a factor; what is at (x, y) stays there."""
        (self._image_camera if self.kind == "image" else self._shape_camera).zoom(factor, x, y, self._view())
        self.dirty = True

    def reset_camera(self) -> None:
        """Show all of it, from the present side."""
        (self._image_camera if self.kind == "image" else self._shape_camera).fit(*self._stage.size)
        self.dirty = True

    def isometric(self) -> None:
        """Look at all of the shape obliquely from above; images: show all of it."""
        if self.kind == "image":
            self.reset_camera()
            return
        self._shape_camera.isometric(*self._stage.size)
        self.dirty = True

    def camera(self) -> CameraState | None:
        """The present camera, as sessions know it; None for images, and while nothing is shown."""
        return self._shape_camera.state(self._view()) if self.kind == "shape" else None
