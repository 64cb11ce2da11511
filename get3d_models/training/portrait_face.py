"""Where everything is in a portrait: features on a face that turns and nods, the head in the picture, keypoints.

``p`` holds the portrait's parameters by name, each (N, 1, 1); what is computed from them broadcasts with coordinates
(N, H, W). The head's frame has its origin in the head's middle, x to the right, y down, in units of the image's width
before the head is scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from get3d_models.training.drawing import lens, superellipse

__all__ = [
    "EYE_ROUNDNESS",
    "PUPIL",
    "Brow",
    "Eye",
    "Face",
    "Point",
    "face",
    "from_head",
    "hair_outline",
    "head_outline",
    "keypoint_places",
    "shoulders",
    "to_head",
]

EYE_ROUNDNESS = 0.45  # of the arches of an eye's lids
PUPIL = 0.50  # radius over that of the iris
_MIDDLE = (0.5, 0.495)  # of the head, before head_x and head_y
_NECK_PIVOT = 0.22  # below the middle of the head: what it rolls about
_DEPTH = 0.185  # of the face's middle in front of the axis it turns about
_SKULL = -0.215  # its top in the head's frame
_HAIR_POWER = 2.4
_TEMPLE = -0.07  # height of the keypoints hair_left and hair_right in the head's frame
_LIP_UP = 0.30  # share of the mouth's opening that lies above its middle

Point = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Eye:
    """One eye in the head's frame; all (N, 1, 1)."""

    x: Tensor
    y: Tensor
    half_width: Tensor
    top: Tensor  # of the open part, relative to y
    bottom: Tensor
    pupil: Point  # relative to (x, y)
    iris: Tensor  # radius

    @property
    def bend(self) -> Tensor:
        return 0.22 * self.bottom

    def opening(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance to the open part, negative inside, of places relative to the middle of the eye."""
        return lens(x, y, self.half_width, self.top, self.bottom, bend=self.bend, roundness=EYE_ROUNDNESS)

    def shows_pupil(self) -> Tensor:
        """Whether the pupil's middle lies inside the open part, half its radius from the edge or more: bool."""
        return self.opening(*self.pupil) <= -0.5 * PUPIL * self.iris


@dataclass(frozen=True)
class Brow:
    x: Tensor
    y: Tensor
    half_width: Tensor
    slant: Tensor  # the right end below the middle
    thickness: Tensor


@dataclass(frozen=True)
class Face:
    """Where everything is in the head's frame, after turn and nod; all (N, 1, 1)."""

    half_width: Tensor
    chin: Point
    eyes: tuple[Eye, Eye]
    brows: tuple[Brow, Brow]
    nose_root: Point
    nose_tip: Point
    mouth: Point
    mouth_half_width: Tensor
    mouth_bend: Tensor  # corners below the middle of the base line
    mouth_slant: Tensor
    mouth_inner: Point  # top and bottom of the opening, relative to the mouth
    mouth_outer: Point  # top and bottom of the lips
    ears: tuple[Point, Point]
    ear_half_width: Point  # left, right
    hair_x: Tensor
    hair_half_width: Tensor
    hair_top: Tensor
    hair_bottom: Tensor
    hairline: Point  # the point of the parting
    cheeks: tuple[Point, Point]


class _Turn:
    """Turns points of the unturned face and flattens them."""

    def __init__(self, p: dict[str, Tensor]) -> None:
        self.half_width, self.height = p["face_width"], p["face_height"]
        self.yaw, self.pitch = (p["yaw"].sin(), p["yaw"].cos()), (p["pitch"].sin(), p["pitch"].cos())

    def __call__(self, x: Tensor | float, y: Tensor | float, out: Tensor | float = 0.0) -> Point:
        """``out``: how far in front of the face's surface."""
        width, height = x / self.half_width, y / self.height
        depth = _DEPTH * (1.0 - 0.72 * width * width - 0.35 * height * height) + out
        return self.at_depth(x, y, depth)

    def at_depth(self, x: Tensor | float, y: Tensor | float, depth: Tensor | float) -> Point:
        (yaw_sin, yaw_cos), (pitch_sin, pitch_cos) = self.yaw, self.pitch
        turned = x * yaw_cos + depth * yaw_sin
        nearer = depth * yaw_cos - x * yaw_sin
        return turned, y * pitch_cos + nearer * pitch_sin


def _eye(p: dict[str, Tensor], turn: _Turn, side: float) -> Eye:
    size, across = p["eye_size"], side * p["eye_spacing"]
    _, y = turn(across, p["eye_height"])
    outer, _ = turn(across + side * size, p["eye_height"])
    inner, _ = turn(across - side * size, p["eye_height"])
    half_width = side * (outer - inner) * 0.5
    height = 0.92 * size
    opened = p["eye_open"] * (1.5 - 0.5 * p["eye_open"] + 0.5 * side * p["eye_open_difference"])
    bottom = 0.62 * height
    top = bottom * 0.85 - opened * (bottom * 0.85 + height)
    pupil = p["gaze_x"] * 0.36 * half_width, p["gaze_y"] * 0.26 * height - 0.03 * height
    return Eye((outer + inner) * 0.5, y, half_width, top, bottom, pupil, p["iris_size"] * height)


def _brow(p: dict[str, Tensor], turn: _Turn, side: float) -> Brow:
    across, size = side * (p["eye_spacing"] + 0.003), 1.08 * p["eye_size"]
    up = p["eye_height"] - p["brow_height"] - side * 0.5 * p["brow_difference"]
    outer, _ = turn(across + side * size, up)
    inner, _ = turn(across - side * size, up)
    _, y = turn(across, up)
    half_width = side * (outer - inner) * 0.5
    return Brow((outer + inner) * 0.5, y, half_width, side * p["brow_tilt"], p["brow_thickness"])


def face(p: dict[str, Tensor]) -> Face:
    turn = _Turn(p)
    width, opened, lip = p["face_width"], p["mouth_open"], p["lip_thickness"]
    chin_x, _ = turn.at_depth(0.0, 0.0, 0.105)
    _, chin_y = turn.at_depth(0.0, p["face_height"] + 0.33 * opened, 0.11)
    up = p["mouth_height"] * p["face_height"]
    left, mouth_y = turn(-p["mouth_width"], up)
    right, _ = turn(p["mouth_width"], up)
    inner = -_LIP_UP * opened, (1.0 - _LIP_UP) * opened
    outer = inner[0] - 0.66 * lip, inner[1] + lip
    far = 0.45 * turn.yaw[0]
    ear_y = p["eye_height"] + 0.030 - 0.10 * turn.pitch[0]
    hair_x, _ = turn.at_depth(0.0, 0.0, -0.03)
    hair_top = -p["hair_top"] - 0.05 * turn.pitch[0]
    return Face(
        half_width=width,
        chin=(chin_x, chin_y),
        eyes=(_eye(p, turn, -1.0), _eye(p, turn, 1.0)),
        brows=(_brow(p, turn, -1.0), _brow(p, turn, 1.0)),
        nose_root=turn(0.0, p["eye_height"] + 0.005, 0.005),
        nose_tip=turn(0.0, p["nose_length"], 0.032),
        mouth=((left + right) * 0.5, mouth_y - 0.12 * opened + 0.35 * p["smile"]),
        mouth_half_width=(right - left) * 0.5,
        mouth_bend=-p["smile"],
        mouth_slant=-p["smirk"],
        mouth_inner=inner,
        mouth_outer=outer,
        ears=((-width + 0.01 * far, ear_y), (width + 0.01 * far, ear_y)),
        ear_half_width=(0.62 * p["ear_size"] * (1.0 + far), 0.62 * p["ear_size"] * (1.0 - far)),
        hair_x=hair_x,
        hair_half_width=width + p["hair_sides"],
        hair_top=hair_top,
        hair_bottom=p["hair_length"],
        hairline=turn(p["parting"], p["fringe"] - 0.018),
        cheeks=(turn(-0.108, 0.088), turn(0.108, 0.088)),
    )


def head_outline(f: Face, x: Tensor, y: Tensor, jaw: Tensor) -> Tensor:
    """Distance to the head without its hair: half ellipses above and below, the lower one turned and given a jaw."""
    down = (y / f.chin[1]).clamp(0.0, 1.2)
    curve = down.square()
    width = f.half_width * (1.0 + (jaw - 1.0) * curve)
    lower = y.clamp_min(0.0) / f.chin[1]
    upper = y.clamp_max(0.0) / _SKULL
    height = torch.where(y > 0.0, f.chin[1], torch.full_like(y, -_SKULL))
    # The whole front of the head leans a little towards where it looks, the chin most.
    away = (x - f.chin[0] * (0.42 + 0.58 * curve.clamp_max(1.0))) / width
    rise = lower + upper
    radius = (away.square() + rise.square() + 1e-12).sqrt()
    slope = ((away / width).square() + (rise / height).square() + 1e-12).sqrt()
    return radius * (radius - 1.0) / slope


def _hair_middle(f: Face) -> tuple[Tensor, Tensor]:
    """Middle and half of the hair's height."""
    return (f.hair_top + f.hair_bottom) * 0.5, (f.hair_bottom - f.hair_top) * 0.5


def hair_outline(f: Face, x: Tensor, y: Tensor, flare: Tensor) -> Tensor:
    middle, half = _hair_middle(f)
    down = y - middle
    width = f.hair_half_width * (1.0 + flare * (down / half).clamp(-1.0, 1.0))
    return superellipse(x - f.hair_x, down, width, half, _HAIR_POWER)


def _pivot(p: dict[str, Tensor]) -> Point:
    return _MIDDLE[0] + p["head_x"], _MIDDLE[1] + p["head_y"] + _NECK_PIVOT


def to_head(p: dict[str, Tensor], x: Tensor, y: Tensor) -> Point:
    """Unit coordinates to the head's frame."""
    pivot_x, pivot_y = _pivot(p)
    sine, cosine = p["roll"].sin() / p["head_scale"], p["roll"].cos() / p["head_scale"]
    x, y = x - pivot_x, y - pivot_y
    return cosine * x + sine * y, cosine * y - sine * x + _NECK_PIVOT


def from_head(p: dict[str, Tensor], x: Tensor | float, y: Tensor | float) -> Point:
    pivot_x, pivot_y = _pivot(p)
    sine, cosine = p["roll"].sin() * p["head_scale"], p["roll"].cos() * p["head_scale"]
    y = y - _NECK_PIVOT
    return pivot_x + cosine * x - sine * y, pivot_y + sine * x + cosine * y


def shoulders(p: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Middle, top and half width of the shirt in unit coordinates."""
    return 0.5 + 0.5 * p["head_x"], 0.804 + 0.5 * p["head_y"], p["shoulder_width"]


def _hair_side(p: dict[str, Tensor], f: Face) -> Tensor:
    """Half the width of the hair at the height of the temples."""
    middle, half = _hair_middle(f)
    down = (_TEMPLE - middle) / half
    return f.hair_half_width * (1.0 + p["hair_flare"] * down) * (1.0 - down.abs() ** _HAIR_POWER) ** (1.0 / _HAIR_POWER)


def keypoint_places(p: dict[str, Tensor]) -> dict[str, Point]:
    """Every keypoint's place in the picture, in unit coordinates, each (N, 1, 1)."""
    f = face(p)
    zero = torch.zeros_like(p["yaw"])
    side = _hair_side(p, f)
    mouth_x, mouth_y = f.mouth
    in_head: dict[str, Point] = {
        "mouth_left": (mouth_x - f.mouth_half_width, mouth_y + f.mouth_bend - f.mouth_slant),
        "mouth_right": (mouth_x + f.mouth_half_width, mouth_y + f.mouth_bend + f.mouth_slant),
        "mouth_top": (mouth_x, mouth_y + f.mouth_outer[0]),
        "mouth_bottom": (mouth_x, mouth_y + f.mouth_outer[1]),
        "nose_tip": f.nose_tip,
        "chin": f.chin,
        "hair_top": (f.hair_x, f.hair_top),
        "hair_left": (f.hair_x - side, zero + _TEMPLE),
        "hair_right": (f.hair_x + side, zero + _TEMPLE),
        "ear_left": (f.ears[0][0] - f.ear_half_width[0], f.ears[0][1]),
        "ear_right": (f.ears[1][0] + f.ear_half_width[1], f.ears[1][1]),
    }
    for name, eye, brow in zip(("left", "right"), f.eyes, f.brows, strict=True):
        in_head[f"eye_{name}_upper_lid"] = eye.x, eye.y + eye.top
        in_head[f"pupil_{name}"] = eye.x + eye.pupil[0], eye.y + eye.pupil[1]
        in_head[f"brow_{name}"] = brow.x, brow.y - 0.010
    places = {name: from_head(p, *place) for name, place in in_head.items()}
    return {name: (x + zero, y + zero) for name, (x, y) in places.items()}
