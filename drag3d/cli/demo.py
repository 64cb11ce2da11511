"""``drag3d demo``: one good-looking drag of a shape and one of an image, with everything they can write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drag3d.cli.common import Voice, device_option, quiet_option
from get3d_models.devices import chosen_device
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from drag3d.session import Session


@dataclass(frozen=True)
class Edit:
    """A drag that looks good: a model, a seed, and keypoints with their ways."""

    model: str
    seed: int
    ways: dict[str, tuple[float, ...]]


SHAPE = Edit("quadruped", 9, {"left_ear": (0, 0.085, 0.019), "right_ear": (0, 0.085, 0.019), "tail": (0, 0.138, 0.005)})
IMAGE = Edit("portrait", 14, {"eye_left_upper_lid": (0, -8), "eye_right_upper_lid": (0, -8)})


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("drag3d-demo"), show_default=True, help="A folder."
)
@click.option("--model", default=SHAPE.model, hidden=True)
@click.option("--image-model", default=IMAGE.model, hidden=True)
@device_option
@quiet_option
def demo(out: Path, model: str, image_model: str, device: str, quiet: bool) -> None:
    """Drag the ears and tail of an animal, and open the eyes of a portrait.

    Writes pictures, meshes, an image, an animation, reports and sessions to a folder.
    """
    _make_folder(out)
    from get3d_models import embedded_models

    voice, device = Voice(quiet), chosen_device(device)
    _edit_shape(model, device, out, voice)
    shown = ["before_after.png"]
    if image_model != IMAGE.model or image_model in embedded_models():
        _edit_image(image_model, device, out, voice)
        shown.append("image_before_after.png")
    else:
        voice.note(f"no image was edited: this installation lacks the model {image_model}")
    voice.say(f"Look at {' and '.join(str(out / name) for name in shown)};")
    names = sorted(path.name for path in out.iterdir() if path.is_file() and path.name[0] != ".")
    voice.say(f"all that is there: {', '.join(names)}")


def _edit_shape(model: str, device: str, out: Path, voice: Voice) -> None:
    from drag3d.cli.running import run_drag
    from drag3d.session import write_report
    from drag3d.session.summary import summary

    session = _prepared(model, SHAPE, device, voice)
    session.export_original(out / "original.glb")
    session.autosave = out / "edit.drag3d"
    run_drag(session, voice)
    session.export(out / "edited.glb")
    session.export(out / "edited.obj")
    write_report(out / "report.json", session)
    voice.say(f"The drag: {summary(session)}.")
    session.draw(out / "before_after.png")


def _edit_image(model: str, device: str, out: Path, voice: Voice) -> None:
    from drag3d.cli.running import run_drag, write_film
    from drag3d.session import Film, write_report
    from drag3d.session.summary import summary

    session = _prepared(model, IMAGE, device, voice)
    film = Film(session)
    session.export_original(out / "original.png")
    session.autosave = out / "image_edit.drag3d"
    run_drag(session, voice, film)
    session.export(out / "edited.png")
    write_report(out / "image_report.json", session)
    voice.say(f"The drag: {summary(session)}.")
    session.draw(out / "image_before_after.png")
    write_film(film, out / "image_drag.gif", voice)


def _prepared(model: str, edit: Edit, device: str, voice: Voice) -> Session:
    from drag3d.session import Session

    session = Session(model, edit.seed, device=device)
    for name, way in edit.ways.items():
        session.add_keypoint(name, way)
    voice.say(f"Generated a {session.generator.name} (seed {edit.seed}), and will drag its {_listed(list(edit.ways))}.")
    return session


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
