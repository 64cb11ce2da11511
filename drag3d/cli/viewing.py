"""What commands share that look at a shape: --view and --view-size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from get3d_models.errors import InputError

if TYPE_CHECKING:
    from drag3d.session import Viewpoint

VIEW_SIZE = 512


def view_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--view and --view-size."""
    for option in (
        click.option(
            "--view-size", type=click.IntRange(64, 2048), default=VIEW_SIZE, show_default=True,
            help="Shapes: height and width of the view's picture, in pixels.",
        ),
        click.option(
            "--view", help="Shapes: look from front, back, side (left), right, top, bottom, or azimuth,elevation."
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def chosen_view(generator: Any, options: dict[str, Any]) -> Viewpoint | None:
    """The view that was asked for, None for none; InputError where it is no view."""
    if options["view"] is None:
        if options["view_size"] != VIEW_SIZE:
            raise InputError("--view-size is that of a view's picture; give --view too")
        return None
    from drag3d.session import Viewpoint

    try:
        return Viewpoint.of(options["view"], generator.config.scale, options["view_size"])
    except InputError as error:
        raise InputError(f"--view {error}") from None
