"""What a user may give: points, targets, settings. Every refusal is one line that says what to do."""

from __future__ import annotations

import dataclasses
import difflib
import math
from typing import Any

from drag3d.core import DragSettings
from drag3d.core.methods import method_named
from drag3d.core.methods.parts import left_out
from drag3d.core.settings import VARIANTS
from drag3d.session.state import Position
from drag3d.subjects.surface import LATENTS_MOVED
from get3d_models.errors import InputError

MAX_POINTS = 1000
MAX_STEPS = 1_000_000
MAX_SEED = 2**63 - 1


def numbers(what: str, values: Any, axes: str) -> Position:
    """Any count of finite numbers from a sequence, an array or a tensor; ``axes`` says in a message what was wanted."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    try:
        found = () if isinstance(values, str | bytes) else tuple(float(v) for v in values)
    except (TypeError, ValueError, OverflowError):
        found = ()
    if not found:
        raise InputError(f"{what} must be {axes}, not {_short(values)}")
    if not all(math.isfinite(v) for v in found):
        raise InputError(f"{what} must be finite, not {_short(found)}")
    return found


def triple(what: str, values: Any) -> tuple[float, float, float]:
    """Three finite numbers from a sequence, an array or a tensor."""
    axes = "three numbers x, y, z"
    found = numbers(what, values, axes)
    if len(found) != 3:
        raise InputError(f"{what} must be {axes}, not {_short(values)}")
    return found[0], found[1], found[2]


def pixel(what: str, values: Any) -> Position:
    """Two finite numbers x, y, from a sequence, an array or a tensor."""
    axes = "x,y in pixels"
    found = numbers(what, values, axes)
    if len(found) != 2:
        raise InputError(f"{what} must be {axes}, not {_short(values)}")
    return found


def place(point: Position) -> str:
    """A point as text, to four digits."""
    return f"({', '.join(f'{v:.4g}' for v in point)})"


def seed_of(what: str, value: Any) -> int:
    """A seed: a whole number from 0 on."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InputError(f"{what} must be a whole number from 0 on, not {_short(value)}")
    if not 0 <= (number := int(value)) <= MAX_SEED:
        raise InputError(f"{what} must be a whole number from 0 to 2^63 - 1, not {_short(number)}")
    return number


def label_of(value: Any) -> int:
    """A class: a whole number from 0 on; whether the model has it is another question."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 0:
        raise InputError(f"a class label is a whole number from 0 on, not {_short(value)}")
    return int(value)


def truncation_of(value: Any) -> float:
    """A truncation: 1 leaves samples as they are, 0 makes all of them the average shape."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -2 <= value <= 2:
        raise InputError(f"the truncation must be a number from -2 to 2 (usually 0.5 to 1), not {_short(value)}")
    return float(value)


def latents_moved_of(value: Any) -> str:
    """Which latents a drag moves."""
    if value not in LATENTS_MOVED:
        raise InputError(f"latents to move are {', '.join(LATENTS_MOVED)}, not {_short(value)}")
    return str(value)


def changed_settings(settings: DragSettings, changes: dict[str, Any]) -> DragSettings:
    """``settings`` with ``changes``, all checked; unknown names and unusable values are refused."""
    known = {f.name: f for f in dataclasses.fields(DragSettings)}
    for name in changes:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(known)}."
            raise InputError(f"a drag has no setting {name!r}: {hint}")
    result = dataclasses.replace(settings, **changes)
    method_named(result.method if isinstance(result.method, str) else _short(result.method))
    if result.space not in ("w", "w+"):
        raise InputError(f"a drag's latent space is w or w+, not {_short(result.space)}")
    if result.features not in (None, *LATENTS_MOVED):
        raise InputError(f"features are {', '.join(LATENTS_MOVED)}, not {_short(result.features)}")
    for name, least, most in (("max_steps", 0, MAX_STEPS), ("patience", 1, MAX_STEPS), ("seed", 0, MAX_SEED)):
        value = getattr(result, name)
        if not (name == "patience" and value is None) and not (type(value) is int and least <= value <= most):
            raise InputError(f"{name} must be a whole number from {least} to {most}, not {_short(value)}")
    _check_image_settings(result)
    if not isinstance(result.without, str):
        raise InputError(f"parts to leave out are names with + between them, not {_short(result.without)}")
    if left_out(result.without) and result.method != "default":
        raise InputError(f"only the default method has parts to leave out, not {result.method}")
    if result.variant not in VARIANTS:
        raise InputError(f"a variant is {' or '.join(VARIANTS)}, not {_short(result.variant)}")
    for name in ("tolerance", "learning_rate", "patch_radius", "search_radius", "step_length", "hold_weight"):
        value = getattr(result, name)
        _check_positive(name, value, zero_too=name == "hold_weight")
    return result


def _check_image_settings(settings: DragSettings) -> None:
    for name in ("layers", "feature_block"):
        value, least = getattr(settings, name), int(name == "layers")
        if value is not None and (type(value) is not int or value < least):
            raise InputError(f"{name} must be a whole number from {least} on, not {_short(value)}")


def _check_positive(name: str, value: Any, zero_too: bool) -> None:
    if value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < 0 or (value == 0 and not zero_too):
        raise InputError(
            f"{name} must be a {'number from 0 on' if zero_too else 'positive number'}, not {_short(value)}"
        )


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
