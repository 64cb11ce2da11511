"""From where a shape is looked at when it is dragged in a picture, and what lies behind a pixel of that picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drag3d.rendering import PerspectiveCamera, as_camera, orbit, pixel_rays, pixels_of
from drag3d.session import checks
from drag3d.session.regions import Region, Vertices
from drag3d.session.state import Position
from drag3d.subjects.view import Sight, held_vertices
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models.shape import Shape

NAMED = {
    "front": (0.0, 0.0),
    "back": (180.0, 0.0),
    "side": (90.0, 0.0),
    "left": (90.0, 0.0),
    "right": (-90.0, 0.0),
    "top": (0.0, 90.0),
    "bottom": (0.0, -90.0),
}
"""Azimuth and elevation in degrees; left and right are those of something that looks towards +z."""
FIELD_OF_VIEW, DISTANCE = 25.0, 2.8
"""Degrees, and edges of the model's box: all of the box is in the picture, and little of anything else."""
SIZES = (64, 2048)
REACH = 0.05
"""Share of the picture that a handle may be off the shape."""


@dataclass(frozen=True)
class Viewpoint:
    """A camera, of ours or of kaolin, and the size of its picture, in pixels: height and width.

    Pixels are (x, y), x to the right and y down, centres at whole numbers, from the top left.
    """

    camera: Any
    size: tuple[int, int] = (512, 512)
    name: str = field(default="", compare=False)
    """As on the command line; only for reports"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "camera", as_camera(self.camera))
        low, high = SIZES
        if len(self.size) != 2 or not all(type(edge) is int and low <= edge <= high for edge in self.size):
            raise InputError(f"a view's picture has {low} to {high} pixels along an edge, not {self.size}")

    @classmethod
    def of(cls, text: str, scale: float = 1.0, size: int = 512) -> Viewpoint:
        """The view of a name ("front", "side", ...) or of "azimuth,elevation" in degrees, for a model's scale.

        Azimuth 0 looks from +z, 90 from +x; elevation from above. The same text always means the same camera, whatever
        the shape, so pixels can be noted down. Raises InputError for anything else.
        """
        angles = NAMED.get(text.strip().lower()) or _angles(text)
        camera = orbit(*angles, DISTANCE * scale, field_of_view=FIELD_OF_VIEW)
        return cls(camera, (size, size), text.strip().lower())

    def described(self) -> dict[str, Any]:
        """Plain data, for reports: everything that fixes the picture."""
        found: dict[str, Any] = {"name": self.name or None, "height": self.size[0], "width": self.size[1]}
        if isinstance(self.camera, PerspectiveCamera):
            found |= {
                "position": list(self.camera.position),
                "focus": list(self.camera.focus),
                "field_of_view": self.camera.field_of_view,
            }
        return {**found, "clip_matrix": self.camera.clip_matrix(self.size).tolist()}

    def pixels(self, points: Any) -> NDArray[np.float64]:
        """Pixels (M, 2) at which world points (M, 3) are to be found, hidden or not."""
        places = torch.as_tensor(np.asarray(points, dtype=np.float64).reshape(-1, 3))
        return pixels_of(self.camera, places, self.size).numpy()

    def point_at(self, pixel: Position, like: Position) -> Position:
        """The world point on a pixel's ray that is as far along the line of sight as a point: where a target lies."""
        view = self.camera.view_matrix().double().cpu()
        start, ray = (v[0] for v in pixel_rays(self.camera, torch.tensor([pixel], dtype=torch.float64), self.size))
        depth = (view[2, :3] @ torch.tensor(like, dtype=torch.float64)) - view[2, :3] @ start
        x, y, z = (start + ray * (depth / (view[2, :3] @ ray))).tolist()
        return x, y, z

    def check_inside(self, what: str, pixel: Position) -> None:
        """Refuse a pixel that is not in the picture."""
        height, width = self.size
        if not (0 <= pixel[0] <= width - 1 and 0 <= pixel[1] <= height - 1):
            raise InputError(
                f"{what} {checks.place(pixel)} lies outside the picture of {width} x {height} pixels; "
                f"give x from 0 to {width - 1} and y from 0 to {height - 1}"
            )

    def surface_at(self, pixel: Position, shape: Shape) -> tuple[Position, str | None]:
        """The point of a shape's surface that is seen at a pixel, and a note if the pixel shows none.

        A pixel beside the shape means the nearest one that shows it, within 5% of the picture; farther off is refused.
        """
        self.check_inside("the handle", pixel)
        if len(shape.faces) == 0:
            raise InputError("the shape is empty: it has no surface; undo the last drag or reset")
        sight = Sight(self.camera, self.size, shape.vertices, shape.faces)
        given = torch.tensor([pixel], dtype=torch.float32, device=shape.vertices.device)
        found = sight.onto(given)
        away = float((found - given).norm())
        x, y, z = _refined(self, found, sight.around(found), shape)[0].tolist()
        if away == 0:
            return (x, y, z), None
        nearest = checks.place(tuple(float(v) for v in found[0]))
        if away > REACH * max(self.size):
            raise InputError(
                f"the pixel {checks.place(pixel)} shows nothing of the shape; the nearest one that does is {nearest}"
            )
        return (x, y, z), f"moved the handle {checks.place(pixel)} onto the shape, to {nearest}"

    def region(self, mask: NDArray[np.bool_], shape: Shape) -> Region | None:
        """What a mask (H, W), True where things may move, says of a shape's surface; None where everything may.

        What lies behind a pixel goes with it, whether it is seen or hidden.
        """
        held = held_vertices(self.camera, mask, shape.vertices)
        if len(held) == len(shape.vertices):
            raise InputError("no part of the shape lies behind a white pixel of the mask; paint white what may move")
        return Region(stay=(Vertices.of(shape, held),)) if len(held) else None


def _refined(view: Viewpoint, pixels: Tensor, near: Tensor, shape: Shape) -> Tensor:
    """Points ``(M, 3)`` on the rays of pixels ``(M, 2)``, where these meet the surface near points ``(M, 3)``."""
    from drag3d.subjects.view import meet

    start, ray = pixel_rays(view.camera, pixels, view.size)

    def level(along: Tensor) -> Tensor:
        return shape.signed_distance((start + along[..., None] * ray).reshape(-1, 3)).view(along.shape)

    along = meet(level, ((near - start) * ray).sum(dim=1), shape.generator.box[1] / 128)[0]
    return start + along[:, None] * ray


def _angles(text: str) -> tuple[float, float]:
    try:
        azimuth, elevation = (float(part) for part in text.split(","))
    except ValueError:
        azimuth = elevation = math.nan
    if not (math.isfinite(azimuth) and abs(elevation) <= 90):
        known = ", ".join(NAMED)
        raise InputError(
            f"{text!r} is no view: give {known}, or azimuth,elevation in degrees, with elevation from -90 to 90"
        )
    return azimuth, elevation
