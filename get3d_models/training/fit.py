"""Regression of a generator on a teacher: no adversary, so no mode collapse, and latents mean what the teacher says."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from get3d_models.errors import InputError
from get3d_models.layers import MappingNetwork

AVERAGE_LATENT_SAMPLES = 8192


@dataclass(frozen=True)
class FitSettings:
    """How a generator is trained, whatever on; lessons add settings of their own. A run is fixed by all of these."""

    seed: int = 0
    steps: int = 16_000
    learning_rate: float = 1e-2
    mapping_rate_factor: float = 20.0
    """Undoes the learning-rate multiplier of the mapping layers, which would hardly move them in a run this short."""
    warmup_steps: int = 200
    decay_fraction: float = 0.5
    """The last part of the run, in which the learning rate falls to zero."""
    average_decay: float = 0.998


class Lesson(Protocol):
    """What a generator is regressed on. Plain data, since worker processes make the batches."""

    @property
    def settings(self) -> FitSettings: ...

    def new_generator(self) -> Any:
        """A generator with random weights: a module with ``config`` and ``name``."""
        ...

    def mappings(self, generator: Any) -> Iterable[MappingNetwork]:
        """Its mapping networks, whose average latents are measured in the end."""
        ...

    def batch(self, number: int, device: torch.device | str = "cpu") -> Any:
        """The batch of a step, the same whenever it is asked for; it has a method ``to``."""
        ...

    def losses(self, generator: Any, batch: Any) -> dict[str, Tensor]:
        """The weighted terms of the loss, to be added up."""
        ...


class Batches(Dataset[Any]):
    """Batch number i of a training run, for a DataLoader whose workers prepare them ahead."""

    def __init__(self, lesson: Lesson, first: int, last: int):
        self.lesson, self.first, self.last = lesson, first, last

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> Any:
        with torch.no_grad():
            return self.lesson.batch(self.first + index)


def prepared_ahead(batches: Batches, workers: int) -> Iterator[Any]:
    """The batches in order, made by worker processes (or here, with 0 workers)."""
    loader = torch.utils.data.DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_use_one_thread,
    )
    return iter(loader)


def _use_one_thread(_: int) -> None:
    torch.set_num_threads(1)


def learning_rate(settings: FitSettings, step: int) -> float:
    """Warm-up, plateau, linear decay to zero: a run can be shortened or prolonged on its plateau."""
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    left = (settings.steps - step) / max(1.0, settings.decay_fraction * settings.steps)
    return settings.learning_rate * min(warm, left, 1.0)


class Fit:
    """A training run: weights, their running average, the optimiser, and the step they are at."""

    def __init__(self, lesson: Lesson, device: torch.device):
        self.lesson, self.settings, self.device, self.step = lesson, lesson.settings, device, 0
        torch.manual_seed(self.settings.seed)
        self.generator = lesson.new_generator().to(device)
        for name, parameter in self.generator.named_parameters():
            parameter.requires_grad_("noise_strength" not in name)  # noise would have nothing to say here
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        mapping = [p for n, p in self.generator.named_parameters() if n.startswith("mapping")]
        rest = [p for n, p in self.generator.named_parameters() if not n.startswith("mapping") and p.requires_grad]
        groups = [{"params": rest, "factor": 1.0}, {"params": mapping, "factor": self.settings.mapping_rate_factor}]
        self.optimizer = torch.optim.Adam(groups, lr=self.settings.learning_rate, betas=(0.9, 0.99), eps=1e-8)

    def advance(self, batch: Any) -> dict[str, float]:
        """One step on a batch; returns the weighted loss terms."""
        terms = self.lesson.losses(self.generator, batch)
        self.optimizer.zero_grad(set_to_none=True)
        sum(terms.values()).backward()  # type: ignore[union-attr]
        rate = learning_rate(self.settings, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self.optimizer.step()
        decay = min(self.settings.average_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
            for average, current in pairs:
                average.lerp_(current, 1 - decay)
        self.step += 1
        return {k: float(v.detach()) for k, v in terms.items()}

    def save(self, path: Path) -> None:
        """Write all that resuming needs, atomically."""
        state = {
            "step": self.step,
            "config": json.dumps(self.generator.config.to_dict()),
            "settings": json.dumps(asdict(self.settings)),
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, path)

    def restore(self, path: Path) -> None:
        """Continue from a file of :meth:`save`; InputError for a damaged one, or one of another run.

        The number of steps may differ: a run can be shortened or prolonged.
        """
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            config, settings = json.loads(state["config"]), json.loads(state["settings"])
        except Exception as error:  # torch's unpickler raises almost anything for damaged files
            raise InputError(f"{path} is not a checkpoint of training; remove it or choose another --out") from error
        ours = json.loads(json.dumps(self.generator.config.to_dict()))
        if any(ours.get(key) != value for key, value in config.items()):
            raise InputError(f"{path} belongs to a generator of another architecture; choose another --out")
        for key, value in json.loads(json.dumps(asdict(self.settings))).items():
            if key != "steps" and settings.get(key, value) != value:
                raise InputError(f"{path} was trained with {key} {settings[key]}, not {value}; choose another --out")
        self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def finished(self) -> Any:
        """The averaged generator with its average latents measured."""
        result = copy.deepcopy(self.average).eval()
        random = torch.Generator().manual_seed(self.settings.seed + 1)
        with torch.no_grad():
            for mapping in self.lesson.mappings(result):
                z = torch.randn(AVERAGE_LATENT_SAMPLES, result.config.z_dim, generator=random)
                mapping.w_avg.copy_(mapping(z.to(self.device)).mean(0))
        return result


def fit(
    lesson: Lesson,
    folder: Path,
    device: torch.device,
    *,
    workers: int = 1,
    save_every: int = 250,
    stop_at: int | None = None,
    quiet: bool = False,
) -> Any:
    """Train, or resume the run whose ``checkpoint.pt`` lies in ``folder``, and return the averaged generator.

    ``stop_at`` interrupts the run early, as a crash would, so that it can be resumed. On a GPU the teacher runs there,
    in this process; on a CPU in worker processes beside it. Every 50 steps a line of ``log.jsonl`` is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = folder / "checkpoint.pt", folder / "log.jsonl"
    run, settings = Fit(lesson, device), lesson.settings
    if checkpoint.exists():
        run.restore(checkpoint)
    last = max(run.step, min(settings.steps, stop_at or settings.steps))  # a longer run is not made shorter
    todo = Batches(lesson, run.step, last)
    batches = prepared_ahead(todo, workers) if device.type == "cpu" else None
    smoothed: dict[str, float] = {}
    with tqdm(total=settings.steps, initial=run.step, disable=quiet, unit="step", dynamic_ncols=True) as bar:
        while run.step < last:
            if batches is not None:
                batch = next(batches)
            else:
                with torch.no_grad():
                    batch = lesson.batch(run.step, device)
            terms = run.advance(batch)
            smoothed = {k: 0.98 * smoothed.get(k, v) + 0.02 * v for k, v in terms.items()}
            bar.update()
            if run.step % 50 == 0 or run.step == last:
                bar.set_postfix({k: f"{v:.4f}" for k, v in smoothed.items()}, refresh=False)
                with log.open("a") as lines:
                    lines.write(json.dumps({"step": run.step, **smoothed}) + "\n")
            if run.step % save_every == 0 or run.step == last:
                run.save(checkpoint)
    return run.finished()
