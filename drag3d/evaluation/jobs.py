"""Tasks of an evaluation shared between processes. Results come as they are found; what they are does not depend on it.

A drag of a small generator uses one core well and two badly, so processes are the way to use more.
"""

from __future__ import annotations

import multiprocessing
import queue
import signal
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from drag3d.evaluation.figures import Record

if TYPE_CHECKING:
    from drag3d.evaluation.run import Evaluation

Work = tuple[int, tuple[str, ...]]
"""The number of a task, and the methods that have it to do"""
PATIENCE = 1.0


def in_processes(source: str, device: str, evaluation: Evaluation, work: Sequence[Work], jobs: int) -> Iterator[Record]:
    """The results of ``work``, in no particular order, from ``jobs`` processes that each load the model ``source``.

    What goes wrong in one of them is raised here; then, or when nobody asks for more, all of them end.
    """
    context = multiprocessing.get_context("spawn")
    waiting: Any = context.Queue()
    results: Any = context.Queue()
    for part in work:
        waiting.put(part)
    count = min(jobs, len(work))
    for _ in range(count):
        waiting.put(None)
    arguments = (source, device, evaluation, waiting, results)
    workers = [context.Process(target=_work, args=arguments, daemon=True) for _ in range(count)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(sum(len(methods) for _, methods in work)):
            yield _next(results, workers)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()


def _next(results: Any, workers: list[Any]) -> Record:
    """The next result, however long it takes, as long as somebody works on it."""
    while True:
        try:
            result = results.get(timeout=PATIENCE)
        except queue.Empty:
            if any(worker.exitcode for worker in workers):
                raise RuntimeError("a process of the evaluation died; what is done is kept: run it again") from None
            continue
        if isinstance(result, Exception):
            raise result
        return result


def _work(source: str, device: str, evaluation: Evaluation, waiting: Any, results: Any) -> None:
    """What such a process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the first one, and that one these
    try:
        import torch

        from drag3d.evaluation.run import run_number
        from get3d_models import load

        torch.set_num_threads(1)
        generator = load(source, device)
        while (part := waiting.get()) is not None:
            for record in run_number(generator, evaluation, *part):
                results.put(record)
    except Exception as error:
        results.put(error)
