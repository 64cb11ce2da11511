"""The quadruped's colours: a coat and its markings, placed by the parts a point belongs to."""

from __future__ import annotations

import torch
from torch import Tensor

from get3d_models.training.quadruped_pose import BELLY_RADIUS, PART
from get3d_models.training.tapered_capsules import Parts

__all__ = ["paint"]

# Places in PART_NAMES.
_TRUNK, _NECK, _HEAD = slice(0, 4), slice(4, 5), slice(5, 8)
_EAR, _LEGS, _TAIL = slice(9, 10), slice(10, 16), slice(16, 19)
_MEMBERSHIP_SOFTNESS = 0.012

_BLACK, _WHITE = (0.10, 0.085, 0.08), (0.96, 0.94, 0.90)
_CREAM, _RUST, _GREY, _BROWN = (0.95, 0.83, 0.60), (0.86, 0.43, 0.14), (0.62, 0.64, 0.68), (0.40, 0.23, 0.13)
_PINK, _BROWN_PINK = (0.95, 0.74, 0.68), (0.55, 0.33, 0.30)


def _mix(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    return first + (second - first) * share


def _tone(dark_to_white: Tensor, coat: Tensor) -> Tensor:
    """Near black at 0, the coat's colour at 0.4, white at 1."""
    black, white = coat.new_tensor(_BLACK), coat.new_tensor(_WHITE)
    towards_dark = (1.0 - dark_to_white / 0.4).clamp(0.0, 1.0)
    towards_white = ((dark_to_white - 0.4) / 0.6).clamp(0.0, 1.0)
    return _mix(_mix(coat, black, 0.9 * towards_dark), white, towards_white)


def _coat(t: dict[str, Tensor]) -> Tensor:
    """The coat's base colour, (N, 1, 3): a bilinear blend of four animals' colours, pushed towards the corners."""
    cream, rust, grey, brown = (t["stripe"].new_tensor(c) for c in (_CREAM, _RUST, _GREY, _BROWN))
    warmth, depth = (t[name].square() * (3.0 - 2.0 * t[name]) for name in ("coat_warmth", "coat_depth"))
    base = _mix(_mix(cream, rust, warmth), _mix(grey, brown, warmth), depth)
    return (base * t["coat_brightness"]).clamp(0.0, 1.0)


def paint(parts: Parts, texture: dict[str, Tensor], points: Tensor, distances: Tensor) -> Tensor:
    """Colour (N, M, 3) at ``points`` (N, M, 3) with ``distances`` (N, parts, M) to the parts.

    ``texture``: the texture parameters by name, each (N,).
    """
    t = {name: value[:, None, None] for name, value in texture.items()}
    member = torch.softmax(distances * (-1.0 / _MEMBERSHIP_SOFTNESS), dim=1)

    def share(of: slice) -> Tensor:
        return member[:, of].sum(1)[..., None]

    def center(name: str, end: bool = False) -> Tensor:
        return (parts.end if end else parts.start)[:, None, PART[name]]

    def near(place: Tensor, reach: Tensor | float, width: float = 0.015) -> Tensor:
        away = (points - place).square().sum(-1, keepdim=True).clamp_min(1e-8).sqrt()
        return torch.sigmoid((reach - away) / width)

    black, white = points.new_tensor(_BLACK), points.new_tensor(_WHITE)
    base = _coat(t)
    x, y = points[..., :1].abs(), points[..., 1:2]
    height = parts.start_radius[:, PART["belly"], None, None] / BELLY_RADIUS
    mirrored = torch.cat([x, points[..., 1:]], dim=-1)
    trunk, legs = share(_TRUNK) + share(_NECK), share(_LEGS)

    stripe = torch.exp(-(x / 0.035).square()) * torch.sigmoid((y - 0.6 * height) / 0.02) * (trunk + share(_TAIL))
    rgb = _mix(base.expand(-1, points.shape[1], -1), black, t["stripe"] * stripe)
    belly = torch.sigmoid((t["belly_line"] * height - y) / 0.016) * share(_TRUNK)
    rgb = _mix(rgb, white, 0.9 * t["belly_lightness"] * belly)

    floor = parts.start[:, None, PART["front_foot"], 1:2]
    leg = parts.start[:, None, PART["front_upper"], 1:2] - floor
    rgb = _mix(rgb, _tone(t["sock_tone"], base), torch.sigmoid((floor + t["sock_height"] * leg - y) / 0.012) * legs)
    sole = floor - 0.45 * parts.start_radius[:, PART["front_foot"], None, None]
    rgb = _mix(rgb, black, 0.75 * torch.sigmoid((sole - y) / 0.008) * legs)

    tail = near(center("tail_end", end=True), t["tail_tip_extent"]) * share(_TAIL)
    rgb = _mix(rgb, _tone(t["tail_tip_tone"], base), tail)

    muzzle = near(center("nose"), t["muzzle_extent"]) * share(_HEAD)
    rgb = _mix(rgb, _tone(t["muzzle_tone"], base), 0.85 * muzzle)

    ear = share(_EAR)
    front = ((mirrored - center("ear")) * parts.flat_axis[:, None, PART["ear"]]).sum(-1, keepdim=True)
    inner = _mix(black, points.new_tensor(_PINK), t["ear_inner"])
    rgb = _mix(rgb, inner, 0.85 * torch.sigmoid((front - 0.004) / 0.005) * ear)
    ear_tip = torch.sigmoid((0.035 - (mirrored - center("ear", end=True)).norm(dim=-1, keepdim=True)) / 0.012)
    rgb = _mix(rgb, black, 0.9 * t["ear_tip"] * ear_tip * ear)

    nose = torch.sigmoid((0.009 - distances[:, PART["nose"], :, None]) / 0.004)
    rgb = _mix(rgb, _mix(black, points.new_tensor(_BROWN_PINK), t["nose_tone"]), nose)
    eye = torch.sigmoid((0.010 - distances[:, PART["eye"], :, None]) / 0.003)
    return _mix(rgb, black * 0.6, eye).clamp(0.0, 1.0)
