"""Likeness of pictures: the definitions, written out slowly, give the same numbers."""

import math

import numpy as np
import pytest
import torch

from get3d_models.training.similarity import HIGHEST_RATIO, peak_signal_to_noise, structural_similarity


def slow_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2004, equation 13, of two planes: window by window, moments about the window's own means."""
    weights = np.array([[math.exp(-(i * i + j * j) / (2 * 1.5**2)) for j in range(-5, 6)] for i in range(-5, 6)])
    weights /= weights.sum()
    found = []
    for row in range(a.shape[0] - 10):
        for column in range(a.shape[1] - 10):
            x, y = (plane[row : row + 11, column : column + 11] for plane in (a, b))
            mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
            variance_x, variance_y = ((weights * (p - m) ** 2).sum() for p, m in ((x, mean_x), (y, mean_y)))
            covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
            means = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
            found.append(means * (2 * covariance + 0.03**2) / (variance_x + variance_y + 0.03**2))
    return float(np.mean(found))


@pytest.fixture
def pictures():
    random = torch.Generator().manual_seed(0)
    across = torch.linspace(0, 1, 23)
    smooth = torch.stack([across.sin().outer(across.cos()[:19]).t(), across[:19, None].expand(19, 23)])
    first = torch.stack([torch.rand(2, 19, 23, generator=random), smooth])
    return first, (first + 0.1 * torch.randn(first.shape, generator=random)).clamp(0, 1)


def test_similarity_is_that_of_the_definition(pictures):
    first, second = pictures
    found = structural_similarity(first, second)
    for number in range(2):
        channels = zip(first[number].double().numpy(), second[number].double().numpy(), strict=True)
        assert float(found[number]) == pytest.approx(np.mean([slow_similarity(a, b) for a, b in channels]), abs=1e-6)


def test_equal_pictures_are_alike_and_negatives_are_not(pictures):
    first, _ = pictures
    assert torch.allclose(structural_similarity(first, first), torch.ones(2))
    assert float(structural_similarity(first[:1], 1 - first[:1])) < 0


def test_flat_pictures_differ_by_their_means_alone():
    dark, light = torch.full((1, 3, 16, 16), 0.2), torch.full((1, 3, 16, 16), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert float(structural_similarity(dark, light)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("error", "decibels"), [(0.1, 20.0), (0.01, 40.0), (1.0, 0.0), (0.0, HIGHEST_RATIO)])
def test_the_ratio_is_that_of_a_known_error(error, decibels):
    picture = torch.zeros(1, 3, 12, 12)
    assert float(peak_signal_to_noise(picture + error, picture)) == pytest.approx(decibels, abs=1e-4)


def test_the_ratio_is_of_each_picture_over_all_its_pixels():
    picture = torch.zeros(2, 3, 10, 10)
    spoilt = picture.clone()
    spoilt[1, 0, 0, 0] = 1.0
    assert peak_signal_to_noise(spoilt, picture).tolist() == pytest.approx([HIGHEST_RATIO, 10 * math.log10(300)])
