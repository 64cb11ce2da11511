"""StyleGAN2 generators in the snapshots of stylegan2-ada-pytorch and of the stylegan3 repository.

Such a file holds every layer as an object whose class is defined by source code in the same file. The code is ignored;
the attributes of each object say what it does. They are compared with what our layers do, because defaults changed
between versions of the code: a network that ours would not reproduce is refused, not approximated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from get3d_models.errors import InputError
from get3d_models.safe_loading import PickledModule
from get3d_models.stylegan2_layouts import NAME_LENGTH, FoundImage, without_filters

LAYOUT = "a stylegan2-ada-pytorch or stylegan3-repository pickle"
# Which class belongs where.
CLASSES = (
    (r"", "Generator"),
    (r"mapping", "MappingNetwork"),
    (r"synthesis", "SynthesisNetwork"),
    (r"mapping\.(embed|fc[0-9]{1,2})", "FullyConnectedLayer"),
    (r"synthesis\.b[0-9]{1,4}", "SynthesisBlock"),
    (r"synthesis\.b[0-9]{1,4}\.conv[01]", "SynthesisLayer"),
    (r"synthesis\.b[0-9]{1,4}\.torgb", "ToRGBLayer"),
    (r"synthesis\.b[0-9]{1,4}\.skip", "Conv2dLayer"),
    (r"synthesis\.b[0-9]{1,4}\.(conv[01]|torgb)\.affine", "FullyConnectedLayer"),
)
# Attributes of the whole network, and what our configuration calls them.
SIZES = (("z_dim", "z_dim"), ("c_dim", "label_dim"), ("w_dim", "w_dim"), ("img_resolution", "resolution"),
         ("img_channels", "image_channels"))  # fmt: skip
MAPPING_MULTIPLIER = 0.01


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def from_module(generator: PickledModule, source: str) -> FoundImage:
    """The state and settings of a pickled generator; InputError when it is no StyleGAN2 that ours reproduces."""
    state = generator.state_dict()
    refuse_other_networks(set(state), source)
    modules = dict(_modules(generator))
    for name, module in modules.items():
        _check_class(name, module, source)
    for name, module in modules.items():
        for attribute, expected in _expected(name, module, modules).items():
            _check(name, module, attribute, expected, source)
    layers = {n: m for n, m in modules.items() if m.class_name in ("SynthesisLayer", "ToRGBLayer")}
    for name, module in layers.items():
        if module.state.get("use_noise") is False:
            state |= _no_noise(name, state, source)
    return FoundImage(
        layout=LAYOUT,
        state=without_filters(state, source),
        conv_clamp=_one_clamp(layers, source),
        architecture=_one_architecture(modules, source),
        stated=tuple((ours, generator.state.get(theirs, MISSING)) for theirs, ours in SIZES),
        may_lack_average="mapping" in modules and modules["mapping"].state.get("w_avg_beta", MISSING) is None,
        source_sha256=generator.source_sha256,
    )


def refuse_other_networks(names: set[str], source: str) -> None:
    """InputError for the names of StyleGAN3's generator or of a discriminator."""
    if any(re.match(r"synthesis\.(input\.|L[0-9]+_)", name) for name in names):
        raise InputError(
            f"{source} is a StyleGAN3 (alias-free) generator, which is not supported; give a StyleGAN2 file"
        )
    if any(re.match(r"(b[0-9]+\.fromrgb|b4\.out|final_conv|final_linear)\.", name) for name in names):
        raise InputError(f"{source} holds a discriminator, not a generator; give the file with the generator")


def _modules(module: PickledModule, name: str = "") -> Iterator[tuple[str, PickledModule]]:
    yield name, module
    for child, part in (module.state.get("_modules") or {}).items():
        if isinstance(part, PickledModule):
            yield from _modules(part, f"{name}.{child}" if name else child)


def _check_class(name: str, module: PickledModule, source: str) -> None:
    expected = next((c for pattern, c in CLASSES if re.fullmatch(pattern, name)), None)
    if module.class_name != expected:
        where = f" (its {name[:NAME_LENGTH]})" if name else ""
        raise InputError(
            f"{source} is not a StyleGAN2 generator that is known here: it holds a {module.class_name[:40]!r}{where}"
            f"{f' where a {expected} belongs' if expected else ''}; give another file"
        )


def _expected(name: str, module: PickledModule, modules: dict[str, PickledModule]) -> dict[str, Any]:
    """What the attributes of a module must be for our layers to do the same."""
    weight = (module.state.get("_parameters") or {}).get("weight")
    inputs = weight.shape[1] if isinstance(weight, Tensor) and weight.ndim > 1 and weight.shape[1] else 1
    if module.class_name == "FullyConnectedLayer":
        in_mapping = name.startswith("mapping.fc")
        multiplier = MAPPING_MULTIPLIER if in_mapping else 1.0
        gains = {"weight_gain": multiplier / math.sqrt(inputs), "bias_gain": multiplier}
        return {"activation": "lrelu" if in_mapping else "linear", **gains}
    if module.class_name == "SynthesisLayer":
        up = 2 if name.endswith("conv0") else 1
        return {"activation": "lrelu", "up": up, "act_gain": math.sqrt(2), "padding": 1}
    if module.class_name == "ToRGBLayer":
        return {"weight_gain": 1 / math.sqrt(inputs)}
    if module.class_name == "Conv2dLayer":
        gains = {"weight_gain": 1 / math.sqrt(inputs), "act_gain": 1.0}
        return {"activation": "linear", "up": 2, "down": 1, "padding": 0, "conv_clamp": None, **gains}
    if module.class_name == "MappingNetwork":
        return {"num_layers": sum(n.startswith("mapping.fc") for n in modules)}
    return {}


def _check(name: str, module: PickledModule, attribute: str, expected: Any, source: str) -> None:
    value = module.state.get(attribute, MISSING)
    if is_number(value) and is_number(expected):
        agrees = math.isclose(value, expected, rel_tol=1e-5)
    else:
        agrees = type(value) is type(expected) and value == expected
    if not agrees:
        raise InputError(
            f"{source} holds a network that would not be reproduced: {name[:NAME_LENGTH]} has {attribute} = "
            f"{_shown(value)}, and only {_shown(expected)} is supported; give another file"
        )


def is_number(value: Any) -> bool:
    """Whether a value is a number that can be computed with: no bool, and no integer of many digits."""
    return type(value) is float or (type(value) is int and abs(value) < 1 << 53)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value)[:40] if isinstance(value, str | int | None | _Missing) else f"a {type(value).__name__}"


def _one_clamp(layers: dict[str, PickledModule], source: str) -> float | None:
    """The bound on activations that all layers share."""
    clamps = {name: module.state.get("conv_clamp", MISSING) for name, module in layers.items()}
    for name, clamp in clamps.items():
        if clamp is not None and not is_number(clamp):
            raise InputError(f"{source} is damaged (its {name} has conv_clamp = {_shown(clamp)}); get it again")
    different = sorted({"None" if clamp is None else f"{clamp:g}" for clamp in clamps.values()})
    if len(different) > 1:
        raise InputError(
            f"{source} holds a network that would not be reproduced: its layers have different bounds on activations "
            f"(conv_clamp {' and '.join(different[:2])}); give another file"
        )
    clamp = next(iter(clamps.values()), None)
    return None if clamp is None else float(clamp)


def _one_architecture(modules: dict[str, PickledModule], source: str) -> str | None:
    """The architecture that all blocks share."""
    blocks = [m.state.get("architecture", MISSING) for m in modules.values() if m.class_name == "SynthesisBlock"]
    if any(not isinstance(block, str) or block != blocks[0] for block in blocks):
        raise InputError(f"{source} is damaged (its blocks are not of one architecture); get it again")
    return blocks[0] if blocks else None


def _no_noise(layer: str, state: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """The noise of a layer made to have none: maps of zeros, of strength 0."""
    const = state.get("synthesis.b4.const")
    resolution = int(re.sub(r"\D", "", layer.split(".")[1]))
    if const is None or const.ndim != 3 or resolution > 2048 or max(const.shape[1:]) > 64:
        raise InputError(f"{source} is not a complete StyleGAN2 generator (its constant is missing); get it again")
    rows, columns = (length * resolution // 4 for length in const.shape[1:])
    return {f"{layer}.noise_const": torch.zeros(rows, columns), f"{layer}.noise_strength": torch.zeros(())}
