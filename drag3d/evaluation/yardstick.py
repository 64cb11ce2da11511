"""What an evaluation needs to know of a protocol: its tasks, how they are run and judged, and how a page shows that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.evaluation.course import Course, there
from drag3d.evaluation.figures import Figures, Record, Row, figure, plain, values_of
from drag3d.evaluation.latent_distance import distribution_of
from drag3d.evaluation.material import Material
from get3d_models.errors import InputError


@dataclass(frozen=True)
class Point:
    """One handle of a task, and how far it shall go."""

    name: str
    """Of the keypoint"""
    displacement: tuple[float, ...]
    """From where this sample has the keypoint to where the other one has it, in the units of coordinates"""
    length: float
    """Of the displacement, in the units of records"""


@dataclass(frozen=True)
class Task:
    """Task ``number`` of a seeded series. It does not depend on how long the series is."""

    number: int
    sample: int
    """Seed of the sample to edit"""
    other: int
    """Seed of the sample whose keypoints are the goal, or towards which it lies"""
    points: tuple[Point, ...]

    @property
    def length(self) -> float:
        """Mean length of the drags, in the units of records."""
        return sum(point.length for point in self.points) / len(self.points)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the keypoints."""
        return tuple(point.name for point in self.points)

    def described(self) -> Record:
        """As records have it."""
        return {**asdict(self), "length": self.length}


class Before(Protocol):
    """What is known of a sample before it is edited."""

    @property
    def original(self) -> Any:
        """The product of its latents."""
        ...


@dataclass(frozen=True)
class Curve:
    """Of a plot: a key of records, the factor to the page and what the axis is called."""

    key: str
    factor: float
    title: str
    mark: float | None = None
    """A place on the axis to be marked, as on the page"""


B = TypeVar("B", bound=Before)


class Yardstick(ABC, Generic[B]):
    """How methods are measured by one protocol on models of one kind; ``B`` is what is known before an edit."""

    protocol: ClassVar[str]
    material: Material[Any, Any]
    points: int
    length_range: tuple[float, float]
    """Shortest and longest drag, as in records"""
    reached_within: float | None = None
    """What is this near to its target has been dragged there, as in records"""

    @property
    def kind(self) -> str:
        """Of the models."""
        return self.material.kind

    @abstractmethod
    def task(self, generator: Any, seed: int, number: int) -> Task:
        """Task ``number`` of the series ``seed``, the same on every machine; InputError for a model without teacher."""

    @abstractmethod
    def before(self, generator: Any, task: Task) -> B:
        """What is known of the sample before it is edited."""

    def subject(self, generator: Any, task: Task, settings: DragSettings) -> Any:
        """The sample, ready to be dragged."""
        return self.material.subject(generator, generator.latents(task.sample), settings)

    @abstractmethod
    def placed(self, subject: Any, task: Task) -> tuple[Tensor, Tensor]:
        """Handles and targets ``(K, D)`` each on the sample."""

    def run(self, subject: Any, handles: Tensor, targets: Tensor, settings: DragSettings) -> Course:
        """Drag."""
        return there(subject, handles, targets, settings)

    @abstractmethod
    def judge(self, before: B, task: Task, course: Course, edited: Any) -> Record:
        """The verdict on the product ``edited`` of a course, as entries of a record."""

    def aftermath(self, before: B, course: Course, edited: Any) -> Record:
        """What every protocol asks of an edit: what else has changed, how likely its latents are, if it is whole."""
        off = self.material.off_region(before.original, edited, self.centers(course))
        distribution = distribution_of(course.subject.generator)
        mean = float(off.mean()) if len(off) else 0.0
        return {
            "off_region_mean": mean,
            "off_region_p95": float(np.quantile(off, 0.95)) if len(off) else 0.0,
            "off_region_over_length": mean / self.proportion(before, course),
            "latent_distance": float(distribution.distances(course.latents).mean()),
            **self.material.soundness(edited),
        }

    def centers(self, course: Course) -> Tensor:
        """Where the region of an edit is: places ``(N, E)`` of the body."""
        return torch.cat([course.handles, course.targets]).detach().cpu()

    def proportion(self, before: B, course: Course) -> float:
        """Mean length of the drags in breadths of the product."""
        length = float((course.targets - course.handles).norm(dim=1).mean())
        return length / self.material.breadth(before.original)

    def arrived(self, record: Record) -> bool:
        """Whether all handles have arrived by their own tracker."""
        return self.material.arrived(record)

    @abstractmethod
    def reached(self, record: Record) -> bool:
        """Whether it really has come to what was wanted, by the judge."""

    @abstractmethod
    def own_figures(self, finished: list[Record]) -> Figures:
        """Figures that only this protocol has, of the records of drags that did not break down."""

    @abstractmethod
    def own_rows(self) -> tuple[Row, ...]:
        """How the page shows those, the most important first."""

    @abstractmethod
    def reached_title(self) -> str:
        """What the page calls :meth:`reached`."""

    @abstractmethod
    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        """What a task is, and what success and figures mean, in sentences for the page."""

    @abstractmethod
    def main_curve(self) -> Curve:
        """What is plotted first."""

    def figures(self, finished: list[Record]) -> Figures:
        """Of the records of drags that did not break down, in the units of the page; None where nothing ran."""
        memory = values_of(finished, "peak_bytes", 1 / 2**20)
        return {
            "tracked_distance_mean": figure(np.mean, values_of(finished, "tracked_distance", self.material.scale)),
            **self.own_figures(finished),
            "off_region_mean": figure(np.mean, values_of(finished, "off_region_mean", 100), 4),
            "off_region_p95_mean": figure(np.mean, values_of(finished, "off_region_p95", 100), 4),
            "off_region_over_length": figure(np.mean, values_of(finished, "off_region_over_length"), 5),
            "latent_distance_before_mean": figure(np.mean, values_of(finished, "latent_distance_before"), 2),
            "latent_distance_mean": figure(np.mean, values_of(finished, "latent_distance"), 2),
            **self.material.sound_figures(finished),
            "steps_median": figure(np.median, values_of(finished, "steps"), 1),
            "seconds_median": figure(np.median, values_of(finished, "seconds")),
            "seconds_worst": figure(np.max, values_of(finished, "seconds")),
            "processor_seconds_median": figure(np.median, values_of(finished, "processor_seconds")),
            "peak_mib_median": figure(np.median, memory, 1),
            "peak_mib_worst": figure(np.max, memory, 1),
        }

    def tracked_row(self) -> Row:
        """A row of what the tracker believes."""
        return "to target by its own tracker, mean", plain("tracked_distance_mean", f" {self.material.unit_name}")


PROTOCOLS = {
    "keypoints": "keypoints of one sample are dragged to where another one has them, the model's teacher judges",
    "pairs": "one sample is dragged towards another one near to it, and compared with that",
    "return": "a sample is dragged, then dragged back, and compared with what it was",
    "view": "keypoints of a shape are dragged in a picture of it, by a tenth of the picture",
}


def yardstick_of(kind: str, protocol: str = "keypoints", points: int = 1) -> Yardstick[Any]:
    """The yardstick of a kind of models; InputError where a protocol is none for that kind, or has no such tasks."""
    from drag3d.evaluation.image_drags import ImageDrags
    from drag3d.evaluation.pair_drags import ImagePairs, ShapePairs
    from drag3d.evaluation.return_drags import ReturnDrags
    from drag3d.evaluation.shape_drags import ShapeDrags
    from drag3d.evaluation.view_drags import ViewDrags

    if protocol not in PROTOCOLS:
        raise InputError(f"unknown protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    if points < 1:
        raise InputError(f"a task has one point at least, not {points}")
    image = kind == "image"
    if protocol == "view":
        if image:
            raise InputError("the protocol view drags shapes in a picture of them; images are dragged in themselves")
        if points != 1:
            raise InputError("the protocol view has tasks of one point only; leave --points out")
        return ViewDrags()
    if protocol == "pairs":
        return ImagePairs(points) if image else ShapePairs(points)
    keypoints = ImageDrags(points) if image else ShapeDrags(points)
    return ReturnDrags(keypoints) if protocol == "return" else keypoints
