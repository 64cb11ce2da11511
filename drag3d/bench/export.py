"""What a file of an edited shape costs, by its texture."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from drag3d.bench.measuring import measure, medians
from drag3d.session import Session
from get3d_models.generator import Generator

WAYS: dict[str, dict[str, Any]] = {
    "GLB, texture of 1024": {"name": "a.glb"},
    "GLB, texture of 2048": {"name": "a.glb", "texture_size": 2048},
    "OBJ, texture of 1024": {"name": "a.obj"},
    "PLY, colours at vertices": {"name": "a.ply"},
}


def bench_export(model: str | Path | Generator = "quadruped", repeats: int = 3) -> dict[str, Any]:
    """Medians of "wall", "cpu" and "peak_bytes" of each of :data:`WAYS`, after one that warms up."""
    session = Session(model, seed=3)
    each: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for title, way in WAYS.items():
            path, settings = Path(folder) / way["name"], {k: v for k, v in way.items() if k != "name"}
            session.export(path, **settings)
            each[title] = medians([measure(partial(session.export, path, **settings)) for _ in range(repeats)])
    return {"model": session.generator.name, "faces": len(session.shape.faces), "repeats": repeats, "each": each}
