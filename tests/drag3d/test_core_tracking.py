"""Tracking finds the candidate whose feature is nearest to the handle's first one, as a loop over candidates would."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from toy_subject import ToyField, ToySubject, Waves, ball

from drag3d.core.tracking import nearest_feature


class PlainField:
    """Any functions as features and as the place where handles may be."""

    def __init__(self, features, snap=lambda points: points):  # type: ignore[no-untyped-def]
        self.features = features
        self.snap = lambda points, bounds=None: snap(points)

    def level(self, points: Tensor) -> None:
        return None


def brute_force(field: PlainField, expected: Tensor, reference: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Every candidate in turn, sums by hand."""
    places, errors = [], []
    for center, wanted in zip(expected, reference, strict=True):
        best, place = float("inf"), center
        for offset in sorted(offsets, key=lambda o: float(o.norm())):
            candidate = field.snap((center + offset)[None])
            error = sum(abs(float(a) - float(b)) for a, b in zip(field.features(candidate)[0], wanted, strict=True))
            if error < best - 1e-5:
                best, place = error, candidate[0]
        places.append(place)
        errors.append(best)
    return torch.stack(places), torch.tensor(errors)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_best_candidate_is_that_of_a_loop_over_all(dimensions: int) -> None:
    field = PlainField(Waves(dimensions, seed=0))
    expected = torch.randn(4, dimensions, generator=torch.Generator().manual_seed(1))
    reference = field.features(expected + 0.05)
    offsets = ball(dimensions, 0.2, 60, seed=2)
    places, errors = nearest_feature(field, expected, reference, offsets)
    slow_places, slow_errors = brute_force(field, expected, reference, offsets)
    assert torch.allclose(places, slow_places, atol=1e-6)
    assert torch.allclose(errors, slow_errors, atol=1e-4)
    assert float(errors.min()) > 0.01, "no candidate hits exactly, so the order of errors mattered"


@pytest.mark.parametrize("solid", [False, True], ids=["field", "surface"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_handle_that_moved_is_found_where_it_went(dimensions: int, solid: bool) -> None:
    subject = ToySubject(dimensions, solid)
    handles = torch.stack([subject.handle(0, 1.0, 0.5), subject.handle(1, -0.5, 1.0)])
    reference = subject.field(subject.start, handles, 1.0).features(handles)
    latents = subject.start.clone()
    latents[:, :dimensions] += 0.06
    latents[:, dimensions] -= 0.05
    field = subject.field(latents, handles, 1.0)
    places, _ = nearest_feature(field, handles, reference, subject.offsets(subject.search_radius, 4096, seed=0))
    away = (places - subject.true_places(handles, latents)).norm(dim=1)
    assert float(away.max()) < 0.02, "as near as 4096 candidates in a ball of 0.15 are dense"


def test_ties_go_to_the_candidate_nearest_to_the_centre() -> None:
    """On a line, a feature that has the wanted value at -0.25, 0.125 and 0.5 alike, and another elsewhere."""
    wanted = (-0.25, 0.125, 0.5)
    field = PlainField(lambda points: 1.0 - sum((points == place).float() for place in wanted))
    offsets = torch.tensor([[0.5], [-0.25], [0.3], [0.125], [-0.02]])
    place, error = nearest_feature(field, torch.zeros(1, 1), torch.zeros(1, 1), offsets)
    assert float(place) == 0.125
    assert float(error) == 0.0


def test_in_a_featureless_field_a_handle_stays_where_it_is() -> None:
    field = PlainField(lambda points: torch.ones(len(points), 3))
    expected = torch.tensor([[0.3, 0.4], [-1.0, 2.0]])
    places, errors = nearest_feature(field, expected, torch.ones(2, 3), ball(2, 0.2, 50, seed=0))
    assert torch.equal(places, expected)
    assert torch.equal(errors, torch.zeros(2))


def test_candidates_that_snapping_displaced_far_are_none() -> None:
    """Half of the candidates are put on a distant sheet, whose features are the very ones wanted."""

    def snap(points: Tensor) -> Tensor:
        return torch.where(points[:, :1] > 0, points + torch.tensor([5.0, 0.0]), points)

    def features(points: Tensor) -> Tensor:
        return torch.where(points[:, :1] > 4, 0.0, 1.0 + points[:, :1].abs())

    offsets = ball(2, 0.2, 64, seed=0)
    assert bool((offsets[:, 0] > 0.05).any()) and bool((offsets[:, 0] < -0.05).any())
    places, errors = nearest_feature(PlainField(features, snap), torch.zeros(1, 2), torch.zeros(1, 1), offsets)
    assert float(places.norm()) <= 0.2
    assert float(errors) >= 1.0


def test_candidates_are_compared_where_they_were_put_not_where_they_were() -> None:
    """Handles live on the line y = 0 here; the feature is y plus the distance along the line."""
    field = PlainField(lambda points: points.clone(), lambda points: points * torch.tensor([1.0, 0.0]))
    offsets = torch.tensor([[0.0, 0.0], [0.1, 0.1], [0.05, -0.1], [0.02, 0.02]])
    places, errors = nearest_feature(field, torch.zeros(1, 2), torch.tensor([[0.1, 0.1]]), offsets)
    assert torch.allclose(places, torch.tensor([[0.1, 0.0]]))
    assert float(errors) == pytest.approx(0.1, abs=1e-6)


def test_a_centre_off_its_place_is_itself_put_there() -> None:
    field = PlainField(lambda points: points.clone(), lambda points: points * torch.tensor([1.0, 0.0]))
    places, _ = nearest_feature(field, torch.tensor([[0.3, 0.01]]), torch.tensor([[0.3, 0.0]]), torch.zeros(1, 2))
    # One candidate without extent reaches nothing beyond itself, yet an answer there must be.
    assert torch.allclose(places, torch.tensor([[0.3, 0.0]]))


def test_tracking_carries_no_gradient_and_leaves_the_graph_of_the_field_alone() -> None:
    subject = ToySubject(2)
    latents = subject.start.clone().requires_grad_(True)
    handles = subject.handle(0, 1.0)[None]
    field = ToyField(subject, latents)
    reference = field.features(handles)
    places, errors = nearest_feature(field, handles, reference, ball(2, 0.1, 32, seed=0))
    assert not places.requires_grad
    assert not errors.requires_grad
    (gradient,) = torch.autograd.grad(field.features(handles + 0.01).sum(), latents)
    assert float(gradient.abs().max()) > 0


def test_many_handles_at_once_are_found_as_one_at_a_time() -> None:
    field = PlainField(Waves(3, seed=3))
    random = torch.Generator().manual_seed(4)
    expected = torch.randn(7, 3, generator=random)
    reference = field.features(expected + 0.1 * torch.randn(7, 3, generator=random))
    offsets = ball(3, 0.25, 300, seed=5)
    together, errors = nearest_feature(field, expected, reference, offsets)
    for i in range(7):
        place, error = nearest_feature(field, expected[i : i + 1], reference[i : i + 1], offsets)
        assert torch.equal(place[0], together[i])
        assert float(error) == pytest.approx(float(errors[i]), rel=1e-5)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_the_size_of_chunks_changes_nothing(chunk: int) -> None:
    field = PlainField(Waves(2, seed=3))
    expected = torch.zeros(2, 2)
    reference = field.features(torch.tensor([[0.1, 0.0], [0.0, -0.1]]))
    offsets = ball(2, 0.2, 50, seed=5)
    whole, whole_errors = nearest_feature(field, expected, reference, offsets)
    places, errors = nearest_feature(field, expected, reference, offsets, chunk=chunk)
    assert torch.equal(places, whole)
    assert torch.allclose(errors, whole_errors, rtol=1e-5)


def test_where_tracked_handles_lie_does_not_depend_on_the_order_of_candidates() -> None:
    field = PlainField(Waves(2, seed=3))
    reference = field.features(torch.tensor([[0.07, 0.03]]))
    offsets = ball(2, 0.2, 100, seed=6)
    first, _ = nearest_feature(field, torch.zeros(1, 2), reference, offsets)
    second, _ = nearest_feature(field, torch.zeros(1, 2), reference, offsets.flip(0))
    assert torch.equal(first, second)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_candidates_without_a_feature_are_never_chosen(bad: float) -> None:
    """Say the network overflowed over there."""
    field = PlainField(lambda points: torch.where(points[:, :1] > 0.05, bad, points[:, :1]))
    places, errors = nearest_feature(field, torch.zeros(1, 1), torch.full((1, 1), 0.2), ball(1, 0.2, 50, seed=0))
    assert float(places) <= 0.05
    assert torch.isfinite(errors).all()
