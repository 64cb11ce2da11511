"""The names that TensorFlow and rosinality gave to the tensors of StyleGAN2, and what their numbers need.

Both become the official names of NVIDIA's PyTorch networks (`synthesis.b8.conv0.weight`, ...), which are ours.
:class:`FoundImage` is what every layout is brought into.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from get3d_models.errors import InputError
from get3d_models.layers import resample_filter
from get3d_models.safe_loading import PickledModule

NAME_LENGTH = 120  # of names that come from files, in messages
TENSORFLOW_CLASS = "dnnlib.tflib.network.Network"
NUMBER = r"([0-9]{1,2})"


@dataclass(frozen=True)
class FoundImage:
    """A StyleGAN2 generator as it lies in a file."""

    layout: str
    """What a person calls such a file."""
    state: dict[str, Tensor]
    """Official names, without the resampling filter."""
    conv_clamp: float | None
    architecture: str | None = None
    """None: as the tensors tell."""
    stated: tuple[tuple[str, int], ...] = ()
    """Entries of the configuration that the file states besides its tensors."""
    may_lack_noise: bool = False
    """Whether maps of stored noise, which old files lack, may be drawn."""
    may_lack_average: bool = False
    """Whether the average latent, if the file lacks it, may be estimated."""
    source_sha256: str | None = None
    """Of the source code in the file, which was ignored."""
    notes: tuple[str, ...] = ()


class Misfit(Exception):
    """A tensor that cannot be what its name says, because it lacks what the text tells."""


Change = Callable[[Tensor], Tensor]
# A pattern of foreign names, our name for a match, and what becomes of the numbers.
Rule = tuple[str, Callable[[re.Match[str]], str], Change]


def convolution(index: int) -> str:
    """Our name of the convolution at a place in the order they run: 0 is that of the first block."""
    return "synthesis.b4.conv1" if index == 0 else f"synthesis.b{8 << (index - 1) // 2}.conv{(index - 1) % 2}"


def translated(state: Mapping[str, Any], rules: tuple[Rule, ...], source: str) -> dict[str, Tensor]:
    """A foreign state in official names; InputError names the first entry that no rule knows or fits."""
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        fit = next(
            ((m, name, change) for pattern, name, change in rules if (m := re.fullmatch(pattern, key))),
            None,
        )
        if fit is None or not isinstance(value, Tensor):
            raise InputError(
                f"{source} is not a StyleGAN2 generator that is known here (it holds an unknown "
                f"{key[:NAME_LENGTH]!r}); give another file"
            )
        match, name, change = fit
        try:
            found[name(match)] = change(value)
        except Misfit as misfit:
            raise InputError(
                f"{source} is inconsistent: tensor {key[:NAME_LENGTH]} has shape {tuple(value.shape)}, expected "
                f"{misfit}; get it again"
            ) from None
    return found


# ---- changes of shape and order ----------------------------------------------------------------------------------


def as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def without_leading_ones(count: int) -> Change:
    """Drop so many leading axes of length 1."""

    def change(tensor: Tensor) -> Tensor:
        if tensor.ndim < count or any(length != 1 for length in tensor.shape[:count]):
            raise Misfit(f"{count} leading {'axis' if count == 1 else 'axes'} of length 1")
        return tensor.reshape(tensor.shape[count:])

    return change


def scalar(tensor: Tensor) -> Tensor:
    """The number of a tensor of one element."""
    if tensor.numel() != 1:
        raise Misfit("a single number")
    return tensor.reshape(())


def vector(tensor: Tensor) -> Tensor:
    """All numbers in a row: ``[1, 3, 1, 1] -> [3]``."""
    if tensor.numel() not in tensor.shape:
        raise Misfit("one axis that is longer than 1")
    return tensor.reshape(-1)


def matrix(tensor: Tensor) -> Tensor:
    """TensorFlow's ``[inputs, outputs]`` to ``[outputs, inputs]``."""
    if tensor.ndim != 2:
        raise Misfit("2 axes")
    return tensor.T


def kernel(flip: bool) -> Change:
    """TensorFlow's ``[k, k, inputs, outputs]`` to ``[outputs, inputs, k, k]``, mirrored where it doubles the map."""

    def change(tensor: Tensor) -> Tensor:
        if tensor.ndim != 4:
            raise Misfit("4 axes")
        return (tensor.flip(0, 1) if flip else tensor).permute(3, 2, 0, 1)

    return change


def plus_one(tensor: Tensor) -> Tensor:
    """TensorFlow adds the 1 of a style when it runs; PyTorch's biases include it."""
    return tensor + 1


def filter_times_four(tensor: Tensor) -> Tensor:
    """rosinality's up-sampling filters have their gain in them."""
    return tensor / 4


# ---- rosinality --------------------------------------------------------------------------------------------------


def _of_layer(suffix: str) -> Callable[[re.Match[str]], str]:
    """Our name of an entry of the layer that a match begins with: conv1, to_rgb1, convs.3, to_rgbs.2."""

    def name(match: re.Match[str]) -> str:
        kind, _, index = match[1].partition(".")
        if not index:
            return f"synthesis.b4.{'torgb' if kind == 'to_rgb1' else kind}.{suffix}"
        layer = convolution(int(index) + 1) if kind == "convs" else f"synthesis.b{8 << int(index)}.torgb"
        return f"{layer}.{suffix}"

    return name


_CONVOLUTION = r"(conv1|convs\.[0-9]{1,2})"
_TO_RGB = r"(to_rgb1|to_rgbs\.[0-9]{1,2})"
_EITHER = r"(conv1|convs\.[0-9]{1,2}|to_rgb1|to_rgbs\.[0-9]{1,2})"
ROSINALITY: tuple[Rule, ...] = (
    (rf"style\.{NUMBER}\.(weight|bias)", lambda m: f"mapping.fc{int(m[1]) - 1}.{m[2]}", as_it_is),
    (r"input\.input", lambda m: "synthesis.b4.const", without_leading_ones(1)),
    (rf"{_EITHER}\.conv\.weight", _of_layer("weight"), without_leading_ones(1)),
    (rf"{_EITHER}\.conv\.modulation\.weight", _of_layer("affine.weight"), as_it_is),
    (rf"{_EITHER}\.conv\.modulation\.bias", _of_layer("affine.bias"), as_it_is),
    (rf"{_CONVOLUTION}\.noise\.weight", _of_layer("noise_strength"), scalar),
    (rf"{_CONVOLUTION}\.activate\.bias", _of_layer("bias"), vector),
    (rf"{_TO_RGB}\.bias", _of_layer("bias"), vector),
    (rf"noises\.noise_{NUMBER}", lambda m: f"{convolution(int(m[1]))}.noise_const", without_leading_ones(2)),
    (rf"{_CONVOLUTION}\.conv\.blur\.kernel", _of_layer("resample_filter"), filter_times_four),
    (
        rf"to_rgbs\.{NUMBER}\.upsample\.kernel",
        lambda m: f"synthesis.b{8 << int(m[1])}.resample_filter",
        filter_times_four,
    ),
)


def is_rosinality(names: set[str]) -> bool:
    """Whether these are the names of rosinality's generator."""
    return "input.input" in names or any(name.startswith(("style.", "to_rgbs.")) for name in names)


# ---- TensorFlow --------------------------------------------------------------------------------------------------

_TF_LAYERS = {"Conv0_up": "conv0", "Conv1": "conv1", "Conv": "conv1", "ToRGB": "torgb", "Skip": "skip"}
_TF_BLOCK = r"synthesis/([0-9]{1,4})x\1"


def _tf_layer(suffix: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f"synthesis.b{int(match[1])}.{_TF_LAYERS[match[2]]}.{suffix}"


TENSORFLOW: tuple[Rule, ...] = (
    (r"dlatent_avg", lambda m: "mapping.w_avg", as_it_is),
    (rf"mapping/Dense{NUMBER}/weight", lambda m: f"mapping.fc{int(m[1])}.weight", matrix),
    (rf"mapping/Dense{NUMBER}/bias", lambda m: f"mapping.fc{int(m[1])}.bias", as_it_is),
    (r"mapping/LabelEmbed/weight", lambda m: "mapping.embed.weight", matrix),
    (r"mapping/LabelEmbed/bias", lambda m: "mapping.embed.bias", as_it_is),
    (rf"synthesis/noise{NUMBER}", lambda m: f"{convolution(int(m[1]))}.noise_const", without_leading_ones(2)),
    (r"synthesis/4x4/Const/const", lambda m: "synthesis.b4.const", without_leading_ones(1)),
    (rf"{_TF_BLOCK}/(Conv0_up|Skip)/weight", _tf_layer("weight"), kernel(flip=True)),
    (rf"{_TF_BLOCK}/(Conv1|Conv|ToRGB)/weight", _tf_layer("weight"), kernel(flip=False)),
    (rf"{_TF_BLOCK}/(Conv0_up|Conv1|Conv|ToRGB)/bias", _tf_layer("bias"), as_it_is),
    (rf"{_TF_BLOCK}/(Conv0_up|Conv1|Conv)/noise_strength", _tf_layer("noise_strength"), scalar),
    (rf"{_TF_BLOCK}/(Conv0_up|Conv1|Conv|ToRGB)/mod_weight", _tf_layer("affine.weight"), matrix),
    (rf"{_TF_BLOCK}/(Conv0_up|Conv1|Conv|ToRGB)/mod_bias", _tf_layer("affine.bias"), plus_one),
)


def tensorflow_variables(network: PickledModule, source: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The variables of a TensorFlow network and its two parts, by their path; of its own only the average latent.

    Raises InputError where the description of the network makes no sense.
    """
    variables, parts = network.state.get("variables"), network.state.get("components")
    if network.class_name != TENSORFLOW_CLASS or not isinstance(variables, list) or not isinstance(parts, dict):
        raise InputError(f"{source} is damaged (its TensorFlow network makes no sense); get it again")
    for entry in variables:
        if not (isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str)):
            raise InputError(f"{source} is damaged (a variable of its network makes no sense); get it again")
        name, value = entry
        if prefix or name == "dlatent_avg":
            yield prefix + name, torch.tensor(value) if isinstance(value, float) else value
    for part in ("mapping", "synthesis") if not prefix else ():
        if not isinstance(parts.get(part), PickledModule):
            raise InputError(f"{source} is not a StyleGAN2 generator (its network has no {part}); give another file")
        yield from tensorflow_variables(parts[part], source, f"{part}/")


def without_filters(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """The state without its copies of the resampling filter; InputError unless all of them are the usual one."""
    usual = resample_filter()
    for key, tensor in state.items():
        if not key.endswith("resample_filter"):
            continue
        if tensor.shape != usual.shape or not torch.allclose(tensor.to(usual.dtype), usual, rtol=0, atol=1e-6):
            raise InputError(
                f"{source} resamples with another filter than [1, 3, 3, 1] ({key[:NAME_LENGTH]}), "
                "which is not supported; give another file"
            )
    return {key: tensor for key, tensor in state.items() if not key.endswith("resample_filter")}
