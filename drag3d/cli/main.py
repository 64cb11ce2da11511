"""The command ``drag3d`` itself. Nothing here imports torch: ``drag3d --help`` answers at once."""

from __future__ import annotations

import click

import drag3d
from drag3d.cli.bench import bench
from drag3d.cli.convert import convert
from drag3d.cli.demo import demo
from drag3d.cli.doctor import doctor
from drag3d.cli.drag import drag
from drag3d.cli.errors import OneLineErrors
from drag3d.cli.eval import evaluate_methods
from drag3d.cli.models import models
from drag3d.cli.sample import sample
from drag3d.cli.view import view


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(drag3d.__version__, prog_name="drag3d")
def main() -> None:
    """Drag points on generated 3D shapes and images: they follow, because their latent codes are optimised.

    Start with: drag3d demo
    """


for command in (demo, models, convert, sample, drag, view, bench, evaluate_methods, doctor):
    main.add_command(command)
