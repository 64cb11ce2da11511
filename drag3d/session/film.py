"""What a drag looked like, step by step, as an animation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from get3d_models.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from drag3d.export import Panel
    from drag3d.session.session import Session

FPS = 12
LEAST_FRAMES, MOST_FRAMES = 24, 120
"""A drag of few steps is shown slowly (2 s), of a long one some steps are left out (10 s)."""


@dataclass(frozen=True)
class _Moment:
    latents: Any
    handles: tuple[Any, ...]
    targets: tuple[Any, ...]


class Film:
    """Records a session's drag: call `take` after each step that the drag yields, then `write`.

    Only latents and points are kept; pictures are made when the film is written.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.moments: list[_Moment] = []

    def take(self) -> None:
        """Remember the session as it is now."""
        result = self.session.last_drag
        if result is None:
            raise InputError("there is nothing to film: no drag has run in this session")
        points = [self.session.points[index] for index in result.points]
        self.moments.append(
            _Moment(self.session.latents, tuple(p.handle for p in points), tuple(p.target for p in points))
        )

    def write(
        self, path: str | Path, *, turntable: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> Path:
        """Write the animation, .mp4 or .gif, atomically.

        A shape is seen by a camera that stands still, or with `turntable` goes round it, and once more round the end;
        that of a drag in a view begins there. An image has no other sides. `progress` is told how many pictures are
        made, of how many. Raises InputError.
        """
        from drag3d.export.animation import paced, write_animation

        if turntable and self.session.kind == "image":
            raise InputError("an image cannot be turned; leave the turntable away")
        if not self.moments:
            raise InputError("there is nothing to show: no step was recorded")
        order = paced(len(self.moments), LEAST_FRAMES, MOST_FRAMES)
        told = progress or (lambda _done, _all: None)
        if self.session.kind == "image":
            return write_animation(path, self._image_frames(order, told), fps=FPS)
        return write_animation(path, self._shape_frames(order, turntable, told), fps=FPS)

    def _image_frames(self, order: list[int], told: Callable[[int, int], None]) -> Iterator[npt.NDArray[np.uint8]]:
        from drag3d.export.image_picture import marked_image

        shown, number, total = None, 0, len(set(order))
        for index in order:
            if index != shown:
                moment, shown, number = self.moments[index], index, number + 1
                frame = marked_image(self.session.pixels_of(moment.latents), moment.handles, moment.targets)
                told(number, total)
            yield frame

    def _shape_frames(
        self, order: list[int], turntable: bool, told: Callable[[int, int], None]
    ) -> Iterator[npt.NDArray[np.uint8]]:
        from drag3d.export.shape_film import FILM_CAMERA, FILM_SIZE, TURN, Shot, film_shapes

        chosen = sorted(set(order))
        place = {index: number for number, index in enumerate(chosen)}
        turn = TURN if turntable else 0.0
        shots = [Shot(place[index], turn * number) for number, index in enumerate(order)]
        if turntable:
            shots += [
                Shot(shots[-1].moment, shots[-1].turn + turn * number) for number in range(1, int(360 / turn) + 1)
            ]
        result = self.session.last_drag
        view = result.view.view if result and result.view else None
        camera, size = (view.camera, view.size) if view else (FILM_CAMERA, FILM_SIZE)
        for number, frame in enumerate(film_shapes(self._panels(chosen), shots, camera, size)):
            told(number + 1, len(shots))
            yield frame

    def _panels(self, chosen: list[int]) -> Iterator[Panel]:
        from drag3d.export import PaintedMesh, Panel

        for index in chosen:
            moment = self.moments[index]
            shape = self.session.shape_of(moment.latents)
            yield Panel(PaintedMesh.of(shape), handles=moment.handles, targets=moment.targets, arrows=True)
