"""There and back: what was dragged is dragged back, and should then be what it was (the idea of FreeDrag's benchmark).

A method that does nothing would be perfect here. So the page says too how far away the product was in between.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from drag3d.core import DragSettings
from drag3d.evaluation.course import Course, there_and_back
from drag3d.evaluation.keypoint_drags import KeypointDrags
from drag3d.evaluation.likened import Goal, Likened
from drag3d.evaluation.yardstick import Task


class ReturnDrags(Likened):
    """The drags of the protocol ``keypoints``, and back: by a second drag that starts where the first one ended."""

    protocol = "return"

    def __init__(self, keypoints: KeypointDrags[Any]):
        self.keypoints, self.material, self.points = keypoints, keypoints.material, keypoints.points
        self.length_range = keypoints.length_range

    def task(self, generator: Any, seed: int, number: int) -> Task:
        return self.keypoints.task(generator, seed, number)

    def before(self, generator: Any, task: Task) -> Goal:
        original = self.material.product(generator, generator.latents(task.sample))
        return Goal(original, original)

    def placed(self, subject: Any, task: Task) -> tuple[Tensor, Tensor]:
        return self.keypoints.placed(subject, task)

    def run(self, subject: Any, handles: Tensor, targets: Tensor, settings: DragSettings) -> Course:
        """Drag there and back."""

        def again(latents: Tensor) -> Any:
            return self.material.subject(subject.generator, subject.unpack(latents), settings)

        return there_and_back(subject, again, handles, targets, settings)

    def started(self, before: Goal, course: Course) -> Any:
        assert course.far is not None
        return self.material.product(course.subject.generator, course.subject.unpack(course.far))

    def wanted_title(self) -> str:
        return "the original"

    def before_title(self) -> str:
        return "when away"

    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        how_far, _ = self.keypoints.explained({**settings, "reached_within": 0.0})
        return (
            f"{how_far}; and then back to where they came from, by a second drag",
            "A success has arrived both times by its own tracker, and is more like the original than it was when away. "
            f"{self.material.words(settings)}",
        )
