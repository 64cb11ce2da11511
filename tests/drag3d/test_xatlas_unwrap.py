"""xatlas lays a surface out in a process of its own, which ends at once when nobody waits for it any more."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from drag3d.export.atlas import Atlas
from drag3d.export.mesh import vertex_normals
from drag3d.export.xatlas_unwrap import xatlas_unwrap
from drag3d.rendering import rasterize
from get3d_models.errors import InputError

BALL = trimesh.creation.icosphere(3)
LONG = trimesh.creation.icosphere(5)  # 20480 faces: several seconds

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")


def arrays(mesh: trimesh.Trimesh, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vertices = (mesh.vertices * [0.5, 0.2, 0.3] * scale).astype(np.float32)
    return vertices, mesh.faces.astype(np.int64), vertex_normals(vertices, mesh.faces)


def workers(folder: Path) -> set[str]:
    """The processes that unwrap what lies in a folder; those of other tests, which may run meanwhile, do not count."""
    found = set()
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended since
            said = command.read_bytes()
            if b"xatlas_worker.py" in said and os.fsencode(folder) in said:
                found.add(command.parent.name)
    return found


def doubly_covered(atlas: Atlas, pixels: int) -> float:
    flat = torch.from_numpy(atlas.uv) * 2 - 1
    clip = torch.cat([flat, torch.zeros(len(flat), 1), torch.ones(len(flat), 1)], dim=1)
    faces = torch.from_numpy(atlas.faces)
    first = rasterize(clip, faces, (pixels, pixels)).triangle
    last = rasterize(clip, faces.flip(0), (pixels, pixels)).triangle
    return float((first != torch.where(last >= 0, len(faces) - 1 - last, last)).float().mean())


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_every_face_has_a_place_of_its_own(scale: float) -> None:
    vertices, faces, normals = arrays(BALL, scale)
    atlas = xatlas_unwrap(vertices, faces, normals, 256)
    assert np.array_equal(atlas.origin[atlas.faces], faces)
    assert atlas.uv.min() >= 0 and atlas.uv.max() <= 1
    assert doubly_covered(atlas, 1024) < 1e-5
    a, b, c = np.moveaxis(atlas.uv[atlas.faces].astype(float), 1, 0)
    areas = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / -2  # v runs down
    assert np.abs(areas).min() > 0  # xatlas leaves faces out that it finds too small, at this scale all of them
    assert (areas > 0).mean() > 0.9  # it mirrors a chart now and then
    assert areas.sum() > 0.3


def test_progress_is_told_while_it_works() -> None:
    told: list[tuple[str, int, int | None]] = []
    xatlas_unwrap(*arrays(BALL), 256, lambda *said: told.append(said))
    assert told and {(what, total) for what, _, total in told} == {("unwrapping", None)}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


@linux
def test_what_the_callback_raises_ends_the_work_at_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    calls = 0

    class Enough(Exception):
        pass

    def told(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 8:
            assert workers(tmp_path) and list(tmp_path.iterdir())
            raise Enough

    started = time.monotonic()
    with pytest.raises(Enough):
        xatlas_unwrap(*arrays(LONG), 1024, told)
    assert time.monotonic() - started < 5
    assert not workers(tmp_path) and not list(tmp_path.iterdir())


PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background it is ignored
from pathlib import Path
import numpy as np
from drag3d.export.xatlas_unwrap import xatlas_unwrap
mesh = np.load(sys.argv[1])
def told(what, done, total):
    Path(sys.argv[2]).touch()
xatlas_unwrap(mesh["vertices"], mesh["faces"], mesh["normals"], 1024, told)
"""


@linux
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_process_ends_with_the_program_that_waits_for_it(tmp_path: Path, how: signal.Signals) -> None:
    vertices, faces, normals = arrays(LONG)
    np.savez(tmp_path / "mesh.npz", vertices=vertices, faces=faces, normals=normals)
    temporary, begun = tmp_path / "temporary", tmp_path / "begun"
    temporary.mkdir()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "mesh.npz"), str(begun)]
    program = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(temporary)}, stderr=subprocess.DEVNULL)
    try:
        wait_for(begun.is_file)
        wait_for(lambda: workers(temporary))
        time.sleep(0.5)  # xatlas is at work, deep in code that is not Python's
        program.send_signal(how)
        program.wait(5)
        wait_for(lambda: not workers(temporary), 2)
    finally:
        program.kill()
    if how == signal.SIGINT:  # as of Ctrl-C; a killed program cannot clear up
        assert not list(temporary.iterdir())


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_a_failing_process_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drag3d.export.xatlas_unwrap._WORKER", Path("no_such_worker.py"))
    with pytest.raises(
        InputError, match=r"xatlas could not unwrap this surface .*take the unwrapping 'fast'"
    ) as caught:
        xatlas_unwrap(*arrays(BALL), 256)
    assert "\n" not in str(caught.value)
