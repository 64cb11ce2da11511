"""The ways to drag, by name: one file each."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from drag3d.core.settings import DragSettings
from drag3d.core.subject import Field, Subject
from drag3d.core.task import Task
from get3d_models.errors import InputError


class Method(Protocol):
    """What differs between ways to drag: how latents are parametrised, handles tracked and a step taken."""

    patience: int
    """Steps without progress after which a drag has stalled, if the settings do not say it"""

    def __init__(self, subject: Subject, task: Task, settings: DragSettings): ...

    @property
    def reach(self) -> float:
        """How far around its centres the next field will be asked for."""
        ...

    def centers(self, handles: Tensor) -> Tensor:
        """Centres ``(K, D)`` of what the next field will be asked for, from where the handles are now."""
        ...

    def latents(self) -> Tensor:
        """The latent rows ``(R, w_dim)`` as they are now, with a graph to what the method optimises."""
        ...

    def begin(self, field: Field) -> None:
        """Take from the untouched field whatever later steps compare with."""
        ...

    def track(self, field: Field, handles: Tensor) -> Tensor:
        """Where the handles ``(K, D)`` of the step before are now."""
        ...

    def step(self, field: Field, handles: Tensor) -> float:
        """One step of the optimiser on a field that :meth:`latents` made; returns the loss before it."""
        ...


def method_named(name: str) -> type[Method]:
    """The method of a name; InputError lists the known ones."""
    from drag3d.core.methods.anchored import Anchored
    from drag3d.core.methods.drag3d2023 import Drag3D2023
    from drag3d.core.methods.draggan import DragGAN

    methods: dict[str, type[Method]] = {"default": Anchored, "draggan": DragGAN, "drag3d-2023": Drag3D2023}
    if name not in methods:
        raise InputError(f"unknown method {name!r}; known: {', '.join(methods)}")
    return methods[name]
