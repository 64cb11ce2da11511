"""What a drag step on a StyleGAN2 generator costs: windows up to the feature block, against the textbook's whole image.

The textbook step is DragGAN's as its paper and released code describe it: the image is synthesised whole, the feature
map is enlarged to the image's size, a mask over the enlarged map says what is supervised and where handles are looked
for, and the backward pass also makes the gradients of all weights, which nobody reads.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from drag3d.bench.measuring import measure, medians, running_threads
from drag3d.core import Drag, DragSettings
from drag3d.core.methods.draggan import DragGAN
from drag3d.subjects.image import PAPER_BLOCK, PAPER_LAYERS, ImageSubject
from get3d_models.devices import full_precision
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator, ImageLatents

SETTINGS = DragSettings(
    method="draggan", variant="released", max_steps=10**6, tolerance=1e-12, patience=10**6, learning_rate=2e-3
)
PLACES = ((0.4, 0.45), (0.7, 0.3), (0.2, 0.75), (0.55, 0.8), (0.15, 0.25))
"""Of handles, in shares of width and height."""


class TextbookImageDrag:
    """A drag by whole images, in the variant "released", with the radii that a subject proposes."""

    def __init__(self, generator: ImageGenerator, latents: ImageLatents, handles: Tensor, targets: Tensor):
        self.generator = copy.deepcopy(generator).requires_grad_(True)
        self.handles, self.targets = handles.clone(), targets
        subject = ImageSubject.for_settings(generator, latents, SETTINGS)
        self.patch_radius, self.search_radius = subject.patch_radius, subject.search_radius
        self.moved = latents.rows[:PAPER_LAYERS].clone().requires_grad_(True)
        self.fixed = latents.rows[PAPER_LAYERS:]
        self.optimizer = torch.optim.Adam([self.moved], lr=SETTINGS.learning_rate or 0.0)
        self.references: Tensor | None = None
        width, height = generator.size
        # The released code's grid, which is stretched by a pixel over the image.
        axes = torch.linspace(0, width, width), torch.linspace(0, height, height)
        self.across, self.down = (grid.to(handles.device) for grid in torch.meshgrid(*axes, indexing="xy"))

    def step(self) -> Tensor:
        """One synthesis, tracking, loss and step of Adam; the gradient ``(6, w_dim)`` of the loss."""
        block = self.generator.synthesis.blocks[PAPER_BLOCK]
        kept: list[Tensor] = []
        hook = block.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
        self.generator.image(torch.cat([self.moved, self.fixed])[None])
        hook.remove()
        width, height = self.generator.size
        enlarged = F.interpolate(kept[0], size=(height, width), mode="bilinear", align_corners=False)
        if self.references is None:
            self.references = torch.stack([enlarged[0, :, int(y), int(x)].detach() for x, y in self.handles])
        else:
            self._track(enlarged.detach(), self.references)
        loss = torch.stack([self._supervise(enlarged, i) for i in range(len(self.handles))]).sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        assert self.moved.grad is not None
        return self.moved.grad.clone()

    def _supervise(self, enlarged: Tensor, index: int) -> Tensor:
        handle, towards = self.handles[index], self.targets[index] - self.handles[index]
        near = ((self.across - handle[0]).square() + (self.down - handle[1]).square()).sqrt() < self.patch_radius
        rows, columns = torch.nonzero(near, as_tuple=True)
        ahead = torch.stack([columns, rows], dim=1) + towards / (towards.norm() + 1e-7)
        size = ahead.new_tensor(self.generator.size) - 1
        moved = F.grid_sample(enlarged, (ahead / size * 2 - 1)[None, None], align_corners=True)[0, :, 0]
        return (moved - enlarged[0, :, rows, columns].detach()).abs().mean()

    def _track(self, enlarged: Tensor, references: Tensor) -> None:
        for index, (x, y) in enumerate(self.handles.int().tolist()):
            reach = int(self.search_radius)
            top, left = max(y - reach, 0), max(x - reach, 0)
            around = enlarged[0, :, top : y + reach + 1, left : x + reach + 1]
            best = int((around - references[index][:, None, None]).norm(dim=0).argmin())
            row, column = divmod(best, around.shape[2])
            self.handles[index] = torch.tensor([left + column, top + row])


class OurImageDrag:
    """The same drag by the editor's own core."""

    def __init__(self, generator: ImageGenerator, latents: ImageLatents, handles: Tensor, targets: Tensor):
        subject = ImageSubject.for_settings(generator, latents, SETTINGS)
        self.drag = Drag(subject, handles, targets, SETTINGS)
        self.steps = iter(self.drag)
        next(self.steps)

    def step(self) -> Tensor:
        """One step of the drag, and the tracking after it; the gradient ``(6, w_dim)`` that the step followed."""
        next(self.steps)
        method = self.drag.method
        assert isinstance(method, DragGAN) and method.displacement.grad is not None
        return method.displacement.grad.clone()


def released_config(resolution: int) -> ImageConfig:
    """The architecture of the released networks of a resolution."""
    blocks = (resolution // 4).bit_length()
    return ImageConfig(channels=tuple(min(32768 // (4 << i), 512) for i in range(blocks)))


def random_image_generator(
    config: ImageConfig, seed: int = 0, device: str = "cpu"
) -> tuple[ImageGenerator, ImageLatents]:
    """A generator of random weights, the same ones on every device, and the latents of an image."""
    if device != "cpu":
        full_precision()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = ImageGenerator(config, "random").requires_grad_(False).eval().to(device)
    return generator, generator.latents(seed, truncation=0.7)


def bench_image_step(
    resolution: int = 512,
    repeats: int = 3,
    threads: int = 2,
    config: ImageConfig | None = None,
    points: int = 1,
    device: str = "cpu",
) -> dict[str, Any]:
    """Seconds and memory of one drag step of some points, at the released size unless told otherwise.

    Two ways take turns within one run, after one warm-up each: "textbook", and "ours", the method `draggan` of the
    editor in the same variant. For each medians of "wall" and "cpu" seconds and "peak_bytes" above what was resident
    before the step (None where the system does not tell). "ratio" holds textbook / ours, "gradient_difference" the
    largest difference of the first steps' gradients to the latents relative to their largest entry.
    """
    config = config or released_config(resolution)
    generator, latents = random_image_generator(config, device=device)
    width, height = generator.size
    size = torch.tensor([float(width), float(height)])
    handles = (size * torch.tensor(PLACES[:points])).floor()
    targets = (handles + (size * torch.tensor([1 / 8, -1 / 10])).floor()).to(generator.device)
    handles = handles.to(generator.device)
    textbook = TextbookImageDrag(generator, latents, handles, targets)
    ours = OurImageDrag(generator, latents, handles, targets)
    ways: dict[str, Callable[[], Tensor]] = {"ours": ours.step, "textbook": textbook.step}
    measured: dict[str, list[tuple[float, float, int | None]]] = {name: [] for name in ways}
    with running_threads(threads):
        first = {name: way() for name, way in ways.items()}
        for _ in range(repeats):
            for name, way in ways.items():
                measured[name].append(measure(way, generator.device))
    expected = first["textbook"]
    plan = generator.local_plan(handles, ours.drag.method.reach, PAPER_BLOCK)
    report: dict[str, Any] = {
        "resolution": height,
        "points": points,
        "repeats": repeats,
        "threads": threads,
        "device": generator.device.type,
        "multiply_adds": {"windows": plan.multiply_adds, "whole": plan.whole_multiply_adds},
        "gradient_difference": float((first["ours"] - expected).abs().max() / expected.abs().max()),
        **{name: medians(values) for name, values in measured.items()},
    }
    base, row = report["textbook"], report["ours"]
    report["ratio"] = {key: base[key] / row[key] if row[key] else None for key in base}
    return report
