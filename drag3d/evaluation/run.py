"""Running methods over tasks. Every result is written at once, so that an evaluation can be interrupted and resumed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

import drag3d
from drag3d.bench.measuring import measure
from drag3d.core import Drag, DragSettings, DragStep
from drag3d.evaluation.yardstick import PROTOCOLS, Judged, Record, Task, Yardstick, yardstick_of
from drag3d.rendering.threads import one_thread
from drag3d.session.checks import changed_settings
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.stylegan2 import ImageGenerator

RESULTS = "results.jsonl"
MISJUDGED = "tracker deceived"
"""The failure of a drag whose tracker says arrived, while the judge finds the keypoint elsewhere."""


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated: the methods differ between records of one folder, all else must be the same.

    A method may be followed by settings of its own: ``draggan:learning_rate=0.02,layers=14``.
    """

    methods: tuple[str, ...] = ("default", "draggan")
    drags: int = 50
    seed: int = 0
    max_steps: int = 100
    protocol: str = "keypoints"
    """Of :data:`PROTOCOLS`"""

    def drag_settings(self, method: str) -> DragSettings:
        """Each method runs with its own proposals, but for what is said behind its name and the number of steps."""
        name, _, said = method.partition(":")
        changes: dict[str, Any] = {"method": name}
        for part in said.split(",") if said else ():
            key, equals, value = part.partition("=")
            if not equals or key in ("method", "max_steps"):
                raise InputError(f"settings of a method are name=value, with commas between, not {part[:40]!r}")
            try:
                changes[key] = json.loads(value)
            except ValueError:
                changes[key] = value
        return changed_settings(DragSettings(max_steps=self.max_steps), changes)

    def check(self) -> None:
        """Raise InputError for what cannot be run."""
        for method in self.methods:
            self.drag_settings(method)
        if not self.methods or len(set(self.methods)) != len(self.methods):
            raise InputError("name at least one method, and each only once")
        if self.protocol not in PROTOCOLS:
            raise InputError(f"unknown protocol {self.protocol!r}; known: {', '.join(PROTOCOLS)}")
        if self.drags < 1 or self.max_steps < 1 or self.seed < 0:
            raise InputError("drags and steps must be at least 1, and the seed at least 0")


def evaluate(
    generator: Generator | ImageGenerator, evaluation: Evaluation, folder: Path, quiet: bool = False
) -> list[Record]:
    """Run what is not yet in ``folder``; returns the records of this evaluation, by task and then by method.

    Drags run on one thread, which is faster for tensors this small; the number of threads is restored. A drag that
    fails with an error is a result too. Raises InputError for a folder that holds results of another series or model.
    """
    evaluation.check()
    yardstick = yardstick_of(generator.kind, evaluation.protocol)
    conditions = {
        "kind": yardstick.kind, "protocol": yardstick.protocol, "points": yardstick.points,
        "model": generator.fingerprint, "seed": evaluation.seed, "max_steps": evaluation.max_steps,
        "device": generator.device.type, "drag3d": drag3d.__version__,
    }  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the directory {folder}: {error.strerror}; choose another --out") from error
    path = folder / RESULTS
    found = {(r["task"]["number"], r["method"]): r for r in _read(path, conditions)}
    wanted = [(number, method) for number in range(evaluation.drags) for method in evaluation.methods]
    done = sum(key in found for key in wanted)
    with one_thread(), tqdm(total=len(wanted), initial=done, disable=quiet, desc="evaluating", unit="drag") as bar:
        for number in range(evaluation.drags):
            missing = [m for m in evaluation.methods if (number, m) not in found]
            if not missing:
                continue
            task = yardstick.task(generator, evaluation.seed, number)
            baseline = yardstick.baseline(generator, task)
            for method in missing:
                result = run_task(yardstick, generator, task, baseline, evaluation.drag_settings(method))
                record = _append(path, {**conditions, "method": method, "task": asdict(task), **result})
                found[number, method] = record
                bar.update()
                bar.set_postfix_str(f"{method}: {record['failure'] or 'success'}", refresh=False)
    return [found[key] for key in wanted]


def run_task(
    yardstick: Yardstick[Any, Any], generator: Any, task: Task, baseline: Judged, settings: DragSettings
) -> Record:
    """One drag and its verdict. ``failure`` is None for a success, otherwise why: the reason of the stop, or an error.

    A success has arrived by its tracker *and* by the judge.
    """
    steps: list[DragStep] = []
    try:
        subject = yardstick.subject(generator, task, settings)
        handle, target = yardstick.placed(subject, task)
        seconds, _, memory = measure(lambda: steps.extend(_dragged(Drag(subject, handle, target, settings))))
        last = steps[-1]
        assert last.reason is not None
        verdict = yardstick.judge(baseline, subject, task, last.latents, handle[0], target[0])
        if not all(math.isfinite(value) for value in asdict(verdict).values()):
            raise ArithmeticError(f"the edited {yardstick.kind} is not finite")
    except (InputError, RuntimeError, ArithmeticError, ValueError) as error:  # a diverged drag must not end all
        reason = f"{type(error).__name__.lstrip('_')}: {' '.join(str(error).split())[:200]}"
        return {"failure": "error", "error": reason}
    record = {
        "failure": None,
        "reason": last.reason.value,
        "steps": last.index,
        "seconds": round(seconds, 3),
        "peak_bytes": memory,
        "tracked_distance": float(last.distances[0]) / yardstick.length_unit(generator, baseline),
        "judge_error_unedited": baseline.error,
        **asdict(verdict),
    }
    arrived = yardstick.arrived(record)
    failure = None if arrived and yardstick.reached(record) else MISJUDGED if arrived else last.reason.value
    return {**record, "failure": failure}


def _dragged(drag: Drag) -> Iterator[DragStep]:
    """The last step only: a hundred copies of the latents would count as the drag's memory."""
    last = None
    for step in drag:
        last = step
    if last is not None:
        yield last


def _read(path: Path, conditions: Record) -> list[Record]:
    """The records so far. A last line that an interruption cut is removed; other damage is refused."""
    try:
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) != len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))
        # Records that were written before there were images tell no kind.
        records = [{"kind": "shape", **json.loads(line)} for line in whole.splitlines()]
        different = [k for k, v in conditions.items() if any(record[k] != v for record in records)]
        _ = [(record["task"]["number"], record["method"], record["failure"]) for record in records]
    except OSError as error:
        raise InputError(f"cannot use {path}: {error.strerror}; choose another --out") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a file of results; choose another --out, or remove it") from error
    if different:
        raise InputError(f"{path} holds results of another evaluation ({different[0]} differs); choose another --out")
    return records


def _append(path: Path, record: Record) -> Record:
    """Write a record; returns it as it will be read again."""
    line = json.dumps(record)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())
    return json.loads(line)
