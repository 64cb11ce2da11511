"""Paints a portrait: its colours, and its layers from the background to the mouth."""

from __future__ import annotations

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
    superellipse,
)
from get3d_models.training.portrait_face import (
    EYE_ROUNDNESS,
    PUPIL,
    face,
    from_head,
    hair_outline,
    head_outline,
    shoulders,
    to_head,
)

__all__ = ["Painter"]

_SOFTNESS = 0.0085  # width of an edge, 2.2 pixels of 256

_SKIN = ((0.985, 0.845, 0.775), (0.975, 0.830, 0.690), (0.640, 0.430, 0.350), (0.660, 0.455, 0.315))
_HAIR = ((0.890, 0.760, 0.500), (0.800, 0.450, 0.250), (0.200, 0.190, 0.260), (0.400, 0.255, 0.185))
_IRIS = ((0.450, 0.270, 0.150), (0.330, 0.520, 0.330), (0.270, 0.480, 0.730))
_LIPS = ((0.830, 0.500, 0.460), (0.800, 0.260, 0.300))
_SHIRT = ((0.200, 0.520, 0.560), (0.930, 0.880, 0.790), (0.880, 0.420, 0.380))
_BACKGROUND = ((0.620, 0.820, 0.760), (0.720, 0.720, 0.890), (0.960, 0.780, 0.680))
_SHADOW, _BLUSH, _DARK = (0.55, 0.27, 0.26), (0.93, 0.42, 0.40), (0.17, 0.12, 0.14)
_WHITE, _MOUTH, _TONGUE = (0.985, 0.975, 0.965), (0.37, 0.11, 0.14), (0.86, 0.42, 0.43)


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


class Painter:
    """Paints pictures of a batch at any points: (N, H, W) unit coordinates, pixels of size ``pixel``.

    ``p``: the parameters by name, each (N, 1, 1). Pictures are (N, 3, H, W); the layers go on in the
    order of the methods: body, features, eye twice, mouth.
    """

    def __init__(self, p: dict[str, Tensor], pixel: float) -> None:
        self.p = p
        self.face, self.colors = face(self.p), _Palette(self.p)
        self.pixel = pixel
        self.width = edge_width(_SOFTNESS, pixel)
        self.head_width = self.width / self.p["head_scale"]  # of an edge, in the head's frame

    def soft(self, softness: float) -> Tensor:
        """Width of an edge softer than the usual, in the head's frame."""
        return edge_width(softness, self.pixel) / self.p["head_scale"]

    def body(self, x: Tensor, y: Tensor) -> Tensor:
        """Background, hair behind, shirt, neck, ears, head and hair in front."""
        p, f, c = self.p, self.face, self.colors
        h_x, h_y = to_head(p, x, y)
        light = 1.07 - 0.15 * y - 0.18 * ((x - 0.5).square() + (y - 0.4).square())
        picture = c.background * light[:, None]

        head = head_outline(f, h_x, h_y, p["jaw_width"])
        hair = hair_outline(f, h_x, h_y, p["hair_flare"])
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
        middle, top, wide = shoulders(p)
        shirt = superellipse(x - middle, y - top - 0.30, wide, 0.30, 2.3)
        shirt_cover = coverage(shirt, self.width)
        picture = paint(picture, c.shirt * (1.06 - 0.7 * (y - 0.85) - 0.25 * (x - 0.5))[:, None], shirt_cover)
        neck_x, neck_y = from_head(p, self.face.chin[0] * 0.3, 0.06)
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
        x, y = to_head(p, x, y)
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
        x, y = to_head(self.p, x, y)
        x, y = x - eye.x, y - eye.y
        inside = coverage(eye.opening(x, y), self.head_width)
        below_lid = ((y - eye.top) / 0.035).clamp(0.0, 1.0)
        ball = mix(mix(c.white, c.shadow, 0.28), c.white, below_lid[:, None])
        from_x, from_y = x - eye.pupil[0], y - eye.pupil[1]
        iris = (from_x.square() + from_y.square() + 1e-12).sqrt() - eye.iris
        rim = mix(c.iris, c.dark, 0.55)
        glow = (0.5 + 0.5 * from_y / eye.iris).clamp(0.0, 1.0)[:, None]
        ball = paint(ball, rim, coverage(iris, self.head_width))
        inner = coverage(iris + 0.22 * eye.iris, self.soft(0.012))
        ball = paint(ball, mix(c.iris * 0.85, mix(c.iris, c.white, 0.30), glow), inner)
        ball = paint(ball, c.dark, coverage(iris + (1.0 - PUPIL) * eye.iris, self.head_width))
        shine = ellipse(from_x + 0.34 * eye.iris, from_y + 0.38 * eye.iris, 0.30 * eye.iris, 0.30 * eye.iris)
        ball = paint(ball, c.white, coverage(shine, self.head_width))
        picture = paint(picture, ball, inside)
        lid = arch_stroke(x, y, eye.half_width * 1.04, eye.top, 0.0092, 0.0050, bend=eye.bend, roundness=EYE_ROUNDNESS)
        return paint(picture, mix(c.dark, c.brows, 0.25), coverage(lid, self.head_width))

    def mouth(self, picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
        f, c, opened = self.face, self.colors, self.p["mouth_open"]
        x, y = to_head(self.p, x, y)
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
