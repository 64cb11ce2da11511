"""What a drag can be told, and what it tells after each step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

VARIANTS = ("paper", "released")
"""Of the method "draggan"."""


class StopReason(StrEnum):
    """Why a drag ended."""

    ARRIVED = "arrived"
    """Every handle is within tolerance of its target."""
    STALLED = "stalled"
    """Nothing has come nearer for a while: the target is out of the generator's reach."""
    STEP_LIMIT = "step limit"
    ASKED = "asked to stop"


@dataclass(frozen=True)
class DragSettings:
    """Settings of one drag. Lengths are in the subject's units; None means: as the method proposes for the subject."""

    method: str = "default"
    """"default", "draggan" (the paper's) or "drag3d-2023" (the older 3D editor's; shapes in space only)."""
    max_steps: int = 100
    tolerance: float | None = None
    """A handle this near to its target has arrived. None: the subject's default, 1% of the diagonal of a shape; of an
    image 2 pixels at 512, and at least one."""
    learning_rate: float | None = None
    """For "draggan" the step of Adam: in latent units for images, as in the paper, and in standard deviations of the
    latents for shapes; for "drag3d-2023" always in latent units. For "default" the share that is taken of the step it
    solved for (1: all of it)."""
    patch_radius: float | None = None
    """r1: radius of the neighbourhood whose features are moved."""
    search_radius: float | None = None
    """r2: radius in which a handle is looked for."""
    step_length: float | None = None
    """How far one step tries to move a handle at most; less where the target is nearer or latents would change much."""
    hold_weight: float | None = None
    """lambda: weight of the term that holds what lies outside the region that may move."""
    patience: int | None = None
    """Steps without progress after which a drag has stalled. None: 8 for "default", whose steps are long; else 20."""
    space: str = "w+"
    """Of the methods that descend a gradient. "w+": every latent row may go its own way; "w": all rows of a mapping
    network move by the same amount, as they always do with "default"."""
    features: str | None = None
    """Planes whose features are followed: "geometry", "texture" or "both"; None: those of the latents that move."""
    layers: int | None = None
    """Of images: how many first rows of the latent may move. None: six for "draggan", as in the paper, else all."""
    feature_block: int | None = None
    """Of images: the block of the synthesis whose features are followed, from 0 on. None: the paper's 6th (5)."""
    variant: str = "paper"
    """For "draggan": "paper", or "released" for what its authors' released code does where it differs."""
    without: str = ""
    """For "default": names of parts that are left out, with + between them, to see what each is worth (see
    drag3d.core.methods.parts)."""
    seed: int = 0
    """Fixes every random choice (points of a neighbourhood, candidates)."""


@dataclass(frozen=True)
class DragStep:
    """State after one step; all tensors are detached copies on the CPU. K handles in D dimensions."""

    index: int
    """Steps of the optimiser so far; 0 is the state before the first."""
    handles: Tensor
    """(K, D) where tracking finds the handles now"""
    targets: Tensor
    """(K, D)"""
    distances: Tensor
    """(K,) from handle to target"""
    loss: float
    """Of the step that led here: DragGAN's loss, or the mean distance before it for the default; NaN at the start."""
    latents: Tensor
    """(R, w_dim) the latent rows that belong to these handles"""
    reason: StopReason | None = None
    """Set in the last step only."""
