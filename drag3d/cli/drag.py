"""``drag3d drag``: drag points of a seed's shape or image and write the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drag3d.cli.common import (
    ANIMATIONS,
    IMAGES,
    MESHES,
    Voice,
    check_coordinates,
    check_outputs,
    device_option,
    opened,
    quiet_option,
    seed_options,
)
from drag3d.cli.exporting import companion_outputs, export, export_options, export_settings
from drag3d.cli.values import Ball, NamedOffset, Place, PlacePair, TriplePair
from drag3d.cli.viewing import chosen_view, view_options
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from drag3d.session import Session, Viewpoint

SETTINGS = {
    "tolerance": "Distance at which a handle has arrived [default: 1% of a shape's diagonal; 2 pixels of 512].",
    "learning_rate": "Of Adam (draggan); share of each step (default).",
    "step_length": "How far one step tries to move a handle.",
    "patch_radius": "Radius of the neighbourhood that is moved.",
    "search_radius": "Radius in which a handle is looked for.",
    "hold_weight": "Weight of the term that holds what must stay.",
}


def _settings_options(command: Any) -> Any:
    for name, text in reversed(SETTINGS.items()):
        command = click.option(f"--{name.replace('_', '-')}", type=float, help=text)(command)
    return command


@click.command()
@click.argument("model")
@seed_options
@click.option("--point", "points", type=PlacePair(), multiple=True, help="A handle and its target. Repeat for more.")
@click.option(
    "--keypoint", "keypoints", type=NamedOffset(), multiple=True, help="A named point and its way. Repeatable."
)
@view_options
@click.option(
    "--pixel",
    "pixels",
    type=PlacePair(),
    multiple=True,
    help="Shapes, with --view: two pixels of its picture, a handle and its target. Repeat for more.",
)
@click.option(
    "--mask", type=click.Path(path_type=Path),
    help="Images, and shapes with --view: a PNG of the picture's size, white where things may move.",
)  # fmt: skip
@click.option("--move-box", "move_boxes", type=TriplePair(), multiple=True, help="Shapes: only the inside may move.")
@click.option("--move-sphere", "move_spheres", type=Ball(), multiple=True, help="Shapes: only the inside may move.")
@click.option("--stay-box", "stay_boxes", type=TriplePair(), multiple=True, help="Shapes: what is inside must stay.")
@click.option("--stay-sphere", "stay_spheres", type=Ball(), multiple=True, help="Shapes: what is inside must stay.")
@click.option(
    "--method", type=click.Choice(["default", "draggan", "drag3d-2023"]), default="default", show_default=True,
    help="drag3d-2023: the older 3D editor's, for shapes.",
)  # fmt: skip
@click.option(
    "--variant", type=click.Choice(["paper", "released"]), default="paper", show_default=True,
    help="Images, draggan: as its paper says, or as its released code does.",
)  # fmt: skip
@click.option(
    "--latents", type=click.Choice(["geometry", "texture", "both"]), default="geometry", show_default=True,
    help="Shapes: the latents that move.",
)  # fmt: skip
@click.option(
    "--features", type=click.Choice(["geometry", "texture", "both"]), help="Shapes: planes whose features are followed."
)
@click.option("--layers", type=int, help="Images: first latent rows that move [default: draggan 6, else all].")
@click.option("--feature-block", type=int, help="Images: block whose features are followed, from 0 [default: 5].")
@click.option(
    "--space",
    type=click.Choice(["w", "w+"]),
    default="w+",
    show_default=True,
    help="draggan: rows together, or each.",
)
@click.option("--max-steps", type=int, default=100, show_default=True)
@click.option("--patience", type=int, help="Steps without progress before giving up [default: 8; of draggan 20].")
@_settings_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A .glb, .obj, .ply, .stl or .usd, or a .png or .jpg file.",
)
@export_options
@click.option("--report", type=click.Path(path_type=Path), help="Write what was done and how it went, as JSON.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw before and after, as PNG.")
@click.option("--animation", type=click.Path(path_type=Path), help="Show the drag step by step: a .mp4 or .gif file.")
@click.option("--turntable", is_flag=True, help="Shapes: the animation's camera goes round.")
@click.option("--session", "session_file", type=click.Path(path_type=Path), help="Save the session (.drag3d).")
@device_option
@quiet_option
def drag(
    *,
    model: str,
    seed: int,
    texture_seed: int | None,
    label: int | None,
    truncation: float,
    points: tuple[tuple[Place, Place], ...],
    keypoints: tuple[tuple[str, Place], ...],
    pixels: tuple[tuple[Place, Place], ...],
    out: Path,
    report: Path | None,
    picture: Path | None,
    animation: Path | None,
    turntable: bool,
    session_file: Path | None,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Drag points of a shape or an image and write the result.

    MODEL is the name of an embedded model or a checkpoint file; whether it makes shapes or images follows from it.

    Of a shape, coordinates are in the model's units, y up; it lies within +-0.5 of the centre (quadruped looks towards
    +z). Of an image they are pixels, whose centres are whole numbers, from the top left. A drag that does not arrive is
    no error: the reason is printed, and written to the report.

    With --view a shape is dragged in a picture of it, by pixels as an image is (see the picture with: drag3d sample
    MODEL --view side --picture side.png). Keypoints then have two offsets, in pixels.
    """
    if not points and not keypoints and not pixels:
        raise InputError("there is no point to drag; give --point x,y[,z]:x,y[,z] or --keypoint name:dx,dy[,dz]")
    if options["variant"] != "paper" and options["method"] != "draggan":
        raise InputError(f"--variant {options['variant']} is one of --method draggan; give that too")
    if options["method"] == "drag3d-2023" and options["latents"] != "geometry":
        raise InputError("--method drag3d-2023 moves geometry only; leave --latents out, or take another method")
    check_outputs([
        ("--out", out, MESHES + IMAGES),
        *companion_outputs(out, options),
        ("--report", report, (".json",)),
        ("--picture", picture, (".png",)),
        ("--animation", animation, ANIMATIONS),
        ("--session", session_file, (".drag3d",)),
    ])  # fmt: skip
    if turntable and animation is None:
        raise InputError("--turntable is the camera of an animation; give --animation too")
    generator = opened(model, device, out)
    settings = export_settings(out, options)
    view = _checked_view(generator, options, points, keypoints, pixels)
    from drag3d.cli.running import run_drag, write_film
    from drag3d.session import Film, Session, write_report
    from drag3d.session.summary import summary

    voice = Voice(quiet)
    session = Session(generator, seed, texture_seed, truncation, label=label)
    _configure(session, options, view)
    _add_points(session, view, points, keypoints, pixels)
    for note in session.notes:
        voice.note(note)
    said = len(session.notes)
    film = Film(session) if animation else None
    session.autosave = session_file  # only now: an older file is replaced once everything given has proved usable
    try:
        run_drag(session, voice, film, view)
    except KeyboardInterrupt:
        if session_file and session_file.is_file():
            voice.note(f"the drag so far is in {session_file}")
        raise
    for note in session.notes[said:]:
        voice.note(note)
    export(session, out, settings, voice)
    if report:
        write_report(report, session)
    if picture:
        session.draw(picture)
    voice.say(summary(session))
    if film and animation:
        write_film(film, animation, voice, turntable=turntable)
    written = [out, report, picture, animation, session_file]
    voice.say(f"wrote {', '.join(str(path) for path in written if path)}")


def _checked_view(
    generator: Any,
    options: dict[str, Any],
    points: tuple[tuple[Place, Place], ...],
    keypoints: tuple[tuple[str, Place], ...],
    pixels: tuple[tuple[Place, Place], ...],
) -> Viewpoint | None:
    """The view to drag in, once all coordinates have proved to be as many as it, or the model, wants."""
    view = chosen_view(generator, options) if generator.kind == "shape" else None
    if view is None and pixels:
        raise InputError("--pixel is a place in the picture of a view; give --view too, for instance --view side")
    if view is None and generator.kind == "shape" and options["mask"] is not None:
        raise InputError(
            "--mask is a picture of what may move; give --view too, or use --move-box, --move-sphere, --stay-box or "
            "--stay-sphere"
        )
    for place, _ in points:
        check_coordinates(generator, "--point ", place)
    for option, place in [("--pixel ", p) for p, _ in pixels] + [(f"--keypoint {n}:", p) for n, p in keypoints]:
        check_coordinates(generator, option, place, in_view=view is not None)
    return view


def _add_points(
    session: Session,
    view: Viewpoint | None,
    points: tuple[tuple[Place, Place], ...],
    keypoints: tuple[tuple[str, Place], ...],
    pixels: tuple[tuple[Place, Place], ...],
) -> None:
    for handle, target in points:
        session.add_point(handle, target)
    if view is not None:
        for handle, target in pixels:
            session.add_pixel(view, handle, target)
    for name, offset in keypoints:
        session.add_keypoint(name, offset, view)


def _configure(session: Session, options: dict[str, Any], view: Viewpoint | None) -> None:
    from drag3d.session.checks import changed_settings

    names = ["method", "space", "max_steps", "patience", *SETTINGS]
    names += ["layers", "feature_block", "variant"] if session.kind == "image" else ["features"]
    session.settings = changed_settings(session.settings, {name: options[name] for name in names})
    if session.kind == "shape":
        session.latents_moved = options["latents"]
        _set_region(session, options)
    if options["mask"] is None:
        return
    if view is None:
        session.set_mask(options["mask"])
    elif session.region is None:
        session.set_view_mask(view, options["mask"])
    else:
        raise InputError("--mask and boxes or spheres both say what may move; give one of the two ways")


def _set_region(session: Session, options: dict[str, Any]) -> None:
    from drag3d.session import Box, Sphere

    move, stay = (
        [Box(*corners) for corners in options[f"{kind}_boxes"]] + [Sphere(*ball) for ball in options[f"{kind}_spheres"]]
        for kind in ("move", "stay")
    )
    if move or stay:
        session.set_region(move, stay)
