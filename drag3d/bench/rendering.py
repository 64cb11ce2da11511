"""What a picture and its gradient cost: our rasteriser against deodr, and how long a new process waits for its first.

The task is that of a drag in the picture: rasterise a closed mesh, interpolate four channels of its vertices, smooth
the silhouettes, compare with another picture, and take the gradient to positions and channels.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from drag3d.bench.deodr_way import DeodrRenderer
from drag3d.bench.measuring import running_threads
from drag3d.rendering import antialias, clip_points, get3d_cameras, interpolate, rasterize
from drag3d.rendering.camera import Camera, Size
from get3d_models.errors import InputError
from get3d_models.marching import marching_tetrahedra
from get3d_models.tetgrid import grid

CHANNELS = 4
RESOLUTION = 99
"""Of the grid in which the measured mesh is marched; that gives 40,000 triangles."""
Draw = Callable[[Tensor, Tensor], Tensor]
"""Vertices (V, 3) and channels (V, C) to an image (H, W, C)."""


def bench_rendering(
    size: int = 512, repeats: int = 5, resolution: int = RESOLUTION, starts: bool = True
) -> dict[str, Any]:
    """Forward and backward of a square picture of ``size`` pixels by "numba" and "torch", which are ours, and "deodr".

    For one thread of torch ("single") and torch's own number of threads ("default"), medians of the "wall" and "cpu"
    seconds of each way and the "ratio" deodr / numba; our kernels use two cores in both, where there are two. The ways
    take turns within the run, after one warm-up each, so that other load on the machine meets all of them. Without
    deodr its numbers are None, and "missing" says how to install it.
    "gradient_difference" is that of our two ways to the positions, relative to the largest entry. "start" holds the
    seconds that a new process waits for a small picture and its gradient beyond importing torch: "first", with nothing
    compiled yet, and "second".
    """
    vertices, faces = wavy_ball(resolution)
    random = torch.Generator().manual_seed(0)
    channels = torch.rand(len(vertices), CHANNELS, generator=random)
    wanted = torch.rand(size, size, CHANNELS, generator=random)
    camera = get3d_cameras()[4]
    ways = {name: _ours(camera, faces, (size, size), name) for name in ("numba", "torch")}
    missing = None
    try:
        deodr = DeodrRenderer(faces)
        ways["deodr"] = lambda v, c: deodr(camera, v, c, (size, size))
    except InputError as error:
        missing = str(error)
    gradients = {name: _picture_and_gradient(draw, vertices, channels, wanted) for name, draw in ways.items()}
    expected = gradients["torch"]
    report: dict[str, Any] = {
        "size": size,
        "faces": len(faces),
        "channels": CHANNELS,
        "repeats": repeats,
        "missing": missing,
        "gradient_difference": float((gradients["numba"] - expected).abs().max() / expected.abs().max()),
    }
    for kind, threads in (("single", 1), ("default", torch.get_num_threads())):
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        with running_threads(threads):
            for turn in range(repeats + 1):
                for name, draw in ways.items():
                    wall, cpu = time.perf_counter(), time.process_time()
                    _picture_and_gradient(draw, vertices, channels, wanted)
                    if turn:
                        seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
        report[kind] = {"threads": threads}
        for clock, label in enumerate(("wall", "cpu")):
            row = {name: statistics.median(pair[clock] for pair in pairs) for name, pairs in seconds.items()}
            ratio = row["deodr"] / row["numba"] if "deodr" in row else None
            report[kind][label] = {"deodr": None, **row, "ratio": ratio}
    report["start"] = seconds_to_start() if starts else None
    return report


def wavy_ball(resolution: int) -> tuple[Tensor, Tensor]:
    """A closed mesh, vertices (V, 3) and faces (F, 3), that covers two fifths of GET3D's pictures."""
    tets = grid("a15", resolution)
    x = tets.vertices
    waves = 0.1 * torch.sin(19 * x[:, 0]) * torch.sin(17 * x[:, 1]) * torch.cos(13 * x[:, 2])
    return marching_tetrahedra(tets, 0.4 - x.norm(dim=1) * (1 + waves))


def seconds_to_start(runs: int = 1) -> dict[str, float]:
    """Seconds until new processes have their first picture: "first" with an empty cache of kernels, "second" after it.

    The second is the median of ``runs`` processes.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        command = [sys.executable, "-c", FIRST_PICTURE]
        seconds = [
            float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
            for _ in range(1 + runs)
        ]
    return {"first": seconds[0], "second": statistics.median(seconds[1:])}


FIRST_PICTURE = """
import time, torch
torch.set_num_threads(1)
begin = time.perf_counter()
from drag3d.rendering import antialias, interpolate, rasterize
clip = torch.tensor([[-0.5, -0.5, 0, 1], [0.5, -0.5, 0, 1], [0, 0.5, 0, 1]], requires_grad=True)
faces = torch.tensor([[0, 1, 2]])
fragments = rasterize(clip, faces, (64, 64), "numba")
image = interpolate(torch.eye(3), faces, fragments, "numba")
antialias(image, clip, faces, fragments, backend="numba").square().sum().backward()
print(time.perf_counter() - begin)
"""


def _ours(camera: Camera, faces: Tensor, size: Size, backend: str) -> Draw:
    def draw(vertices: Tensor, channels: Tensor) -> Tensor:
        clip = clip_points(camera, vertices, size)
        fragments = rasterize(clip, faces, size, backend)
        return antialias(interpolate(channels, faces, fragments, backend), clip, faces, fragments, backend=backend)

    return draw


def _picture_and_gradient(draw: Draw, vertices: Tensor, channels: Tensor, wanted: Tensor) -> Tensor:
    """The gradient ``(V, 3)`` to the positions; that to the channels is computed too."""
    vertices, channels = vertices.clone().requires_grad_(), channels.clone().requires_grad_()
    torch.nn.functional.mse_loss(draw(vertices, channels), wanted).backward()
    assert vertices.grad is not None
    return vertices.grad
