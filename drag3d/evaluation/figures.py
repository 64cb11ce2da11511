"""Figures of a page, and how they are shown in the cells of its table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Figures = dict[str, Any]
Record = dict[str, Any]
Row = tuple[str, Callable[[Figures], str]]
"""A line of the report's table: its title, and its cell for the figures of a method."""


def values_of(records: list[Record], key: str, factor: float = 1.0) -> Any:
    """The numbers under a key, of those records that have one."""
    return np.array([factor * float(r[key]) for r in records if r[key] is not None])


def figure(of: Callable[[Any], Any], numbers: Any, digits: int = 3) -> float | None:
    """The mean, median or the like of numbers; None where there are none."""
    return round(float(of(numbers)), digits) if len(numbers) else None


def plain(key: str, unit: str = "") -> Callable[[Figures], str]:
    """A cell that shows a figure, a dash where there is none."""
    return lambda figures: "-" if figures[key] is None else f"{figures[key]:g}{unit}"


def pair(first: str, second: str, unit: str = "") -> Callable[[Figures], str]:
    """A cell that shows two figures."""
    return lambda figures: f"{plain(first, unit)(figures)} / {plain(second, unit)(figures)}"


def share_of(key: str) -> Callable[[Figures], str]:
    """A cell that shows a count of drags."""
    return lambda f: f"{f[key]} of {f['drags']} ({f[key] / f['drags']:.0%})"
