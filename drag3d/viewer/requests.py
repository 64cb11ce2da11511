"""What windows ask of the viewer by more than a name: places, paths, and what an earlier run left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from drag3d.viewer.intents import (
    DiscardAutosave,
    EnablePoint,
    Export,
    Intent,
    MovePoint,
    OpenSession,
    Place,
    RemovePoint,
    RestoreAutosave,
    SaveSession,
    WriteFilm,
)
from drag3d.viewer.mirror import Mirror

if TYPE_CHECKING:
    from drag3d.viewer.scene.scene import Scene


class Requests(ABC):
    """The part of :class:`drag3d.viewer.application.Viewer` that only passes on."""

    scene: Scene
    mirror: Mirror

    @abstractmethod
    def send(self, intent: Intent) -> int:
        """Ask the worker for something; returns the intent's number."""

    @abstractmethod
    def touch(self) -> None:
        """Values have changed: the next tick says so."""

    def set_handle(self, index: int, place: Place) -> None:
        """Move a handle; it is put onto the surface."""
        self.send(MovePoint(index, handle=tuple(place)))

    def set_target(self, index: int, place: Place) -> None:
        """Move a target."""
        self.send(MovePoint(index, target=tuple(place)))

    def set_enabled(self, index: int, enabled: bool) -> None:
        """Let a point take part in drags, or not."""
        self.send(EnablePoint(index, enabled))

    def remove_point(self, index: int) -> None:
        """Delete a point."""
        self.send(RemovePoint(index))

    def open(self, path: str) -> None:
        """Go on with a session file."""
        self.send(OpenSession(path))

    def save(self, path: str) -> None:
        """Write a session file."""
        self.send(SaveSession(path))

    def export(self, path: str, settings: dict[str, Any] | None = None) -> None:
        """Write the shape, the image or a picture of the shape as it is seen."""
        self.send(Export(path, settings or {}, self.scene.camera()))

    def film(self, path: str, turntable: bool = False) -> None:
        """Write an animation."""
        self.send(WriteFilm(path, turntable))

    def restore(self, name: str) -> None:
        """Go on with what an earlier run left unsaved."""
        self.send(RestoreAutosave(name))
        self.dismiss(name)

    def discard(self, name: str) -> None:
        """Forget it."""
        self.send(DiscardAutosave(name))
        self.dismiss(name)

    def dismiss(self, name: str) -> None:
        """Do not show the offer any more; it comes again at the next start."""
        self.mirror.offers = tuple(offer for offer in self.mirror.offers if offer.name != name)
        self.touch()
