"""The process that unwraps with xatlas: `python xatlas_worker.py MESH.npz ATLAS.npz`.

Stands alone (no import from this project, so that it starts quickly), and may be killed at any moment; see
`xatlas_unwrap.py`, which writes MESH.npz and reads ATLAS.npz.
"""

import contextlib
import math
import signal
import sys

import numpy as np
import xatlas


def main(packed: str, out: str) -> None:
    die_with_parent()
    with np.load(packed) as arrays:
        atlas = xatlas.Atlas()
        atlas.add_mesh(arrays["vertices"], arrays["faces"], arrays["normals"])
        texture_size, gutter = int(arrays["texture_size"]), int(arrays["gutter"])
    charts = xatlas.ChartOptions()
    # Against xatlas's defaults these take half the time, at no loss that can be seen.
    charts.normal_deviation_weight, charts.roundness_weight, charts.straightness_weight = 0.5, 0.0, 0.0
    packing = xatlas.PackOptions()
    # The page comes out up to 1.3 times as large as asked for, and is then scaled down, and the padding with it.
    packing.resolution, packing.padding, packing.bilinear = texture_size, math.ceil(1.3 * gutter), True
    packing.rotate_charts = False  # it would turn charts by swapping u and v, which mirrors them
    atlas.generate(charts, packing)
    origin, faces, uv = atlas[0]
    pages, chart = atlas.get_mesh_vertex_assignment(0)
    np.savez(
        out, origin=origin, faces=faces, uv=uv, pages=pages, chart=chart, size=np.array([atlas.width, atlas.height])
    )


def die_with_parent() -> None:
    """End when the process that asked does, even if that is killed; Linux only, elsewhere this one finishes first."""
    with contextlib.suppress(ImportError, OSError, AttributeError, TypeError):
        import ctypes

        set_signal_at_death_of_parent = 1
        ctypes.CDLL(None).prctl(set_signal_at_death_of_parent, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
