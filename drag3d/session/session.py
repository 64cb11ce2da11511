"""One edit of one generated shape: points, region, drags, undo and redo, files."""

from __future__ import annotations

import math
import time
from collections.abc import Generator as Steps
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from drag3d.core import Drag, DragSettings, DragStep, StopReason
from drag3d.session import checks
from drag3d.session.history import History
from drag3d.session.nearest import nearest_on_mesh
from drag3d.session.regions import Part, Region
from drag3d.session.result import DragResult, settings_used
from drag3d.session.state import Point, Position, State
from drag3d.session.storage import SessionRecord, generator_for, read_session, write_session
from drag3d.subjects.surface import SurfaceSubject
from get3d_models.errors import InputError
from get3d_models.generator import Generator, Latents
from get3d_models.keypoints import check_keypoint, keypoints
from get3d_models.loading import load
from get3d_models.shape import Shape

SNAP_REACH = 0.05
SILENT_SNAP = 0.001
LOOSE_END = 0.02
"""Share of the diagonal that a tracked handle may be off the mesh before it is said."""


class Session:
    """An edit of the shape of one seed.

    ``generator`` is a loaded generator, the name of an embedded model or the path of a file. With ``autosave`` the
    session is written to that file after every edit. Coordinates are world units, y up; points are numbered from 0.

    Everything that can be wrong with what a caller gives raises :class:`get3d_models.InputError`, one line that says
    what to do, and leaves the session as it was. What was done on the caller's behalf (a handle moved onto the surface)
    is said in :attr:`notes`.
    """

    def __init__(
        self,
        generator: Generator | str | Path,
        seed: int = 0,
        texture_seed: int | None = None,
        truncation: float = 1.0,
        *,
        autosave: str | Path | None = None,
        device: str = "cpu",
    ):
        self.generator = generator if isinstance(generator, Generator) else load(generator, device=device)
        self.seed = checks.seed_of("the seed", seed)
        self.texture_seed = self.seed if texture_seed is None else checks.seed_of("the texture seed", texture_seed)
        self.truncation = checks.truncation_of(truncation)
        self.notes: list[str] = []
        self.last_drag: DragResult | None = None
        self._settings, self._latents_moved = DragSettings(), "geometry"
        self._running: Drag | None = None
        self._shapes: list[tuple[Latents, Shape]] = []
        start = self.generator.latents(self.seed, self.texture_seed, self.truncation)
        self._history = History(State(Latents(start.geometry.cpu(), start.texture.cpu())))
        self._live = self._history.current
        self.autosave = None if autosave is None else Path(autosave)
        if len(self.shape.vertices) == 0:
            raise InputError(f"the shape of seed {self.seed} is empty: it has no surface to drag; try another seed")

    # ---- what there is ----------------------------------------------------------------------------------------

    @property
    def latents(self) -> Latents:
        """The latents of the shape as it is now, on the CPU."""
        return self._live.latents

    @property
    def points(self) -> tuple[Point, ...]:
        """The points as they are now; while a drag runs their handles move."""
        return self._live.points

    @property
    def region(self) -> Region | None:
        """What may move and what must stay; None when everything may move."""
        return self._live.region

    @property
    def shape(self) -> Shape:
        """The shape as it is now."""
        return self.shape_of(self._live.latents)

    @property
    def original_shape(self) -> Shape:
        """The shape of the seed, before any edit."""
        return self.shape_of(self._history.entries[0].state.latents)

    def shape_of(self, latents: Latents) -> Shape:
        """The shape of latents; the last three asked for are kept."""
        for place, (known, shape) in enumerate(self._shapes):
            if known is latents:
                self._shapes.append(self._shapes.pop(place))
                return shape
        shape = self.generator.shape(latents)
        self._shapes = [*self._shapes[-2:], (latents, shape)]
        return shape

    @property
    def settings(self) -> DragSettings:
        """What :meth:`drag` uses where its caller says nothing; assign to change, or see :meth:`configure`."""
        return self._settings

    @settings.setter
    def settings(self, settings: DragSettings) -> None:
        self._settings = checks.changed_settings(settings, {})

    @property
    def latents_moved(self) -> str:
        """Which latents a drag moves: "geometry", "texture" or "both"."""
        return self._latents_moved

    @latents_moved.setter
    def latents_moved(self, value: str) -> None:
        self._latents_moved = checks.latents_moved_of(value)

    # ---- points -----------------------------------------------------------------------------------------------

    def add_point(self, handle: Any, target: Any, name: str = "") -> int:
        """Add a handle (3,) on the surface and its target (3,); returns the point's index.

        A handle beside the surface is moved onto it when it is within 5% of the shape's diagonal, with a note.
        """
        self._require_idle()
        if len(self.points) >= checks.MAX_POINTS:
            raise InputError(f"a session has at most {checks.MAX_POINTS} points; remove one first")
        point, note = self._made(handle, target, name)
        self._record(f"add point {len(self.points)}", points=(*self.points, point), note=note)
        return len(self.points) - 1

    def add_keypoint(self, name: str, offset: Any) -> int:
        """Add the model's keypoint ``name`` as a handle, with its target at ``offset`` (3,) from it; returns the index.

        Keypoints are those of the seed's shape, so this works before the first drag and at truncation 1.
        """
        places = self.keypoints
        check_keypoint(self.generator, name)
        if self.latents is not self._history.entries[0].state.latents:
            raise InputError("keypoints are known for the unedited shape only; reset or undo, or use coordinates")
        x, y, z = checks.triple("the offset of a keypoint", offset)
        if max(abs(x), abs(y), abs(z)) < checks.SAME_PLACE:
            raise InputError(f"the offset of keypoint {name!r} is zero; say where it shall go, for instance 0,0.1,0")
        handle, _ = self._snapped(places[name])
        return self.add_point(places[name], (handle[0] + x, handle[1] + y, handle[2] + z), name)

    @cached_property
    def keypoints(self) -> dict[str, Position]:
        """Where the teacher has the model's named points on the shape of the seed; InputError for models without."""
        known = keypoints(self.generator, self.seed, self.truncation)
        return {name: checks.triple("a keypoint", place) for name, place in known.items()}

    def move_point(self, index: int, handle: Any = None, target: Any = None) -> None:
        """Give a point another handle, another target, or both."""
        self._require_idle()
        old = self._point(index)
        if handle is None:
            target = old.target if target is None else target
            point, note = replace(old, target=checks.target_of(old.handle, target, self._scale)), None
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

        Each is a Box, a Sphere, a Vertices or several of them. It holds from the next drag on.
        """
        self._require_idle()
        region = Region(_parts(move), _parts(stay))
        if not (region.move or region.stay):
            self._record("remove region", region=None)
            return
        region.held(self._mesh()[0])  # refuses a region in which nothing could move
        self._record("set region", region=region)

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
        """Back to the shape of the seed, without points and region. Can be undone."""
        self._require_idle()
        self._live = self._history.entries[0].state
        self._history.record("reset", self._live)
        self._autosave()

    # ---- dragging ---------------------------------------------------------------------------------------------

    def drag(self, max_steps: int | None = None, **settings: Any) -> Steps[DragStep, None, None]:
        """Drag the enabled handles towards their targets; yields a DragStep for the start and after each step.

        The session follows step by step, and stays where the last step left it when the loop is left early (whoever
        keeps the generator in a variable calls its ``close``). The whole drag is one entry of the history.
        ``settings`` are those of :class:`drag3d.core.DragSettings`, and ``latents_moved``, for this drag; they go
        before those of the session.
        """
        self._require_idle()
        if max_steps is not None:
            settings["max_steps"] = max_steps
        moved = checks.latents_moved_of(settings.pop("latents_moved", self._latents_moved))
        chosen = checks.changed_settings(self._settings, settings)
        active = tuple(i for i, p in enumerate(self.points) if p.enabled)
        if not active:
            raise InputError("there is no point to drag; add one first: a handle on the surface and its target")
        hold = self._hold(active)
        subject = SurfaceSubject(self.generator, self.shape.latents, moved, chosen.features)
        drag = Drag(
            subject,
            torch.tensor([self.points[i].handle for i in active], dtype=torch.float32),
            torch.tensor([self.points[i].target for i in active], dtype=torch.float32),
            chosen,
            hold,
        )
        result = DragResult(
            settings=settings_used(chosen, drag),
            latents_moved=moved,
            device=str(self.generator.device),
            before=self._live,
            points=active,
            tolerance=float(drag.tolerance),
            diagonal=self.shape.diagonal,
            held=0 if hold is None else len(hold),
            distances=[math.dist(self.points[i].handle, self.points[i].target) for i in active],
            ends=[self.points[i].handle for i in active],
        )
        return self._run(drag, subject, result)

    def stop(self) -> None:
        """Ask a running drag to end after its current step; from any thread."""
        if self._running is not None:
            self._running.stop()

    def _run(self, drag: Drag, subject: SurfaceSubject, result: DragResult) -> Steps[DragStep, None, None]:
        self._require_idle()
        if self._live is not result.before:
            raise InputError("the session was changed after this drag was prepared; call drag again")
        self._running, self.last_drag = drag, result
        began = time.perf_counter()
        try:
            for step in drag:
                result.seconds = time.perf_counter() - began
                self._follow(step, subject, result)
                if step.reason:
                    self._note_loose_ends(result)
                yield step
        finally:
            self._running = None
            if result.steps:
                count = f"{result.steps} step{'s' if result.steps > 1 else ''}"
                self._history.record(f"drag, {count}", self._live)
                self._autosave()

    def _follow(self, step: DragStep, subject: SurfaceSubject, result: DragResult) -> None:
        result.steps, result.reason = step.index, step.reason or StopReason.ASKED
        result.distances = step.distances.tolist()
        if step.index == 0:
            return
        result.losses.append(step.loss)
        result.ends = [(x, y, z) for x, y, z in step.handles.tolist()]
        latents = subject.unpack(step.latents)
        points = list(self.points)
        for index, handle in zip(result.points, result.ends, strict=True):
            points[index] = replace(points[index], handle=handle)
        self._live = replace(
            self._live, latents=Latents(latents.geometry.cpu(), latents.texture.cpu()), points=tuple(points)
        )

    def _note_loose_ends(self, result: DragResult) -> None:
        """Say which handles lie on a part of the surface that is too thin for the mesh, so that they seem to float."""
        vertices, faces = self._mesh()
        for index, end in zip(result.points, result.ends, strict=True):
            share = nearest_on_mesh(end, vertices, faces)[1] / result.diagonal if len(faces) else 1.0
            if share > LOOSE_END:
                self.notes.append(
                    f"point {index} ended {share:.1%} of the diagonal off the mesh, on a part of the surface too thin "
                    "for it; try another target, or the default method"
                )

    def _hold(self, active: tuple[int, ...]) -> torch.Tensor | None:
        """The surface points that the region holds (M, 3), or None; a handle must not be among what is held."""
        if self.region is None:
            return None
        handles = torch.tensor([self.points[i].handle for i in active]).numpy()
        for index, free in zip(active, self.region.may_move(handles), strict=True):
            if not free:
                where = checks.place(self.points[index].handle)
                raise InputError(f"point {index} at {where} lies in what must stay; change the region or disable it")
        return self.region.held(self._mesh()[0])

    # ---- files ------------------------------------------------------------------------------------------------

    def export(self, path: str | Path) -> Path:
        """Write the shape as GLB, OBJ, PLY or STL, atomically; the suffix says which."""
        return self._export(self.shape, path)

    def export_original(self, path: str | Path) -> Path:
        """Write the shape of the seed, before any edit, in the same way."""
        return self._export(self.original_shape, path)

    def draw(self, path: str | Path) -> Path:
        """Draw the shape before and after the last drag, as PNG; raises ``drag3d.export.NoPicture`` without OpenGL."""
        from drag3d.export import Camera, PaintedMesh, draw_comparison

        result = self.last_drag
        if result is None:
            raise InputError("there is nothing to compare: no drag has run in this session")

        def painted(shape: Shape) -> PaintedMesh:
            return PaintedMesh(shape.vertices, shape.faces, shape.vertex_colors, shape.normals)

        starts = [result.before.points[i] for i in result.points]
        return draw_comparison(
            path,
            painted(self.shape_of(result.before.latents)),
            painted(self.shape),
            [p.handle for p in starts],
            [p.target for p in starts],
            ends=result.ends,
            camera=Camera(margin=1.3),  # the titles stay clear of targets above the shape
        )

    def save(self, path: str | Path) -> Path:
        """Write the session to a ``.drag3d`` file, atomically: latents, points, region, settings and history."""
        record = SessionRecord(
            model=self.generator.name,
            fingerprint=self.generator.fingerprint,
            config=self.generator.config,
            seed=self.seed,
            texture_seed=self.texture_seed,
            truncation=self.truncation,
            settings=self._settings,
            latents_moved=self._latents_moved,
            entries=self._history.entries,
            position=self._history.position,
        )
        return write_session(path, record)

    @classmethod
    def open(
        cls,
        path: str | Path,
        generator: Generator | str | Path | None = None,
        *,
        autosave: bool = False,
        device: str = "cpu",
    ) -> Session:
        """The session of a file, just as it was saved, undo and redo included.

        An embedded model is found by its name; give any other as ``generator``. A file that belongs to another model
        than the one given is refused by name. Nothing in the file is ever executed.
        """
        record = read_session(path)
        found = generator_for(record, path, generator, device)
        session = cls.__new__(cls)
        session.generator = found
        session.seed, session.texture_seed, session.truncation = record.seed, record.texture_seed, record.truncation
        session._settings, session._latents_moved = record.settings, record.latents_moved
        session.notes, session.last_drag, session._running, session._shapes = [], None, None, []
        session._history = History.restored(record.entries, record.position)
        session._live = session._history.current
        session.autosave = Path(path) if autosave else None
        return session

    def _export(self, shape: Shape, path: str | Path) -> Path:
        from drag3d.export import write_mesh

        origin = {
            "model": self.generator.name,
            "model_sha256": self.generator.fingerprint,
            "seed": self.seed,
            "texture_seed": self.texture_seed,
            "truncation": self.truncation,
        }
        return write_mesh(path, shape.vertices, shape.faces, shape.vertex_colors, shape.normals, metadata=origin)

    # ---- inside -----------------------------------------------------------------------------------------------

    @property
    def _scale(self) -> float:
        return self.generator.config.scale

    def _mesh(self) -> tuple[Any, Any]:
        """Vertices (V, 3) and faces (F, 3) of the shape as arrays; never empty."""
        vertices, faces = self.shape.vertices.cpu().numpy(), self.shape.faces.cpu().numpy()
        if len(faces) == 0:
            raise InputError("the shape is empty: it has no surface; undo the last drag or reset")
        return vertices, faces

    def _made(self, handle: Any, target: Any, name: str) -> tuple[Point, str | None]:
        place, note = self._snapped(checks.triple("a handle", handle), f"the keypoint {name}" if name else "the handle")
        checks.target_of(checks.triple("a handle", handle), target, self._scale)  # equal as given, before it was moved
        return Point(place, checks.target_of(place, target, self._scale), name=name), note

    def _snapped(self, handle: Position, what: str = "the handle") -> tuple[Position, str | None]:
        nearest, distance = nearest_on_mesh(handle, *self._mesh())
        share = distance / self.shape.diagonal
        if share > SNAP_REACH:
            raise InputError(
                f"{what} {checks.place(handle)} is {share:.1%} of the shape's diagonal off the surface (at most "
                f"{SNAP_REACH:.0%}); the nearest surface point is {checks.place(tuple(nearest))}"
            )
        place = (float(nearest[0]), float(nearest[1]), float(nearest[2]))
        if share <= SILENT_SNAP:
            return place, None
        moved = f"moved {what} {checks.place(handle)} onto the surface, to {checks.place(place)}"
        return place, f"{moved}: it was {share:.1%} of the diagonal off"

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


def _parts(given: Part | Sequence[Part]) -> tuple[Part, ...]:
    parts = tuple(given) if isinstance(given, tuple | list) else (given,)
    for part in parts:
        if not isinstance(part, Part):
            raise InputError(f"a region is made of Box, Sphere and Vertices, not of {type(part).__name__}")
    return parts
