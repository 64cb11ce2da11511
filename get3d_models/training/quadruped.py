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

import torch
from torch import Tensor

from get3d_models.training.parameters import Parameter, by_name, parameters_from_latent
from get3d_models.training.quadruped_colors import paint
from get3d_models.training.quadruped_pose import PART, PART_NAMES, assemble
from get3d_models.training.tapered_capsules import (
    Parts,
    SurfaceShares,
    part_distances,
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

KEYPOINTS: tuple[str, ...] = (
    "snout", "head_top", "left_ear", "right_ear",
    "left_front_foot", "right_front_foot", "left_hind_foot", "right_hind_foot",
    "tail", "chest", "rump", "back", "belly",
)  # fmt: skip

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


def pose(shape_parameters: Tensor) -> Parts:
    """The posed primitives of animals with ``shape_parameters`` (N, P), in the order of ``PART_NAMES``."""
    return assemble(by_name(shape_parameters, SHAPE_PARAMETERS))


def signed_distance(parts: Parts, points: Tensor) -> Tensor:
    """Signed distance (N, M) of ``points`` (N, M, 3), POSITIVE inside, metric to first order near the surface."""
    return -union_distance(parts, points)[0]


def colors(parts: Parts, texture_parameters: Tensor, points: Tensor) -> Tensor:
    """Colour (N, M, 3), RGB in [0, 1], at ``points`` (N, M, 3) for ``texture_parameters`` (N, T)."""
    return paint(parts, by_name(texture_parameters, TEXTURE_PARAMETERS), points, part_distances(parts, points))


def signed_distance_and_colors(parts: Parts, texture_parameters: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """``signed_distance`` and ``colors`` together, for the price of one set of part distances."""
    distance, _, distances = union_distance(parts, points)
    return -distance, paint(parts, by_name(texture_parameters, TEXTURE_PARAMETERS), points, distances)


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
        place = PART[name]
        a, b = parts.start[:, place], parts.end[:, place]
        out = (b - a) / (b - a).norm(dim=-1, keepdim=True) if direction is None else direction.expand_as(a)
        radius = (parts.end_radius if end else parts.start_radius)[:, place, None]
        return (b if end else a) + out * radius

    def towards(x: float, y: float, z: float) -> Tensor:
        unit = parts.start.new_tensor([x, y, z])
        return unit / unit.norm()

    snout, nose = PART["snout"], PART["nose"]
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
    place = PART[name]
    radius = 0.5 * (parts.start_radius[:, place] + parts.end_radius[:, place])
    zero = torch.zeros_like(radius)
    return 0.5 * (parts.start[:, place] + parts.end[:, place]) + torch.stack([zero, up * radius, zero], dim=-1)
