"""StyleGAN2 a second time: slow, obvious, straight from the formulas, sharing no layer with get3d_models.

Everything is written out: zeros are really inserted, kernels slide by a Python loop over their taps, weights are
modulated for each sample. Works on a state of official names in any precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FIR = torch.tensor([[1, 3, 3, 1], [3, 9, 9, 3], [3, 9, 9, 3], [1, 3, 3, 1]], dtype=torch.float64) / 64


def padded(x: Tensor, before: int, after: int) -> Tensor:
    """Zeros around the last two axes."""
    rows, columns = x.shape[-2:]
    out = x.new_zeros(*x.shape[:-2], rows + before + after, columns + before + after)
    out[..., before : before + rows, before : before + columns] = x
    return out


def correlated(x: Tensor, weight: Tensor) -> Tensor:
    """``(I, H, W)`` with ``(O, I, k, k)``: out[o, y, x] = sum of in[i, y + a, x + b] weight[o, i, a, b]; no padding."""
    k = weight.shape[-1]
    rows, columns = x.shape[1] - k + 1, x.shape[2] - k + 1
    total = x.new_zeros(len(weight), rows, columns)
    for a in range(k):
        for b in range(k):
            total = total + torch.einsum("oi,ihw->ohw", weight[:, :, a, b], x[:, a : a + rows, b : b + columns])
    return total


def zero_stuffed(x: Tensor) -> Tensor:
    """Every pixel at its even place, zeros between: ``(C, H, W) -> (C, 2H, 2W)``."""
    out = x.new_zeros(len(x), 2 * x.shape[1], 2 * x.shape[2])
    out[:, ::2, ::2] = x
    return out


def filtered(x: Tensor) -> Tensor:
    """The FIR filter of gain 4 over each channel; of H rows remain H - 3."""
    rows, columns = x.shape[1] - 3, x.shape[2] - 3
    total = x.new_zeros(len(x), rows, columns)
    for a in range(4):
        for b in range(4):
            total = total + 4 * FIR[a, b].to(x.dtype) * x[:, a : a + rows, b : b + columns]
    return total


def doubled(x: Tensor) -> Tensor:
    """Facts, section 6: zeros inserted, 2 before and 1 after, filtered with gain 4."""
    return filtered(padded(zero_stuffed(x), 2, 1))


@dataclass
class SlowStyleGAN2:
    """The network of a state dictionary with official names."""

    state: dict[str, Tensor]
    architecture: str
    clamp: float | None

    def linear(self, x: Tensor, name: str, multiplier: float = 1.0) -> Tensor:
        """Equalised linear layer of one vector."""
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return (weight * (multiplier / math.sqrt(weight.shape[1]))) @ x + bias * multiplier

    def mapping(self, z: Tensor, label: Tensor | None) -> Tensor:
        """``(z_dim,) -> (w_dim,)``."""

        def normalised(v: Tensor) -> Tensor:
            return v / torch.sqrt((v**2).mean() + 1e-8)

        x = normalised(z)
        if "mapping.embed.weight" in self.state:
            assert label is not None
            x = torch.cat([x, normalised(self.linear(label, "mapping.embed"))])
        layers = sum(name.startswith("mapping.fc") and name.endswith("weight") for name in self.state)
        for i in range(layers):
            x = self.linear(x, f"mapping.fc{i}", 0.01)
            x = torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)
        return x

    def bounded(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """Clamped, where the network clamps."""
        return x if self.clamp is None else x.clamp(-self.clamp * gain, self.clamp * gain)

    def convolution(self, x: Tensor, w: Tensor, name: str, up: bool, noise: Tensor | None, gain: float) -> Tensor:
        """Modulated, demodulated convolution of one sample, with noise, bias, activation, clamp."""
        style = self.linear(w, f"{name}.affine")
        weight = self.state[f"{name}.weight"] * style[None, :, None, None]
        weight = weight / torch.sqrt((weight**2).sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
        if up:
            # The transposed convolution: every input pixel adds its multiple of the kernel, two pixels apart.
            rows, columns = 2 * x.shape[1] + 1, 2 * x.shape[2] + 1
            spread = x.new_zeros(len(weight), rows, columns)
            for a in range(3):
                for b in range(3):
                    part = x.new_zeros(len(weight), rows, columns)
                    part[:, a : a + 2 * x.shape[1] : 2, b : b + 2 * x.shape[2] : 2] = torch.einsum(
                        "oi,ihw->ohw", weight[:, :, a, b], x
                    )
                    spread = spread + part
            y = filtered(padded(spread, 1, 1))
        else:
            y = correlated(padded(x, 1, 1), weight)
        if noise is not None:
            y = y + noise * self.state[f"{name}.noise_strength"]
        y = y + self.state[f"{name}.bias"][:, None, None]
        return self.bounded(torch.where(y > 0, y, 0.2 * y) * (math.sqrt(2) * gain), gain)

    def to_rgb(self, x: Tensor, w: Tensor, name: str) -> Tensor:
        """Modulated 1x1 convolution without demodulation."""
        weight = self.state[f"{name}.weight"]
        style = self.linear(w, f"{name}.affine") / math.sqrt(weight.shape[1])
        return self.bounded(
            correlated(x, weight * style[None, :, None, None]) + self.state[f"{name}.bias"][:, None, None]
        )

    def synthesis(self, ws: Tensor, noise: str = "const") -> tuple[list[Tensor], list[Tensor]]:
        """Features after each block and the images so far, of one ``(rows, w_dim)``; noise "const" or "none"."""
        sizes = sorted(int(n.split(".")[1][1:]) for n in self.state if n.endswith(".conv1.weight"))
        features: list[Tensor] = []
        images: list[Tensor] = []
        for level, size in enumerate(sizes, start=2):
            block = f"synthesis.b{size}"

            def stored(layer: str, block: str = block) -> Tensor | None:
                return self.state[f"{block}.{layer}.noise_const"] if noise == "const" else None

            if level == 2:
                x = self.convolution(self.state[f"{block}.const"], ws[0], f"{block}.conv1", False, stored("conv1"), 1.0)
                row = 1
            else:
                before, gain = x, math.sqrt(0.5) if self.architecture == "resnet" else 1.0
                x = self.convolution(x, ws[2 * level - 5], f"{block}.conv0", True, stored("conv0"), 1.0)
                x = self.convolution(x, ws[2 * level - 4], f"{block}.conv1", False, stored("conv1"), gain)
                if self.architecture == "resnet":
                    weight = self.state[f"{block}.skip.weight"]
                    x = doubled(correlated(before, weight / math.sqrt(weight.shape[1]))) * math.sqrt(0.5) + x
                row = 2 * level - 3
            features.append(x)
            if self.architecture == "skip" or size == sizes[-1]:
                rgb = self.to_rgb(x, ws[row], f"{block}.torgb")
                images.append(doubled(images[-1]) + rgb if images else rgb)
        return features, images
