"""Pictures of shapes and drags, drawn by `drag3d.rendering` and written as PNG: no display and no OpenGL is needed."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drag3d.export.atomic import write_bytes_atomically
from drag3d.export.framing import Camera, fit_camera
from drag3d.export.panel import CheckedPanel, PaintedMesh, Panel, PanelPainter, Picture, Stage
from drag3d.export.sheet import LEGEND, LEGEND_OF_TARGETS, sheet, write_words
from drag3d.rendering.camera import Size, as_camera
from get3d_models.errors import InputError

VIEW_SIZE: Size = (800, 800)


@dataclass(frozen=True)
class Scene:
    """Panels side by side, all seen by the same camera. width, height: of the whole picture, in pixels.

    camera: one that is placed so that everything fits, or any camera of `drag3d.rendering`, which sees what it sees.
    """

    panels: Sequence[Panel]
    camera: Any = field(default_factory=Camera)
    width: int = 1600
    height: int = 800


def draw(path: str | os.PathLike[str], scene: Scene) -> Path:
    """Draw `scene` and write it to `path`, a PNG, replacing an older file in one step.

    Raises `InputError` for a path or a mesh that cannot be used.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"cannot write the picture {path}: its name must end in .png")
    content = io.BytesIO()
    Image.fromarray(scene_picture(scene)).save(content, format="PNG")
    return write_bytes_atomically(path, content.getvalue())


def draw_comparison(
    path: str | os.PathLike[str],
    before: PaintedMesh,
    after: PaintedMesh,
    handles: Any,
    targets: Any,
    *,
    ends: Any = (),
    camera: Any = None,
    size: Size | None = None,
    titles: tuple[str, str] = ("before", "after"),
) -> Path:
    """Draw a drag as two panels: the shape with handles, targets and arrows, and the edited shape with where they went.

    handles, targets: (N, 3). ends: (N, 3) where the handles are after the drag, or empty. camera: as in `Scene`. size:
    (height, width) of each panel. Of a camera of `drag3d.rendering`, each panel is exactly its image, and the words are
    above and below it. Writes and raises as `draw`.
    """
    panels = (
        Panel(before, titles[0], LEGEND, handles, targets, arrows=True),
        Panel(after, titles[1], LEGEND if len(ends) else LEGEND_OF_TARGETS, ends, targets),
    )
    height, width = size or VIEW_SIZE
    return draw(path, Scene(panels, camera or Camera(), 2 * width, height))


def draw_view(
    mesh: PaintedMesh,
    camera: Any,
    size: Size = VIEW_SIZE,
    *,
    handles: Any = (),
    targets: Any = (),
    arrows: bool = False,
) -> Picture:
    """The image (H, W, 3) uint8 of a mesh from a camera of `drag3d.rendering`; size: (height, width).

    Nothing is moved or cut off: what `pixels_of` says of a point is the pixel at which it is drawn. handles, targets:
    (N, 3) marked as in a `Panel`. Raises `InputError` for what cannot be drawn.
    """
    panel = CheckedPanel(Panel(mesh, handles=handles, targets=targets, arrows=arrows))
    return PanelPainter(panel, Stage.holding([panel.box])).picture(camera, _checked_size(size))


def scene_picture(scene: Scene) -> Picture:
    """`scene` as an image (H, W, 3) uint8; raises `InputError` for what cannot be drawn."""
    if not scene.panels:
        raise InputError("the picture has no panels: there is nothing to draw")
    height, width = size = _checked_size((scene.height, scene.width // len(scene.panels)))
    panels = [CheckedPanel(panel) for panel in scene.panels]
    stage = Stage.holding(panel.box for panel in panels)
    fitted = isinstance(scene.camera, Camera)
    points = np.concatenate([panel.points for panel in panels])
    camera = fit_camera(points, scene.camera, width / height) if fitted else as_camera(scene.camera)
    pictures = [PanelPainter(panel, stage).picture(camera, size) for panel in panels]
    titles, captions = [p.title for p in panels], [p.caption for p in panels]
    if not fitted and any(titles + captions):
        return np.asarray(sheet(pictures, titles, captions))
    whole = Image.fromarray(np.concatenate(pictures, axis=1))
    for number, (title, caption) in enumerate(zip(titles, captions, strict=True)):
        middle = (number + 0.5) * width
        write_words(whole, title, (middle, 0.055 * height), 0.036 * height)
        write_words(whole, caption, (middle, 0.96 * height), 0.023 * height)
    return np.asarray(whole)


def _checked_size(size: Size) -> Size:
    if len(size) != 2 or not all(isinstance(n, int) and 16 <= n <= 8192 for n in size):
        raise InputError(f"a picture's height and width are whole numbers from 16 to 8192, not {size}")
    return size
