"""Moving the camera: round a shape without ever rolling, and over an image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from drag3d.viewer.intents import CameraState, Place
from drag3d.viewer.scene.view import FIELD_OF_VIEW, Floats, View

STEEPEST = 89.0
"""Greatest elevation, degrees: straight from above there is no telling where up is."""
HALF_TURN = 0.9
"""A drag across this share of the picture's smaller side turns the shape half round."""
MARGIN = 1.22
NEAREST, FARTHEST = 0.08, 40.0  # distance to the focus, in radii of the shape
SMALLEST, LARGEST = 0.2, 64.0  # an image: of the size that fits; screen pixels per pixel


@dataclass
class ShapeCamera:
    """Looks at a point, from so far, along an azimuth and elevation in degrees; azimuth 0 looks from +z, 90 from +x."""

    azimuth: float = 40.0
    elevation: float = 18.0
    distance: float = 3.0
    focus: Floats = field(default_factory=lambda: np.zeros(3))
    center: Floats = field(default_factory=lambda: np.zeros(3))
    radius: float = 1.0
    """Of the ball around what is shown"""
    untouched: bool = True
    """Whether the camera shows all of it, as far as it knows, and is to do so in a window of another size, too"""

    def view(self, width: int, height: int) -> View:
        """What the camera sees in a picture of that size."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        back = np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
        right = np.array([math.cos(a), 0.0, -math.sin(a)])
        axes = np.stack([right, np.cross(back, right), -back])
        scale = height / 2 / math.tan(math.radians(FIELD_OF_VIEW) / 2)
        return View(self.focus + self.distance * back, axes, scale, width, height)

    def surround(self, vertices: ArrayLike) -> None:
        """Know what is shown, vertices (V, 3); the camera stays where it is."""
        vertices = np.asarray(vertices)
        if not len(vertices):
            return
        self.center = (vertices.min(axis=0) + vertices.max(axis=0)).astype(np.float64) / 2
        squares = ((vertices - self.center.astype(vertices.dtype)) ** 2).sum(axis=1)
        self.radius = max(float(np.sqrt(squares.max())), 1e-6)

    def fit(self, width: int, height: int) -> None:
        """Show all of it, from the present side."""
        half = math.radians(FIELD_OF_VIEW) / 2
        narrow = math.atan(math.tan(half) * min(1.0, width / height))
        self.focus, self.distance, self.untouched = self.center.copy(), MARGIN * self.radius / math.sin(narrow), True

    def isometric(self, width: int, height: int) -> None:
        """Show all of it, obliquely from above."""
        self.azimuth, self.elevation = 45.0, 30.0
        self.fit(width, height)

    def orbit(self, dx: float, dy: float, view: View) -> None:
        """Turn by a movement of the pointer: what is shown follows it."""
        rate = 180.0 / (HALF_TURN * max(min(view.width, view.height), 1))
        self.azimuth = (self.azimuth - dx * rate) % 360.0
        self.elevation = min(max(self.elevation + dy * rate, -STEEPEST), STEEPEST)

    def pan(self, dx: float, dy: float, view: View) -> None:
        """Move along with the pointer."""
        size = self.distance / view.scale
        self.focus = self.focus - size * dx * view.axes[0] + size * dy * view.axes[1]
        self.untouched = False

    def zoom(self, factor: float, x: float, y: float, view: View) -> None:
        """Go nearer by a factor, so that what is at (x, y) in the plane of the focus stays there."""
        distance = min(max(self.distance / factor, NEAREST * self.radius), FARTHEST * self.radius)
        fixed = view.in_plane(x, y, self.distance)
        self.focus = fixed + (self.focus - fixed) * (distance / self.distance)
        self.distance, self.untouched = distance, False

    def state(self, view: View) -> CameraState:
        """As sessions know cameras."""

        def place(values: Floats) -> Place:
            return tuple(map(float, values))

        up = (0.0, 1.0, 0.0)
        return CameraState(place(view.position), place(self.focus), up, FIELD_OF_VIEW, view.height, view.width)

    def depths(self, view: View) -> tuple[float, float]:
        """Nearest and farthest depth that has to be drawn."""
        reach = 2.5 * self.radius  # marks, box and ground stand around the shape
        depth = float((self.center - view.position) @ view.forward)
        return max(depth - reach, 0.004 * self.distance, 1e-4 * self.radius), max(depth + reach, 0.1 * self.distance)


@dataclass
class ImageCamera:
    """Looks straight at an image of W x H pixels: its middle of view in pixels, and screen pixels per pixel.

    In the world, the image lies in the plane z = 0, pixel (x, y) at (x, -y).
    """

    width: int = 1
    height: int = 1
    middle: Floats = field(default_factory=lambda: np.zeros(2))
    scale: float = 1.0
    untouched: bool = True

    def view(self, width: int, height: int) -> View:
        """What the camera sees in a picture of that size."""
        axes = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, -1]])
        position = np.array([self.middle[0], -self.middle[1], 10.0])
        return View(position, axes, self.scale, width, height, perspective=False)

    def _fitting(self, width: int, height: int) -> float:
        return min(max(width, 1) / self.width, max(height, 1) / self.height) / 1.06

    def fit(self, width: int, height: int) -> None:
        """Show all of it."""
        self.middle = np.array([(self.width - 1) / 2, (self.height - 1) / 2])
        self.scale, self.untouched = self._fitting(width, height), True

    def pan(self, dx: float, dy: float, view: View) -> None:
        """Move along with the pointer; the image cannot be lost."""
        moved = self.middle - np.array([dx, dy]) / self.scale
        self.middle = np.clip(moved, 0, [self.width - 1, self.height - 1])
        self.untouched = False

    def zoom(self, factor: float, x: float, y: float, view: View) -> None:
        """Enlarge by a factor, so that what is at (x, y) stays there."""
        fitting = self._fitting(view.width, view.height)
        scale = min(max(self.scale * factor, SMALLEST * fitting), max(LARGEST, 4 * fitting))
        fixed = view.in_plane(x, y, 10.0)[:2] * [1, -1]
        self.middle = fixed + (self.middle - fixed) * (self.scale / scale)
        self.scale, self.untouched = scale, False

    def resized(self, width: int, height: int) -> ImageCamera:
        """One for an image of another size."""
        return replace(self, width=width, height=height)
