"""How commands write shapes: the options of an export, what they fit, and a progress bar while it is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from drag3d.cli.common import Voice, silent

if TYPE_CHECKING:
    from drag3d.session import Session

_KNOWN, _UNKNOWN = "{desc}{percentage:3.0f}%|{bar}|", "{desc}{elapsed}"
NAMES = ("texture_size", "unwrap", "vertex_colors", "resolution", "smooth", "simplify")

_OPTIONS = (
    click.option(
        "--texture-size", type=int,
        help="GLB, OBJ: texels along an edge, 64 to 8192 [default: 1024, 1 s; 2048 takes 4 s, 4096 17 s].",
    ),
    click.option(
        "--unwrap", type=click.Choice(["fast", "quality"]),
        help="GLB, OBJ: how the surface is laid out for the texture. fast: by a box, 0.3 s for 40,000 triangles. "
        "quality: by xatlas, with less distortion, 5 s [default: fast].",
    ),
    click.option("--vertex-colors", is_flag=True, help="GLB, OBJ: colours at the vertices, no texture: 0.1 s."),
    click.option(
        "--resolution", type=int,
        help="Shapes: of the grid that the surface is extracted on, from the same latents. Of the quadruped, whose own "
        "is 40, 74 has 40,000 triangles and takes 10 s and 3 GB.",
    ),
    click.option("--smooth", type=int, default=0, show_default=True, help="Shapes: rounds of smoothing, 0.01 s each."),
    click.option("--simplify", type=int, help="Shapes: triangles to simplify the mesh to; from 40,000 it takes 2 s."),
)  # fmt: skip


def export_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--texture-size, --unwrap, --vertex-colors, --resolution, --smooth and --simplify."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def companion_outputs(out: Path, options: dict[str, Any]) -> list[tuple[str, Path | None, tuple[str, ...]]]:
    """The files that are written beside a textured .obj, for `check_outputs`."""
    if out.suffix.lower() != ".obj" or options["vertex_colors"]:
        return []
    from drag3d.export.textured import companions

    material, texture = companions(out)
    return [("the material of --out", material, (".mtl",)), ("the texture of --out", texture, (".png",))]


def export_settings(out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Takes an export's options away from those of a command; returns them once they prove to fit --out."""
    from drag3d.export.settings import ExportSettings

    settings = ExportSettings(**{name: options.pop(name) for name in NAMES})
    settings.check_for(out)
    return settings.given()


def export(session: Session, out: Path, settings: dict[str, Any], voice: Voice) -> int:
    """Write the shape or image, with a progress bar; returns how many triangles were written, 0 for an image.

    Of a part whose end nobody knows the bar shows the time.
    """
    faces = 0
    with tqdm(desc="preparing", bar_format=_UNKNOWN, leave=False, disable=silent(voice)) as bar:

        def told(what: str, done: int, total: int | None) -> None:
            nonlocal faces
            if what == "writing":
                faces = total or 0
            if bar.disable:
                return
            if bar.desc.rstrip(": ") != what:
                bar.reset()
                bar.set_description(what, refresh=False)
            bar.total, bar.n = total, done
            bar.bar_format = _UNKNOWN if total is None else _KNOWN
            bar.refresh()

        session.export(out, progress=told, **settings)
    return faces
