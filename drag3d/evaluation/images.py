"""Generated images as what is dragged. Lengths of records are pixels of an image 256 wide."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.evaluation.figures import Figures, Record, Row
from drag3d.evaluation.material import Likeness, Material
from drag3d.subjects.image import ImageSubject
from get3d_models.stylegan2 import ImageGenerator, ImageLatents
from get3d_models.training.similarity import structural_similarity

WIDTH = 256
REGION = 48.0
"""What is farther than this from handles and targets should not have changed."""
ARRIVED = 2.0
"""A handle this near to its target has arrived."""


def picture(generator: ImageGenerator, latents: ImageLatents) -> Tensor:
    """The image of latents, ``(3, H, W)`` in [0, 1] on the CPU."""
    with torch.no_grad():
        image = generator.image(latents.rows.to(generator.device)[None])[0]
    return (image * 0.5 + 0.5).clamp(0.0, 1.0).cpu()


class Images(Material[ImageGenerator, Tensor]):
    """Pictures ``(3, H, W)`` in [0, 1]."""

    kind = "image"
    unit_name, scale = "px", 1.0
    region = REGION
    off_title = "off-region change (% of the range of colours)"
    likenesses = (
        Likeness("squared_error", "mean squared error", 100.0, " %"),
        Likeness("similarity", "structural similarity", 1.0, ""),
    )

    def subject(self, generator: ImageGenerator, latents: ImageLatents, settings: DragSettings) -> ImageSubject:
        return ImageSubject.for_settings(generator, latents, settings)

    def product(self, generator: ImageGenerator, latents: ImageLatents) -> Tensor:
        return picture(generator, latents)

    def near_latents(self, generator: ImageGenerator, sample: int, other: int, share: float) -> ImageLatents:
        here, there = generator.code(sample), generator.code(other)
        with torch.no_grad():
            return ImageLatents(generator.map(here + share * (there - here))[0])

    def unit(self, original: Tensor) -> float:
        return original.shape[-1] / WIDTH

    def breadth(self, original: Tensor) -> float:
        return float(original.shape[-1])

    def off_region(self, original: Tensor, edited: Tensor, centers: Tensor) -> NDArray:
        """Mean absolute changes of colours."""
        return off_region_change(original, edited, centers, REGION * self.unit(original))

    def likeness(self, found: Tensor, wanted: Tensor, original: Tensor) -> dict[str, float]:
        return {
            "squared_error": float((found - wanted).square().mean()),
            "similarity": float(structural_similarity(found[None], wanted[None])[0]),
        }

    def soundness(self, edited: Tensor) -> Record:
        return {}

    def sound_figures(self, finished: list[Record]) -> Figures:
        return {}

    def sound_rows(self) -> tuple[Row, ...]:
        return ()

    def arrived(self, record: Record) -> bool:
        return record["tracked_worst"] <= ARRIVED

    def arrived_title(self) -> str:
        return f"within {ARRIVED:g} px by its own tracker"

    def words(self, settings: dict[str, Any]) -> str:
        return (
            f"Lengths are pixels of an image {WIDTH} wide. Off-region change: mean absolute change of colours farther "
            f"than {settings['region_radius']:g} px from handles and targets, % of their range."
        )


def off_region_change(original: Tensor, edited: Tensor, centers: Tensor, radius: float) -> NDArray:
    """Mean absolute change over channels of pixels ``(M,)``: those beyond ``radius`` pixels of all ``centers``."""
    rows, columns = (torch.arange(n, dtype=torch.float32) for n in original.shape[1:])
    down, across = torch.meshgrid(rows, columns, indexing="ij")
    places = torch.stack([across, down], dim=-1).flatten(0, 1)
    away = torch.cdist(places, centers.cpu()).amin(dim=1) > radius
    return (edited - original).abs().mean(dim=0).flatten()[away].double().numpy()
