"""How long something takes and how much memory, on a machine where other programs run too."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

CPU = torch.device("cpu")


def measure(run: Callable[[], Any], device: torch.device = CPU) -> tuple[float, float, int | None]:
    """Wall seconds, CPU seconds of the process, and bytes in use at the peak beyond those before.

    On CUDA until the device has done everything, and of the device's memory.
    """
    before = _restart_peak(device)
    finish(device)
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    finish(device)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, None if before is None else max(0, _peak(device) - before)


def machine(device: str) -> str:
    """What is measured on, in words: device, and the version of torch."""
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}"
    return f"{device}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, PyTorch {torch.__version__}"


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was told: it runs behind the program that tells it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def medians(values: list[tuple[float, float, int | None]]) -> dict[str, float | None]:
    """Of what :meth:`measure` gave: "wall" and "cpu" seconds, "peak_bytes"."""
    peaks = [peak for _, _, peak in values if peak is not None]
    return {
        "wall": statistics.median(v[0] for v in values),
        "cpu": statistics.median(v[1] for v in values),
        "peak_bytes": statistics.median(peaks) if len(peaks) == len(values) else None,
    }


def _restart_peak(device: torch.device) -> int | None:
    """Give back what is free and count the peak anew; bytes in use now, None where that cannot be had."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    if device.type != "cpu" or sys.platform != "linux":
        return None
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, ValueError):
        # Memory that an earlier step freed and the allocator kept would hide what the next one takes.
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    return None


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _status("VmHWM")


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
