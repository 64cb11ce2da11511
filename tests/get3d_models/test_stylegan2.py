"""Our StyleGAN2 is the network of the formulas: against a slow second one, in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from slow_stylegan2 import SlowStyleGAN2
from torch import Tensor

from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator

SMALL = {"z_dim": 5, "w_dim": 6, "mapping_layers": 2, "channels": (5, 4, 3), "conv_clamp": None}
CONFIGS = {
    "skip": {},
    "orig": {"architecture": "orig"},
    "resnet": {"architecture": "resnet"},
    "one block": {"channels": (4,)},
    "labels": {"label_dim": 3},
    "labels of their own width": {"label_dim": 3, "label_width": 2, "mapping_width": 7, "mapping_layers": 3},
    "one mapping layer": {"mapping_layers": 1},
    "clamped": {"conv_clamp": 0.5},
    "clamped resnet": {"conv_clamp": 0.5, "architecture": "resnet"},
    "human": {"start": (4, 2)},
    "human resnet": {"start": (4, 2), "architecture": "resnet"},
    "grey": {"image_channels": 1},
}


def network(**changes: object) -> ImageGenerator:
    """A random network in double precision, every parameter of which matters."""
    torch.manual_seed(3)
    generator = ImageGenerator(ImageConfig.from_dict({**SMALL, **changes})).double().requires_grad_(False)
    for name, tensor in generator.state_dict().items():
        if name.endswith(("bias", "noise_strength", "w_avg")):
            tensor.add_(0.3 * torch.randn_like(tensor))
    return generator


def slow(generator: ImageGenerator) -> SlowStyleGAN2:
    return SlowStyleGAN2(dict(generator.state_dict()), generator.config.architecture, generator.config.conv_clamp)


def random(*shape: int, seed: int = 7) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module", params=CONFIGS.values(), ids=CONFIGS)
def generator(request: pytest.FixtureRequest) -> ImageGenerator:
    return network(**request.param)


def close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) <= 1e-10 * max(1.0, float(theirs.abs().max()))


def rows(generator: ImageGenerator, samples: int = 2) -> Tensor:
    """Latent rows, different for each sample and layer."""
    return random(samples, generator.config.rows, generator.config.w_dim)


@pytest.mark.parametrize("noise", ["const", "none"])
def test_features_and_images_of_every_block_are_those_of_the_formulas(generator: ImageGenerator, noise: str) -> None:
    ws = rows(generator)
    images = generator.images(ws, noise)
    for i, sample in enumerate(ws):
        features, pictures = slow(generator).synthesis(sample, noise)
        for block, expected in enumerate(features):
            close(generator.features(ws, block, noise)[i], expected)
        assert len(images) == len(pictures)
        for ours, expected in zip(images, pictures, strict=True):
            close(ours[i], expected)
    width, height = generator.size
    assert images[-1].shape == (len(ws), generator.config.image_channels, height, width)


def test_stored_noise_and_the_clamp_change_the_image() -> None:
    """Otherwise agreement on them would mean nothing."""
    clamped, free = network(conv_clamp=0.5), network()
    ws = rows(free)
    assert float((free.image(ws) - free.image(ws, "none")).abs().max()) > 0.1
    assert float((free.image(ws) - clamped.image(ws)).abs().max()) > 0.1
    assert float(clamped.features(ws, 1).abs().max()) == 0.5


def test_gradients_to_the_latent_rows_are_those_of_the_formulas(generator: ImageGenerator) -> None:
    ws = rows(generator, 1)
    ours, theirs = ws.clone().requires_grad_(), ws.clone().requires_grad_()
    image = generator.image(ours)
    cotangent = random(*image.shape, seed=8)
    (image * cotangent).sum().backward()
    (slow(generator).synthesis(theirs[0])[1][-1] * cotangent[0]).sum().backward()
    assert ours.grad is not None and theirs.grad is not None
    close(ours.grad, theirs.grad)
    assert (ours.grad.abs().amax(dim=2) > 0).all(), "every row matters"


def test_latents_are_those_of_the_formulas(generator: ImageGenerator) -> None:
    config = generator.config
    z, label = random(3, config.z_dim), random(3, config.label_dim) if config.label_dim else None
    ws = generator.map(z, label)
    assert ws.shape == (3, config.rows, config.w_dim)
    for i in range(3):
        w = slow(generator).mapping(z[i], None if label is None else label[i])
        close(ws[i], w.expand(config.rows, -1))


def test_truncation_pulls_the_first_rows_towards_the_average(generator: ImageGenerator) -> None:
    z, average = random(2, generator.config.z_dim), generator.mapping.w_avg
    ws = generator.map(z)
    for cutoff in (None, 0, 1, 100):
        pulled = generator.map(z, truncation=0.3, cutoff=cutoff)
        first = ws.shape[1] if cutoff is None else cutoff
        assert torch.allclose(pulled[:, :first], average + 0.3 * (ws[:, :first] - average), rtol=0, atol=1e-12)
        assert torch.equal(pulled[:, first:], ws[:, first:])


def test_codes_of_seeds_are_those_of_the_official_tools() -> None:
    generator = network().float()
    expected = np.random.RandomState(42).randn(1, 5)
    assert np.array_equal(generator.code(42).numpy(), expected.astype(np.float32))


def test_noise_of_a_seed_is_random_but_repeatable_and_scaled_by_the_learned_strength() -> None:
    generator = network()
    ws = rows(generator)
    first, again, other = (generator.image(ws, noise) for noise in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first, generator.image(ws, "const"))
    for name, tensor in generator.state_dict().items():
        if name.endswith("noise_strength"):
            tensor.zero_()
    close(generator.image(ws, 1), generator.image(ws, "none"))


def test_labels_are_class_numbers_and_a_network_without_them_takes_none() -> None:
    labelled, plain = network(label_dim=3).float(), network().float()
    assert not torch.equal(labelled.latents(0, label=1).rows, labelled.latents(0, label=2).rows)
    assert torch.equal(labelled.latents(0).rows, labelled.map(labelled.code(0), torch.zeros(1, 3))[0])
    for generator, label, said in (
        (plain, 0, "no class labels"),
        (labelled, 3, "classes 0 to 2"),
        (labelled, -1, "-1"),
    ):
        with pytest.raises(InputError, match=said):
            generator.latents(0, label=label)


def test_pixels_are_rounded_and_clipped_as_officially() -> None:
    generator = network().float()
    latents = generator.latents(4)
    picture = generator.pixels(latents)
    image = generator.image(latents.rows[None])[0].permute(1, 2, 0).double().numpy()
    assert picture.shape == (16, 16, 3) and picture.dtype == np.uint8
    assert np.abs(picture - np.clip(np.floor(image * 127.5 + 128), 0, 255)).max() <= 1
    assert np.array_equal(picture, generator.sample(4))
