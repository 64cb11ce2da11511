"""The quadruped's parts and how they are put together: tapered capsules placed by the shape parameters.

``p`` holds the shape parameters by name, each (N,).
"""

from __future__ import annotations

import torch
from torch import Tensor

from get3d_models.training.tapered_capsules import Parts, perpendicular

__all__ = ["BELLY_RADIUS", "PART", "PART_NAMES", "assemble"]

PART_NAMES: tuple[str, ...] = (
    "torso", "chest", "rump", "belly",
    "neck",
    "skull", "snout", "nose",
    "eye",
    "ear",
    "front_upper", "front_lower", "front_foot",
    "hind_upper", "hind_lower", "hind_foot",
    "tail_root", "tail_middle", "tail_end",
)  # fmt: skip
PART = {name: place for place, name in enumerate(PART_NAMES)}

_TRUNK_CENTER = -0.05
BELLY_RADIUS = 0.80  # of the trunk's half height
_EYE_RADIUS = 0.28  # of the skull's radius
_EAR_HALF_THICKNESS = 0.0145  # at the tip: thinner does not fit into a triplane of 64 texels


class _Skeleton:
    """Collects the primitives of a batch by name."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        self.rows: dict[str, tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]] = {}

    def vector(self, x: Tensor | float, y: Tensor | float, z: Tensor | float) -> Tensor:
        return torch.stack([self.scalar(x), self.scalar(y), self.scalar(z)], dim=-1)

    def scalar(self, value: Tensor | float) -> Tensor:
        return value if isinstance(value, Tensor) else torch.full_like(self.like, value)

    def add(
        self,
        name: str,
        start: Tensor,
        end: Tensor,
        radii: tuple[Tensor | float, Tensor | float],
        flat: tuple[Tensor | float, Tensor] | None = None,
    ) -> None:
        """``flat``: by how much, and along which axis perpendicular to the part."""
        flatness, flat_axis = (1.0, None) if flat is None else flat
        self.rows[name] = (
            start, end, self.scalar(radii[0]), self.scalar(radii[1]), self.scalar(flatness), flat_axis,
        )  # fmt: skip

    def parts(self) -> Parts:
        start, end, start_radius, end_radius, flatness = (
            torch.stack([self.rows[name][column] for name in PART_NAMES], dim=1)  # type: ignore[misc]
            for column in range(5)
        )
        segment = end - start
        unit = segment / segment.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        axes = []
        for place, name in enumerate(PART_NAMES):
            given = self.rows[name][5]
            axes.append(perpendicular(unit[:, place].detach()) if given is None else given)
        return Parts(start, end, start_radius, end_radius, flatness, torch.stack(axes, dim=1))


def assemble(p: dict[str, Tensor]) -> Parts:
    """The posed primitives of animals, in the order of ``PART_NAMES``."""
    skeleton = _Skeleton(p["body_length"])
    _add_trunk(skeleton, p)
    _add_legs(skeleton, p)
    _add_head(skeleton, p)
    _add_tail(skeleton, p)
    return skeleton.parts()


def _trunk_sizes(p: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Radii of chest and rump."""
    root = p["chest_ratio"].sqrt()
    return p["body_height"] * root, p["body_height"] / root


def _add_trunk(s: _Skeleton, p: dict[str, Tensor]) -> None:
    half, height = p["body_length"], p["body_height"]
    chest, rump = _trunk_sizes(p)
    flat = 1.0 / p["body_width"], s.vector(1.0, 0.0, 0.0)
    front, back = _TRUNK_CENTER + half, _TRUNK_CENTER - half
    s.add("torso", s.vector(0.0, 0.0, back), s.vector(0.0, 0.0, front), (rump * 0.90, chest * 0.90), flat)
    s.add(
        "chest", s.vector(0.0, -0.008, front - 0.02), s.vector(0.0, 0.008, front + 0.01), (chest, chest * 0.9), flat
    )  # fmt: skip
    s.add("rump", s.vector(0.0, 0.0, back - 0.005), s.vector(0.0, 0.0, back + 0.02), (rump * 0.95, rump), flat)
    y, middle = -0.1 * height - p["belly_sag"], _TRUNK_CENTER
    s.add(
        "belly", s.vector(0.0, y, middle - 0.55 * half), s.vector(0.0, y, middle + 0.45 * half),
        (height * BELLY_RADIUS, height * BELLY_RADIUS), flat,
    )  # fmt: skip


def _add_legs(s: _Skeleton, p: dict[str, Tensor]) -> None:
    thick, length = p["leg_thickness"], p["leg_length"]
    foot = thick * p["foot_size"]
    # Feet of a pair must not touch, whatever the width of the trunk.
    x = 0.014 + foot + 0.32 * p["body_height"] * p["body_width"]
    for name, z, stance, bend in (
        ("front", _TRUNK_CENTER + p["body_length"], p["front_stance"], 0.012),
        ("hind", _TRUNK_CENTER - p["body_length"], p["hind_stance"], -0.045),
    ):
        is_hind = name == "hind"
        ground = z + stance.sin() * length - (0.015 if is_hind else 0.0)
        hip_y, knee_share = -0.02, 0.45 if is_hind else 0.5
        hip = s.vector(x * 0.72, hip_y, z)
        # The hind knee points forwards and its hock backwards; the front leg is nearly straight.
        knee = s.vector(
            x, hip_y - knee_share * length, z + knee_share * stance.sin() * length + (0.018 if is_hind else -0.006)
        )
        hock = s.vector(x, hip_y - length + 0.25 * foot, ground + bend * 0.35)
        sole = s.vector(x, hip_y - length, ground + foot * 0.1)
        toe = s.vector(x, hip_y - length, ground + foot * 0.6)
        s.add(f"{name}_upper", hip, knee, (thick * (2.2 if is_hind else 1.75), thick * 1.15))
        s.add(f"{name}_lower", knee, hock, (thick * 1.12, thick))
        s.add(f"{name}_foot", sole, toe, (foot, foot * 0.95))


def _add_head(s: _Skeleton, p: dict[str, Tensor]) -> None:
    chest, _ = _trunk_sizes(p)
    root = s.vector(0.0, 0.35 * chest, _TRUNK_CENTER + p["body_length"] + 0.05 * chest)
    rise = s.vector(0.0, p["neck_pitch"].sin(), p["neck_pitch"].cos())
    center = root + rise * (p["neck_length"] + 0.35 * chest)[:, None]
    s.add("neck", root, center, (p["neck_thickness"] * 1.45, p["neck_thickness"]))
    skull = p["head_size"]
    r = skull[:, None]
    forward = s.vector(0.0, -0.12, 0.30)
    s.add("skull", center, center + forward * r, (skull, skull * 0.9))

    droop = s.vector(0.0, -p["snout_droop"].sin(), p["snout_droop"].cos())
    mouth = center + s.vector(0.0, -0.30, 0.45) * r
    tip = mouth + droop * (p["snout_length"] + 0.35 * skull)[:, None]
    thick = p["snout_thickness"]
    s.add("snout", mouth, tip, (thick * 0.6 + 0.35 * skull, thick))
    above = s.vector(0.0, p["snout_droop"].cos(), p["snout_droop"].sin())
    nose = tip + (droop * 0.55 + above * 0.55) * thick[:, None]
    aside = s.vector(0.010, 0.0, 0.0)
    s.add("nose", nose, nose + aside, (0.021, 0.021))

    look = s.vector(0.62, 0.36, 0.70)
    eye = center + forward * (0.5 * r) + look * r * 0.82
    s.add("eye", eye, eye + s.vector(0.0, 0.001, 0.0), (skull * _EYE_RADIUS, skull * _EYE_RADIUS))
    _add_ear(s, p, center)


def _add_ear(s: _Skeleton, p: dict[str, Tensor], center: Tensor) -> None:
    splay, r = p["ear_splay"], p["head_size"][:, None]
    up = s.vector(splay.sin() * 0.97, splay.cos() * 0.97, -0.243)
    up = up / up.norm(dim=-1, keepdim=True)
    # The flat side of the ear looks forwards and a little outwards.
    facing = s.vector(0.55, 0.0, 1.0)
    facing = facing - up * (facing * up).sum(-1, keepdim=True)
    facing = facing / facing.norm(dim=-1, keepdim=True)
    rest = 0.62 + 0.25 * splay.sin()
    root = center + torch.cat([0.62 * rest[:, None], 0.72 - 0.22 * splay.sin()[:, None], 0.0 * r - 0.12], dim=-1) * r
    tip = root + up * p["ear_length"][:, None]
    tip_radius = 0.030
    s.add("ear", root, tip, (p["ear_width"], tip_radius), (tip_radius / _EAR_HALF_THICKNESS, facing))


def _add_tail(s: _Skeleton, p: dict[str, Tensor]) -> None:
    _, rump = _trunk_sizes(p)
    length, pitch, thick = p["tail_length"], p["tail_pitch"], p["tail_thickness"]
    place = s.vector(0.0, 0.45 * rump, _TRUNK_CENTER - p["body_length"] - 0.55 * rump)
    names, radii = ("tail_root", "tail_middle", "tail_end"), (0.95, 1.0, 1.05, 0.95)
    for number, name in enumerate(names):
        # It leaves the body backwards and bends on to its final direction.
        angle = pitch * (0.45 + 0.35 * number)
        size = length / 3.0 + (0.25 * rump if number == 0 else 0.0)
        step = s.vector(0.0, angle.sin(), -angle.cos()) * size[:, None]
        s.add(name, place, place + step, (thick * radii[number], thick * radii[number + 1]))
        place = place + step
