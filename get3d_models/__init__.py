"""Generators of 3D shapes and of images: weights in, fields, meshes and pictures out.

Pure torch; knows nothing of dragging or screens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from get3d_models.errors import InputError

if TYPE_CHECKING:
    from get3d_models.config import GeneratorConfig
    from get3d_models.generator import Generator, Latents
    from get3d_models.image_config import ImageConfig
    from get3d_models.loading import embedded_models, load
    from get3d_models.shape import Shape
    from get3d_models.stylegan2 import ImageGenerator, ImageLatents

__all__ = [
    "Generator",
    "GeneratorConfig",
    "ImageConfig",
    "ImageGenerator",
    "ImageLatents",
    "InputError",
    "Latents",
    "Shape",
    "embedded_models",
    "load",
]

_HOMES = {
    "Generator": "generator",
    "GeneratorConfig": "config",
    "ImageConfig": "image_config",
    "ImageGenerator": "stylegan2",
    "ImageLatents": "stylegan2",
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
