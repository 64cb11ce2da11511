"""The card beside an embedded model: what it is, how it was made, how well it measured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from get3d_models.checkpoint import read_header
from get3d_models.config import GeneratorConfig
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.training import quadruped as teacher
from get3d_models.training.measure import SURFACE_POINTS, VOLUME_RESOLUTION
from get3d_models.training.quadruped_lesson import QuadrupedSettings


@dataclass(frozen=True)
class TrainingRun:
    """What the model file and the log tell of the run that made it, and what only a person knows."""

    seed: int
    steps: int
    hardware: str = ""
    time: str = ""


def read_run(model: Path, log: Path, hardware: str = "", time: str = "") -> TrainingRun:
    """The run behind a file that ``train`` wrote; InputError where file and log do not tell of the same run."""
    try:
        note = read_header(model).note
    except InputError as error:
        raise InputError(f"{model} is not a model file that training wrote; give its .safetensors file") from error
    said = re.fullmatch(r"seed (\d+), (\d+) steps", note)
    if said is None:
        raise InputError(f"{model} does not say how it was trained; give a file that the command train wrote")
    seed, steps = int(said[1]), int(said[2])
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
        last = int(json.loads(lines[-1])["step"])
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise InputError(f"{log} is not the log of a training run; give its log.jsonl") from error
    if last != steps:
        raise InputError(f"{log} ends at step {last}, but {model} was trained for {steps}; give the log of that run")
    return TrainingRun(seed, steps, hardware, time)


def card(generator: Generator, figures: dict[str, Any], run: TrainingRun, size: int) -> str:
    """The card in markdown, of figures that :func:`measure_generator` gave; ``size`` of the model file in bytes."""
    return "\n\n".join([
        f"# {generator.name}",
        "A friendly four-legged animal with snout, ears and tail, whose coat, belly, socks and nose have colours of "
        "their own. A small GET3D generator, trained from nothing but this project's own code.",
        _making(generator, run, size),
        _measured(figures),
        _limits(figures),
        _keypoints(figures),
        "## Licence\n\nMIT, as the code. No data of anyone's went into it: the teacher is a program of this project, "
        "and every training example was computed by it.",
    ]) + "\n"  # fmt: skip


def _making(generator: Generator, run: TrainingRun, size: int) -> str:
    c: GeneratorConfig = generator.config
    weights = sum(p.numel() for p in generator.parameters())
    settings = QuadrupedSettings()
    channels = ", ".join(str(n) for n in c.channels)
    lines = [
        "Teacher: a procedural animal (`get3d_models/training/quadruped.py`) whose "
        f"{len(teacher.SHAPE_PARAMETERS)} shape and {len(teacher.TEXTURE_PARAMETERS)} colour parameters are fixed "
        "functions of the two latents. The generator is regressed on its signed distance and colour: no adversary.",
        f"Architecture: latents of {c.z_dim}, W of {c.w_dim}, {c.mapping_layers} mapping layers, triplanes of "
        f"{c.resolution} texels with {c.plane_channels} channels (synthesis {channels}), decoders of "
        f"{c.decoder_layers} layers of {c.decoder_width}; surfaces on a {c.grid} grid of {c.grid_resolution}. "
        f"{weights:,} weights, {size / 1e6:.1f} MB.",
        f"Command: `python -m get3d_models.training train --steps {run.steps} --seed {run.seed}`.",
        f"Steps: {run.steps:,} of {settings.shapes_per_step} shapes with {settings.points_per_shape:,} points each, so "
        f"{run.steps * settings.shapes_per_step:,} shapes seen, each once. Seed {run.seed}. Averaged weights are kept.",
    ]
    if run.hardware:
        lines.append(f"Hardware: {run.hardware}.")
    if run.time:
        lines.append(f"Time: {run.time}.")
    return "## How it was made\n\n" + "\n".join(f"- {line}" for line in lines)


def _measured(f: dict[str, Any]) -> str:
    shapes = f["shapes"]
    rows: list[tuple[str, str, str, bool | None]] = [
        _against("volumetric IoU, mean", f["overlap_mean"], ">= 0.90", lambda v: v >= 0.90),
        _against("volumetric IoU, worst", f["overlap_worst"], ">= 0.80", lambda v: v >= 0.80),
        _against("colour error on the surface, mean", f["color_error_mean"], "<= 0.06", lambda v: v <= 0.06),
        ("colour error on the surface, worst shape", f"{f['color_error_worst']:g}", "", None),
        _against("one connected component", f["one_component"], f"{shapes} of {shapes}", lambda v: v == shapes),
        _against("watertight", f["watertight"], f"{shapes} of {shapes}", lambda v: v == shapes),
        ("vertices' distance from the teacher's surface, mean", f"{f['distance_error_mean']:g}", "", None),
        ("largest deformation of the grid", f"{f['largest_deformation']:g}", "", None),
    ]
    table = "\n".join(
        f"| {name} | {value} | {target} | {'' if met is None else 'yes' if met else 'NO'} |"
        for name, value, target, met in rows
    )
    return (
        f"## How well it measured\n\nOn {shapes} latents that training did not draw, against the teacher. IoU: of "
        f"where the two signed fields are positive, on {VOLUME_RESOLUTION}^3 cells. Colour error: mean absolute "
        f"difference of RGB in [0, 1] at up to {SURFACE_POINTS:,} vertices. Lengths in units of the box.\n\n"
        f"| | measured | target | met |\n|---|---|---|---|\n{table}\n\n"
        f"Command: `python -m get3d_models.training measure quadruped --shapes {shapes}`."
    )


def _against(name: str, value: float, target: str, met: Callable[[float], bool]) -> tuple[str, str, str, bool | None]:
    return name, f"{value:g}", target, met(value)


def _limits(f: dict[str, Any]) -> str:
    worst = max(f["keypoint_distance_mean"], key=f["keypoint_distance_mean"].__getitem__)
    return (
        "## Limits\n\n"
        "- One kind of animal in one stance: no other class, no walking, no open mouth, no fur. Left and right are "
        "alike, as in the teacher.\n"
        "- Colours are smooth fields, sharp to about a texel of the triplanes; there are no normal or roughness maps.\n"
        "- Truncated or edited latents belong to no parameters of the teacher; the figures above say nothing of them.\n"
        f"- Of the keypoints, {worst} is farthest off the generated surface, {f['keypoint_distance_mean'][worst]:g} on "
        "average."
    )


def _keypoints(f: dict[str, Any]) -> str:
    rows = "\n".join(f"| {name} | {distance:g} |" for name, distance in f["keypoint_distance_mean"].items())
    return (
        "## Keypoints\n\nNamed points on the teacher's surface (`get3d_models.keypoints`), and how far they are from "
        f"the generated surface on average, by its signed field:\n\n| keypoint | distance |\n|---|---|\n{rows}"
    )
