"""One edit of one generated shape or image: points, region, drags, undo and redo, files."""

from __future__ import annotations

from collections.abc import Generator as Steps
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drag3d.core import Drag, DragSettings, DragStep
from drag3d.session import checks
from drag3d.session.dragging import Dragging, Earlier
from drag3d.session.history import History
from drag3d.session.kinds import kind_of
from drag3d.session.masks import Mask
from drag3d.session.regions import Part
from drag3d.session.result import DragResult
from drag3d.session.state import Point, Position, State
from drag3d.session.storage import SessionRecord, kind_for, read_session, write_session
from drag3d.session.view import SessionView
from drag3d.session.view_dragging import ViewDragging
from drag3d.session.viewpoint import Viewpoint
from get3d_models.errors import InputError
from get3d_models.keypoints import check_keypoint
from get3d_models.loading import load

if TYPE_CHECKING:
    from drag3d.export import ExportSettings, Progress

PIXEL = 1e-3
"""Nearer than this, pixels are the same place."""
MOST_SETTLED = 16
"""Handles of earlier drags that a further one holds in place: the last ones."""


class Session(SessionView):
    """An edit of the shape or the image of one seed; which of them follows from the generator, see :attr:`kind`.

    ``generator`` is a loaded generator, the name of an embedded model or the path of a file. ``texture_seed`` is for
    shapes, ``label`` for models of images that have classes. With ``autosave`` the session is written to that file
    after every edit. Points are numbered from 0. Coordinates of shapes are x, y, z in world units, y up; those of
    images x, y in pixels, pixel centres at whole numbers, from the top left.

    Everything that can be wrong with what a caller gives raises :class:`get3d_models.InputError`, one line that says
    what to do, and leaves the session as it was. What was done on the caller's behalf (a handle moved onto the surface)
    is said in :attr:`notes`.
    """

    def __init__(
        self,
        generator: Any,
        seed: int = 0,
        texture_seed: int | None = None,
        truncation: float = 1.0,
        *,
        label: int | None = None,
        autosave: str | Path | None = None,
        device: str = "cpu",
    ):
        kind = kind_of(load(generator, device=device) if isinstance(generator, str | Path) else generator)
        origin = kind.origin(seed, truncation, texture_seed, label)
        super().__init__(kind, origin, History(State(kind.start(origin))))
        self._begin(DragSettings(), kind.latents_moved(None), autosave)

    def _begin(self, settings: DragSettings, latents_moved: str | None, autosave: str | Path | None) -> None:
        self._settings, self._latents_moved = settings, latents_moved
        self.notes: list[str] = []
        self.last_drag: DragResult | None = None
        self.autosave = None if autosave is None else Path(autosave)
        self._dragging: Dragging | None = None
        self._running: Drag | None = None

    # ---- settings ---------------------------------------------------------------------------------------------

    @property
    def settings(self) -> DragSettings:
        """What :meth:`drag` uses where its caller says nothing; assign to change, or see :meth:`configure`."""
        return self._settings

    @settings.setter
    def settings(self, settings: DragSettings) -> None:
        self._settings = self._checked(settings, {})

    @property
    def latents_moved(self) -> str | None:
        """Which latents of a shape a drag moves: "geometry", "texture" or "both"; None for images."""
        return self._latents_moved

    @latents_moved.setter
    def latents_moved(self, value: str | None) -> None:
        self._latents_moved = self._kind.latents_moved(value)

    # ---- points -----------------------------------------------------------------------------------------------

    def add_point(self, handle: Any, target: Any, name: str = "") -> int:
        """Add a handle (D,) and its target (D,); returns the point's index.

        On a shape, a handle beside the surface is moved onto it when it is within 5% of the shape's diagonal, with a
        note. In an image, both must lie inside it.
        """
        self._require_idle()
        if len(self.points) >= checks.MAX_POINTS:
            raise InputError(f"a session has at most {checks.MAX_POINTS} points; remove one first")
        point, note = self._made(handle, target, name)
        self._record(f"add point {len(self.points)}", points=(*self.points, point), note=note)
        return len(self.points) - 1

    def add_pixel(self, view: Viewpoint, handle: Any, target: Any, name: str = "") -> int:
        """Add a point by two pixels (2,) of a shape's picture; returns the point's index.

        The handle is the place on the surface that is seen there (beside the shape the nearest one, with a note), the
        target the place behind its pixel that is as far from the camera. Drag with ``drag(view=view)`` to move it in
        the picture, without ``view`` to move it to exactly this place in space.
        """
        self._require_idle()
        shape = self._shapes().shown(self.latents)
        pixels = [checks.pixel(what, place) for what, place in (("the handle", handle), ("the target", target))]
        place, note = view.surface_at(pixels[0], shape)
        view.check_inside("the target", pixels[1])
        place, _ = self._kind.placed(place, self.latents)  # from the field's surface onto that of the mesh
        index = self.add_point(place, view.point_at(pixels[1], place), name)
        if note:
            self.notes.append(note)
        return index

    def add_keypoint(self, name: str, offset: Any, view: Viewpoint | None = None) -> int:
        """Add the model's keypoint ``name`` as a handle, with its target at ``offset`` (D,) from it; returns the index.

        Keypoints are those of the seed, so this works before the first drag and at truncation 1. With a view, the
        offset is in pixels of it.
        """
        places = self.keypoints
        check_keypoint(self.generator, name)
        if self.latents is not self._start:
            raise InputError(f"keypoints are known for the unedited {self.kind} only; reset, or give coordinates")
        if view is not None:
            return self._add_seen_keypoint(name, offset, view)
        way = self._kind.coordinates("the offset of a keypoint", offset)
        if max(map(abs, way)) < self._kind.same_place:
            example = self._kind.example_offset
            raise InputError(f"the offset of keypoint {name!r} is zero; say where it shall go, for instance {example}")
        handle, _ = self._kind.placed(places[name], self.latents, f"the keypoint {name}")
        return self.add_point(places[name], tuple(a + b for a, b in zip(handle, way, strict=True)), name)

    @cached_property
    def keypoints(self) -> dict[str, Position]:
        """Where the teacher has the model's named points at the start; InputError for models without."""
        return self._kind.keypoints(self._origin)

    def move_point(self, index: int, handle: Any = None, target: Any = None) -> None:
        """Give a point another handle, another target, or both."""
        self._require_idle()
        old = self._point(index)
        if handle is None:
            target = old.target if target is None else target
            point, note = replace(old, target=self._kind.target(old.handle, target)), None
        else:
            point, note = self._made(handle, old.target if target is None else target, "")
        self._replace_point(f"move point {index}", index, replace(point, enabled=old.enabled), note)

    def enable_point(self, index: int, enabled: bool = True) -> None:
        """Let a point take part in drags, or not, without losing it."""
        self._require_idle()
        verb = "enable" if enabled else "disable"
        self._replace_point(f"{verb} point {index}", index, replace(self._point(index), enabled=bool(enabled)))

    def remove_point(self, index: int) -> None:
        """Remove a point; those behind it move up by one."""
        self._require_idle()
        self._point(index)
        self._record(f"remove point {index}", points=self.points[:index] + self.points[index + 1 :])

    def clear_points(self) -> None:
        """Remove all points."""
        self._require_idle()
        self._record("remove all points", points=())

    def set_region(self, move: Part | Sequence[Part] = (), stay: Part | Sequence[Part] = ()) -> None:
        """Say what may move (nothing given: everything) and what must stay; without arguments the region is taken away.

        For shapes; each is a Box, a Sphere, a Vertices or several of them. It holds from the next drag on.
        """
        self._require_idle()
        region = self._shapes().region(move, stay, self.latents)
        self._record("remove region" if region is None else "set region", region=region)

    def set_mask(self, mask: Any) -> None:
        """Say what of an image may move: white (128 and more) may, black must stay; None takes the mask away.

        ``mask`` is the path of a PNG or an array (H, W), bool or uint8, of the image's size. One that is white all
        over is none, which is noted. It holds from the next drag on.
        """
        self._require_idle()
        found, note = self._images().mask(mask)
        self._record("remove mask" if found is None else "set mask", region=found, note=note)

    def set_view_mask(self, view: Viewpoint, mask: Any) -> None:
        """Say by a mask of a shape's picture what may move, as :meth:`set_mask` does for an image.

        It becomes a region of the surface: what lies behind a black pixel must stay, seen or hidden; so it holds for
        drags from any side.
        """
        self._require_idle()
        shape = self._shapes().shown(self.latents)
        height, width = view.size
        region = None if mask is None else view.region(Mask.of(mask, (width, height)).free, shape)
        note = "the mask leaves all of the shape free: everything may move" if mask is not None and not region else None
        self._record("remove region" if region is None else "set region", region=region, note=note)

    # ---- history ----------------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to undo."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is an edit to redo."""
        return self._history.can_redo

    def undo(self) -> str | None:
        """Undo the last edit, drag or change of points or region; returns what it was, None when there is nothing."""
        return self._travel(self._history.undo)

    def redo(self) -> str | None:
        """Redo what was undone last; returns what it was, None when there is nothing."""
        return self._travel(self._history.redo)

    def reset(self) -> None:
        """Back to what the seed gave, without points and region. Can be undone."""
        self._require_idle()
        self._live = self._history.entries[0].state
        self._history.record("reset", self._live)
        self._autosave()

    # ---- dragging ---------------------------------------------------------------------------------------------

    def drag(
        self, max_steps: int | None = None, *, view: Viewpoint | None = None, **settings: Any
    ) -> Steps[DragStep, None, None]:
        """Drag the enabled handles towards their targets; yields a DragStep for the start and after each step.

        The session follows step by step, and stays where the last step left it when the loop is left early (whoever
        keeps the generator in a variable calls its ``close``). The whole drag is one entry of the history.
        ``settings`` are those of :class:`drag3d.core.DragSettings`, and ``latents_moved``, for this drag; they go
        before those of the session.

        With ``view`` a shape is dragged in its picture: handles and lengths are pixels, how far away from the camera
        a handle ends is left open, and points are moved along in space. A handle that is hidden there is refused.
        """
        self._require_idle()
        if max_steps is not None:
            settings["max_steps"] = max_steps
        moved = self._kind.latents_moved(settings.pop("latents_moved", self._latents_moved))
        checked = self._checked(self._settings, settings)
        if view is None:
            return self._run(Dragging(self._kind, self._live, checked, moved, self._earlier()))
        return self._run(ViewDragging(self._shapes(), self._live, checked, moved, self._earlier(), view))

    def _earlier(self) -> Earlier | None:
        """The drags that led here since the start or the last reset; None if there was none."""
        settled: list[Position] = []
        before = first = self._history.entries[0].state.latents
        for entry in self._history.entries[1 : self._history.position + 1]:
            latents = entry.state.latents
            if latents is first:
                settled.clear()
            elif latents is not before:
                settled += [point.handle for point in entry.state.points if point.enabled]
            before = latents
        return Earlier(first, tuple(settled[-MOST_SETTLED:])) if settled else None

    def stop(self) -> None:
        """Ask a running drag to end after its current step; from any thread."""
        if self._running is not None:
            self._running.stop()

    def unpack(self, step: DragStep) -> Any:
        """All latents of a step of the last drag, on the CPU; see :meth:`shape_of` and :meth:`pixels_of`."""
        if self._dragging is None:
            raise InputError("there is no step to look into: no drag has run in this session")
        return self._dragging.unpack(step)

    def _run(self, dragging: Dragging) -> Steps[DragStep, None, None]:
        self._require_idle()
        result = dragging.result
        if self._live is not result.before:
            raise InputError("the session was changed after this drag was prepared; call drag again")
        self._dragging, self._running, self.last_drag = dragging, dragging.drag, result
        try:
            for step, self._live in dragging.run():
                if step.reason:
                    self.notes += self._kind.notes_at_end(result, self.latents)
                yield step
        finally:
            self._running = None
            if result.steps:
                self._history.record(_drag_label(result), self._live)
                self._autosave()

    # ---- files ------------------------------------------------------------------------------------------------

    def export(self, path: str | Path, *, progress: Progress | None = None, **settings: Any) -> Path:
        """Write the shape as GLB, OBJ, PLY or STL, or the image as PNG or JPEG, atomically; the suffix says which.

        ``settings`` are those of :class:`drag3d.export.ExportSettings`, for shapes: ``texture_size=2048``,
        ``vertex_colors=True``, ``simplify=10_000`` and so on. ``progress`` is told what is being done, how much of it
        and of how much; what it raises ends the export.
        """
        return self._kind.export(path, self.latents, self._origin, self._export_settings(settings), progress)

    def export_original(self, path: str | Path, *, progress: Progress | None = None, **settings: Any) -> Path:
        """Write what the seed gave, before any edit, in the same way."""
        return self._kind.export(path, self._start, self._origin, self._export_settings(settings), progress)

    def draw(self, path: str | Path) -> Path:
        """Draw the last drag, before and after, as PNG."""
        if self.last_drag is None:
            raise InputError("there is nothing to compare: no drag has run in this session")
        return self._kind.draw(path, self.last_drag, self.last_drag.before.latents, self.latents)

    def save(self, path: str | Path) -> Path:
        """Write the session to a ``.drag3d`` file, atomically: latents, points, region, settings and history.

        While a drag runs, what it did so far is the last entry of the history in the file.
        """
        history = self._with_running_drag()
        record = SessionRecord(
            kind=self.kind,
            model=self.generator.name,
            fingerprint=self.generator.fingerprint,
            config=self.generator.config,
            origin=self._origin,
            settings=self._settings,
            latents_moved=self._latents_moved,
            entries=history.entries,
            position=history.position,
        )
        return write_session(path, record)

    def release(self) -> None:
        """Give memory back: meshes, pictures and the last drag's working data; what is needed is computed again."""
        self._require_idle()
        self._dragging = None
        self._kind.forget_shown()

    @classmethod
    def open(cls, path: str | Path, generator: Any = None, *, autosave: bool = False, device: str = "cpu") -> Session:
        """The session of a file, just as it was saved, undo and redo included.

        An embedded model is found by its name; give any other as ``generator``. A file that belongs to another model
        than the one given is refused by name. Nothing in the file is ever executed.
        """
        record = read_session(path)
        kind = kind_for(record, path, generator, device)
        session = cls.__new__(cls)
        SessionView.__init__(session, kind, record.origin, History.restored(record.entries, record.position))
        session._begin(record.settings, record.latents_moved, path if autosave else None)
        return session

    # ---- inside -----------------------------------------------------------------------------------------------

    def _with_running_drag(self) -> History[State]:
        """The history as it would be if a drag that runs ended now."""
        history = self._history
        if self._running is None or self.last_drag is None or not self.last_drag.steps:
            return history
        history = History.restored(history.entries, history.position)
        history.record(_drag_label(self.last_drag), self._live)
        return history

    def _export_settings(self, settings: dict[str, Any]) -> ExportSettings | None:
        from drag3d.export import ExportSettings  # it takes as long to import as all of the session

        return ExportSettings.of(**settings) if settings else None

    def _checked(self, settings: DragSettings, changes: dict[str, Any]) -> DragSettings:
        result = checks.changed_settings(settings, changes)
        self._kind.check_settings(result)
        return result

    def _add_seen_keypoint(self, name: str, offset: Any, view: Viewpoint) -> int:
        way = checks.pixel("the offset of a keypoint", offset)
        if max(map(abs, way)) < PIXEL:
            raise InputError(f"the offset of keypoint {name!r} is zero; say where it shall go, for instance 0,-40")
        handle, _ = self._kind.placed(self.keypoints[name], self.latents, f"the keypoint {name}")
        x, y = view.pixels([handle])[0]
        view.check_inside(f"the target of {name}", (x + way[0], y + way[1]))
        return self.add_point(handle, view.point_at((x + way[0], y + way[1]), handle), name)

    def _made(self, handle: Any, target: Any, name: str) -> tuple[Point, str | None]:
        given = self._kind.coordinates("a handle", handle)
        place, note = self._kind.placed(given, self.latents, f"the keypoint {name}" if name else "the handle")
        self._kind.target(given, target)  # equal as given, before it was moved
        return Point(place, self._kind.target(place, target), name=name), note

    def _point(self, index: int) -> Point:
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(self.points):
            known = f"points are numbered 0 to {len(self.points) - 1}" if self.points else "the session has no points"
            raise InputError(f"there is no point {index}: {known}")
        return self.points[index]

    def _replace_point(self, label: str, index: int, point: Point, note: str | None = None) -> None:
        self._record(label, points=(*self.points[:index], point, *self.points[index + 1 :]), note=note)

    def _record(self, label: str, note: str | None = None, **changes: Any) -> None:
        self._live = replace(self._live, **changes)
        self._history.record(label, self._live)
        if note:
            self.notes.append(note)
        self._autosave()

    def _travel(self, go: Any) -> str | None:
        self._require_idle()
        label = go()
        self._live = self._history.current
        if label is not None:
            self._autosave()
        return label

    def _autosave(self) -> None:
        if self.autosave is not None:
            self.save(self.autosave)

    def _require_idle(self) -> None:
        if self._running is not None:
            raise InputError("a drag is running; stop it, or leave its loop, first")


def _drag_label(result: DragResult) -> str:
    return f"drag, {result.steps} step{'s' if result.steps > 1 else ''}"
