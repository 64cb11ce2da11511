"""``python -m get3d_models.training``: train the embedded model, measure it against its teacher, write its card."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import click
import torch

from get3d_models.errors import InputError


@click.group()
def main() -> None:
    """Train and measure the embedded generator `quadruped`."""


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/quadruped"), help="Folder of the run.")
@click.option("--steps", type=int, default=20_000, help="Steps of the whole run; may differ when it is resumed.")
@click.option("--seed", type=int, default=0)
@click.option("--device", default="auto", help="auto, cpu, cuda or mps.")
@click.option("--threads", type=int, default=1, help="Threads of the network; the teacher has a process of its own.")
@click.option("--workers", type=int, default=1, help="Processes that prepare batches (CPU only).")
@click.option("--quiet", is_flag=True)
def train(out: Path, steps: int, seed: int, device: str, threads: int, workers: int, quiet: bool) -> None:
    """Train, or resume what lies in the folder, and write OUT/quadruped.safetensors."""
    from get3d_models.checkpoint import write_generator
    from get3d_models.training.fit import FitSettings, embedded_config, fit

    torch.set_num_threads(threads)
    settings = replace(FitSettings(), steps=steps, seed=seed)
    target = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    generator = fit(embedded_config(), settings, out, target, workers=workers, quiet=quiet)
    generator.name = "quadruped"
    write_generator(out / "quadruped.safetensors", generator.cpu(), note=f"seed {seed}, {steps} steps")
    click.echo(f"wrote {out / 'quadruped.safetensors'}")


@main.command()
@click.argument("model")
@click.option("--shapes", type=int, default=64, help="Held-out latents.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the figures there, as JSON.")
def measure(model: str, shapes: int, out: Path | None) -> None:
    """Measure MODEL against its teacher on held-out latents."""
    from get3d_models import load
    from get3d_models.training.measure import measure_generator

    figures = measure_generator(load(model), shapes)
    text = json.dumps(figures, indent=1)
    if out:
        out.write_text(text + "\n")
    click.echo(text)


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except (InputError, click.ClickException) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(f"error: {message}", err=True)
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
