"""An image as a subject: pixels, radii that fit its size, six rows or all, windows of the map, masks as points."""

import numpy as np
import pytest
import torch

import get3d_models
from drag3d.core import Drag, DragSettings, StopReason
from drag3d.core.methods.anchored import Anchored
from drag3d.core.task import Task
from drag3d.subjects.image import ImageSubject
from get3d_models import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator


def generator_of(resolution: int) -> ImageGenerator:
    torch.manual_seed(0)
    blocks = (resolution // 4).bit_length()
    config = ImageConfig(z_dim=8, w_dim=8, mapping_layers=1, channels=(8,) * blocks, conv_clamp=None)
    return ImageGenerator(config, "random").requires_grad_(False)


@pytest.fixture(scope="module")
def generator() -> ImageGenerator:
    return generator_of(64)


@pytest.fixture
def subject(generator: ImageGenerator) -> ImageSubject:
    return ImageSubject(generator, generator.latents(1))


@pytest.mark.parametrize(
    ("resolution", "patch", "search", "tolerance"), [(512, 3, 12, 2), (256, 2, 6, 1), (64, 1, 2, 1), (16, 1, 2, 1)]
)
def test_radii_scale_with_the_image_and_are_never_empty(
    resolution: int, patch: int, search: int, tolerance: float
) -> None:
    generator = generator_of(resolution)
    subject = ImageSubject(generator, generator.latents(0))
    found = subject.patch_radius, subject.search_radius, subject.tolerance, subject.step_length
    assert found == (patch, search, tolerance, 1)
    middle = torch.full((2,), resolution / 2)
    assert len(subject.patch(middle, subject.patch_radius, 99, 0)) >= 5


def test_the_supervised_patch_is_a_disc_of_pixels(subject: ImageSubject) -> None:
    handle = torch.tensor([20.0, 30.0])
    patch = subject.patch(handle, 3.0, 99, 0)
    assert len(patch) == 29  # whole points of a disc of radius 3 (Gauss's circle problem)
    assert {tuple(p) for p in patch.tolist()} >= {(20, 30), (23, 30), (20, 27), (22, 32)}
    assert (patch - handle).norm(dim=1).max() <= 3


def test_a_patch_at_the_border_has_only_pixels_of_the_image(subject: ImageSubject) -> None:
    corner = subject.patch(torch.tensor([63.0, 0.0]), 3.0, 99, 0)
    assert 0 < len(corner) < 29
    assert ((corner >= 0) & (corner <= 63)).all()


def test_the_released_code_shifts_the_disc_towards_the_origin(generator: ImageGenerator) -> None:
    subject = ImageSubject(generator, generator.latents(1), variant="released")
    handle = torch.tensor([56.0, 56.0])
    middle = subject.patch(handle, 3.0, 99, 0).mean(dim=0)
    assert (middle < handle - 0.3).all()
    # Strictly less than the radius: of the 29 pixels the outermost on the axes are left out.
    assert (subject.patch(torch.tensor([1.0, 1.0]), 1.0, 99, 0) - 1).norm(dim=1).max() < 1


def test_handles_are_looked_for_in_a_square_nearest_first(subject: ImageSubject) -> None:
    square = subject.candidates(12.0, 99, 0)
    assert len(square) == 25**2
    assert square[0].tolist() == [0, 0]
    assert (square.norm(dim=1).diff() >= 0).all()


@pytest.mark.parametrize(
    ("method", "layers", "moved"), [("draggan", None, 6), ("default", None, 10), ("draggan", 3, 3)]
)
def test_the_papers_method_moves_six_rows_ours_all(
    generator: ImageGenerator, method: str, layers: int | None, moved: int
) -> None:
    settings = DragSettings(method=method, layers=layers)
    subject = ImageSubject.for_settings(generator, generator.latents(1), settings)
    assert len(subject.start) == moved
    changed = subject.unpack(subject.start + 1).rows - subject.latents.rows
    assert torch.allclose(changed[:moved], torch.ones(()), atol=1e-6)
    assert not changed[moved:].any()


def test_the_papers_sixth_block_is_the_default_and_the_last_one_of_small_networks() -> None:
    large, small = generator_of(256), generator_of(32)
    assert ImageSubject(large, large.latents(0)).block == 5
    assert ImageSubject(small, small.latents(0)).block == 3
    assert ImageSubject(large, large.latents(0), feature_block=4).block == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "1 to 10"),
        ({"layers": 11}, "1 to 10"),
        ({"feature_block": 9}, "0 to 4"),
        ({"variant": "x"}, "x"),
    ],
)
def test_what_cannot_be_is_refused(generator: ImageGenerator, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ImageSubject(generator, generator.latents(0), **options)


def test_features_from_windows_equal_those_of_the_whole_map() -> None:
    generator = generator_of(256)
    subject = ImageSubject(generator, generator.latents(2))
    handle = torch.tensor([[80.0, 200.0]])
    near = subject.field(subject.start, handle, 8.0)
    far = subject.field(subject.start, handle, float("inf"))
    points = handle + torch.tensor([[0.0, 0.0], [7.5, -3.25], [-8.0, 8.0]])
    assert near.local is not None and far.local is None
    assert torch.allclose(near.features(points), far.features(points), atol=1e-4)
    elsewhere = torch.tensor([[10.0, 10.0]])
    assert torch.allclose(near.features(elsewhere), far.features(elsewhere), atol=1e-4)


def test_dragging_never_computes_what_lies_past_the_feature_block(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = generator_of(256)
    subject = ImageSubject.for_settings(
        generator, generator.latents(3), DragSettings(method="draggan", feature_block=4)
    )
    computed: set[int] = set()
    for index, block in enumerate(generator.synthesis.blocks):
        block.conv1.register_forward_hook(lambda *_, index=index: computed.add(index))
        block.torgb.register_forward_hook(lambda *_: computed.add(-1))
    places = torch.tensor([[100.0, 100.0]])
    drag = Drag(subject, places, places + 10, DragSettings(method="draggan", max_steps=3))
    assert len(list(drag)) >= 3
    assert computed == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("closely", [False, True])
def test_what_many_latents_make_of_pixels_is_what_each_of_them_makes(closely: bool) -> None:
    """Features of the paper's block near handles; of the rest the picture as it stands at 32 pixels, closely at 64."""
    generator = generator_of(256)
    subject = ImageSubject(generator, generator.latents(2))
    random = torch.Generator().manual_seed(0)
    many = subject.start + 0.3 * torch.randn(3, *subject.start.shape, generator=random)
    centers = torch.tensor([[80.0, 200.0], [30.0, 40.0]])
    points = torch.tensor([[[81.0, 199.0], [79.5, 203.2]], [[30.0, 40.0], [31.0, 44.5]]])
    body = torch.tensor([[3.0, 5.0], [200.0, 100.0], [255.0, 0.0]])
    with torch.no_grad():
        responses = subject.responses(many, body, points, closely=closely)
        alone = subject.responses(many, body, None, closely=closely)
    assert responses.level is alone.described is None
    assert torch.allclose(alone.still, responses.still, atol=1e-6)
    assert responses.described is not None
    for latents, described, still in zip(many, responses.described, responses.still, strict=True):
        field = subject.field(latents, centers, float("inf"))
        assert torch.allclose(described.flatten(0, 1), field.descriptors(points.flatten(0, 1)), atol=1e-4)
        picture = generator.images(subject.rows(latents))[4 if closely else 3]
        enlarged = torch.nn.functional.interpolate(picture, size=(256, 256), mode="bilinear", align_corners=False)[0]
        expected = torch.stack([enlarged[:, int(y), int(x)] for x, y in body])
        assert torch.allclose(still, expected, atol=1e-4)


def test_neighbourhoods_that_stretched_are_still_looked_at() -> None:
    """Beyond what a step's field computes around the handles: no window may be too small then."""
    generator = generator_of(256)
    subject = ImageSubject(generator, generator.latents(2))
    handle = torch.tensor([[80.0, 200.0]])
    method = Anchored(subject, Task(handle, handle + 20), DragSettings())
    field = subject.field(method.latents(), handle, method.reach)
    method.begin(field)
    method.placement = method.placement + torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0, 1.0]]) * method.patch_radius
    asked: list[torch.Tensor] = []
    joined = method.neighbourhood.joined
    method.neighbourhood.joined = lambda features, level: asked.append(joined(features, level)) or asked[-1]
    method._look(field)
    expected = method.neighbourhood.describe(subject.field(subject.start, handle, float("inf")), method.placement)
    assert torch.allclose(asked[0][0], expected, atol=1e-3)


def test_networks_without_small_pictures_are_seen_by_their_features() -> None:
    torch.manual_seed(0)
    config = ImageConfig(z_dim=8, w_dim=8, mapping_layers=1, channels=(8,) * 6, conv_clamp=None, architecture="resnet")
    generator = ImageGenerator(config, "residual").requires_grad_(False)
    subject = ImageSubject(generator, generator.latents(0), feature_block=3)
    field = subject.field(subject.start, torch.tensor([[20.0, 30.0]]), float("inf"))
    points = torch.tensor([[20.0, 30.0], [64.0, 1.0]])
    with torch.no_grad():
        responses = subject.responses(subject.start[None], points, None)
    assert torch.allclose(responses.still[0], field.features(points), atol=1e-5)


def test_the_default_method_holds_what_is_seen_outside_a_mask() -> None:
    """Half of what would change there does not, though the handle arrives all the same."""
    portrait = get3d_models.load("portrait")
    latents = portrait.latents(1)
    handle = torch.tensor([[120.0, 180.0]])
    mask = np.zeros((256, 256), dtype=bool)
    mask[140:220, 80:180] = True
    subject = ImageSubject(portrait, latents)
    changes = []
    for hold in (subject.hold_points(mask), None):
        last = list(Drag(subject, handle, handle - 8, DragSettings(), hold))[-1]
        assert last.reason is StopReason.ARRIVED
        change = portrait.image(subject.unpack(last.latents).rows[None]) - portrait.image(latents.rows[None])
        changes.append(float(change[0, :, ~torch.from_numpy(mask)].abs().mean()))
    assert changes[0] < 0.6 * changes[1]


def test_a_mask_stands_as_pixels_of_what_must_stay(subject: ImageSubject) -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[:, :40] = True
    points = subject.hold_points(mask)
    assert len(points) == 64 * 24  # the feature map is as large as the image
    assert points[:, 0].min() == 40 and points[:, 0].max() == 63
    assert len(subject.hold_points(~np.zeros((64, 64), dtype=bool))) == 0


def test_no_area_of_a_mask_is_too_small_to_be_held() -> None:
    generator = generator_of(256)
    mask = np.ones((256, 256), dtype=bool)
    mask[100, 37] = mask[10, 200] = False
    points = ImageSubject(generator, generator.latents(0)).hold_points(mask)
    assert sorted(points.tolist()) == [[37, 100], [200, 10]]


def test_a_mask_is_sampled_as_finely_as_the_features() -> None:
    generator = generator_of(256)
    fixed = np.zeros((256, 256), dtype=bool)
    points = ImageSubject(generator, generator.latents(0)).hold_points(fixed)
    assert len(points) == 128**2
    assert abs(points.mean(dim=0) - 127.5).max() <= 0.5
    assert len(ImageSubject(generator, generator.latents(0), variant="released").hold_points(fixed)) == 256**2
