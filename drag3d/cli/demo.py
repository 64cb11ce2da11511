"""``drag3d demo``: one good-looking drag, with everything it can write."""

from __future__ import annotations

from pathlib import Path

import click

from drag3d.cli.common import Voice, chosen_device, device_option, quiet_option
from get3d_models.errors import InputError

MODEL = "quadruped"
SEED = 9
DRAGS = {"left_ear": (0.0, 0.085, 0.019), "right_ear": (0.0, 0.085, 0.019), "tail": (0.0, 0.138, 0.005)}


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("drag3d-demo"), show_default=True, help="A folder."
)
@click.option("--model", default=MODEL, hidden=True)
@device_option
@quiet_option
def demo(out: Path, model: str, device: str, quiet: bool) -> None:
    """Drag the ears and tail of an animal.

    Writes a picture, meshes, a report and the session to a folder.
    """
    _make_folder(out)
    from drag3d.cli.running import run_drag, summary, try_picture
    from drag3d.session import Session, write_report

    voice = Voice(quiet)
    session = Session(model, SEED, device=chosen_device(device))
    for name, offset in DRAGS.items():
        session.add_keypoint(name, offset)
    voice.say(f"Generated a {session.generator.name} (seed {SEED}), and will drag its {_listed(list(DRAGS))}.")
    session.export_original(out / "original.glb")
    session.autosave = out / "edit.drag3d"
    run_drag(session, voice)
    session.export(out / "edited.glb")
    session.export(out / "edited.obj")
    write_report(out / "report.json", session)
    voice.say(f"The drag: {summary(session)}.")
    drawn = try_picture(session, out / "before_after.png", voice)
    voice.say(f"Look at {out / ('before_after.png' if drawn else 'edited.glb')}; the rest is beside it:")
    voice.say(", ".join(sorted(path.name for path in out.iterdir() if path.is_file() and path.name[0] != ".")))


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(exist_ok=True)
    except FileExistsError:
        raise InputError(f"--out {out} is a file; give a folder") from None
    except FileNotFoundError:
        raise InputError(f"--out {out}: there is no directory {out.parent}; create it first") from None
    except OSError as error:
        raise InputError(f"--out {out}: cannot create it ({error.strerror}); choose another folder") from None


def _listed(names: list[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
