"""What went before a drag."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Past:
    """Earlier drags of the same subject. What they were asked for stays, what else they did may be undone again."""

    home: Tensor
    """(R, w_dim) the moved rows as they were before the first of them"""
    settled: Tensor
    """(S, E) places on the body where they left their handles"""
