"""What several commands share: options, the device, what fits which kind of model, and looking at outputs first."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from get3d_models.devices import chosen_device
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from drag3d.cli.values import Place
    from get3d_models import Generator
    from get3d_models.stylegan2 import ImageGenerator

USD = (".usd", ".usda", ".usdc")
MESHES = (".glb", ".obj", ".ply", ".stl", *USD)
IMAGES = (".png", ".jpg", ".jpeg")
ANIMATIONS = (".mp4", ".gif")
WRITTEN = {"shape": MESHES, "image": IMAGES}
MAKES = {"shape": "3D shapes", "image": "images"}
OTHERS = {
    "shape": {  # options that mean something for images only, and what to use instead
        "label": "", "layers": "", "feature_block": "; for shapes use --features", "variant": "",
    },
    "image": {
        "texture_seed": "", "move_boxes": "; for images use --mask", "move_spheres": "; for images use --mask",
        "stay_boxes": "; for images use --mask", "stay_spheres": "; for images use --mask",
        "view": "; an image is its own view", "view_size": "", "pixels": "; for images use --point",
        "latents": "; for images use --layers", "features": "; for images use --feature-block", "turntable": "",
        "texture_size": "", "unwrap": "", "vertex_colors": "", "resolution": "", "smooth": "", "simplify": "",
    },
}  # fmt: skip
DEVICES = ("auto", "cpu", "cuda", "mps")

device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="auto: cuda if there is one, else cpu.",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors and notes.")


def seed_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--seed, --texture-seed, --label and --truncation."""
    for option in (
        click.option("--truncation", type=float, default=1.0, show_default=True, help="Nearer to 0: more average."),
        click.option("--label", type=int, help="Images of models with classes: which class."),
        click.option("--texture-seed", type=int, help="Shapes: the seed of the colours; as --seed, when not given."),
        click.option("--seed", type=int, default=0, show_default=True, help="Which shape or image."),
    ):
        command = option(command)
    return command


def check_outputs(outputs: Iterable[tuple[str, Path | None, tuple[str, ...]]]) -> None:
    """Refuse, before any work, outputs that could not be written: (option, path, suffixes) each.

    Looks at suffix, directory and permission, at what USD and MP4 files need, and whether two options name the same
    file.
    """
    seen: dict[str, str] = {}
    for option, path, suffixes in outputs:
        if path is None:
            continue
        if path.suffix.lower() not in suffixes:
            raise InputError(f"{option} {path}: the name must end in {' or '.join(suffixes)}")
        if path.is_dir():
            raise InputError(f"{option} {path} is a directory; give the name of a file in it")
        if not path.parent.is_dir():
            raise InputError(f"{option} {path}: there is no directory {path.parent}; create it first")
        if not os.access(path.parent, os.W_OK):
            raise InputError(f"{option} {path}: you may not write to the directory {path.parent}; choose another")
        if path.suffix.lower() in USD:
            from drag3d.export.usd import missing_for_usd

            if reason := missing_for_usd():
                raise InputError(f"{option} {path}: {reason}")
        if path.suffix.lower() in ANIMATIONS:
            from drag3d.export.animation import missing_for

            if reason := missing_for(path):
                raise InputError(f"{option} {path}: {reason}")
        real = os.path.realpath(path)
        if real in seen:
            raise InputError(f"{seen[real]} and {option} name the same file {path}; give each its own")
        seen[real] = option


def opened(model: str, device: str, out: Path | None) -> Generator | ImageGenerator:
    """The generator of a name or file, once every option of this command, and --out, has proved to fit its kind."""
    from get3d_models import load
    from get3d_models.loading import resolve

    resolve(model)  # an unknown name or file is refused before torch looks for devices
    generator = load(model, device=chosen_device(device))
    makes = f"{generator.name} makes {MAKES[generator.kind]}"
    context = click.get_current_context()
    for option in context.command.params:
        instead = OTHERS[generator.kind].get(option.name or "")
        given = context.get_parameter_source(option.name or "") is not ParameterSource.DEFAULT
        if instead is not None and given:
            raise InputError(f"{option.opts[0]} has no meaning here: {makes}{instead}")
    suffixes = WRITTEN[generator.kind]
    if out and out.suffix.lower() not in suffixes:
        raise InputError(f"--out {out}: {makes}, so the name must end in {' or '.join(suffixes)}")
    return generator


def check_coordinates(generator: Generator | ImageGenerator, option: str, place: Place, in_view: bool = False) -> None:
    """Refuse two coordinates for a shape and three for an image; ``in_view``, for a shape three."""
    wanted = 2 if in_view else {"shape": 3, "image": 2}[generator.kind]
    if len(place) != wanted:
        form = {3: "x,y,z in the model's units", 2: "x,y in pixels"}[wanted]
        counts = {2: "two", 3: "three"}
        raise InputError(
            f"{option}{','.join(f'{v:g}' for v in place)} has {counts[len(place)]} coordinates, but {generator.name} "
            f"makes {MAKES[generator.kind]}: give {counts[wanted]}, {form}"
        )


class Voice:
    """Lines for the user: results on standard output, unless quiet; notes on standard error, always."""

    def __init__(self, quiet: bool):
        self.quiet = quiet

    def say(self, text: str = "") -> None:
        """A result."""
        if not self.quiet:
            click.echo(text)

    def note(self, text: str) -> None:
        """Something the user did not ask for, but should know."""
        click.echo(f"note: {text}", err=True)


def silent(voice: Voice) -> bool | None:
    """Whether progress bars are off, for tqdm: None shows one only where standard error is a terminal."""
    return True if voice.quiet else None
