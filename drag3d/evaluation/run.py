"""Running methods over tasks. Every result is written at once, so that an evaluation can be interrupted and resumed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

import drag3d
from drag3d.core import DragSettings
from drag3d.evaluation.figures import Record
from drag3d.evaluation.jobs import in_processes
from drag3d.evaluation.latent_distance import distribution_of
from drag3d.evaluation.yardstick import PROTOCOLS, Task, Yardstick, yardstick_of
from drag3d.rendering.threads import one_thread
from drag3d.session.checks import changed_settings
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.stylegan2 import ImageGenerator

FORMAT = 2
"""Of records. Those of another one cannot be gone on with."""
RESULTS = "results.jsonl"
MISJUDGED = "tracker deceived"
"""The failure of a drag whose tracker says arrived, while the judge finds that it is not so."""


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
    points: int = 1
    """Of every task"""

    def drag_settings(self, method: str) -> DragSettings:
        """Each method runs with its own proposals, but for the number of steps and for what is said behind its name."""
        name, _, said = method.partition(":")
        changes: dict[str, Any] = {"method": name}
        for part in said.split(",") if said else ():
            key, equals, value = part.partition("=")
            if not equals or key == "method":
                raise InputError(f"settings of a method are name=value, with commas between, not {part[:40]!r}")
            try:
                changes[key] = json.loads(value)
            except ValueError:
                changes[key] = value
        return changed_settings(DragSettings(max_steps=self.max_steps), changes)

    def suits(self, method: str, kind: str) -> bool:
        """Whether a method can do the tasks of this protocol on models of a kind."""
        return self.drag_settings(method).method != "drag3d-2023" or (kind == "shape" and self.protocol != "view")

    def check(self) -> None:
        """Raise InputError for what cannot be run."""
        for method in self.methods:
            self.drag_settings(method)
        if not self.methods or len(set(self.methods)) != len(self.methods):
            raise InputError("name at least one method, and each only once")
        if self.protocol not in PROTOCOLS:
            raise InputError(f"unknown protocol {self.protocol!r}; known: {', '.join(PROTOCOLS)}")
        if self.drags < 1 or self.max_steps < 1 or self.points < 1 or self.seed < 0:
            raise InputError("drags, steps and points must be at least 1, and the seed at least 0")


def evaluate(
    generator: Generator | ImageGenerator,
    evaluation: Evaluation,
    folder: Path,
    quiet: bool = False,
    jobs: int = 1,
    source: str | None = None,
) -> list[Record]:
    """Run what is not yet in ``folder``; returns the records of this evaluation, by task and then by method.

    Drags run on one thread, which is faster for tensors this small; the number of threads is restored. A drag that
    fails with an error is a result too. With more than one of ``jobs`` so many processes share the tasks, each with the
    model that ``source`` names; what comes out is the same. Raises InputError for a folder that holds results of
    another series or model.
    """
    evaluation.check()
    yardstick = yardstick_of(generator.kind, evaluation.protocol, evaluation.points)
    for method in evaluation.methods:
        if not evaluation.suits(method, generator.kind):
            raise InputError(f"the method {method} drags points of shapes in space only; leave it out")
    conditions = {
        "format": FORMAT, "kind": yardstick.kind, "protocol": yardstick.protocol, "points": yardstick.points,
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
    missing = [
        (number, methods) for number in range(evaluation.drags)
        if (methods := tuple(m for m in evaluation.methods if (number, m) not in found))
    ]  # fmt: skip
    done = sum(key in found for key in wanted)
    title = f"{yardstick.protocol}, {yardstick.points}"
    with one_thread(), tqdm(total=len(wanted), initial=done, disable=quiet, desc=title, unit="drag") as bar:
        if jobs > 1 and missing and source is not None:
            results = in_processes(source, str(generator.device), evaluation, missing, jobs)
        else:
            results = (r for number, methods in missing for r in run_number(generator, evaluation, number, methods))
        for result in results:
            record = _append(path, {**conditions, **result})
            found[record["task"]["number"], record["method"]] = record
            bar.update()
            bar.set_postfix_str(f"{record['method']}: {record['failure'] or 'success'}", refresh=False)
    return [found[key] for key in wanted]


def run_number(generator: Any, evaluation: Evaluation, number: int, methods: tuple[str, ...]) -> Iterator[Record]:
    """The results of some methods on one task, each as soon as it is known."""
    yardstick = yardstick_of(generator.kind, evaluation.protocol, evaluation.points)
    task = yardstick.task(generator, evaluation.seed, number)
    before = yardstick.before(generator, task)
    for method in methods:
        result = run_task(yardstick, generator, task, before, evaluation.drag_settings(method))
        yield {"method": method, "task": task.described(), **result}


def run_task(yardstick: Yardstick[Any], generator: Any, task: Task, before: Any, settings: DragSettings) -> Record:
    """One task and its verdict. ``failure`` is None for a success, otherwise why: the reason of the stop, or an error.

    A success has arrived by its tracker *and* by the judge.
    """
    try:
        subject = yardstick.subject(generator, task, settings)
        handles, targets = yardstick.placed(subject, task)
        course = yardstick.run(subject, handles, targets, settings)
        edited = yardstick.material.product(generator, course.subject.unpack(course.latents))
        distances = course.distances / yardstick.material.unit(before.original)
        record = {
            "failure": None,
            "reason": course.reason,
            "steps": course.steps,
            "seconds": round(course.seconds, 3),
            "processor_seconds": round(course.processor_seconds, 3),
            "peak_bytes": course.peak_bytes,
            "tracked_distance": float(distances.mean()),
            "tracked_worst": float(distances.max()),
            "latent_distance_before": float(distribution_of(generator).distances(subject.start).mean()),
            **yardstick.aftermath(before, course, edited),
            **yardstick.judge(before, task, course, edited),
        }
        if not all(math.isfinite(value) for value in record.values() if isinstance(value, int | float)):
            raise ArithmeticError(f"the edited {yardstick.kind} is not finite")
    except (InputError, RuntimeError, ArithmeticError, ValueError) as error:  # a diverged drag must not end all
        reason = f"{type(error).__name__.lstrip('_')}: {' '.join(str(error).split())[:200]}"
        return {"failure": "error", "error": reason}
    arrived = yardstick.arrived(record)
    failure = None if arrived and yardstick.reached(record) else MISJUDGED if arrived else course.reason
    return {**record, "failure": failure}


def _read(path: Path, conditions: Record) -> list[Record]:
    """The records so far. A last line that an interruption cut is removed; other damage is refused."""
    try:
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) != len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))
        records = [json.loads(line) for line in whole.splitlines()]
        _ = [(record["task"]["number"], record["method"], record["failure"]) for record in records]
        different = [k for k, v in conditions.items() if any(record.get(k) != v for record in records)]
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
