"""Trying everything, in other processes and with a time limit, so that nothing that fails stops the rest.

Importing PyTorch is most of the work, so the parts that need it share a process. If that one crashes or hangs, the part
that it was at is to blame, and the parts behind get a new one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import Empty, Queue
from threading import Thread
from typing import Any

from drag3d.doctor import surroundings
from drag3d.doctor.finding import BROKEN, Finding
from drag3d.doctor.probes import ANSWER, OPENGL_REMEDY, REINSTALL

SECONDS = 20.0
"""For one part, many times what it takes: that a machine is busy is no reason to call a part broken."""
REQUIRED = ("core", "models")
WITH_TORCH = ("core", "models", "video", "cuda", "mps", "kaolin", "nvdiffrast")
WITHOUT_TORCH = ("kernels", "opengl")
# What a part is called, and what helps where it fails.
PARTS = {
    "core": ("core", REINSTALL),
    "models": ("models", REINSTALL),
    "kernels": ("kernels", "PyTorch does their work, more slowly; pip install --force-reinstall numba llvmlite"),
    "cuda": ("CUDA", "--device cpu works without it"),
    "mps": ("MPS", "--device cpu works without it"),
    "kaolin": ("kaolin", "install one made for this PyTorch, or do without FlexiCubes models and USD files"),
    "nvdiffrast": ("nvdiffrast", "our own renderer draws; an older nvdiffrast compiles itself when first imported"),
    "video": ("video", "animations as .gif need nothing; for .mp4: pip install --force-reinstall av"),
    "opengl": ("OpenGL", OPENGL_REMEDY),
}
# Modules are found as here, so that the same drag3d is tried whose command this is.
PROGRAM = """
import json, sys
names, sys.path[:] = json.loads(sys.argv[1])
from drag3d.doctor.probes import main
main(names)
"""
# Two processes run side by side: more threads than one each would wait for each other.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def examine() -> list[Finding]:
    """What was found of every part, the required ones first. Never raises; takes seconds."""
    looks: list[Callable[[], Finding]] = [
        surroundings.display, surroundings.window, surroundings.web, surroundings.browser,
    ]  # fmt: skip
    with ThreadPoolExecutor(max_workers=4) as pool:
        tried = [pool.submit(tried_apart, names) for names in (WITH_TORCH, WITHOUT_TORCH)]
        seen = [pool.submit(look) for look in looks]
        return [*(finding for future in tried for finding in future.result()), *(future.result() for future in seen)]


def tried_apart(names: Sequence[str], seconds: float = SECONDS) -> list[Finding]:
    """What the trials of those names found, in another process; each may take so many seconds."""
    pending, findings = list(names), []
    while pending:
        answers, ended = _run(pending, seconds)
        for answer in answers:
            name = answer.pop("probe")
            findings.append(_completed(name, Finding(**answer)))
            pending.remove(name)
        if pending:  # what the process was at when it ended
            findings.append(_completed(pending[0], Finding(pending.pop(0), BROKEN, ended)))
    return findings


def _run(names: list[str], seconds: float) -> tuple[list[dict[str, Any]], str]:
    """The answers of one process, and how it ended."""
    command = [sys.executable, "-c", PROGRAM, json.dumps([names, sys.path])]
    answers: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **ONE_THREAD}
        ) as process,
    ):
        lines: Queue[bytes | None] = Queue()
        Thread(target=_pass_on, args=(process.stdout, lines), daemon=True).start()
        try:
            while (line := lines.get(timeout=seconds)) is not None:
                if line.startswith(ANSWER.encode()):
                    answers.append(json.loads(line.removeprefix(ANSWER.encode())))
        except Empty:
            process.kill()
            return answers, f"had not finished after {seconds:g} seconds"
        code = process.wait()
        errors.seek(0)
        return answers, _how_it_ended(code, errors.read().decode(errors="replace"))


def _pass_on(output: Any, lines: Queue[bytes | None]) -> None:
    """Each line of an output as it comes, then None."""
    for line in output:
        lines.put(line)
    lines.put(None)


def _how_it_ended(code: int, errors: str) -> str:
    if code < 0:
        known = {number.value: number.name for number in signal.Signals}
        return f"crashed ({known.get(-code, f'signal {-code}')})"
    said = [line.strip() for line in errors.splitlines() if line.strip()]
    return said[-1] if said else f"its process ended with code {code}"


def _completed(name: str, finding: Finding) -> Finding:
    """The finding under its part's name, with the usual remedy where something is broken and it names none."""
    part, remedy = PARTS[name]
    if finding.state == BROKEN and not finding.remedy:
        finding = replace(finding, remedy=remedy)
    return replace(finding, part=part, required=name in REQUIRED)
