"""How well a trained generator matches its teacher, on latents it was not trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from get3d_models.errors import InputError
from get3d_models.generator import Generator, Latents
from get3d_models.mesh import components, is_watertight
from get3d_models.training import quadruped as teacher
from get3d_models.training.quadruped_lesson import DISTANCE_SCALE

HELD_OUT_SEED = 20_260_000_001
VOLUME_RESOLUTION = 96
SURFACE_POINTS = 4096


@dataclass(frozen=True)
class ShapeFigures:
    """One held-out shape against the teacher's."""

    overlap: float
    """Volumetric intersection over union of where the two signed fields are positive."""
    color_error: float
    """Mean absolute error of RGB in [0, 1], over channels and points of the generated surface."""
    distance_error: float
    """Mean of |teacher's distance| at the generated vertices, world units."""
    components: int
    watertight: bool
    deformation: float
    """Largest offset of a grid vertex, world units."""
    keypoint_distances: tuple[float, ...]
    """From the teacher's keypoints to the generated surface, by its field, world units: are thin parts there?"""


def held_out_latents(shapes: int, z_dim: int) -> tuple[Tensor, Tensor]:
    """Codes for geometry and texture ``(N, z_dim)`` each, of seeds that training never draws."""
    random = torch.Generator().manual_seed(HELD_OUT_SEED)
    z = torch.randn(2, shapes, z_dim, generator=random)
    return z[0], z[1]


def volume_points(resolution: int = VOLUME_RESOLUTION) -> Tensor:
    """Centres of a regular grid of cells that fills the box, ``(resolution^3, 3)``."""
    steps = (torch.arange(resolution) + 0.5) / resolution - 0.5
    return torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), dim=-1).reshape(-1, 3)


def occupancy(generator: Generator, planes: Tensor, ws: Tensor, points: Tensor) -> Tensor:
    """Where one shape's field is positive, ``(N,) bool``."""
    with torch.no_grad():
        parts = (generator.features(planes, p[None]) for p in points.split(1 << 17))
        return torch.cat([generator.signed_distance(features, ws)[0] > 0 for features in parts])


def measure_shape(generator: Generator, z_geometry: Tensor, z_texture: Tensor, points: Tensor) -> ShapeFigures:
    """Figures of one latent pair ``(1, z_dim)`` each."""
    with torch.no_grad():
        ws_geometry, ws_texture = generator.map_geometry(z_geometry), generator.map_texture(z_texture)
        shape = generator.shape(Latents(ws_geometry[0], ws_texture[0]))
        parts = teacher.pose(teacher.parameters_from_latent(z_geometry, teacher.SHAPE_PARAMETERS))
        texture = teacher.parameters_from_latent(z_texture, teacher.TEXTURE_PARAMETERS)
        ours = occupancy(generator, shape.planes.geometry, ws_geometry, points)
        theirs = torch.cat([teacher.signed_distance(parts, p[None])[0] > 0 for p in points.split(1 << 16)])
        overlap = float((ours & theirs).sum() / (ours | theirs).sum().clamp_min(1))
        if len(shape.vertices) == 0:
            return ShapeFigures(overlap, 1.0, 1.0, 0, False, 0.0, (1.0,) * len(teacher.KEYPOINTS))
        chosen = torch.linspace(0, len(shape.vertices) - 1, min(SURFACE_POINTS, len(shape.vertices))).long()
        surface = shape.vertices[chosen]
        distance, color = teacher.signed_distance_and_colors(parts, texture, surface[None])
        color_error = float((shape.colors(surface) - color[0]).abs().mean())
        features = generator.features(shape.planes.geometry, generator.grid.vertices[None])
        deformation = float(generator.deformation(features, ws_geometry).abs().max())
        places = teacher.keypoints(teacher.parameters_from_latent(z_geometry, teacher.SHAPE_PARAMETERS))[0]
        keypoint_distances = shape.signed_distance(places).abs() / DISTANCE_SCALE
    return ShapeFigures(
        overlap, color_error, float(distance.abs().mean()),
        components(shape.vertices, shape.faces), is_watertight(shape.faces), deformation,
        tuple(round(d, 5) for d in keypoint_distances.tolist()),
    )  # fmt: skip


def measure_generator(generator: Generator, shapes: int = 64, quiet: bool = False) -> dict[str, object]:
    """Figures over held-out latents: means, worst cases and how many are whole.

    Raises InputError for a generator whose latents are not the teacher's.
    """
    if generator.config.z_dim != teacher.LATENT_SIZE:
        raise InputError(
            f"model {generator.name!r} has latents of {generator.config.z_dim} numbers, its teacher of "
            f"{teacher.LATENT_SIZE}; only models trained on the quadruped can be measured"
        )
    z_geometry, z_texture = held_out_latents(shapes, generator.config.z_dim)
    points = volume_points()
    results = [
        measure_shape(generator, z_geometry[i : i + 1], z_texture[i : i + 1], points)
        for i in tqdm(range(shapes), disable=quiet, desc="measuring", unit="shape")
    ]
    overlaps = np.array([r.overlap for r in results])
    at_keypoints = np.mean([r.keypoint_distances for r in results], axis=0)
    return {
        "shapes": shapes,
        "overlap_mean": round(float(overlaps.mean()), 4),
        "overlap_worst": round(float(overlaps.min()), 4),
        "color_error_mean": round(float(np.mean([r.color_error for r in results])), 4),
        "color_error_worst": round(float(np.max([r.color_error for r in results])), 4),
        "distance_error_mean": round(float(np.mean([r.distance_error for r in results])), 5),
        "one_component": sum(r.components == 1 for r in results),
        "watertight": sum(r.watertight for r in results),
        "largest_deformation": round(float(np.max([r.deformation for r in results])), 5),
        "keypoint_distance_mean": dict(zip(teacher.KEYPOINTS, at_keypoints.round(5).tolist(), strict=True)),
        "each": [asdict(r) for r in results],
    }
