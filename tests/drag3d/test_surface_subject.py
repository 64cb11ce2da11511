"""The surface of a generated shape as a subject: where it is, what can be seen there, and what a drag of it changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from drag3d.core import Drag, DragSettings, DragStep
from drag3d.core.methods.draggan import DragGAN
from drag3d.core.tracking import FARTHEST
from drag3d.subjects.surface import SurfaceField, SurfaceSubject, latent_spread
from get3d_models import Generator, load
from get3d_models.errors import InputError
from get3d_models.generator import Latents

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "get3d" / "planes64" / "checkpoint.pt"
WELL_INSIDE = 0.42


@pytest.fixture(scope="module")
def deforming() -> Generator:
    """A network with random weights, whose deformation is as large as it can be: up to a cell."""
    return load(GOLDEN, grid_resolution=20)


@pytest.fixture(scope="module")
def quadruped_subject(small_quadruped: Generator) -> SurfaceSubject:
    return SurfaceSubject(small_quadruped, small_quadruped.latents(1))


@pytest.fixture(scope="module")
def deforming_subject(deforming: Generator) -> SurfaceSubject:
    return SurfaceSubject(deforming, deforming.latents(1))


def field_of(subject: SurfaceSubject) -> SurfaceField:
    with torch.no_grad():
        return subject.field(subject.start, torch.zeros(1, 3), 1.0)


def slope_of(field: SurfaceField, points: Tensor) -> Tensor:
    """How fast the signed field changes in space, ``(M,)``."""
    points = points.detach().clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(field.level(points).sum(), points)
    return slope.norm(dim=1)


def distance_to_zero(field: SurfaceField, points: Tensor) -> Tensor:
    """Distance from the zero set ``(M,)``, to first order."""
    slope = slope_of(field, points)
    return field.level(points).detach().abs() / slope.clamp_min(0.1 * float(slope.median()))


def inner_vertices(subject: SurfaceSubject) -> Tensor:
    """Vertices away from the faces of the cube, where a random network's surface is cut open."""
    vertices = subject.shape.vertices
    return vertices[vertices.abs().amax(dim=1) < WELL_INSIDE]


def drag(subject: SurfaceSubject, method: str, steps: int = 3) -> DragStep:
    """The last step of a short drag of one surface point by 0.15."""
    handle = field_of(subject).snap(inner_vertices(subject)[:1])
    target = handle + torch.tensor([[0.0, 0.15, 0.0]])
    settings = DragSettings(method=method, max_steps=steps)
    return list(Drag(subject, handle, target, settings))[-1]


# ---- the surface --------------------------------------------------------------------------------------------------


def test_the_level_is_the_signed_distance_of_the_shape_where_nothing_deforms(
    quadruped_subject: SurfaceSubject,
) -> None:
    subject = quadruped_subject
    assert not subject.deforms
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    assert torch.allclose(field_of(subject).level(points), subject.shape.signed_distance(points), atol=1e-6)
    inside = subject.shape.signed_distance(points) > 0
    assert 0 < int(inside.sum()) < 500, "points of both kinds were compared"


def test_snapped_points_lie_on_the_zero_set_and_near_where_they_were(quadruped_subject: SurfaceSubject) -> None:
    field, vertices = field_of(quadruped_subject), inner_vertices(quadruped_subject)
    off = vertices + 0.01 * torch.randn(vertices.shape, generator=torch.Generator().manual_seed(0))
    placed = field.snap(off)
    assert not placed.requires_grad
    assert float(distance_to_zero(field, placed).quantile(0.99)) < 1e-5
    assert float(distance_to_zero(field, off).median()) > 1e-3
    # Newton's method goes straight down: about as far as the point was off, not along the surface.
    assert float((placed - off).norm(dim=1).median()) < 1.2 * float(distance_to_zero(field, off).median())


@pytest.mark.parametrize("which", ["quadruped_subject", "deforming_subject"])
def test_points_on_the_surface_are_left_there(which: str, request: pytest.FixtureRequest) -> None:
    subject: SurfaceSubject = request.getfixturevalue(which)
    field = field_of(subject)
    placed = field.snap(inner_vertices(subject))
    # The random network's surface has folds so sharp that a few points do not settle within the four steps allowed.
    settled = placed[distance_to_zero(field, placed) < 1e-6]
    assert len(settled) > 0.9 * len(placed)
    assert float((field.snap(settled) - settled).norm(dim=1).max()) < 2e-6


def test_points_that_would_leave_the_bounds_are_left_at_them(quadruped_subject: SurfaceSubject) -> None:
    field, vertices = field_of(quadruped_subject), inner_vertices(quadruped_subject)
    off = vertices + 0.02 * torch.randn(vertices.shape, generator=torch.Generator().manual_seed(0))
    free = field.snap(off)
    for reach in (0.005, 0.1):
        low, high = off - reach, off + reach
        bound = field.snap(off, (low, high))
        assert bool(((bound >= low) & (bound <= high)).all())
        stays = ((free - off).abs() < 0.5 * reach).all(dim=1)
        assert float((bound - free).norm(dim=1)[stays].quantile(0.99)) < 1e-5
    assert int(stays.sum()) > 0 and float((bound - off).norm(dim=1).max()) > 0.005


def test_snapping_leaves_the_points_it_was_given_alone(quadruped_subject: SurfaceSubject) -> None:
    points = inner_vertices(quadruped_subject)[:10] + 0.01
    before = points.clone()
    field_of(quadruped_subject).snap(points)
    assert torch.equal(points, before)
    assert not points.requires_grad


def test_the_vertices_of_a_deforming_generator_lie_on_the_zero_set_only_if_deformation_counts(
    deforming_subject: SurfaceSubject,
) -> None:
    """Measured on three seeds at a deformation of 0.03: medians 0.004-0.005 with it, 0.010-0.012 without."""
    subject = deforming_subject
    assert subject.deforms
    vertices = inner_vertices(subject)
    assert len(vertices) > 300
    counted = distance_to_zero(field_of(subject), vertices)
    ignoring = SurfaceSubject(subject.generator, subject.latents)
    ignoring.deforms = False
    ignored = distance_to_zero(field_of(ignoring), vertices)
    assert float(counted.median()) < 0.5 * float(ignored.median())
    assert float(counted.median()) < 0.12 / subject.generator.config.grid_resolution


def test_on_a_finer_grid_the_vertices_come_nearer_to_the_zero_set(deforming: Generator) -> None:
    """What is left is the interpolation error of the grid, not the deformation (of the same size on both grids)."""
    off, ignored = [], []
    for resolution in (20, 40):
        generator = deforming.with_config(grid_resolution=resolution, deformation_multiplier=20 / resolution)
        subject = SurfaceSubject(generator, generator.latents(2))
        off.append(float(distance_to_zero(field_of(subject), inner_vertices(subject)).median()))
        subject.deforms = False
        ignored.append(float(distance_to_zero(field_of(subject), inner_vertices(subject)).median()))
    assert off[1] < 0.75 * off[0]
    assert ignored[1] > 0.75 * ignored[0]


@pytest.mark.parametrize("which", ["quadruped_subject", "deforming_subject"])
def test_the_level_depends_on_the_latents_as_finite_differences_say(which: str, request: pytest.FixtureRequest) -> None:
    """The deformation's own part included."""
    subject: SurfaceSubject = request.getfixturevalue(which)
    points = inner_vertices(subject)[::5]
    latents = subject.start.clone().requires_grad_(True)
    weights = torch.randn(len(points), generator=torch.Generator().manual_seed(1)) / len(points) ** 0.5

    def value(rows: Tensor) -> Tensor:
        return (subject.field(rows, points[:1], 1.0).level(points) * weights).sum()

    (gradient,) = torch.autograd.grad(value(latents), latents)
    for seed in range(3):
        random = torch.Generator().manual_seed(seed)
        # Along the gradient, so that the difference is large, and a little aside.
        aside = torch.randn(gradient.shape, generator=random) / gradient.numel() ** 0.5
        nudge = gradient / gradient.norm() + 0.3 * aside
        with torch.no_grad():
            slow = float(value(subject.start + 1e-2 * nudge) - value(subject.start - 1e-2 * nudge)) / 2e-2
        assert float((gradient * nudge).sum()) == pytest.approx(slow, rel=0.02)


def test_the_gradient_is_whole_though_a_search_without_gradient_asked_first(quadruped_subject: SurfaceSubject) -> None:
    subject = quadruped_subject
    points = inner_vertices(subject)[:20]
    gradients = []
    for searched in (False, True):
        latents = subject.start.clone().requires_grad_(True)
        field = subject.field(latents, points[:1], float("inf"))
        if searched:
            with torch.no_grad():
                field.descriptors(points)
        gradients.append(torch.autograd.grad(field.descriptors(points).square().sum(), latents)[0])
    assert float(gradients[0].abs().max()) > 0
    assert torch.equal(*gradients)


# ---- features -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("geometry",), ("texture",), ("geometry", "texture")])
def test_features_are_those_of_the_planes_asked_for(small_quadruped: Generator, names: tuple[str, ...]) -> None:
    latents = small_quadruped.latents(1, texture_seed=2)
    subject = SurfaceSubject(small_quadruped, latents, features="both" if len(names) == 2 else names[0])
    points = subject.shape.vertices[:50]
    found = field_of(subject).features(points)
    planes = subject.shape.planes
    expected = [small_quadruped.features(getattr(planes, name), points[None])[0] for name in names]
    assert torch.allclose(found, torch.cat(expected, dim=1), atol=1e-5)
    assert found.shape == (50, small_quadruped.config.plane_channels * len(names))


def test_by_default_features_come_from_the_planes_whose_latents_move(small_quadruped: Generator) -> None:
    latents = small_quadruped.latents(1)
    planes = {moved: SurfaceSubject(small_quadruped, latents, moved).feature_planes for moved in ("geometry", "both")}
    assert planes == {"geometry": ("geometry",), "both": ("geometry", "texture")}
    assert SurfaceSubject(small_quadruped, latents, "texture").feature_planes == ("texture",)


# ---- which latents move -------------------------------------------------------------------------------------------


def moved_latents(generator: Generator, moved: str, method: str) -> tuple[Latents, Latents]:
    """The latents before and after a short drag."""
    before = generator.latents(1, texture_seed=2)
    subject = SurfaceSubject(generator, before, latents_moved=moved)
    return before, subject.unpack(drag(subject, method).latents)


@pytest.mark.parametrize("method", ["draggan", "default"])
def test_a_drag_of_geometry_keeps_the_texture_latents(small_quadruped: Generator, method: str) -> None:
    before, after = moved_latents(small_quadruped, "geometry", method)
    assert torch.equal(after.texture, before.texture)
    assert not torch.equal(after.geometry, before.geometry)
    changed = small_quadruped.shape(after).signed_distance(small_quadruped.shape(before).vertices)
    assert float(changed.abs().max()) > 0.01


@pytest.mark.parametrize("method", ["draggan", "default"])
def test_a_drag_of_texture_keeps_the_geometry(small_quadruped: Generator, method: str) -> None:
    before, after = moved_latents(small_quadruped, "texture", method)
    assert torch.equal(after.geometry, before.geometry)
    assert not torch.equal(after.texture, before.texture)
    first, second = small_quadruped.shape(before), small_quadruped.shape(after)
    assert torch.equal(first.faces, second.faces)
    assert float((first.vertices - second.vertices).abs().max()) <= 1e-6
    assert float((first.vertex_colors - second.vertex_colors).abs().max()) > 1e-3


@pytest.mark.parametrize("method", ["draggan", "default"])
def test_a_drag_of_both_changes_both(small_quadruped: Generator, method: str) -> None:
    before, after = moved_latents(small_quadruped, "both", method)
    assert not torch.equal(after.geometry, before.geometry)
    assert not torch.equal(after.texture, before.texture)


@pytest.mark.parametrize("moved", ["geometry", "texture", "both"])
def test_rows_are_packed_and_unpacked_without_loss(small_quadruped: Generator, moved: str) -> None:
    latents = small_quadruped.latents(3, texture_seed=4)
    subject = SurfaceSubject(small_quadruped, latents, latents_moved=moved)
    config = small_quadruped.config
    counts = {"geometry": config.geometry_rows, "texture": config.texture_rows}
    rows = sum(count for name, count in counts.items() if moved in (name, "both"))
    assert subject.start.shape == (rows, config.w_dim)
    assert subject.basis.shape[0] == rows
    assert subject.groups.tolist() == sorted(subject.groups.tolist())
    back = subject.unpack(subject.start)
    assert torch.equal(back.geometry, latents.geometry)
    assert torch.equal(back.texture, latents.texture)


def test_which_latents_move_must_be_one_of_three_words(small_quadruped: Generator) -> None:
    with pytest.raises(InputError, match="latents to move are geometry, texture, both, not 'colour'"):
        SurfaceSubject(small_quadruped, small_quadruped.latents(1), latents_moved="colour")


# ---- the spread of latents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["small_quadruped", "deforming"])
def test_fresh_samples_have_unit_deviation_in_the_basis(which: str, request: pytest.FixtureRequest) -> None:
    generator: Generator = request.getfixturevalue(which)
    spread = latent_spread(generator.mapping_geometry, generator.config.z_dim, generator.device)
    z = torch.randn(4096, generator.config.z_dim, generator=torch.Generator().manual_seed(99))
    with torch.no_grad():
        w = generator.mapping_geometry(z)
    coordinates = (w - spread.mean) @ torch.linalg.pinv(spread.directions)
    # 2048 samples tell the strong directions to a few percent; the weakest, of heavy tails, come out up to 55% long.
    deviations = coordinates.std(dim=0)
    lengths = spread.directions.norm(dim=1)
    assert float(((deviations - 1).abs() * lengths / lengths[0]).max()) < 0.05
    assert float((deviations - 1)[: len(deviations) // 2].abs().max()) < 0.1
    assert float(coordinates.mean(dim=0).abs().max()) < 0.15
    others = torch.corrcoef(coordinates.t()) - torch.eye(len(deviations))
    assert float(others.square().mean().sqrt()) < 0.05
    # What the basis leaves out is of no account.
    left = w - spread.mean - coordinates @ spread.directions
    assert float(left.norm()) < 0.15 * float((w - spread.mean).norm())


def test_every_row_has_the_basis_of_its_own_mapping(small_quadruped: Generator) -> None:
    subject = SurfaceSubject(small_quadruped, small_quadruped.latents(1), "both")
    config = small_quadruped.config
    for name, group in (("geometry", 0), ("texture", 1)):
        spread = latent_spread(getattr(small_quadruped, f"mapping_{name}"), config.z_dim, small_quadruped.device)
        k = len(spread.directions)
        for row in subject.basis[subject.groups == group]:
            assert torch.equal(row[:k], spread.directions)
            assert float(row[k:].abs().sum()) == 0


# ---- what the core asks for ---------------------------------------------------------------------------------------


def test_offsets_fill_the_ball_evenly_with_the_centre_first(quadruped_subject: SurfaceSubject) -> None:
    offsets = quadruped_subject.offsets(0.1, 4000, seed=0)
    assert offsets.shape == (4000, 3)
    assert torch.equal(offsets[0], torch.zeros(3))
    length = offsets.norm(dim=1)
    assert float(length.max()) <= 0.1 + 1e-7
    # Half the volume of a ball lies beyond 0.794 of its radius; its centre of mass is the centre.
    assert float((length > 0.0794).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(offsets.mean(dim=0).norm()) < 0.005
    assert torch.equal(offsets, quadruped_subject.offsets(0.1, 4000, seed=0))
    assert not torch.equal(offsets, quadruped_subject.offsets(0.1, 4000, seed=1))


def test_lengths_are_those_of_the_shape(quadruped_subject: SurfaceSubject) -> None:
    subject = quadruped_subject
    assert subject.tolerance == pytest.approx(0.01 * subject.shape.diagonal)
    assert subject.step_length == pytest.approx(1 / min(128, subject.generator.config.resolution))
    assert 0 < subject.patch_radius < subject.search_radius < 0.25
    assert subject.rest.shape[1] == 3
    vertices = subject.shape.vertices
    assert float(torch.cdist(subject.rest, vertices).amin(dim=1).max()) == pytest.approx(0.0, abs=1e-3)
    spread = (subject.rest.amax(dim=0) - subject.rest.amin(dim=0)) / (vertices.amax(dim=0) - vertices.amin(dim=0))
    assert float(spread.min()) > 0.95, "samples reach all ends of the shape"


@pytest.mark.parametrize("method", ["draggan", "default"])
@pytest.mark.parametrize("moved", ["geometry", "both"])
def test_a_step_makes_the_triplanes_once(
    small_quadruped: Generator, method: str, moved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = SurfaceSubject(small_quadruped, small_quadruped.latents(1), latents_moved=moved)
    assert len(subject.shape.vertices)
    handle = field_of(subject).snap(inner_vertices(subject)[:1])
    made: list[str] = []

    def counted(name: str, make: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            if any(isinstance(a, Tensor) and a.requires_grad for a in arguments):  # others are finite differences
                made.append(name)
            return make(*arguments)

        return call

    for owner, name in ((small_quadruped.synthesis, "forward"), (small_quadruped, "planned_triplanes")):
        monkeypatch.setattr(owner, name, counted(name, getattr(owner, name)))
    settings = DragSettings(method=method, max_steps=4)
    steps = list(Drag(subject, handle, handle + 0.2, settings))
    assert len(made) == len(steps) == 5, made


def test_tracking_needs_no_whole_planes_however_the_surface_bends(small_quadruped: Generator) -> None:
    """Of the candidates around a thin leg some are put far away; they count for nothing, and cost nothing."""
    subject = SurfaceSubject(small_quadruped, small_quadruped.latents(1))
    lowest = field_of(subject).snap(subject.shape.vertices[subject.shape.vertices[:, 1].argmin()][None])
    drag = Drag(subject, lowest, lowest, DragSettings(method="draggan"))
    method = drag.method
    assert isinstance(method, DragGAN)
    field = subject.field(subject.start, lowest, method.reach)
    assert field.local is not None
    method.begin(field)
    tracked = method.track(field, lowest)
    assert "whole" not in vars(field)
    candidates = lowest + method.search
    placed = subject.field(subject.start, lowest, torch.inf).snap(candidates)
    assert float((placed - lowest).norm(dim=1).max()) > FARTHEST * subject.search_radius, "some do go far"
    assert float((tracked - lowest).norm()) < 1e-3 * subject.shape.diagonal


@pytest.mark.parametrize("method", ["draggan", "default"])
@pytest.mark.parametrize(("which", "share"), [("quadruped_subject", 1e-3), ("deforming_subject", 0.5)])
def test_tracked_handles_stay_on_the_surface(
    which: str, share: float, method: str, request: pytest.FixtureRequest
) -> None:
    """Within a share of the tolerance, large for the random network, on whose folds Newton's method may not settle."""
    subject: SurfaceSubject = request.getfixturevalue(which)
    last = drag(subject, method)
    with torch.no_grad():
        field = subject.field(last.latents, last.handles, 1.0)
    assert float(distance_to_zero(field, last.handles).max()) < share * subject.tolerance


def test_a_drag_repeats_itself_bit_by_bit(small_quadruped: Generator) -> None:
    ends = []
    for _ in range(2):
        subject = SurfaceSubject(small_quadruped, small_quadruped.latents(1))
        ends.append(drag(subject, "default"))
    assert torch.equal(ends[0].latents, ends[1].latents)
    assert torch.equal(ends[0].handles, ends[1].handles)


@pytest.mark.parametrize("moved", ["geometry", "texture", "both"])
@pytest.mark.parametrize("descriptors", [True, False])
def test_what_many_latents_make_of_a_shape_is_what_each_of_them_makes(
    deforming: Generator, moved: str, descriptors: bool
) -> None:
    subject = SurfaceSubject(deforming, deforming.latents(1), moved)
    random = torch.Generator().manual_seed(0)
    many = subject.start + 0.2 * torch.randn(3, *subject.start.shape, generator=random)
    points = 0.3 * torch.randn(2, 4, 3, generator=random).clamp(-1, 1)
    body = 0.3 * torch.randn(5, 3, generator=random).clamp(-1, 1)
    with torch.no_grad():
        found, alone = subject.responses(many, body, points, descriptors), subject.responses(many, body, None)
    assert alone.described is alone.level is None
    assert torch.allclose(alone.still, found.still, atol=1e-6)
    assert found.described is not None and (found.level is None) == (moved == "texture")
    for i, latents in enumerate(many):
        with torch.no_grad():
            field = subject.field(latents, torch.zeros(1, 3), float("inf"))
            flat = points.flatten(0, 1)
            expected = field.descriptors(flat) if descriptors else field.features(flat)
            assert torch.allclose(found.described[i].flatten(0, 1), expected, atol=1e-4)
            if found.level is not None:
                assert torch.allclose(found.level[i].flatten(), field.signed(flat), atol=1e-4)
            still = field.descriptors(body) if moved == "texture" else field.signed(body)[:, None]
            assert torch.allclose(found.still[i], still, atol=1e-4)
