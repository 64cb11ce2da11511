"""The layers StyleGAN2 and GET3D are built of.

One set serves both generators: equalised linear layers, filtered up-sampling, the modulated convolution and the
modulated fully connected layer. Formulas are those of Karras et al., "Analyzing and Improving the Image Quality of
StyleGAN" (2020), section 2.2 and appendix B; what GET3D does differently is said where it happens.

The layers compute :class:`Windows` of their maps: all of the map in the ordinary case, the one window that covers it.

Parameter and buffer names follow the official checkpoints, so their state loads without translation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from get3d_models.windows import Windows

Noise = Literal["const", "none"] | int
"""Per-texel noise: the stored maps, none, or fresh standard normal ones of a seed."""

DEMODULATION_EPSILON = 1e-8
ACTIVATION_GAIN = math.sqrt(2.0)


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2 of ``x`` (any shape; not to be used afterwards). Its gain is for the caller to bring in.

    It may as well come before: what ``x`` is made of is smaller than ``x``.
    """
    return F.leaky_relu(x, 0.2, inplace=True)


def clamped(x: Tensor, bound: float | None) -> Tensor:
    """``x`` (any shape; not to be used afterwards) clamped to ``+-bound``; None for no bound."""
    if bound is None:
        return x
    return x.clamp(-bound, bound) if x.requires_grad else x.clamp_(-bound, bound)


def laid_out(maps: Tensor) -> Tensor:
    """Maps or kernels ``(N, C, H, W)`` laid out as convolutions on their device read them.

    On a processor the channels of a texel lie beside each other: large maps are then convolved up to three times as
    fast, and looked up without a copy. What layers make of such maps is laid out in the same way.
    """
    innermost = maps.device.type in ("cpu", "meta")
    return maps.contiguous(memory_format=torch.channels_last if innermost else torch.contiguous_format)


def normalize_second_moment(x: Tensor) -> Tensor:
    """``(N, C)`` divided row by row by the root of its mean square."""
    return x * (x.square().mean(dim=1, keepdim=True) + DEMODULATION_EPSILON).rsqrt()


def random_start(*size: int, divisor: float = 1.0) -> Tensor:
    """Normally distributed numbers, over ``divisor``, for training to start from; of a tensor without numbers its size.

    There, torch would import its compiler to draw and to divide nothing, which takes as long as the rest of loading.
    """
    start = torch.empty(size)
    return start if start.is_meta else torch.randn(size) / divisor


def resample_filter() -> Tensor:
    """The 4x4 low-pass filter [1, 3, 3, 1] of every official network, normalised to sum 1."""
    taps = (1.0, 3.0, 3.0, 1.0)
    return torch.tensor([[a * b / 64.0 for b in taps] for a in taps])  # exact: all are multiples of 1 / 64


def gained(taps: Tensor) -> Tensor:
    """The filter ``(4, 4)`` with the gain of 4 that doubling a map takes: of four texels three are zeros before it."""
    return taps * 4.0


def turned(taps: Tensor) -> Tensor:
    """The :func:`gained` filter as a transposed convolution reads it."""
    return gained(taps).flip(0, 1)


def low_pass(x: Tensor, taps: Tensor, padding: int = 0) -> Tensor:
    """Correlate each channel of ``(N, C, H, W)`` with a ``(4, 4)`` filter; of H rows remain H - 3 + 2 padding."""
    channels = x.shape[1]
    return F.conv2d(x, taps.to(x.dtype).expand(channels, 1, 4, 4), padding=padding, groups=channels)


def upsample2(x: Tensor, taps: Tensor, windows: Windows, source: Windows) -> Tensor:
    """Double a map with the :func:`turned` filter: ``windows`` of the finer map from ``source``, those of the coarser.

    Zeros lie outside the image, so its border rows come out darker. Zero insertion, padding (2 before, 1 after) and
    filtering with gain 4 amount to one transposed depthwise convolution.
    """
    channels = x.shape[1]
    kernel = taps.to(x.dtype).expand(channels, 1, 4, 4)
    doubled = F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)
    return windows.crop(doubled, [(2 * row, 2 * column) for row, column in source.corners])


Made = TypeVar("Made")


class Kept:
    """What a frozen tensor makes, kept while it stays as it is: making it at each step takes longer than using it.

    A change behind autograd's back (through ``weight.data``) goes unnoticed.
    """

    def __init__(self) -> None:
        self._made: dict[str, tuple[Tensor, int, int, Any]] = {}

    def __call__(self, name: str, of: Tensor, make: Callable[[Tensor], Made]) -> Made:
        """``make(of)``, made anew if a gradient to ``of`` is wanted; what one tensor makes has different names."""
        if of.requires_grad or of.is_inference() or torch.is_inference_mode_enabled():
            return make(of)
        kept = self._made.get(name)
        if kept is None or kept[0] is not of or kept[1:3] != (of._version, of.data_ptr()):
            kept = self._made[name] = (of, of._version, of.data_ptr(), make(of))
        return cast(Made, kept[3])


class EqualizedLinear(nn.Module):
    """y = x (W g)^T + b m, g = m / sqrt(inputs), with the learning-rate multiplier m; optional leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, multiplier: float = 1.0, bias: float = 0.0, activate: bool = False):
        super().__init__()
        self.weight = nn.Parameter(random_start(outputs, inputs, divisor=multiplier))
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.weight_gain = multiplier / math.sqrt(inputs)
        self.bias_gain = multiplier
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs) -> (N, outputs)``."""
        gain = ACTIVATION_GAIN if self.activate else 1.0
        y = torch.addmm(self.bias, x, self.weight.t(), beta=self.bias_gain * gain, alpha=self.weight_gain * gain)
        return leaky_relu(y) if self.activate else y


class MappingNetwork(nn.Module):
    """z -> w: normalisation and a chain of activated equalised layers with learning-rate multiplier 0.01.

    With labels (``label_dim`` > 0), a linear embedding of the label, normalised too, is appended to z. ``width`` and
    ``embedding`` are the sizes of the layers between and of the embedded label, by default w_dim.
    """

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        layers: int,
        label_dim: int = 0,
        width: int | None = None,
        embedding: int | None = None,
    ):
        super().__init__()
        self.layers = layers
        self.embed = EqualizedLinear(label_dim, embedding or w_dim) if label_dim else None
        inputs = z_dim + ((embedding or w_dim) if label_dim else 0)
        sizes = [inputs, *[width or w_dim] * (layers - 1), w_dim]
        for i, (a, b) in enumerate(pairwise(sizes)):
            self.add_module(f"fc{i}", EqualizedLinear(a, b, 0.01, activate=True))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, truncation: float = 1.0, label: Tensor | None = None) -> Tensor:
        """``(N, z_dim) -> (N, w_dim)``, pulled towards the average latent by ``truncation`` (1: not at all).

        ``label (N, label_dim)`` is given if and only if the network has labels.
        """
        x = normalize_second_moment(z.to(self.w_avg.dtype))
        if self.embed is not None:
            assert label is not None
            x = torch.cat([x, normalize_second_moment(self.embed(label.to(x.dtype)))], dim=1)
        for i in range(self.layers):
            x = getattr(self, f"fc{i}")(x)
        return x if truncation == 1 else self.w_avg + truncation * (x - self.w_avg)


class ModulatedConvolution(nn.Module):
    """3x3 convolution, modulated and demodulated, with noise, bias, leaky ReLU and clamp (StyleGAN2 figure 2d).

    The input is scaled by the style and the output by the demodulation factor. That equals scaling the weights, and
    the gradient to the style then needs no gradient of any weight. There is no fan-in gain: demodulation removes it.
    """

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        w_dim: int,
        map_size: tuple[int, int],
        up: bool,
        clamp: float | None,
        gain: float = 1.0,
    ):
        super().__init__()
        self.up = up
        self.gain = ACTIVATION_GAIN * gain
        self.clamp = None if clamp is None else clamp * gain
        self.affine = EqualizedLinear(w_dim, inputs, bias=1.0)
        weight = random_start(outputs, inputs, 3, 3)
        self.weight = nn.Parameter(self._as_read(weight))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", random_start(*map_size))
        self.register_buffer("resample_filter", resample_filter())

        self._kept = Kept()

    def _as_read(self, weight: Tensor) -> Tensor:
        """Kernels laid out as they are read: a convolution would copy them at every pass, and that takes longer."""
        return laid_out(weight.transpose(0, 1)).transpose(0, 1) if self.up else laid_out(weight)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ModulatedConvolution:
        super()._apply(fn, recurse)
        self.weight.data = self._as_read(self.weight.data)  # on another device they are read in another way
        return self

    def forward(self, x: Tensor, w: Tensor, windows: Windows | None = None, noise: Noise = "const") -> Tensor:
        """The output's windows, by default all of it: ``(N * K, inputs, h, h), (N, w_dim) -> (N * K, outputs, s, s)``.

        ``x`` are the windows that :meth:`reads` names, with zeros beyond the edge of the image; so is the result.
        """
        windows = windows or Windows.whole(*self.noise_const.shape)
        pad = 1 if windows.is_whole else 0
        style = self.affine(w)
        demodulation = (style.square() @ self.weight_energy().t() + DEMODULATION_EPSILON).rsqrt()
        x = x * windows.repeat(style)[:, :, None, None]
        if self.up:
            # A true convolution (unlike the plain layers, which correlate), then the low-pass filter. The outermost
            # rows of the first lack what lies beyond a window; around the whole map it is zero, and so is its padding.
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2, padding=1 - pad)
            x = low_pass(x, self._kept("filter", self.resample_filter, gained), padding=pad)
            x = windows.crop(x, [(row // 2 * 2, column // 2 * 2) for row, column in windows.corners])
        else:
            x = F.conv2d(x, self.weight, padding=pad)
        # The gain of the activation may as well come before it: one pass over the map does all of this.
        bias = self._kept("bias", self.bias, lambda bias: (bias * self.gain)[:, None, None])
        x = torch.addcmul(bias, x, windows.repeat(demodulation * self.gain)[:, :, None, None])
        if noise != "none" and not self._is_silent():
            x = x.add_(self._noise(noise, len(w), windows) * (self.noise_strength * self.gain))
        return windows.zero_beyond_edge(clamped(leaky_relu(x), self.clamp))

    def _is_silent(self) -> bool:
        """Whether noise adds nothing, and no training will change that."""
        strength = self.noise_strength
        return not strength.requires_grad and self._kept("silent", strength, lambda s: float(s) == 0.0)

    def _noise(self, noise: Noise, latents: int, windows: Windows) -> Tensor:
        """Stored noise, or fresh one for each latent: ``(N * K, 1, rows, columns)``, or what stands for that.

        The fresh noise of a seed differs from layer to layer, and is the same in windows as in the whole map.
        """
        if noise == "const":
            stored = windows.constant(self.noise_const)
            return stored if len(windows) == 1 else stored.repeat(latents, 1, 1, 1)
        height, width = self.noise_const.shape
        seed = int(np.random.SeedSequence([int(noise), height, int(self.up)]).generate_state(1, np.uint64)[0] >> 1)
        random = torch.Generator().manual_seed(seed)
        fresh = torch.randn(latents, 1, height, width, generator=random).to(self.noise_const)
        return windows.take(fresh)

    def reads(self, windows: Windows) -> Windows:
        """The windows of the input from which those of the output can be computed."""
        return windows.coarser() if self.up else windows.grown(1)

    def multiply_adds(self, windows: Windows) -> int:
        """Multiplications that one latent's windows of the output cost, counted over the texels computed."""
        outputs, inputs = self.weight.shape[:2]
        texels = windows.coarser().texels if self.up else windows.texels
        return texels * inputs * outputs * 9 + (windows.texels * outputs * 16 if self.up else 0)

    def weight_energy(self) -> Tensor:
        """Sum of the squares of each kernel, ``(outputs, inputs)``; kept while weights are frozen."""
        return self._kept("energy", self.weight, lambda weight: weight.square().sum(dim=(2, 3)))


class ResidualSkip(nn.Module):
    """Plain 1x1 convolution without bias, doubled with the filter: what residual blocks add their result to."""

    resample_filter: Tensor

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(random_start(outputs, inputs, 1, 1))
        self.register_buffer("resample_filter", resample_filter())
        self.gain = math.sqrt(0.5) / math.sqrt(inputs)
        self._kept = Kept()

    def forward(self, x: Tensor, windows: Windows, source: Windows) -> Tensor:
        """Windows ``source`` of the coarser map ``(N * K, inputs, h, h)`` to ``windows`` ``(N * K, outputs, s, s)``."""
        weight = self._kept("weight", self.weight, lambda weight: weight * self.gain)
        taps = self._kept("filter", self.resample_filter, turned)
        y = upsample2(F.conv2d(x, weight), taps, windows, source)
        return windows.zero_beyond_edge(y)


class ToPlanes(nn.Module):
    """Modulated 1x1 convolution without demodulation or activation: to RGB, or to the channels of triplanes."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, clamp: float | None):
        super().__init__()
        self.clamp = clamp
        self.affine = EqualizedLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(random_start(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style_gain = 1.0 / math.sqrt(inputs)

    def forward(self, x: Tensor, w: Tensor, groups: int = 1) -> Tensor:
        """``(N * K, inputs, H, H), (N, w_dim) -> (N * K, outputs / groups, H, H)``.

        With ``groups`` the K maps of a latent are so many runs of equal length, and those of run g get only the g-th
        part of the output channels.
        """
        weight = self._modulated(w).unflatten(1, (groups, -1)).flatten(0, 1)  # (N * groups, outputs / groups, inputs)
        bias = self.bias.view(groups, 1, -1)
        bias = bias if len(w) == 1 or groups == 1 else bias.repeat(len(w), 1, 1)
        texels = x.permute(0, 2, 3, 1).reshape(len(weight), -1, x.shape[1])  # of all maps of a group
        planes = clamped(torch.baddbmm(bias, texels, weight.transpose(1, 2)), self.clamp)
        return planes.reshape(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)

    def at_points(self, features: Tensor, w: Tensor) -> Tensor:
        """The same layer on ``(N, M, inputs)`` values at points: ``(N, M, outputs)``."""
        weight = self._modulated(w)
        bias = self.bias.expand(len(weight), 1, -1)
        return clamped(torch.baddbmm(bias, features, weight.transpose(1, 2)), self.clamp)

    def multiply_adds(self, windows: Windows, groups: int = 1) -> int:
        """Multiplications that one latent's windows cost."""
        outputs, inputs = self.weight.shape[:2]
        return windows.texels * inputs * outputs // groups

    def _modulated(self, w: Tensor) -> Tensor:
        style = self.affine(w) * self.style_gain
        return self.weight.flatten(1) * style[:, None, :]


class ModulatedLinear(nn.Module):
    """Fully connected layer of GET3D's decoders: always demodulated, no gain, no noise, no clamp (facts section 4)."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, activate: bool):
        super().__init__()
        self.activate = activate
        self.affine = EqualizedLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(random_start(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    @property
    def gain(self) -> float:
        """Of the activation. It comes before it, with weights and bias: these are smaller than what they give."""
        return ACTIVATION_GAIN if self.activate else 1.0

    def modulated(self, w: Tensor) -> Tensor:
        """The weights that latent rows ``(N, w_dim)`` make, gain included: ``(N, outputs, inputs)``."""
        weight = self.weight * self.affine(w)[:, None, :]
        return weight * ((weight.square().sum(dim=2, keepdim=True) + DEMODULATION_EPSILON).rsqrt() * self.gain)

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """``(N, M, inputs)`` and :meth:`modulated` weights to ``(N, M, outputs)``."""
        y = torch.baddbmm(self.bias, x, weight.transpose(1, 2), beta=self.gain)
        return leaky_relu(y) if self.activate else y


class Decoder(nn.Module):
    """A chain of modulated layers, the last one linear: triplane features at points to a decoded quantity."""

    def __init__(self, inputs: int, width: int, hidden_layers: int, outputs: int, w_dim: int):
        super().__init__()
        widths = [inputs] + [width] * hidden_layers + [outputs]
        self.layers = nn.ModuleList(
            ModulatedLinear(a, b, w_dim, activate=i < hidden_layers) for i, (a, b) in enumerate(pairwise(widths))
        )

    @property
    def _chain(self) -> list[ModulatedLinear]:
        return cast(list[ModulatedLinear], list(self.layers))

    def modulated(self, ws: Tensor) -> list[Tensor]:
        """The weights of each layer for one latent row per layer ``(N, layers, w_dim)``, to be kept for many points."""
        return [layer.modulated(ws[:, i]) for i, layer in enumerate(self._chain)]

    def forward(self, features: Tensor, ws: Tensor | list[Tensor]) -> Tensor:
        """``(N, M, inputs)`` and one latent row per layer ``(N, layers, w_dim)``, or what they make of the weights.

        Returns ``(N, M, outputs)``.
        """
        weights = self.modulated(ws) if isinstance(ws, Tensor) else ws
        for layer, weight in zip(self._chain, weights, strict=True):
            features = layer(features, weight)
        return features

    def hidden(self, features: Tensor, ws: Tensor) -> Tensor:
        """Activations before the last layer ``(N, M, width)``; without hidden layers the features themselves."""
        for i, layer in enumerate(self._chain[:-1]):
            features = layer(features, layer.modulated(ws[:, i]))
        return features
