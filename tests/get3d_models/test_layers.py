"""Each layer against the slowest obvious way to compute it: loops over samples and channels, scipy for convolutions."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import convolve2d, correlate2d
from torch import Tensor, nn

from get3d_models.layers import (
    Decoder,
    EqualizedLinear,
    MappingNetwork,
    ModulatedConvolution,
    ModulatedLinear,
    ToPlanes,
    resample_filter,
    turned,
    upsample2,
)
from get3d_models.windows import Windows

Array = NDArray[np.float64]
M = TypeVar("M", bound=nn.Module)
FIR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def shaken(module: M) -> M:
    """The module in double precision, all of its parameters random: no zero bias hides a mistake."""
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module.double()


def array(tensor: Tensor) -> Array:
    return tensor.detach().double().numpy()


def close(ours: Tensor, expected: Array, tolerance: float = 1e-12) -> None:
    assert tuple(ours.shape) == expected.shape
    assert float(np.abs(array(ours) - expected).max()) <= tolerance * max(1.0, float(np.abs(expected).max()))


def lrelu(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def affine(layer: EqualizedLinear, w: Tensor) -> Array:
    """One style per sample: w W^T / sqrt(inputs) + b."""
    return array(w) @ array(layer.weight).T / math.sqrt(w.shape[1]) + array(layer.bias)


def zero_inserted(x: Array) -> Array:
    """Samples two apart, none after the last: H -> 2 H - 1."""
    wide = np.zeros((2 * x.shape[0] - 1, 2 * x.shape[1] - 1))
    wide[::2, ::2] = x
    return wide


# ---- linear layers and mapping ------------------------------------------------------------------------------------


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_a_linear_layer_scales_weights_by_multiplier_over_root_of_inputs_and_biases_by_the_multiplier(
    multiplier: float,
) -> None:
    layer = shaken(EqualizedLinear(5, 3, multiplier))
    x = torch.randn(4, 5, dtype=torch.float64)
    expected = array(x) @ (array(layer.weight) * multiplier / math.sqrt(5)).T + array(layer.bias) * multiplier
    close(layer(x), expected)
    layer.activate = True
    close(layer(x), lrelu(expected))


def test_mapping_normalises_z_and_activates_every_layer_the_last_included() -> None:
    mapping = shaken(MappingNetwork(6, 5, 3))
    z = torch.randn(4, 6, dtype=torch.float64)
    x = array(z)
    x = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-8)
    for i in range(3):
        layer = getattr(mapping, f"fc{i}")
        x = lrelu(x @ (array(layer.weight) * 0.01 / math.sqrt(x.shape[1])).T + array(layer.bias) * 0.01)
    close(mapping(z), x)
    close(mapping(7 * z), x, 1e-7)


def test_mapping_weights_are_stored_a_hundredfold_so_that_a_fresh_network_keeps_the_size_of_its_input() -> None:
    mapping = MappingNetwork(64, 64, 4)
    assert mapping.fc0.weight.std().item() == pytest.approx(100, rel=0.05)
    assert 0.5 < mapping(torch.randn(64, 64)).square().mean().item() < 2


def test_truncation_moves_w_along_the_line_to_the_average() -> None:
    mapping = shaken(MappingNetwork(6, 5, 2))
    mapping.w_avg.normal_()
    z = torch.randn(4, 6, dtype=torch.float64)
    average, whole = array(mapping.w_avg), array(mapping(z))
    for psi in (0.0, 0.3, 0.7, 1.0, 1.5):
        close(mapping(z, psi), average + psi * (whole - average))
    assert torch.equal(mapping(z, 0.0), mapping.w_avg.expand(4, -1))


# ---- the modulated convolution ------------------------------------------------------------------------------------


def slow_convolution(layer: ModulatedConvolution, x: Tensor, w: Tensor) -> Array:
    """Weights modulated and demodulated for each sample, then plain convolutions channel by channel."""
    styles, weight = affine(layer.affine, w), array(layer.weight)
    noise = array(layer.noise_const) * layer.noise_strength.item()
    results = []
    for sample, style in zip(array(x), styles, strict=True):
        own = weight * style[None, :, None, None]
        own = own / np.sqrt((own**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
        maps = []
        for kernels, bias in zip(own, array(layer.bias), strict=True):
            total: Array | float = 0.0
            for channel, kernel in zip(sample, kernels, strict=True):
                if layer.up:
                    full = convolve2d(zero_inserted(channel), kernel, mode="full")
                    total = total + correlate2d(np.pad(full, 1), 4 * FIR, mode="valid")
                else:
                    total = total + correlate2d(np.pad(channel, 1), kernel, mode="valid")
            maps.append(lrelu(total + noise + bias))
        results.append(maps)
    bound = math.inf if layer.clamp is None else layer.clamp
    return np.clip(np.array(results), -bound, bound)


@pytest.mark.parametrize("clamp", [None, 0.8])
@pytest.mark.parametrize("up", [False, True], ids=["conv1", "conv0"])
def test_the_modulated_convolution_is_the_fused_one_with_weights_of_each_sample(up: bool, clamp: float | None) -> None:
    layer = shaken(ModulatedConvolution(3, 4, 6, (8, 8), up, clamp))
    x = torch.randn(2, 3, 4 if up else 8, 4 if up else 8, dtype=torch.float64)
    w = torch.randn(2, 6, dtype=torch.float64)
    expected = slow_convolution(layer, x, w)
    close(layer(x, w), expected)
    assert clamp is None or 0.1 < (np.abs(expected) == clamp).mean() < 0.9  # the bound was met, and not by all


def test_up_sampling_convolves_and_the_plain_layer_correlates() -> None:
    """The same lopsided kernel moves a lone sample one way in conv0 and the other way in conv1."""
    x = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    x[0, 0, 4, 4] = 1
    columns = []
    for up in (False, True):
        layer = ModulatedConvolution(1, 1, 2, (16, 16) if up else (8, 8), up, None).double()
        layer.weight.data.zero_()
        layer.weight.data[0, 0, 1, 2] = 1  # one step to the right of the middle
        found = array(layer(x, torch.zeros(1, 2, dtype=torch.float64)))[0, 0]
        columns.append((found.sum(axis=0) * np.arange(len(found))).sum() / found.sum())
    assert columns[0] == pytest.approx(3)
    assert columns[1] == pytest.approx(2 * 4 + 0.5 + 1)


@pytest.mark.parametrize("up", [False, True], ids=["conv1", "conv0"])
def test_demodulation_removes_any_gain_of_weights_or_style(up: bool) -> None:
    layer = shaken(ModulatedConvolution(3, 4, 6, (8, 8), up, None))
    x = torch.randn(1, 3, 4 if up else 8, 4 if up else 8, dtype=torch.float64)
    w = torch.randn(1, 6, dtype=torch.float64)
    before = layer(x, w)
    layer.weight.data *= 30
    layer.affine.weight.data *= 7
    layer.affine.bias.data *= 7
    assert (layer(x, w) - before).abs().max().item() < 1e-8


@pytest.mark.parametrize("up", [False, True], ids=["conv1", "conv0"])
def test_gradients_of_the_modulated_convolution_are_those_of_finite_differences(up: bool) -> None:
    layer = shaken(ModulatedConvolution(2, 3, 3, (4, 4), up, 1.5))
    x = torch.randn(2, 2, 2 if up else 4, 2 if up else 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in layer.named_parameters()]

    def evaluate(x: Tensor, w: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x, w))

    assert torch.autograd.gradcheck(evaluate, (x, w, *layer.parameters()))
    layer.requires_grad_(False)
    assert torch.autograd.gradcheck(layer, (x, w))


def test_a_style_of_zeros_gives_noise_and_bias_and_no_nan() -> None:
    layer = shaken(ModulatedConvolution(3, 4, 6, (8, 8), False, None))
    layer.affine.weight.data.zero_()
    layer.affine.bias.data.zero_()
    found = layer(torch.randn(1, 3, 8, 8, dtype=torch.float64), torch.randn(1, 6, dtype=torch.float64))
    noise = array(layer.noise_const) * layer.noise_strength.item()
    close(found[0], lrelu(noise + array(layer.bias)[:, None, None]))


# ---- the image skip -----------------------------------------------------------------------------------------------


def doubled(x: Tensor) -> Tensor:
    size = x.shape[-1]
    return upsample2(x, turned(resample_filter()), Windows.whole(2 * size), Windows.whole(size))


def test_doubling_a_map_has_zeros_beyond_its_edge() -> None:
    ones = array(doubled(torch.ones(1, 1, 4, 4)))[0, 0]
    expected = np.ones((8, 8))
    expected[[0, -1], :] *= 0.75
    expected[:, [0, -1]] *= 0.75
    assert np.array_equal(ones, expected)
    assert ones[0, 0] == ones[-1, 0] == 0.5625


def test_doubling_is_zero_insertion_padding_and_the_filter_times_four_and_bilinear_inside() -> None:
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    expected = np.zeros((2, 3, 10, 10))
    for n in range(2):
        for c in range(3):
            # 2 zeros before and 1 after, to which comes the one inserted after the last sample.
            wide = np.pad(zero_inserted(array(x)[n, c]), ((2, 2), (2, 2)))
            expected[n, c] = correlate2d(wide, 4 * FIR, mode="valid")
    close(doubled(x), expected)
    bilinear = nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    close(doubled(x)[..., 1:-1, 1:-1], array(bilinear)[..., 1:-1, 1:-1])


# ---- layers without demodulation, and decoders --------------------------------------------------------------------


@pytest.mark.parametrize("clamp", [None, 0.8])
def test_to_planes_is_a_1x1_convolution_with_styles_over_root_of_channels_and_no_activation(
    clamp: float | None,
) -> None:
    layer = shaken(ToPlanes(5, 6, 4, clamp))
    x, w = torch.randn(2, 5, 3, 3, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    expected = np.zeros((2, 6, 3, 3))
    for n, style in enumerate(affine(layer.affine, w) / math.sqrt(5)):
        for o in range(6):
            expected[n, o] = sum(array(x)[n, i] * layer.weight[o, i, 0, 0].item() * style[i] for i in range(5))
            expected[n, o] += layer.bias[o].item()
    bound = math.inf if clamp is None else clamp
    assert (expected < 0).any() and (clamp is None or (np.abs(expected) > bound).any())
    close(layer(x, w), np.clip(expected, -bound, bound))
    at_points = layer.at_points(x.flatten(2).transpose(1, 2), w)
    close(at_points.transpose(1, 2).unflatten(2, (3, 3)), np.clip(expected, -bound, bound))


def test_to_planes_is_not_demodulated() -> None:
    layer = shaken(ToPlanes(5, 6, 4, None))
    layer.bias.data.zero_()
    x, w = torch.randn(1, 5, 3, 3, dtype=torch.float64), torch.randn(1, 4, dtype=torch.float64)
    before = array(layer(x, w))
    layer.weight.data *= 3
    close(layer(x, w), 3 * before)


def slow_modulated_linear(layer: ModulatedLinear, x: Array, w: Tensor) -> Array:
    result = np.zeros((*x.shape[:2], len(layer.bias)))
    for n, style in enumerate(affine(layer.affine, w)):
        for o, row in enumerate(array(layer.weight)):
            row = row * style  # noqa: PLW2901 (the modulated row)
            row = row / math.sqrt((row**2).sum() + 1e-8)  # noqa: PLW2901
            result[n, :, o] = x[n] @ row + layer.bias[o].item()
    return result


@pytest.mark.parametrize("hidden", [0, 1, 3])
def test_decoders_are_demodulated_in_every_layer_each_with_its_own_row_and_end_linear(hidden: int) -> None:
    decoder = shaken(Decoder(4, 5, hidden, 3, 6))
    x, ws = torch.randn(2, 7, 4, dtype=torch.float64), torch.randn(2, hidden + 1, 6, dtype=torch.float64)
    expected = array(x)
    for i in range(hidden):
        expected = lrelu(slow_modulated_linear(decoder.layers[i], expected, ws[:, i]))
    close(decoder.hidden(x, ws), expected)
    close(decoder(x, ws), slow_modulated_linear(decoder.layers[hidden], expected, ws[:, hidden]))


def test_a_demodulated_output_is_a_unit_vector_times_the_features_whatever_the_weights() -> None:
    """Why the signed field is not metric: with one layer it cannot be steeper than the features are."""
    decoder = shaken(Decoder(4, 5, 0, 1, 6))
    decoder.layers[0].bias.data.zero_()
    ws = torch.randn(1, 1, 6, dtype=torch.float64)
    row = decoder(torch.eye(4, dtype=torch.float64)[None], ws)
    assert row.norm().item() == pytest.approx(1, abs=1e-7)
    decoder.layers[0].weight.data *= 1000
    assert torch.allclose(decoder(torch.eye(4, dtype=torch.float64)[None], ws), row, atol=1e-7)


def test_decoder_gradients_to_features_and_rows_are_those_of_finite_differences() -> None:
    decoder = shaken(Decoder(3, 4, 2, 2, 3)).requires_grad_(False)
    x = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    ws = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(decoder, (x, ws))


def test_the_filter_is_the_outer_product_of_1_3_3_1_over_64() -> None:
    assert np.array_equal(array(resample_filter()), FIR) and float(resample_filter().sum()) == 1


@pytest.mark.parametrize("up", [True, False])
def test_weights_lie_as_their_convolution_reads_them_also_after_loading_and_copying(up: bool) -> None:
    layer = ModulatedConvolution(6, 5, 8, (16, 16), up=up, clamp=None)
    copies = [layer, copy.deepcopy(layer), copy.deepcopy(layer).double(), copy.deepcopy(layer).to("cpu")]
    for one in copies:
        read = one.weight.transpose(0, 1) if up else one.weight
        assert read.is_contiguous(memory_format=torch.channels_last) and not read.is_contiguous()
    fresh = ModulatedConvolution(6, 5, 8, (16, 16), up=up, clamp=None)
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(fresh.weight, layer.weight) and fresh.weight.stride() == layer.weight.stride()
