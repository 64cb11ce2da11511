"""Motion supervision: move the features around each handle a little towards its target (DragGAN, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from drag3d.core.subject import Field


def directions(handles: Tensor, targets: Tensor, length: float) -> Tensor:
    """Steps ``(K, D)`` of ``length`` from handles towards targets; shorter where the target is nearer, 0 at it."""
    towards = targets - handles
    distance = towards.norm(dim=1, keepdim=True)
    return towards / distance.clamp_min(1e-12) * distance.clamp_max(length)


def motion_loss(field: Field, patches: Tensor, steps: Tensor) -> Tensor:
    """Equation 1's first term: sum over handles of the mean over patch and channels of |sg F(q) - F(q + d)|.

    ``patches (K, M, D)`` are the neighbourhoods, ``steps (K, D)`` the motion d of each; a handle that has arrived has a
    zero step and so no say. Only F(q + d) carries gradient.
    """
    moved = field.features((patches + steps[:, None]).flatten(0, 1))
    with torch.no_grad():
        here = field.features(patches.flatten(0, 1))
    return (moved - here).abs().mean(dim=1).unflatten(0, patches.shape[:2]).mean(dim=1).sum()


def hold_loss(field: Field, points: Tensor, features: Tensor) -> Tensor:
    """Equation 1's second term on samples ``(M, D)`` of what must stay: mean |F(q) - F_0(q)|, F_0 ``(M, C)``."""
    return (field.features(points) - features).abs().mean()
