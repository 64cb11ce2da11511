"""Judging an edit of a shape by the teacher and by the surfaces before and after; no tracker has a say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from drag3d.evaluation.yardstick import Verdict
from get3d_models.keypoints import keypoint_names
from get3d_models.mesh import components, is_watertight
from get3d_models.shape import Shape
from get3d_models.training import quadruped as teacher
from get3d_models.training.refit import refit

REACHED = 0.03
"""A keypoint this near to the target, in diagonals, has been dragged there."""
REGION = 0.25
"""What is farther than this from handle and target, in diagonals, should not have changed."""
NEIGHBOURS = 12
LARGEST_SAMPLE = 6000


@dataclass(frozen=True)
class Baseline:
    """The unedited shape in the judge's eyes."""

    shape: Shape
    parameters: Tensor
    """(1, P) the teacher's, re-fitted"""
    error: float
    """How far the re-fitted keypoint is from the teacher's own, in diagonals: what the judge cannot know better"""


@dataclass(frozen=True)
class ShapeVerdict(Verdict):
    """One edit; lengths in diagonals of the unedited shape, changes too: distances between the surfaces."""

    components: int
    watertight: bool


def judge_unedited(shape: Shape, seed: int, keypoint: str) -> Baseline:
    """What the judge makes of the sample of ``seed`` before it is edited."""
    code = shape.generator.code(seed, "geometry").cpu()
    true = teacher.parameters_from_latent(code, teacher.SHAPE_PARAMETERS)
    found, _ = refit(shape, true)
    number = keypoint_names(shape.generator).index(keypoint)
    apart = teacher.keypoints(found)[0, number] - teacher.keypoints(true)[0, number]
    return Baseline(shape, found, float(apart.norm()) / shape.diagonal)


def judge(baseline: Baseline, edited: Shape, keypoint: str, handle: Tensor, target: Tensor) -> ShapeVerdict:
    """The verdict on an edit that dragged ``keypoint`` from ``handle (3,)`` to ``target (3,)``, world units."""
    diagonal = baseline.shape.diagonal
    handle, target = handle.detach().cpu(), target.detach().cpu()
    number = keypoint_names(edited.generator).index(keypoint)
    found, error = refit(edited, baseline.parameters, (number, target))
    before, after = (teacher.keypoints(p)[0, number] for p in (baseline.parameters, found))
    off = off_region_change(baseline.shape, edited, torch.stack([handle, target]), REGION * diagonal) / diagonal
    return ShapeVerdict(
        keypoint_distance=float((after - target).norm()) / diagonal,
        keypoint_moved=float((after - before).norm()) / diagonal,
        fit_error=error / diagonal,
        off_region_mean=float(off.mean()) if len(off) else 0.0,
        off_region_p95=float(np.quantile(off, 0.95)) if len(off) else 0.0,
        components=components(edited.vertices, edited.faces),
        watertight=is_watertight(edited.faces),
    )


def off_region_change(original: Shape, edited: Shape, centers: Tensor, radius: float) -> NDArray[np.float64]:
    """Distances to the edited surface from points of the original one that lie beyond ``radius`` of all ``centers``."""
    import trimesh

    mesh = trimesh.Trimesh(original.vertices.cpu().numpy(), original.faces.cpu().numpy(), process=False)
    points, _ = trimesh.sample.sample_surface(mesh, LARGEST_SAMPLE, seed=0)
    away = np.linalg.norm(points[:, None] - centers.numpy()[None], axis=2).min(axis=1) > radius
    return surface_distances(points[away], edited)


def surface_distances(points: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
    """Distances ``(N,)`` of points ``(N, 3)`` to a surface: to the nearest of the triangles with the nearest centres.

    Exact where triangles are of one size, as marched ones nearly are; distances to sampled points would have the
    samples' spacing as a floor, which is larger than what good edits leave off their region.
    """
    import trimesh

    corners = shape.vertices.cpu().numpy().astype(np.float64)[shape.faces.cpu().numpy()]
    if len(points) == 0 or len(corners) == 0:
        return np.full(len(points), np.inf)
    count = min(NEIGHBOURS, len(corners))
    _, near = cKDTree(corners.mean(axis=1)).query(points, k=count)
    near = near.reshape(-1)
    repeated = np.repeat(points, count, axis=0)
    # A triangle without area has no closest point by projection; its corners stand in for it.
    with np.errstate(divide="ignore", invalid="ignore"):
        closest = trimesh.triangles.closest_point(corners[near], repeated)
    distance = np.linalg.norm(closest - repeated, axis=1)
    to_corners = np.linalg.norm(corners[near] - repeated[:, None], axis=2).min(axis=1)
    distance = np.where(np.isfinite(distance), np.minimum(distance, to_corners), to_corners)
    return distance.reshape(len(points), count).min(axis=1)
