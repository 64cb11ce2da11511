"""Running a session's drag with a progress bar, saying how it went, and drawing it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tqdm import tqdm

from drag3d.cli.common import silent

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
            bar.set_postfix_str(f"{_length(session, float(step.distances.max()))} to go")


def summary(session: Session) -> str:
    """One line: how the drag ended, after how long, and what is left."""
    result = session.last_drag
    assert result is not None
    left = _length(session, max(result.distances))
    count = f"{result.steps} step{'' if result.steps == 1 else 's'}"
    handles = "the farthest handle is" if len(result.distances) > 1 else "the handle is"
    return f"{result.reason} after {count} in {result.seconds:.1f} s; {handles} {left} off its target"


def _length(session: Session, distance: float) -> str:
    """A distance as people think of it: pixels of an image, a share of a shape."""
    assert session.last_drag is not None
    if session.kind == "image" or session.last_drag.view is not None:
        return f"{distance:.1f} pixels"
    return f"{distance / session.last_drag.diagonal:.1%} of the diagonal"


def write_film(film: Film, path: Path, voice: Voice, *, turntable: bool = False) -> None:
    """Write the animation, with a progress bar."""
    with tqdm(desc="drawing", unit="picture", leave=False, disable=silent(voice)) as bar:

        def told(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        film.write(path, turntable=turntable, progress=told)
