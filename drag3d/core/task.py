"""What a drag is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from drag3d.core.past import Past


@dataclass(frozen=True)
class Task:
    """Handles and where they should go, in the subject's units and on its device; what must stay; what was before."""

    handles: Tensor
    """(K, D)"""
    targets: Tensor
    """(K, D)"""
    hold: Tensor | None = None
    """(M, E) samples of what must not move"""
    past: Past | None = None
