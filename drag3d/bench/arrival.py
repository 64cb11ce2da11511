"""How many steps, and how long, keypoint drags on the embedded model take until the handle has arrived."""

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

SHORTEST, LONGEST = 0.10, 0.20
"""Length of a drag, in diagonals of the shape"""
KEYPOINTS = ("snout", "left_ear", "tail", "left_front_foot", "right_hind_foot")


def bench_arrival(
    model: str | Path | Generator = "quadruped", drags: int = 5, method: str = "default"
) -> dict[str, Any]:
    """Drags of one keypoint each, towards the place where another seed has it, by 10% to 20% of the diagonal.

    Returns for "each" drag its seed, keypoint, steps, seconds and reason, and over all of them the share that
    "arrived", by the drag's own tracker, and the medians of "steps", "seconds" and "seconds_per_step".
    """
    generator = model if isinstance(model, Generator) else load(model)
    rows: list[dict[str, Any]] = []
    for number in range(drags):
        seed, name = number, KEYPOINTS[number % len(KEYPOINTS)]
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


def offset_towards_another(session: Session, name: str) -> tuple[float, float, float]:
    """The way to where the next seeds have the keypoint, cut or drawn out to 10% to 20% of the diagonal."""
    start = session.keypoints[name]
    x, y, z = 0.0, 0.0, 0.0
    for other in range(session.seed + 1, session.seed + 100):
        end = keypoints(session.generator, other)[name].tolist()
        x, y, z = (b - a for a, b in zip(start, end, strict=True))
        if math.hypot(x, y, z) >= SHORTEST * session.shape.diagonal:
            break
    length = math.hypot(x, y, z)
    wanted = min(max(length, SHORTEST * session.shape.diagonal), LONGEST * session.shape.diagonal)
    return x * wanted / length, y * wanted / length, z * wanted / length
