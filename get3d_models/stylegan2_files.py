"""StyleGAN2 generators in files of every origin: what a file's content holds, in official names.

Read are the snapshots of stylegan2-ada-pytorch and the stylegan3 repository, whose networks are reduced to attributes;
those of TensorFlow; rosinality's layout, in which most community files come; and bare states in official names. What an
attribute says counts, never what some version of the code has as its default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.layers import resample_filter
from get3d_models.safe_loading import PickledModule
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.stylegan2_layouts import (
    NAME_LENGTH,
    ROSINALITY,
    TENSORFLOW,
    FoundImage,
    is_rosinality,
    tensorflow_variables,
    translated,
    without_filters,
)
from get3d_models.stylegan2_pickles import from_module, is_number, refuse_other_networks

OFFICIAL_CLAMP = 256.0  # of all networks that official code trained, where a file does not say
AVERAGED_CODES = 4096  # to estimate an average latent that is not in the file
STARTS = ((4, 4), (4, 2))
# Settings of a TensorFlow network that ours reproduces; others that it may have change nothing in the image.
TENSORFLOW_SETTINGS: dict[str, tuple[Any, ...]] = {
    "architecture": ("skip", "orig", "resnet"),
    "mapping_lrmul": (0.01,),
    "mapping_nonlinearity": ("lrelu",),
    "nonlinearity": ("lrelu",),
    "normalize_latents": (True,),
    "normalize_z": (True,),
    "fused_modconv": (True, False),
    "resample_kernel": ("[1, 3, 3, 1]", "(1, 3, 3, 1)", None),
    "use_noise": (True,),
}


def find_image(content: Any, source: str) -> FoundImage | None:
    """The StyleGAN2 generator in the content of a checkpoint; None for what may be a GET3D checkpoint.

    Raises InputError for a generator of another kind (StyleGAN, StyleGAN3), a discriminator, and a StyleGAN2 network
    that does something ours does not.
    """
    if isinstance(content, tuple) and content and isinstance(content[-1], PickledModule):
        return from_tensorflow(content[-1], source)
    if isinstance(content, PickledModule):
        return from_module(content, source)
    if not isinstance(content, Mapping):
        return None
    averaged = next((content[key] for key in ("G_ema", "g_ema") if key in content), content)
    if isinstance(averaged, PickledModule):
        return from_module(averaged, source)
    if not isinstance(averaged, Mapping):
        return None
    return from_state({str(key): value for key, value in averaged.items()}, content.get("latent_avg"), source)


def from_state(state: Mapping[str, Any], average: Any, source: str) -> FoundImage | None:
    """The generator in a state of official names or rosinality's; None if the names are neither."""
    names = set(state)
    refuse_other_networks(names, source)
    if is_rosinality(names):
        return _from_rosinality(state, average, source)
    if not any(n.startswith("synthesis.b4.") for n in names) or any(n.startswith("mapping_geo") for n in names):
        return None
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor):
            raise InputError(f"{source} is damaged (its entry {name[:NAME_LENGTH]} is no tensor); get it again")
    note = f"conv_clamp is not in the file; {OFFICIAL_CLAMP:g} is what official training sets"
    return FoundImage("a state in official names", without_filters(state, source), OFFICIAL_CLAMP, notes=(note,))


def _from_rosinality(state: Mapping[str, Any], average: Any, source: str) -> FoundImage:
    found = without_filters(translated(state, ROSINALITY, source), source)
    notes = []
    if isinstance(average, Tensor):
        # Some files repeat it for every row of the latent.
        rows = average.reshape(-1, average.shape[-1]) if average.numel() and average.ndim else average.reshape(1, -1)
        if bool((rows != rows[:1]).any()):
            raise InputError(f"{source} has a latent_avg that differs between rows; give a file with a single one")
        found["mapping.w_avg"] = rows[0]
    else:
        notes.append(f"the average latent is not in the file; estimated from {AVERAGED_CODES} random codes")
    if not any(name.endswith("noise_const") for name in found):
        notes.append("the noise is not in the file; drawn from seed 0")
    return FoundImage(
        "a rosinality g_ema file", found, None, "skip", may_lack_noise=True, may_lack_average=True, notes=tuple(notes)
    )


def from_tensorflow(network: PickledModule, source: str) -> FoundImage:
    """The averaged generator, the last of the three networks in a TensorFlow snapshot."""
    variables = dict(tensorflow_variables(network, source))
    if any("/StyleMod/" in name for name in variables):
        raise InputError(f"{source} is a StyleGAN (version 1) generator, which is not supported; give a StyleGAN2 file")
    parts = [network, *network.state["components"].values()]
    settings: dict[str, Any] = {}
    for part in parts:
        given = part.state.get("static_kwargs") if isinstance(part, PickledModule) else None
        settings |= given if isinstance(given, dict) else {}
    for name, allowed in TENSORFLOW_SETTINGS.items():
        if name in settings and str(settings[name])[:40] not in map(str, allowed):
            raise InputError(
                f"{source} holds a network that would not be reproduced: its {name} is {str(settings[name])[:40]}; "
                "give another file"
            )
    clamp = settings.get("conv_clamp")
    if clamp is not None and not is_number(clamp):
        raise InputError(f"{source} is damaged (its conv_clamp is a {type(clamp).__name__}); get it again")
    stated = (("z_dim", "latent_size"), ("w_dim", "dlatent_size"), ("label_dim", "label_size"),
              ("resolution", "resolution"), ("image_channels", "num_channels"))  # fmt: skip
    return FoundImage(
        layout="a TensorFlow pickle",
        state=without_filters(translated(variables, TENSORFLOW, source), source),
        conv_clamp=None if clamp is None else float(clamp),
        architecture=str(settings["architecture"]) if "architecture" in settings else None,
        stated=tuple((ours, settings[theirs]) for ours, theirs in stated if theirs in settings),
        source_sha256=next((p.source_sha256 for p in parts if isinstance(p, PickledModule) and p.source_sha256), None),
    )


def image_config(found: FoundImage, source: str) -> ImageConfig:
    """The configuration that the shapes of the tensors tell, with what the file states besides."""
    state = found.state

    def numbers(pattern: str) -> list[int]:
        return sorted({int(m[1]) for k in state if (m := re.fullmatch(pattern, k))})

    def size(key: str, axis: int = 0) -> int:
        if key not in state or state[key].ndim <= axis:
            raise InputError(f"{source} is not a StyleGAN2 generator (it has no usable tensor {key}); give another")
        return state[key].shape[axis]

    blocks = numbers(r"synthesis\.b([0-9]{1,6})\..+")
    if blocks != [4 << i for i in range(len(blocks))]:
        said = ", ".join(map(str, blocks[:12]))
        raise InputError(f"{source} is not a complete StyleGAN2 generator (its blocks are {said}); get it again")
    start = size("synthesis.b4.const", 1), size("synthesis.b4.const", 2)
    if start not in STARTS:
        raise InputError(f"{source} starts from a constant of {start[0]}x{start[1]}; only 4x4 and 4x2 are supported")
    layers = max(numbers(r"mapping\.fc([0-9]{1,6})\..+"), default=0) + 1
    labels = "mapping.embed.weight" in state
    values = {
        "z_dim": size("mapping.fc0.weight", 1) - (size("mapping.embed.weight") if labels else 0),
        "w_dim": size(f"mapping.fc{layers - 1}.weight"),
        "label_dim": size("mapping.embed.weight", 1) if labels else 0,
        "mapping_layers": layers,
        "mapping_width": size("mapping.fc0.weight") if layers > 1 else None,
        "label_width": size("mapping.embed.weight") if labels else None,
        "channels": tuple(size(f"synthesis.b{r}.conv1.weight") for r in blocks),
        "image_channels": size(f"synthesis.b{blocks[-1] if blocks else 4}.torgb.weight"),
        "architecture": found.architecture or _architecture(state),
        "conv_clamp": found.conv_clamp,
        "start": start,
    }
    try:
        config = ImageConfig.from_dict(values)
    except InputError as error:
        raise InputError(f"{source} is not a StyleGAN2 generator that can be used: {error}") from None
    for name, stated in found.stated:
        if type(stated) is not int or stated != getattr(config, name):
            raise InputError(
                f"{source} is inconsistent: it says that {name} is {str(stated)[:40]}, its tensors say "
                f"{getattr(config, name)}; get it again"
            )
    return config


def _architecture(state: Mapping[str, Tensor]) -> str:
    """What the tensors tell: "resnet" has layers named skip, "skip" a to-RGB layer in every block."""
    if any(re.fullmatch(r"synthesis\.b[0-9]+\.skip\.weight", name) for name in state):
        return "resnet"
    return "skip" if "synthesis.b4.torgb.weight" in state else "orig"


def completed(found: FoundImage, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state with the filter that every network has and, for a layout that may lack it, noise from seed 0."""
    state = {key: resample_filter() for key in expected if key.endswith("resample_filter")} | found.state
    random = np.random.RandomState(0)
    for key, tensor in expected.items():
        if found.may_lack_noise and key.endswith("noise_const") and key not in state:
            state[key] = torch.from_numpy(random.standard_normal(tuple(tensor.shape)).astype(np.float32))
    if found.may_lack_average and "mapping.w_avg" in expected:
        state.setdefault("mapping.w_avg", torch.zeros_like(expected["mapping.w_avg"], device="cpu"))
    return state


def estimate_average(generator: ImageGenerator) -> None:
    """Set the average latent to the mean over random codes (and random labels), as a file without one leaves it."""
    config, random = generator.config, np.random.RandomState(0)
    total = torch.zeros(config.w_dim, dtype=torch.float64)
    with torch.no_grad():
        for _ in range(8):
            z = torch.from_numpy(random.standard_normal((AVERAGED_CODES // 8, config.z_dim)).astype(np.float32))
            labels = None
            if config.label_dim:
                classes = torch.from_numpy(random.randint(config.label_dim, size=len(z)))
                labels = torch.nn.functional.one_hot(classes, config.label_dim).float()
            total += generator.map(z, labels)[:, 0].double().sum(dim=0)
        generator.mapping.w_avg.copy_(total / AVERAGED_CODES)
