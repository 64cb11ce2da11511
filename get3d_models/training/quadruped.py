"""The teacher of the model ``quadruped``: a friendly four-legged animal, from parameters to distance and colour.

Frame: a box [-0.5, 0.5]^3, y up, the head towards +z, the animal's left towards +x; every shape is symmetric in x and
stays within |coordinate| <= 0.45. The middle of the trunk stays at (0, 0, -0.05) whatever the parameters, legs lengthen
downwards and the neck upwards, so that each parameter acts locally. Distances follow GET3D's convention: positive
inside.

Everything is batched, differentiable in the parameters and the points, deterministic given a generator, and
float32. Shape parameters come from the geometry latent, texture parameters from the texture latent; colours take their
hues from the latter and their places from the former.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from get3d_models.training.tapered_capsules import (
    Parts,
    SurfaceShares,
    part_distances,
    perpendicular,
    sample_surfaces,
    union_distance,
)

__all__ = [
    "KEYPOINTS",
    "LATENT_SIZE",
    "PART_NAMES",
    "SHAPE_PARAMETERS",
    "TEXTURE_PARAMETERS",
    "Parameter",
    "Parts",
    "colors",
    "keypoints",
    "parameters_from_latent",
    "pose",
    "sample_near_surface",
    "signed_distance",
    "signed_distance_and_colors",
]

LATENT_SIZE = 32


@dataclass(frozen=True)
class Parameter:
    """A named number the animal depends on, uniform in [low, high]. Lengths in units of the box, angles in radians."""

    name: str
    low: float
    high: float
    description: str


SHAPE_PARAMETERS: tuple[Parameter, ...] = (
    Parameter("body_length", 0.085, 0.145, "half the distance between the middles of rump and chest"),
    Parameter("body_height", 0.072, 0.108, "half the height of the trunk"),
    Parameter("body_width", 0.66, 0.95, "width of the trunk over its height"),
    Parameter("chest_ratio", 0.80, 1.25, "size of the chest over the size of the rump"),
    Parameter("belly_sag", 0.0, 0.045, "how far the belly hangs below the trunk"),
    Parameter("leg_length", 0.19, 0.365, "from the hip to the middle of the foot, downwards"),
    Parameter("leg_thickness", 0.022, 0.036, "radius of the lower leg"),
    Parameter("front_stance", -0.08, 0.28, "swing of the front legs, positive forwards"),
    Parameter("hind_stance", -0.28, 0.08, "swing of the hind legs, positive forwards"),
    Parameter("foot_size", 1.12, 1.5, "radius of the foot over that of the lower leg"),
    Parameter("neck_length", 0.06, 0.165, "from the chest to the middle of the head"),
    Parameter("neck_pitch", 0.85, 1.4, "angle of the neck above the horizontal"),
    Parameter("neck_thickness", 0.036, 0.058, "radius of the neck below the head"),
    Parameter("head_size", 0.062, 0.084, "radius of the skull"),
    Parameter("snout_length", 0.030, 0.092, "how far the snout reaches out of the skull"),
    Parameter("snout_droop", 0.05, 0.65, "angle of the snout below the horizontal"),
    Parameter("snout_thickness", 0.026, 0.042, "radius of the snout at the nose"),
    Parameter("ear_length", 0.045, 0.115, "from the root of an ear to the middle of its round tip"),
    Parameter("ear_splay", 0.15, 1.30, "angle of the ears from upright to sideways"),
    Parameter("ear_width", 0.038, 0.056, "half the width of an ear at its root"),
    Parameter("tail_length", 0.075, 0.185, "length of the tail along its bend"),
    Parameter("tail_pitch", -1.05, 1.05, "angle of the tail, from hanging to upright"),
    Parameter("tail_thickness", 0.021, 0.036, "radius of the tail in its middle"),
)

TEXTURE_PARAMETERS: tuple[Parameter, ...] = (
    Parameter("coat_warmth", 0.0, 1.0, "coat from cream or grey towards rust or dark brown"),
    Parameter("coat_depth", 0.0, 1.0, "coat from cream or rust towards grey or dark brown"),
    Parameter("coat_brightness", 0.8, 1.15, "factor on the coat's colour"),
    Parameter("belly_lightness", 0.0, 1.0, "belly from the coat's colour to near white"),
    Parameter("belly_line", -0.55, 0.25, "height where the belly's colour begins, in half heights of the trunk"),
    Parameter("sock_tone", 0.0, 1.0, "socks from near black over the coat's colour to white"),
    Parameter("sock_height", 0.12, 0.62, "height of the socks, in lengths of the leg"),
    Parameter("nose_tone", 0.0, 1.0, "nose from near black to brown pink"),
    Parameter("muzzle_tone", 0.0, 1.0, "muzzle from dark over the coat's colour to white"),
    Parameter("muzzle_extent", 0.03, 0.11, "how far the muzzle's colour reaches from the nose"),
    Parameter("ear_inner", 0.0, 1.0, "inner ear from dark to pale pink"),
    Parameter("ear_tip", 0.0, 1.0, "tips of the ears from the coat's colour to near black"),
    Parameter("tail_tip_tone", 0.0, 1.0, "tip of the tail from near black over the coat's colour to white"),
    Parameter("tail_tip_extent", 0.03, 0.10, "how far the colour of the tail's tip reaches"),
    Parameter("stripe", 0.0, 0.75, "darkness of the stripe along the back"),
)

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
_PART = {name: place for place, name in enumerate(PART_NAMES)}
_TRUNK, _NECK, _HEAD = slice(0, 4), slice(4, 5), slice(5, 8)
_EAR, _LEGS, _TAIL = slice(9, 10), slice(10, 16), slice(16, 19)

KEYPOINTS: tuple[str, ...] = (
    "snout", "head_top", "left_ear", "right_ear",
    "left_front_foot", "right_front_foot", "left_hind_foot", "right_hind_foot",
    "tail", "chest", "rump", "back", "belly",
)  # fmt: skip

_TRUNK_CENTER = -0.05
_BELLY_RADIUS = 0.80  # of the trunk's half height
_EYE_RADIUS = 0.28  # of the skull's radius
_EAR_HALF_THICKNESS = 0.0145  # at the tip: thinner does not fit into a triplane of 64 texels
_MEMBERSHIP_SOFTNESS = 0.012


def parameters_from_latent(z: Tensor, parameters: tuple[Parameter, ...]) -> Tensor:
    """Parameters (N, P) of latents ``z`` (N, LATENT_SIZE): low + (high - low) Phi(z / rms(z)), one latent entry each.

    Phi is the normal distribution function, so parameters of normal latents are uniform. Leftover entries are unused.
    """
    normalized = z * torch.rsqrt(z.square().mean(-1, keepdim=True) + 1e-8)
    low = z.new_tensor([p.low for p in parameters])
    high = z.new_tensor([p.high for p in parameters])
    return low + (high - low) * torch.special.ndtr(normalized[:, : len(parameters)])


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


def pose(shape_parameters: Tensor) -> Parts:
    """The posed primitives of animals with ``shape_parameters`` (N, P), in the order of ``PART_NAMES``."""
    p = {q.name: value for q, value in zip(SHAPE_PARAMETERS, shape_parameters.unbind(-1), strict=True)}
    skeleton = _Skeleton(shape_parameters[:, 0])
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
        (height * _BELLY_RADIUS, height * _BELLY_RADIUS), flat,
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


def signed_distance(parts: Parts, points: Tensor) -> Tensor:
    """Signed distance (N, M) of ``points`` (N, M, 3), POSITIVE inside, metric to first order near the surface."""
    return -union_distance(parts, points)[0]


def colors(parts: Parts, texture_parameters: Tensor, points: Tensor) -> Tensor:
    """Colour (N, M, 3), RGB in [0, 1], at ``points`` (N, M, 3) for ``texture_parameters`` (N, T)."""
    return _paint(parts, texture_parameters, points, part_distances(parts, points))


def signed_distance_and_colors(parts: Parts, texture_parameters: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """``signed_distance`` and ``colors`` together, for the price of one set of part distances."""
    distance, _, distances = union_distance(parts, points)
    return -distance, _paint(parts, texture_parameters, points, distances)


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


def _paint(parts: Parts, texture_parameters: Tensor, points: Tensor, distances: Tensor) -> Tensor:
    values = texture_parameters[:, None].unbind(-1)
    t = {q.name: value[..., None] for q, value in zip(TEXTURE_PARAMETERS, values, strict=True)}
    member = torch.softmax(distances * (-1.0 / _MEMBERSHIP_SOFTNESS), dim=1)

    def share(of: slice) -> Tensor:
        return member[:, of].sum(1)[..., None]

    def center(name: str, end: bool = False) -> Tensor:
        return (parts.end if end else parts.start)[:, None, _PART[name]]

    def near(place: Tensor, reach: Tensor | float, width: float = 0.015) -> Tensor:
        away = (points - place).square().sum(-1, keepdim=True).clamp_min(1e-8).sqrt()
        return torch.sigmoid((reach - away) / width)

    black, white = points.new_tensor(_BLACK), points.new_tensor(_WHITE)
    base = _coat(t)
    x, y = points[..., :1].abs(), points[..., 1:2]
    height = parts.start_radius[:, _PART["belly"], None, None] / _BELLY_RADIUS
    mirrored = torch.cat([x, points[..., 1:]], dim=-1)
    trunk, legs = share(_TRUNK) + share(_NECK), share(_LEGS)

    stripe = torch.exp(-(x / 0.035).square()) * torch.sigmoid((y - 0.6 * height) / 0.02) * (trunk + share(_TAIL))
    rgb = _mix(base.expand(-1, points.shape[1], -1), black, t["stripe"] * stripe)
    belly = torch.sigmoid((t["belly_line"] * height - y) / 0.016) * share(_TRUNK)
    rgb = _mix(rgb, white, 0.9 * t["belly_lightness"] * belly)

    floor = parts.start[:, None, _PART["front_foot"], 1:2]
    leg = parts.start[:, None, _PART["front_upper"], 1:2] - floor
    rgb = _mix(rgb, _tone(t["sock_tone"], base), torch.sigmoid((floor + t["sock_height"] * leg - y) / 0.012) * legs)
    sole = floor - 0.45 * parts.start_radius[:, _PART["front_foot"], None, None]
    rgb = _mix(rgb, black, 0.75 * torch.sigmoid((sole - y) / 0.008) * legs)

    tail = near(center("tail_end", end=True), t["tail_tip_extent"]) * share(_TAIL)
    rgb = _mix(rgb, _tone(t["tail_tip_tone"], base), tail)

    muzzle = near(center("nose"), t["muzzle_extent"]) * share(_HEAD)
    rgb = _mix(rgb, _tone(t["muzzle_tone"], base), 0.85 * muzzle)

    ear = share(_EAR)
    front = ((mirrored - center("ear")) * parts.flat_axis[:, None, _PART["ear"]]).sum(-1, keepdim=True)
    inner = _mix(black, points.new_tensor(_PINK), t["ear_inner"])
    rgb = _mix(rgb, inner, 0.85 * torch.sigmoid((front - 0.004) / 0.005) * ear)
    ear_tip = torch.sigmoid((0.035 - (mirrored - center("ear", end=True)).norm(dim=-1, keepdim=True)) / 0.012)
    rgb = _mix(rgb, black, 0.9 * t["ear_tip"] * ear_tip * ear)

    nose = torch.sigmoid((0.009 - distances[:, _PART["nose"], :, None]) / 0.004)
    rgb = _mix(rgb, _mix(black, points.new_tensor(_BROWN_PINK), t["nose_tone"]), nose)
    eye = torch.sigmoid((0.010 - distances[:, _PART["eye"], :, None]) / 0.003)
    return _mix(rgb, black * 0.6, eye).clamp(0.0, 1.0)


# How often each part is drawn, and which stretch of it lies free of its neighbours (-1 and 2 include the round caps).
_SAMPLING: dict[str, tuple[float, float, float]] = {
    "torso": (1.2, 0.1, 0.9), "chest": (0.8, 0.0, 2.0), "rump": (0.8, -1.0, 1.0), "belly": (1.0, 0.0, 1.0),
    "neck": (1.0, 0.25, 0.75),
    "skull": (1.4, -1.0, 1.2), "snout": (1.2, 0.35, 2.0), "nose": (0.8, -1.0, 2.0),
    "eye": (0.9, -1.0, 2.0),
    "ear": (2.4, 0.0, 2.0),
    "front_upper": (0.8, 0.35, 1.0), "front_lower": (1.3, 0.0, 1.0), "front_foot": (1.1, -1.0, 2.0),
    "hind_upper": (0.8, 0.35, 1.0), "hind_lower": (1.3, 0.0, 1.0), "hind_foot": (1.1, -1.0, 2.0),
    "tail_root": (0.6, 0.5, 1.0), "tail_middle": (0.8, 0.0, 1.0), "tail_end": (1.2, 0.0, 2.0),
}  # fmt: skip


def sample_near_surface(
    parts: Parts, count_per_shape: int, spread: float | Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Points (N, count_per_shape, 3) around every part's surface, half inside and half outside of that part.

    ``spread`` is the standard deviation of the isotropic noise, a number or a tensor broadcastable to
    (N, count_per_shape). ``generator`` must live on the device of ``parts``. Small parts get a fair share.
    """
    table = parts.start.new_tensor([_SAMPLING[name] for name in PART_NAMES])
    where = SurfaceShares(table[:, 0], table[:, 1:])
    return sample_surfaces(parts, where, count_per_shape, spread, generator)


def keypoints(shape_parameters: Tensor) -> Tensor:
    """Named surface points (N, len(KEYPOINTS), 3) of the animals, differentiable in ``shape_parameters`` (N, P).

    Each is the extreme point of its part, brought onto the smooth union's surface by a few Newton steps that
    count as constants in the derivative.
    """
    parts = pose(shape_parameters)
    places = _extremes(parts)
    with torch.no_grad():
        fixed, moved = parts.detach(), places.detach().clone()
        for _ in range(5):
            distance, outward, _ = union_distance(fixed, moved)
            moved = moved - distance[..., None] * outward
        correction = moved - places.detach()
    return places + correction


def _extremes(parts: Parts) -> Tensor:
    def tip(name: str, direction: Tensor | None = None, end: bool = True) -> Tensor:
        place = _PART[name]
        a, b = parts.start[:, place], parts.end[:, place]
        out = (b - a) / (b - a).norm(dim=-1, keepdim=True) if direction is None else direction.expand_as(a)
        radius = (parts.end_radius if end else parts.start_radius)[:, place, None]
        return (b if end else a) + out * radius

    def towards(x: float, y: float, z: float) -> Tensor:
        unit = parts.start.new_tensor([x, y, z])
        return unit / unit.norm()

    snout, nose = _PART["snout"], _PART["nose"]
    ahead = parts.end[:, snout] - parts.start[:, snout]
    ahead = ahead / ahead.norm(dim=-1, keepdim=True)
    nose_tip = parts.start[:, nose] + ahead * parts.start_radius[:, nose, None]
    on_plane, mirror = parts.start.new_tensor([0.0, 1.0, 1.0]), parts.start.new_tensor([-1.0, 1.0, 1.0])
    ear, front, hind = tip("ear"), tip("front_foot"), tip("hind_foot")
    points = [
        nose_tip * on_plane, tip("skull", towards(0, 1, 0), end=False), ear, ear * mirror,
        front, front * mirror, hind, hind * mirror,
        tip("tail_end"), tip("chest", towards(0, -0.35, 1)), tip("rump", towards(0, -0.2, -1), end=False),
        _middle(parts, "torso", 1.0), _middle(parts, "belly", -1.0),
    ]  # fmt: skip
    return torch.stack(points, dim=1)


def _middle(parts: Parts, name: str, up: float) -> Tensor:
    """The point above (or below) the middle of a part."""
    place = _PART[name]
    radius = 0.5 * (parts.start_radius[:, place] + parts.end_radius[:, place])
    zero = torch.zeros_like(radius)
    return 0.5 * (parts.start[:, place] + parts.end[:, place]) + torch.stack([zero, up * radius, zero], dim=-1)
