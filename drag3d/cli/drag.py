"""``drag3d drag``: drag points of a seed's shape and write the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drag3d.cli.common import MESHES, Voice, check_outputs, chosen_device, device_option, quiet_option, seed_options
from drag3d.cli.values import Ball, NamedOffset, Triple, TriplePair
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from drag3d.session import Session

SETTINGS = {
    "tolerance": "Distance at which a handle has arrived [default: 1% of the diagonal].",
    "learning_rate": "Of Adam, in standard deviations (draggan); share of each step (default).",
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
@click.option("--point", "points", type=TriplePair(), multiple=True, help="A handle and its target. Repeat for more.")
@click.option(
    "--keypoint", "keypoints", type=NamedOffset(), multiple=True, help="A named point and its way. Repeatable."
)
@click.option("--move-box", "move_boxes", type=TriplePair(), multiple=True, help="Only what is inside may move.")
@click.option("--move-sphere", "move_spheres", type=Ball(), multiple=True, help="Only what is inside may move.")
@click.option("--stay-box", "stay_boxes", type=TriplePair(), multiple=True, help="What is inside must stay.")
@click.option("--stay-sphere", "stay_spheres", type=Ball(), multiple=True, help="What is inside must stay.")
@click.option("--method", type=click.Choice(["default", "draggan"]), default="default", show_default=True)
@click.option("--latents", type=click.Choice(["geometry", "texture", "both"]), default="geometry", show_default=True)
@click.option(
    "--features", type=click.Choice(["geometry", "texture", "both"]), help="Planes whose features are followed."
)
@click.option(
    "--space", type=click.Choice(["w", "w+"]), default="w+", show_default=True, help="Rows together, or each."
)
@click.option("--max-steps", type=int, default=100, show_default=True)
@click.option("--patience", type=int, default=20, show_default=True, help="Steps without progress before giving up.")
@_settings_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A .glb, .obj, .ply or .stl file.")
@click.option("--report", type=click.Path(path_type=Path), help="Write what was done and how it went, as JSON.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw before and after, as PNG.")
@click.option("--session", "session_file", type=click.Path(path_type=Path), help="Save the session (.drag3d).")
@device_option
@quiet_option
def drag(
    *,
    model: str,
    seed: int,
    texture_seed: int | None,
    truncation: float,
    points: tuple[tuple[Triple, Triple], ...],
    keypoints: tuple[tuple[str, Triple], ...],
    out: Path,
    report: Path | None,
    picture: Path | None,
    session_file: Path | None,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Drag points of a shape and write the result.

    MODEL is the name of an embedded model or a checkpoint file.

    Coordinates are in the model's units, y up; the shape lies within +-0.5 of the centre (quadruped looks towards +z).
    A drag that does not arrive is no error: the reason is printed, and written to the report.
    """
    if not points and not keypoints:
        raise InputError("there is no point to drag; give --point x,y,z:x,y,z or --keypoint name:dx,dy,dz")
    check_outputs([
        ("--out", out, MESHES),
        ("--report", report, (".json",)),
        ("--picture", picture, (".png",)),
        ("--session", session_file, (".drag3d",)),
    ])  # fmt: skip
    from drag3d.cli.running import run_drag, summary, try_picture
    from drag3d.session import Session, write_report

    voice = Voice(quiet)
    session = Session(model, seed, texture_seed, truncation, device=chosen_device(device))
    _configure(session, options)
    for handle, target in points:
        session.add_point(handle, target)
    for name, offset in keypoints:
        session.add_keypoint(name, offset)
    for note in session.notes:
        voice.note(note)
    said = len(session.notes)
    session.autosave = session_file  # only now: an older file is replaced once everything given has proved usable
    try:
        run_drag(session, voice)
    except KeyboardInterrupt:
        if session_file and session_file.is_file():
            voice.note(f"the drag so far is in {session_file}")
        raise
    for note in session.notes[said:]:
        voice.note(note)
    session.export(out)
    if report:
        write_report(report, session)
    drawn = picture is not None and try_picture(session, picture, voice)
    voice.say(summary(session))
    written = [out, report, picture if drawn else None, session_file]
    voice.say(f"wrote {', '.join(str(path) for path in written if path)}")


def _configure(session: Session, options: dict[str, Any]) -> None:
    from drag3d.session import Box, Sphere
    from drag3d.session.checks import changed_settings

    session.latents_moved = options["latents"]
    names = ("method", "space", "features", "max_steps", "patience", *SETTINGS)
    session.settings = changed_settings(session.settings, {name: options[name] for name in names})
    move, stay = (
        [Box(*corners) for corners in options[f"{kind}_boxes"]] + [Sphere(*ball) for ball in options[f"{kind}_spheres"]]
        for kind in ("move", "stay")
    )
    if move or stay:
        session.set_region(move, stay)
