"""Protocols that know what an edit should have come to, and compare the whole product with that."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from drag3d.evaluation.course import Course
from drag3d.evaluation.figures import Figures, Record, Row, figure, pair, plain, values_of
from drag3d.evaluation.yardstick import Curve, Task, Yardstick


@dataclass(frozen=True)
class Goal:
    """A sample before it is edited, and what it should become."""

    original: Any
    wanted: Any


class Likened(Yardstick[Goal]):
    """What protocols have in common that compare products before and after with a known one."""

    @abstractmethod
    def started(self, before: Goal, course: Course) -> Any:
        """The product from which the last drag started."""

    def judge(self, before: Goal, task: Task, course: Course, edited: Any) -> Record:
        """How like what came out is to what was wanted, and how like it was before."""
        found = self.material.likeness(edited, before.wanted, before.original)
        at_first = self.material.likeness(self.started(before, course), before.wanted, before.original)
        return {**found, **{f"{key}_before": value for key, value in at_first.items()}}

    def reached(self, record: Record) -> bool:
        """Whether the drag has brought the product nearer to what was wanted."""
        key = self.material.likenesses[0].key
        return record[key] < record[f"{key}_before"]

    def own_figures(self, finished: list[Record]) -> Figures:
        found: Figures = {
            "length_mean": figure(np.mean, np.array([self.material.scale * r["task"]["length"] for r in finished]))
        }
        for likeness in self.material.likenesses:
            for key in (likeness.key, f"{likeness.key}_before"):
                found[f"{key}_mean"] = figure(np.mean, values_of(finished, key, likeness.factor), 4)
            found[f"{likeness.key}_median"] = figure(np.median, values_of(finished, likeness.key, likeness.factor), 4)
        first = self.material.likenesses[0].key
        after, at_first = values_of(finished, first), values_of(finished, f"{first}_before")
        found["error_left"] = round(float(after.mean() / at_first.mean()), 3) if at_first.any() else None
        return found

    def own_rows(self) -> tuple[Row, ...]:
        rows: list[Row] = []
        for one in self.material.likenesses:
            after = pair(f"{one.key}_mean", f"{one.key}_median", one.unit)
            rows += [
                (f"{one.title} to {self.wanted_title()}, mean / median", after),
                (f"the same {self.before_title()}, mean", plain(f"{one.key}_before_mean", one.unit)),
            ]
        length = plain("length_mean", f" {self.material.unit_name}")
        left: Row = (f"{self.material.likenesses[0].title}, after over {self.before_title()}", plain("error_left"))
        return rows[0], left, *rows[1:], ("length of the drags, mean", length), self.tracked_row()

    @abstractmethod
    def wanted_title(self) -> str:
        """What the page calls what was wanted."""

    @abstractmethod
    def before_title(self) -> str:
        """What the page calls the time before the drag."""

    def reached_title(self) -> str:
        return f"nearer to {self.wanted_title()} than {self.before_title()}"

    def main_curve(self) -> Curve:
        one = self.material.likenesses[0]
        return Curve(
            one.key, one.factor, f"{one.title} to {self.wanted_title()}{one.unit and f' ({one.unit.strip()})'}"
        )
