"""How long something takes and how much memory, on a machine where other programs run too."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch


def measure(run: Callable[[], Any]) -> tuple[float, float, int | None]:
    """Wall seconds, CPU seconds of the process, and bytes that were resident at the peak beyond those before."""
    before = _restart_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, None if before is None else max(0, _status("VmHWM") - before)


def medians(values: list[tuple[float, float, int | None]]) -> dict[str, float | None]:
    """Of what :meth:`measure` gave: "wall" and "cpu" seconds, "peak_bytes"."""
    peaks = [peak for _, _, peak in values if peak is not None]
    return {
        "wall": statistics.median(v[0] for v in values),
        "cpu": statistics.median(v[1] for v in values),
        "peak_bytes": statistics.median(peaks) if len(peaks) == len(values) else None,
    }


def _restart_peak() -> int | None:
    """Give back what is free and make Linux count the peak anew; bytes resident now, None where that cannot be had."""
    if sys.platform != "linux":
        return None
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, ValueError):
        # Memory that an earlier step freed and the allocator kept would hide what the next one takes.
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    return None


def _status(entry: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(entry + ":"))
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def running_threads(count: int) -> Iterator[None]:
    """So many threads of torch inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
