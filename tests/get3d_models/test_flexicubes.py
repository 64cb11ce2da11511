"""Models trained with FlexiCubes load and keep without kaolin; with it, their surfaces come from the right numbers.

kaolin itself is not on every machine: what it is given is checked with a stand-in, and where it is there, with itself.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import kaolin_stand_in
import numpy as np
import pytest
import torch
from test_checkpoint import official_file, small_state
from torch import Tensor

from get3d_models import Generator, GeneratorConfig, InputError, load
from get3d_models.checkpoint import write_generator
from get3d_models.cubegrid import cube_grid
from get3d_models.flexicubes import fill_degenerate_cubes, flexicubes_surface
from get3d_models.mesh import components, is_watertight
from get3d_models.optional_parts import kaolin_is_available
from get3d_models.refresh import SurfaceRefresh
from get3d_models.tetgrid import a15_grid

WEIGHT_LAYERS = "synthesis.generator.mlp_synthesis_weight.layers"
CONFIG = GeneratorConfig(
    z_dim=8, w_dim=8, mapping_layers=1, channels=(12, 12, 12, 12, 12), plane_channels=4, decoder_width=8,
    grid="cubes", iso_surface="flexicubes", grid_resolution=20, scale=0.9, conv_clamp=None,
)  # fmt: skip


@pytest.fixture
def no_kaolin(monkeypatch: pytest.MonkeyPatch) -> None:
    kaolin_stand_in.uninstall(monkeypatch)


@pytest.fixture
def kaolin(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The stand-in, and what its FlexiCubes is called with."""
    kaolin_stand_in.install(monkeypatch)
    return kaolin_stand_in.FlexiCubes.calls


def flexicubes_state(hidden: int = 1) -> dict[str, Tensor]:
    """The small official state of the checkpoint tests with the decoder of weights, which reads 8 corners."""
    random, state = torch.Generator().manual_seed(1), small_state(hidden=hidden)
    widths = [8 * 2, *[4] * hidden, 21]
    for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        for name, shape in {
            "weight": (outputs, inputs), "bias": (outputs,), "affine.weight": (inputs, 8), "affine.bias": (inputs,)
        }.items():  # fmt: skip
            state[f"{WEIGHT_LAYERS}.{i}.{name}"] = torch.randn(shape, generator=random)
    return state


class Ball:
    """A generator whose network says ``sign`` times how far inside a ball a point is, plus a little of the planes."""

    def __init__(self, sign: float, radius: float = 0.25) -> None:
        torch.manual_seed(0)
        self.generator = Generator(CONFIG, "ball").requires_grad_(False)
        self.latents = self.generator.latents(0)
        self.sign, self.radius, self.center = sign, radius, torch.tensor([0.05, 0.0, -0.03])
        features = self.generator.features

        def remember(planes: object, points: Tensor) -> Tensor:
            self.points = points
            return features(planes, points)  # type: ignore[arg-type]

        def field(features: Tensor, ws: Tensor) -> Tensor:
            depth = self.radius - (self.points - self.center).norm(dim=2)
            return self.sign * (depth + 1e-3 * torch.tanh(features.mean(dim=2)))

        self.generator.features = remember  # type: ignore[method-assign]
        self.generator._raw_field = field  # type: ignore[method-assign]


def volume(vertices: Tensor, faces: Tensor) -> float:
    a, b, c = vertices[faces].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


# ---- files --------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_kaolin")
@pytest.mark.parametrize("hidden", [0, 1, 2])
def test_an_official_file_loads_without_kaolin_and_every_tensor_of_it_is_used(tmp_path: Path, hidden: int) -> None:
    state = flexicubes_state(hidden)
    generator = load(official_file(tmp_path, state))
    assert (generator.config.iso_surface, generator.config.grid) == ("flexicubes", "cubes")
    assert generator.config.decoder_layers == hidden
    plain = load(official_file(tmp_path, small_state(hidden=hidden), "plain.pt"))
    assert generator.config.geometry_rows == plain.config.geometry_rows  # the weights have no rows of their own
    ours = generator.state_dict()
    assert len(ours) == len(state)
    for i in range(hidden + 1):
        for name in ("weight", "bias", "affine.weight", "affine.bias"):
            assert torch.equal(ours[f"weight_decoder.layers.{i}.{name}"], state[f"{WEIGHT_LAYERS}.{i}.{name}"])


def test_at_the_released_sizes_the_decoder_of_weights_has_the_official_shapes() -> None:
    with torch.device("meta"):
        generator = Generator(GeneratorConfig(grid="cubes", iso_surface="flexicubes"))
    state = generator.state_dict()
    assert tuple(state["weight_decoder.layers.0.weight"].shape) == (32, 256)
    assert tuple(state["weight_decoder.layers.1.weight"].shape) == (21, 32)


@pytest.mark.usefixtures("no_kaolin")
def test_a_native_file_of_it_is_the_same_generator(tmp_path: Path) -> None:
    official = load(official_file(tmp_path, flexicubes_state()), scale=0.7, grid_resolution=12)
    write_generator(tmp_path / "own.safetensors", official)
    own = load(tmp_path / "own.safetensors")
    assert own.config == official.config and own.fingerprint == official.fingerprint
    for key, value in official.state_dict().items():
        assert torch.equal(own.state_dict()[key], value), key


def test_its_fingerprint_depends_on_the_decoder_of_weights_and_on_the_grid() -> None:
    generator = Generator(CONFIG).requires_grad_(False)
    other = generator.with_config(grid_resolution=22)
    assert generator.with_config().fingerprint == generator.fingerprint != other.fingerprint
    changed = Generator(CONFIG).requires_grad_(False)
    changed.load_state_dict(generator.state_dict())
    assert changed.weight_decoder is not None
    changed.weight_decoder.layers[1].bias[20] += 1
    assert changed.fingerprint != generator.fingerprint


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"iso_surface": "dmtet"}, "iso_surface follows from the file's tensors"),
        ({"iso_surface": "dmtet", "grid": "a15"}, "iso_surface follows from the file's tensors"),
        ({"grid": "a15"}, "iso-surface 'flexicubes' works on the grid 'cubes', not on 'a15'"),
    ],
)
def test_a_file_cannot_be_told_to_be_of_the_other_kind(tmp_path: Path, overrides: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load(official_file(tmp_path, flexicubes_state()), **overrides)


def test_other_grids_and_other_ways_are_refused() -> None:
    generator = Generator(CONFIG, "my chairs").requires_grad_(False)
    with pytest.raises(InputError, match="my chairs was trained with FlexiCubes: it takes no tetrahedral grid"):
        generator.use_grid(a15_grid(8))
    with pytest.raises(InputError, match="my chairs was trained with flexicubes, and works with nothing else"):
        generator.with_config(iso_surface="dmtet", grid="a15")
    plain = Generator(GeneratorConfig.from_dict({**CONFIG.to_dict(), "grid": "a15", "iso_surface": "dmtet"}))
    with pytest.raises(InputError, match="no weights for cubes"):
        plain.cube_weights(torch.zeros(1, 1, 8, 4), torch.zeros(1, plain.config.geometry_rows, 8))


# ---- without kaolin --------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_kaolin")
def test_without_kaolin_fields_and_colours_work_and_the_surface_says_in_one_line_what_to_install() -> None:
    shape = Generator(CONFIG).requires_grad_(False).sample(0)
    assert shape.signed_distance(torch.zeros(2, 3)).shape == (2,)
    assert shape.colors(torch.zeros(2, 3)).shape == (2, 3)
    for ask in (lambda: shape.mesh, lambda: SurfaceRefresh(shape.generator)(shape.latents.geometry)):
        with pytest.raises(InputError) as caught:
            ask()
        said = str(caught.value)
        assert said.startswith(
            "the surface of a model trained with FlexiCubes needs kaolin, but kaolin is not installed"
        )
        assert 'pip install "kaolin>=0.16" -f https://nvidia-kaolin.s3.us-east-2.amazonaws.com/torch-' in said


@pytest.mark.usefixtures("no_kaolin")
def test_without_kaolin_the_surface_is_refused_before_any_work() -> None:
    shape = Generator(CONFIG).requires_grad_(False).sample(0)
    with pytest.raises(InputError, match="needs kaolin"):
        shape.vertices  # noqa: B018
    assert "planes" not in vars(shape)


def test_a_kaolin_without_flexicubes_is_said_to_be_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    kaolin_stand_in.install(monkeypatch)
    monkeypatch.delattr(sys.modules["kaolin.ops.conversions"], "FlexiCubes")
    with pytest.raises(InputError, match="needs a newer kaolin, one with FlexiCubes"):
        Ball(1.0).generator.sample(0).mesh  # noqa: B018


# ---- the grid --------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "scale"), [(4, 1.0), (7, 0.8)])
def test_the_grid_is_regular_with_x_slowest_and_the_corners_of_its_cubes_with_x_fastest(n: int, scale: float) -> None:
    grid = cube_grid(n, scale)
    numbers = list(itertools.product(range(n + 1), repeat=3))
    expected = np.array([[round(i / n, 5) - 0.5 for i in number] for number in numbers]) * scale
    np.testing.assert_allclose(grid.vertices.numpy(), expected, atol=1e-7)
    steps = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    corners = [
        [numbers.index((i + x, j + y, k + z)) for x, y, z in steps] for i, j, k in itertools.product(range(n), repeat=3)
    ]
    assert grid.cubes.tolist() == corners
    assert grid.cell == pytest.approx(scale / n)


def test_boundary_and_middle_are_those_of_the_official_rule() -> None:
    grid, n = cube_grid(9), 9
    for number, (i, j, k) in enumerate(itertools.product(range(n + 1), repeat=3)):
        outermost = min(i, j, k, n - i, n - j, n - k)
        assert bool(grid.boundary[number]) == (outermost < 2)
        assert bool(grid.inner[number]) == (outermost >= 1)
    assert grid.center == (5 * 10 + 5) * 10 + 5


def test_grids_that_cannot_be_are_refused() -> None:
    for resolution, scale in ((3, 1.0), (8, 0.0), (8, float("nan"))):
        with pytest.raises(InputError, match="a grid of cubes needs"):
            cube_grid(resolution, scale)


@pytest.mark.parametrize("value", [-0.5, 0.25, -3.0])
def test_a_field_without_a_surface_gets_the_official_values_at_the_middle_and_the_boundary(value: float) -> None:
    grid = cube_grid(8)
    field = torch.full((len(grid.vertices),), value)
    field[~grid.inner] = -value  # the outermost layer does not count as a surface
    low, high = -abs(value), abs(value)
    filled = fill_degenerate_cubes(grid, field)
    assert float(filled[grid.center]) == pytest.approx(1 - low)
    assert torch.allclose(filled[grid.boundary], torch.tensor(-1 - high))
    others = ~grid.boundary
    others[grid.center] = False
    assert torch.equal(filled[others], field[others])
    field[grid.inner] = torch.linspace(-1, 1, int(grid.inner.sum()))
    assert fill_degenerate_cubes(grid, field) is field


def test_a_field_of_another_size_or_that_is_not_finite_is_refused(kaolin: object) -> None:
    grid = cube_grid(4)
    with pytest.raises(InputError, match="must be 125 numbers"):
        flexicubes_surface(grid, torch.zeros(3), grid.vertices, lambda _: torch.zeros(0, 21))
    with pytest.raises(InputError, match="NaN or infinite"):
        flexicubes_surface(grid, torch.full((125,), torch.nan), grid.vertices, lambda _: torch.zeros(0, 21))


# ---- what FlexiCubes is given --------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_whichever_sign_training_gave_the_outside_the_field_is_positive_inside_and_faces_look_outward(
    kaolin: list[dict[str, Tensor]], sign: float
) -> None:
    ball = Ball(sign)
    shape = ball.generator.shape(ball.latents)
    assert ball.generator.inward == sign
    depths = shape.signed_distance(torch.stack([ball.center, torch.tensor([0.4, 0.4, 0.4])]))
    assert depths[0] > 0 > depths[1]
    vertices, faces = shape.mesh
    assert is_watertight(faces) and components(vertices, faces) == 1
    assert volume(vertices, faces) == pytest.approx(4 / 3 * torch.pi * ball.radius**3, rel=0.2)
    outward = torch.nn.functional.normalize(vertices - ball.center, dim=1)
    assert float((shape.normals * outward).sum(dim=1).min()) > 0.7
    grid = cube_grid(CONFIG.grid_resolution, CONFIG.scale)
    inside = (grid.vertices - ball.center).norm(dim=1) < 0.2
    given = kaolin[0]["scalar_field"]
    assert bool((sign * given[inside] > 0).all())  # the network's own field, not ours


def test_flexicubes_is_given_the_deformed_grid_and_each_crossed_cubes_own_weights(
    kaolin: list[dict[str, Tensor]],
) -> None:
    ball = Ball(-1.0)
    generator, ws = ball.generator, ball.latents.geometry[None]
    planes = generator.triplanes(ws).geometry
    _ = generator.shape(ball.latents).mesh
    [call] = kaolin
    grid = cube_grid(CONFIG.grid_resolution, CONFIG.scale)
    offset = call["voxelgrid_vertices"] - grid.vertices
    features = generator.features(planes, grid.vertices[None])
    decoded = torch.tanh(generator.deformation_decoder(features, ws[:, CONFIG.plane_geometry_rows :]))[0]
    torch.testing.assert_close(offset, decoded / (2 * CONFIG.grid_resolution), atol=1e-6, rtol=0)
    assert torch.equal(call["cube_idx"], grid.cubes)
    assert (call["resolution"], call["weight_scale"], call["training"]) == (CONFIG.grid_resolution, 0.5, False)

    inside = (call["scalar_field"] < 0)[grid.cubes].sum(dim=1)
    crossed = ((inside > 0) & (inside < 8)).nonzero().flatten().tolist()
    assert 100 < len(crossed) < len(grid.cubes) / 4
    assert generator.weight_decoder is not None
    for cube in crossed[:: len(crossed) // 20]:
        corners = torch.cat([features[0, corner] for corner in grid.cubes[cube].tolist()])
        weights = 0.1 * generator.weight_decoder(corners[None, None], ws[:, CONFIG.plane_geometry_rows :])[0, 0]
        torch.testing.assert_close(call["beta"][cube], weights[:12], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(call["alpha"][cube], weights[12:20], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(call["gamma_f"][cube], weights[20], atol=1e-5, rtol=1e-5)
    others = torch.ones(len(grid.cubes), dtype=torch.bool)
    others[crossed] = False
    assert not bool(call["beta"][others].any())


def test_deformation_is_at_most_half_of_what_it_is_with_tetrahedra() -> None:
    config = {**CONFIG.to_dict(), "deformation_multiplier": 3.0}
    plain = GeneratorConfig.from_dict({**config, "grid": "a15", "iso_surface": "dmtet"})
    assert plain.deformation_bound == pytest.approx(1 / (20 * 3))
    assert GeneratorConfig.from_dict(config).deformation_bound == pytest.approx(1 / (20 * 6))


def test_an_empty_shape_still_goes_to_flexicubes_by_the_official_rule(kaolin: list[dict[str, Tensor]]) -> None:
    ball = Ball(-1.0, radius=-0.1)  # raw field positive everywhere: outside
    _, faces = ball.generator.shape(ball.latents).mesh
    given = kaolin[0]["scalar_field"]
    grid = cube_grid(CONFIG.grid_resolution, CONFIG.scale)
    assert bool((given[grid.boundary] < -1).all()) and float(given[grid.center]) < 1
    assert len(faces) > 0 and is_watertight(faces)


def test_refreshing_a_moving_surface_gives_what_extracting_it_anew_gives(kaolin: list[dict[str, Tensor]]) -> None:
    ball = Ball(-1.0, radius=0.1)
    refresh = SurfaceRefresh(ball.generator)
    refresh(ball.latents.geometry)
    assert refresh.was_full
    ball.center = ball.center + torch.tensor([0.02, 0.0, 0.01])
    vertices, faces = refresh(ball.latents.geometry)
    near = kaolin[-1]
    full_vertices, full_faces = SurfaceRefresh(ball.generator)(ball.latents.geometry)
    assert not refresh.was_full
    assert torch.equal(faces, full_faces)
    torch.testing.assert_close(vertices, full_vertices, atol=1e-6, rtol=0)
    torch.testing.assert_close(near["beta"], kaolin[-1]["beta"], atol=1e-5, rtol=1e-5)


# ---- the real kaolin --------------------------------------------------------------------------------

needs_kaolin = pytest.mark.skipif(
    not kaolin_is_available(), reason="NVIDIA's kaolin is not installed here; only its stand-in was tested"
)


@needs_kaolin
def test_our_grid_is_kaolins() -> None:
    from get3d_models.flexicubes import flexicubes_class

    vertices, cubes = flexicubes_class()(device="cpu").construct_voxel_grid(16)  # type: ignore[attr-defined]
    grid = cube_grid(16)
    assert torch.equal(grid.cubes, cubes)
    torch.testing.assert_close(grid.vertices, vertices, atol=1e-6, rtol=0)


@needs_kaolin
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_kaolin_extracts_a_closed_outward_surface(sign: float) -> None:
    ball = Ball(sign)
    vertices, faces = ball.generator.shape(ball.latents).mesh
    assert is_watertight(faces)
    assert volume(vertices, faces) == pytest.approx(4 / 3 * torch.pi * ball.radius**3, rel=0.2)
