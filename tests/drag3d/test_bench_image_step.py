"""The textbook's drag on images is our oracle: the editor's own takes the same steps for less."""

import pytest
import torch

from drag3d.bench.image_step import (
    OurImageDrag,
    TextbookImageDrag,
    bench_image_step,
    random_image_generator,
    released_config,
)
from get3d_models.image_config import ImageConfig

SMALL = ImageConfig(z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 16, 12, 8, 8), conv_clamp=None)


@pytest.fixture
def drags() -> tuple[TextbookImageDrag, OurImageDrag]:
    generator, latents = random_image_generator(SMALL)
    handles = torch.tensor([[100.0, 120.0], [180.0, 60.0]])
    targets = handles + torch.tensor([[30.0, -20.0], [-8.0, 25.0]])
    ways = TextbookImageDrag(generator, latents, handles, targets), OurImageDrag(generator, latents, handles, targets)
    return ways


def test_both_drags_take_the_same_steps(drags: tuple[TextbookImageDrag, OurImageDrag]) -> None:
    textbook, ours = drags
    for _ in range(5):
        assert torch.equal(textbook.handles, ours.drag.handles)
        expected, found = textbook.step(), ours.step()
        # Ours tracks after its step, the textbook before its next one.
        assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5
        assert torch.allclose(textbook.moved, ours.drag.method.latents(), atol=1e-6)
        with torch.no_grad():
            rows = torch.cat([textbook.moved, textbook.fixed])[None]
            enlarged = torch.nn.functional.interpolate(
                textbook.generator.features(rows), size=(256, 256), mode="bilinear", align_corners=False
            )
            assert textbook.references is not None
            textbook._track(enlarged, textbook.references)


def test_the_gradient_of_all_weights_is_the_textbooks_only(drags: tuple[TextbookImageDrag, OurImageDrag]) -> None:
    textbook, ours = drags
    textbook.step()
    ours.step()
    assert textbook.generator.synthesis.b4.conv1.weight.grad is not None
    assert all(p.grad is None for p in ours.drag.subject.generator.parameters())


def test_the_measured_model_is_as_large_as_the_released_ones() -> None:
    assert released_config(512) == ImageConfig()
    assert released_config(1024).channels[-1] == 32


def test_the_bench_reports_ratios_and_equal_gradients() -> None:
    report = bench_image_step(repeats=1, threads=1, config=SMALL)
    assert report["gradient_difference"] < 1e-5
    assert report["resolution"] == 256
    for clock in ("wall", "cpu"):
        assert report["ratio"][clock] == report["textbook"][clock] / report["ours"][clock] > 0
    assert 0 < report["multiply_adds"]["windows"] < report["multiply_adds"]["whole"]
