"""Seeded drags of keypoints of images. Lengths are pixels of an image 256 wide."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.evaluation.image_judge import REACHED, REGION, WIDTH, ImageBaseline, judge, judge_unedited, picture
from drag3d.evaluation.yardstick import Figures, Record, Row, Task, Verdict, Yardstick, mean_of, plain, share_of
from drag3d.subjects.image import ImageSubject
from get3d_models.errors import InputError
from get3d_models.keypoints import keypoint_names, keypoints
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait as teacher

SHORTEST, LONGEST = 0.05 * WIDTH, 0.15 * WIDTH
ARRIVED = 2.0
"""A handle this near to its target has arrived."""
ATTEMPTS = 200


def keypoint_drag(generator: ImageGenerator, seed: int, number: int) -> Task:
    """Task ``number`` of the series ``seed``, the same on every machine.

    Pairs of samples are drawn until a keypoint that both of them show (a closed lid covers its pupil) lies in one 5 to
    15% of the image's width away from where it lies in the other; of several such keypoints one is drawn. Raises
    InputError for a model without a teacher.
    """
    names = keypoint_names(generator)
    if not names:
        raise InputError(f"model {generator.name!r} has no teacher, so nothing could judge its edits; try portrait")
    random = np.random.default_rng([seed, number])
    for _ in range(ATTEMPTS):
        sample, other = (int(n) for n in random.integers(1 << 31, size=2))
        here, there = keypoints(generator, sample), keypoints(generator, other)
        displacement = torch.stack([there[name] - here[name] for name in names])
        lengths = displacement.norm(dim=1) * (WIDTH / generator.size[0])
        shown = teacher.shown(_parameters(generator, sample, other)).all(dim=0)
        usable = ((lengths >= SHORTEST) & (lengths <= LONGEST) & shown).nonzero()[:, 0].tolist()
        if usable:
            chosen = usable[int(random.integers(len(usable)))]
            x, y = displacement[chosen].tolist()
            return Task(number, sample, other, names[chosen], (x, y), float(lengths[chosen]))
    raise InputError(f"no two samples of {generator.name!r} have keypoints 5 to 15% of the width apart")


def _parameters(generator: ImageGenerator, *seeds: int) -> Tensor:
    codes = torch.cat([generator.code(seed) for seed in seeds]).cpu()
    return teacher.parameters_from_latent(codes, teacher.PARAMETERS)


class ImageDrags(Yardstick[ImageGenerator, ImageBaseline]):
    """Drags in generated images, judged by re-fitting the teacher to them."""

    kind = "image"
    protocol = "image keypoints"
    unit, scale = "px", 1.0
    length_range = SHORTEST, LONGEST
    reached_within, region = REACHED, REGION

    def task(self, generator: ImageGenerator, seed: int, number: int) -> Task:
        return keypoint_drag(generator, seed, number)

    def baseline(self, generator: ImageGenerator, task: Task) -> ImageBaseline:
        return judge_unedited(generator, task.sample, task.keypoint)

    def length_unit(self, generator: ImageGenerator, baseline: ImageBaseline) -> float:
        return generator.size[0] / WIDTH

    def subject(self, generator: ImageGenerator, task: Task, settings: DragSettings) -> ImageSubject:
        return ImageSubject.for_settings(generator, generator.latents(task.sample), settings)

    def placed(self, subject: ImageSubject, task: Task) -> tuple[Tensor, Tensor]:
        """The keypoint where the teacher has it, and that displaced."""
        handle = keypoints(subject.generator, task.sample)[task.keypoint][None].to(subject.start.device)
        return handle, handle + handle.new_tensor([task.displacement])

    def judge(
        self,
        baseline: ImageBaseline,
        subject: ImageSubject,
        task: Task,
        latents: Tensor,
        handle: Tensor,
        target: Tensor,
    ) -> Verdict:
        edited = picture(subject.generator, subject.unpack(latents))
        return judge(baseline, edited, task.keypoint, handle, target)

    def arrived(self, record: Record) -> bool:
        return record["tracked_distance"] <= ARRIVED

    def reached(self, record: Record) -> bool:
        return record["shown"] and record["keypoint_distance"] <= REACHED

    def own_figures(self, finished: list[Record]) -> Figures:
        return {
            "keypoint_before_judged_mean": mean_of(np.array([r["keypoint_before"] for r in finished]), 3),
            "shown": sum(bool(r["shown"]) for r in finished),
        }

    def own_rows(self) -> tuple[Row, ...]:
        return (
            ("keypoint to target before, by the judge, mean", plain("keypoint_before_judged_mean", " px")),
            ("keypoint still to be seen", share_of("shown")),
        )

    def titles(self) -> dict[str, str]:
        return {
            "arrived": f"within {ARRIVED:g} px by its own tracker",
            "reached": f"keypoint within {REACHED:g} px by the judge",
            "keypoint": "keypoint to target, judged (px of 256)",
            "off_region": "off-region change (% of the range of colours)",
        }

    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        shortest, longest = (f"{length:g}" for length in settings["drag_length"])
        return (
            f"{shortest} to {longest} px away",
            f"A success is within {ARRIVED:g} px of the target by its own tracker *and* has arrived by the judge: the "
            "teacher's parameters, re-fitted to the edited image, put the keypoint within "
            f"{settings['reached_within']:g} px of the target and show it. Lengths are pixels of an image {WIDTH} "
            "wide. Pupils under closed lids are not dragged. Off-region change: mean absolute change of colours "
            f"farther than {settings['region_radius']:g} px from handle and target, % of their range.",
        )
