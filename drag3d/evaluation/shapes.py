"""Generated shapes as what is dragged. Lengths of records are diagonals of the unedited shape, of the page percents."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.evaluation.figures import Figures, Record, Row, share_of
from drag3d.evaluation.material import Likeness, Material
from drag3d.evaluation.surfaces import chamfer, off_region_change, volume_overlap
from drag3d.subjects.surface import SurfaceSubject
from get3d_models.generator import Generator, Latents
from get3d_models.mesh import components, is_watertight
from get3d_models.shape import Shape

REGION = 0.25
"""What is farther than this from handles and targets, in diagonals, should not have changed."""


class Shapes(Material[Generator, Shape]):
    """Shapes, dragged on their surface."""

    kind = "shape"
    unit_name, scale = "%", 100.0
    region = REGION
    off_title = "off-region change (% of the diagonal)"
    likenesses = (
        Likeness("chamfer", "Chamfer distance", 100.0, " %"),
        Likeness("volume_overlap", "volume overlap (IoU)", 1.0, ""),
    )

    def subject(self, generator: Generator, latents: Latents, settings: DragSettings) -> SurfaceSubject:
        return SurfaceSubject(generator, latents)

    def product(self, generator: Generator, latents: Latents) -> Shape:
        return generator.shape(latents)

    def near_latents(self, generator: Generator, sample: int, other: int, share: float) -> Latents:
        """Of the geometry; the texture is the sample's."""
        here, there = (generator.code(seed, "geometry") for seed in (sample, other))
        with torch.no_grad():
            geometry = generator.map_geometry(here + share * (there - here))[0]
        return Latents(geometry, generator.latents(sample).texture)

    def unit(self, original: Shape) -> float:
        return original.diagonal

    def breadth(self, original: Shape) -> float:
        return original.diagonal

    def off_region(self, original: Shape, edited: Shape, centers: Tensor) -> NDArray:
        """Distances between the surfaces, both ways."""
        return off_region_change(original, edited, centers, REGION * original.diagonal) / original.diagonal

    def likeness(self, found: Shape, wanted: Shape, original: Shape) -> dict[str, float]:
        """Mean distance between the surfaces in diagonals of the original, and overlap of their volumes."""
        return {
            "chamfer": chamfer(found, wanted) / original.diagonal,
            "volume_overlap": volume_overlap(found, wanted),
        }

    def soundness(self, edited: Shape) -> Record:
        return {
            "components": components(edited.vertices, edited.faces),
            "watertight": is_watertight(edited.faces),
        }

    def sound_figures(self, finished: list[Record]) -> Figures:
        return {
            "one_component": sum(r["components"] == 1 for r in finished),
            "watertight": sum(bool(r["watertight"]) for r in finished),
        }

    def sound_rows(self) -> tuple[Row, ...]:
        return (("one component", share_of("one_component")), ("watertight", share_of("watertight")))

    def arrived(self, record: Record) -> bool:
        return record["reason"] == "arrived"

    def arrived_title(self) -> str:
        return "arrived by its own tracker"

    def words(self, settings: dict[str, Any]) -> str:
        return (
            "Lengths are % of the unedited shape's diagonal. Off-region change: distance between the surfaces before "
            f"and after, both ways, at points farther than {settings['region_radius']:g} diagonals from handles and "
            "targets."
        )
