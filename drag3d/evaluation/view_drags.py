"""Seeded drags of keypoints of shapes in a picture of them. Lengths of records are pixels of a picture 512 wide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drag3d.core import DragSettings
from drag3d.evaluation.shape_judge import REGION, Baseline, judge_unedited, off_region_change
from drag3d.evaluation.yardstick import Figures, Record, Row, Task, Verdict, Yardstick, mean_of, plain, share_of
from drag3d.session.viewpoint import Viewpoint
from drag3d.subjects.view import ViewSubject
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.keypoints import keypoint_names, keypoints
from get3d_models.mesh import components, is_watertight
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
    names = keypoint_names(generator)
    if not names:
        raise InputError(f"model {generator.name!r} has no teacher, so nothing could judge its edits; try quadruped")
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
        return Task(number, sample, other, names[chosen], (x, y), LENGTH)
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
    """One edit; lengths are pixels but for the changes, which are shares of the unedited shape's diagonal."""

    way_in_space: float
    """How far the lifted handle has moved in space, for each unit that its drag was long across the line of sight"""
    lifted_off: float
    """Pixels between where tracking has the handle and where the lifted one is seen"""
    components: int
    watertight: bool


class ViewDrags(Yardstick[Generator, Baseline]):
    """Drags of shapes in their pictures, judged by re-fitting the teacher to the edited shape."""

    kind = "shape"
    protocol = "view keypoints"
    unit, scale = "px", 1.0
    length_range = LENGTH, LENGTH
    reached_within, region = REACHED, REGION

    def task(self, generator: Generator, seed: int, number: int) -> Task:
        return view_drag(generator, seed, number)

    def baseline(self, generator: Generator, task: Task) -> Baseline:
        return judge_unedited(generator.sample(task.sample), task.sample, task.keypoint)

    def length_unit(self, generator: Generator, baseline: Baseline) -> float:
        return 1.0

    def subject(self, generator: Generator, task: Task, settings: DragSettings) -> ViewSubject:
        view = view_of_task(generator, task.number)
        return ViewSubject.for_settings(
            generator, generator.latents(task.sample), view.camera, view.size, "geometry", settings
        )

    def placed(self, subject: ViewSubject, task: Task) -> tuple[Tensor, Tensor]:
        """The pixel at which the keypoint's place on the surface is seen, and that displaced."""
        place = keypoints(subject.generator, task.sample)[task.keypoint]
        handle = subject.sight_of(subject.start).onto(subject.places(_on_surface(subject, place)))
        return handle, handle + handle.new_tensor([task.displacement])

    def judge(
        self, baseline: Baseline, subject: ViewSubject, task: Task, latents: Tensor, handle: Tensor, target: Tensor
    ) -> ViewVerdict:
        edited = subject.generator.shape(subject.unpack(latents))
        number = keypoint_names(subject.generator).index(task.keypoint)
        start = subject.lifted(subject.start, handle[None]).cpu()
        # Where the lifted handle is now is told by the picture alone: the point seen at the target's pixel.
        end = subject.lifted(latents, target[None]).cpu()
        found, error = refit(edited, baseline.parameters, (number, end[0]))
        before, after = (
            subject.places(teacher.keypoints(p)[:, number].to(handle)).cpu()[0] for p in (baseline.parameters, found)
        )
        diagonal = baseline.shape.diagonal
        off = off_region_change(baseline.shape, edited, torch.cat([start, end]), REGION * diagonal) / diagonal
        seen = subject.places(end.to(handle)).cpu()[0]
        return ViewVerdict(
            keypoint_distance=float((after - target.cpu()).norm()),
            keypoint_moved=float((after - before).norm()),
            fit_error=error / diagonal,
            off_region_mean=float(off.mean()) if len(off) else 0.0,
            off_region_p95=float(np.quantile(off, 0.95)) if len(off) else 0.0,
            way_in_space=float((end - start).norm()) * subject.magnification / LENGTH,
            lifted_off=float((seen - target.cpu()).norm()),
            components=components(edited.vertices, edited.faces),
            watertight=is_watertight(edited.faces),
        )

    def arrived(self, record: Record) -> bool:
        return record["reason"] == "arrived"

    def reached(self, record: Record) -> bool:
        return record["keypoint_distance"] <= REACHED

    def own_figures(self, finished: list[Record]) -> Figures:
        return {
            "way_in_space_mean": mean_of(np.array([r["way_in_space"] for r in finished]), 3),
            "one_component": sum(r["components"] == 1 for r in finished),
            "watertight": sum(bool(r["watertight"]) for r in finished),
        }

    def own_rows(self) -> tuple[Row, ...]:
        return (
            ("handle's way in space over its way in the picture", plain("way_in_space_mean")),
            ("one component", share_of("one_component")),
            ("watertight", share_of("watertight")),
        )

    def titles(self) -> dict[str, str]:
        return {
            "arrived": "arrived by its own tracker",
            "reached": f"keypoint within {REACHED:g} px by the judge",
            "keypoint": f"keypoint to target, judged (px of {WIDTH})",
            "off_region": "off-region change (% of the diagonal)",
        }

    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        return (
            f"as seen in a picture of {WIDTH} x {WIDTH} pixels, by a tenth of it",
            f"Views are {', '.join(VIEWS)} in turn. A success has arrived by its own tracker *and* by the judge: the "
            "teacher's parameters, re-fitted to the edited shape, put the keypoint within "
            f"{settings['reached_within']:g} px of the target. Lengths are pixels. Off-region change: distance from "
            f"the original surface farther than {settings['region_radius']:g} diagonals from handle and target to the "
            "edited surface, % of the diagonal.",
        )
