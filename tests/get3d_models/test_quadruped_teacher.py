"""The procedural quadruped: what a model learns from must be metric, connected, inside its box and varied."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from get3d_models.training import quadruped
from get3d_models.training.tapered_capsules import part_distances

LOW = torch.tensor([p.low for p in quadruped.SHAPE_PARAMETERS])
HIGH = torch.tensor([p.high for p in quadruped.SHAPE_PARAMETERS])


def random_shapes(count: int, seed: int = 0) -> torch.Tensor:
    return LOW + (HIGH - LOW) * torch.rand(count, len(LOW), generator=torch.Generator().manual_seed(seed))


def extreme_shapes(count: int, seed: int = 0) -> torch.Tensor:
    """Every parameter at one of its two bounds."""
    coin = torch.rand(count, len(LOW), generator=torch.Generator().manual_seed(seed)) < 0.5
    return torch.where(coin, LOW, HIGH)


def random_textures(count: int, seed: int = 0) -> torch.Tensor:
    latents = torch.randn(count, quadruped.LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    return quadruped.parameters_from_latent(latents, quadruped.TEXTURE_PARAMETERS)


def distance_and_gradient(parts: quadruped.Parts, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    points = points.clone().requires_grad_()
    distance = quadruped.signed_distance(parts, points)
    return distance.detach(), torch.autograd.grad(distance.sum(), points)[0]


def grid(size: int) -> torch.Tensor:
    axis = (torch.arange(size) + 0.5) / size - 0.5
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(1, -1, 3)


def components(shape: torch.Tensor, size: int) -> int:
    with torch.no_grad():
        parts = quadruped.pose(shape[None])
        pieces = [quadruped.signed_distance(parts, piece) > 0 for piece in grid(size).split(8192, dim=1)]
    inside = torch.cat(pieces, dim=1)
    return int(ndimage.label(inside.reshape(size, size, size).numpy())[1])


@pytest.mark.parametrize("parameters", [quadruped.SHAPE_PARAMETERS, quadruped.TEXTURE_PARAMETERS])
def test_parameters_of_normal_latents_fill_their_ranges_evenly(parameters):
    latents = torch.randn(4000, quadruped.LATENT_SIZE, generator=torch.Generator().manual_seed(0))
    values = quadruped.parameters_from_latent(latents, parameters).numpy()
    low, high = np.array([p.low for p in parameters]), np.array([p.high for p in parameters])
    shares = (values - low) / (high - low)
    assert shares.min() >= 0 and shares.max() <= 1
    assert np.allclose(np.quantile(shares, [0.25, 0.5, 0.75], axis=0).T, [0.25, 0.5, 0.75], atol=0.04)


def test_the_length_of_a_latent_does_not_matter():
    latents = torch.randn(3, quadruped.LATENT_SIZE, generator=torch.Generator().manual_seed(0))
    first, second = (quadruped.parameters_from_latent(s * latents, quadruped.SHAPE_PARAMETERS) for s in (1.0, 7.0))
    assert torch.allclose(first, second, atol=1e-5)


def test_even_the_most_extreme_shapes_stay_well_inside_the_box():
    parts = quadruped.pose(extreme_shapes(4000))
    ends = torch.cat([parts.start, parts.end], dim=1)
    radii = torch.cat([parts.start_radius, parts.end_radius], dim=1)[..., None]
    assert (ends.abs() + radii).max() <= 0.446  # what is left up to 0.45 is for the blend of the smooth union


def test_the_union_is_negative_on_the_box_of_0_45():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(40, 6000, 3, generator=generator) * 0.9 - 0.45
    points.scatter_(-1, points.abs().argmax(-1, keepdim=True), 0.45)
    points = points * torch.where(torch.rand(40, 6000, 1, generator=generator) < 0.5, -1.0, 1.0)
    assert quadruped.signed_distance(quadruped.pose(extreme_shapes(40)), points).max() < 0


def test_no_part_is_thinner_than_the_student_can_resolve():
    parts = quadruped.pose(extreme_shapes(1000))
    radius = torch.minimum(parts.start_radius, parts.end_radius)
    ear, eye = quadruped.PART_NAMES.index("ear"), quadruped.PART_NAMES.index("eye")
    assert radius[:, ear].min() >= 0.03 - 1e-6
    assert (radius / parts.flatness)[:, ear].min() >= 0.014
    others = [k for k in range(radius.shape[1]) if k not in (ear, eye)]
    assert radius[:, others].min() >= 0.0199


def test_flat_axes_are_unit_and_perpendicular_to_their_parts():
    parts = quadruped.pose(random_shapes(50))
    assert torch.allclose(parts.flat_axis.norm(dim=-1), torch.ones(()), atol=1e-5)
    assert ((parts.end - parts.start) * parts.flat_axis).sum(-1).abs().max() < 1e-6


def test_shapes_are_symmetric_in_x():
    points = torch.rand(4, 500, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    parts = quadruped.pose(random_shapes(4))
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.equal(quadruped.signed_distance(parts, points), quadruped.signed_distance(parts, mirrored))


@pytest.mark.parametrize("shapes", [random_shapes, extreme_shapes])
def test_the_distance_is_metric_near_the_surface(shapes):
    parts = quadruped.pose(shapes(40))
    points = quadruped.sample_near_surface(parts, 3000, 0.006, torch.Generator().manual_seed(1))
    distance, gradient = distance_and_gradient(parts, points)
    length = gradient.norm(dim=-1)[distance.abs() < 0.01]
    assert ((length > 0.8) & (length < 1.25)).float().mean() > 0.985


def test_the_reported_outward_direction_is_the_normal():
    parts = quadruped.pose(random_shapes(20))
    points = quadruped.sample_near_surface(parts, 1000, 0.0, torch.Generator().manual_seed(1))
    distance, gradient = distance_and_gradient(parts, points)
    outward = quadruped.union_distance(parts, points)[1]
    cosine = -(outward * gradient).sum(-1) / gradient.norm(dim=-1)
    assert cosine[distance.abs() < 0.002].quantile(0.05) > 0.95


@pytest.mark.parametrize("shapes", [random_shapes, extreme_shapes])
def test_an_animal_is_one_piece(shapes):
    assert all(components(shape, 48) == 1 for shape in shapes(4, seed=3))


@pytest.mark.slow
@pytest.mark.parametrize("shapes", [random_shapes, extreme_shapes])
def test_animals_are_one_piece_on_a_fine_grid_too(shapes):
    assert all(components(shape, 96) == 1 for shape in shapes(6, seed=5))


def test_gaps_never_open_between_parts_that_belong_together():
    """200 animals: walking along parent -> child axes never leaves the shape."""
    joints = ["torso", "chest", "rump", "belly", "neck", "skull", "snout", "nose", "eye", "ear"]
    joints += [f"{pair}_{part}" for pair in ("front", "hind") for part in ("upper", "lower", "foot")]
    joints += ["tail_root", "tail_middle", "tail_end"]
    parent = dict.fromkeys(joints, "torso") | {"skull": "neck", "snout": "skull", "nose": "snout", "eye": "skull"}
    parent |= {"ear": "skull", "tail_root": "rump", "tail_middle": "tail_root", "tail_end": "tail_middle"}
    parent |= {f"{pair}_lower": f"{pair}_upper" for pair in ("front", "hind")}
    parent |= {f"{pair}_foot": f"{pair}_lower" for pair in ("front", "hind")}
    assert tuple(joints) == quadruped.PART_NAMES
    parts = quadruped.pose(random_shapes(200))
    share = torch.linspace(0, 1, 30)[:, None]
    for child, name in enumerate(joints):
        above = joints.index(parent[name])
        a, b, c, d = parts.start[:, above], parts.end[:, above], parts.start[:, child], parts.end[:, child]
        assert torch.maximum(_depth(parts, a, c, share), _depth(parts, b, c, share)).min() > 0, name
        assert _depth(parts, c, d, share).min() > 0, name


def _depth(parts: quadruped.Parts, start: torch.Tensor, end: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """The smallest signed distance on the way, (N,)."""
    walk = start[:, None] + (end - start)[:, None] * share
    return quadruped.signed_distance(parts, walk).amin(dim=1)


def test_samples_are_balanced_near_the_surface_and_on_every_part():
    parts = quadruped.pose(random_shapes(40))
    points = quadruped.sample_near_surface(parts, 3000, 0.01, torch.Generator().manual_seed(2))
    assert points.shape == (40, 3000, 3)
    distance = quadruped.signed_distance(parts, points)
    assert 0.42 < (distance > 0).float().mean() < 0.58
    assert (distance.abs() < 0.03).float().mean() > 0.95
    assert 0.47 < (points[..., 0] > 0).float().mean() < 0.53
    nearest = torch.bincount(part_distances(parts, points).argmin(1).flatten(), minlength=len(quadruped.PART_NAMES))
    shares = dict(zip(quadruped.PART_NAMES, (nearest / nearest.sum()).tolist(), strict=True))
    assert min(shares.values()) > 0.012
    assert shares["ear"] > 0.08
    ear = part_distances(parts, points).argmin(1) == quadruped.PART_NAMES.index("ear")
    assert 0.35 < (distance[ear] > 0).float().mean() < 0.6


def test_samples_depend_on_nothing_but_the_generator():
    parts = quadruped.pose(random_shapes(2))
    first, second = (quadruped.sample_near_surface(parts, 50, 0.01, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, second)


def test_samples_spread_as_asked_point_by_point():
    parts = quadruped.pose(random_shapes(8))
    spread = torch.cat([torch.zeros(1000), torch.full((1000,), 0.02)])
    points = quadruped.sample_near_surface(parts, 2000, spread, torch.Generator().manual_seed(4))
    distance = quadruped.signed_distance(parts, points).abs()
    assert distance[:, :1000].median() < 0.001
    assert distance[:, 1000:].median() > 0.006


@pytest.mark.parametrize("shapes", [random_shapes, extreme_shapes])
def test_keypoints_lie_on_the_surface(shapes):
    parameters = shapes(60)
    points = quadruped.keypoints(parameters)
    assert points.shape == (60, len(quadruped.KEYPOINTS), 3)
    assert quadruped.signed_distance(quadruped.pose(parameters), points).abs().max() < 0.01


def test_keypoints_of_two_animals_differ_visibly():
    first, second = quadruped.keypoints(random_shapes(100)).chunk(2)
    diagonal = (first.amax(1) - first.amin(1)).norm(dim=-1)
    moved = ((first - second).norm(dim=-1) / diagonal[:, None]).mean(dim=1)
    assert 0.05 < moved.median() < 0.20


def test_keypoints_of_a_pair_mirror_each_other():
    points = quadruped.keypoints(random_shapes(5))
    for name in ("ear", "front_foot", "hind_foot"):
        left, right = (points[:, quadruped.KEYPOINTS.index(f"{side}_{name}")] for side in ("left", "right"))
        assert (left[:, 0] > 0).all()
        assert torch.allclose(left * torch.tensor([-1.0, 1.0, 1.0]), right, atol=1e-5)


@pytest.mark.parametrize(
    ("parameter", "keypoint", "axis", "direction"),
    [
        ("leg_length", "left_front_foot", 1, -1),
        ("neck_length", "head_top", 1, 1),
        ("snout_length", "snout", 2, 1),
        ("tail_pitch", "tail", 1, 1),
        ("ear_splay", "left_ear", 0, 1),
        ("front_stance", "left_front_foot", 2, 1),
    ],
)
def test_a_parameter_moves_its_keypoint_and_its_derivative_says_so(parameter, keypoint, axis, direction):
    place = [p.name for p in quadruped.SHAPE_PARAMETERS].index(parameter)
    middle = (0.5 * (LOW + HIGH))[None].requires_grad_()
    point = quadruped.keypoints(middle)[0, quadruped.KEYPOINTS.index(keypoint)]
    slope = torch.autograd.grad(point[axis], middle)[0][0, place]
    step = torch.zeros_like(LOW)
    step[place] = 0.05 * (HIGH - LOW)[place]
    with torch.no_grad():
        there, here = (
            quadruped.keypoints(middle + s * step)[0, quadruped.KEYPOINTS.index(keypoint)][axis] for s in (1, -1)
        )
    measured = (there - here) / (2 * step[place])
    assert direction * measured > 0.05
    assert abs(slope - measured) < 0.25 * abs(measured)


def test_parameters_act_locally():
    names = [p.name for p in quadruped.SHAPE_PARAMETERS]
    short, long = (0.5 * (LOW + HIGH)).repeat(2, 1)
    short[names.index("leg_length")], long[names.index("leg_length")] = 0.2, 0.36
    moved = (quadruped.keypoints(torch.stack([short, long])).diff(dim=0)[0]).norm(dim=-1)
    for name, distance in zip(quadruped.KEYPOINTS, moved.tolist(), strict=True):
        assert distance > 0.1 if name.endswith("foot") else distance < 0.005, name


def test_parameters_can_be_refitted_to_distances_by_descent():
    target, start = random_shapes(1, seed=8), 0.5 * (LOW + HIGH)[None]
    points = quadruped.sample_near_surface(quadruped.pose(target), 1500, 0.02, torch.Generator().manual_seed(5))
    wanted = quadruped.signed_distance(quadruped.pose(target), points).clamp(-0.05, 0.05)
    share = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.Adam([share], lr=0.05)
    losses = []
    for _ in range(60):
        distance = quadruped.signed_distance(quadruped.pose(start + share * (HIGH - LOW)), points)
        loss = (distance.clamp(-0.05, 0.05) - wanted).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.25 * losses[0]


def test_colors_are_rgb_smooth_and_follow_the_texture_latent():
    parts = quadruped.pose(random_shapes(16))
    points = quadruped.sample_near_surface(parts, 800, 0.0, torch.Generator().manual_seed(6))
    rgb = quadruped.colors(parts, random_textures(16), points)
    assert rgb.shape == points.shape and rgb.min() >= 0 and rgb.max() <= 1
    noise = torch.randn(points.shape, generator=torch.Generator().manual_seed(7))
    step = 0.002 * torch.nn.functional.normalize(noise, dim=-1)
    change = (quadruped.colors(parts, random_textures(16), points + step) - rgb).abs().amax(-1)
    assert change.quantile(0.99) < 0.12
    other = quadruped.colors(parts, random_textures(16, seed=1), points)
    assert (other - rgb).abs().mean() > 0.08


def test_distance_and_colors_together_equal_each_alone():
    parts, textures = quadruped.pose(random_shapes(2)), random_textures(2)
    points = torch.rand(2, 300, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    distance, rgb = quadruped.signed_distance_and_colors(parts, textures, points)
    assert torch.equal(distance, quadruped.signed_distance(parts, points))
    assert torch.equal(rgb, quadruped.colors(parts, textures, points))


def test_eyes_and_nose_can_be_told_from_the_coat():
    names = [p.name for p in quadruped.TEXTURE_PARAMETERS]
    texture = torch.tensor([[p.low for p in quadruped.TEXTURE_PARAMETERS]])  # a cream animal
    texture[0, names.index("muzzle_tone")] = 1.0
    shape = 0.5 * (LOW + HIGH)[None]
    parts = quadruped.pose(shape)
    eye, skull = (quadruped.PART_NAMES.index(name) for name in ("eye", "skull"))
    outward = torch.nn.functional.normalize(parts.start[:, eye] - parts.start[:, skull], dim=-1)
    pupil = parts.start[:, eye] + outward * parts.start_radius[:, eye, None]
    points = torch.stack(
        [pupil, *(quadruped.keypoints(shape)[:, quadruped.KEYPOINTS.index(k)] for k in ("snout", "back"))], dim=1
    )
    eye_rgb, nose_rgb, back_rgb = quadruped.colors(parts, texture, points)[0]
    assert eye_rgb.max() < 0.25 and nose_rgb.max() < 0.3 and back_rgb.min() > 0.4
