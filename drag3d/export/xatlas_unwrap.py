"""Unwrapping with xatlas, which follows the surface: hardly distorted charts, for some five seconds at 40,000 faces.

xatlas neither can be stopped nor says how far it is, so it works in a process of its own (`xatlas_worker.py`). Whatever
ends the wait for it, Ctrl-C or an exception out of the callback, kills that process at once and removes its files.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drag3d.export.atlas import Atlas, Progress, gutter
from get3d_models.errors import InputError

_WORKER = Path(__file__).with_name("xatlas_worker.py")
_DIAGONAL = 1000.0  # xatlas leaves out faces of less than about 1e-7 square units: in models of size 1, real ones
_LOOK_SECONDS = 0.1  # how often the callback is asked; the end of the work is noticed at once


def xatlas_unwrap(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int64],
    normals: NDArray[np.float32],
    texture_size: int,
    progress: Progress | None = None,
) -> Atlas:
    """The atlas of a mesh, for a square texture of so many texels along an edge.

    vertices: (V, 3). faces: (F, 3). normals: (V, 3), unit. progress: told "unwrapping", the seconds passed and None
    about ten times a second; what it raises ends the work at once. Raises InputError where xatlas gives no atlas.
    """
    diagonal = float(np.linalg.norm(np.ptp(vertices.astype(np.float64), axis=0)))
    with tempfile.TemporaryDirectory(prefix="drag3d-unwrap-") as folder:
        packed, out = Path(folder, "mesh.npz"), Path(folder, "atlas.npz")
        np.savez(
            packed,
            vertices=(vertices * (_DIAGONAL / diagonal if diagonal > 0 else 1.0)).astype(np.float32),
            faces=faces.astype(np.uint32),
            normals=normals,
            texture_size=texture_size,
            gutter=gutter(texture_size),
        )
        said = _run([sys.executable, str(_WORKER), str(packed), str(out)], progress)
        if not out.is_file():
            raise InputError(f"xatlas could not unwrap this surface ({said}); take the unwrapping 'fast'")
        with np.load(out) as arrays:
            return _atlas(dict(arrays), faces)


def _run(command: list[str], progress: Progress | None) -> str:
    """Run a program to its end and return the last line of its errors; it is dead when this returns or raises."""
    started = time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as child:
        try:
            while True:
                if progress is not None:
                    progress("unwrapping", int(time.monotonic() - started), None)
                try:
                    _, errors = child.communicate(timeout=_LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
                lines = errors.decode(errors="replace").strip().splitlines()
                return lines[-1] if lines else f"it ended with code {child.returncode}"
        except BaseException:
            child.kill()
            raise


def _atlas(found: dict[str, NDArray], faces: NDArray[np.int64]) -> Atlas:
    """What xatlas found, in our terms: one square page, v down."""
    origin, cut_faces = found["origin"].astype(np.int64), found["faces"].astype(np.int64)
    several = (found["pages"].astype(np.int32) > 0).any()  # -1: in none, without area
    if several or not np.array_equal(origin[cut_faces], faces):
        raise InputError("xatlas could not lay this surface out in one texture; take the unwrapping 'fast'")
    uv = found["uv"] * found["size"] / found["size"].max()  # it counts each direction by the extent of its own
    uv[:, 1] = 1 - uv[:, 1]
    chart = np.unique(found["chart"][cut_faces[:, 0]], return_inverse=True)[1]
    return Atlas(uv.clip(0, 1).astype(np.float32), origin, cut_faces, chart.astype(np.int64))
