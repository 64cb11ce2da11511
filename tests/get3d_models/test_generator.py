"""What a generator makes of latents: which row does what, where planes are read, what a shape is and never does.

That the numbers are the official ones the golden tests prove, and of each layer its own; here, what is between.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
import trimesh
from numpy.typing import NDArray
from torch import Tensor

from get3d_models import Generator, GeneratorConfig, InputError, Latents, Shape
from get3d_models import generator as generator_module
from get3d_models.layers import resample_filter, turned, upsample2
from get3d_models.lookup import lookup
from get3d_models.windows import Windows

CONFIG = GeneratorConfig(
    z_dim=5, w_dim=6, mapping_layers=2, channels=(7, 6, 5), plane_channels=3, decoder_width=4, texture_features=5,
    grid_resolution=8,
)  # fmt: skip
BLOCKS = len(CONFIG.channels)


def network(dtype: torch.dtype = torch.float64, **changes: object) -> Generator:
    """A small random generator in which noise, biases and averages all have something to say."""
    torch.manual_seed(2)
    generator = Generator(GeneratorConfig(**{**CONFIG.to_dict(), **changes}), "small").requires_grad_(False)
    for name, value in generator.state_dict().items():
        if name.endswith(("noise_strength", "w_avg")):
            value.normal_()
        elif name.endswith("bias"):
            value.add_(torch.randn_like(value) * 0.3)
    return generator.to(dtype)


@pytest.fixture(scope="module")
def small() -> Generator:
    return network()


def rows(generator: Generator, count: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    c, dtype = generator.config, generator.mapping_geometry.w_avg.dtype
    geometry, texture = (torch.randn(count, r, c.w_dim, generator=random) for r in (c.geometry_rows, c.texture_rows))
    return geometry.to(dtype), texture.to(dtype)


def points_in(box: float, count: int = 50, seed: int = 0) -> Tensor:
    return (torch.rand(1, count, 3, generator=torch.Generator().manual_seed(seed)).double() - 0.5) * box


def with_surface(closed: bool = True) -> Generator:
    """A single-precision generator whose field for seed 3 is positive somewhere, and nowhere on the box if closed."""
    generator = network(torch.float32)
    shape = generator.sample(3)
    field = generator.grid_fields(shape.planes.geometry, shape.latents.geometry[None])[0]
    inside = field[~generator.grid.boundary]
    zero = field[generator.grid.boundary].max() + 1e-3 if closed else field.median()
    assert float(inside.max()) > float(zero)
    generator.sdf_decoder.layers[-1].bias -= zero
    return generator


# ---- which row does what ------------------------------------------------------------------------------------------


def slow_triplanes(generator: Generator, geometry: Tensor, texture: Tensor) -> tuple[Tensor, Tensor]:
    """The synthesis with the number of every row written out (facts, section 4)."""
    convolution_rows = {4: [0], 8: [2, 3], 16: [5, 6], 32: [8, 9]}
    geometry_rows, texture_rows = {4: 1, 8: 4, 16: 7, 32: 10}, {4: 0, 8: 1, 16: 2, 32: 3}
    planes: list[Tensor | None] = [None, None]
    x = generator.synthesis.b4.const[None].expand(len(geometry), -1, -1, -1)
    for resolution in generator.synthesis.resolutions:
        block = getattr(generator.synthesis, f"b{resolution}")
        layers = [block.conv1] if resolution == 4 else [block.conv0, block.conv1]
        for layer, row in zip(layers, convolution_rows[resolution], strict=True):
            x = layer(x, geometry[:, row])
        made = [
            block.togeo(x, geometry[:, geometry_rows[resolution]]),
            block.totex(x, texture[:, texture_rows[resolution]]),
        ]
        sizes = Windows.whole(resolution), Windows.whole(resolution // 2)
        planes = [
            new if old is None else upsample2(old, turned(resample_filter()), *sizes) + new
            for old, new in zip(planes, made, strict=True)
        ]
    found = [p.unflatten(1, (3, generator.config.plane_channels)) for p in planes if p is not None]
    return found[0], found[1]


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
def test_rows_are_consumed_consecutively_and_none_is_shared(blocks: int) -> None:
    generator = network(channels=(7, 6, 5, 4)[:blocks])
    geometry, texture = rows(generator, 2)
    expected = slow_triplanes(generator, geometry, texture)
    found = generator.triplanes(geometry, texture)
    assert found.texture is not None
    for ours, slow in zip((found.geometry, found.texture), expected, strict=True):
        assert ours.shape == (2, 3, 3, 4 << (blocks - 1), 4 << (blocks - 1))
        assert torch.allclose(ours, slow, rtol=0, atol=1e-11)


def responses(generator: Generator, part: str) -> dict[str, list[int]]:
    """For each output the rows of the geometry or texture latent that change it, found by changing one at a time."""
    points = points_in(0.9)

    def outputs(geometry: Tensor, texture: Tensor) -> dict[str, Tensor]:
        planes = generator.triplanes(geometry, texture)
        assert planes.texture is not None
        features, colored = (generator.features(p, points) for p in (planes.geometry, planes.texture))
        fixed = torch.ones_like(features)
        return {
            "geometry planes": planes.geometry,
            "texture planes": planes.texture,
            "sdf decoder": generator.signed_distance(fixed, geometry),
            "deformation decoder": generator.deformation(fixed, geometry),
            "texture decoder": generator.texture_features(fixed, texture),
            "to rgb": generator.raw_colors(torch.ones(1, 1, generator.config.texture_features).to(fixed), texture),
            "sdf": generator.signed_distance(features, geometry),
            "color": generator.raw_colors(generator.texture_features(colored, texture), texture),
        }

    latents = dict(zip(("geometry", "texture"), rows(generator), strict=True))
    before = outputs(**latents)
    found: dict[str, list[int]] = {name: [] for name in before}
    for row in range(latents[part].shape[1]):
        changed = {name: value.clone() for name, value in latents.items()}
        changed[part][:, row] += 0.5
        for name, value in outputs(**changed).items():
            if not torch.equal(value, before[name]):
                found[name].append(row)
    return found


@pytest.mark.parametrize("hidden", [0, 1, 3])
def test_convolutions_take_only_geometry_rows_so_texture_planes_change_with_geometry_latents(hidden: int) -> None:
    found = responses(network(decoder_layers=hidden), "geometry")
    decoder = list(range(8, 8 + hidden + 1))
    assert found == {
        "geometry planes": [0, 1, 2, 3, 4, 5, 6, 7],
        "texture planes": [0, 2, 3, 5, 6],
        "sdf decoder": decoder,
        "deformation decoder": decoder,  # the same rows
        "texture decoder": [],
        "to rgb": [],
        "sdf": list(range(8 + hidden + 1)),
        "color": [0, 2, 3, 5, 6],
    }


@pytest.mark.parametrize("hidden", [0, 1, 3])
def test_texture_rows_are_one_per_block_then_the_decoders_whose_last_to_rgb_takes_too(hidden: int) -> None:
    found = responses(network(decoder_layers=hidden), "texture")
    assert found == {
        "geometry planes": [],
        "texture planes": [0, 1, 2],
        "sdf decoder": [],
        "deformation decoder": [],
        "texture decoder": list(range(3, 3 + hidden + 1)),
        "to rgb": [3 + hidden],
        "sdf": [],
        "color": list(range(3 + hidden + 1)),
    }


def test_geometry_planes_are_the_same_with_and_without_texture_and_alone_or_in_a_batch(small: Generator) -> None:
    geometry, texture = rows(small, 3)
    together = small.triplanes(geometry, texture)
    assert torch.equal(small.triplanes(geometry).geometry, together.geometry)
    assert small.triplanes(geometry).texture is None
    assert together.texture is not None
    for i in range(3):
        alone = small.triplanes(geometry[i : i + 1], texture[i : i + 1])
        assert alone.texture is not None
        assert torch.allclose(alone.geometry[0], together.geometry[i], rtol=0, atol=1e-12)
        assert torch.allclose(alone.texture[0], together.texture[i], rtol=0, atol=1e-12)


@pytest.mark.parametrize("features", [1, 3, 4])
def test_with_three_texture_features_or_fewer_these_are_the_colour_and_there_is_no_to_rgb(features: int) -> None:
    generator = network(texture_features=features)
    given, texture = torch.randn(1, 4, features).double(), rows(generator)[1]
    if features > 3:
        assert generator.to_rgb is not None
        assert generator.raw_colors(given, texture).shape == (1, 4, 3)
    else:
        assert generator.to_rgb is None and not any("to_rgb" in k for k in generator.state_dict())
        assert generator.raw_colors(given, texture) is given


def test_to_rgb_clamps_at_256_even_without_a_clamp_on_activations() -> None:
    generator = network(conv_clamp=None)
    features, texture = torch.full((1, 1, 5), 1e6).double(), rows(generator)[1]
    assert set(generator.raw_colors(features, texture).abs().flatten().tolist()) == {256.0}


# ---- planes at points ---------------------------------------------------------------------------------------------


def slow_lookup(planes: Tensor, point: Tensor, low: float, length: float) -> NDArray[np.float64]:
    """Sum over planes xy, yz, xz of four texels each; first axis = column; texels outside are zero."""
    total = np.zeros(planes.shape[1])
    position = [min(max((float(p) - low) / length, 0.0), 1.0) * planes.shape[-1] - 0.5 for p in point]
    for plane, (across, down) in zip(planes.numpy(), ((0, 1), (1, 2), (0, 2)), strict=True):
        column, row = math.floor(position[across]), math.floor(position[down])
        for r in (row, row + 1):
            for c in (column, column + 1):
                weight = (1 - abs(position[down] - r)) * (1 - abs(position[across] - c))
                if 0 <= r < plane.shape[1] and 0 <= c < plane.shape[2]:
                    total += weight * plane[:, r, c]
    return total


@pytest.mark.parametrize("shapes", [1, 2])  # one is read by compiled loops
@pytest.mark.parametrize(("low", "length"), [(-0.5, 1.0), (-0.4, 0.8), (0.1, 2.0)])
def test_features_are_the_sum_of_three_bilinear_lookups(low: float, length: float, shapes: int) -> None:
    torch.manual_seed(0)
    planes = torch.randn(shapes, 3, 4, 8, 8, dtype=torch.float64)
    points = low + length * (torch.rand(shapes, 60, 3, dtype=torch.float64) * 1.4 - 0.2)  # a part outside the box
    points[:, :8] = low + length * torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 3)
    found = lookup(planes, points, low, length)
    assert found.shape == (shapes, 60, 4)
    for n in range(shapes):
        for ours, point in zip(found[n], points[n], strict=True):
            assert np.allclose(ours.numpy(), slow_lookup(planes[n], point, low, length), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("plane", "axes"), [(0, (0, 1)), (1, (1, 2)), (2, (0, 2))], ids=["xy", "yz", "xz"])
def test_a_plane_of_ones_gives_one_inside_half_on_a_face_and_a_quarter_on_an_edge(
    plane: int, axes: tuple[int, int]
) -> None:
    planes = torch.zeros(1, 3, 1, 8, 8)
    planes[0, plane] = 1

    def value(across: float, down: float, third: float) -> float:
        point = torch.full((1, 1, 3), third)
        point[0, 0, list(axes)] = torch.tensor([across, down])
        return float(lookup(planes, point, -0.5, 1.0))

    for third in (-0.5, 0.0, 0.3, 0.5):
        assert value(0.1, -0.2, third) == 1
        assert value(0.5, 0.0, third) == value(0.0, 0.5, third) == value(-0.5, 0.0, third) == 0.5
        assert value(0.5, 0.5, third) == value(-0.5, 0.5, third) == 0.25


@pytest.mark.parametrize(("plane", "axes"), [(0, (0, 1)), (1, (1, 2)), (2, (0, 2))], ids=["xy", "yz", "xz"])
def test_the_first_axis_of_a_plane_runs_along_its_columns(plane: int, axes: tuple[int, int]) -> None:
    planes = torch.zeros(1, 3, 2, 8, 8)
    centres = (torch.arange(8) + 0.5) / 8 - 0.5
    planes[0, plane, 0], planes[0, plane, 1] = centres[None, :], centres[:, None]  # columns; rows
    point = torch.tensor([[[0.11, -0.23, 0.31]]])
    assert lookup(planes, point, -0.5, 1.0)[0, 0].tolist() == pytest.approx([float(point[0, 0, a]) for a in axes])


def test_points_outside_the_box_have_the_features_of_the_nearest_point_in_it(small: Generator) -> None:
    planes = small.triplanes(rows(small)[0]).geometry
    points = points_in(3.0)
    assert torch.equal(small.features(planes, points), small.features(planes, points.clamp(-0.5, 0.5)))


def test_the_box_is_the_cube_of_the_scale_before_and_after_the_grid_is_built() -> None:
    for scale in (1.0, 0.8, 0.3):
        generator = network(torch.float32, scale=scale)
        geometry = rows(generator)[0]
        planes, points = generator.triplanes(geometry).geometry, points_in(1.1).float()
        before = generator.features(planes, points)
        assert generator.box == (-scale / 2, scale)
        generator.use_grid(generator.grid)
        assert generator.box == pytest.approx((-scale / 2, scale), abs=1e-7)
        assert torch.allclose(generator.features(planes, points), before, atol=1e-5)


def test_scale_moves_where_features_are_and_leaves_the_size_of_the_deformation(small: Generator) -> None:
    half = small.with_config(scale=0.5)
    geometry = rows(small)[0]
    planes, points = small.triplanes(geometry).geometry, points_in(1.0)
    features = small.features(planes, points)
    assert torch.allclose(half.features(planes, points / 2), features, atol=1e-12)
    assert torch.equal(half.deformation(features, geometry), small.deformation(features, geometry))


def test_deformation_is_bounded_by_the_grids_resolution_times_the_multiplier(small: Generator) -> None:
    huge, geometry = torch.randn(1, 500, 3).double() * 1e4, rows(small)[0]
    largest = float(small.deformation(huge, geometry).abs().max())
    assert largest == pytest.approx(1 / 8, abs=1e-9)
    finer = small.with_config(grid_resolution=16, deformation_multiplier=2.5)
    assert float(finer.deformation(huge, geometry).abs().max()) == pytest.approx(1 / 40, abs=1e-9)


def test_fields_on_the_grid_do_not_depend_on_how_it_is_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = network(torch.float32)
    geometry = rows(generator)[0]
    planes = generator.triplanes(geometry).geometry
    sdf, deformation = generator.grid_fields(planes, geometry)
    assert sdf.shape == (len(generator.grid.vertices),) and deformation.shape == generator.grid.vertices.shape
    monkeypatch.setitem(generator_module.DECODED_AT_ONCE, "cpu", 97)
    for whole, parts in zip((sdf, deformation), generator.grid_fields(planes, geometry), strict=True):
        assert torch.allclose(whole, parts, rtol=0, atol=1e-6)


def test_whether_a_generator_deforms_is_seen_from_its_average_shape() -> None:
    still = copy.deepcopy(network(torch.float32))
    assert still.deforms
    still.__dict__.pop("deforms")
    still.deformation_decoder.layers[-1].weight.zero_()
    still.deformation_decoder.layers[-1].bias.fill_(1e-4)
    assert not still.deforms


# ---- gradients ----------------------------------------------------------------------------------------------------


def test_gradients_to_latents_are_those_of_finite_differences() -> None:
    generator = network(channels=(4, 3), plane_channels=2, decoder_width=3, w_dim=3, conv_clamp=1.5)
    points = points_in(0.9, 3)

    def fields(geometry: Tensor, texture: Tensor) -> tuple[Tensor, ...]:
        planes = generator.triplanes(geometry, texture)
        assert planes.texture is not None
        features = generator.features(planes.geometry, points)
        colored = generator.texture_features(generator.features(planes.texture, points), texture)
        return (
            generator.signed_distance(features, geometry),
            generator.deformation(features, geometry),
            generator.raw_colors(colored, texture),
        )

    geometry, texture = (ws.requires_grad_() for ws in rows(generator))
    assert torch.autograd.gradcheck(fields, (geometry, texture))


def test_gradients_of_the_field_to_points_are_those_of_finite_differences(small: Generator) -> None:
    geometry = rows(small)[0]
    planes = small.triplanes(geometry).geometry
    points = points_in(0.9, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: small.signed_distance(small.features(planes, p), geometry), (points,))


def test_every_row_of_both_latents_gets_a_gradient(small: Generator) -> None:
    geometry, texture = (ws.requires_grad_() for ws in rows(small))
    planes = small.triplanes(geometry, texture)
    assert planes.texture is not None
    points = points_in(0.9)
    field = small.signed_distance(small.features(planes.geometry, points), geometry).sum()
    features = small.texture_features(small.features(planes.texture, points), texture)
    (field + small.raw_colors(features, texture).sum()).backward()
    for ws in (geometry, texture):
        assert ws.grad is not None and bool((ws.grad.abs().amax(dim=(0, 2)) > 0).all())


# ---- latents and seeds --------------------------------------------------------------------------------------------


def test_every_row_of_a_mapped_latent_is_the_same_w(small: Generator) -> None:
    z = torch.randn(2, 5).double()
    for mapped, network_, count in (
        (small.map_geometry(z, 0.7), small.mapping_geometry, small.config.geometry_rows),
        (small.map_texture(z, 0.7), small.mapping_texture, small.config.texture_rows),
    ):
        assert mapped.shape == (2, count, 6)
        assert torch.equal(mapped, network_(z, 0.7)[:, None].expand(-1, count, -1))


def test_truncation_0_gives_the_average_shape_whatever_the_seed(small: Generator) -> None:
    for seed in (0, 7):
        latents = small.latents(seed, truncation=0.0)
        assert torch.equal(latents.geometry, small.mapping_geometry.w_avg.expand_as(latents.geometry))
        assert torch.equal(latents.texture, small.mapping_texture.w_avg.expand_as(latents.texture))
    half, whole = small.latents(7, truncation=0.5), small.latents(7)
    assert torch.allclose(half.geometry, (whole.geometry + small.mapping_geometry.w_avg) / 2, atol=1e-12)


def test_a_seed_always_means_the_same_code() -> None:
    """Sessions and papers name shapes by seed, so the numbers behind one may never change."""
    generator = Generator(GeneratorConfig(**{**CONFIG.to_dict(), "z_dim": 4}))
    assert generator.code(3, "geometry").tolist()[0] == pytest.approx(
        [2.040919, -2.555665, 0.418099, -0.56777], abs=1e-6
    )
    assert generator.code(3, "texture").tolist()[0] == pytest.approx(
        [0.017554, -0.510044, -1.849335, 0.687499], abs=1e-6
    )


def test_codes_are_standard_normal_numbers_and_differ_between_seeds_and_parts() -> None:
    generator = Generator(GeneratorConfig(**{**CONFIG.to_dict(), "z_dim": 512}))
    codes = torch.cat([generator.code(seed, part) for seed in range(20) for part in ("geometry", "texture")])
    assert abs(float(codes.mean())) < 0.03 and abs(float(codes.std()) - 1) < 0.03
    correlation = torch.corrcoef(codes) - torch.eye(40)
    assert float(correlation.abs().max()) < 0.25  # 5.6 standard deviations of chance


def test_geometry_and_texture_have_seeds_of_their_own(small: Generator) -> None:
    both, other = small.latents(3), small.latents(3, texture_seed=4)
    assert torch.equal(both.geometry, other.geometry) and not torch.equal(both.texture, other.texture)
    assert torch.equal(other.texture, small.latents(4).texture)
    assert torch.equal(small.latents(3, texture_seed=3).texture, both.texture)


def test_a_negative_seed_is_refused(small: Generator) -> None:
    for seeds in ((-1,), (3, -2)):
        with pytest.raises(InputError, match=f"not {seeds[-1]}"):
            small.sample(*seeds)


def test_seeds_of_any_size_and_numpys_integers_are_seeds(small: Generator) -> None:
    assert torch.equal(small.latents(int(np.int64(3))).geometry, small.latents(np.int64(3)).geometry)  # type: ignore[arg-type]
    assert not torch.equal(small.latents(2**70).geometry, small.latents(0).geometry)


# ---- shapes -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shape() -> Shape:
    return with_surface().sample(3)


def test_a_sample_is_the_same_to_the_bit_every_time(shape: Shape) -> None:
    again = shape.generator.sample(3)
    assert torch.equal(again.vertices, shape.vertices) and torch.equal(again.faces, shape.faces)
    assert torch.equal(again.vertex_colors, shape.vertex_colors)


def test_a_surface_is_closed_faces_outward_and_lies_in_the_box(shape: Shape) -> None:
    assert shape.vertices.dtype == torch.float32 and shape.faces.dtype == torch.int64
    mesh = trimesh.Trimesh(shape.vertices.numpy(), shape.faces.numpy(), process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
    assert float(shape.vertices.abs().max()) <= 0.5 + 1 / 8
    assert shape.diagonal == pytest.approx(float(np.linalg.norm(mesh.extents)))


def test_normals_are_unit_vectors_and_colours_are_in_range(shape: Shape) -> None:
    assert torch.allclose(shape.normals.norm(dim=1), torch.ones(len(shape.vertices)), atol=1e-5)
    assert shape.vertex_colors.shape == shape.vertices.shape
    assert bool(((shape.vertex_colors >= 0) & (shape.vertex_colors <= 1)).all())
    assert torch.equal(shape.colors(shape.vertices[:5].numpy()), shape.vertex_colors[:5])  # type: ignore[arg-type]
    assert shape.colors(torch.zeros(0, 3)).shape == (0, 3)


def test_display_colours_are_raw_ones_from_minus_1_to_1_clipped(shape: Shape) -> None:
    generator, texture = shape.generator, shape.latents.texture[None]
    planes = shape.planes.texture
    assert planes is not None
    points = points_in(1.0).float()
    raw = generator.raw_colors(generator.texture_features(generator.features(planes, points), texture), texture)
    assert bool((raw.abs() > 1).any())
    assert torch.allclose(shape.colors(points[0]), ((raw[0] + 1) / 2).clamp(0, 1), atol=1e-6)


def test_the_surface_separates_points_of_positive_field_from_others_where_nothing_deforms() -> None:
    generator = with_surface()
    generator.deformation_decoder.layers[-1].weight.zero_()
    generator.deformation_decoder.layers[-1].bias.zero_()
    shape = generator.sample(3)
    vertices = generator.grid.vertices
    mesh = trimesh.Trimesh(shape.vertices.numpy(), shape.faces.numpy(), process=False)
    inside = shape.signed_distance(vertices) > 0
    assert 0 < int(inside.sum()) < len(vertices)
    # The winding number, by the solid angles of all triangles: no ray can graze an edge.
    corners = mesh.triangles[None] - vertices.double().numpy()[:, None, None]
    a, b, c = np.moveaxis(corners, 2, 0)
    lengths = [np.linalg.norm(v, axis=2) for v in (a, b, c)]
    volume = np.einsum("...i,...i", a, np.cross(b, c))
    dots = [np.einsum("...i,...i", *pair) for pair in ((a, b), (b, c), (c, a))]
    other = np.prod(lengths, axis=0) + dots[0] * lengths[2] + dots[1] * lengths[0] + dots[2] * lengths[1]
    winding = np.arctan2(volume, other).sum(axis=1) / (2 * np.pi)
    assert np.array_equal(winding > 0.5, inside.numpy())


def test_vertices_are_moved_by_the_deformation_and_the_field_is_not_asked_again() -> None:
    generator = with_surface()
    moved = generator.sample(3)
    before = moved.vertices
    deformation = generator.grid_fields(moved.planes.geometry, moved.latents.geometry[None])[1]
    generator.deformation_decoder.layers[-1].weight.zero_()
    generator.deformation_decoder.layers[-1].bias.zero_()
    still = generator.sample(3)
    assert torch.equal(still.faces, moved.faces)
    distance = (still.vertices - before).abs()
    assert 0 < float(distance.max()) <= float(deformation.abs().max()) + 1e-6


PITCH = math.sqrt(6) / CONFIG.grid_resolution  # the longest edge of the lattice


def constant_field(level: float) -> Shape:
    """A shape whose field is the same everywhere and whose vertices stay where they are."""
    generator = network(torch.float32)
    for decoder in (generator.sdf_decoder, generator.deformation_decoder):
        decoder.layers[-1].weight.zero_()
        decoder.layers[-1].bias.zero_()
    generator.sdf_decoder.layers[-1].bias.fill_(level)
    return generator.sample(0)


@pytest.mark.parametrize("level", [-0.5, 0.5], ids=["empty", "full"])
def test_an_empty_field_gives_a_blob_at_the_centre_and_a_full_one_the_box(level: float) -> None:
    """Of a constant field c: 1 - c at the centre, -1 - c on the boundary (facts, section 5)."""
    shape = constant_field(level)
    mesh = trimesh.Trimesh(shape.vertices.numpy(), shape.faces.numpy(), process=False)
    assert mesh.is_watertight and mesh.volume > 0
    if level < 0:
        centre = shape.generator.grid.vertices[shape.generator.grid.center]
        assert (len(mesh.vertices), len(mesh.faces)) == (14, 24)
        assert float((shape.vertices - centre).norm(dim=1).max()) < PITCH
    else:
        assert float(shape.vertices.abs().amax(dim=1).min()) > 0.5 - PITCH
    assert bool(torch.isfinite(shape.normals).all() and torch.isfinite(shape.vertex_colors).all())


def test_a_field_far_below_zero_ends_as_the_official_rule_says() -> None:
    """All below -1: the boundary becomes positive, so there is a surface just inside the box, facing inward."""
    shape = constant_field(-3.0)
    assert len(shape.faces) > 24 and bool(torch.isfinite(shape.vertices).all())
    mesh = trimesh.Trimesh(shape.vertices.numpy(), shape.faces.numpy(), process=False)
    largest = max(mesh.split(only_watertight=False), key=lambda part: float(np.prod(part.extents)))
    assert largest.volume < 0 and float(np.abs(largest.vertices).max(axis=1).min()) > 0.5 - PITCH


def test_a_shape_without_vertices_has_a_diagonal_of_zero_and_no_colours() -> None:
    shape = with_surface().sample(3)
    shape.__dict__["mesh"] = (torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    assert shape.diagonal == 0
    assert shape.vertex_colors.shape == (0, 3) and shape.normals.shape == (0, 3)


def test_a_shape_never_changes_whatever_becomes_of_the_latents_it_was_made_from() -> None:
    generator = with_surface()
    latents = generator.latents(3)
    shape = generator.shape(latents)
    kept = generator.sample(3).vertices
    latents.geometry.fill_(9)
    assert torch.equal(shape.vertices, kept)
    tracked = Latents(generator.latents(3).geometry.requires_grad_(), generator.latents(3).texture)
    assert not generator.shape(tracked).vertices.requires_grad


# ---- other grids and settings -------------------------------------------------------------------------------------


def test_another_configuration_shares_the_weights_and_leaves_the_first_generator_alone() -> None:
    first = with_surface()
    finer = first.with_config(grid_resolution=16, scale=0.5)
    for key, value in first.state_dict().items():
        assert finer.state_dict()[key].data_ptr() == value.data_ptr()
    assert (first.config.grid_resolution, finer.config.grid_resolution) == (8, 16)
    assert len(finer.grid.vertices) > 4 * len(first.grid.vertices)
    assert float(finer.grid.vertices.max()) == 0.25 and float(first.grid.vertices.max()) == 0.5
    assert finer.name == first.name and not any(p.requires_grad for p in finer.parameters())


def test_another_grid_moves_the_box_with_it() -> None:
    first, other = network(torch.float32), network(torch.float32, scale=0.6, grid="body-centred")
    assert first.box == (-0.5, 1.0)
    first.use_grid(other.grid)
    assert first.box == pytest.approx((-0.3, 0.6), abs=1e-6)
    assert len(first.grid_fields(first.sample(0).planes.geometry, rows(first)[0])[0]) == len(other.grid.vertices)


def test_a_grid_is_refused_where_the_configuration_names_none() -> None:
    with pytest.raises(InputError, match="unknown tetrahedral grid"):
        network().with_config(grid="cubic")
