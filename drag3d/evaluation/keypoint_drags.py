"""Seeded tasks: drag a keypoint of one sample to where another sample has it.

It is the landmark test of "Drag Your GAN" (section 4.2), with the teacher as the detector of landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from drag3d.subjects.surface import SurfaceSubject
from get3d_models.errors import InputError
from get3d_models.generator import Generator
from get3d_models.keypoints import keypoint_names, keypoints

PROTOCOL = "keypoints"
POINTS = 1
SHORTEST, LONGEST = 0.10, 0.20
ATTEMPTS = 200


@dataclass(frozen=True)
class KeypointDrag:
    """Task ``number`` of a seeded series. It does not depend on how long the series is."""

    number: int
    sample: int
    """Seed of the shape to edit"""
    other: int
    """Seed of the shape whose keypoint is the goal"""
    keypoint: str
    displacement: tuple[float, float, float]
    """From the first sample's keypoint to the other's, world units"""
    length: float
    """Length of the displacement over the diagonal of the first sample"""

    def placed(self, subject: SurfaceSubject) -> tuple[Tensor, Tensor]:
        """Handle and target ``(1, 3)`` each on the sample's surface: the keypoint snapped to it, and that displaced.

        A trained surface is a little off the teacher's; so a target is never a place on the teacher's surface, but as
        far from the handle as the other sample's keypoint is from this one's.
        """
        place = keypoints(subject.generator, self.sample)[self.keypoint][None].to(subject.start.device)
        handle = subject.field(subject.start, place, subject.search_radius).snap(place)
        return handle, handle + handle.new_tensor([self.displacement])


def keypoint_drag(generator: Generator, seed: int, number: int) -> KeypointDrag:
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
            return KeypointDrag(number, sample, other, names[chosen], (x, y, z), float(shares[chosen]))
    raise InputError(f"no two samples of {generator.name!r} have keypoints 10 to 20% of a diagonal apart")
