"""Running a session's drag with a progress bar, and drawing it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tqdm import tqdm

from drag3d.cli.common import silent
from drag3d.session.summary import length

if TYPE_CHECKING:
    from pathlib import Path

    from drag3d.cli.common import Voice
    from drag3d.session import Film, Session, Viewpoint


def run_drag(session: Session, voice: Voice, film: Film | None = None, view: Viewpoint | None = None) -> None:
    """Drag to the end, in the picture of a view if there is one.

    Ctrl-C ends it too: the session then holds (and has saved, with autosave) the last step.
    """
    with (
        closing(session.drag(view=view)) as steps,
        tqdm(total=session.settings.max_steps, desc="dragging", unit="step", leave=False, disable=silent(voice)) as bar,
    ):
        for step in steps:
            if film is not None:
                film.take()
            if step.index:
                bar.update()
            bar.set_postfix_str(f"{length(session, float(step.distances.max()))} to go")


def write_film(film: Film, path: Path, voice: Voice, *, turntable: bool = False) -> None:
    """Write the animation, with a progress bar."""
    with tqdm(desc="drawing", unit="picture", leave=False, disable=silent(voice)) as bar:

        def told(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        film.write(path, turntable=turntable, progress=told)
