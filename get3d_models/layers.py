"""The layers StyleGAN2 and GET3D are built of.

One set serves both generators: equalised linear layers, filtered up-sampling, the modulated convolution and the
modulated fully connected layer. Formulas are those of Karras et al., "Analyzing and Improving the Image Quality of
StyleGAN" (2020), section 2.2 and appendix B; what GET3D does differently is said where it happens.

Parameter and buffer names follow the official checkpoints, so their state loads without translation.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DEMODULATION_EPSILON = 1e-8
ACTIVATION_GAIN = math.sqrt(2.0)


def leaky_relu(x: Tensor, gain: float = ACTIVATION_GAIN, clamp: float | None = None) -> Tensor:
    """Leaky ReLU of slope 0.2 times ``gain``, then clamped to ``+-clamp`` (any shape)."""
    x = F.leaky_relu(x, 0.2) * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def normalize_second_moment(x: Tensor) -> Tensor:
    """``(N, C)`` divided row by row by the root of its mean square."""
    return x * (x.square().mean(dim=1, keepdim=True) + DEMODULATION_EPSILON).rsqrt()


def resample_filter() -> Tensor:
    """The 4x4 low-pass filter [1, 3, 3, 1] of every official network, normalised to sum 1."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / 64.0


def filter_valid(x: Tensor, taps: Tensor, gain: float) -> Tensor:
    """Correlate each channel of ``(N, C, H, W)`` with the ``(4, 4)`` filter: ``(N, C, H-3, W-3)``."""
    channels = x.shape[1]
    kernel = (taps * gain).to(x.dtype).expand(channels, 1, 4, 4)
    return F.conv2d(x, kernel, groups=channels)


def upsample2(x: Tensor, taps: Tensor) -> Tensor:
    """Double ``(N, C, H, W)`` with the filter; zeros lie outside the image, so its border rows come out darker.

    Zero insertion, padding (2 before, 1 after) and filtering with gain 4 amount to one transposed depthwise convolution.
    """
    channels = x.shape[1]
    kernel = (taps * 4.0).to(x.dtype).flip(0, 1).expand(channels, 1, 4, 4)
    return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=channels)


class EqualizedLinear(nn.Module):
    """y = x (W g)^T + b m, g = m / sqrt(inputs), with the learning-rate multiplier m; optional leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, multiplier: float = 1.0, bias: float = 0.0, activate: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.weight_gain = multiplier / math.sqrt(inputs)
        self.bias_gain = multiplier
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs) -> (N, outputs)``."""
        y = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return leaky_relu(y) if self.activate else y


class MappingNetwork(nn.Module):
    """z -> w: normalisation and a chain of activated equalised layers with learning-rate multiplier 0.01."""

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int, layers: int):
        super().__init__()
        self.layers = layers
        for i in range(layers):
            self.add_module(f"fc{i}", EqualizedLinear(z_dim if i == 0 else w_dim, w_dim, 0.01, activate=True))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """``(N, z_dim) -> (N, w_dim)``, pulled towards the average latent by ``truncation`` (1: not at all)."""
        x = normalize_second_moment(z.to(self.w_avg.dtype))
        for i in range(self.layers):
            x = getattr(self, f"fc{i}")(x)
        return x if truncation == 1 else self.w_avg + truncation * (x - self.w_avg)


class ModulatedConvolution(nn.Module):
    """3x3 convolution, modulated and demodulated, with noise, bias, leaky ReLU and clamp (StyleGAN2 figure 2d).

    The input is scaled by the style and the output by the demodulation factor. That equals scaling the weights, and
    the gradient to the style then needs no gradient of any weight. Weights carry no fan-in gain: demodulation removes it.
    """

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(self, inputs: int, outputs: int, w_dim: int, resolution: int, up: bool, clamp: float | None):
        super().__init__()
        self.up = up
        self.clamp = clamp
        self.affine = EqualizedLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", resample_filter())

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """``(N, inputs, H, W), (N, w_dim) -> (N, outputs, H', W')``; H' = 2 H when the layer up-samples."""
        style = self.affine(w)
        energy = self.weight.square().sum(dim=(2, 3))
        demodulation = (style.square() @ energy.t() + DEMODULATION_EPSILON).rsqrt()
        x = x * style[:, :, None, None]
        if self.up:
            # A true convolution (unlike the plain layers, which correlate), then the low-pass filter.
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            x = filter_valid(F.pad(x, (1, 1, 1, 1)), self.resample_filter, 4.0)
        else:
            x = F.conv2d(x, self.weight, padding=1)
        x = x * demodulation[:, :, None, None] + self.noise_const * self.noise_strength + self.bias[:, None, None]
        return leaky_relu(x, clamp=self.clamp)


class ToPlanes(nn.Module):
    """Modulated 1x1 convolution without demodulation or activation: to RGB, or to the channels of triplanes."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, clamp: float | None):
        super().__init__()
        self.clamp = clamp
        self.affine = EqualizedLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style_gain = 1.0 / math.sqrt(inputs)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """``(N, inputs, H, W), (N, w_dim) -> (N, outputs, H, W)``."""
        weight = self._modulated(w)
        y = torch.baddbmm(self.bias[:, None].expand(len(weight), -1, 1), weight, x.flatten(2)).unflatten(2, x.shape[2:])
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)

    def at_points(self, features: Tensor, w: Tensor) -> Tensor:
        """The same layer on ``(N, M, inputs)`` values at points: ``(N, M, outputs)``."""
        weight = self._modulated(w)
        y = torch.baddbmm(self.bias.expand(len(weight), 1, -1), features, weight.transpose(1, 2))
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)

    def _modulated(self, w: Tensor) -> Tensor:
        style = self.affine(w) * self.style_gain
        return self.weight[None, :, :, 0, 0] * style[:, None, :]


class ModulatedLinear(nn.Module):
    """Fully connected layer of GET3D's decoders: always demodulated, no gain, no noise, no clamp (facts section 4)."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, activate: bool):
        super().__init__()
        self.activate = activate
        self.affine = EqualizedLinear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """``(N, M, inputs), (N, w_dim) -> (N, M, outputs)``."""
        weight = self.weight * self.affine(w)[:, None, :]
        weight = weight * (weight.square().sum(dim=2, keepdim=True) + DEMODULATION_EPSILON).rsqrt()
        y = torch.baddbmm(self.bias.expand(len(weight), 1, -1), x, weight.transpose(1, 2))
        return leaky_relu(y) if self.activate else y


class Decoder(nn.Module):
    """A chain of modulated layers, the last one linear: triplane features at points to a decoded quantity."""

    def __init__(self, inputs: int, width: int, hidden_layers: int, outputs: int, w_dim: int):
        super().__init__()
        widths = [inputs] + [width] * hidden_layers + [outputs]
        self.layers = nn.ModuleList(
            ModulatedLinear(a, b, w_dim, activate=i < hidden_layers)
            for i, (a, b) in enumerate(zip(widths[:-1], widths[1:], strict=True))
        )

    def forward(self, features: Tensor, ws: Tensor) -> Tensor:
        """``(N, M, inputs)`` and one latent row per layer ``(N, layers, w_dim)`` to ``(N, M, outputs)``."""
        for layer, w in zip(self.layers, ws.unbind(1), strict=True):
            features = layer(features, w)
        return features
