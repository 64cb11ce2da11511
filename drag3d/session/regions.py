"""Which part of a shape may move and which must stay: boxes, spheres and sets of vertices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models.shape import Shape

HELD_POINTS = 256
MAX_PARTS = 64


@dataclass(frozen=True)
class Box:
    """An axis-aligned box between two corners (3,), world units; the corners may come in any order."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def __post_init__(self) -> None:
        a, b = _triple("a corner of a box", self.low), _triple("a corner of a box", self.high)
        low, high = np.minimum(a, b), np.maximum(a, b)
        if not (low < high).all():
            raise InputError(f"a box needs two corners that differ along every axis, not {_text(a)} and {_text(b)}")
        object.__setattr__(self, "low", tuple(low.tolist()))
        object.__setattr__(self, "high", tuple(high.tolist()))

    def contains(self, points: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the points (N, 3) lie inside, the faces included: (N,)."""
        inside = (points >= np.array(self.low)) & (points <= np.array(self.high))
        return np.asarray(inside.all(axis=1))


@dataclass(frozen=True)
class Sphere:
    """A ball around a centre (3,), world units."""

    center: tuple[float, float, float]
    radius: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", tuple(_triple("the centre of a sphere", self.center).tolist()))
        if not (isinstance(self.radius, int | float) and math.isfinite(self.radius) and self.radius > 0):
            raise InputError(f"the radius of a sphere must be a positive number, not {self.radius}")
        object.__setattr__(self, "radius", float(self.radius))

    def contains(self, points: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the points (N, 3) lie inside: (N,)."""
        return np.linalg.norm(points - np.array(self.center), axis=1) <= self.radius


@dataclass(frozen=True, eq=False)
class Vertices:
    """A painted patch of surface: everything within ``radius`` of the ``positions`` (M, 3) of the vertices chosen.

    Positions, because the numbers of vertices mean nothing once the mesh has changed. Make one with :meth:`of`.
    """

    positions: NDArray[np.float32]
    radius: float

    def __post_init__(self) -> None:
        positions = np.ascontiguousarray(self.positions, dtype=np.float32)
        if positions.ndim != 2 or positions.shape[1] != 3 or not len(positions) or not np.isfinite(positions).all():
            raise InputError("a set of vertices needs at least one position, and all of them finite, of shape (M, 3)")
        if not (math.isfinite(self.radius) and self.radius > 0):
            raise InputError(f"the radius around chosen vertices must be a positive number, not {self.radius}")
        positions.flags.writeable = False
        object.__setattr__(self, "positions", positions)

    @classmethod
    def of(cls, shape: Shape, indices: Sequence[int] | NDArray[Any] | Tensor) -> Vertices:
        """The vertices of a shape's mesh with these indices (M,); the patch reaches half an edge beyond them."""
        chosen = np.unique(np.asarray(indices, dtype=np.int64).reshape(-1))
        vertices, faces = shape.vertices.cpu().numpy(), shape.faces.cpu().numpy()
        if not len(chosen) or chosen[0] < 0 or chosen[-1] >= len(vertices):
            raise InputError(f"vertices are numbered 0 to {len(vertices) - 1} in this shape; choose at least one")
        edge = np.linalg.norm(vertices[faces[:, 0]] - vertices[faces[:, 1]], axis=1).mean()
        return cls(vertices[chosen], float(edge) / 2)

    def contains(self, points: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the points (N, 3) belong to the patch: (N,)."""
        from scipy.spatial import cKDTree  # it takes a third of a second to import, and few edits need it

        return cKDTree(self.positions).query(points)[0] <= self.radius

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vertices):
            return NotImplemented
        return self.radius == other.radius and np.array_equal(self.positions, other.positions)

    def __hash__(self) -> int:
        return hash((self.positions.tobytes(), self.radius))


Part = Box | Sphere | Vertices


@dataclass(frozen=True)
class Region:
    """What may move (empty: everything), less what must stay."""

    move: tuple[Part, ...] = ()
    stay: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        if len(self.move) + len(self.stay) > MAX_PARTS:
            raise InputError(f"a region has at most {MAX_PARTS} boxes, spheres and sets of vertices")

    def may_move(self, points: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the points (N, 3) may move: (N,)."""
        inside = np.full(len(points), not self.move)
        for part in self.move:
            inside |= part.contains(points)
        for part in self.stay:
            inside &= ~part.contains(points)
        return inside

    def held(self, vertices: NDArray[Any], count: int = HELD_POINTS) -> Tensor | None:
        """Up to ``count`` of the vertices (V, 3) outside, evenly spread: what the mask term holds. None for none.

        Raises InputError when no vertex at all may move.
        """
        fixed = vertices[~self.may_move(vertices)]
        if len(fixed) == len(vertices):
            raise InputError("no part of the surface lies in the region that may move; enlarge it or take it away")
        return torch.from_numpy(spread_out(fixed, count)) if len(fixed) else None


def spread_out(points: NDArray[Any], count: int) -> NDArray[Any]:
    """``count`` of the points (N, 3), each chosen as far as possible from those before it; all, if there are fewer."""
    if len(points) <= count:
        return points
    chosen = np.empty(count, dtype=np.int64)
    chosen[0] = int(np.argmax(np.linalg.norm(points - points.mean(axis=0), axis=1)))
    nearest = np.full(len(points), np.inf)
    for place in range(1, count):
        nearest = np.minimum(nearest, ((points - points[chosen[place - 1]]) ** 2).sum(axis=1))
        chosen[place] = int(nearest.argmax())
    return points[chosen]


def _triple(what: str, values: Any) -> NDArray[np.float64]:
    from drag3d.session.checks import triple

    return np.array(triple(what, values))


def _text(point: NDArray[Any]) -> str:
    return f"({', '.join(f'{v:g}' for v in point)})"
