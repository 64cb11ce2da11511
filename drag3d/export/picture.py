"""Pictures of shapes and drags, drawn off-screen and written as PNG.

Drawing needs an OpenGL library, which a bare machine lacks, and VTK then does not raise an error: the process dies
(segmentation fault in VTK 9.7). So all drawing happens in a process of its own (`picture_worker.py`), whose death
becomes the exception `NoPicture` with one sentence that says what to install; whoever asked can say so and go on.

A machine without a display needs `libegl1` and `libgl1-mesa-dri`, or `libosmesa6` alone (Debian 12, tried with VTK 9.7
on a minimal system; no X server is needed).
"""

import functools
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drag3d.export.atomic import write_bytes_atomically
from drag3d.export.mesh import as_array, checked_mesh
from get3d_models.errors import InputError

SWITCH_OFF = "DRAG3D_NO_PICTURES"
_WORKER = Path(__file__).with_name("picture_worker.py")
_WINDOW = "VTK_DEFAULT_OPENGL_WINDOW"
_PROBE_SECONDS, DRAW_SECONDS = 120, 600
_NO_OPENGL = (
    "this machine has no OpenGL library that VTK can draw with; "
    "on Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri"
)
_CLAY = (0.80, 0.77, 0.73)


class NoPicture(RuntimeError):
    """A picture could not be drawn on this machine; the message is one sentence and says why. Nothing was written."""


@dataclass(frozen=True)
class PaintedMesh:
    """A mesh to draw.

    vertices: (V, 3) float, y up. faces: (F, 3) integer, counter-clockwise seen from outside. colors: (V, 3) float
    display sRGB in [0, 1], or None for plain clay. normals: (V, 3) float, or None for area-weighted smooth ones.
    NumPy arrays or torch tensors.
    """

    vertices: Any
    faces: Any
    colors: Any = None
    normals: Any = None


@dataclass(frozen=True)
class Panel:
    """One view: a mesh, its title above, a caption below, and points on top of it.

    handles: (N, 3) drawn red. targets: (N, 3) drawn blue. With `arrows`, an arrow leads from each handle to the target
    of the same number. Points hidden by the shape shine through it faintly.
    """

    mesh: PaintedMesh
    title: str = ""
    caption: str = ""
    handles: Any = ()
    targets: Any = ()
    arrows: bool = False


@dataclass(frozen=True)
class Camera:
    """Where the viewer stands; the distance is chosen so that everything in all panels fits.

    azimuth: degrees about the y axis; 0 looks from +z, 90 from +x. elevation: degrees above the horizon, within
    -89 to 89. view_angle: vertical field of view, degrees. margin: free space around the shape, 1 is none.
    """

    azimuth: float = 35.0
    elevation: float = 18.0
    view_angle: float = 25.0
    margin: float = 1.12

    def __post_init__(self) -> None:
        if not -89 <= self.elevation <= 89:
            raise InputError(f"the camera's elevation must lie within -89 and 89 degrees, not {self.elevation}")


@dataclass(frozen=True)
class Scene:
    """Panels side by side, all seen by the same camera. width, height: of the whole picture, in pixels."""

    panels: Sequence[Panel]
    camera: Camera = field(default_factory=Camera)
    width: int = 1600
    height: int = 800


@dataclass(frozen=True)
class View:
    """A camera in place: position, focal point and up direction, (3,) float each, in the frame of the meshes."""

    position: npt.NDArray[np.float64]
    focus: npt.NDArray[np.float64]
    up: npt.NDArray[np.float64]


def can_draw() -> str | None:
    """None when pictures can be drawn here, else one sentence that says why not.

    Tried once per process, in a process of its own. The environment variable DRAG3D_NO_PICTURES switches drawing off.
    """
    return _switched_off() or _probe()


def draw(path: str | os.PathLike[str], scene: Scene) -> Path:
    """Draw `scene` off-screen and write it to `path`, a PNG, replacing an older file in one step.

    Raises `NoPicture` when this machine cannot draw, and `InputError` for a path or a mesh that cannot be used.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"cannot write the picture {path}: its name must end in .png")
    if not scene.panels:
        raise InputError("the picture has no panels: there is nothing to draw")
    arrays, layout = _packed(scene)
    if reason := _switched_off():
        raise NoPicture(reason)
    with tempfile.TemporaryDirectory(prefix="drag3d-picture-") as directory:
        packed, drawn = Path(directory, "scene.npz"), Path(directory, "drawn.png")
        contents: dict[str, Any] = {**arrays, "layout": np.array(json.dumps(layout))}
        np.savez(packed, **contents)
        if reason := run_worker([str(packed), str(drawn)], DRAW_SECONDS):
            raise NoPicture(reason)
        return write_bytes_atomically(path, drawn.read_bytes())


def draw_comparison(
    path: str | os.PathLike[str],
    before: PaintedMesh,
    after: PaintedMesh,
    handles: Any,
    targets: Any,
    *,
    ends: Any = (),
    camera: Camera | None = None,
    titles: tuple[str, str] = ("before", "after"),
) -> Path:
    """Draw a drag as two panels: the shape with handles, targets and arrows, and the edited shape with where they went.

    handles, targets: (N, 3). ends: (N, 3) where the handles are after the drag, or empty. Writes and raises as `draw`.
    """
    legend = "red: handle    blue: target"
    panels = (
        Panel(before, titles[0], legend, handles, targets, arrows=True),
        Panel(after, titles[1], legend if len(ends) else "blue: target", ends, targets),
    )
    return draw(path, Scene(panels, camera or Camera()))


def fit_view(points: npt.NDArray[Any], camera: Camera, aspect: float) -> View:
    """The closest view along `camera`'s direction that shows all `points` (N, 3); `aspect` is a panel's width / height.

    The image of the points is centred, and everything lies within 1 / margin of the frame's half width and height.
    """
    azimuth, elevation = math.radians(camera.azimuth), math.radians(camera.elevation)
    backward = np.array(
        [math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)]
    )
    right = np.array([math.cos(azimuth), 0.0, -math.sin(azimuth)])
    up = np.cross(backward, right)
    seen = points.astype(np.float64) @ np.stack([right, up, backward], axis=1)
    center = (seen.min(axis=0) + seen.max(axis=0)) / 2
    slope_up = math.tan(math.radians(camera.view_angle) / 2) / camera.margin
    for _ in range(8):  # near things look larger, so the image's centre moves a little once the distance is known
        offset = np.abs(seen[:, :2] - center[:2]) / np.array([slope_up * aspect, slope_up])
        distance = float((offset.max(axis=1) + seen[:, 2] - center[2]).max())
        image = (seen[:, :2] - center[:2]) / (distance - (seen[:, 2:] - center[2]))
        center[:2] += distance * (image.min(axis=0) + image.max(axis=0)) / 2
    distance = max(distance, 1e-6)
    focus = np.stack([right, up, backward], axis=1) @ center
    return View(focus + distance * backward, focus, up)


def _packed(scene: Scene) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """The scene as flat arrays and plain JSON, the way it travels to the worker."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for number, panel in enumerate(scene.panels):
        arrays |= {f"{name}_{number}": values for name, values in packed_panel(panel).items()}
    vertices = np.concatenate([values for name, values in arrays.items() if name.startswith("vertices")])
    marks = [values for name, values in arrays.items() if name.startswith(("handles", "targets"))]
    view = fit_view(np.concatenate([vertices, *marks]), scene.camera, scene.width / len(scene.panels) / scene.height)
    layout = {
        "size": [scene.width, scene.height],
        "bounds": [vertices.min(axis=0).tolist(), vertices.max(axis=0).tolist()],
        "view": packed_view(view, scene.camera),
        "panels": [packed_words(panel) for panel in scene.panels],
    }
    return arrays, layout


def packed_panel(panel: Panel) -> dict[str, npt.NDArray[Any]]:
    """A panel's mesh and points, checked, as the worker reads them; InputError for what cannot be drawn."""
    mesh = panel.mesh
    vertices, faces, colors, normals = checked_mesh(mesh.vertices, mesh.faces, mesh.colors, mesh.normals)
    colors = np.full_like(vertices, _CLAY) if colors is None else colors
    handles, targets = _checked_points("handles", panel.handles), _checked_points("targets", panel.targets)
    if panel.arrows and len(handles) != len(targets):
        raise InputError("the picture's arrows need as many targets as handles")
    return {
        "vertices": vertices, "faces": faces, "normals": normals, "colors": colors,
        "handles": handles, "targets": targets,
    }  # fmt: skip


def packed_view(view: View, camera: Camera) -> dict[str, Any]:
    """A view as plain JSON for the worker."""
    places = {"position": view.position.tolist(), "focus": view.focus.tolist(), "up": view.up.tolist()}
    return {**places, "view_angle": camera.view_angle}


def packed_words(panel: Panel) -> dict[str, Any]:
    """What is not an array in a panel, as plain JSON for the worker."""
    return {"title": panel.title, "caption": panel.caption, "arrows": panel.arrows}


def _checked_points(name: str, points: Any) -> npt.NDArray[np.float32]:
    points = as_array(points).astype(np.float32)
    if points.size == 0:
        return np.zeros((0, 3), np.float32)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise InputError(f"the picture's {name} must be finite points of shape (N, 3), not of shape {points.shape}")
    return points


def _switched_off() -> str | None:
    return f"drawing is switched off by {SWITCH_OFF}" if os.environ.get(SWITCH_OFF) else None


@functools.cache
def _probe() -> str | None:
    return run_worker(["--probe"], _PROBE_SECONDS)


def run_worker(arguments: list[str], seconds: float) -> str | None:
    """Run `picture_worker.py` to its end; None when it succeeded, else one sentence that says what went wrong."""
    command = [sys.executable, "-P", str(_WORKER), *arguments]  # -P: mesh.py beside it shall not shadow a module
    for window in _windows():
        environment = os.environ | ({_WINDOW: window} if window else {})
        try:
            run = subprocess.run(
                command,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=seconds,
                check=False,
                text=True,
                errors="replace",
                env=environment,
            )
        except subprocess.TimeoutExpired:
            return f"drawing did not finish within {seconds:.0f} seconds"
        except OSError as error:
            return f"the drawing process could not be started ({error.strerror})"
        if run.returncode == 0:
            return None
        lines = [line.strip() for line in run.stderr.splitlines() if line.strip()]
        if run.returncode == 1 and lines:  # a Python exception; every other code means that VTK killed the process
            return f"drawing failed ({lines[-1][:300]})"
    return _NO_OPENGL


def _windows() -> tuple[str, ...]:
    """The kinds of VTK window to try in turn; "" leaves the choice to VTK.

    Left to itself, VTK 9.7 tries X11, and dies when there is no X11 library, even if EGL or OSMesa would do.
    """
    if sys.platform != "linux" or _WINDOW in os.environ:
        return ("",)
    return ("", "vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow")
