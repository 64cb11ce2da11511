"""A camera that is placed so that everything it shall show is in the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drag3d.rendering.camera import PerspectiveCamera
from get3d_models.errors import InputError


@dataclass(frozen=True)
class Camera:
    """From where something is seen; the distance is chosen so that everything fits.

    azimuth: degrees about the y axis; 0 looks from +z, 90 from +x. elevation: degrees above the horizon, within
    -89 to 89. view_angle: vertical field of view, degrees. margin: free space around the shape, 1 is none.
    """

    azimuth: float = 35.0
    elevation: float = 18.0
    view_angle: float = 25.0
    margin: float = 1.12

    def __post_init__(self) -> None:
        if not -89 <= self.elevation <= 89:
            raise InputError(f"the camera's elevation must lie within -89 and 89 degrees, not {self.elevation}")


def fit_camera(points: npt.NDArray[Any], camera: Camera, aspect: float) -> PerspectiveCamera:
    """The closest camera along `camera`'s direction that shows all `points` (N, 3); `aspect` is width / height.

    The image of the points is centred, and everything lies within 1 / margin of the frame's half width and height.
    """
    azimuth, elevation = math.radians(camera.azimuth), math.radians(camera.elevation)
    backward = np.array(
        [math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)]
    )
    right = np.array([math.cos(azimuth), 0.0, -math.sin(azimuth)])
    axes = np.stack([right, np.cross(backward, right), backward], axis=1)
    seen = points.astype(np.float64) @ axes
    center = (seen.min(axis=0) + seen.max(axis=0)) / 2
    slope_up = math.tan(math.radians(camera.view_angle) / 2) / camera.margin
    for _ in range(8):  # near things look larger, so the image's centre moves a little once the distance is known
        offset = np.abs(seen[:, :2] - center[:2]) / np.array([slope_up * aspect, slope_up])
        distance = float((offset.max(axis=1) + seen[:, 2] - center[2]).max())
        image = (seen[:, :2] - center[:2]) / (distance - (seen[:, 2:] - center[2]))
        center[:2] += distance * (image.min(axis=0) + image.max(axis=0)) / 2
    distance = max(distance, 1e-6)
    focus = axes @ center
    position = focus + distance * backward
    depth = float(np.ptp(seen[:, 2]))
    return PerspectiveCamera(
        _triple(position), _triple(focus), field_of_view=camera.view_angle,
        near=0.01 * distance, far=4 * (distance + depth),
    )  # fmt: skip


def turned_camera(camera: PerspectiveCamera, degrees: float, axis: npt.NDArray[Any]) -> PerspectiveCamera:
    """The camera after it has gone round the vertical line through `axis` (3,), from +z towards +x."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    position, focus = (turn @ (np.array(place) - axis) + axis for place in (camera.position, camera.focus))
    return PerspectiveCamera(
        _triple(position), _triple(focus), camera.up, camera.field_of_view, camera.near, camera.far
    )


def _triple(values: npt.NDArray[Any]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z
