"""The lessons by the names of the models that come of them."""

from __future__ import annotations

from dataclasses import replace

from get3d_models.training.portrait_lesson import PortraitLesson, PortraitSettings
from get3d_models.training.quadruped_lesson import QuadrupedLesson, QuadrupedSettings


def lesson_named(model: str, steps: int, seed: int) -> QuadrupedLesson | PortraitLesson:
    """The lesson of an embedded model, with its own settings but for these two."""
    if model == "quadruped":
        return QuadrupedLesson(replace(QuadrupedSettings(), steps=steps, seed=seed))
    if model == "portrait":
        return PortraitLesson(replace(PortraitSettings(), steps=steps, seed=seed))
    raise ValueError(f"no lesson {model!r}")
