"""``drag3d sample``: write the shape or image of a seed, and pictures and turntables of shapes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from drag3d.cli.common import (
    ANIMATIONS,
    IMAGES,
    MESHES,
    Voice,
    check_outputs,
    device_option,
    opened,
    quiet_option,
    seed_options,
    silent,
)
from drag3d.cli.exporting import NAMES, companion_outputs, export, export_options, export_settings
from drag3d.cli.viewing import chosen_view, view_options
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from drag3d.session import Session, Viewpoint


@click.command()
@click.argument("model")
@seed_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="A .glb, .obj, .ply, .stl or .usd, or a .png or .jpg file."
)
@click.option("--picture", type=click.Path(path_type=Path), help="Shapes: draw it, as PNG.")
@view_options
@click.option("--animation", type=click.Path(path_type=Path), help="Shapes: go round it once, a .mp4 or .gif file.")
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
    out: Path | None,
    picture: Path | None,
    animation: Path | None,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Write the shape or image of a seed.

    MODEL is the name of an embedded model or a checkpoint file; whether it makes shapes or images follows from it. Of
    --out, --picture and --animation give at least one. The picture of a --view is the one whose pixels drag3d drag
    --view takes.
    """
    if not (out or picture or animation):
        raise InputError("there is nothing to write; give --out, --picture or --animation")
    check_outputs([
        ("--out", out, MESHES + IMAGES),
        *(companion_outputs(out, options) if out else ()),
        ("--picture", picture, (".png",)),
        ("--animation", animation, ANIMATIONS),
    ])  # fmt: skip
    if out is None and any(options[name] for name in NAMES):
        raise InputError("options of the written mesh, such as --texture-size or --simplify, need --out")
    generator = opened(model, device, out)
    if generator.kind == "image" and (picture or animation):
        raise InputError(f"{generator.name} makes images, which are their own pictures; write them with --out")
    settings = export_settings(out, options) if out else {}
    view = chosen_view(generator, options) if generator.kind == "shape" else None
    if view is not None and picture is None:
        raise InputError("--view is from where a picture shows the shape; give --picture too")
    from drag3d.session import Session

    voice = Voice(quiet)
    session = Session(generator, seed, texture_seed, truncation, label=label)
    faces = export(session, out, settings, voice) if out else len(session.shape.faces)
    if picture:
        _draw(session, picture, view)
    if animation:
        _film(session, animation, voice)
    if session.kind == "image":
        height, width = session.image.shape[:2]
        size = f"{width} x {height} pixels"
    else:
        size = f"{faces} faces"
    written = ", ".join(str(path) for path in (out, picture, animation) if path)
    voice.say(f"wrote {written}: {session.generator.name}, seed {seed}, {size}")


def _draw(session: Session, path: Path, view: Viewpoint | None) -> None:
    """A picture from where all is seen; or, with a view, the one that pixels of a drag refer to."""
    from drag3d.export import PaintedMesh, Panel, Scene, draw

    panel = Panel(PaintedMesh.of(session.shape))
    if view is None:
        draw(path, Scene([panel], width=800, height=800))
        return
    height, width = view.size
    draw(path, Scene([panel], view.camera, width, height))


def _film(session: Session, path: Path, voice: Voice) -> None:
    from drag3d.export import PaintedMesh, Panel, write_animation
    from drag3d.export.shape_film import TURNTABLE_FRAMES, turntable

    frames = turntable(Panel(PaintedMesh.of(session.shape)))
    told = {"desc": "drawing", "unit": "picture", "leave": False, "disable": silent(voice)}
    write_animation(path, tqdm(frames, total=TURNTABLE_FRAMES, **told), hold=0)
