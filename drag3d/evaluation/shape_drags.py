"""Seeded drags of keypoints of shapes. Lengths of records are diagonals of the unedited shape, of the page percents."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from drag3d.evaluation.course import Course
from drag3d.evaluation.keypoint_drags import ATTEMPTS, KeypointDrags, Verdict, chosen_points, places_of, within
from drag3d.evaluation.shape_judge import REACHED, Baseline, judge, judge_unedited
from drag3d.evaluation.shapes import Shapes
from drag3d.evaluation.yardstick import Point, Task
from drag3d.subjects.surface import SurfaceSubject
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.keypoints import keypoint_names, keypoints
from get3d_models.shape import Shape

SHORTEST, LONGEST = 0.10, 0.20
SHORTEST_OTHER = 0.05
"""Of the further points of a task"""


def keypoint_drag(generator: Generator, seed: int, number: int, points: int = 1) -> Task:
    """Task ``number`` of the series ``seed``, the same on every machine.

    Pairs of samples are drawn until a keypoint differs between them by 10 to 20% of the first one's diagonal; of
    several such keypoints one is drawn, and for tasks of several points others that differ by 5 to 20%. Raises
    InputError for a model without a teacher.
    """
    names = taught_names(generator, points)
    random = np.random.default_rng([seed, number])
    for _ in range(ATTEMPTS):
        sample, other = (int(n) for n in random.integers(1 << 31, size=2))
        here, there = keypoints(generator, sample), keypoints(generator, other)
        displacement = torch.stack([there[name] - here[name] for name in names])
        length = displacement.norm(dim=1)
        # The diagonal, which costs a mesh, is looked at only where it can matter: it lies within the box.
        if not bool(((length > 0.05) & (length < 0.2 * 3**0.5)).any()):
            continue
        shares = (length / generator.sample(sample).diagonal).numpy()
        usable, others = within(shares, SHORTEST, LONGEST), within(shares, SHORTEST_OTHER, LONGEST)
        chosen = chosen_points(random, usable, others, points)
        if chosen is not None:
            ways = (tuple(displacement[k].tolist()) for k in chosen)
            return Task(
                number, sample, other,
                tuple(Point(names[k], way, float(shares[k])) for k, way in zip(chosen, ways, strict=True)),
            )  # fmt: skip
    raise InputError(f"no two samples of {generator.name!r} have {points} keypoints 10 to 20% of a diagonal apart")


def taught_names(generator: Any, points: int) -> tuple[str, ...]:
    """The keypoints of a model of shapes; InputError where it has no teacher, or not so many keypoints."""
    names = keypoint_names(generator)
    if not names:
        raise InputError(f"model {generator.name!r} has no teacher, so nothing could judge its edits; try quadruped")
    if points > len(names):
        raise InputError(f"model {generator.name!r} has {len(names)} keypoints, so tasks of {points} cannot be made")
    return names


def on_surface(subject: SurfaceSubject, places: Tensor) -> Tensor:
    """The surface points ``(K, 3)`` nearest to places: a trained surface is a little off the teacher's."""
    places = places.to(subject.start.device)
    return subject.field(subject.start, places, subject.search_radius).snap(places)


class ShapeDrags(KeypointDrags[Baseline]):
    """Drags on the surfaces of generated shapes, judged by re-fitting the teacher to them."""

    material = Shapes()
    length_range = SHORTEST, LONGEST
    reached_within = REACHED
    distance_title = "keypoints to targets, judged (% of the diagonal)"

    def __init__(self, points: int = 1):
        self.points = points

    def task(self, generator: Generator, seed: int, number: int) -> Task:
        return keypoint_drag(generator, seed, number, self.points)

    def before(self, generator: Generator, task: Task) -> Baseline:
        return judge_unedited(generator.sample(task.sample), task.sample, task.names)

    def placed(self, subject: SurfaceSubject, task: Task) -> tuple[Tensor, Tensor]:
        """The keypoints snapped to the surface, and those displaced.

        A target is never a place on the teacher's surface, but as far from the handle as the other sample's keypoint is
        from this one's.
        """
        places = torch.stack(places_of(keypoints(subject.generator, task.sample), task.names))
        handles = on_surface(subject, places)
        return handles, handles + handles.new_tensor([point.displacement for point in task.points])

    def verdict(self, before: Baseline, task: Task, course: Course, edited: Shape) -> Verdict:
        return judge(before, edited, task.names, course.targets)

    def reached_title(self) -> str:
        return f"keypoints within {REACHED:.0%} by the judge"

    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        shortest, longest = (f"{100 * share:g}" for share in settings["drag_length"])
        more = "" if self.points == 1 else f"; the further ones are {100 * SHORTEST_OTHER:g} to {longest}% away"
        return (
            f"keypoints of one sample are dragged to where another sample has them, {shortest} to {longest}% of the "
            f"diagonal away{more}",
            "A success has arrived by its own tracker *and* by the judge: the teacher's parameters, re-fitted to the "
            f"edited shape, put every keypoint within {settings['reached_within']:.0%} of its target. "
            + self.material.words(settings),
        )
