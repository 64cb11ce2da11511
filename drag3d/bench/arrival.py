"""How many steps, and how long, keypoint drags on an embedded model take until the handle has arrived."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

from drag3d.core import StopReason
from drag3d.session import Session
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.keypoints import keypoints
from get3d_models.loading import load
from get3d_models.stylegan2 import ImageGenerator

LENGTHS = {"shape": (0.10, 0.20), "image": (0.05, 0.15)}
"""Of a drag, shortest and longest: in diagonals of the shape, or in widths of the image"""


def bench_arrival(
    model: str | Path | Generator | ImageGenerator = "quadruped",
    drags: int = 5,
    method: str = "default",
    device: str = "cpu",
) -> dict[str, Any]:
    """Drags of one keypoint each, towards the place where another seed has it; see :data:`LENGTHS`.

    Returns for "each" drag its seed, keypoint, steps, seconds and reason, and over all of them the share that
    "arrived", by the drag's own tracker, and the medians of "steps", "seconds" and "seconds_per_step".
    """
    generator = load(model, device) if isinstance(model, str | Path) else model
    names = list(keypoints(generator, 0))
    rows: list[dict[str, Any]] = []
    for number in range(drags):
        seed, name = number, names[number % len(names)]
        try:
            session = Session(generator, seed)
            session.add_keypoint(name, offset_towards_another(session, name))
        except InputError as error:  # the trained shape lacks the part that its teacher has
            rows.append({"seed": seed, "keypoint": name, "steps": 0, "seconds": 0.0, "reason": str(error)})
            continue
        for _ in session.drag(method=method):
            pass
        result = session.last_drag
        assert result is not None
        row = {"steps": result.steps, "seconds": result.seconds, "reason": str(result.reason)}
        rows.append({"seed": seed, "keypoint": name, **row})
    ran = [row for row in rows if row["steps"]]
    return {
        "model": generator.name,
        "method": method,
        "drags": drags,
        "arrived": sum(row["reason"] == StopReason.ARRIVED for row in rows) / drags,
        "steps": statistics.median(row["steps"] for row in ran) if ran else None,
        "seconds": statistics.median(row["seconds"] for row in ran) if ran else None,
        "seconds_per_step": statistics.median(row["seconds"] / row["steps"] for row in ran) if ran else None,
        "each": rows,
    }


def offset_towards_another(session: Session, name: str) -> tuple[float, ...]:
    """The way to where the next seeds have the keypoint, cut or drawn out to what a drag's length may be."""
    start, way = session.keypoints[name], [0.0]
    unit = session.shape.diagonal if session.kind == "shape" else session.generator.size[0]
    shortest, longest = (share * unit for share in LENGTHS[session.kind])
    for other in range(session.seed + 1, session.seed + 100):
        end = keypoints(session.generator, other)[name].tolist()
        way = [b - a for a, b in zip(start, end, strict=True)]
        if math.hypot(*way) >= shortest:
            break
    length = math.hypot(*way)
    return tuple(part * min(max(length, shortest), longest) / length for part in way)
