"""How much faster marching tetrahedra is with static edge tables than with torch.unique over edges at each call."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from drag3d.bench.measuring import finish
from drag3d.bench.textbook_marching import textbook_marching_tetrahedra
from get3d_models.marching import marching_tetrahedra
from get3d_models.tetgrid import TetGrid, grid

Surface = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def bench_marching(resolution: int = 90, repeats: int = 5, device: str = "cpu") -> dict[str, Any]:
    """Forward and backward of both ways on one deformed ellipsoid that fills about a tenth of an A15 grid.

    Returns the sizes and, for one thread ("single") and torch's own number of threads ("default"), the median seconds
    of wall and process CPU time of "ours" and "textbook" and their "ratio" (textbook / ours). The two ways alternate
    within the run, after one warm-up each, so that other load on the machine meets both.
    """
    tets = grid("a15", resolution).to(device)
    sdf, vertices = deformed_ellipsoid(tets)
    ways: dict[str, Surface] = {
        "ours": lambda s, v: marching_tetrahedra(tets, s, v),
        "textbook": lambda s, v: textbook_marching_tetrahedra(tets.tets, s, v),
    }
    mesh, faces = ways["ours"](sdf, vertices)
    sizes = {"grid_vertices": len(tets.vertices), "tets": len(tets.tets), "vertices": len(mesh), "faces": len(faces)}
    report: dict[str, Any] = {"resolution": resolution, "repeats": repeats, **sizes}
    report["occupied"] = float((sdf > 0).float().mean())
    threads = torch.get_num_threads()
    try:
        for name, count in (("single", 1), ("default", threads)):
            torch.set_num_threads(count)
            report[name] = {"threads": count, **_compare(ways, sdf, vertices, repeats)}
    finally:
        torch.set_num_threads(threads)
    return report


def deformed_ellipsoid(tets: TetGrid) -> tuple[Tensor, Tensor]:
    """A wavy ellipsoid as sdf (V,) and a smooth deformation of the grid's vertices (V, 3), of at most half a unit."""
    x = tets.vertices / tets.scale
    radii = torch.tensor([0.36, 0.27, 0.24]).to(x)
    waves = 0.08 * torch.sin(17 * x).prod(dim=1) + 0.05 * torch.sin(9 * x[:, 0] + 4 * x[:, 1])
    sdf = 1 - (x / radii).norm(dim=1) + waves
    shift = torch.sin(11 * x[:, [1, 2, 0]]) * (0.5 * tets.scale / (tets.resolution or 1))
    return sdf, tets.vertices + shift


def _compare(ways: dict[str, Surface], sdf: Tensor, vertices: Tensor, repeats: int) -> dict[str, Any]:
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, surface in ways.items():
            measured = _forward_and_backward(surface, sdf, vertices)
            if turn:
                seconds[name].append(measured)
    result: dict[str, Any] = {}
    for clock, kind in enumerate(("wall", "cpu")):
        medians = {name: statistics.median(pair[clock] for pair in pairs) for name, pairs in seconds.items()}
        result[kind] = {**medians, "ratio": medians["textbook"] / medians["ours"]}
    return result


def _forward_and_backward(surface: Surface, sdf: Tensor, vertices: Tensor) -> tuple[float, float]:
    """Wall and CPU seconds of one surface and the gradient of a weighted sum of its vertices to both inputs."""
    sdf, vertices = sdf.clone().requires_grad_(), vertices.clone().requires_grad_()
    weights = torch.linspace(-1, 1, 3).to(sdf)
    finish(sdf.device)
    wall, cpu = time.perf_counter(), time.process_time()
    mesh, _ = surface(sdf, vertices)
    (mesh * weights).sum().backward()
    finish(sdf.device)
    return time.perf_counter() - wall, time.process_time() - cpu
