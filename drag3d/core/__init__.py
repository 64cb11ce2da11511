"""The drag algorithm in D dimensions. Knows points, features and latents; no image, mesh, generator or window."""

from drag3d.core.drag import Drag
from drag3d.core.past import Past
from drag3d.core.settings import DragSettings, DragStep, StopReason

__all__ = ["Drag", "DragSettings", "DragStep", "Past", "StopReason"]
