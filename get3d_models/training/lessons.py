"""The lessons by the names of the models that come of them."""

from __future__ import annotations

from dataclasses import replace

from get3d_models.training.portrait_lesson import PortraitLesson, PortraitSettings
from get3d_models.training.quadruped_lesson import QuadrupedLesson, QuadrupedSettings


def lesson_named(model: str, steps: int | None = None, seed: int = 0) -> QuadrupedLesson | PortraitLesson:
    """The lesson of an embedded model, with its own settings but for the seed and, if given, the number of steps."""
    if model == "quadruped":
        animals = QuadrupedSettings(seed=seed)
        return QuadrupedLesson(replace(animals, steps=steps or animals.steps))
    if model == "portrait":
        faces = PortraitSettings(seed=seed)
        return PortraitLesson(replace(faces, steps=steps or faces.steps))
    raise ValueError(f"no lesson {model!r}")
