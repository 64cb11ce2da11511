"""What an evaluation needs to know of a kind of model: its tasks, its judge, and in what units they speak."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.core.subject import Subject
from get3d_models.errors import InputError

Figures = dict[str, Any]
Record = dict[str, Any]
Row = tuple[str, Callable[[Figures], str]]
"""A line of the report's table: its title, and its cell for the figures of a method."""


@dataclass(frozen=True)
class Task:
    """Task ``number`` of a seeded series. It does not depend on how long the series is."""

    number: int
    sample: int
    """Seed of the sample to edit"""
    other: int
    """Seed of the sample whose keypoint is the goal"""
    keypoint: str
    displacement: tuple[float, ...]
    """From the first sample's keypoint to the other's, in the units of coordinates"""
    length: float
    """Length of the displacement in the units of the report"""


@dataclass(frozen=True)
class Verdict:
    """One edit in the eyes of the judge; lengths in the units of the report."""

    keypoint_distance: float
    """From the keypoint of the re-fitted teacher to the target"""
    keypoint_moved: float
    """How far the re-fitted keypoint has moved"""
    fit_error: float
    """Mean error of the re-fitted teacher: how far the edit is from anything that the teacher would make"""
    off_region_mean: float
    """Change outside the edited region, mean"""
    off_region_p95: float
    """The same, 95th percentile"""


class Judged(Protocol):
    """What the judge makes of a sample before it is edited."""

    @property
    def error(self) -> float:
        """How far its keypoint is from the teacher's own: what the judge cannot know better. As in records."""
        ...


G = TypeVar("G")
B = TypeVar("B", bound=Judged)


class Yardstick(ABC, Generic[G, B]):
    """How drags of keypoints are measured on models ``G`` of one kind; ``B`` is what the judge makes of the unedited.

    It is the landmark test of "Drag Your GAN" (section 4.2), with the teacher as the detector of landmarks.
    """

    kind: ClassVar[str]
    protocol: ClassVar[str]
    points: ClassVar[int] = 1
    unit: ClassVar[str]
    """Of lengths on the page."""
    scale: ClassVar[float]
    """From lengths of records to those of the page."""
    length_range: ClassVar[tuple[float, float]]
    """Shortest and longest drag, as in records."""
    reached_within: ClassVar[float]
    """A keypoint this near to the target has been dragged there, as in records."""
    region: ClassVar[float]
    """What is farther than this from handle and target should not have changed, as in records."""

    @abstractmethod
    def task(self, generator: G, seed: int, number: int) -> Task:
        """Task ``number`` of the series ``seed``, the same on every machine; InputError for a model without teacher."""

    @abstractmethod
    def baseline(self, generator: G, task: Task) -> B:
        """What the judge makes of the sample before it is edited."""

    @abstractmethod
    def length_unit(self, generator: G, baseline: B) -> float:
        """Length of a record's unit in the units of coordinates."""

    @abstractmethod
    def subject(self, generator: G, task: Task, settings: DragSettings) -> Subject:
        """The sample, ready to be dragged."""

    @abstractmethod
    def placed(self, subject: Any, task: Task) -> tuple[Tensor, Tensor]:
        """Handle and target ``(1, D)`` each on the sample."""

    @abstractmethod
    def judge(self, baseline: B, subject: Any, task: Task, latents: Tensor, handle: Tensor, target: Tensor) -> Verdict:
        """The verdict on moved latents ``(R, w_dim)`` of a drag from ``handle (D,)`` to ``target (D,)``."""

    @abstractmethod
    def arrived(self, record: Record) -> bool:
        """Whether a drag has arrived by its own tracker."""

    @abstractmethod
    def reached(self, record: Record) -> bool:
        """Whether the keypoint really is at its target, by the judge."""

    @abstractmethod
    def own_figures(self, finished: list[Record]) -> Figures:
        """Figures that only this kind has, of the records of drags that did not break down."""

    @abstractmethod
    def own_rows(self) -> tuple[Row, ...]:
        """How the page shows those."""

    @abstractmethod
    def titles(self) -> dict[str, str]:
        """What the page calls ``arrived`` and ``reached``, and the plot the axes ``keypoint`` and ``off_region``."""

    @abstractmethod
    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        """How far drags go, and what success and figures mean, in sentences for the page."""


def mean_of(numbers: NDArray[np.float64], digits: int) -> float | None:
    """The mean, None where there are no numbers."""
    return round(float(numbers.mean()), digits) if len(numbers) else None


def plain(key: str, unit: str = "") -> Callable[[Figures], str]:
    """A cell that shows a figure, a dash where there is none."""
    return lambda figures: "-" if figures[key] is None else f"{figures[key]:g}{unit}"


def share_of(key: str) -> Callable[[Figures], str]:
    """A cell that shows a count of drags."""
    return lambda f: f"{f[key]} of {f['drags']} ({f[key] / f['drags']:.0%})"


PROTOCOLS = ("keypoints", "view")
"""Drags in space, or in the image of a model that makes images; and drags of shapes in a picture of them."""


def yardstick_of(kind: str, protocol: str = "keypoints") -> Yardstick[Any, Any]:
    """The yardstick of a kind of models; InputError where a protocol is none for that kind."""
    from drag3d.evaluation.image_drags import ImageDrags
    from drag3d.evaluation.shape_drags import ShapeDrags
    from drag3d.evaluation.view_drags import ViewDrags

    if protocol not in PROTOCOLS:
        raise InputError(f"unknown protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    if protocol == "view":
        if kind == "image":
            raise InputError("the protocol view drags shapes in a picture of them; images are dragged in themselves")
        return ViewDrags()
    return ImageDrags() if kind == "image" else ShapeDrags()
