"""The report of a drag: what was done, with what, and how far it got. Plain values, written as JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import drag3d
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from drag3d.session.session import Session


def report(session: Session) -> dict[str, Any]:
    """The last drag of a session. "unit" is that of all lengths; "percent" is of the diagonal before the drag.

    Of a drag in a view, lengths and the diagonal are those of its picture, places of handles those of points in space,
    with their pixels beside them.

    Raises InputError when nothing has been dragged since the session was made or opened.
    """
    result = session.last_drag
    if result is None:
        raise InputError("there is nothing to report: no drag has run in this session")
    method = {**dataclasses.asdict(result.settings), "latents_moved": result.latents_moved}
    return {
        "drag3d": drag3d.__version__,
        "torch": str(torch.__version__),
        "device": result.device,
        "kind": session.kind,
        "unit": "px" if result.view else session.unit,
        "view": None if result.view is None else result.view.view.described(),
        "model": {
            "name": session.generator.name,
            "sha256": session.generator.fingerprint,
            "config": session.generator.config.to_dict(),
        },
        "seed": session.seed,
        "texture_seed": session.texture_seed,
        "label": session.label,
        "truncation": session.truncation,
        "method": method.pop("method"),
        "settings": method,
        "held_points": result.held,
        "diagonal": result.diagonal,
        "tolerance": result.tolerance,
        "handles": _handles(session),
        "steps": result.steps,
        "seconds": round(result.seconds, 3),
        "stop_reason": str(result.reason),
        "arrived": result.reason == "arrived",
        "losses": [loss if abs(loss) < float("inf") else None for loss in result.losses],
        "notes": list(session.notes),
    }


def write_report(path: str | Path, session: Session) -> Path:
    """Write the report of the last drag as JSON, atomically."""
    text = json.dumps(report(session), indent=2, allow_nan=False, ensure_ascii=False)
    from drag3d.export.atomic import write_bytes_atomically  # all of the export comes with it

    return write_bytes_atomically(path, f"{text}\n".encode())


def _handles(session: Session) -> list[dict[str, Any]]:
    result = session.last_drag
    assert result is not None
    rows: list[dict[str, Any]] = []
    for index, distance in zip(result.points, result.distances, strict=True):
        start = result.before.points[index]
        rows.append({
            "point": index,
            "name": start.name or None,
            "start": list(start.handle),
            "tracked_end": list(result.ends[result.points.index(index)]),
            "target": list(start.target),
            "remaining": distance,
            "remaining_percent": 100 * distance / result.diagonal,
        })  # fmt: skip
        if result.view is not None:
            number = result.points.index(index)
            pixels = {name: list(getattr(result.view, f"{name}s")[number]) for name in ("start", "end", "target")}
            rows[-1] |= {"pixels": pixels, "hidden_at_step": result.view.hidden[number]}
    return rows
