"""Drags of a sample towards another one near to it: paired reconstruction ("Drag Your GAN", section 4.2).

The near one's code lies half of the way from the sample's to that of another seed. Drags are true correspondences: the
keypoints of the teacher, who knows them for any code, put onto the two surfaces. (Vertices on a tet edge that both
surfaces cut are at most a cell apart, 2% of a quadruped's diagonal: too little for a drag.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from drag3d.evaluation import image_drags, shape_drags
from drag3d.evaluation.course import Course
from drag3d.evaluation.images import WIDTH, Images
from drag3d.evaluation.keypoint_drags import ATTEMPTS, chosen_points, within
from drag3d.evaluation.likened import Goal, Likened
from drag3d.evaluation.shapes import Shapes
from drag3d.evaluation.yardstick import Point, Task
from drag3d.subjects.image import ImageSubject
from drag3d.subjects.surface import SurfaceSubject
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait, quadruped

SHARE = 0.5
"""Of the way to the other sample's code"""
SHORTEST, LONGEST = 0.05, 0.20
"""Of drags of shapes, in diagonals"""
STREAM = 2


class _Pairs(Likened):
    """What pairs of shapes and of images have in common."""

    protocol = "pairs"

    def __init__(self, points: int = 1):
        self.points = points

    def before(self, generator: Any, task: Task) -> Goal:
        wanted = self.material.near_latents(generator, task.sample, task.other, SHARE)
        original = self.material.product(generator, generator.latents(task.sample))
        return Goal(original, self.material.product(generator, wanted))

    def started(self, before: Goal, course: Course) -> Any:
        return before.original

    def wanted_title(self) -> str:
        return "the true one"

    def before_title(self) -> str:
        return "before"

    def _explained(self, how_far: str, words: str) -> tuple[str, str]:
        return (
            f"one sample is dragged towards another whose code lies {SHARE:.0%} of the way to a third one's; keypoints "
            f"go to where that has them, {how_far} away",
            "A success has arrived by its own tracker, and what came out is more like the other sample than the first "
            f"one was. {words}",
        )

    def _drawn(
        self, names: tuple[str, ...], number: int, random: np.random.Generator, lengths_of: Any, unusable: str
    ) -> Task:
        """Pairs of seeds are drawn until enough keypoints are of use: ``lengths_of(sample, other)`` tells."""
        for _ in range(ATTEMPTS):
            sample, other = (int(n) for n in random.integers(1 << 31, size=2))
            found = lengths_of(sample, other)
            if found is None:
                continue
            ways, lengths, usable = found
            chosen = chosen_points(random, usable, usable, self.points)
            if chosen is not None:
                points = (Point(names[k], tuple(ways[k].tolist()), float(lengths[k])) for k in chosen)
                return Task(number, sample, other, tuple(points))
        raise InputError(unusable)


def _near_code(here: Tensor, there: Tensor) -> Tensor:
    return (here + SHARE * (there - here)).cpu()


def animal_keypoints(generator: Generator, task: Task, near: bool) -> Tensor:
    """Of the teacher, ``(K, 3)``: on the sample, or on the one near to it."""
    here, there = (generator.code(seed, "geometry") for seed in (task.sample, task.other))
    code = _near_code(here, there) if near else here.cpu()
    places = quadruped.keypoints(quadruped.parameters_from_latent(code, quadruped.SHAPE_PARAMETERS))[0]
    return places[[quadruped.KEYPOINTS.index(name) for name in task.names]]


class ShapePairs(_Pairs):
    """Pairs of shapes."""

    material = Shapes()
    length_range = SHORTEST, LONGEST

    def task(self, generator: Generator, seed: int, number: int) -> Task:
        """Keypoints of the two samples are 5 to 20% of the first one's diagonal apart."""
        names = shape_drags.taught_names(generator, self.points)

        def lengths_of(sample: int, other: int) -> tuple[Tensor, Any, list[int]] | None:
            here, there = (generator.code(s, "geometry").cpu() for s in (sample, other))
            codes = torch.cat([here, _near_code(here, there)])
            with torch.no_grad():
                places = quadruped.keypoints(quadruped.parameters_from_latent(codes, quadruped.SHAPE_PARAMETERS))
            ways = places[1] - places[0]
            lengths = ways.norm(dim=1)
            # The diagonal, which costs a mesh, is looked at only where it can matter: it is longer than a half.
            if int((lengths > SHORTEST / 2).sum()) < self.points:
                return None
            shares = (lengths / generator.sample(sample).diagonal).numpy()
            return ways, shares, within(shares, SHORTEST, LONGEST)

        return self._drawn(
            names, number, np.random.default_rng([seed, number, STREAM]), lengths_of,
            f"no two samples of {generator.name!r} have {self.points} keypoints 5 to 20% of a diagonal apart",
        )  # fmt: skip

    def placed(self, subject: SurfaceSubject, task: Task) -> tuple[Tensor, Tensor]:
        """Keypoints snapped to the surface, and those of the near sample snapped to its surface."""
        generator = subject.generator
        with torch.no_grad():
            here, there = (animal_keypoints(generator, task, near) for near in (False, True))
        wanted = self.material.near_latents(generator, task.sample, task.other, SHARE)
        there = there.to(subject.start.device)
        targets = subject.field(wanted.geometry, there, subject.search_radius).snap(there)
        return shape_drags.on_surface(subject, here), targets

    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        return self._explained(
            f"{100 * SHORTEST:g} to {100 * LONGEST:g}% of the diagonal", self.material.words(settings)
        )


class ImagePairs(_Pairs):
    """Pairs of images."""

    material = Images()
    length_range = image_drags.SHORTEST, image_drags.LONGEST

    def task(self, generator: ImageGenerator, seed: int, number: int) -> Task:
        """Keypoints that both images show are 5 to 15% of the width apart."""
        names = image_drags.taught_names(generator, self.points)
        shortest, longest = self.length_range

        def lengths_of(sample: int, other: int) -> tuple[Tensor, Any, list[int]]:
            parameters = _portraits(generator, sample, other)
            places, shown = portrait.keypoints(parameters), portrait.shown(parameters).all(dim=0)
            ways = (places[1] - places[0]) * generator.size[0]
            lengths = ((places[1] - places[0]) * WIDTH).norm(dim=1).numpy()
            return ways, lengths, [k for k in within(lengths, shortest, longest) if shown[k]]

        return self._drawn(
            names, number, np.random.default_rng([seed, number, STREAM]), lengths_of,
            f"no two samples of {generator.name!r} have {self.points} keypoints 5 to 15% of the width apart",
        )  # fmt: skip

    def placed(self, subject: ImageSubject, task: Task) -> tuple[Tensor, Tensor]:
        """Keypoints, and those of the near sample."""
        generator = subject.generator
        places = portrait.keypoints(_portraits(generator, task.sample, task.other)) * generator.size[0] - 0.5
        numbers = [portrait.KEYPOINTS.index(name) for name in task.names]
        here, there = places[:, numbers].to(subject.start.device)
        return here, there

    def explained(self, settings: dict[str, Any]) -> tuple[str, str]:
        shortest, longest = self.length_range
        return self._explained(f"{shortest:g} to {longest:g} px", self.material.words(settings))


def _portraits(generator: ImageGenerator, sample: int, other: int) -> Tensor:
    """The teacher's parameters ``(2, P)`` of a sample and of the one near to it."""
    here, there = (generator.code(seed).cpu() for seed in (sample, other))
    return portrait.parameters_from_latent(torch.cat([here, _near_code(here, there)]), portrait.PARAMETERS)
