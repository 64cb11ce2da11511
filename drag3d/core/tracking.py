"""Point tracking: where did a handle go? (DragGAN, Pan et al. 2023, section 3.3)"""

from __future__ import annotations

import torch
from torch import Tensor

from drag3d.core.subject import Field

FARTHEST = 1.25
"""Radii of the search from its centre, beyond which a candidate that was put onto a surface does not count"""
ROUNDING = 1e-3
"""By that share what was left at the bounds is surely farther away than what counts"""


def nearest_feature(
    field: Field, expected: Tensor, reference: Tensor, offsets: Tensor, chunk: int = 1 << 15, norm: int = 1
) -> tuple[Tensor, Tensor]:
    """The candidate around ``expected`` whose feature is nearest to the handle's initial one (equation 3).

    ``expected (K, D)`` are the centres of the search, ``reference (K, C)`` the initial features, ``offsets (M, D)`` the
    candidates around each centre; the centre itself should be one of them. Candidates are first put where a handle may
    be. Distance is L1, or that of another ``norm``. Ties go to the candidate nearest to its centre. Returns the places
    ``(K, D)`` and their feature distances ``(K,)``; no gradient.
    """
    with torch.no_grad():
        order = offsets.norm(dim=1).argsort()
        candidates = expected[:, None] + offsets[order]
        # A candidate that had to be put far away to lie on the surface is no candidate of this neighbourhood.
        farthest = FARTHEST * offsets.norm(dim=1).max()
        low, high = ((expected + far)[:, None].expand_as(candidates) for far in (-farthest, farthest))
        flat = field.snap(candidates.flatten(0, 1), (low.flatten(0, 1), high.flatten(0, 1)))
        features = torch.cat([field.features(p) for p in flat.split(chunk)]).unflatten(0, candidates.shape[:2])
        difference = features - reference[:, None]
        error = difference.abs().sum(dim=2) if norm == 1 else difference.norm(p=norm, dim=2)
        # Nor is one whose features overflowed: argmin would take not-a-number for the least.
        placed = flat.unflatten(0, candidates.shape[:2])
        near = (placed - expected[:, None]).norm(dim=2) <= (1 - ROUNDING) * farthest
        error = torch.where(near & ~error.isnan(), error, torch.inf)
        best = error.argmin(dim=1)
        rows = torch.arange(len(expected), device=expected.device)
        return placed[rows, best], error[rows, best]
