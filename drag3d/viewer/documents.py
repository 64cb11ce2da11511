"""What the window is told of the session beside the shape or image itself."""

from __future__ import annotations

import math
from dataclasses import asdict

from drag3d.session.regions import Box, Region
from drag3d.viewer.edits import Edit, Edits
from drag3d.viewer.intents import Place
from drag3d.viewer.replies import Document, PointMark, Progress


def document(edits: Edits, progress: Progress, answered: int, models: tuple[str, ...]) -> Document:
    """All of it, as it is now."""
    edit = edits.current
    if edit is None:
        return Document(answered=answered, models=models)
    session = edit.session
    config = session.generator.config
    return Document(
        answered=answered,
        kind=session.kind,  # type: ignore[arg-type]
        model=edit.model,
        models=models,
        seed=session.seed,
        texture_seed=session.texture_seed,
        truncation=session.truncation,
        label=session.label,
        labels=int(getattr(config, "label_dim", 0) or 0),
        size=session.generator.size if session.kind == "image" else (0, 0),
        diagonal=_diagonal(edit),
        points=tuple(PointMark(p.handle, p.target, p.enabled, p.name) for p in session.points),
        box=_box(session.region),
        has_region=session.region is not None,
        settings={**asdict(session.settings), "latents_moved": session.latents_moved},
        progress=progress,
        undo=edits.undo_label,
        redo=edits.redo_label,
        path=edit.path,
        unsaved=edit.unsaved,
    )


def _diagonal(edit: Edit) -> float:
    """Of the start: it says how large things are, and costs no extraction at every step."""
    if edit.diagonal is None:
        session = edit.session
        size = session.generator.size if session.kind == "image" else ()
        edit.diagonal = math.hypot(*size) if size else session.original_shape.diagonal
    return edit.diagonal


def _box(region: object) -> tuple[Place, Place] | None:
    if isinstance(region, Region) and not region.stay and len(region.move) == 1 and isinstance(region.move[0], Box):
        return region.move[0].low, region.move[0].high
    return None
