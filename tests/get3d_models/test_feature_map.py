"""Features at pixels equal those of the whole map enlarged to the image's size, whatever windows they come from."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from get3d_models import InputError
from get3d_models.devices import constant
from get3d_models.feature_map import FeatureMap, windows_around
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator
from get3d_models.windows import Windows

SMALL = ImageConfig(z_dim=8, w_dim=8, mapping_layers=1, channels=(8, 8, 8, 8, 6, 4), conv_clamp=None)
HUMAN = ImageConfig(
    z_dim=8, w_dim=8, mapping_layers=1, channels=(8, 8, 8, 6), conv_clamp=None, start=(4, 2), architecture="resnet"
)
BLOCK = 3


def random_generator(config: ImageConfig) -> ImageGenerator:
    torch.manual_seed(0)
    generator = ImageGenerator(config).double().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if "noise_strength" in name:
            parameter.fill_(0.3)
    return generator


@pytest.fixture(scope="module", params=[SMALL, HUMAN], ids=["square", "human"])
def generator(request: pytest.FixtureRequest) -> ImageGenerator:
    return random_generator(request.param)


def rows(generator: ImageGenerator) -> torch.Tensor:
    count, width = generator.config.rows, generator.config.w_dim
    return torch.randn(1, count, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def enlarged(texels: torch.Tensor, points: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The slow way: the whole map at image size, then sampled; zeros beyond the image."""
    width, height = size
    image = F.interpolate(texels, size=(height, width), mode="bilinear", align_corners=False)
    scale = points.new_tensor([width - 1, height - 1]) / 2
    return F.grid_sample(image, (points / scale - 1)[None, None], align_corners=True)[0, :, 0].t()


def some_points(size: tuple[int, int], count: int = 40, whole: bool = False) -> torch.Tensor:
    share = torch.rand(count, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    points = share * (torch.tensor(size) - 1)
    return points.round() if whole else points


@pytest.mark.parametrize("whole", [True, False], ids=["pixels", "between pixels"])
@pytest.mark.parametrize("block", [0, 2, BLOCK])
def test_a_whole_map_is_read_as_if_enlarged(generator: ImageGenerator, whole: bool, block: int) -> None:
    points = some_points(generator.size, whole=whole)
    ws = rows(generator)
    expected = enlarged(generator.features(ws, block), points, generator.size)
    assert torch.allclose(generator.feature_map(ws, block).at(points), expected, atol=1e-10)


def test_beyond_the_image_there_are_zeros_or_the_border(generator: ImageGenerator) -> None:
    ws = rows(generator)
    whole = generator.feature_map(ws, BLOCK)
    width, height = generator.size
    points = torch.tensor([[-0.4, 3.0], [width - 0.5, 2.5], [4.0, height + 5.0]], dtype=torch.float64)
    outside = enlarged(generator.features(ws, BLOCK), points, generator.size)
    assert torch.allclose(whole.at(points, "zeros"), outside, atol=1e-10)
    inside = points.clamp_min(0).minimum(torch.tensor([width - 1.0, height - 1.0]))
    assert torch.equal(whole.at(points), whole.at(inside))


@settings(max_examples=25, deadline=None)
@given(
    places=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4),
    radius=st.floats(0, 9),
    block=st.integers(1, 3),
    human=st.booleans(),
)
def test_windows_hold_exactly_what_the_whole_map_has(
    places: list[tuple[float, float]], radius: float, block: int, human: bool
) -> None:
    generator = GENERATORS[human]
    last = torch.tensor(generator.size, dtype=torch.float64) - 1
    centers = torch.tensor(places, dtype=torch.float64) * last
    ws = rows(generator).requires_grad_(True)
    local = generator.local_features(ws, centers, radius, block, noise="const")
    step = torch.tensor([[0.0, 0.0], [1.0, 1.0], [-1.0, 1.0], [0.3, -1.0]], dtype=torch.float64)
    points = (centers[:, None] + radius * step).flatten(0, 1).clamp_min(0).minimum(last)
    assert local.covers(points)
    whole = generator.feature_map(ws, block, noise="const")
    found, expected = local.at(points), whole.at(points)
    assert torch.allclose(found, expected, atol=1e-10)
    signs = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    slopes = [torch.autograd.grad((values * signs).sum(), ws)[0] for values in (found, expected)]
    assert torch.allclose(slopes[0], slopes[1], atol=1e-10)
    assert slopes[1].abs().max() > 0


GENERATORS = [random_generator(SMALL), random_generator(HUMAN)]


@pytest.mark.parametrize("noise", ["none", 5])
def test_windows_see_the_same_noise_as_the_whole_map(noise: str | int) -> None:
    generator = GENERATORS[0]
    ws, center = rows(generator), torch.tensor([[40.0, 70.0]], dtype=torch.float64)
    local = generator.local_features(ws, center, 3.0, 5, noise)  # type: ignore[arg-type]
    assert not local.windows.is_whole
    whole = generator.feature_map(ws, 5, noise)  # type: ignore[arg-type]
    assert torch.allclose(local.at(center), whole.at(center), atol=1e-10)
    assert not torch.allclose(whole.at(center), generator.feature_map(ws, 5).at(center))


def test_a_point_outside_the_windows_is_refused() -> None:
    generator = GENERATORS[0]
    center = torch.tensor([[100.0, 20.0]], dtype=torch.float64)
    local = generator.local_features(rows(generator), center, 2.0, 5)
    far = torch.tensor([[10.0, 90.0]], dtype=torch.float64)
    assert not local.covers(far)
    with pytest.raises(InputError, match="outside the windows"):
        local.at(far)


def test_a_field_first_read_without_gradients_still_has_them() -> None:
    generator = GENERATORS[0]
    ws = rows(generator).requires_grad_(True)
    features, point = generator.feature_map(ws, 3), torch.tensor([[5.0, 6.0]])
    with torch.no_grad():
        features.at(point)
    assert torch.autograd.grad(features.at(point).sum(), ws)[0].abs().max() > 0


def test_nothing_is_enlarged_however_large_the_image() -> None:
    texels = torch.zeros(1, 2, 128, 128)
    whole = FeatureMap(texels, Windows.whole(128), (1 << 20, 1 << 20))  # a map of this size would not fit in memory
    assert whole.at(torch.tensor([[1e6, 3.5]])).shape == (1, 2)


@pytest.mark.parametrize(
    ("centers", "radius"),
    [
        (torch.zeros(0, 2), 1.0),
        (torch.zeros(2, 3), 1.0),
        (torch.full((1, 2), torch.nan), 1.0),
        (torch.zeros(1, 2), -1.0),
    ],
)
def test_unusable_windows_are_refused(centers: torch.Tensor, radius: float) -> None:
    with pytest.raises(InputError):
        windows_around(centers, radius, (64, 64), (32, 32))


def test_constants_first_used_in_inference_mode_serve_gradients_afterwards() -> None:
    with torch.inference_mode():
        kept = constant((3.0, 5.0), torch.float32, torch.device("cpu"))
    assert kept is constant((3.0, 5.0), torch.float32, torch.device("cpu")) and not kept.is_inference()
    x = torch.ones(2, requires_grad=True)
    (x * kept).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3.0, 5.0]
