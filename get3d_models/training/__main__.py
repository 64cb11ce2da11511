"""``python -m get3d_models.training``: train the embedded model, measure it against its teacher, write its card."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import torch

from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models import Generator
    from get3d_models.stylegan2 import ImageGenerator

SAMPLES_HELP = "Held-out latents. [default: 64 shapes or 256 images]"


@click.group()
def main() -> None:
    """Train and measure the embedded generators."""


@main.command()
@click.argument("model", type=click.Choice(["quadruped", "portrait"]), default="quadruped")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run [default: runs/MODEL].")
@click.option("--steps", type=click.IntRange(1), help="Steps of the whole run; may change on resuming.")
@click.option("--seed", type=click.IntRange(0), default=0)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto")
@click.option("--threads", type=click.IntRange(1), default=1, help="Of the network; the teacher has its own process.")
@click.option("--workers", type=click.IntRange(0), default=1, help="Processes that prepare batches (CPU only).")
@click.option("--quiet", is_flag=True)
def train(
    *, model: str, out: Path | None, steps: int | None, seed: int, device: str, threads: int, workers: int, quiet: bool,
) -> None:  # fmt: skip
    """Train MODEL, or resume what lies in the folder, and write OUT/MODEL.safetensors."""
    from get3d_models.checkpoint import write_generator
    from get3d_models.training.fit import fit
    from get3d_models.training.lessons import lesson_named

    torch.set_num_threads(threads)
    lesson = lesson_named(model, steps, seed)
    out = out or Path("runs") / model
    target = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    generator = fit(lesson, out, target, workers=workers, quiet=quiet)
    path = out / f"{model}.safetensors"
    write_generator(path, generator.cpu(), note=f"seed {seed}, {lesson.settings.steps} steps")
    click.echo(f"wrote {path}")


@main.command()
@click.argument("model")
@click.option("--samples", "--shapes", "samples", type=click.IntRange(1), help=SAMPLES_HELP)
@click.option("--out", type=click.Path(path_type=Path), help="Also write the figures there, as JSON.")
@click.option("--quiet", is_flag=True)
def measure(model: str, samples: int | None, out: Path | None, quiet: bool) -> None:
    """Measure MODEL against its teacher on held-out latents."""
    from get3d_models import load

    text = json.dumps(_measured(load(model), samples, quiet), indent=1)
    if out:
        out.write_text(text + "\n")
    click.echo(text)


@main.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--log", type=click.Path(path_type=Path), required=True, help="log.jsonl of the run that made MODEL.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The card, beside the embedded model.")
@click.option("--figures", type=click.Path(path_type=Path), help="What `measure --out` wrote, to not measure again.")
@click.option("--samples", "--shapes", "samples", type=click.IntRange(1), help=SAMPLES_HELP)
@click.option("--hardware", default="", help='What it was trained on, such as "2 CPU cores".')
@click.option("--time", "duration", default="", help='How long that took, such as "80 minutes".')
@click.option("--quiet", is_flag=True)
def card(
    *,
    model: Path,
    log: Path,
    out: Path,
    figures: Path | None,
    samples: int | None,
    hardware: str,
    duration: str,
    quiet: bool,
) -> None:
    """Measure MODEL and write its card in markdown."""
    from get3d_models import load
    from get3d_models.training.card import card as written
    from get3d_models.training.card import read_run

    run = read_run(model, log, hardware, duration)
    generator = load(model)
    generator.name = "portrait" if generator.kind == "image" else "quadruped"
    found = _figures(figures) if figures else _measured(generator, samples, quiet)
    out.write_text(written(generator, found, run, model.stat().st_size), encoding="utf-8")
    click.echo(f"wrote {out}")


def _measured(generator: Generator | ImageGenerator, samples: int | None, quiet: bool) -> dict[str, Any]:
    """Figures by the teacher that a generator of its kind has."""
    from get3d_models.stylegan2 import ImageGenerator
    from get3d_models.training.measure import measure_generator
    from get3d_models.training.portrait_measure import measure_portrait

    if isinstance(generator, ImageGenerator):
        return measure_portrait(generator, samples or 256, quiet)
    return measure_generator(generator, samples or 64, quiet)


def _figures(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} does not hold figures; write them with measure --out") from error


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except (InputError, click.ClickException) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(f"error: {message}", err=True)
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
