"""How long frames of the window take, at rest and while the worker makes one-second steps: prints the ratio.

    python tests/drag3d/viewer/frame_times.py [MODEL] [FRAMES]

Frames are drawn one after the other by the window's own loop, with the camera turning, under an Xvfb of its own. The
worker's steps are stood in for by a process that, as the worker does, takes a lower priority, multiplies matrices in
torch for a second in one thread, and sends a mesh of the same size through a pipe, which the window draws.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import x_display
from numpy.typing import NDArray

STEP_SECONDS = 1.0
REST = 0.016
"""Seconds between two looks, as the window's timer has it"""


def steps(pipe: Connection, vertices: NDArray[np.float32]) -> None:
    """A worker whose steps take a second, until the pipe is closed."""
    import torch

    from drag3d.viewer.worker import NICENESS

    if hasattr(os, "nice"):
        os.nice(NICENESS)
    torch.set_num_threads(1)
    matrix = torch.rand(512, 512)
    while True:
        end = time.monotonic() + STEP_SECONDS
        while time.monotonic() < end:
            matrix = (matrix @ matrix).div_(matrix.norm())
        try:
            pipe.send(vertices)
        except OSError:
            return


class Frames:
    """The window, turning."""

    def __init__(self, model: str):
        os.environ["DISPLAY"] = x_display.shared_display().name
        from drag3d.viewer.desktop.app import make_application, open_window
        from drag3d.viewer.link import Link, WorkerOptions

        options = WorkerOptions(model, device="cpu")
        self.application = make_application()
        self.window: Any = open_window(Link.start(options), lambda: Link.start(options))
        self.window.setGeometry(0, 0, *x_display.SIZE)
        self.viewer, self.scene = self.window.viewer, self.window.viewer.scene
        while self.viewer.mirror.shown is None:
            self.application.processEvents()
            time.sleep(0.01)
        self.measured(10)

    def measured(self, count: int, pipe: Connection | None = None) -> NDArray[np.float64]:
        """(count,) milliseconds from a move of the mouse until its frame stands on the screen."""
        body, times = self.viewer.mirror.shown, []
        self.scene.set_moving(True)
        while len(times) < count:
            begun = time.perf_counter()
            if pipe is not None and pipe.poll():
                self.scene.show_shape(pipe.recv(), body.faces, body.normals, body.colors, None)
            self.scene.orbit(5, 0)
            self.window.tick()
            self.application.processEvents()
            times.append((time.perf_counter() - begun) * 1000)
            time.sleep(REST)
        return np.array(times)

    def close(self) -> None:
        """End."""
        self.window.close()


def main() -> None:
    """Print medians and 95th percentiles, and their ratios."""
    if reason := x_display.why_not():
        sys.exit(f"cannot be measured here: {reason}")
    model = sys.argv[1] if len(sys.argv) > 1 else "quadruped"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    frames = Frames(model)
    idle, busy = [], []
    context = multiprocessing.get_context("spawn")
    for _ in range(3):  # in turns, since the machine may be used by others
        idle.append(frames.measured(count // 3))
        ours, theirs = context.Pipe()
        worker = context.Process(target=steps, args=(theirs, frames.viewer.mirror.shown.vertices), daemon=True)
        worker.start()
        theirs.close()
        ours.recv()  # it has begun
        busy.append(frames.measured(count // 3, ours))
        worker.kill()
        worker.join()
        ours.close()
    frames.close()
    at_rest, beside = np.concatenate(idle), np.concatenate(busy)
    faces = len(frames.viewer.mirror.shown.faces)
    print(f"{model}, {faces} triangles, {count} frames each, milliseconds")
    for name, times in (("at rest", at_rest), ("beside one-second steps", beside)):
        print(
            f"{name}: median {np.median(times):.0f}, 95% below {np.percentile(times, 95):.0f}, most {times.max():.0f}"
        )
    median = np.median(beside) / np.median(at_rest)
    rare = np.percentile(beside, 95) / np.percentile(at_rest, 95)
    print(f"ratio: median {median:.2f} (at most 1.5 wanted), 95th percentile {rare:.2f} (at most 2)")


if __name__ == "__main__":
    main()
