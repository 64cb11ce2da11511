"""``drag3d convert``: any model file that can be read becomes one of drag3d's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drag3d.cli.common import Voice, check_outputs, quiet_option
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models.checkpoint import ModelFile

SUFFIX = ".safetensors"


@click.command()
@click.argument("model", metavar="INPUT")
@click.argument("output", type=click.Path(path_type=Path))
@quiet_option
def convert(*, model: str, output: Path, quiet: bool) -> None:
    """Make a model file one of drag3d's own.

    INPUT is any file that drag3d can load: GET3D's checkpoints, StyleGAN2's pickles of PyTorch or TensorFlow, g_ema
    files. OUTPUT, a .safetensors file, is the same generator, with no code and nothing else in it.
    """
    check_outputs([("OUTPUT", output, (SUFFIX,))])
    from get3d_models.checkpoint import open_model, write_generator
    from get3d_models.loading import resolve

    path = resolve(model)
    if os.path.realpath(path) == os.path.realpath(output):
        raise InputError(f"OUTPUT {output} is the input itself; give another name")
    voice = Voice(quiet)
    found = open_model(path)
    for note in found.notes:
        voice.note(note)
    found.generator.name = found.name
    write_generator(output, found.generator, found.note or f"converted; it was {found.layout}")
    size = f"{output.stat().st_size / 1e6:.1f} MB"
    voice.say(
        f"wrote {output}: {_made(found)}, {size}, sha256 {found.generator.fingerprint[:12]}; it was {found.layout}"
    )


def _made(found: ModelFile) -> str:
    """What the generator makes."""
    from get3d_models.stylegan2 import ImageGenerator

    if isinstance(found.generator, ImageGenerator):
        width, height = found.generator.size
        return f"images of {width}x{height} pixels"
    return "shapes"
