"""How long a user waits for the program itself: each command's help, and the first shape."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COMMANDS = ("", "sample", "drag", "view", "eval", "bench", "models", "convert", "doctor", "demo")


def bench_start(repeats: int = 3) -> dict[str, Any]:
    """Median wall seconds of new processes: "help" of each command, "" for that of all; and of ``sample`` to a PLY.

    The first start of each is not counted: then files come from the disk.
    """
    helps = {command: _seconds([*command.split(), "--help"], repeats) for command in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        sample = _seconds(["sample", "quadruped", "--seed", "3", "--out", str(Path(folder) / "a.ply")], repeats)
    return {"repeats": repeats, "help": helps, "sample": sample}


def _seconds(arguments: list[str], repeats: int) -> float:
    found = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "drag3d", *arguments], check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return statistics.median(found[1:])
