"""Cameras: from points of the world to clip space, to pixels, and back along rays.

World frame: right-handed, y up, as everywhere. Camera frame: x right, y up, the camera looks along -z (OpenGL). Clip
space has y negated, as in GET3D, so that row 0 of an image is its top and pixel coordinates (x right, y down, centres
at whole numbers) are ``x = (x_clip / w + 1) width / 2 - 1/2`` and ``y = (y_clip / w + 1) height / 2 - 1/2``. Depth is
``z_clip / w``, from -1 at the near plane to 1 at the far plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from get3d_models.errors import InputError

Size = tuple[int, int]
"""Height and width of an image, in pixels."""
Triple = tuple[float, float, float]

GET3D_FIELD_OF_VIEW = math.degrees(2 * math.atan(32 / 70))
"""Vertical, of GET3D's training and inference: 49.134 degrees."""
GET3D_DISTANCE, GET3D_ELEVATION, GET3D_VIEWS = 1.2, 15.0, 24
NEAR, FAR = 0.1, 1000.0


class Camera(Protocol):
    """Whatever has these two methods can be rendered from; matrices act on columns of homogeneous coordinates."""

    def view_matrix(self) -> Tensor:
        """``(4, 4)``: world to camera frame."""
        ...

    def clip_matrix(self, size: Size) -> Tensor:
        """``(4, 4)``: world to clip space, for an image of ``size`` = (height, width)."""
        ...


@dataclass(frozen=True)
class _Placed:
    """A camera at a position that looks at a focus; all in world units."""

    position: Triple
    focus: Triple = (0.0, 0.0, 0.0)
    up: Triple = (0.0, 1.0, 0.0)

    def view_matrix(self) -> Tensor:
        """``(4, 4) float64``; InputError where the camera stands in its focus or looks along ``up``."""
        position = torch.tensor(self.position, dtype=torch.float64)
        backward = position - torch.tensor(self.focus, dtype=torch.float64)
        right = torch.linalg.cross(torch.tensor(self.up, dtype=torch.float64), backward)
        if not bool(torch.isfinite(right).all()) or float(right.norm()) < 1e-9 * max(1.0, float(backward.norm())):
            raise InputError("a camera must stand away from its focus and must not look along its up direction")
        backward, right = backward / backward.norm(), right / right.norm()
        matrix = torch.eye(4, dtype=torch.float64)
        matrix[:3, :3] = torch.stack([right, torch.linalg.cross(backward, right), backward])
        matrix[:3, 3] = -matrix[:3, :3] @ position
        return matrix


@dataclass(frozen=True)
class PerspectiveCamera(_Placed):
    """A pinhole camera. ``field_of_view`` is vertical, in degrees; ``near`` and ``far`` are distances from it."""

    field_of_view: float = GET3D_FIELD_OF_VIEW
    near: float = NEAR
    far: float = FAR

    def __post_init__(self) -> None:
        if not 0 < self.field_of_view < 180:
            raise InputError(f"a camera's field of view lies between 0 and 180 degrees, not {self.field_of_view:g}")
        if not 0 < self.near < self.far:
            raise InputError(f"a camera's near plane lies between 0 and its far plane, not {self.near:g}, {self.far:g}")

    def clip_matrix(self, size: Size) -> Tensor:
        """``(4, 4) float64``; for a square image and GET3D's field of view it is GET3D's matrix."""
        height, width = size
        scale, n, f = 1 / math.tan(math.radians(self.field_of_view) / 2), self.near, self.far
        projection = torch.zeros(4, 4, dtype=torch.float64)
        projection[0, 0], projection[1, 1] = scale * height / width, -scale
        projection[2, 2], projection[2, 3] = -(f + n) / (f - n), -2 * f * n / (f - n)
        projection[3, 2] = -1
        return projection @ self.view_matrix()


@dataclass(frozen=True)
class OrthographicCamera(_Placed):
    """A camera without perspective; ``height`` is what its image shows from bottom to top, in world units."""

    height: float = 1.2
    near: float = NEAR
    far: float = FAR

    def __post_init__(self) -> None:
        if not 0 < self.height < math.inf:
            raise InputError(f"an orthographic camera shows a positive height, not {self.height:g}")
        if not self.near < self.far:
            raise InputError(f"a camera's near plane lies before its far plane, not {self.near:g}, {self.far:g}")

    def clip_matrix(self, size: Size) -> Tensor:
        """``(4, 4) float64``."""
        height, width = size
        n, f = self.near, self.far
        projection = torch.eye(4, dtype=torch.float64)
        projection[0, 0], projection[1, 1] = 2 / self.height * height / width, -2 / self.height
        projection[2, 2], projection[2, 3] = -2 / (f - n), -(f + n) / (f - n)
        return projection @ self.view_matrix()


def as_camera(camera: Any) -> Camera:
    """A camera of ours, or one of kaolin's made into one; InputError for anything else."""
    if hasattr(camera, "clip_matrix") and hasattr(camera, "view_matrix"):
        return camera
    if type(camera).__module__.split(".")[0] == "kaolin":
        from drag3d.interchange.kaolin import camera_from_kaolin

        return camera_from_kaolin(camera)
    raise InputError(f"a camera of drag3d.rendering or of kaolin is needed, not a {type(camera).__name__}")


# ---- around a shape -----------------------------------------------------------------------------------------------


def orbit_position(azimuth: float, elevation: float, distance: float, focus: Triple = (0.0, 0.0, 0.0)) -> Triple:
    """Where a camera stands that has gone round a focus. Degrees; azimuth 0 is +z, 90 is +x; elevation towards +y."""
    a, e = math.radians(azimuth), math.radians(elevation)
    direction = math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)
    x, y, z = (f + distance * d for f, d in zip(focus, direction, strict=True))
    return x, y, z


def orbit(
    azimuth: float,
    elevation: float = 0.0,
    distance: float = GET3D_DISTANCE,
    focus: Triple = (0.0, 0.0, 0.0),
    field_of_view: float = GET3D_FIELD_OF_VIEW,
) -> PerspectiveCamera:
    """A perspective camera that has gone round a focus; see :func:`orbit_position`. Straight above, +z is downwards."""
    if not -90 <= elevation <= 90:
        raise InputError(f"a camera's elevation lies within -90 and 90 degrees, not {elevation:g}")
    a = math.radians(azimuth)
    poles = -math.copysign(1.0, elevation)
    up = (poles * math.sin(a), 0.0, poles * math.cos(a)) if abs(elevation) > 89.99 else (0.0, 1.0, 0.0)
    return PerspectiveCamera(orbit_position(azimuth, elevation, distance, focus), focus, up, field_of_view)


def get3d_cameras(count: int = GET3D_VIEWS) -> tuple[PerspectiveCamera, ...]:
    """The ring of GET3D's inference: ``count`` views at distance 1.2 and 15 degrees above; its stills use number 4."""
    return tuple(orbit(90 + 360 * i / count, GET3D_ELEVATION) for i in range(count))


# ---- points and pixels --------------------------------------------------------------------------------------------


def clip_points(camera: Any, points: Tensor, size: Size) -> Tensor:
    """Clip-space positions ``(V, 4)`` of world points ``(V, 3)``; differentiable in the points."""
    matrix = as_camera(camera).clip_matrix(size).to(points.device, points.dtype)
    return points @ matrix[:, :3].T + matrix[:, 3]


def screen_points(clip: Tensor, size: Size) -> Tensor:
    """Homogeneous pixel positions ``(V, 4)`` = (x w, y w, w, z) of clip-space positions ``(V, 4)``; linear in them."""
    height, width = size
    x, y, z, w = clip.unbind(1)
    return torch.stack([(x + w) * (width / 2) - w / 2, (y + w) * (height / 2) - w / 2, w, z], dim=1)


def pixels_of(camera: Any, points: Tensor, size: Size) -> Tensor:
    """Pixel coordinates ``(M, 2)`` = (x, y) of world points ``(M, 3)`` in front of the camera; differentiable."""
    screen = screen_points(clip_points(camera, points, size), size)
    return screen[:, :2] / screen[:, 2:3]


def depths_of(camera: Any, points: Tensor, size: Size) -> Tensor:
    """Depths ``(M,)`` of world points ``(M, 3)``, as in :attr:`Fragments.depth`."""
    clip = clip_points(camera, points, size)
    return clip[:, 2] / clip[:, 3]


def pixel_rays(camera: Any, pixels: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Where the rays of pixels ``(M, 2)`` start, on the near plane, and their unit directions; ``(M, 3)`` each."""
    height, width = size
    inverse = torch.linalg.inv(as_camera(camera).clip_matrix(size).double().cpu()).to(pixels.device, pixels.dtype)
    x = (pixels[:, 0] + 0.5) * (2 / width) - 1
    y = (pixels[:, 1] + 0.5) * (2 / height) - 1
    one = torch.ones_like(x)
    near, middle = (torch.stack([x, y, depth * one, one], dim=1) @ inverse.T for depth in (-1.0, 0.0))
    start = near[:, :3] / near[:, 3:]
    direction = middle[:, :3] / middle[:, 3:] - start
    return start, direction / direction.norm(dim=1, keepdim=True)
