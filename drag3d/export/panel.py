"""One view of a shape, with its points: what it consists of, and how it is painted.

The shape stands on ground that shows only by the shadow on it, before paper that is a little darker below than above.
Points are balls and their ways arrows; what the shape hides of them shines through it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drag3d.export.dots import dots
from drag3d.export.flat_marks import ARROW, HANDLE, TARGET, Disc, paint
from drag3d.export.mesh import MeshArrays, as_array, checked_mesh
from drag3d.rendering.camera import Size, as_camera, pixels_of
from drag3d.rendering.ground import Shadow, shadow_below, shadow_seen
from drag3d.rendering.hiding import hidden_from
from drag3d.rendering.occlusion import open_shares
from drag3d.rendering.painting import Layer, Painter, Surface
from drag3d.rendering.shading import Material, to_display, to_linear
from drag3d.rendering.solids import Solid, arrow, ball
from drag3d.rendering.threads import one_thread
from get3d_models.errors import InputError

Picture = npt.NDArray[np.uint8]

_PAPER_TOP, _PAPER_BOTTOM = (251, 252, 253), (221, 227, 235)
_CLAY = (0.80, 0.77, 0.73)
_MARK_SIZE = 0.0125  # of a handle's ball, as a share of the diagonal of everything shown
_TARGET_SIZE, _HALO = 0.78, 1.75  # of a target's ball, and of the halo around it, in such balls
_GHOST = 0.32  # opacity of what shines through the shape
_SHADE = (0.105, 0.125, 0.16)  # linear light left in the darkest shadow, as a share: dark and bluish
_SKIN, _GLOSS = Material(specular=0.045, shininess=22.0), Material(specular=0.22, shininess=60.0)


@dataclass(frozen=True)
class PaintedMesh:
    """A mesh to draw.

    vertices: (V, 3) float, y up. faces: (F, 3) integer, counter-clockwise seen from outside. colors: (V, 3) float
    display sRGB in [0, 1], or None for plain clay. normals: (V, 3) float, or None for area-weighted smooth ones.
    texture: (h, w, 3) uint8, or float in [0, 1], display sRGB, that lies on the mesh at uv: (V, 2), from its upper left
    corner, v downwards; it takes the place of the colours. NumPy arrays or torch tensors.
    """

    vertices: Any
    faces: Any
    colors: Any = None
    normals: Any = None
    uv: Any = None
    texture: Any = None

    @classmethod
    def of(cls, shape: Any) -> PaintedMesh:
        """A generated shape (`get3d_models.Shape`) with the colours of its vertices."""
        return cls(shape.vertices, shape.faces, shape.vertex_colors, shape.normals)


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
class Stage:
    """What panels have in common, so that they can be compared."""

    ground: float
    """Height of the ground"""
    mark: float
    """Radius of a handle's ball"""

    @classmethod
    def holding(cls, boxes: Iterable[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> Stage:
        """The stage for shapes with these low and high corners (3,)."""
        lows, highs = zip(*boxes, strict=True)
        low, high = np.min(lows, axis=0), np.max(highs, axis=0)
        return cls(float(low[1]), _MARK_SIZE * float(np.linalg.norm(high - low)))


class CheckedPanel:
    """A panel whose arrays were looked at. Raises InputError for what cannot be drawn."""

    def __init__(self, panel: Panel) -> None:
        mesh = panel.mesh
        self.mesh: MeshArrays = checked_mesh(mesh.vertices, mesh.faces, mesh.colors, mesh.normals)
        self.uv, self.texture = _checked_texture(mesh, len(self.mesh.vertices))
        self.handles, self.targets = (
            _checked_points("handles", panel.handles),
            _checked_points("targets", panel.targets),
        )
        self.title, self.caption, self.arrows = panel.title, panel.caption, panel.arrows
        if panel.arrows and len(self.handles) != len(self.targets):
            raise InputError("the picture's arrows need as many targets as handles")

    @property
    def box(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Low and high corner (3,) of the mesh."""
        return self.mesh.vertices.min(axis=0), self.mesh.vertices.max(axis=0)

    @property
    def points(self) -> npt.NDArray[Any]:
        """(N, 3) all that a picture shall show."""
        return np.concatenate([self.mesh.vertices, self.handles, self.targets])


class PanelPainter:
    """Paints one panel, from any camera; what does not depend on the camera is computed once."""

    @one_thread()
    def __init__(self, panel: CheckedPanel, stage: Stage) -> None:
        self.panel, self.stage = panel, stage
        self.shape = _surface(panel)
        self.marks = _marks(panel, stage.mark)
        whole = [self.shape, *([_merged(self.marks)] if self.marks else [])]
        self.painter = Painter(whole)
        self.shadow: Shadow = shadow_below(self.shape.vertices, self.shape.faces, stage.ground)

    @one_thread()
    def picture(self, camera: Any, size: Size) -> Picture:
        """(H, W, 3) uint8: what a camera of `drag3d.rendering` sees, `size` = (height, width)."""
        camera = as_camera(camera)
        image = _paper(size)
        dark = shadow_seen(self.shadow, camera, size)[..., None]
        image *= 1 - dark * (1 - image.new_tensor(_SHADE))
        front = self.painter.paint(camera, size)
        front.over(image)
        marked = _whole(front, size)
        ghosts = self._hidden(camera)
        if ghosts:
            Painter([_merged(ghosts)]).paint(camera, size).over(image, _GHOST, below=marked)
        self._paint_halos(image, camera, size, marked)
        return _displayed(image)

    def _hidden(self, camera: Any) -> list[_Mark]:
        """Marks that the shape hides, at least one end of them."""
        if not self.marks:
            return []
        points = torch.tensor(np.concatenate([self.panel.handles, self.panel.targets]))
        hidden = hidden_from(camera, points, self.shape.vertices, self.shape.faces, 1.2 * self.stage.mark).tolist()
        return [mark for mark in self.marks if any(hidden[point] for point in mark.points)]

    def _paint_halos(self, image: Tensor, camera: Any, size: Size, marked: Tensor) -> None:
        if len(self.panel.targets) == 0:
            return
        targets = torch.tensor(self.panel.targets, dtype=torch.float64)
        up = camera.view_matrix()[1, :3].to(targets)
        centers, tops = (
            pixels_of(camera, places, size).numpy() for places in (targets, targets + self.stage.mark * up)
        )
        color, canvas = _linear(TARGET), image.numpy()
        for center, radius in zip(centers, _HALO * np.linalg.norm(tops - centers, axis=1), strict=True):
            if not np.isfinite(radius) or radius > max(size):
                continue
            paint(canvas, Disc(center, radius), color, 0.2, below=marked.numpy())
            paint(canvas, Disc(center, radius, max(1.3, 0.14 * radius)), color, 0.75, below=marked.numpy())


@dataclass(frozen=True)
class _Mark:
    solid: Solid
    color: tuple[int, int, int]
    points: tuple[int, ...]
    """The numbers of the points that it marks; handles first, then targets"""


def _marks(panel: CheckedPanel, size: float) -> list[_Mark]:
    """Balls and arrows of a panel; a handle that arrived hides its target's ball, but not the halo around it."""
    count = len(panel.handles)
    found = [_Mark(ball(t, _TARGET_SIZE * size), TARGET, (count + n,)) for n, t in enumerate(panel.targets)]
    found += [_Mark(ball(handle, size), HANDLE, (number,)) for number, handle in enumerate(panel.handles)]
    if panel.arrows:
        for number, (handle, target) in enumerate(zip(panel.handles, panel.targets, strict=True)):
            if solid := arrow(handle, target, size):
                found.append(_Mark(solid, ARROW, (number, count + number)))
    return found


def _merged(marks: Sequence[_Mark]) -> Surface:
    starts = np.cumsum([0, *(len(mark.solid.vertices) for mark in marks)])
    colors = [torch.tensor(_linear(mark.color)).float().expand(len(mark.solid.vertices), 3) for mark in marks]
    return Surface(
        torch.cat([mark.solid.vertices for mark in marks]),
        torch.cat([mark.solid.faces + int(start) for mark, start in zip(marks, starts, strict=False)]),
        torch.cat([mark.solid.normals for mark in marks]),
        torch.cat(colors),
        _GLOSS,
        mark=True,
    )


def _surface(panel: CheckedPanel) -> Surface:
    vertices, faces, normals = (torch.from_numpy(np.ascontiguousarray(a)) for a in (
        panel.mesh.vertices, panel.mesh.faces, panel.mesh.normals
    ))  # fmt: skip
    given = np.array([_CLAY], np.float32) if panel.mesh.colors is None else panel.mesh.colors
    colors = to_linear(torch.from_numpy(given))
    texture = uv = None
    if panel.texture is not None:
        colors, uv = torch.ones(1, 3), torch.from_numpy(panel.uv)
        texture = to_linear(torch.from_numpy(panel.texture))
    return Surface(vertices, faces, normals, colors, _SKIN, open_shares(vertices, faces, normals), uv, texture)


def _paper(size: Size) -> Tensor:
    """(H, W, 3) linear, a little darker towards the bottom."""
    share = torch.linspace(0, 1, size[0])[:, None]
    top, bottom = (torch.tensor(color, dtype=torch.float32) / 255 for color in (_PAPER_TOP, _PAPER_BOTTOM))
    rows = to_linear(top + share * (bottom - top))
    return rows[:, None].repeat(1, size[1], 1)


def _whole(layer: Layer, size: Size) -> Tensor:
    """What marks cover, (H, W)."""
    whole = torch.zeros(size)
    row, column = layer.corner
    height, width = layer.marked.shape
    whole[row : row + height, column : column + width] = layer.marked
    return whole


def _displayed(image: Tensor) -> Picture:
    """Linear light (H, W, 3) as 8-bit display sRGB; between two levels are dots of both, so that no bands show."""
    levels = 255 * to_display(image).numpy() + dots(*image.shape[:2])[..., None]
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def _linear(color: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    return to_linear(torch.tensor(color, dtype=torch.float32) / 255).numpy()


def _checked_points(name: str, points: Any) -> npt.NDArray[np.float64]:
    points = as_array(points).astype(np.float64)
    if points.size == 0:
        return np.zeros((0, 3))
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise InputError(f"the picture's {name} must be finite points of shape (N, 3), not of shape {points.shape}")
    return points


def _checked_texture(
    mesh: PaintedMesh, count: int
) -> tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.float32] | None]:
    """Texture coordinates (V, 2) and texture (h, w, 3) in [0, 1], or None twice."""
    if mesh.texture is None and mesh.uv is None:
        return None, None
    if mesh.texture is None or mesh.uv is None:
        raise InputError("a texture and its coordinates uv go together; give both or neither")
    uv, texture = as_array(mesh.uv), as_array(mesh.texture)
    if uv.shape != (count, 2) or not np.isfinite(uv).all():
        raise InputError(f"texture coordinates must be finite and of shape ({count}, 2), not of shape {uv.shape}")
    if texture.ndim != 3 or texture.shape[2] != 3 or 0 in texture.shape or texture.dtype.kind not in "uf":
        raise InputError(f"a texture must be of shape (h, w, 3), not {texture.dtype} of shape {texture.shape}")
    scale = 255 if texture.dtype.kind == "u" else 1
    return uv.astype(np.float32), (texture.astype(np.float32) / scale).clip(0, 1)
