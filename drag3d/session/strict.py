"""Reading untrusted JSON: every value is asked for by name, type and bounds, and nothing else may be there."""

from __future__ import annotations

import json
import math
from typing import Any


class Damaged(ValueError):
    """A value that is missing, of another type or out of bounds; the message says which."""


def parse(text: str) -> dict[str, Any]:
    """A JSON object; NaN, infinity and nesting too deep to be meant are refused."""

    def refuse(constant: str) -> None:
        raise Damaged(f"it holds {constant}")

    try:
        value = json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise Damaged("its JSON is nested too deeply") from None
    except ValueError as error:
        raise Damaged(f"its JSON does not parse: {str(error)[:80]}") from None
    if not isinstance(value, dict):
        raise Damaged("its JSON is not an object")
    return value


class Fields:
    """The fields of one JSON object, each to be taken once; what is left over at the end is refused."""

    def __init__(self, value: Any, what: str):
        if not isinstance(value, dict):
            raise Damaged(f"{what} is not an object")
        self._values, self._what = dict(value), what

    def take(self, name: str) -> Any:
        """The raw value of a field that must be there."""
        if name not in self._values:
            raise Damaged(f"{self._what} has no {name!r}")
        return self._values.pop(name)

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number within bounds."""
        return integer(self.take(name), f"{name!r} of {self._what}", low, high)

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number within bounds."""
        return number(self.take(name), f"{name!r} of {self._what}", low, high)

    def text(self, name: str, longest: int) -> str:
        """A printable string of bounded length: it may end up on someone's terminal."""
        value = self.take(name)
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            raise Damaged(f"{name!r} of {self._what} is not a printable text of at most {longest} characters")
        return value

    def items(self, name: str, most: int) -> list[Any]:
        """A list of bounded length."""
        return items(self.take(name), f"{name!r} of {self._what}", most)

    def close(self) -> None:
        """Refuse whatever was not asked for."""
        if self._values:
            raise Damaged(f"{self._what} has an unknown field {next(iter(self._values))[:40]!r}")


def integer(value: Any, what: str, low: int, high: int) -> int:
    """A whole number within bounds."""
    if type(value) is not int or not low <= value <= high:
        raise Damaged(f"{what} is not a whole number from {low} to {high}")
    return value


def number(value: Any, what: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number within bounds."""
    if type(value) not in (int, float):
        raise Damaged(f"{what} is not a number")
    try:
        value = float(value)
    except OverflowError:
        raise Damaged(f"{what} is too large") from None
    if not (math.isfinite(value) and low <= value <= high):
        raise Damaged(f"{what} is not a finite number from {low:g} to {high:g}")
    return value


def items(value: Any, what: str, most: int) -> list[Any]:
    """A list of bounded length."""
    if not isinstance(value, list) or len(value) > most:
        raise Damaged(f"{what} is not a list of at most {most} items")
    return value


def position(value: Any, what: str, dimensions: int = 3) -> tuple[float, ...]:
    """As many finite numbers as there are dimensions, none beyond what any model's world holds."""
    values = tuple(number(v, what, -1e6, 1e6) for v in items(value, what, dimensions))
    if len(values) != dimensions:
        raise Damaged(f"{what} is not a list of {dimensions} numbers")
    return values
