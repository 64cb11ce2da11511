"""What has become of intents, as plain values that go from the worker to the window. Arrays are never written to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drag3d.viewer.intents import Place

Level = Literal["note", "done", "error"]
DragState = Literal["idle", "running", "paused"]


@dataclass(frozen=True)
class PointMark:
    """A point of the session, as it is shown."""

    handle: Place
    target: Place
    enabled: bool = True
    name: str = ""


@dataclass(frozen=True)
class Progress:
    """How the last or present drag goes."""

    state: DragState = "idle"
    step: int = 0
    distances: tuple[float, ...] = ()
    """From handle to target, of the points that take part; in ``unit``"""
    unit: Literal["world", "px"] = "world"
    """Pixels for images, and for drags in the picture of a view"""
    points: tuple[int, ...] = ()
    """Which points these are"""
    curve: tuple[float, ...] = ()
    """Greatest distance left after each step, from step 0 on; at most the last 400"""
    losses: tuple[float, ...] = ()
    steps_per_second: float = 0.0
    reason: str = ""
    """Why the drag ended; empty before"""


@dataclass(frozen=True)
class Document:
    """All that is to be shown beside the shape or image itself; sent after whatever changed it."""

    answered: int = 0
    """Number of the last intent that was dealt with"""
    kind: Literal["shape", "image", ""] = ""
    model: str = ""
    models: tuple[str, ...] = ()
    """That may be generated from"""
    seed: int = 0
    texture_seed: int | None = None
    truncation: float = 1.0
    label: int | None = None
    labels: int = 0
    """Of how many classes; 0: the model has none"""
    size: tuple[int, int] = (0, 0)
    """Of an image: width and height"""
    diagonal: float = 1.0
    """Of the shape's bounding box or the image; world units or pixels"""
    points: tuple[PointMark, ...] = ()
    box: tuple[Place, Place] | None = None
    """The region, where it is one box: low and high corner"""
    has_region: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    """Of drags, ``latents_moved`` of shapes among them"""
    progress: Progress = Progress()
    undo: str = ""
    """What undo would take back; empty: nothing"""
    redo: str = ""
    path: str = ""
    """The session file it was opened from or saved to last"""
    unsaved: bool = False


@dataclass(frozen=True, eq=False)
class ShapeShown:
    """A mesh to draw."""

    version: int
    vertices: NDArray[np.float32]
    """(V, 3), world units"""
    faces: NDArray[np.int32]
    """(F, 3), counter-clockwise seen from outside"""
    normals: NDArray[np.float32]
    """(V, 3), unit length"""
    colors: NDArray[np.uint8]
    """(V, 3), sRGB"""
    free: NDArray[np.bool_] | None = None
    """(V,) which vertices may move; None: there is no region"""
    features: NDArray[np.uint8] | None = None
    """(V, 3), when asked for"""
    original: bool = False
    """Whether it is what the seed gave, to be compared with; not what is edited"""


@dataclass(frozen=True, eq=False)
class ImageShown:
    """A picture to draw."""

    version: int
    pixels: NDArray[np.uint8]
    """(H, W, 3), sRGB, row 0 at the top"""
    free: NDArray[np.bool_] | None = None
    """(H, W); None: there is no mask"""
    features: NDArray[np.uint8] | None = None
    """(H, W, 3), when asked for"""
    original: bool = False


@dataclass(frozen=True)
class Said:
    """One line for the person."""

    level: Level
    text: str


@dataclass(frozen=True)
class Busy:
    """What takes a while: "loading quadruped", "baking the texture"; an empty text: nothing any more."""

    text: str
    done: int = 0
    total: int = 0
    """0: nobody knows"""


@dataclass(frozen=True)
class Written:
    """A file that was asked for is there."""

    path: str


@dataclass(frozen=True)
class Autosaved:
    """What an earlier run left unsaved."""

    name: str
    model: str
    when: float
    """Seconds since 1970"""
    edits: int
    """Entries of its history"""


@dataclass(frozen=True)
class Offers:
    """All of them, the latest first."""

    autosaves: tuple[Autosaved, ...] = ()


@dataclass(frozen=True)
class Died:
    """The worker is gone, unasked; the link has said so. A new one can be started, and offers what was autosaved."""

    text: str


Reply = Document | ShapeShown | ImageShown | Said | Busy | Written | Offers | Died
