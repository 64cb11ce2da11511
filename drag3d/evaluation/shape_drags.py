"""Seeded drags of keypoints of shapes. Lengths of records are diagonals of the unedited shape, of the page percents."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.evaluation.shape_judge import REACHED, REGION, Baseline, judge, judge_unedited
from drag3d.evaluation.yardstick import Figures, Record, Row, Task, Verdict, Yardstick, mean_of, plain, share_of
from drag3d.subjects.surface import SurfaceSubject
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.keypoints import keypoint_names, keypoints

SHORTEST, LONGEST = 0.10, 0.20
ATTEMPTS = 200


def keypoint_drag(generator: Generator, seed: int, number: int) -> Task:
    """Task ``number`` of the series ``seed``, the same on every machine.

    Pairs of samples are drawn until a keypoint differs between them by 10 to 20% of the first one's diagonal; of
    several such keypoints one is drawn. Raises InputError for a model without a teacher.
    """
    names = keypoint_names(generator)
    if not names:
        raise InputError(f"model {generator.name!r} has no teacher, so nothing could judge its edits; try quadruped")
    random = np.random.default_rng([seed, number])
    for _ in range(ATTEMPTS):
        sample, other = (int(n) for n in random.integers(1 << 31, size=2))
        here, there = keypoints(generator, sample), keypoints(generator, other)
        displacement = torch.stack([there[name] - here[name] for name in names])
        length = displacement.norm(dim=1)
        # The diagonal, which costs a mesh, is looked at only where it can matter: it lies within the box.
        if not bool(((length > 0.05) & (length < 0.2 * 3**0.5)).any()):
            continue
        shares = length / generator.sample(sample).diagonal
        usable = ((shares >= SHORTEST) & (shares <= LONGEST)).nonzero()[:, 0].tolist()
        if usable:
            chosen = usable[int(random.integers(len(usable)))]
            x, y, z = displacement[chosen].tolist()
            return Task(number, sample, other, names[chosen], (x, y, z), float(shares[chosen]))
    raise InputError(f"no two samples of {generator.name!r} have keypoints 10 to 20% of a diagonal apart")


class ShapeDrags(Yardstick[Generator, Baseline]):
    """Drags on the surfaces of generated shapes, judged by re-fitting the teacher to them."""

    kind = "shape"
    protocol = "keypoints"
    unit, scale = "%", 100.0
    length_range = SHORTEST, LONGEST
    reached_within, region = REACHED, REGION

    def task(self, generator: Generator, seed: int, number: int) -> Task:
        return keypoint_drag(generator, seed, number)

    def baseline(self, generator: Generator, task: Task) -> Baseline:
        return judge_unedited(generator.sample(task.sample), task.sample, task.keypoint)

    def length_unit(self, generator: Generator, baseline: Baseline) -> float:
        return baseline.shape.diagonal

    def subject(self, generator: Generator, task: Task, settings: DragSettings) -> SurfaceSubject:
        return SurfaceSubject(generator, generator.latents(task.sample))

    def placed(self, subject: SurfaceSubject, task: Task) -> tuple[Tensor, Tensor]:
        """The keypoint snapped to the surface, and that displaced.

        A trained surface is a little off the teacher's; so a target is never a place on the teacher's surface, but as
        far from the handle as the other sample's keypoint is from this one's.
        """
        place = keypoints(subject.generator, task.sample)[task.keypoint][None].to(subject.start.device)
        handle = subject.field(subject.start, place, subject.search_radius).snap(place)
        return handle, handle + handle.new_tensor([task.displacement])

    def judge(
        self, baseline: Baseline, subject: SurfaceSubject, task: Task, latents: Tensor, handle: Tensor, target: Tensor
    ) -> Verdict:
        edited = subject.generator.shape(subject.unpack(latents))
        return judge(baseline, edited, task.keypoint, handle, target)

    def arrived(self, record: Record) -> bool:
        return record["reason"] == "arrived"

    def reached(self, record: Record) -> bool:
        return record["keypoint_distance"] <= REACHED

    def own_figures(self, finished: list[Record]) -> Figures:
        off = np.array([r["off_region_mean"] / r["task"]["length"] for r in finished])
        return {
            "off_region_over_length": mean_of(off, 5),
            "one_component": sum(r["components"] == 1 for r in finished),
            "watertight": sum(bool(r["watertight"]) for r in finished),
        }

    def own_rows(self) -> tuple[Row, ...]:
        return (
            ("off-region change over drag length", plain("off_region_over_length")),
            ("one component", share_of("one_component")),
            ("watertight", share_of("watertight")),
        )

    def titles(self) -> dict[str, str]:
        return {
            "arrived": "arrived by its own tracker",
            "reached": f"keypoint within {REACHED:.0%} by the judge",
            "keypoint": "keypoint to target, judged (% of the diagonal)",
            "off_region": "off-region change (% of the diagonal)",
        }

    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        shortest, longest = (f"{100 * share:g}" for share in settings["drag_length"])
        return (
            f"{shortest} to {longest}% of the diagonal away",
            "A success has arrived by its own tracker *and* by the judge: the teacher's parameters, re-fitted to the "
            f"edited shape, put the keypoint within {settings['reached_within']:.0%} of the target. Lengths are % of "
            "the unedited shape's diagonal. Off-region change: distance from the original surface farther than "
            f"{settings['region_radius']:g} diagonals from handle and target to the edited surface.",
        )
