"""What a person wants of the session, as plain values that go from the window to the worker.

Coordinates are those of sessions: x, y, z in world units, y up, for shapes; x, y in pixels for images. An intent that
cannot be carried out changes nothing and is answered by a :class:`drag3d.viewer.replies.Said` of level "error".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Place = tuple[float, ...]


@dataclass(frozen=True)
class Intent:
    """What they have in common. ``Viewer`` numbers what it sends; replies name the last number that was dealt with."""


# ---- what is edited -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Generate(Intent):
    """Begin with what these seeds give; ``model`` is a name or a path, None: the present one. Can be undone."""

    seed: int
    texture_seed: int | None = None
    """Shapes; None: as the seed"""
    truncation: float = 1.0
    label: int | None = None
    model: str | None = None


@dataclass(frozen=True)
class OpenSession(Intent):
    """Go on with a ``.drag3d`` file."""

    path: str


@dataclass(frozen=True)
class RestoreAutosave(Intent):
    """Go on with what an earlier run left unsaved."""

    name: str


@dataclass(frozen=True)
class DiscardAutosave(Intent):
    """Forget it."""

    name: str


# ---- points -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AddPoint(Intent):
    """A handle, which is put onto the surface, and its target."""

    handle: Place
    target: Place


@dataclass(frozen=True)
class MovePoint(Intent):
    """Another handle, another target, or both."""

    index: int
    handle: Place | None = None
    target: Place | None = None


@dataclass(frozen=True)
class MirrorPoint(Intent):
    """Add the symmetric partner of a point: left and right swapped, about x = 0 or the middle of the image."""

    index: int


@dataclass(frozen=True)
class EnablePoint(Intent):
    """Let a point take part in drags, or not."""

    index: int
    enabled: bool


@dataclass(frozen=True)
class RemovePoint(Intent):
    """Remove one point."""

    index: int


@dataclass(frozen=True)
class ClearPoints(Intent):
    """Remove all points."""


# ---- region -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Paint(Intent):
    """One stroke of the brush: what lies within ``radius`` of the ``centers`` (M, D) may move, or with ``erase`` not.

    The first stroke on a shape or image without region makes everything else stay. A region of a box is taken over as
    painted.
    """

    centers: NDArray[np.float32]
    radius: float
    erase: bool = False


@dataclass(frozen=True)
class SetBox(Intent):
    """Shapes: only what lies in this box may move."""

    low: Place
    high: Place


@dataclass(frozen=True)
class ClearRegion(Intent):
    """Everything may move again."""


# ---- dragging -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CameraState:
    """A perspective camera and the size of its picture in pixels; for drags in the picture."""

    position: Place
    focus: Place
    up: Place
    field_of_view: float
    """Vertical, degrees"""
    height: int
    width: int


@dataclass(frozen=True)
class StartDrag(Intent):
    """Drag to the end, or go on after a pause. ``camera``: shapes, drag in this picture, depth left open."""

    camera: CameraState | None = None


@dataclass(frozen=True)
class StepDrag(Intent):
    """Make one step, then pause."""

    camera: CameraState | None = None


@dataclass(frozen=True)
class PauseDrag(Intent):
    """Hold on after the step under way; StartDrag and StepDrag go on."""


@dataclass(frozen=True)
class StopDrag(Intent):
    """End the drag after the step under way; what it did becomes an entry of the history."""


@dataclass(frozen=True)
class Configure(Intent):
    """Settings of drags by name, those of ``DragSettings`` and ``latents_moved``; None: as the method proposes.

    While a drag runs it goes on with them after the step under way.
    """

    changes: dict[str, Any] = field(default_factory=dict)


# ---- history and files --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Undo(Intent):
    """Take the last change back: of points, region, shape, or which shape it is."""


@dataclass(frozen=True)
class Redo(Intent):
    """Do again what was undone last."""


@dataclass(frozen=True)
class Reset(Intent):
    """Back to what the seed gave. Can be undone."""


@dataclass(frozen=True)
class SaveSession(Intent):
    """Write a ``.drag3d`` file."""

    path: str


@dataclass(frozen=True)
class Export(Intent):
    """Write GLB, OBJ, PLY, STL or USD, PNG or JPEG; of a shape, a PNG is a picture, from ``camera`` if given.

    ``settings`` are those of ``ExportSettings``.
    """

    path: str
    settings: dict[str, Any] = field(default_factory=dict)
    camera: CameraState | None = None


@dataclass(frozen=True)
class WriteFilm(Intent):
    """Write the last drag as .mp4 or .gif; ``turntable``: shapes, once round; without any drag, of the shape itself."""

    path: str
    turntable: bool = False


@dataclass(frozen=True)
class CancelWriting(Intent):
    """End an export or film that is being written."""


# ---- the window ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look(Intent):
    """Whether the window wants colours of features (the first three principal components) along with what is shown."""

    features: bool


@dataclass(frozen=True)
class Shown(Intent):
    """The window has drawn this version; the worker sends no more than two ahead."""

    version: int


@dataclass(frozen=True)
class Quit(Intent):
    """End the worker: a running drag is stopped and recorded, what is unsaved stays as an autosave."""
