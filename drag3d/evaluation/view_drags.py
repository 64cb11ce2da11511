"""Seeded drags of keypoints of shapes in a picture of them. Lengths of records are pixels of a picture 512 wide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.evaluation.course import Course
from drag3d.evaluation.figures import Figures, Record, Row, figure, plain, values_of
from drag3d.evaluation.keypoint_drags import KeypointDrags, Verdict
from drag3d.evaluation.shape_drags import taught_names
from drag3d.evaluation.shape_judge import Baseline, judge_unedited
from drag3d.evaluation.shapes import Shapes
from drag3d.evaluation.yardstick import Point, Task
from drag3d.session.viewpoint import Viewpoint
from drag3d.subjects.view import ViewSubject
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.keypoints import keypoint_names, keypoints
from get3d_models.shape import Shape
from get3d_models.training import quadruped as teacher
from get3d_models.training.refit import refit

VIEWS = ("front", "side", "35,18")
"""Taken in turn"""
WIDTH = 512
LENGTH = 0.1 * WIDTH
"""Of every drag"""
SHORTEST, LONGEST = 0.8 * LENGTH, 1.4 * LENGTH
"""How far the other sample's keypoint may be, for its direction to be taken."""
REACHED = 10.0
"""A keypoint this near to the target has been dragged there: about 3% of a quadruped's diagonal."""
ATTEMPTS = 200


def view_of_task(generator: Generator, number: int) -> Viewpoint:
    """From where task ``number`` is looked at."""
    return Viewpoint.of(VIEWS[number % len(VIEWS)], generator.config.scale, WIDTH)


def view_drag(generator: Generator, seed: int, number: int) -> Task:
    """Task ``number`` of the series ``seed``, the same on every machine.

    Pairs of samples are drawn until a keypoint that is seen in the pictures of both lies 8 to 14% of the picture apart
    in them; of several such keypoints one is drawn. It is dragged in that direction, by 10% of the picture. Raises
    InputError for a model without a teacher.
    """
    names = taught_names(generator, 1)
    random, view = np.random.default_rng([seed, number, WIDTH]), view_of_task(generator, number)
    for _ in range(ATTEMPTS):
        sample, other = (int(n) for n in random.integers(1 << 31, size=2))
        here, there = (torch.stack([keypoints(generator, s)[name] for name in names]) for s in (sample, other))
        ways = torch.from_numpy(view.pixels(there) - view.pixels(here))
        lengths = ways.norm(dim=1)
        usable = ((lengths >= SHORTEST) & (lengths <= LONGEST)).nonzero()[:, 0].tolist()
        if not usable:
            continue
        chosen = usable[int(random.integers(len(usable)))]
        if not all(_shows(generator, view, *pair) for pair in ((sample, here[chosen]), (other, there[chosen]))):
            continue
        x, y = (ways[chosen] * (LENGTH / lengths[chosen])).tolist()
        return Task(number, sample, other, (Point(names[chosen], (x, y), LENGTH),))
    raise InputError(f"no two samples of {generator.name!r} show keypoints a tenth of a picture apart")


def _shows(generator: Generator, view: Viewpoint, sample: int, place: Tensor) -> bool:
    """Whether a keypoint ``(3,)`` of a sample is seen, and not hidden by another part."""
    subject = ViewSubject(generator, generator.latents(sample), view.camera, view.size)
    return not bool(subject.hidden(subject.start, _on_surface(subject, place))[0])


def _on_surface(subject: ViewSubject, place: Tensor) -> Tensor:
    """The surface point ``(1, 3)`` nearest to a keypoint ``(3,)``: trained surfaces are a little off the teacher's."""
    place = place[None].to(subject.start.device)
    pixel = subject.places(place)
    return subject.field(subject.start, pixel, math.inf).surface.snap(place)


@dataclass(frozen=True)
class ViewVerdict(Verdict):
    """One edit; lengths are pixels."""

    way_in_space: float
    """How far the lifted handle has moved in space, for each unit that its drag was long across the line of sight"""
    lifted_off: float
    """Pixels between where tracking has the handle and where the lifted one is seen"""


class PicturedShapes(Shapes):
    """Shapes that are dragged in a picture: their lengths are pixels."""

    unit_name, scale = "px", 1.0

    def unit(self, original: Shape) -> float:
        return 1.0


class ViewDrags(KeypointDrags[Baseline]):
    """Drags of shapes in their pictures, judged by re-fitting the teacher to the edited shape."""

    protocol = "view"
    points = 1
    material = PicturedShapes()
    length_range = LENGTH, LENGTH
    reached_within = REACHED
    distance_title = f"keypoint to target, judged (px of {WIDTH})"

    def task(self, generator: Generator, seed: int, number: int) -> Task:
        return view_drag(generator, seed, number)

    def before(self, generator: Generator, task: Task) -> Baseline:
        return judge_unedited(generator.sample(task.sample), task.sample, task.names)

    def subject(self, generator: Generator, task: Task, settings: DragSettings) -> ViewSubject:
        view = view_of_task(generator, task.number)
        return ViewSubject.for_settings(
            generator, generator.latents(task.sample), view.camera, view.size, "geometry", settings
        )

    def placed(self, subject: ViewSubject, task: Task) -> tuple[Tensor, Tensor]:
        """The pixel at which the keypoint's place on the surface is seen, and that displaced."""
        (point,) = task.points
        place = keypoints(subject.generator, task.sample)[point.name]
        handle = subject.sight_of(subject.start).onto(subject.places(_on_surface(subject, place)))
        return handle, handle + handle.new_tensor([point.displacement])

    def centers(self, course: Course) -> Tensor:
        """The places in space that are seen at the handle before and at the target after."""
        return torch.cat(_ends(course))

    def proportion(self, before: Baseline, course: Course) -> float:
        length = float((course.targets - course.handles).norm(dim=1).mean())
        return length / course.subject.magnification / before.shape.diagonal

    def verdict(self, before: Baseline, task: Task, course: Course, edited: Shape) -> ViewVerdict:
        subject, target = course.subject, course.targets[0].cpu()
        number = keypoint_names(subject.generator).index(task.names[0])
        # Where the lifted handle is now is told by the picture alone: the point seen at the target's pixel.
        start, end = _ends(course)
        found, error = refit(edited, before.parameters, (number, end[0]))
        was, now = (
            subject.places(teacher.keypoints(p)[:, number].to(course.targets)).cpu()[0]
            for p in (before.parameters, found)
        )
        seen = subject.places(end.to(course.targets)).cpu()[0]
        distance = float((now - target).norm())
        return ViewVerdict(
            keypoint_distance=distance,
            keypoint_worst=distance,
            keypoint_moved=float((now - was).norm()),
            fit_error=error / before.shape.diagonal,
            way_in_space=float((end - start).norm()) * subject.magnification / LENGTH,
            lifted_off=float((seen - target).norm()),
        )

    def own_figures(self, finished: list[Record]) -> Figures:
        way = values_of(finished, "way_in_space")
        return {**super().own_figures(finished), "way_in_space_mean": figure(np.mean, way)}

    def own_rows(self) -> tuple[Row, ...]:
        row: Row = ("handle's way in space over its way in the picture", plain("way_in_space_mean"))
        return (*super().own_rows(), row)

    def reached_title(self) -> str:
        return f"keypoint within {REACHED:g} px by the judge"

    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        return (
            f"a keypoint of one sample, as seen in a picture of {WIDTH} x {WIDTH} pixels, is dragged towards where "
            "another sample has it, by a tenth of the picture",
            f"Views are {', '.join(VIEWS)} in turn. A success has arrived by its own tracker *and* by the judge: the "
            "teacher's parameters, re-fitted to the edited shape, put the keypoint within "
            f"{settings['reached_within']:g} px of the target. Lengths are pixels, but of changes: off-region change "
            "is the distance between the surfaces before and after, both ways, at points farther than "
            f"{settings['region_radius']:g} diagonals from handle and target, % of the diagonal.",
        )


def _ends(course: Course) -> tuple[Tensor, Tensor]:
    """Places ``(1, 3)`` of the body, on the CPU: seen at the handle's pixel before, and at the target's after."""
    subject = course.subject
    return subject.lifted(subject.start, course.handles).cpu(), subject.lifted(course.latents, course.targets).cpu()
