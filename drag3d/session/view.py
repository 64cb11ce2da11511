"""What a session shows: what it started from, and what there is now. Nothing in here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drag3d.session.history import History
from drag3d.session.kinds import ImageKind, Kind, ShapeKind
from drag3d.session.masks import Mask
from drag3d.session.regions import Region
from drag3d.session.state import Origin, Point, State
from get3d_models.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from get3d_models.generator import Latents
    from get3d_models.shape import Shape
    from get3d_models.stylegan2 import ImageLatents


class SessionView:
    """The side of a :class:`drag3d.session.Session` that is only looked at."""

    generator: Any
    """What makes the shape or the image: a ``Generator`` or an ``ImageGenerator``"""

    def __init__(self, kind: Kind[Any, Any, Any, Any], origin: Origin, history: History[State]):
        self.generator, self._kind, self._origin = kind.generator, kind, origin
        self._history, self._live = history, history.current

    @property
    def kind(self) -> str:
        """What is edited: "shape" or "image"."""
        return self._kind.name

    @property
    def unit(self) -> str:
        """Of coordinates and lengths: "world" for shapes, "px" for images."""
        return self._kind.unit

    @property
    def seed(self) -> int:
        """The seed of the start."""
        return self._origin.seed

    @property
    def texture_seed(self) -> int | None:
        """The seed of the texture; None for images."""
        return self._origin.texture_seed

    @property
    def truncation(self) -> float:
        """The truncation of the start."""
        return self._origin.truncation

    @property
    def label(self) -> int | None:
        """The class of the start; None for models without classes."""
        return self._origin.label

    @property
    def latents(self) -> Any:
        """The latents as they are now, on the CPU: ``Latents`` of a shape, ``ImageLatents`` of an image."""
        return self._live.latents

    @property
    def points(self) -> tuple[Point, ...]:
        """The points as they are now; while a drag runs their handles move."""
        return self._live.points

    @property
    def region(self) -> Region | Mask | None:
        """What may move and what must stay, a mask for images; None when everything may move."""
        return self._live.region

    @property
    def history(self) -> History[State]:
        """All states, what led to each, and which is current; to be looked at only."""
        return self._history

    @property
    def diagonal(self) -> float:
        """Of the shape's bounding box, or of the image, as it is now; in :attr:`unit`."""
        return self._kind.diagonal(self.latents)

    @property
    def shape(self) -> Shape:
        """The shape as it is now."""
        return self.shape_of(self.latents)

    @property
    def original_shape(self) -> Shape:
        """The shape of the seed, before any edit."""
        return self.shape_of(self._start)

    def shape_of(self, latents: Latents) -> Shape:
        """The shape of latents; the last three asked for are kept."""
        return self._shapes().shown(latents)

    @property
    def image(self) -> NDArray[np.uint8]:
        """The image as it is now (H, W, 3), sRGB; not to be written to."""
        return self.pixels_of(self.latents)

    @property
    def original_image(self) -> NDArray[np.uint8]:
        """The image of the seed, before any edit (H, W, 3)."""
        return self.pixels_of(self._start)

    def pixels_of(self, latents: ImageLatents) -> NDArray[np.uint8]:
        """The image of latents (H, W, 3); the last three asked for are kept."""
        return self._images().shown(latents)

    @property
    def _start(self) -> Any:
        return self._history.entries[0].state.latents

    def _shapes(self) -> ShapeKind:
        if not isinstance(self._kind, ShapeKind):
            raise InputError("this model makes images, not shapes; use the session's image and set_mask")
        return self._kind

    def _images(self) -> ImageKind:
        if not isinstance(self._kind, ImageKind):
            raise InputError("this model makes 3D shapes, not images; use the session's shape and set_region")
        return self._kind
