"""Shapes of GET3D: handles on a surface, targets in space, world units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.session import checks
from drag3d.session.kinds.kind import Draggable, Kind
from drag3d.session.nearest import nearest_on_mesh
from drag3d.session.region_file import packed_region, rows, unpacked_region
from drag3d.session.regions import Part, Region
from drag3d.session.state import Origin, Position
from drag3d.session.strict import Fields
from drag3d.subjects.surface import SurfaceSubject
from get3d_models.config import FREE_ENTRIES, GeneratorConfig
from get3d_models.errors import InputError
from get3d_models.generator import Generator, Latents
from get3d_models.keypoints import keypoints
from get3d_models.shape import Shape

if TYPE_CHECKING:
    from drag3d.export import ExportSettings, Progress
    from drag3d.session.result import DragResult

SNAP_REACH = 0.05
SILENT_SNAP = 0.001
LOOSE_END = 0.02
"""Share of the diagonal that a tracked handle may be off the mesh before it is said."""
TARGET_REACH = 2.0
"""A target's coordinates may be at most this many box edges from the centre."""
MAX_GRID = 128
"""The finest grid that is built on a session file's word; finer ones need a generator that the caller has loaded."""


class ShapeKind(Kind[Generator, Latents, Shape, Region]):
    """Edits of meshes: see :class:`Kind`."""

    name = "shape"
    makes = "3D shapes"
    dimensions = 3
    axes = "three numbers x, y, z"
    unit = "world"
    same_place = 1e-6
    example_offset = "0,0.1,0"
    no_point = "a handle on the surface and its target"

    # ---- the start ----------------------------------------------------------------------------------------------

    def origin(self, seed: Any, truncation: Any, texture_seed: Any, label: Any) -> Origin:
        if label is not None:
            raise InputError(f"{self.generator.name} makes 3D shapes, which have no class labels; leave the label out")
        seed = checks.seed_of("the seed", seed)
        texture_seed = seed if texture_seed is None else checks.seed_of("the texture seed", texture_seed)
        return Origin(seed, checks.truncation_of(truncation), texture_seed)

    def start(self, origin: Origin) -> Latents:
        latents = self.on_cpu(self.generator.latents(origin.seed, origin.texture_seed, origin.truncation))
        if len(self.shown(latents).vertices) == 0:
            raise InputError(f"the shape of seed {origin.seed} is empty: it has no surface to drag; try another seed")
        return latents

    def make(self, latents: Latents) -> Shape:
        return self.generator.shape(latents)

    def keypoints(self, origin: Origin) -> dict[str, Position]:
        known = keypoints(self.generator, origin.seed, origin.truncation)
        return {name: self.coordinates("a keypoint", place) for name, place in known.items()}

    # ---- points and regions -------------------------------------------------------------------------------------

    def diagonal(self, latents: Latents) -> float:
        return self.shown(latents).diagonal

    def placed(self, handle: Position, latents: Latents, what: str = "the handle") -> tuple[Position, str | None]:
        """The nearest surface point, if it is within 5% of the shape's diagonal."""
        nearest, distance = nearest_on_mesh(handle, *self.mesh(latents))
        share = distance / self.diagonal(latents)
        place = (float(nearest[0]), float(nearest[1]), float(nearest[2]))
        if share > SNAP_REACH:
            raise InputError(
                f"{what} {checks.place(handle)} is {share:.1%} of the shape's diagonal off the surface (at most "
                f"{SNAP_REACH:.0%}); the nearest surface point is {checks.place(place)}"
            )
        if share <= SILENT_SNAP:
            return place, None
        moved = f"moved {what} {checks.place(handle)} onto the surface, to {checks.place(place)}"
        return place, f"{moved}: it was {share:.1%} of the diagonal off"

    def target(self, handle: Position, target: Any) -> Position:
        """A target within two box edges of the centre; it need not lie on the surface."""
        target, scale = self.coordinates("a target", target), self.generator.config.scale
        reach = TARGET_REACH * scale
        if max(abs(v) for v in target) > reach:
            raise InputError(
                f"the target {checks.place(target)} is far outside the model's box of +-{scale / 2:g}; "
                f"give coordinates within +-{reach:g}"
            )
        if math.dist(handle, target) < self.same_place:
            raise InputError(f"the target {checks.place(target)} equals its handle; give a place to move to")
        return target

    def region(self, move: Part | Sequence[Part], stay: Part | Sequence[Part], latents: Latents) -> Region | None:
        """A region that leaves a part of the surface free to move; None when nothing was given."""
        region = Region(_parts(move), _parts(stay))
        if not (region.move or region.stay):
            return None
        region.held(self.mesh(latents)[0])  # refuses a region in which nothing could move
        return region

    def may_move(self, region: Region, handles: Sequence[Position]) -> list[bool]:
        return [bool(free) for free in region.may_move(np.array(handles, dtype=np.float32))]

    def held(self, region: Region, latents: Latents, subject: Draggable[Latents]) -> Tensor | None:
        """Vertices outside of what may move."""
        return region.held(self.mesh(latents)[0])

    def mesh(self, latents: Latents) -> tuple[NDArray[Any], NDArray[Any]]:
        """Vertices (V, 3) and faces (F, 3) as arrays; never empty."""
        shape = self.shown(latents)
        if len(shape.faces) == 0:
            raise InputError("the shape is empty: it has no surface; undo the last drag or reset")
        return shape.vertices.cpu().numpy(), shape.faces.cpu().numpy()

    # ---- dragging -----------------------------------------------------------------------------------------------

    def latents_moved(self, value: Any) -> str:
        return checks.latents_moved_of("geometry" if value is None else value)

    def check_settings(self, settings: DragSettings) -> None:
        for name in ("layers", "feature_block"):
            if getattr(settings, name) is not None:
                raise InputError(f"{name} is a setting for images; this model makes 3D shapes")

    def subject(self, latents: Latents, settings: DragSettings, latents_moved: str | None) -> SurfaceSubject:
        moved = self.latents_moved(latents_moved)
        return SurfaceSubject(self.generator, latents, moved, settings.features, self.shown(latents))

    def on_cpu(self, latents: Latents) -> Latents:
        return Latents(latents.geometry.cpu(), latents.texture.cpu())

    def notes_at_end(self, result: DragResult, latents: Latents) -> list[str]:
        """Which handles were hidden on the way, and which lie where the surface is too thin for the mesh."""
        shape, notes = self.shown(latents), []
        for index, step in zip(result.points, result.view.hidden if result.view else (), strict=False):
            if step is not None:
                notes.append(
                    f"something else came before point {index} at step {step}, so it may have been lost; look at it "
                    "from another view, and drag on from there"
                )
        diagonal = self.diagonal(cast("Latents", result.before.latents))
        vertices, faces = shape.vertices.cpu().numpy(), shape.faces.cpu().numpy()
        for index, end in zip(result.points, result.ends, strict=True):
            share = nearest_on_mesh(end, vertices, faces)[1] / diagonal if len(faces) else 1.0
            if share > LOOSE_END:
                notes.append(
                    f"point {index} ended {share:.1%} of the diagonal off the mesh, on a part of the surface too thin "
                    "for it; try another target, or the default method"
                )
        return notes

    # ---- files --------------------------------------------------------------------------------------------------

    def export(
        self,
        path: str | Path,
        latents: Latents,
        origin: Origin,
        settings: ExportSettings | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """GLB, OBJ, PLY or STL."""
        from drag3d.export import IMAGE_SUFFIXES, write_shape

        if Path(path).suffix.lower() in IMAGE_SUFFIXES:
            raise InputError(
                f"cannot write {path}: this model makes 3D shapes, and the name must end in one of .glb, .obj, .ply, "
                ".stl; a picture of the drag is another thing, drawn beside it"
            )
        made_by = {
            "model": self.generator.name,
            "model_sha256": self.generator.fingerprint,
            "seed": origin.seed,
            "texture_seed": origin.texture_seed,
            "truncation": origin.truncation,
        }
        return write_shape(path, self.shown(latents), settings, metadata=made_by, progress=progress)

    def draw(self, path: str | Path, result: DragResult, before: Latents, after: Latents) -> Path:
        """As the camera of a drag in a view saw it, else from where all of it is seen."""
        from drag3d.export import Camera, PaintedMesh, draw_comparison

        starts, view = [result.before.points[i] for i in result.points], result.view and result.view.view
        return draw_comparison(
            path,
            PaintedMesh.of(self.shown(before)),
            PaintedMesh.of(self.shown(after)),
            [p.handle for p in starts],
            [p.target for p in starts],
            ends=result.ends,
            camera=view.camera if view else Camera(margin=1.3),  # titles stay clear of targets above the shape
            size=view.size if view else None,
        )

    def check_stored(self, latents: Latents, region: Region | None) -> None:
        config = self.generator.config
        for part, rows_of_part in (("geometry", config.geometry_rows), ("texture", config.texture_rows)):
            wanted = (rows_of_part, config.w_dim)
            if tuple(getattr(latents, part).shape) != wanted:
                raise InputError(f"{part} latents are not of shape {wanted}")

    @classmethod
    def packed_origin(cls, origin: Origin, latents_moved: str | None) -> dict[str, Any]:
        return {
            "seed": origin.seed,
            "texture_seed": origin.texture_seed,
            "truncation": origin.truncation,
            "latents_moved": latents_moved,
        }

    @classmethod
    def unpacked_origin(cls, fields: Fields) -> tuple[Origin, str | None]:
        seed, texture_seed = (fields.integer(name, 0, checks.MAX_SEED) for name in ("seed", "texture_seed"))
        truncation = checks.truncation_of(fields.number("truncation"))
        return Origin(seed, truncation, texture_seed), checks.latents_moved_of(fields.text("latents_moved", 20))

    @classmethod
    def packed_latents(cls, latents: Latents) -> dict[str, Tensor]:
        return {"geometry": latents.geometry, "texture": latents.texture}

    @classmethod
    def unpacked_latents(cls, prefix: str, unused: dict[str, Tensor]) -> Latents:
        return Latents(rows(unused, f"{prefix}geometry"), rows(unused, f"{prefix}texture"))

    @classmethod
    def packed_region(cls, region: Region, tensors: dict[str, Tensor]) -> dict[str, Any]:
        return packed_region(region, tensors)

    @classmethod
    def unpacked_region(cls, value: Any, unused: dict[str, Tensor]) -> Region:
        return unpacked_region(value, unused)

    @classmethod
    def config(cls, values: dict[str, Any]) -> GeneratorConfig:
        return GeneratorConfig.from_dict(values)

    @classmethod
    def loading_options(cls, config: Any) -> dict[str, Any]:
        if config.grid_resolution > MAX_GRID:
            raise InputError(
                f"it wants a grid of resolution {config.grid_resolution}; load its model yourself and pass it"
            )
        return {name: getattr(config, name) for name in FREE_ENTRIES}


def _parts(given: Part | Sequence[Part]) -> tuple[Part, ...]:
    parts = tuple(given) if isinstance(given, tuple | list) else (given,)
    for part in parts:
        if not isinstance(part, Part):
            raise InputError(f"a region is made of Box, Sphere and Vertices, not of {type(part).__name__}")
    return parts
