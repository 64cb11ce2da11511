"""What a drag step on a GET3D generator costs: windows of the synthesis against the older editor's whole ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from drag3d.bench.measuring import measure, medians, running_threads
from drag3d.bench.textbook_step import TextbookDrag, TextbookResult
from drag3d.core import Drag, DragSettings, DragStep
from drag3d.core.methods.drag3d2023 import Drag3D2023
from drag3d.core.task import Task
from drag3d.subjects.surface import SurfaceSubject
from get3d_models.config import GeneratorConfig
from get3d_models.devices import full_precision
from get3d_models.generator import Generator, Latents
from get3d_models.mesh import vertex_normals
from get3d_models.refresh import SurfaceRefresh
from get3d_models.triplanes import LocalPlanes

OCCUPIED = 0.1


@dataclass
class _Windows:
    """All of a subject that the older editor's method asks for: windows of the geometry planes, and no mesh."""

    generator: Generator
    start: Tensor
    planes: LocalPlanes | None = None

    def __post_init__(self) -> None:
        self.groups = torch.zeros(len(self.start), dtype=torch.long, device=self.start.device)
        self.plane_resolution = self.generator.config.resolution

    def field(self, latents: Tensor, centers: Tensor, radius: float) -> _Windows:
        """The same with one synthesis."""
        planes = self.generator.local_triplanes(latents[None], centers, radius).geometry
        return _Windows(self.generator, self.start, planes)

    def features(self, points: Tensor) -> Tensor:
        """Features ``(M, C)`` at world points ``(M, 3)`` in the windows."""
        assert self.planes is not None
        return self.generator.features(self.planes, points[None])[0]


class WindowedDrag:
    """The textbook's drag, step by step the same numbers, with one windowed synthesis of geometry for each.

    It is the method ``drag3d-2023`` of the editor, here without a surface. The features in which the handles are
    looked for after a step are those that supervise the next one, so tracking waits for that synthesis:
    :attr:`handles` follow one call later than the textbook's.
    """

    def __init__(self, generator: Generator, ws_geometry: Tensor, handles: Tensor, targets: Tensor):
        self.subject = cast(Any, _Windows(generator, ws_geometry.detach()))  # all of it that is used
        self.handles = handles.detach().clone()
        self.method = Drag3D2023(self.subject, Task(self.handles, targets), DragSettings("drag3d-2023"))
        self.surface = SurfaceRefresh(generator)
        self.steps = 0

    def step(self, refresh_mesh: bool = False) -> TextbookResult:
        """Synthesise near the handles, track, supervise and update; the mesh is that of the updated latents."""
        method = self.method
        field = self.subject.field(method.latents(), self.handles, method.reach)
        if self.steps:
            self.handles = method.track(field, self.handles)
        self.steps += 1
        loss = method.step(field, self.handles)
        latents = method.latents().detach()
        mesh = self._mesh(latents) if refresh_mesh else None
        assert method.moved.grad is not None
        return TextbookResult(loss, method.moved.grad.clone(), latents, method.tracked, self.handles.clone(), mesh)

    def _mesh(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        vertices, faces = self.surface(latents)
        return vertices, faces, vertex_normals(vertices, faces)


def random_generator(config: GeneratorConfig, seed: int = 0, device: str = "cpu") -> tuple[Generator, Tensor, Tensor]:
    """A generator of random weights with a smooth surface, and the latent rows ``(rows, w_dim)`` of a shape.

    They are the same ones on every device.

    Random planes are noise, and their surface is everywhere; here the finer ones count little, and the field is shifted
    so that a tenth of the grid is inside. None of this changes what a step costs, but how large the mesh is.
    """
    if device != "cpu":
        full_precision()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator(config).requires_grad_(False).to(device)
    for block in generator.synthesis.blocks[3:]:
        for layer in (block.togeo, block.totex):
            layer.weight.mul_(0.003)
    latents = generator.latents(seed)
    with torch.no_grad():
        ws = latents.geometry[None]
        sdf = generator.field_at(generator.triplanes(ws).geometry, ws, generator.grid.vertices)
        last_bias = generator.sdf_decoder.get_parameter(f"layers.{config.decoder_layers}.bias")
        last_bias.sub_(sdf.quantile(1 - OCCUPIED))
    return generator, latents.geometry, latents.texture


def stepping(
    generator: Generator, latents: Latents, places: Tensor, targets: Tensor, method: str
) -> Callable[[], DragStep]:
    """A function that makes the next step of a drag that neither arrives nor gives up."""
    subject = SurfaceSubject(generator, latents)
    handles = subject.field(subject.start, places, subject.patch_radius).snap(places)
    endless = DragSettings(method, max_steps=10**6, tolerance=1e-12, patience=10**6)
    steps = iter(Drag(subject, handles, targets, endless))
    next(steps)
    return lambda: next(steps)


def bench_drag_step(
    repeats: int = 5, handles: int = 2, threads: int = 2, config: GeneratorConfig | None = None, device: str = "cpu"
) -> dict[str, Any]:
    """Seconds and memory of one drag step with ``handles`` points, at the released size unless told otherwise.

    Five ways take turns within one run, after one warm-up each, so that other load on the machine meets all of them:
    "textbook" (the older editor's step, mesh included), "windowed" (the same optimisation, no mesh) and
    "windowed_mesh" (the surface refreshed at every step; "mesh_in_box" tells whether in the box around the last one or
    in full); and "draggan" and "default",
    the editor's own drags as users run them, without a region and without a mesh. For each: medians of "wall" and "cpu"
    seconds, "peak_bytes" above what was resident before the step (None
    where the system does not tell). "ratio" holds textbook / way, "gradient_difference" the largest difference of the
    gradients relative to their largest entry, at equal latents. Give one thread where other programs use the cores:
    threads that wait for each other spin, and what is measured then is waiting.
    """
    config = config or GeneratorConfig()
    generator, geometry, texture = random_generator(config, device=device)
    random = torch.Generator().manual_seed(1)
    low, length = generator.box
    places = low + length * (0.2 + 0.6 * torch.rand(handles, 3, generator=random))
    targets = places + 0.05 * length * F.normalize(torch.randn(handles, 3, generator=random), dim=1)
    places, targets = places.to(generator.device), targets.to(generator.device)
    textbook = TextbookDrag(generator, geometry, texture, places, targets)
    windowed = WindowedDrag(generator, geometry, places, targets)
    refreshed = WindowedDrag(generator, geometry, places, targets)
    latents = Latents(geometry, texture)
    ways: dict[str, Callable[[], Any]] = {
        "textbook": textbook.step,
        "windowed": windowed.step,
        "windowed_mesh": lambda: refreshed.step(refresh_mesh=True),
        "draggan": stepping(generator, latents, places, targets, "draggan"),
        "default": stepping(generator, latents, places, targets, "default"),
    }
    plan = generator.local_plan(places, windowed.method.reach)
    with running_threads(threads):
        first = {name: way() for name, way in ways.items()}
        measured: dict[str, list[tuple[float, float, int | None]]] = {name: [] for name in ways}
        for _ in range(repeats):
            for name, way in ways.items():
                measured[name].append(measure(way, generator.device))
    expected = first["textbook"].gradient
    mesh = first["textbook"].mesh
    assert mesh is not None
    report: dict[str, Any] = {
        "resolution": config.resolution,
        "handles": handles,
        "repeats": repeats,
        "threads": threads,
        "device": generator.device.type,
        "mesh_vertices": len(mesh[0]),
        "mesh_faces": len(mesh[1]),
        "mesh_in_box": not refreshed.surface.was_full,
        "multiply_adds": {"windows": plan.multiply_adds, "whole": plan.whole_multiply_adds},
        "gradient_difference": float((first["windowed"].gradient - expected).abs().max() / expected.abs().max()),
    }
    for name, values in measured.items():
        report[name] = medians(values)
    base = report["textbook"]
    report["ratio"] = {
        name: {key: base[key] / report[name][key] if report[name][key] else None for key in base}
        for name in ways
        if name != "textbook"
    }
    return report
