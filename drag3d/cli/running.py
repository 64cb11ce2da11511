"""Running a session's drag with a progress bar, and saying how it went."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from pathlib import Path

    from drag3d.cli.common import Voice
    from drag3d.session import Session


def run_drag(session: Session, voice: Voice) -> None:
    """Drag to the end. Ctrl-C ends it too: the session then holds (and has saved, with autosave) the last step."""
    silent = True if voice.quiet else None  # None: only where standard error is a terminal
    with (
        closing(session.drag()) as steps,
        tqdm(total=session.settings.max_steps, desc="dragging", unit="step", leave=False, disable=silent) as bar,
    ):
        for step in steps:
            if step.index:
                bar.update()
            share = float(step.distances.max()) / session.original_shape.diagonal
            bar.set_postfix_str(f"{share:.1%} of the diagonal to go")


def summary(session: Session) -> str:
    """One line: how the drag ended, after how long, and what is left."""
    result = session.last_drag
    assert result is not None
    left = 100 * max(result.distances) / result.diagonal
    count = f"{result.steps} step{'' if result.steps == 1 else 's'}"
    handles = "the farthest handle is" if len(result.distances) > 1 else "the handle is"
    return (
        f"{result.reason} after {count} in {result.seconds:.1f} s; {handles} {left:.1f}% of the diagonal off its target"
    )


def try_picture(session: Session, path: Path, voice: Voice) -> bool:
    """Draw before and after; on a machine that cannot draw, say so in one line and go on."""
    from drag3d.export import NoPicture

    try:
        session.draw(path)
    except NoPicture as error:
        voice.note(f"no picture: {error}")
        return False
    return True
