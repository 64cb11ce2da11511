"""The card beside an embedded model: what it is, how it was made, how well it measured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from get3d_models.checkpoint import read_header
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.stylegan2 import ImageGenerator

Row = tuple[str, str, str, bool | None]
"""What was measured, its value, its target, and whether that was met."""


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


def card(generator: Generator | ImageGenerator, figures: dict[str, Any], run: TrainingRun, size: int) -> str:
    """The card in markdown, of figures that measuring gave; ``size`` of the model file in bytes.

    Raises InputError for figures of the other kind of model.
    """
    from get3d_models.training.portrait_card import portrait_sections
    from get3d_models.training.quadruped_card import quadruped_sections

    try:
        if isinstance(generator, ImageGenerator):
            sections = portrait_sections(generator, figures, run, size)
        else:
            sections = quadruped_sections(generator, figures, run, size)
    except KeyError as error:
        raise InputError(f"these figures lack {error}; write them with measure --out, of this model") from error
    licence = (
        "## Licence\n\nMIT, as the code. No data of anyone's went into it: the teacher is a program of this project, "
        "and every training example was computed by it."
    )
    return "\n\n".join([f"# {generator.name}", *sections, licence]) + "\n"


def training_command(model: str, run: TrainingRun) -> str:
    """What to type to make the model again."""
    return f"Command: `python -m get3d_models.training train {model} --steps {run.steps} --seed {run.seed}`."


def making_section(lines: list[str], run: TrainingRun) -> str:
    """How the model was made: what every model's own card says, and what only a person knows."""
    if run.hardware:
        lines = [*lines, f"Hardware: {run.hardware}."]
    if run.time:
        lines = [*lines, f"Time: {run.time}."]
    return "## How it was made\n\n" + "\n".join(f"- {line}" for line in lines)


def measured_section(introduction: str, rows: list[Row], command: str) -> str:
    """What was measured beside what was wanted."""
    table = "\n".join(
        f"| {name} | {value} | {target} | {'' if met is None else 'yes' if met else 'NO'} |"
        for name, value, target, met in rows
    )
    return (
        f"## How well it measured\n\n{introduction}\n\n| | measured | target | met |\n|---|---|---|---|\n{table}\n\n"
        f"Command: `python -m get3d_models.training measure {command}`."
    )


def against(name: str, value: float, target: str, met: Callable[[float], bool]) -> Row:
    """A row with a target."""
    return name, f"{value:g}", target, met(value)
