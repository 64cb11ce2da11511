"""What a mesh costs while a drag goes on: the surface found again near the last one, against a full extraction."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from drag3d.bench.drag_step import random_generator
from drag3d.bench.measuring import measure, medians, running_threads
from get3d_models.config import GeneratorConfig
from get3d_models.refresh import SurfaceRefresh

CHANGE = 0.01
"""Of the latents between two meshes, in their own length"""


def bench_refresh(
    repeats: int = 5, threads: int = 2, config: GeneratorConfig | None = None, device: str = "cpu"
) -> dict[str, Any]:
    """Seconds and memory of a mesh after latents have changed a little, at the released size unless told otherwise.

    "textbook" computes everything anew, "ours" what lies near the last surface; both make planes, field and mesh.
    They take turns within one run. "same" tells whether all meshes of both ways were equal, vertex by vertex,
    "difference" by how much vertices of the last ones differ (None where there are not as many of them), "in_box"
    whether ours never had to start anew.
    """
    generator, latents, _ = random_generator(config or GeneratorConfig(), device=device)
    surface, textbook = SurfaceRefresh(generator), SurfaceRefresh(generator)
    random = torch.Generator().manual_seed(2)
    step = torch.randn(latents.shape, generator=random).to(latents)
    step *= CHANGE * latents.norm() / step.norm()
    ways: dict[str, list[tuple[float, float, int | None]]] = {"textbook": [], "ours": []}
    same, in_box = True, True
    with running_threads(threads):
        surface(latents), textbook(latents)
        for number in range(1, repeats + 1):
            meshes: list[tuple[Tensor, Tensor]] = []
            for name, refresh in (("textbook", textbook), ("ours", surface)):
                run = partial(_extract, refresh, latents + number * step, name == "textbook", meshes)
                ways[name].append(measure(run, generator.device))
            same &= all(torch.equal(a, b) for a, b in zip(*meshes, strict=True))
            in_box &= not surface.was_full
    report: dict[str, Any] = {name: medians(values) for name, values in ways.items()}
    base, row = report["textbook"], report["ours"]
    (expected, faces), (vertices, _) = meshes
    difference = float((vertices - expected).abs().max()) if len(vertices) == len(expected) else None
    return {
        "repeats": repeats, "threads": threads, "mesh_vertices": len(vertices), "mesh_faces": len(faces),
        "same": same, "difference": difference, "in_box": in_box, **report,
        "ratio": {key: base[key] / row[key] if row[key] else None for key in base},
    }  # fmt: skip


def _extract(refresh: SurfaceRefresh, rows: Tensor, full: bool, into: list[tuple[Tensor, Tensor]]) -> None:
    into.append(refresh(rows, full=full))
