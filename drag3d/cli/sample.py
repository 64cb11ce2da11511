"""``drag3d sample``: write the shape of a seed."""

from __future__ import annotations

from pathlib import Path

import click

from drag3d.cli.common import MESHES, Voice, check_outputs, chosen_device, device_option, quiet_option, seed_options


@click.command()
@click.argument("model")
@seed_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A .glb, .obj, .ply or .stl file.")
@device_option
@quiet_option
def sample(
    *, model: str, seed: int, texture_seed: int | None, truncation: float, out: Path, device: str, quiet: bool
) -> None:
    """Write the shape of a seed.

    MODEL is the name of an embedded model or a checkpoint file.
    """
    check_outputs([("--out", out, MESHES)])
    from drag3d.session import Session

    voice = Voice(quiet)
    session = Session(model, seed, texture_seed, truncation, device=chosen_device(device))
    session.export(out)
    shape = session.shape
    voice.say(
        f"wrote {out}: {session.generator.name}, seed {seed}, {len(shape.vertices)} vertices, {len(shape.faces)} faces"
    )
