"""Drags of keypoints to where another sample has them: the landmark test of "Drag Your GAN" (section 4.2).

The teacher of the model takes the place of the detector of landmarks: its parameters are re-fitted to the edited
product, so no tracker judges itself.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drag3d.evaluation.course import Course
from drag3d.evaluation.figures import Figures, Record, Row, figure, pair, plain, values_of
from drag3d.evaluation.yardstick import Before, Curve, Task, Yardstick

ATTEMPTS = 400


@dataclass(frozen=True)
class Verdict:
    """Where the judge finds the keypoints of an edit; lengths as in records."""

    keypoint_distance: float
    """From the keypoints of the re-fitted teacher to the targets, on average"""
    keypoint_worst: float
    """The same, the longest"""
    keypoint_moved: float
    """How far the re-fitted keypoints have moved, on average"""
    fit_error: float
    """Mean error of the re-fitted teacher: how far the edit is from anything that the teacher would make"""


class Judged(Before, Protocol):
    """A sample before it is edited, in the eyes of the judge."""

    @property
    def error(self) -> float:
        """How far its keypoints are from the teacher's own, on average: what the judge cannot know better. As in
        records."""
        ...


J = TypeVar("J", bound=Judged)


class KeypointDrags(Yardstick[J]):
    """What drags of keypoints of shapes and of images have in common."""

    protocol = "keypoints"
    distance_title: ClassVar[str]
    """What the plot calls the distance from keypoints to targets"""

    @abstractmethod
    def verdict(self, before: J, task: Task, course: Course, edited: Any) -> Verdict:
        """Where the keypoints are."""

    def judge(self, before: J, task: Task, course: Course, edited: Any) -> Record:
        """Where the keypoints are, and what the judge knew before."""
        return {"judge_error_unedited": before.error, **asdict(self.verdict(before, task, course, edited))}

    def reached(self, record: Record) -> bool:
        """Whether all keypoints are at their targets."""
        assert self.reached_within is not None
        return record["keypoint_worst"] <= self.reached_within

    def own_figures(self, finished: list[Record]) -> Figures:
        scale = self.material.scale
        after = values_of(finished, "keypoint_distance", scale)
        error = values_of(finished, "judge_error_unedited", scale)
        return {
            "keypoint_distance_before_mean": figure(np.mean, np.array([scale * r["task"]["length"] for r in finished])),
            "keypoint_distance_mean": figure(np.mean, after),
            "keypoint_distance_median": figure(np.median, after),
            "off_region_over_way": _over_way(finished),
            "judge_error_unedited_mean": figure(np.mean, error),
            "judge_error_unedited_worst": figure(np.max, error),
        }

    def own_rows(self) -> tuple[Row, ...]:
        unit = f" {self.material.unit_name}"
        after = pair("keypoint_distance_mean", "keypoint_distance_median", unit)
        error = pair("judge_error_unedited_mean", "judge_error_unedited_worst", unit)
        return (
            ("keypoints to targets after, mean / median", after),
            ("keypoints to targets before, mean", plain("keypoint_distance_before_mean", unit)),
            ("off-region change over the way that keypoints really went", plain("off_region_over_way")),
            ("the judge's error before, mean / worst", error),
            self.tracked_row(),
        )

    def main_curve(self) -> Curve:
        assert self.reached_within is not None
        scale = self.material.scale
        return Curve("keypoint_distance", scale, self.distance_title, scale * self.reached_within)


def chosen_points(
    random: np.random.Generator, usable: list[int], others: list[int], points: int
) -> tuple[int, ...] | None:
    """Numbers of the keypoints of a task: one of ``usable``, and of ``others`` so many that there are enough of them.

    The first one does not depend on how many there are. None where there are too few.
    """
    if not usable:
        return None
    first = usable[int(random.integers(len(usable)))]
    left = [number for number in others if number != first]
    if len(left) < points - 1:
        return None
    rest = random.choice(left, size=points - 1, replace=False) if points > 1 else ()
    return first, *(int(number) for number in rest)


def _over_way(finished: list[Record]) -> float | None:
    """Change outside of the regions for the way that the judge says keypoints have gone, over all drags."""
    way = sum(r["keypoint_moved"] for r in finished)
    change = sum(r["off_region_over_length"] * r["task"]["length"] for r in finished)
    return round(change / way, 5) if way else None


def places_of(table: dict[str, Tensor], names: tuple[str, ...]) -> list[Tensor]:
    """Of some keypoints, in order."""
    return [table[name] for name in names]


def by_keypoint(records: list[Record]) -> dict[str, dict[str, int]]:
    """How many of the drags of each keypoint succeeded."""
    drags = Counter(point["name"] for r in records for point in r["task"]["points"])
    good = Counter(point["name"] for r in records if r["failure"] is None for point in r["task"]["points"])
    return {name: {"drags": drags[name], "successes": good[name]} for name in sorted(drags)}


def within(lengths: NDArray[np.float64], shortest: float, longest: float) -> list[int]:
    """Numbers of the lengths in a range."""
    return [int(number) for number in np.flatnonzero((lengths >= shortest) & (lengths <= longest))]
