"""Motion supervision: move the features around each handle a little towards its target (DragGAN, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from drag3d.core.subject import Field


def directions(handles: Tensor, targets: Tensor, length: float) -> Tensor:
    """Steps ``(K, D)`` of ``length`` from handles towards targets; shorter where the target is nearer, 0 at it."""
    towards = targets - handles
    distance = towards.norm(dim=1, keepdim=True)
    return towards / distance.clamp_min(1e-12) * distance.clamp_max(length)


def motion_loss(field: Field, patches: Sequence[Tensor], steps: Tensor) -> Tensor:
    """Equation 1's first term: sum over handles of the mean over patch and channels of |sg F(q) - F(q + d)|.

    ``patches``, K of them of any length ``(M, D)``, are the neighbourhoods, ``steps (K, D)`` the motion d of each; a
    handle that has arrived has a zero step and so no say. Only F(q + d) carries gradient. The norms are read as means,
    as in the authors' code: by sums, the area of a mask or a patch would decide how much each term counts.
    """
    counts = [len(patch) for patch in patches]
    here = torch.cat(list(patches))
    ahead = torch.cat([patch + step for patch, step in zip(patches, steps, strict=True)])
    moved = field.features(ahead)
    with torch.no_grad():
        before = field.features(here)
    errors = (moved - before).abs().mean(dim=1).split(counts)
    return torch.stack([error.mean() for error in errors if len(error)]).sum()


def hold_loss(field: Field, points: Tensor, features: Tensor) -> Tensor:
    """Equation 1's second term on samples ``(M, D)`` of what must stay: mean |F(q) - F_0(q)|, F_0 ``(M, C)``."""
    return (field.features(points) - features).abs().mean()
