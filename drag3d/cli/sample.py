"""``drag3d sample``: write the shape or image of a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drag3d.cli.common import (
    IMAGES,
    MESHES,
    Voice,
    check_outputs,
    device_option,
    opened,
    quiet_option,
    seed_options,
)
from drag3d.cli.exporting import companion_outputs, export, export_options, export_settings


@click.command()
@click.argument("model")
@seed_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A .glb, .obj, .ply, .stl or .usd, or a .png or .jpg file.",
)
@export_options
@device_option
@quiet_option
def sample(
    *,
    model: str,
    seed: int,
    texture_seed: int | None,
    label: int | None,
    truncation: float,
    out: Path,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Write the shape or image of a seed.

    MODEL is the name of an embedded model or a checkpoint file; whether it makes shapes or images follows from it.
    """
    check_outputs([("--out", out, MESHES + IMAGES), *companion_outputs(out, options)])
    generator = opened(model, device, out)
    settings = export_settings(out, options)
    from drag3d.session import Session

    voice = Voice(quiet)
    session = Session(generator, seed, texture_seed, truncation, label=label)
    faces = export(session, out, settings, voice)
    if session.kind == "image":
        height, width = session.image.shape[:2]
        size = f"{width} x {height} pixels"
    else:
        size = f"{faces} faces"
    voice.say(f"wrote {out}: {session.generator.name}, seed {seed}, {size}")
