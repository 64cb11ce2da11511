"""How points, keypoints and regions are written on a command line."""

from __future__ import annotations

import math
from typing import Any

import click

Triple = tuple[float, float, float]
Place = tuple[float, ...]
"""x, y of an image's pixel, or x, y, z of a shape: which of them fits follows from the model."""


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return None


def _triple(text: str) -> Triple | None:
    numbers = _numbers(text)
    if numbers is None or len(numbers) != 3 or not all(math.isfinite(v) for v in numbers):
        return None
    return numbers[0], numbers[1], numbers[2]


def _place(text: str) -> Place | None:
    numbers = _numbers(text)
    if numbers is None or len(numbers) not in (2, 3) or not all(math.isfinite(v) for v in numbers):
        return None
    return tuple(numbers)


class PlacePair(click.ParamType):
    """``x,y:x,y`` or ``x,y,z:x,y,z``: a handle and its target."""

    name = "x,y[,z]:x,y[,z]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Place, Place]:
        """Two places of as many finite numbers."""
        parts = [_place(part) for part in str(value).split(":")]
        if len(parts) != 2 or parts[0] is None or parts[1] is None or len(parts[0]) != len(parts[1]):
            self.fail(
                f"{value!r} is not two places of two or three finite numbers; write it as x,y:x,y for an image, as "
                "x,y,z:x,y,z for a shape", param, ctx,
            )  # fmt: skip
        return parts[0], parts[1]


class NamedOffset(click.ParamType):
    """``name:dx,dy`` or ``name:dx,dy,dz``: a keypoint and how far it shall go."""

    name = "name:dx,dy[,dz]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Place]:
        """A name and two or three finite numbers."""
        name, _, rest = str(value).partition(":")
        offset = _place(rest)
        if not name or offset is None:
            self.fail(
                f"{value!r} is not a keypoint and an offset; write it as mouth_left:dx,dy for an image, as "
                "snout:dx,dy,dz for a shape", param, ctx,
            )  # fmt: skip
        return name, offset


class TriplePair(click.ParamType):
    """``x,y,z:x,y,z``: two corners of a box."""

    name = "x,y,z:x,y,z"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Triple, Triple]:
        """Two triples of finite numbers."""
        parts = [_triple(part) for part in str(value).split(":")]
        if len(parts) != 2 or parts[0] is None or parts[1] is None:
            self.fail(f"{value!r} is not two places of three finite numbers; write it as x,y,z:x,y,z", param, ctx)
        return parts[0], parts[1]


class Ball(click.ParamType):
    """``x,y,z:r``: the centre of a sphere and its radius."""

    name = "x,y,z:r"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Triple, float]:
        """A triple and a number, finite both."""
        place, _, rest = str(value).partition(":")
        center, radius = _triple(place), _numbers(rest)
        if center is None or radius is None or len(radius) != 1 or not math.isfinite(radius[0]):
            self.fail(f"{value!r} is not a centre and a radius; write it as x,y,z:r", param, ctx)
        return center, radius[0]
