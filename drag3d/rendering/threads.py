"""How many threads draw, and on how many cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def cores() -> int:
    """Of the processor, as many as this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """What is done meanwhile, torch does in one thread; as a context or as a decorator.

    Drawing is many small steps. Two threads save little of it and, where something else runs, wait for each other at
    every step, which took ten times as long. And sums come out the same on every machine, so pictures do, too.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
