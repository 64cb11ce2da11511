"""What windowed evaluation of the triplane synthesis promises: exactly the whole evaluation, for less."""

from __future__ import annotations

import copy
from functools import cache

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from get3d_models import Generator, GeneratorConfig, InputError
from get3d_models.windows import Windows, plan

PROPERTY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EXACTNESS = {torch.float32: 1e-5, torch.float64: 1e-10}


@cache
def network(blocks: int, clamp: float | None, dtype: torch.dtype) -> Generator:
    """A small random network in which noise, biases and (if asked for) the clamp all have something to say."""
    torch.manual_seed(blocks)
    config = GeneratorConfig(
        z_dim=8, w_dim=8, mapping_layers=1, channels=(10, 8, 7, 6, 5, 4)[:blocks], plane_channels=3, decoder_width=4,
        conv_clamp=clamp, scale=1.5, grid="body-centred", grid_resolution=8,
    )  # fmt: skip
    generator = Generator(config).requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
        elif name.endswith("bias"):
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return generator.to(dtype)


def latents(generator: Generator, seed: int, count: int = 1) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    config, like = generator.config, generator.mapping_geometry.w_avg
    rows = (config.geometry_rows, config.texture_rows)
    geometry, texture = (torch.randn(count, r, config.w_dim, generator=random).to(like) for r in rows)
    return geometry.requires_grad_(), texture.requires_grad_()


def points_near(centers: Tensor, radius: float, seed: int) -> Tensor:
    """Points in the balls around the centres, half of them on the very rim, and the centres."""
    random = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(40, 3, generator=random), dim=1)
    direction[:6] = torch.cat([torch.eye(3), -torch.eye(3)])
    length = torch.rand(40, 1, generator=random)
    length[:20] = 1
    ball = torch.cat([torch.zeros(1, 3), direction * length * radius]).to(centers)
    return (centers[:, None] + ball).flatten(0, 1)


def relative(a: Tensor, b: Tensor) -> float:
    a, b = a.detach(), b.detach()
    return float((a - b).abs().max() / b.abs().max().clamp_min(1e-30))


def features_and_gradients(
    generator: Generator, planes: object, points: Tensor, ws: tuple[Tensor, Tensor]
) -> list[Tensor]:
    """Geometry and texture features, and the gradients of a random functional of both to both latents."""
    found = [generator.features(getattr(planes, name), points) for name in ("geometry", "texture")]
    random = torch.Generator().manual_seed(7)
    loss = sum((f * torch.randn(f.shape, generator=random).to(f)).sum() for f in found)
    return [*(f.detach() for f in found), *torch.autograd.grad(loss, ws)]


coordinates = st.one_of(st.sampled_from([-0.75, 0.75, 0.0, -0.9]), st.floats(-0.875, 0.875, width=32))


@PROPERTY
@given(
    blocks=st.integers(1, 6),
    clamp=st.sampled_from([None, 1.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    centers=st.lists(st.tuples(coordinates, coordinates, coordinates), min_size=1, max_size=4),
    radius=st.floats(0, 0.25),
    seed=st.integers(0, 99),
    count=st.integers(1, 2),
)
def test_features_and_gradients_in_windows_are_those_of_the_whole_planes(
    blocks: int,
    clamp: float | None,
    dtype: torch.dtype,
    centers: list[tuple[float, ...]],
    radius: float,
    seed: int,
    count: int,
) -> None:
    generator = network(blocks, clamp, dtype)
    ws = latents(generator, seed, count)
    places = torch.tensor(centers, dtype=dtype)
    points = points_near(places, radius, seed).expand(count, -1, -1)
    local = generator.local_triplanes(ws[0], places, radius, ws[1])
    ours = features_and_gradients(generator, local, points, ws)
    whole = features_and_gradients(generator, generator.triplanes(*ws), points, ws)
    for a, b in zip(ours, whole, strict=True):
        assert relative(a, b) <= EXACTNESS[dtype]


@PROPERTY
@given(
    requested=st.lists(st.tuples(st.integers(-3, 34), st.integers(-3, 34)), min_size=3, max_size=3),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    start=st.integers(1, 4),
)
def test_any_windows_can_be_computed_from_any_level_on(
    requested: list[tuple[int, int]], size: tuple[int, int], start: int
) -> None:
    generator = network(4, None, torch.float64)
    ws = latents(generator, 0)[0].detach()
    synthesis = generator.synthesis
    windows = Windows((32, 32), size, tuple(requested))
    # Costs that make the planner compute whole maps below block `start` and windows from there on.
    made = plan(windows, 4, lambda i, w: int(w.is_whole == (i >= start)))
    assert [w.is_whole for w in made.blocks] == [i < start for i in range(4)]
    local = synthesis.local(ws[:, :11], None, made).geometry.texels[0]
    whole = torch.nn.functional.pad(synthesis(ws[:, :11]).geometry[0], (20, 20, 20, 20))
    for plane, ((row, column), texels) in enumerate(zip(requested, local, strict=True)):
        expected = whole[plane, :, row + 20 : row + 20 + size[0], column + 20 : column + 20 + size[1]]
        assert float((texels - expected).abs().max()) <= 1e-10 * float(whole.abs().max())


@PROPERTY
@given(
    blocks=st.integers(2, 6),
    ends=st.tuples(*[st.tuples(coordinates, coordinates).map(sorted)] * 3),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 99),
)
def test_features_and_gradients_in_a_box_are_those_of_the_whole_planes(
    blocks: int, ends: tuple[list[float], ...], dtype: torch.dtype, seed: int
) -> None:
    generator = network(blocks, None, dtype)
    ws = latents(generator, seed)
    lowest, highest = torch.tensor(ends, dtype=dtype).unbind(1)
    random = torch.rand(60, 3, generator=torch.Generator().manual_seed(seed)).to(dtype)
    points = torch.cat([lowest[None], highest[None], lowest + random * (highest - lowest)])[None].clamp(lowest, highest)
    ours = features_and_gradients(generator, generator.box_triplanes(ws[0], lowest, highest, ws[1]), points, ws)
    whole = features_and_gradients(generator, generator.triplanes(*ws), points, ws)
    for a, b in zip(ours, whole, strict=True):
        assert relative(a, b) <= EXACTNESS[dtype]


def test_a_box_upside_down_or_without_numbers_is_refused() -> None:
    generator = network(3, None, torch.float32)
    ws = latents(generator, 0)[0]
    for highest in (torch.tensor([1.0, -1.0, 1.0]), torch.full((3,), float("nan")), torch.ones(2)):
        with pytest.raises(InputError, match="lowest and its highest corner"):
            generator.box_triplanes(ws, torch.zeros(3), highest)


def test_every_part_of_the_network_has_a_say_in_the_comparison() -> None:
    """Else equality of windows and whole would prove less than it seems."""
    generator = network(4, 1.0, torch.float64)
    ws = latents(generator, 3)
    before = generator.triplanes(*ws)
    assert before.texture is not None
    for name in ("noise_strength", "conv0.bias", "togeo.bias", "totex.bias"):
        other = copy.deepcopy(generator)
        for key, parameter in other.named_parameters():
            if key.endswith(name):
                parameter.zero_()
        after = other.triplanes(*ws)
        assert after.texture is not None
        assert relative(after.geometry, before.geometry) + relative(after.texture, before.texture) > 0.01
    unclamped = network(4, None, torch.float64).triplanes(*ws)
    assert relative(before.geometry, unclamped.geometry) > 0.01


def test_gradients_to_points_are_those_of_the_whole_planes() -> None:
    generator = network(5, None, torch.float64)
    ws = latents(generator, 5)[0].detach()
    places = torch.tensor([[0.1, -0.3, 0.74], [0.2, 0.2, 0.2]], dtype=torch.float64)
    points = points_near(places, 0.05, 1)[None].requires_grad_()
    gradients = [
        torch.autograd.grad(generator.features(planes, points).square().sum(), points)[0]
        for planes in (generator.local_triplanes(ws, places, 0.05), generator.triplanes(ws).geometry)
    ]
    assert relative(*gradients) <= 1e-10


def test_a_batch_of_backward_passes_gives_the_rows_of_the_jacobian() -> None:
    generator = network(5, None, torch.float64)
    ws = latents(generator, 3)[0]
    both = torch.tensor([[[0.1, 0.2, -0.3], [0.74, 0.0, 0.3]]], dtype=torch.float64)
    for places in (both, both[:, :1]):
        rows = []
        for planes in (generator.local_triplanes(ws, places[0], 0.01).geometry, generator.triplanes(ws).geometry):
            features = generator.features(planes, places).flatten()
            seeds = torch.eye(len(features), dtype=torch.float64)
            rows.append(torch.autograd.grad(features, ws, seeds, is_grads_batched=True)[0])
        assert relative(*rows) <= 1e-10


def test_detached_planes_have_the_same_values_and_no_graph() -> None:
    generator = network(4, None, torch.float32)
    places = torch.tensor([[0.1, 0.2, -0.3], [0.7, 0.0, 0.3]])
    planes = generator.local_triplanes(latents(generator, 3)[0], places, 0.01).geometry
    features = generator.features(planes.detach(), places[None])
    assert not features.requires_grad
    assert relative(features, generator.features(planes, places[None]).detach()) <= 1e-6


def test_weights_that_train_get_the_same_gradients_from_windows() -> None:
    generator = copy.deepcopy(network(5, None, torch.float64)).requires_grad_(True)
    ws = latents(generator, 5)
    places = torch.tensor([[0.1, -0.3, 0.74]], dtype=torch.float64)
    points = points_near(places, 0.05, 1)[None]
    parameters = list(generator.synthesis.parameters())
    local, whole = generator.local_triplanes(ws[0], places, 0.05, ws[1]), generator.triplanes(*ws)
    losses = [
        generator.features(p.geometry, points).square().sum() + generator.features(p.texture, points).square().sum()
        for p in (local, whole)
    ]
    for ours, theirs in zip(*(torch.autograd.grad(loss, parameters) for loss in losses), strict=True):
        assert relative(ours, theirs) <= 1e-10


def test_a_point_outside_every_window_is_refused() -> None:
    generator = network(6, None, torch.float32)
    ws = latents(generator, 0)[0]
    places = torch.tensor([[0.3, 0.3, 0.3], [-0.4, 0.1, 0.0]])
    local = generator.local_triplanes(ws, places, 0.02)
    generator.features(local, places[None])
    tests = torch.tensor([[[0.3, 0.3, 0.3], [-0.41, 0.1, 0.0], [0.3, 0.5, 0.3], [-0.4, 0.3, 0.3]]])
    found = [generator.features_within(local.geometry, point[None, None]) for point in tests[0]]
    assert [features is not None for features in found] == [True, True, False, False]
    with pytest.raises(InputError, match="outside the windows"):
        generator.features(local, places[None] + torch.tensor([0.0, 0.2, 0.0]))
    # Each coordinate of the next point is near some centre, but the point is not.
    with pytest.raises(InputError, match="outside the windows"):
        generator.features(local, torch.tensor([[[0.3, 0.1, 0.3]]]))


@pytest.mark.parametrize(
    ("centers", "radius"),
    [
        (torch.zeros(0, 3), 0.1),
        (torch.zeros(2, 2), 0.1),
        (torch.zeros(3), 0.1),
        (torch.tensor([[0.0, float("nan"), 0.0]]), 0.1),
        (torch.zeros(1, 3), -0.1),
        (torch.zeros(1, 3), float("inf")),
    ],
)
def test_unusable_centres_and_radii_are_refused(centers: Tensor, radius: float) -> None:
    with pytest.raises(InputError, match=r"centres|radius"):
        network(3, None, torch.float32).local_plan(centers, radius)


def test_a_few_points_need_a_fraction_of_the_released_network_and_the_whole_box_all_of_it() -> None:
    with torch.device("meta"):
        generator = Generator(GeneratorConfig())
    handles = torch.tensor([[0.1, 0.2, 0.3], [-0.2, 0.0, 0.1]])
    near = generator.local_plan(handles, 0.01)
    assert near.worth_it
    assert near.multiply_adds < 0.15 * near.whole_multiply_adds
    everywhere = generator.local_plan(torch.zeros(1, 3), 0.5)
    assert not everywhere.worth_it
    assert all(windows.is_whole for windows in everywhere.blocks)
    assert everywhere.multiply_adds == everywhere.whole_multiply_adds
    assert generator.local_plan(handles, 0.01, texture=True).multiply_adds > near.multiply_adds


def test_the_whole_count_is_that_of_the_layers() -> None:
    """4 blocks of the released network, by hand: 9 per weight and input texel, 16 for the filter, 96 plane channels."""
    with torch.device("meta"):
        generator = Generator(GeneratorConfig(channels=(512, 512, 256), plane_channels=32))
    count = 9 * 512 * 512 * 16  # b4.conv1
    count += 9 * 512 * 512 * 16 + 16 * 512 * 64 + 9 * 512 * 512 * 64  # b8
    count += 9 * 512 * 256 * 64 + 16 * 256 * 256 + 9 * 256 * 256 * 256  # b16
    count += 96 * (512 * 16 + 512 * 64 + 256 * 256)
    assert generator.local_plan(torch.zeros(1, 3), 0.5).whole_multiply_adds == count


def test_the_energy_of_frozen_weights_is_kept_and_follows_every_change() -> None:
    generator = copy.deepcopy(network(3, None, torch.float32))
    layer = generator.synthesis.b8.conv0
    first = layer.weight_energy()
    assert layer.weight_energy() is first
    ws = latents(generator, 1)[0].detach()
    other = copy.deepcopy(generator)
    assert other.synthesis.b8.conv0.weight is not layer.weight

    with torch.no_grad():
        layer.weight[0, 0] *= 3  # one kernel: scaling all would be demodulated away
    assert relative(layer.weight_energy(), layer.weight.square().sum(dim=(2, 3))) == 0
    generator.load_state_dict(other.state_dict())
    assert torch.equal(layer.weight_energy(), first)
    state = {k: v.clone() for k, v in other.state_dict().items()}
    state["synthesis.b8.conv0.weight"][1, 2] *= 2
    generator.load_state_dict(state, assign=True)
    generator.requires_grad_(False)
    fresh = Generator(generator.config)
    fresh.load_state_dict(state)
    assert relative(generator.triplanes(ws).geometry, fresh.triplanes(ws).geometry.detach()) <= 1e-6
    generator.double()
    assert layer.weight_energy().dtype == torch.float64
    generator.requires_grad_(True)
    assert layer.weight_energy().requires_grad


def test_noise_bias_and_filter_of_frozen_weights_follow_every_change() -> None:
    generator = copy.deepcopy(network(3, None, torch.float32))
    layer, ws = generator.synthesis.b8.conv0, latents(generator, 1)[0].detach()

    def planes() -> torch.Tensor:
        return generator.triplanes(ws).geometry

    before = planes()
    changes = {"bias": 0.5, "noise_strength": 0.25, "resample_filter": 0.01}
    for name, amount in changes.items():
        tensor = getattr(layer, name)
        tensor += amount
        fresh = Generator(generator.config)
        fresh.load_state_dict(generator.state_dict())
        assert relative(planes(), fresh.triplanes(ws).geometry.detach()) <= 1e-6, name
        assert relative(planes(), before) > 1e-4, name
        tensor -= amount
    layer.noise_strength.zero_()
    silent = planes()
    layer.noise_strength.fill_(0.5)
    assert relative(planes(), silent) > 1e-4, "that it was silent is not remembered"


def test_energy_first_seen_in_inference_mode_does_not_spoil_later_gradients() -> None:
    generator = copy.deepcopy(network(3, None, torch.float32))
    ws = latents(generator, 1)[0]
    with torch.inference_mode():
        generator.triplanes(ws)
    generator.triplanes(ws).geometry.square().sum().backward()
    assert ws.grad is not None
    assert float(ws.grad.abs().max()) > 0


def test_on_a_processor_planes_lie_as_convolutions_and_lookups_read_them_best() -> None:
    generator = network(5, None, torch.float32)
    ws, texture = latents(generator, 3)
    centers = torch.tensor([[0.1, 0.0, -0.2], [-0.3, 0.2, 0.1]])
    local = generator.local_triplanes(ws, centers, 0.02, texture)
    assert len(local.geometry.windows) == 6 and not local.geometry.windows.is_whole
    for planes in (generator.triplanes(ws, texture), local):
        assert planes.texture is not None
        for part in (planes.geometry, planes.texture):
            texels = part if isinstance(part, Tensor) else part.texels
            assert texels.stride(2) == 1, "channels of a texel are not beside each other"
