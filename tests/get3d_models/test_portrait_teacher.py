"""The procedural portrait: what a model learns from must be smooth, inside the image, its keypoints in place."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from get3d_models.training import portrait
from get3d_models.training.drawing import pixel_grid

LOW = torch.tensor([p.low for p in portrait.PARAMETERS])
HIGH = torch.tensor([p.high for p in portrait.PARAMETERS])
PLACE = {p.name: place for place, p in enumerate(portrait.PARAMETERS)}
PIXEL = 1.0 / 256


def random_portraits(count: int, seed: int = 0, **fixed: float) -> torch.Tensor:
    """``fixed``: parameters by name, as shares of their ranges."""
    shares = torch.rand(count, len(LOW), generator=torch.Generator().manual_seed(seed))
    for name, share in fixed.items():
        shares[:, PLACE[name]] = share
    return LOW + (HIGH - LOW) * shares


def extreme_portraits(count: int, seed: int = 0) -> torch.Tensor:
    """Every parameter at one of its two bounds."""
    coin = torch.rand(count, len(LOW), generator=torch.Generator().manual_seed(seed)) < 0.5
    return torch.where(coin, LOW, HIGH)


def keypoint(parameters: torch.Tensor, name: str) -> torch.Tensor:
    return portrait.keypoints(parameters)[:, portrait.KEYPOINTS.index(name)]


def color_at(parameters: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    return portrait.draw_at(parameters, points[:, None], PIXEL)[:, 0]


def edge_offsets(parameters: torch.Tensor, name: str, direction: tuple[float, float]) -> torch.Tensor:
    """How far from the keypoint, along ``direction``, the picture changes most within 0.02 of it."""
    steps = torch.linspace(-0.02, 0.02, 81)
    points = keypoint(parameters, name)[:, None] + steps[:, None] * torch.tensor(direction)
    colors = portrait.draw_at(parameters, points, PIXEL)
    change = (colors[:, 4:] - colors[:, :-4]).square().sum(-1)
    return steps[2:-2][change.argmax(-1)]


def test_a_latent_holds_every_parameter_and_its_length_does_not_matter():
    assert len(portrait.PARAMETERS) == len(PLACE) == portrait.LATENT_SIZE
    latents = torch.randn(3, portrait.LATENT_SIZE, generator=torch.Generator().manual_seed(0))
    first, second = (portrait.parameters_from_latent(s * latents, portrait.PARAMETERS) for s in (1.0, 7.0))
    assert torch.allclose(first, second, atol=1e-5)


def test_pictures_are_colours_and_repeat():
    parameters = extreme_portraits(12)
    pictures = portrait.draw(parameters, 64)
    assert pictures.shape == (12, 3, 64, 64) and pictures.dtype == torch.float32
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert torch.equal(pictures, portrait.draw(parameters, 64))
    assert torch.allclose(pictures[3:4], portrait.draw(parameters[3:4], 64), atol=1e-6)


def test_pictures_differ_from_each_other_and_have_contrast():
    pictures = portrait.draw(random_portraits(24), 64)
    assert pictures.std(dim=0).mean() > 0.08
    assert pictures.std(dim=(2, 3)).min() > 0.05


def test_colours_at_pixel_centres_are_the_picture():
    # The picture paints each feature inside a window only: extreme poses would show one that is too small.
    parameters = extreme_portraits(40, seed=1)
    x, y = pixel_grid(64, parameters)
    points = torch.stack([x, y], dim=-1).reshape(1, -1, 2).expand(40, -1, -1)
    colors = portrait.draw_at(parameters, points, 1 / 64).transpose(1, 2).reshape(40, 3, 64, 64)
    assert torch.allclose(portrait.draw(parameters, 64), colors, atol=2e-5)


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_a_small_picture_is_the_area_average_of_a_large_one(resolution):
    parameters = random_portraits(4)
    average = avg_pool2d(portrait.draw(parameters, 256), 256 // resolution)
    difference = (portrait.draw(parameters, resolution) - average).abs()
    assert difference.mean() < 0.0045 * 32 / resolution


@pytest.mark.parametrize("resolution", [16, 256])
def test_gradients_are_finite_for_extreme_portraits_and_latents(resolution):
    latents = torch.cat([torch.zeros(1, portrait.LATENT_SIZE), 1e6 * torch.eye(portrait.LATENT_SIZE)[:1]])
    from_latents = portrait.parameters_from_latent(latents, portrait.PARAMETERS)
    parameters = torch.cat([from_latents, extreme_portraits(3)]).requires_grad_()
    pictures, places = portrait.draw(parameters, resolution), portrait.keypoints(parameters)
    (gradient,) = torch.autograd.grad(pictures.square().sum() + places.sum(), parameters)
    assert torch.isfinite(pictures).all() and torch.isfinite(places).all() and torch.isfinite(gradient).all()


def test_gradients_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    parameters = random_portraits(2).double().requires_grad_()
    points = torch.rand(2, 300, 2, generator=generator, dtype=torch.float64) * 0.7 + 0.15
    weights = torch.randn(2, 300, 3, generator=generator, dtype=torch.float64)
    place_weights = torch.randn(2, len(portrait.KEYPOINTS), 2, generator=generator, dtype=torch.float64)

    def value(q: torch.Tensor) -> torch.Tensor:
        picture = (portrait.draw_at(q, points, PIXEL) * weights).sum()
        return picture + (portrait.keypoints(q) * place_weights).sum()

    (gradient,) = torch.autograd.grad(value(parameters), parameters)
    with torch.no_grad():
        for place in range(len(LOW)):
            step = torch.zeros_like(parameters)
            step[:, place] = 1e-6 * (HIGH - LOW)[place]
            numeric = (value(parameters + step) - value(parameters - step)) / 2e-6
            analytic = (gradient[:, place] * (HIGH - LOW)[place]).sum()
            assert numeric.item() == pytest.approx(analytic.item(), rel=2e-3, abs=2e-4), portrait.PARAMETERS[place].name


def test_every_parameter_changes_the_picture_and_little_of_it_changes_little():
    base = random_portraits(1, seed=3, yaw=0.5, eye_open=0.8, mouth_open=0.5)
    steps = 0.002 * torch.diag(HIGH - LOW)
    change = (portrait.draw(base + steps, 128) - portrait.draw(base, 128)).abs()
    across = (portrait.draw(base + 150 * steps, 128) - portrait.draw(base, 128)).abs()
    assert change.max() < 0.05
    for place, name in enumerate(PLACE):
        assert across[place].max() > 0.02, name


def test_portraits_vary_as_smoothly_as_a_fifth_of_a_percent_of_everything():
    parameters = random_portraits(6, seed=4)
    step = 0.002 * (HIGH - LOW) * torch.sign(torch.randn(6, len(LOW), generator=torch.Generator().manual_seed(0)))
    change = (portrait.draw(parameters + step, 128) - portrait.draw(parameters, 128)).abs()
    assert change.max() < 0.12 and change.mean() < 0.002


def test_keypoints_stay_well_inside_the_image_and_move_far_enough_to_be_dragged():
    places = portrait.keypoints(extreme_portraits(4000))
    assert places.shape == (4000, len(portrait.KEYPOINTS), 2)
    assert places.min() > 0.06 and places.max() < 0.94
    places = portrait.keypoints(random_portraits(2000))
    distance = (places[:1000] - places[1000:]).norm(dim=-1).mean(0)
    assert distance.min() > 0.04 and distance.max() < 0.12


def test_left_is_the_left_of_the_image():
    places = portrait.keypoints(random_portraits(500))
    for name in ("mouth_{}", "eye_{}_upper_lid", "pupil_{}", "brow_{}", "hair_{}", "ear_{}"):
        left, right = (portrait.KEYPOINTS.index(name.format(side)) for side in ("left", "right"))
        assert (places[:, left, 0] < places[:, right, 0]).all()


@pytest.mark.parametrize(
    "name, direction, tolerance",
    [
        ("chin", (0.0, 1.0), 0.005),
        ("hair_top", (0.0, 1.0), 0.005),
        ("hair_left", (1.0, 0.0), 0.006),
        ("hair_right", (1.0, 0.0), 0.006),
        ("mouth_bottom", (0.0, 1.0), 0.006),
    ],
)
def test_a_keypoint_of_an_outline_lies_on_the_strongest_edge_nearby(name, direction, tolerance):
    parameters = random_portraits(60, skin_depth=0.2, hair_depth=0.9, hair_warmth=0.8, lip_tone=0.8, roll=0.5)
    assert edge_offsets(parameters, name, direction).abs().quantile(0.9) < tolerance


@pytest.mark.parametrize("name, outwards", [("mouth_left", -1.0), ("mouth_right", 1.0)])
def test_a_corner_of_the_mouth_lies_between_lips_and_skin(name, outwards):
    parameters = random_portraits(60, skin_depth=0.1)
    # A stroke with a radius of 0.0066 ends there: its edge lies that much (times the head's scale) further out.
    offsets = edge_offsets(parameters, name, (outwards, 0.0))
    assert offsets.median() == pytest.approx(0.007, abs=0.004)
    inner, outer = (
        color_at(parameters, keypoint(parameters, name) + torch.tensor([s * outwards, 0.0])) for s in (0, 0.025)
    )
    assert (inner.sum(-1) < outer.sum(-1) - 0.3).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_upper_lid_is_a_dark_line_at_its_keypoint_however_open_the_eye(side):
    for opened in (0.0, 0.5, 1.0):
        parameters = random_portraits(40, skin_depth=0.1, eye_open=opened, fringe=0.0)
        lid = keypoint(parameters, f"eye_{side}_upper_lid")
        above = color_at(parameters, lid - torch.tensor([0.0, 0.018]))
        assert (color_at(parameters, lid).sum(-1) < above.sum(-1) - 0.2).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_pupil_of_an_open_eye_is_dark(side):
    parameters = random_portraits(60, eye_open=1.0, gaze_y=0.5)
    assert color_at(parameters, keypoint(parameters, f"pupil_{side}")).max() < 0.3


@pytest.mark.parametrize(
    "parameter, names",
    [
        ("nose_width", ("nose_tip",)),
        ("brow_thickness", ("brow_left", "brow_right")),
        ("ear_size", ("ear_left", "ear_right")),
    ],
)
def test_the_picture_changes_around_a_keypoint_with_the_size_of_what_it_names(parameter, names):
    small, large = (random_portraits(6, **{parameter: share}) for share in (0.0, 1.0))
    change = (portrait.draw(large, 128) - portrait.draw(small, 128)).abs().sum(1)
    x, y = pixel_grid(128, change)
    shares = []
    for name in names:
        place = keypoint((small + large) / 2, name)[:, :, None, None]
        near = ((x - place[:, 0]).square() + (y - place[:, 1]).square()).sqrt() < 0.07
        shares.append((change * near).sum((1, 2)) / change.sum((1, 2)))
    assert torch.stack(shares).sum(0).min() > 0.8
    assert torch.stack(shares).min() > 0.08  # a turned head or a brow before hair shows little of one side


def test_more_of_an_opening_parameter_moves_the_lids_up_and_the_lower_lip_down():
    closed, wide = (random_portraits(50, eye_open=share, mouth_open=share) for share in (0.0, 1.0))
    for name in ("eye_left_upper_lid", "eye_right_upper_lid"):
        rise = (keypoint(closed, name) - keypoint(wide, name))[:, 1]
        assert rise.min() > 0.04
    assert (keypoint(wide, "mouth_bottom") - keypoint(closed, "mouth_bottom"))[:, 1].min() > 0.03


def test_a_turn_of_the_head_moves_the_nose_most_and_the_hair_hardly():
    left, right = (random_portraits(50, yaw=share, roll=0.5) for share in (0.0, 1.0))
    moved = portrait.keypoints(right)[..., 0] - portrait.keypoints(left)[..., 0]
    by_name = dict(zip(portrait.KEYPOINTS, moved.unbind(-1), strict=True))
    assert by_name["nose_tip"].min() > 0.12
    assert (by_name["nose_tip"] > by_name["mouth_top"]).all()
    assert by_name["hair_top"].abs().max() < 0.035


def test_a_pupil_is_shown_where_it_is_dark_and_not_under_a_closed_lid():
    parameters = random_portraits(3, eye_open_difference=0.5)
    parameters[:, PLACE["eye_open"]] = torch.tensor([1.0, 0.05, 0.05])
    parameters[2, PLACE["eye_open_difference"]] = 0.16
    left, right = (portrait.KEYPOINTS.index(name) for name in ("pupil_left", "pupil_right"))
    seen = portrait.shown(parameters)
    assert seen[:, left].tolist() == seen[:, right].tolist() == [True, False, False]
    others = [i for i in range(len(portrait.KEYPOINTS)) if i not in (left, right)]
    assert bool(seen[:, others].all())
    dark = [color_at(parameters, keypoint(parameters, name)).mean(dim=1) for name in ("pupil_left", "pupil_right")]
    assert all(float(d[0]) < 0.3 and float(d[1]) > float(d[0]) + 0.1 for d in dark)
