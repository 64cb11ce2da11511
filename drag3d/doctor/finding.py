"""What was found of one part."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

WORKS, MISSING, BROKEN = "works", "missing", "broken"
TEXT_LENGTH = 400


@dataclass(frozen=True)
class Finding:
    """The state of one part, in words for a person."""

    part: str
    """What it is called"""
    state: str
    """"works": it was tried; "missing": it is not here; "broken": it is here and fails"""
    detail: str
    """What was found, or why it does not work: one phrase"""
    remedy: str = ""
    """What to do about it: one phrase, or nothing where there is nothing to do"""
    required: bool = False
    """Whether nothing goes without it"""

    def __post_init__(self) -> None:
        if self.state not in (WORKS, MISSING, BROKEN):
            raise ValueError(f"a part works, is missing or broken, not {self.state!r}")
        for name in ("detail", "remedy"):  # other programs' words are in them
            object.__setattr__(self, name, " ".join(getattr(self, name).split())[:TEXT_LENGTH])

    @property
    def text(self) -> str:
        """Detail and remedy, one line."""
        return "; ".join(part for part in (self.detail, self.remedy) if part)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return dataclasses.asdict(self)
