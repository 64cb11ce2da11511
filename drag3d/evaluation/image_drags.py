"""Seeded drags of keypoints of images. Lengths are pixels of an image 256 wide."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from drag3d.evaluation.course import Course
from drag3d.evaluation.figures import Figures, Record, Row, figure, plain, share_of, values_of
from drag3d.evaluation.image_judge import REACHED, ImageBaseline, ImageVerdict, judge, judge_unedited
from drag3d.evaluation.images import ARRIVED, WIDTH, Images
from drag3d.evaluation.keypoint_drags import ATTEMPTS, KeypointDrags, chosen_points, places_of, within
from drag3d.evaluation.yardstick import Point, Task
from drag3d.subjects.image import ImageSubject
from get3d_models.errors import InputError
from get3d_models.keypoints import keypoint_names, keypoints
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait as teacher

SHORTEST, LONGEST = 0.05 * WIDTH, 0.15 * WIDTH


def keypoint_drag(generator: ImageGenerator, seed: int, number: int, points: int = 1) -> Task:
    """Task ``number`` of the series ``seed``, the same on every machine.

    Pairs of samples are drawn until as many keypoints as wanted that both of them show (a closed lid covers its pupil)
    lie in one 5 to 15% of the image's width away from where they lie in the other; of more such keypoints some are
    drawn. Raises InputError for a model without a teacher.
    """
    names = taught_names(generator, points)
    random = np.random.default_rng([seed, number])
    for _ in range(ATTEMPTS):
        sample, other = (int(n) for n in random.integers(1 << 31, size=2))
        here, there = keypoints(generator, sample), keypoints(generator, other)
        displacement = torch.stack([there[name] - here[name] for name in names])
        lengths = (displacement.norm(dim=1) * (WIDTH / generator.size[0])).numpy()
        shown = teacher.shown(parameters(generator, sample, other)).all(dim=0)
        usable = [k for k in within(lengths, SHORTEST, LONGEST) if shown[k]]
        chosen = chosen_points(random, usable, usable, points)
        if chosen is not None:
            ways = (tuple(displacement[k].tolist()) for k in chosen)
            return Task(
                number, sample, other,
                tuple(Point(names[k], way, float(lengths[k])) for k, way in zip(chosen, ways, strict=True)),
            )  # fmt: skip
    raise InputError(f"no two samples of {generator.name!r} have {points} keypoints 5 to 15% of the width apart")


def taught_names(generator: Any, points: int) -> tuple[str, ...]:
    """The keypoints of a model of images; InputError where it has no teacher, or not so many keypoints."""
    names = keypoint_names(generator)
    if not names:
        raise InputError(f"model {generator.name!r} has no teacher, so nothing could judge its edits; try portrait")
    if points > len(names):
        raise InputError(f"model {generator.name!r} has {len(names)} keypoints, so tasks of {points} cannot be made")
    return names


def parameters(generator: ImageGenerator, *seeds: int) -> Tensor:
    """The teacher's ``(N, P)`` for the samples of seeds."""
    codes = torch.cat([generator.code(seed) for seed in seeds]).cpu()
    return teacher.parameters_from_latent(codes, teacher.PARAMETERS)


class ImageDrags(KeypointDrags[ImageBaseline]):
    """Drags in generated images, judged by re-fitting the teacher to them."""

    material = Images()
    length_range = SHORTEST, LONGEST
    reached_within = REACHED
    distance_title = "keypoints to targets, judged (px of 256)"

    def __init__(self, points: int = 1):
        self.points = points

    def task(self, generator: ImageGenerator, seed: int, number: int) -> Task:
        return keypoint_drag(generator, seed, number, self.points)

    def before(self, generator: ImageGenerator, task: Task) -> ImageBaseline:
        return judge_unedited(generator, task.sample, task.names)

    def placed(self, subject: ImageSubject, task: Task) -> tuple[Tensor, Tensor]:
        """The keypoints where the teacher has them, and those displaced."""
        places = torch.stack(places_of(keypoints(subject.generator, task.sample), task.names))
        handles = places.to(subject.start.device)
        return handles, handles + handles.new_tensor([point.displacement for point in task.points])

    def verdict(self, before: ImageBaseline, task: Task, course: Course, edited: Tensor) -> ImageVerdict:
        return judge(before, edited, task.names, course.targets)

    def reached(self, record: Record) -> bool:
        return record["shown"] and super().reached(record)

    def own_figures(self, finished: list[Record]) -> Figures:
        return {
            **super().own_figures(finished),
            "keypoint_before_judged_mean": figure(np.mean, values_of(finished, "keypoint_before")),
            "shown": sum(bool(r["shown"]) for r in finished),
        }

    def own_rows(self) -> tuple[Row, ...]:
        return (
            *super().own_rows(),
            ("keypoints to targets before, by the judge, mean", plain("keypoint_before_judged_mean", " px")),
            ("keypoints still to be seen", share_of("shown")),
        )

    def reached_title(self) -> str:
        return f"keypoints within {REACHED:g} px by the judge"

    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        shortest, longest = (f"{length:g}" for length in settings["drag_length"])
        return (
            f"keypoints of one sample are dragged to where another sample has them, {shortest} to {longest} px away",
            f"A success is within {ARRIVED:g} px of the target by its own tracker *and* has arrived by the judge: the "
            "teacher's parameters, re-fitted to the edited image, put every keypoint within "
            f"{settings['reached_within']:g} px of its target and show it. Pupils under closed lids are not dragged. "
            + self.material.words(settings),
        )
