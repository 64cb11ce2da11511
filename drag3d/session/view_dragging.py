"""One drag of a shape in a picture of it: handles and targets are pixels, and are lifted back onto the surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch

from drag3d.core import DragSettings, DragStep
from drag3d.session import checks
from drag3d.session.dragging import Dragging, Earlier
from drag3d.session.kinds.shape import ShapeKind
from drag3d.session.result import ViewResult
from drag3d.session.state import Point, Position, State
from drag3d.session.viewpoint import Viewpoint
from drag3d.subjects.view import HIDDEN_SHARE, ViewSubject
from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models.generator import Latents


class ViewDragging(Dragging):
    """The drag of a state's enabled points as a viewpoint shows them.

    Points keep their coordinates in space, so that the same points can be dragged on from another side: after each
    step a handle is where the surface is seen at its pixel, and its target as far away from the camera as it.
    """

    subject: ViewSubject

    def __init__(
        self,
        kind: ShapeKind,
        state: State,
        settings: DragSettings,
        latents_moved: str | None,
        earlier: Earlier | None,
        view: Viewpoint,
    ):
        self.view = view
        super().__init__(kind, state, settings, latents_moved, earlier)
        self._check_seen(state)
        handles, targets = ([_pixel(p) for p in ends.tolist()] for ends in (self.drag.handles, self.drag.targets))
        self.result.view = ViewResult(view, handles, list(handles), targets)
        height, width = view.size
        self.result.diagonal = float(torch.tensor([height, width]).float().norm())
        self.result.distances = (self.drag.targets - self.drag.handles).norm(dim=1).tolist()

    def _subject(self, state: State, settings: DragSettings, latents_moved: str | None) -> ViewSubject:
        moved = checks.latents_moved_of(latents_moved)
        latents = cast("Latents", state.latents)
        return ViewSubject.for_settings(self.kind.generator, latents, self.view.camera, self.view.size, moved, settings)

    def _placed(self, points: Sequence[Position]) -> torch.Tensor:
        return torch.from_numpy(self.view.pixels(points)).float()

    def _check_seen(self, state: State) -> None:
        """A handle must be in the picture, and nothing in front of it; so must its target."""
        for index in self.result.points:
            point = state.points[index]
            for what, place in ((f"point {index}", point.handle), (f"the target of point {index}", point.target)):
                self.view.check_inside(f"{what} at", _pixel(self.view.pixels([place])[0]))
        places = torch.tensor([state.points[i].handle for i in self.result.points], device=self.subject.start.device)
        for index, hidden in zip(self.result.points, self.subject.hidden(self.subject.start, places), strict=True):
            if hidden:
                raise InputError(
                    f"point {index} is hidden in this view, by another part of the shape; choose another view or "
                    "disable the point"
                )

    def _moved(self, points: Sequence[Point], step: DragStep) -> list[Point]:
        view = self.result.view
        assert view is not None
        lifted = self.subject.lifted(step.latents, step.handles).cpu().tolist()
        view.ends = [_pixel(p) for p in step.handles.tolist()]
        moved = []
        for number, (point, place) in enumerate(zip(points, lifted, strict=True)):
            if view.hidden[number] is None and self._jumped(point.handle, place):
                view.hidden[number] = step.index
            handle = _triple(place)
            moved.append(replace(point, handle=handle, target=self.view.point_at(view.targets[number], handle)))
        self.result.ends = [point.handle for point in moved]
        return moved

    def _jumped(self, before: Position, after: Sequence[float]) -> bool:
        """Whether what is seen at a handle has come nearer at once: something else has moved in front of it."""
        backward = self.view.camera.view_matrix()[2, :3].double()
        way = torch.tensor(after, dtype=torch.float64) - torch.tensor(before, dtype=torch.float64)
        return float(backward @ way) > HIDDEN_SHARE * self.subject.diagonal


def _pixel(values: Any) -> Position:
    x, y = (float(v) for v in values)
    return x, y


def _triple(values: Sequence[float]) -> Position:
    x, y, z = (float(v) for v in values)
    return x, y, z
