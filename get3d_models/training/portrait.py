"""The teacher of the model ``portrait``: a cartoon of head and shoulders, from parameters to picture and keypoints.

Unit coordinates: (0, 0) is the image's upper left corner, x to the right, y DOWN, the image's width 1; pixel x of an
image of resolution R is x * R - 0.5. "Left" always means the image's left. The head has its own frame in the same
units, origin in its middle: scaled, rolled about the neck, and placed. Inside that frame features sit on a rounded face
that is turned (yaw) and nodded (pitch) before it is flattened, so near features move more than far ones and the far
side narrows.

Everything is batched, differentiable in the parameters with finite gradients, deterministic, and continuous: no styles,
no switches, only shapes that move and colours that blend.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from get3d_models.training.drawing import (
    arch_stroke,
    capsule,
    coverage,
    edge_width,
    ellipse,
    lens,
    mix,
    paint,
    pixel_grid,
    superellipse,
)
from get3d_models.training.quadruped import Parameter, parameters_from_latent

__all__ = [
    "KEYPOINTS",
    "LATENT_SIZE",
    "PARAMETERS",
    "Parameter",
    "draw",
    "draw_at",
    "keypoints",
    "parameters_from_latent",
    "shown",
]

LATENT_SIZE = 48

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("head_x", -0.035, 0.035, "place of the head, sideways"),
    Parameter("head_y", -0.022, 0.022, "place of the head, downwards"),
    Parameter("head_scale", 1.03, 1.14, "size of the head with all that is in it"),
    Parameter("yaw", -0.35, 0.35, "turn of the head, positive towards the image's right"),
    Parameter("pitch", -0.20, 0.20, "nod of the head, positive downwards"),
    Parameter("roll", -0.15, 0.15, "tilt of the head, positive towards the image's right"),
    Parameter("face_width", 0.170, 0.200, "half the width of the face"),
    Parameter("face_height", 0.205, 0.245, "from the middle of the head down to the chin"),
    Parameter("jaw_width", 0.78, 1.04, "width of the lower face over that of an ellipse"),
    Parameter("eye_size", 0.041, 0.051, "half the width of an eye"),
    Parameter("eye_spacing", 0.077, 0.091, "from the middle of the face to the middle of an eye"),
    Parameter("eye_height", -0.022, 0.014, "how far the eyes lie below the middle of the head"),
    Parameter("eye_open", 0.05, 1.0, "upper lids from closed to wide open"),
    Parameter("eye_open_difference", -0.16, 0.16, "how much wider open the right eye is than the left"),
    Parameter("gaze_x", -1.0, 1.0, "look from left to right"),
    Parameter("gaze_y", -1.0, 1.0, "look from up to down"),
    Parameter("iris_size", 0.60, 0.74, "radius of the iris over half the height of an open eye"),
    Parameter("brow_height", 0.074, 0.106, "how far the brows lie above the eyes"),
    Parameter("brow_tilt", -0.014, 0.015, "how much lower the outer ends of the brows are than their inner ends"),
    Parameter("brow_thickness", 0.0085, 0.0145, "half the thickness of the brows"),
    Parameter("brow_difference", -0.016, 0.016, "how much higher the right brow is than the left"),
    Parameter("nose_length", 0.050, 0.086, "from the middle of the head down to the tip of the nose"),
    Parameter("nose_width", 0.022, 0.036, "half the width of the nose"),
    Parameter("mouth_height", 0.61, 0.69, "height of the mouth, in parts of the face's height below the middle"),
    Parameter("mouth_width", 0.050, 0.088, "half the width of the mouth"),
    Parameter("smile", -0.018, 0.042, "how far the corners of the mouth are raised"),
    Parameter("smirk", -0.011, 0.011, "how much further the right corner is raised than both are"),
    Parameter("mouth_open", 0.0, 0.068, "height of the opening of the mouth"),
    Parameter("lip_thickness", 0.010, 0.021, "thickness of the lower lip"),
    Parameter("ear_size", 0.036, 0.052, "half the height of an ear"),
    Parameter("hair_top", 0.245, 0.305, "from the middle of the head up to the top of the hair"),
    Parameter("hair_sides", 0.018, 0.066, "how far the hair reaches out beyond the face"),
    Parameter("hair_length", 0.02, 0.36, "from the middle of the head down to the ends of the hair"),
    Parameter("hair_flare", -0.10, 0.20, "how much wider the hair is below than above"),
    Parameter("fringe", -0.190, -0.130, "how far the hair reaches into the forehead, downwards"),
    Parameter("parting", -0.085, 0.085, "place of the parting, sideways"),
    Parameter("neck_width", 0.058, 0.080, "half the width of the neck"),
    Parameter("shoulder_width", 0.30, 0.42, "half the width of the shoulders"),
    Parameter("skin_depth", 0.0, 1.0, "skin from light to deep"),
    Parameter("skin_warmth", 0.0, 1.0, "skin from rosy to golden"),
    Parameter("hair_depth", 0.0, 1.0, "hair from blond or copper to near black or dark brown"),
    Parameter("hair_warmth", 0.0, 1.0, "hair from blond or near black to copper or dark brown"),
    Parameter("eye_tone", 0.0, 1.0, "irises from brown over green to blue"),
    Parameter("lip_tone", 0.0, 1.0, "lips from natural to red"),
    Parameter("blush", 0.0, 1.0, "redness of the cheeks"),
    Parameter("shirt_tone", 0.0, 1.0, "shirt from teal over cream to coral"),
    Parameter("background_tone", 0.0, 1.0, "background from mint over lavender to peach"),
    Parameter("background_light", 0.0, 1.0, "background from darker to lighter"),
)

KEYPOINTS: tuple[str, ...] = (
    "mouth_left", "mouth_right", "mouth_top", "mouth_bottom",
    "eye_left_upper_lid", "eye_right_upper_lid", "pupil_left", "pupil_right",
    "brow_left", "brow_right",
    "nose_tip", "chin",
    "hair_top", "hair_left", "hair_right",
    "ear_left", "ear_right",
)  # fmt: skip

_SOFTNESS = 0.0085  # width of an edge, 2.2 pixels of 256
_MIDDLE = (0.5, 0.495)  # of the head, before head_x and head_y
_NECK_PIVOT = 0.22  # below the middle of the head: what it rolls about
_DEPTH = 0.185  # of the face's middle in front of the axis it turns about
_SKULL = -0.215  # its top in the head's frame
_HAIR_POWER = 2.4
_TEMPLE = -0.07  # height of the keypoints hair_left and hair_right in the head's frame
_EYE_ROUNDNESS, _LIP_UP = 0.45, 0.30
_PUPIL = 0.50  # radius over that of the iris
# What no pose reaches beyond, (left, right, top, bottom): features are painted inside only.
_FACE_WINDOW = (0.12, 0.88, 0.18, 0.84)
_LEFT_EYE_WINDOW, _RIGHT_EYE_WINDOW = (0.15, 0.67, 0.26, 0.68), (0.33, 0.85, 0.26, 0.68)
_MOUTH_WINDOW = (0.25, 0.75, 0.42, 0.85)

_SKIN = ((0.985, 0.845, 0.775), (0.975, 0.830, 0.690), (0.640, 0.430, 0.350), (0.660, 0.455, 0.315))
_HAIR = ((0.890, 0.760, 0.500), (0.800, 0.450, 0.250), (0.200, 0.190, 0.260), (0.400, 0.255, 0.185))
_IRIS = ((0.450, 0.270, 0.150), (0.330, 0.520, 0.330), (0.270, 0.480, 0.730))
_LIPS = ((0.830, 0.500, 0.460), (0.800, 0.260, 0.300))
_SHIRT = ((0.200, 0.520, 0.560), (0.930, 0.880, 0.790), (0.880, 0.420, 0.380))
_BACKGROUND = ((0.620, 0.820, 0.760), (0.720, 0.720, 0.890), (0.960, 0.780, 0.680))
_SHADOW, _BLUSH, _DARK = (0.55, 0.27, 0.26), (0.93, 0.42, 0.40), (0.17, 0.12, 0.14)
_WHITE, _MOUTH, _TONGUE = (0.985, 0.975, 0.965), (0.37, 0.11, 0.14), (0.86, 0.42, 0.43)

_Point = tuple[Tensor, Tensor]


def _named(parameters: Tensor) -> dict[str, Tensor]:
    """Each parameter by name, (N, 1, 1)."""
    return {q.name: v[:, None, None] for q, v in zip(PARAMETERS, parameters.unbind(-1), strict=True)}


@dataclass(frozen=True)
class _Eye:
    """One eye in the head's frame; all (N, 1, 1)."""

    x: Tensor
    y: Tensor
    half_width: Tensor
    top: Tensor  # of the open part, relative to y
    bottom: Tensor
    pupil: _Point  # relative to (x, y)
    iris: Tensor  # radius

    @property
    def bend(self) -> Tensor:
        return 0.22 * self.bottom


@dataclass(frozen=True)
class _Brow:
    x: Tensor
    y: Tensor
    half_width: Tensor
    slant: Tensor  # the right end below the middle
    thickness: Tensor


@dataclass(frozen=True)
class _Face:
    """Where everything is in the head's frame, after turn and nod; all (N, 1, 1)."""

    half_width: Tensor
    chin: _Point
    eyes: tuple[_Eye, _Eye]
    brows: tuple[_Brow, _Brow]
    nose_root: _Point
    nose_tip: _Point
    mouth: _Point
    mouth_half_width: Tensor
    mouth_bend: Tensor  # corners below the middle of the base line
    mouth_slant: Tensor
    mouth_inner: _Point  # top and bottom of the opening, relative to the mouth
    mouth_outer: _Point  # top and bottom of the lips
    ears: tuple[_Point, _Point]
    ear_half_width: _Point  # left, right
    hair_x: Tensor
    hair_half_width: Tensor
    hair_top: Tensor
    hair_bottom: Tensor
    hairline: _Point  # the point of the parting
    cheeks: tuple[_Point, _Point]


class _Turn:
    """Turns points of the unturned face and flattens them."""

    def __init__(self, p: dict[str, Tensor]) -> None:
        self.half_width, self.height = p["face_width"], p["face_height"]
        self.yaw, self.pitch = (p["yaw"].sin(), p["yaw"].cos()), (p["pitch"].sin(), p["pitch"].cos())

    def __call__(self, x: Tensor | float, y: Tensor | float, out: Tensor | float = 0.0) -> _Point:
        """``out``: how far in front of the face's surface."""
        width, height = x / self.half_width, y / self.height
        depth = _DEPTH * (1.0 - 0.72 * width * width - 0.35 * height * height) + out
        return self.at_depth(x, y, depth)

    def at_depth(self, x: Tensor | float, y: Tensor | float, depth: Tensor | float) -> _Point:
        (yaw_sin, yaw_cos), (pitch_sin, pitch_cos) = self.yaw, self.pitch
        turned = x * yaw_cos + depth * yaw_sin
        nearer = depth * yaw_cos - x * yaw_sin
        return turned, y * pitch_cos + nearer * pitch_sin


def _eye(p: dict[str, Tensor], turn: _Turn, side: float) -> _Eye:
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
    return _Eye((outer + inner) * 0.5, y, half_width, top, bottom, pupil, p["iris_size"] * height)


def _brow(p: dict[str, Tensor], turn: _Turn, side: float) -> _Brow:
    across, size = side * (p["eye_spacing"] + 0.003), 1.08 * p["eye_size"]
    up = p["eye_height"] - p["brow_height"] - side * 0.5 * p["brow_difference"]
    outer, _ = turn(across + side * size, up)
    inner, _ = turn(across - side * size, up)
    _, y = turn(across, up)
    half_width = side * (outer - inner) * 0.5
    return _Brow((outer + inner) * 0.5, y, half_width, side * p["brow_tilt"], p["brow_thickness"])


def _face(p: dict[str, Tensor]) -> _Face:
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
    return _Face(
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


def _head_outline(f: _Face, x: Tensor, y: Tensor, jaw: Tensor) -> Tensor:
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


def _hair_middle(f: _Face) -> tuple[Tensor, Tensor]:
    """Middle and half of the hair's height."""
    return (f.hair_top + f.hair_bottom) * 0.5, (f.hair_bottom - f.hair_top) * 0.5


def _hair_outline(f: _Face, x: Tensor, y: Tensor, flare: Tensor) -> Tensor:
    middle, half = _hair_middle(f)
    down = y - middle
    width = f.hair_half_width * (1.0 + flare * (down / half).clamp(-1.0, 1.0))
    return superellipse(x - f.hair_x, down, width, half, _HAIR_POWER)


def _tones(stops: tuple[tuple[float, ...], ...], share: Tensor) -> Tensor:
    """Colours (N, 3, 1, 1) along a line of stops, ``share`` (N, 1, 1) in [0, 1]."""
    color = share.new_tensor(stops[0])[None, :, None, None]
    place = share[:, None] * (len(stops) - 1)
    for number, (before, after) in enumerate(pairwise(stops)):
        step = share.new_tensor(after) - share.new_tensor(before)
        color = color + step[None, :, None, None] * (place - number).clamp(0.0, 1.0)
    return color


def _square(corners: tuple[tuple[float, ...], ...], across: Tensor, down: Tensor) -> Tensor:
    """Bilinear blend (N, 3, 1, 1) of four colours, pushed towards the corners."""
    across, down = (mix(s, s.square() * (3.0 - 2.0 * s), 0.7) for s in (across, down))
    return mix(_tones(corners[:2], across), _tones(corners[2:], across), down[:, None])


class _Palette:
    """The picture's colours, each (N, 3, 1, 1)."""

    def __init__(self, p: dict[str, Tensor]) -> None:
        def fixed(color: tuple[float, ...]) -> Tensor:
            return p["yaw"].new_tensor(color)[None, :, None, None]

        self.shadow, self.blush, self.dark = fixed(_SHADOW), fixed(_BLUSH), fixed(_DARK)
        self.white, self.mouth, self.tongue = fixed(_WHITE), fixed(_MOUTH), fixed(_TONGUE)
        self.skin = _square(_SKIN, p["skin_warmth"], p["skin_depth"])
        self.hair = _square(_HAIR, p["hair_warmth"], p["hair_depth"])
        self.iris = _tones(_IRIS, p["eye_tone"])
        self.lips = mix(_tones(_LIPS, p["lip_tone"]), self.skin, 0.25)
        self.shirt = _tones(_SHIRT, p["shirt_tone"])
        self.background = _tones(_BACKGROUND, p["background_tone"]) * (0.90 + 0.16 * p["background_light"][:, None])
        self.shaded_skin = self.skin * mix(self.white, self.shadow, 0.42)
        self.brows = mix(self.hair, self.dark, 0.50)


class _Painter:
    """Paints pictures of a batch of parameters at any points: (N, H, W) unit coordinates, pixels of size ``pixel``."""

    def __init__(self, parameters: Tensor, pixel: float) -> None:
        self.p = _named(parameters)
        self.face, self.colors = _face(self.p), _Palette(self.p)
        self.pixel = pixel
        self.width = edge_width(_SOFTNESS, pixel)
        self.head_width = self.width / self.p["head_scale"]  # of an edge, in the head's frame

    def soft(self, softness: float) -> Tensor:
        """Width of an edge softer than the usual, in the head's frame."""
        return edge_width(softness, self.pixel) / self.p["head_scale"]

    def body(self, x: Tensor, y: Tensor) -> Tensor:
        """Background, hair behind, shirt, neck, ears, head and hair in front."""
        p, f, c = self.p, self.face, self.colors
        h_x, h_y = _to_head(p, x, y)
        light = 1.07 - 0.15 * y - 0.18 * ((x - 0.5).square() + (y - 0.4).square())
        picture = c.background * light[:, None]

        head = _head_outline(f, h_x, h_y, p["jaw_width"])
        hair = _hair_outline(f, h_x, h_y, p["hair_flare"])
        picture = paint(picture, c.hair * (0.80 - 0.25 * (h_y - 0.05))[:, None], coverage(hair, self.head_width))
        picture = self._bust(picture, x, y, head)
        picture = self._ears(picture, h_x, h_y)

        # Light falls from the upper left.
        shade = (0.30 + 1.3 * h_x + 0.5 * h_y).clamp(0.0, 1.0)
        skin = mix(c.skin, c.shaded_skin, (0.75 * shade)[:, None])
        face_cover = coverage(head, self.head_width)
        picture = paint(picture, skin, face_cover)

        across = h_x - f.hairline[0]
        line = f.hairline[1] + ((across.square() + 0.0016).sqrt() - 0.04) * 0.40 + 55.0 * across.square().square()
        # It ends above the ears, which stay free.
        lowest = f.ears[0][1] - 0.8 * p["ear_size"]
        line = 0.5 * (line + lowest - ((line - lowest).square() + 0.0009).sqrt())
        front = torch.maximum(hair, (h_y - line) * 0.85)
        shadow = coverage(front - 0.012, self.soft(0.035)) * face_cover
        picture = paint(picture, c.shaded_skin, 0.8 * shadow)
        gloss = coverage(ellipse(across + 0.05, h_y - f.hair_top - 0.075, 0.10, 0.035), self.soft(0.07))
        locks = mix(c.hair, c.white, (0.20 * gloss)[:, None]) * (1.0 - 0.55 * (h_x.clamp_min(0.0) * 0.8))[:, None]
        return paint(picture, locks, coverage(front, self.head_width))

    def _bust(self, picture: Tensor, x: Tensor, y: Tensor, head: Tensor) -> Tensor:
        p, c = self.p, self.colors
        middle, top, wide = _shoulders(p)
        shirt = superellipse(x - middle, y - top - 0.30, wide, 0.30, 2.3)
        shirt_cover = coverage(shirt, self.width)
        picture = paint(picture, c.shirt * (1.06 - 0.7 * (y - 0.85) - 0.25 * (x - 0.5))[:, None], shirt_cover)
        neck_x, neck_y = _from_head(p, self.face.chin[0] * 0.3, 0.06)
        neck = capsule(x, y, (neck_x, neck_y), (middle, top + 0.025), p["neck_width"], p["neck_width"] * 1.08)
        picture = paint(picture, c.shirt * 0.80, coverage(neck - 0.020, self.width) * shirt_cover)
        shadow = coverage(head - 0.030, edge_width(0.035, self.pixel))
        skin = mix(mix(c.skin, c.shaded_skin, 0.55), c.shaded_skin * 0.86, shadow[:, None])
        return paint(picture, skin, coverage(neck, self.width))

    def _ears(self, picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
        p, f, c = self.p, self.face, self.colors
        for (ear_x, ear_y), half_width in zip(f.ears, f.ear_half_width, strict=True):
            ear = ellipse(x - ear_x, y - ear_y, half_width, p["ear_size"])
            picture = paint(picture, mix(c.skin, c.shaded_skin, 0.45), coverage(ear, self.head_width))
            picture = paint(picture, c.shaded_skin * 0.92, 0.8 * coverage(ear + 0.012, self.soft(0.012)))
        return picture

    def features(self, picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Cheeks, nose and brows."""
        p, f, c = self.p, self.face, self.colors
        x, y = _to_head(p, x, y)
        for cheek_x, cheek_y in f.cheeks:
            cheek = coverage(ellipse(x - cheek_x, y - cheek_y, 0.034, 0.026), self.soft(0.04))
            picture = paint(picture, c.blush, (0.06 + 0.38 * p["blush"]) * cheek)
        picture = self._nose(picture, x, y)
        for brow in f.brows:
            stroke = arch_stroke(
                x - brow.x, y - brow.y, brow.half_width, -0.010, brow.thickness, 0.55 * brow.thickness, slant=brow.slant
            )
            picture = paint(picture, c.brows, coverage(stroke, self.head_width))
        return picture

    def _nose(self, picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
        f, c, wide = self.face, self.colors, self.p["nose_width"]
        tip_x, tip_y = f.nose_tip
        bridge = capsule(x, y, (f.nose_root[0] + 0.008, f.nose_root[1]), (tip_x + 0.008, tip_y), 0.008, 0.016)
        picture = paint(picture, c.shaded_skin, 0.55 * coverage(bridge, self.soft(0.022)))
        ball = ellipse(x - tip_x, y - tip_y, wide, 0.82 * wide)
        picture = paint(picture, mix(c.shaded_skin, c.blush, 0.14), 0.85 * coverage(ball, self.soft(0.012)))
        light = ellipse(x - tip_x + 0.22 * wide, y - tip_y + 0.24 * wide, 0.55 * wide, 0.45 * wide)
        picture = paint(picture, c.skin, 0.9 * coverage(light, self.soft(0.014)))
        under = arch_stroke(x - tip_x, y - tip_y, 0.72 * wide, 0.85 * wide, 0.0075, 0.0050, bend=0.50 * wide)
        return paint(picture, c.shaded_skin * c.shadow.sqrt(), 0.9 * coverage(under, self.head_width))

    def eye(self, picture: Tensor, x: Tensor, y: Tensor, number: int) -> Tensor:
        c, eye = self.colors, self.face.eyes[number]
        x, y = _to_head(self.p, x, y)
        x, y = x - eye.x, y - eye.y
        opening = lens(x, y, eye.half_width, eye.top, eye.bottom, bend=eye.bend, roundness=_EYE_ROUNDNESS)
        inside = coverage(opening, self.head_width)
        below_lid = ((y - eye.top) / 0.035).clamp(0.0, 1.0)
        ball = mix(mix(c.white, c.shadow, 0.28), c.white, below_lid[:, None])
        from_x, from_y = x - eye.pupil[0], y - eye.pupil[1]
        iris = (from_x.square() + from_y.square() + 1e-12).sqrt() - eye.iris
        rim = mix(c.iris, c.dark, 0.55)
        glow = (0.5 + 0.5 * from_y / eye.iris).clamp(0.0, 1.0)[:, None]
        ball = paint(ball, rim, coverage(iris, self.head_width))
        inner = coverage(iris + 0.22 * eye.iris, self.soft(0.012))
        ball = paint(ball, mix(c.iris * 0.85, mix(c.iris, c.white, 0.30), glow), inner)
        ball = paint(ball, c.dark, coverage(iris + (1.0 - _PUPIL) * eye.iris, self.head_width))
        shine = ellipse(from_x + 0.34 * eye.iris, from_y + 0.38 * eye.iris, 0.30 * eye.iris, 0.30 * eye.iris)
        ball = paint(ball, c.white, coverage(shine, self.head_width))
        picture = paint(picture, ball, inside)
        lid = arch_stroke(x, y, eye.half_width * 1.04, eye.top, 0.0092, 0.0050, bend=eye.bend, roundness=_EYE_ROUNDNESS)
        return paint(picture, mix(c.dark, c.brows, 0.25), coverage(lid, self.head_width))

    def mouth(self, picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
        f, c, opened = self.face, self.colors, self.p["mouth_open"]
        x, y = _to_head(self.p, x, y)
        x, y = x - f.mouth[0], y - f.mouth[1]
        wide, bend, slant = f.mouth_half_width, f.mouth_bend, f.mouth_slant
        lips = lens(x, y, wide, f.mouth_outer[0], f.mouth_outer[1], bend=bend, slant=slant, roundness=0.2)
        lip_light = ((y - f.mouth_inner[1]) / 0.03).clamp(-0.6, 1.0)
        picture = paint(picture, c.lips * (0.97 + 0.10 * lip_light)[:, None], coverage(lips, self.head_width))
        opening = lens(x, y, wide * 0.93, f.mouth_inner[0], f.mouth_inner[1], bend=bend, slant=slant, roundness=0.2)
        inside = coverage(opening, self.head_width)
        hollow = c.mouth.expand(-1, -1, *x.shape[-2:])
        share = x / wide
        base = bend * share.square() + slant * share
        tongue = ellipse(x, y - f.mouth_inner[1] - 0.004, 0.55 * wide, 0.12 * wide + 0.34 * opened)
        hollow = paint(hollow, c.tongue, coverage(tongue, self.soft(0.014)))
        teeth = y - base - f.mouth_inner[0] - 0.26 * opened
        hollow = paint(hollow, c.white * 0.97, coverage(teeth, self.head_width))
        picture = paint(picture, hollow, inside * (opened / 0.018).clamp(0.0, 1.0))
        line = arch_stroke(x, y, wide, f.mouth_inner[0], 0.0055, 0.0066, bend=bend, slant=slant, roundness=0.2)
        return paint(picture, mix(c.lips, c.mouth, 0.55), coverage(line, self.head_width))


def _pivot(p: dict[str, Tensor]) -> _Point:
    return _MIDDLE[0] + p["head_x"], _MIDDLE[1] + p["head_y"] + _NECK_PIVOT


def _to_head(p: dict[str, Tensor], x: Tensor, y: Tensor) -> _Point:
    """Unit coordinates to the head's frame."""
    pivot_x, pivot_y = _pivot(p)
    sine, cosine = p["roll"].sin() / p["head_scale"], p["roll"].cos() / p["head_scale"]
    x, y = x - pivot_x, y - pivot_y
    return cosine * x + sine * y, cosine * y - sine * x + _NECK_PIVOT


def _from_head(p: dict[str, Tensor], x: Tensor | float, y: Tensor | float) -> _Point:
    pivot_x, pivot_y = _pivot(p)
    sine, cosine = p["roll"].sin() * p["head_scale"], p["roll"].cos() * p["head_scale"]
    y = y - _NECK_PIVOT
    return pivot_x + cosine * x - sine * y, pivot_y + sine * x + cosine * y


def _shoulders(p: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Middle, top and half width of the shirt in unit coordinates."""
    return 0.5 + 0.5 * p["head_x"], 0.804 + 0.5 * p["head_y"], p["shoulder_width"]


def _window(window: tuple[float, float, float, float], resolution: int) -> tuple[slice, slice, slice, slice]:
    left, right, top, bottom = (round(edge * resolution) for edge in window)
    return slice(None), slice(None), slice(top, bottom), slice(left, right)


def draw(parameters: Tensor, resolution: int) -> Tensor:
    """Pictures (N, 3, R, R), sRGB in [0, 1], of ``parameters`` (N, P) with ``resolution`` R pixels a side."""
    painter = _Painter(parameters, 1.0 / resolution)
    x, y = pixel_grid(resolution, parameters)
    picture = painter.body(x, y)

    # Each feature on its part of the picture only: that saves half the time.
    def inside(window: tuple[float, float, float, float]) -> tuple[tuple[slice, slice, slice, slice], Tensor, Tensor]:
        place = _window(window, resolution)
        return place, x[place[1:]], y[place[1:]]

    place, at_x, at_y = inside(_FACE_WINDOW)
    picture[place] = painter.features(picture[place].clone(), at_x, at_y)
    for number, window in enumerate((_LEFT_EYE_WINDOW, _RIGHT_EYE_WINDOW)):
        place, at_x, at_y = inside(window)
        picture[place] = painter.eye(picture[place].clone(), at_x, at_y, number)
    place, at_x, at_y = inside(_MOUTH_WINDOW)
    picture[place] = painter.mouth(picture[place].clone(), at_x, at_y)
    return picture.clamp(0.0, 1.0)


def draw_at(parameters: Tensor, points: Tensor, pixel: float) -> Tensor:
    """Colours (N, M, 3) of pictures of ``parameters`` at ``points`` (N, M, 2) in unit coordinates.

    ``pixel``: the size of a pixel, 1 / R; with the centres of an image's pixels this is ``draw``.
    """
    painter = _Painter(parameters, pixel)
    x, y = points[:, None, :, 0], points[:, None, :, 1]
    picture = painter.features(painter.body(x, y), x, y)
    picture = painter.eye(painter.eye(picture, x, y, 0), x, y, 1)
    return painter.mouth(picture, x, y)[:, :, 0].transpose(1, 2).clamp(0.0, 1.0)


def _hair_side(p: dict[str, Tensor], f: _Face) -> Tensor:
    """Half the width of the hair at the height of the temples."""
    middle, half = _hair_middle(f)
    down = (_TEMPLE - middle) / half
    return f.hair_half_width * (1.0 + p["hair_flare"] * down) * (1.0 - down.abs() ** _HAIR_POWER) ** (1.0 / _HAIR_POWER)


def keypoints(parameters: Tensor) -> Tensor:
    """Places (N, K, 2) of ``KEYPOINTS`` in unit coordinates for ``parameters`` (N, P)."""
    p = _named(parameters)
    f = _face(p)
    zero = torch.zeros_like(p["yaw"])
    side = _hair_side(p, f)
    mouth_x, mouth_y = f.mouth
    in_head: dict[str, tuple[Tensor, Tensor]] = {
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
    places = {name: _from_head(p, *place) for name, place in in_head.items()}
    rows = [torch.cat([x + zero, y + zero], dim=-1)[:, 0] for x, y in (places[name] for name in KEYPOINTS)]
    return torch.stack(rows, dim=1)


def shown(parameters: Tensor) -> Tensor:
    """Which keypoints can be seen in the picture, (N, K) bool.

    All can but a pupil whose lid covers it: its middle must lie inside the opening of the eye, half the pupil's radius
    from the opening's edge or more.
    """
    face = _face(_named(parameters))
    rows = torch.ones(len(parameters), len(KEYPOINTS), dtype=torch.bool, device=parameters.device)
    for name, eye in zip(("left", "right"), face.eyes, strict=True):
        opening = lens(*eye.pupil, eye.half_width, eye.top, eye.bottom, bend=eye.bend, roundness=_EYE_ROUNDNESS)
        rows[:, KEYPOINTS.index(f"pupil_{name}")] = (opening <= -0.5 * _PUPIL * eye.iris)[:, 0, 0]
    return rows
