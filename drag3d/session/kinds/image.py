"""Images of StyleGAN2: handles and targets are pixels of one picture, a mask says what may move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.session import checks
from drag3d.session.kinds.kind import Draggable, Kind
from drag3d.session.masks import Mask
from drag3d.session.region_file import packed_mask, rows, unpacked_mask
from drag3d.session.state import Origin, Position
from drag3d.session.strict import Fields
from drag3d.subjects.image import ImageSubject, completed
from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.keypoints import keypoints
from get3d_models.stylegan2 import ImageGenerator, ImageLatents

if TYPE_CHECKING:
    from drag3d.export import ExportSettings, Progress
    from drag3d.session.result import DragResult


class ImageKind(Kind[ImageGenerator, ImageLatents, NDArray[np.uint8], Mask]):
    """Edits of pictures: see :class:`Kind`. Lengths are pixels."""

    name = "image"
    makes = "images"
    dimensions = 2
    axes = "x,y in pixels"
    unit = "px"
    same_place = 1e-3
    example_offset = "-8,0"
    no_point = "a handle and its target, in pixels"

    def __init__(self, generator: ImageGenerator):
        super().__init__(generator)
        if (channels := generator.config.image_channels) not in (1, 3):
            raise InputError(f"{generator.name} makes images of {channels} channels; 1 or 3 can be edited")

    # ---- the start ----------------------------------------------------------------------------------------------

    def origin(self, seed: Any, truncation: Any, texture_seed: Any, label: Any) -> Origin:
        if texture_seed is not None:
            raise InputError(f"{self.generator.name} makes images, which have no texture of their own; leave the "
                             "texture seed out")  # fmt: skip
        seed = checks.seed_of("the seed", seed)
        label = None if label is None else checks.label_of(label)
        self.generator.one_hot(label)  # refuses a class that the model does not have
        return Origin(seed, checks.truncation_of(truncation), label=label)

    def start(self, origin: Origin) -> ImageLatents:
        return self.on_cpu(self.generator.latents(origin.seed, origin.truncation, label=origin.label))

    def make(self, latents: ImageLatents) -> NDArray[np.uint8]:
        pixels = self.generator.pixels(latents)
        pixels = pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels
        pixels.flags.writeable = False
        return pixels

    def keypoints(self, origin: Origin) -> dict[str, Position]:
        known = keypoints(self.generator, origin.seed, origin.truncation)
        return {name: self.coordinates("a keypoint", place) for name, place in known.items()}

    # ---- points and masks ---------------------------------------------------------------------------------------

    def diagonal(self, latents: ImageLatents) -> float:
        return math.hypot(*self.generator.size)

    def placed(self, handle: Position, latents: ImageLatents, what: str = "the handle") -> tuple[Position, str | None]:
        """As given; it must lie inside the image."""
        self._check_inside(what, handle)
        return handle, None

    def target(self, handle: Position, target: Any) -> Position:
        """A target inside the image."""
        target = self.coordinates("a target", target)
        self._check_inside("the target", target)
        if math.dist(handle, target) < self.same_place:
            raise InputError(f"the target {checks.place(target)} equals its handle; give a place to move to")
        return target

    def _check_inside(self, what: str, place: Position) -> None:
        width, height = self.generator.size
        if not (0 <= place[0] <= width - 1 and 0 <= place[1] <= height - 1):
            raise InputError(
                f"{what} {checks.place(place)} lies outside the image of {width} x {height} pixels; "
                f"give x from 0 to {width - 1} and y from 0 to {height - 1}"
            )

    def mask(self, given: Any) -> tuple[Mask | None, str | None]:
        """The mask of a path or an array, None for none; and a note if one was given that is none."""
        if given is None:
            return None, None
        mask = Mask.of(given, self.generator.size)
        return (None, "the mask is white all over: everything may move") if mask.all_free else (mask, None)

    def may_move(self, region: Mask, handles: Sequence[Position]) -> list[bool]:
        return [bool(free) for free in region.may_move(handles)]

    def held(self, region: Mask, latents: ImageLatents, subject: Any) -> Tensor | None:
        """Points of the black pixels, as the subject chooses them."""
        return subject.hold_points(region.free)

    # ---- dragging -----------------------------------------------------------------------------------------------

    def latents_moved(self, value: Any) -> str | None:
        if value is not None:
            raise InputError("latents_moved chooses between the latents of 3D shapes; for images use layers")
        return None

    def check_settings(self, settings: DragSettings) -> None:
        if settings.features is not None:
            raise InputError("features chooses between the planes of 3D shapes; for images use feature_block")
        rows, blocks = self.generator.config.rows, len(self.generator.config.channels)
        layers, block = settings.layers, settings.feature_block
        if layers is not None and layers > rows:
            raise InputError(f"{self.generator.name} has {rows} latent rows; layers is 1 to {rows}, not {layers}")
        if block is not None and block >= blocks:
            raise InputError(f"{self.generator.name} has blocks 0 to {blocks - 1}, so feature_block is not {block}")

    def completed(self, settings: DragSettings) -> DragSettings:
        """With layers and block that were left open as the paper has them for its method, else all layers."""
        return completed(self.generator, settings)

    def subject(self, latents: ImageLatents, settings: DragSettings, latents_moved: str | None) -> Draggable[Any]:
        return ImageSubject.for_settings(self.generator, latents, settings)

    def on_cpu(self, latents: ImageLatents) -> ImageLatents:
        return ImageLatents(latents.rows.cpu())

    def notes_at_end(self, result: DragResult, latents: ImageLatents) -> list[str]:
        return []

    # ---- files --------------------------------------------------------------------------------------------------

    def export(
        self,
        path: str | Path,
        latents: ImageLatents,
        origin: Origin,
        settings: ExportSettings | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """PNG or JPEG; there is nothing to set."""
        from drag3d.export import IMAGE_SUFFIXES, write_image

        if settings is not None and settings.given():
            raise InputError(f"{next(iter(settings.given()))} is a setting for shapes; this model makes images")
        if Path(path).suffix.lower() not in IMAGE_SUFFIXES:
            known = ", ".join(IMAGE_SUFFIXES)
            raise InputError(f"cannot write {path}: this model makes images, and the name must end in one of {known}")
        made_by = {
            "model": self.generator.name,
            "model_sha256": self.generator.fingerprint,
            "seed": origin.seed,
            "label": origin.label,
            "truncation": origin.truncation,
        }
        return write_image(path, self.shown(latents), metadata=made_by)

    def draw(self, path: str | Path, result: DragResult, before: ImageLatents, after: ImageLatents) -> Path:
        from drag3d.export import draw_image_comparison

        starts = [result.before.points[i] for i in result.points]
        handles, targets = [p.handle for p in starts], [p.target for p in starts]
        return draw_image_comparison(path, self.shown(before), self.shown(after), handles, targets, ends=result.ends)

    def check_stored(self, latents: ImageLatents, region: Mask | None) -> None:
        config, size = self.generator.config, self.generator.size
        if tuple(latents.rows.shape) != (config.rows, config.w_dim):
            raise InputError(f"latents are not of shape {(config.rows, config.w_dim)}")
        if region is not None and region.free.shape[::-1] != size:
            raise InputError(f"its mask is not of the image's {size[0]} x {size[1]} pixels")

    @classmethod
    def packed_origin(cls, origin: Origin, latents_moved: str | None) -> dict[str, Any]:
        return {"seed": origin.seed, "label": origin.label, "truncation": origin.truncation}

    @classmethod
    def unpacked_origin(cls, fields: Fields) -> tuple[Origin, str | None]:
        seed, label = fields.integer("seed", 0, checks.MAX_SEED), fields.take("label")
        truncation = checks.truncation_of(fields.number("truncation"))
        return Origin(seed, truncation, label=None if label is None else checks.label_of(label)), None

    @classmethod
    def packed_latents(cls, latents: ImageLatents) -> dict[str, Tensor]:
        return {"rows": latents.rows}

    @classmethod
    def unpacked_latents(cls, prefix: str, unused: dict[str, Tensor]) -> ImageLatents:
        return ImageLatents(rows(unused, f"{prefix}rows"))

    @classmethod
    def packed_region(cls, region: Mask, tensors: dict[str, Tensor]) -> dict[str, Any]:
        return packed_mask(region, tensors)

    @classmethod
    def unpacked_region(cls, value: Any, unused: dict[str, Tensor]) -> Mask:
        return unpacked_mask(value, unused)

    @classmethod
    def config(cls, values: dict[str, Any]) -> ImageConfig:
        return ImageConfig.from_dict(values)

    @classmethod
    def loading_options(cls, config: Any) -> dict[str, Any]:
        return {}
