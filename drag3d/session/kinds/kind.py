"""What a session must know of the kind of thing it edits: everything in which shapes and images differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from torch import Tensor

from drag3d.core import DragSettings
from drag3d.core.subject import Subject
from drag3d.session import checks
from drag3d.session.state import Origin, Position
from drag3d.session.strict import Fields
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from drag3d.export import ExportSettings, Progress
    from drag3d.session.result import DragResult

GeneratorT = TypeVar("GeneratorT")
LatentsT = TypeVar("LatentsT")
Latents_co = TypeVar("Latents_co", covariant=True)
ShownT = TypeVar("ShownT")
RegionT = TypeVar("RegionT")


class Draggable(Subject, Protocol[Latents_co]):
    """A subject that knows which latents its moved rows belong to."""

    def unpack(self, moved: Tensor) -> Latents_co:
        """All latents for moved rows ``(R, w_dim)``."""
        ...


class Kind(ABC, Generic[GeneratorT, LatentsT, ShownT, RegionT]):
    """One kind of thing, of one generator. Whatever a user gives and cannot be used raises InputError, in one line."""

    name: ClassVar[str]
    """As in ``session.kind``, files and reports"""
    makes: ClassVar[str]
    """What these models make, for messages"""
    dimensions: ClassVar[int]
    axes: ClassVar[str]
    """How coordinates are given, for messages"""
    unit: ClassVar[str]
    """Of all lengths"""
    same_place: ClassVar[float]
    """Points nearer than this are the same place."""
    example_offset: ClassVar[str]
    no_point: ClassVar[str]
    """What a drag without points lacks, for messages"""

    def __init__(self, generator: GeneratorT):
        self.generator = generator
        self._recent: list[tuple[LatentsT, ShownT]] = []

    def coordinates(self, what: str, values: Any) -> Position:
        """Coordinates of the right number, all finite."""
        found = checks.numbers(what, values, self.axes)
        if len(found) != self.dimensions:
            count = f"{len(found)} number{'' if len(found) == 1 else 's'}"
            raise InputError(f"{what} has {count}, but this model makes {self.makes}: give {self.axes}")
        return found

    def shown(self, latents: LatentsT) -> ShownT:
        """What latents look like; the last three asked for are kept."""
        for place, (known, shown) in enumerate(self._recent):
            if known is latents:
                self._recent.append(self._recent.pop(place))
                return shown
        made = self.make(latents)
        self._recent = [*self._recent[-2:], (latents, made)]
        return made

    def forget_shown(self) -> None:
        """Forget what latents look like; it is computed again when asked for."""
        self._recent = []

    # ---- the start ----------------------------------------------------------------------------------------------

    @abstractmethod
    def origin(self, seed: Any, truncation: Any, texture_seed: Any, label: Any) -> Origin:
        """What a caller gave for the start, checked."""

    @abstractmethod
    def start(self, origin: Origin) -> LatentsT:
        """The latents of an origin, on the CPU."""

    @abstractmethod
    def make(self, latents: LatentsT) -> ShownT:
        """The mesh or the pixels of latents."""

    @abstractmethod
    def keypoints(self, origin: Origin) -> dict[str, Position]:
        """Where the teacher has the model's named points at the start."""

    # ---- points and regions -------------------------------------------------------------------------------------

    @abstractmethod
    def diagonal(self, latents: LatentsT) -> float:
        """The length of which shares are told."""

    @abstractmethod
    def placed(self, handle: Position, latents: LatentsT, what: str = "the handle") -> tuple[Position, str | None]:
        """Where a handle comes to lie, and a note if that is not where it was given."""

    @abstractmethod
    def target(self, handle: Position, target: Any) -> Position:
        """A target that makes sense for a handle."""

    @abstractmethod
    def may_move(self, region: RegionT, handles: Sequence[Position]) -> list[bool]:
        """Which of the handles lie where the region lets things move."""

    @abstractmethod
    def held(self, region: RegionT, latents: LatentsT, subject: Draggable[LatentsT]) -> Tensor | None:
        """Points ``(M, D)`` that the region holds in place; None for none."""

    # ---- dragging -----------------------------------------------------------------------------------------------

    @abstractmethod
    def latents_moved(self, value: Any) -> str | None:
        """Which latents a drag moves, checked."""

    @abstractmethod
    def check_settings(self, settings: DragSettings) -> None:
        """Refuse settings that mean nothing for this kind or this generator."""

    def completed(self, settings: DragSettings) -> DragSettings:
        """Settings with what was left open filled in, where it depends on the generator and not on the drag."""
        return settings

    @abstractmethod
    def subject(self, latents: LatentsT, settings: DragSettings, latents_moved: str | None) -> Draggable[LatentsT]:
        """What the core drags."""

    @abstractmethod
    def on_cpu(self, latents: LatentsT) -> LatentsT:
        """Latents on the CPU, where states keep them."""

    @abstractmethod
    def notes_at_end(self, result: DragResult, latents: LatentsT) -> list[str]:
        """What must be said of where a drag's handles ended."""

    # ---- files --------------------------------------------------------------------------------------------------

    @abstractmethod
    def export(
        self,
        path: str | Path,
        latents: LatentsT,
        origin: Origin,
        settings: ExportSettings | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write a file for other programs; the suffix says which. Settings are for shapes only."""

    @abstractmethod
    def draw(self, path: str | Path, result: DragResult, before: LatentsT, after: LatentsT) -> Path:
        """Draw a drag, before and after, as PNG."""

    @abstractmethod
    def check_stored(self, latents: LatentsT, region: RegionT | None) -> None:
        """Refuse what a file holds and this generator cannot have made."""

    @classmethod
    @abstractmethod
    def packed_origin(cls, origin: Origin, latents_moved: str | None) -> dict[str, Any]:
        """Their JSON."""

    @classmethod
    @abstractmethod
    def unpacked_origin(cls, fields: Fields) -> tuple[Origin, str | None]:
        """Take them from a session's JSON."""

    @classmethod
    @abstractmethod
    def packed_latents(cls, latents: LatentsT) -> dict[str, Tensor]:
        """Their tensors, by name."""

    @classmethod
    @abstractmethod
    def unpacked_latents(cls, prefix: str, unused: dict[str, Tensor]) -> LatentsT:
        """Take them, under the names of :meth:`packed_latents` after a prefix, from a file's tensors."""

    @classmethod
    @abstractmethod
    def packed_region(cls, region: RegionT, tensors: dict[str, Tensor]) -> dict[str, Any]:
        """The JSON of a region; ``tensors`` receives what is too large for it."""

    @classmethod
    @abstractmethod
    def unpacked_region(cls, value: Any, unused: dict[str, Tensor]) -> RegionT:
        """The region of its JSON."""

    @classmethod
    @abstractmethod
    def config(cls, values: dict[str, Any]) -> Any:
        """The generator's configuration of its JSON."""

    @classmethod
    @abstractmethod
    def loading_options(cls, config: Any) -> dict[str, Any]:
        """What ``get3d_models.load`` must be told to get the generator of a stored configuration."""
