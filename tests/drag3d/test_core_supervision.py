"""Motion supervision: where a step goes, what it compares, and what carries gradient."""

from __future__ import annotations

import pytest
import torch
from toy_subject import ToyField, ToySubject, ball

from drag3d.core.supervision import directions, hold_loss, motion_loss


def changed(subject: ToySubject, amount: float = 0.1) -> torch.Tensor:
    noise = torch.randn(subject.start.shape, generator=torch.Generator().manual_seed(7))
    return (subject.start + amount * noise).double()


def patches_around(subject: ToySubject, count: int = 12) -> torch.Tensor:
    """Neighbourhoods ``(2, count, D)`` of one handle on each blob."""
    handles = torch.stack([subject.handle(0, 1.0), subject.handle(1, -1.0)])
    return (handles[:, None] + ball(subject.dimensions, subject.patch_radius, count, seed=5)).double()


def as_double(subject: ToySubject) -> ToySubject:
    """The same subject in double precision, for finite differences."""
    for name in ("start", "centers", "free"):
        setattr(subject, name, getattr(subject, name).double())
    for waves in subject.waves:
        waves.frequencies, waves.phases = waves.frequencies.double(), waves.phases.double()
    return subject


@pytest.fixture(params=[1, 2, 3], ids=lambda d: f"{d}D")
def subject(request: pytest.FixtureRequest) -> ToySubject:
    return as_double(ToySubject(request.param))


# ---- directions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_step_points_at_the_target_and_has_the_asked_length(dimensions: int) -> None:
    random = torch.Generator().manual_seed(0)
    handles = torch.randn(20, dimensions, generator=random)
    away = torch.nn.functional.normalize(torch.randn(20, dimensions, generator=random), dim=1)
    steps = directions(handles, handles + 3.0 * away, 0.25)
    assert torch.allclose(steps, 0.25 * away, atol=1e-6)


def test_a_step_is_shortened_to_end_on_a_target_that_is_nearer_than_it() -> None:
    handles = torch.tensor([[0.5, -1.0, 2.0]])
    offset = torch.tensor([[0.03, 0.0, -0.04]])
    assert torch.allclose(directions(handles, handles + offset, 0.25), offset, atol=1e-6)


def test_a_step_at_the_target_is_zero_and_a_number() -> None:
    handles = torch.tensor([[0.5, -1.0], [0.0, 0.0]])
    assert torch.equal(directions(handles, handles.clone(), 0.25), torch.zeros(2, 2))


def test_a_hair_from_the_target_the_step_is_still_a_number_and_no_longer_than_the_hair() -> None:
    handles = torch.zeros(1, 3)
    for hair in (1e-6, 1e-12, 1e-20, 1e-38):
        steps = directions(handles, torch.full((1, 3), hair), 0.25)
        assert torch.isfinite(steps).all()
        assert float(steps.norm()) <= 1.8 * hair


def test_every_handle_steps_towards_its_own_target() -> None:
    handles = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    assert torch.allclose(directions(handles, targets, 0.1), torch.tensor([[0.1, 0.0], [0.0, -0.1], [0.0, 0.0]]))


# ---- the motion loss ----------------------------------------------------------------------------------------------


def naive_motion_loss(template: ToyField, field: ToyField, patches: torch.Tensor, steps: torch.Tensor) -> float:
    """Equation 1 point by point: the features of ``template`` at q against those of ``field`` at q + d."""
    total = 0.0
    for patch, step in zip(patches, steps, strict=True):
        mean = 0.0
        for q in patch:
            here, there = template.features(q[None])[0], field.features((q + step)[None])[0]
            mean += sum(abs(float(a) - float(b)) for a, b in zip(here, there, strict=True)) / len(here) / len(patch)
        total += mean
    return total


def test_the_motion_loss_is_that_of_a_loop_over_points_and_channels(subject: ToySubject) -> None:
    field = ToyField(subject, changed(subject))
    patches = patches_around(subject)
    steps = torch.randn(2, subject.dimensions, generator=torch.Generator().manual_seed(1)).double() * 0.02
    expected = naive_motion_loss(field, field, patches, steps)
    assert expected > 1e-3
    assert float(motion_loss(field, patches, steps)) == pytest.approx(expected, rel=1e-10)


def test_the_gradient_is_that_of_the_moved_features_alone_the_template_being_frozen(subject: ToySubject) -> None:
    latents = changed(subject).requires_grad_(True)
    patches = patches_around(subject)
    steps = torch.full((2, subject.dimensions), 0.02).double()
    (gradient,) = torch.autograd.grad(motion_loss(ToyField(subject, latents), patches, steps), latents)

    template = ToyField(subject, latents.detach())
    frozen, live = torch.zeros_like(gradient), torch.zeros_like(gradient)
    for index in range(gradient.numel()):
        row, entry = divmod(index, gradient.shape[1])
        nudge = torch.zeros_like(gradient)
        nudge[row, entry] = 1e-6
        ahead, behind = (ToyField(subject, latents.detach() + s * nudge) for s in (1, -1))
        frozen[row, entry] = (
            naive_motion_loss(template, ahead, patches, steps) - naive_motion_loss(template, behind, patches, steps)
        ) / 2e-6
        live[row, entry] = (
            naive_motion_loss(ahead, ahead, patches, steps) - naive_motion_loss(behind, behind, patches, steps)
        ) / 2e-6
    scale = float(frozen.abs().max())
    assert float((gradient - frozen).abs().max()) < 1e-5 * scale
    # Were the template not frozen, the two sides would all but cancel; so the test above can tell.
    assert float((gradient - live).abs().max()) > 0.3 * scale


def test_losses_of_handles_add_up_and_patches_are_averaged(subject: ToySubject) -> None:
    field = ToyField(subject, changed(subject))
    patches = patches_around(subject)
    steps = torch.full((2, subject.dimensions), 0.02).double()
    both = float(motion_loss(field, patches, steps))
    single = [float(motion_loss(field, patches[i : i + 1], steps[i : i + 1])) for i in range(2)]
    assert both == pytest.approx(sum(single), rel=1e-10)
    twice = torch.cat([patches, patches], dim=1)
    assert float(motion_loss(field, twice, steps)) == pytest.approx(both, rel=1e-10)


def test_a_handle_at_its_target_has_no_say(subject: ToySubject) -> None:
    latents = changed(subject).requires_grad_(True)
    loss = motion_loss(ToyField(subject, latents), patches_around(subject), torch.zeros(2, subject.dimensions).double())
    assert float(torch.autograd.grad(loss, latents)[0].abs().max()) == 0
    assert float(loss.detach()) == 0


def test_following_the_gradient_moves_the_blob_with_the_step(subject: ToySubject) -> None:
    """The sign of it all: the features at q should appear at q + d, so the blob has to move by +d."""
    latents = subject.start.clone().requires_grad_(True)
    steps = torch.zeros(2, subject.dimensions).double()
    steps[0] = 0.02 / subject.dimensions**0.5
    loss = motion_loss(ToyField(subject, latents), patches_around(subject, 64), steps)
    (gradient,) = torch.autograd.grad(loss, latents)
    first, second = subject.shifts(subject.start - gradient)
    cosine = float(torch.nn.functional.cosine_similarity(first, steps[0], dim=0))
    assert cosine > 0.7
    assert float(second.abs().max()) < 1e-6 * float(first.norm())


# ---- the hold loss ------------------------------------------------------------------------------------------------


def test_the_hold_loss_is_the_mean_change_of_features_and_zero_before_any(subject: ToySubject) -> None:
    points = patches_around(subject).flatten(0, 1)
    before, after = ToyField(subject, subject.start), ToyField(subject, changed(subject))
    features = before.features(points)
    assert float(hold_loss(before, points, features)) == 0
    differences = [
        abs(float(a) - float(b))
        for p, f in zip(points, features, strict=True)
        for a, b in zip(after.features(p[None])[0], f, strict=True)
    ]
    assert float(hold_loss(after, points, features)) == pytest.approx(sum(differences) / len(differences), rel=1e-10)


def test_the_hold_loss_pulls_the_field_back(subject: ToySubject) -> None:
    points = patches_around(subject, 64).flatten(0, 1)
    features = ToyField(subject, subject.start).features(points)
    latents = changed(subject, 0.03).requires_grad_(True)
    (gradient,) = torch.autograd.grad(hold_loss(ToyField(subject, latents), points, features), latents)
    assert float((gradient * (latents.detach() - subject.start)).sum()) > 0
