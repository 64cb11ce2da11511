"""Generators of 3D shapes: weights in, fields and meshes out. Pure torch; knows nothing of dragging or screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models.config import GeneratorConfig
    from get3d_models.generator import Generator, Latents
    from get3d_models.loading import embedded_models, load
    from get3d_models.shape import Shape

__all__ = ["Generator", "GeneratorConfig", "InputError", "Latents", "Shape", "embedded_models", "load"]

_HOMES = {
    "Generator": "generator",
    "GeneratorConfig": "config",
    "Latents": "generator",
    "Shape": "shape",
    "embedded_models": "loading",
    "load": "loading",
}


def __getattr__(name: str) -> Any:
    # Importing torch takes a second; it is put off until something needs it.
    if name not in _HOMES:
        raise AttributeError(f"module 'get3d_models' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"get3d_models.{_HOMES[name]}"), name)
