"""What several commands share: options, the device, and looking at outputs before any work is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from get3d_models.errors import InputError

MESHES = (".glb", ".obj", ".ply", ".stl")
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
    """--seed, --texture-seed and --truncation."""
    for option in (
        click.option("--truncation", type=float, default=1.0, show_default=True, help="Nearer to 0: more average."),
        click.option("--texture-seed", type=int, help="The seed of the colours; as --seed, when not given."),
        click.option("--seed", type=int, default=0, show_default=True, help="Which shape."),
    ):
        command = option(command)
    return command


def chosen_device(name: str) -> str:
    """A device that is there, for torch; InputError when it is not."""
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there[name]:
        usable = ", ".join(key for key, found in there.items() if found)
        raise InputError(f"device {name} is not available on this machine; available: {usable}. Or use --device auto")
    return name


def check_outputs(outputs: Iterable[tuple[str, Path | None, tuple[str, ...]]]) -> None:
    """Refuse, before any work, outputs that could not be written: (option, path, suffixes) each.

    Looks at suffix, directory and permission, and whether two options name the same file.
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
        real = os.path.realpath(path)
        if real in seen:
            raise InputError(f"{seen[real]} and {option} name the same file {path}; give each its own")
        seen[real] = option


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
