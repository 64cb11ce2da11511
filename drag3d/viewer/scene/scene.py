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
from drag3d.viewer.scene.marks import End, MarkPainter, nearest_dot
from drag3d.viewer.scene.navigation import ImageCamera, ShapeCamera
from drag3d.viewer.scene.outlines import BoxWires, paint_ring
from drag3d.viewer.scene.panels import Panel, caption_pixels, help_pixels
from drag3d.viewer.scene.picking import Hit, hidden, hit_surface
from drag3d.viewer.scene.picture import Picture
from drag3d.viewer.scene.sprites import Sprites
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
BEHIND = 0.006
"""Share of the diagonal by which a point must be behind the surface to count as hidden"""
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
        self._body, self._ground, self._picture, self._wires = Body(), Ground(), Picture(), BoxWires()
        self._sprites, self._caption_panel, self._help_panel = Sprites(), Panel(), Panel()
        self._shape_camera, self._image_camera = ShapeCamera(), ImageCamera()
        self._look, self._background = "textured", BACKGROUNDS[0]
        self._marks: tuple[PointMark, ...] = ()
        self._selected: int | None = None
        self._pending: PointMark | None = None
        self._brush: tuple[Place, float, bool] | None = None
        self._help: tuple[tuple[str, str], ...] | None = None
        self._caption = ""
        self._moving, self._sparing = False, False
        self._texts_of: object = None
        self._hidden_of: tuple[object, NDArray[np.bool_]] | None = None
        self._shapes = 0  # how many have been shown
        self._fitted = (0, 0)  # size of the window that cameras have last been fitted to
        self._stage = Stage(plotter, self._prepare)
        for actor in (self._body.actor, self._ground.actor, self._picture.actor, self._wires.actor):
            self._stage.world.AddActor(actor)
        for actor in (self._sprites.actor, self._caption_panel.actor, self._help_panel.actor):
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
        first, self._shapes = not self._shapes, self._shapes + 1
        self._show("shape")
        if first:
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
        self._marks, self._selected, self._pending = tuple(marks), selected, pending
        self._hidden_of, self.dirty = None, True

    def set_brush(self, center: Place | None, radius: float, erase: bool) -> None:
        """Show what the brush would touch; radius in world units, or pixels of the image."""
        self._brush = None if center is None else (center, radius, erase)
        self.dirty = True

    def set_help(self, lines: Sequence[tuple[str, str]] | None) -> None:
        """Lay two columns of text over the picture, or take them away."""
        self._help = tuple(lines) if lines else None
        self.dirty = True

    def set_caption(self, text: str) -> None:
        """A line at the bottom left."""
        if text != self._caption:
            self._caption, self.dirty = text, True

    # ---- drawing --------------------------------------------------------------------------------------------------

    @property
    def dirty(self) -> bool:
        """Whether there is something to draw: a change, or, after a while without any, smooth edges."""
        resting = self._rough and not self._moving and time.monotonic() - self._rendered > REST
        return self._changed or resting

    @dirty.setter
    def dirty(self, changed: bool) -> None:
        self._changed = changed

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
        self._stage.draw(timed=not smooth or (typical is not None and typical < FAST))
        self._rendered = time.monotonic()

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
        view = self._view()
        near, far = self._shape_camera.depths(view) if self.kind != "image" else (1.0, 20.0)
        self._stage.look(view, near, far)
        sparing = self._sparing and self._moving
        self._ground.actor.SetVisibility(self.kind == "shape" and not sparing and len(self._body.faces) > 0)
        self._wires.actor.SetVisibility(self.kind == "shape" and self._wires.corners is not None)
        if self.kind == "shape":
            self._body.set_draft(sparing)
            self._body.draw()
        if self.kind == "image":
            self._picture.zoomed(self._image_camera.scale)
            self._picture.draw()
        self._paint_marks(view)
        self._paint_texts(size)

    def _paint_marks(self, view: View) -> None:
        sprites = self._sprites
        marks = (*self._marks, self._pending) if self._pending is not None else self._marks
        sprites.prepare(self.scale, len(marks))
        sprites.clear()
        if self.kind == "shape":
            self._wires.paint(sprites, view)
        if self.kind and self._brush is not None:
            center, radius, erase = self._brush
            paint_ring(sprites, view, self._in_world(center)[0], self._normal_at(center), radius, erase)
        if self.kind and marks:
            world = [self._in_world([getattr(mark, end) for mark in marks]) for end in ("handle", "target")]
            handles, targets = (view.project(places)[:, :2] for places in world)
            behind = self._hidden(view, world)
            MarkPainter(sprites).paint(marks, handles, targets, behind, self._selected, self._pending is not None)
        sprites.finish()

    def _hidden(self, view: View, world: list[Floats]) -> NDArray[np.bool_]:
        """(N, 2) which handles and targets the shape hides; looked at again when camera, shape or points change."""
        body = self._body
        if self.kind != "shape":
            return np.zeros((len(world[0]), 2), dtype=bool)
        state = (self._shapes, view.position.tobytes(), view.axes.tobytes(), view.width, view.height)
        if self._hidden_of is None or self._hidden_of[0] != state:
            places = np.concatenate(world)
            result = hidden(view, places, body.vertices, body.faces, BEHIND * body.diagonal)
            self._hidden_of = state, result.reshape(2, -1).T
        return self._hidden_of[1]

    def _normal_at(self, center: Place) -> Floats | None:
        """Of the surface near a place; the brush lies in the plane across it."""
        if self.kind != "shape" or not len(self._body.vertices):
            return None
        nearest = int(((self._body.vertices - np.asarray(center, np.float32)) ** 2).sum(axis=1).argmin())
        normal = self._body.normals[nearest].astype(np.float64)
        length = float(np.linalg.norm(normal))
        return normal / length if length > 1e-6 else None

    def _paint_texts(self, size: tuple[int, int]) -> None:
        texts_of = (self._help, self._caption, size, self.scale)
        if texts_of == self._texts_of:
            return
        self._texts_of = texts_of
        (width, height), margin = size, round(12 * self.scale)
        line = caption_pixels(self._caption, width - 2 * margin, self.scale) if self._caption else None
        self._caption_panel.show(line, margin, height - margin - (0 if line is None else len(line)), 0.0)
        page = help_pixels(self._help, width, height, self.scale) if self._help else None
        left, top = (0, 0) if page is None else ((width - page.shape[1]) // 2, (height - page.shape[0]) // 2)
        self._help_panel.show(page, left, top, -1.0)

    # ---- where things are -----------------------------------------------------------------------------------------

    def _view(self) -> View:
        camera = self._image_camera if self.kind == "image" else self._shape_camera
        return camera.view(*self._stage.size)

    def _in_world(self, places: Any) -> Floats:
        """(N, 3) world points of places, which for images are pixels."""
        places = np.atleast_2d(np.asarray(places, dtype=np.float64))
        if self.kind != "image":
            return places
        return np.stack([places[:, 0], -places[:, 1], np.zeros(len(places))], axis=1)

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
        if not self.kind or not self._marks:
            return None
        view = self._view()
        handles, targets = (
            view.project(self._in_world([getattr(mark, end) for mark in self._marks]))[:, :2]
            for end in ("handle", "target")
        )
        return nearest_dot(handles, targets, x, y, reach * self.scale, self.scale)

    def to_screen(self, place: Place) -> tuple[float, float]:
        """Where a place is seen; (nan, nan) if it is behind the camera."""
        x, y, _ = self._view().project(self._in_world(place))[0]
        return float(x), float(y)

    def on_camera_plane(self, x: float, y: float, through: Place) -> Place:
        """The place at (x, y) as far away as ``through``; of images, the pixel there."""
        view = self._view()
        depth = float(view.local(self._in_world(through))[0, 2])
        if view.perspective and depth <= 0:
            depth = self._shape_camera.distance
        return self._as_place(view.in_plane(x, y, depth))

    def along(self, x: float, y: float, origin: Place, direction: Place) -> Place:
        """The place on a line nearest to what is seen at (x, y); ``origin`` if the line points at the viewer."""
        eye, ray = self._view().ray(x, y)
        start = self._in_world(origin)[0]
        line = self._in_world(direction)[0]
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
        return view.size(length, float(view.local(self._in_world(at))[0, 2]))

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
