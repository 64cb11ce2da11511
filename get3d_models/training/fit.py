"""Regression of a generator on a teacher: no adversary, so no mode collapse, and latents mean what the teacher says."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from get3d_models.config import GeneratorConfig
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.training.samples import Batch, Batches, make_batch, prepared_ahead

DISTANCE_SCALE = 10.0
SURFACE_BAND = 0.03
AVERAGE_LATENT_SAMPLES = 8192


@dataclass(frozen=True)
class FitSettings:
    """How a generator is trained. A run is fixed by these, the configuration and the number of steps."""

    seed: int = 0
    steps: int = 16_000
    shapes_per_step: int = 8
    points_per_shape: int = 3072
    learning_rate: float = 1e-2
    mapping_rate_factor: float = 20.0
    """Undoes the learning-rate multiplier of the mapping layers, which would hardly move them in a run this short."""
    warmup_steps: int = 200
    decay_fraction: float = 0.5
    """The last part of the run, in which the learning rate falls to zero."""
    color_weight: float = 0.4
    deformation_weight: float = 0.1
    average_decay: float = 0.998


def embedded_config() -> GeneratorConfig:
    """The architecture of the embedded `quadruped`: about 1.2 million weights."""
    return GeneratorConfig(
        z_dim=32, w_dim=64, mapping_layers=3, channels=(128, 128, 128, 64, 32), plane_channels=32, decoder_width=64,
        decoder_layers=2, texture_features=16, conv_clamp=None, grid="body-centred", grid_resolution=40,
    )  # fmt: skip


def losses(generator: Generator, batch: Batch) -> dict[str, Tensor]:
    """The three terms: signed distance, colour near the surface, and no deformation.

    The target distance is scaled and clamped to [-1, 1]; the prediction is not clamped, so a point on the wrong side
    always gets a gradient, but beyond the clamped target on the right side it may be what it likes.
    """
    ws_geometry, ws_texture = generator.map_geometry(batch.z_geometry), generator.map_texture(batch.z_texture)
    planes = generator.triplanes(ws_geometry, ws_texture)
    assert planes.texture is not None
    features = generator.features(planes.geometry, batch.points)
    target = batch.distance * DISTANCE_SCALE
    error = generator.signed_distance(features, ws_geometry) - target.clamp(-1, 1)
    satisfied = (target.abs() >= 1) & (error.sign() == target.sign())
    distance = (torch.where(satisfied, 0.0, error.abs()) * side_weights(batch.distance)).mean()

    count = batch.points.shape[1] // 2  # the points drawn nearest to the surface come first
    raw = generator.texture_features(generator.features(planes.texture, batch.points[:, :count]), ws_texture)
    difference = (generator.raw_colors(raw, ws_texture) - (batch.color[:, :count] * 2 - 1)).abs().mean(dim=2)
    near = batch.distance[:, :count].abs() < SURFACE_BAND
    color = (difference * near).sum() / near.sum().clamp_min(1)

    # The grid stays put: the signed field alone carries the shape, and is smooth in the latents.
    offset = generator.deformation_decoder(features[:, ::16], ws_geometry[:, generator.config.plane_geometry_rows :])
    return {"distance": distance, "color": color, "deformation": torch.tanh(offset).abs().mean()}


def side_weights(distance: Tensor) -> Tensor:
    """Weights ``(N, M)`` that give both sides of the surface the same say, or an unsure network would inflate."""
    near = distance.abs() < SURFACE_BAND
    inside = near & (distance > 0)
    share = (inside.sum() / near.sum().clamp_min(1)).clamp(0.05, 0.95)
    return torch.where(near, torch.where(inside, 0.5 / share, 0.5 / (1 - share)), 1.0)


def learning_rate(settings: FitSettings, step: int) -> float:
    """Warm-up, plateau, linear decay to zero: a run can be shortened or prolonged on its plateau."""
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    left = (settings.steps - step) / max(1.0, settings.decay_fraction * settings.steps)
    return settings.learning_rate * min(warm, left, 1.0)


class Fit:
    """A training run: weights, their running average, the optimiser, and the step they are at."""

    def __init__(self, config: GeneratorConfig, settings: FitSettings, device: torch.device):
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.step = settings, device, 0
        self.generator = Generator(config).to(device)
        for name, parameter in self.generator.named_parameters():
            parameter.requires_grad_("noise_strength" not in name)  # noise would have nothing to say here
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        mapping = [p for n, p in self.generator.named_parameters() if n.startswith("mapping_")]
        rest = [p for n, p in self.generator.named_parameters() if not n.startswith("mapping_") and p.requires_grad]
        groups = [{"params": rest, "factor": 1.0}, {"params": mapping, "factor": settings.mapping_rate_factor}]
        self.optimizer = torch.optim.Adam(groups, lr=settings.learning_rate, betas=(0.9, 0.99), eps=1e-8)

    def advance(self, batch: Batch) -> dict[str, float]:
        """One step on a batch; returns the loss terms."""
        terms = losses(self.generator, batch)
        settings = self.settings
        weights = {"distance": 1.0, "color": settings.color_weight, "deformation": settings.deformation_weight}
        self.optimizer.zero_grad(set_to_none=True)
        sum(weights[k] * v for k, v in terms.items()).backward()  # type: ignore[union-attr]
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
        for key, value in asdict(self.settings).items():
            if key != "steps" and settings.get(key, value) != value:
                raise InputError(f"{path} was trained with {key} {settings[key]}, not {value}; choose another --out")
        self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def finished(self) -> Generator:
        """The averaged generator with its average latents measured."""
        result = copy.deepcopy(self.average).eval()
        random = torch.Generator().manual_seed(self.settings.seed + 1)
        with torch.no_grad():
            for mapping in (result.mapping_geometry, result.mapping_texture):
                z = torch.randn(AVERAGE_LATENT_SAMPLES, result.config.z_dim, generator=random)
                mapping.w_avg.copy_(mapping(z.to(self.device)).mean(0))
        return result


def fit(
    config: GeneratorConfig,
    settings: FitSettings,
    folder: Path,
    device: torch.device,
    *,
    workers: int = 1,
    save_every: int = 250,
    stop_at: int | None = None,
    quiet: bool = False,
) -> Generator:
    """Train, or resume the run whose ``checkpoint.pt`` lies in ``folder``, and return the averaged generator.

    ``stop_at`` interrupts the run early, as a crash would, so that it can be resumed. On a GPU the teacher runs there,
    in this process; on a CPU in worker processes beside it. Every 50 steps a line of ``log.jsonl`` is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = folder / "checkpoint.pt", folder / "log.jsonl"
    run = Fit(config, settings, device)
    if checkpoint.exists():
        run.restore(checkpoint)
    last = min(settings.steps, stop_at or settings.steps)
    todo = Batches(settings.seed, settings.shapes_per_step, settings.points_per_shape, run.step, last)
    batches = prepared_ahead(todo, workers) if device.type == "cpu" else None
    smoothed: dict[str, float] = {}
    with tqdm(total=settings.steps, initial=run.step, disable=quiet, unit="step", dynamic_ncols=True) as bar:
        while run.step < last:
            if batches is not None:
                batch = next(batches)
            else:
                with torch.no_grad():
                    seed = settings.seed * 1_000_003 + run.step
                    batch = make_batch(seed, settings.shapes_per_step, settings.points_per_shape, device)
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
