"""Checkpoints from strangers: read as inert data, with no code run and nothing allocated on the file's word alone."""

from .checkpoint import read_checkpoint
from .inert import PickledModule

__all__ = ["PickledModule", "read_checkpoint"]
