"""What is dragged: shapes, or images; and how two of a kind are compared, whatever the protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.evaluation.figures import Figures, Record, Row

G = TypeVar("G")
P = TypeVar("P")


@dataclass(frozen=True)
class Likeness:
    """One way to say how like two products are, as a key of records."""

    key: str
    title: str
    factor: float
    """From records to the page"""
    unit: str


class Material(ABC, Generic[G, P]):
    """Products ``P`` (a shape, a picture) of generators ``G``. Lengths of records are in units of :meth:`unit`."""

    kind: ClassVar[str]
    unit_name: ClassVar[str]
    """Of lengths on the page"""
    scale: ClassVar[float]
    """From lengths of records to those of the page"""
    region: ClassVar[float]
    """What is farther than this from handles and targets should not have changed, as in records"""
    off_title: ClassVar[str]
    """What the page calls a change there"""
    likenesses: ClassVar[tuple[Likeness, ...]]
    """The first one is an error: 0 where products are equal. It decides which of two products is nearer."""

    @abstractmethod
    def subject(self, generator: G, latents: Any, settings: DragSettings) -> Any:
        """The product of a generator's latents, ready to be dragged."""

    @abstractmethod
    def product(self, generator: G, latents: Any) -> P:
        """What a generator makes of latents."""

    @abstractmethod
    def near_latents(self, generator: G, sample: int, other: int, share: float) -> Any:
        """The latents of the code that lies ``share`` of the way from the code of one seed to that of another."""

    @abstractmethod
    def unit(self, original: P) -> float:
        """Length of a record's unit in those of coordinates."""

    @abstractmethod
    def breadth(self, original: P) -> float:
        """Length in coordinates by which a drag is put into proportion: a diagonal, a width."""

    @abstractmethod
    def off_region(self, original: P, edited: P, centers: Tensor) -> NDArray:
        """Changes beyond the region around ``centers (K, E)``: in breadths, or shares of the range of colours."""

    @abstractmethod
    def likeness(self, found: P, wanted: P, original: P) -> dict[str, float]:
        """How like ``found`` is to ``wanted``, by the keys of :attr:`likenesses`."""

    @abstractmethod
    def soundness(self, edited: P) -> Record:
        """Whether a product is whole, as entries of a record; empty where there is no such question."""

    @abstractmethod
    def sound_figures(self, finished: list[Record]) -> Figures:
        """The same of all drags."""

    @abstractmethod
    def sound_rows(self) -> tuple[Row, ...]:
        """How the page shows those."""

    @abstractmethod
    def arrived(self, record: Record) -> bool:
        """Whether all handles have arrived by their own tracker."""

    @abstractmethod
    def arrived_title(self) -> str:
        """What the page calls that."""

    @abstractmethod
    def words(self, settings: dict[str, Any]) -> str:
        """What a page says of lengths and changes."""
