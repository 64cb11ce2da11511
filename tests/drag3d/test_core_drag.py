"""The drag loop on analytic blobs: what arrives has truly arrived, and every way to end is as told."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from toy_subject import ToyField, ToySubject

from drag3d.core import Drag, DragSettings, DragStep, StopReason
from drag3d.core.methods.anchored import LOOK_AGAIN
from get3d_models.errors import InputError

METHODS = ["draggan", "default"]
KINDS = [(2, False), (2, True), (3, False), (3, True)]


def settings_for(method: str, **changes: object) -> DragSettings:
    """Adam three times as fast as by default; in space a search ball small enough for its candidates to be dense.

    The default method goes half as far in a step as it would, so that a drag has some.
    """
    quick: dict[str, object] = {"step_length": 0.08}
    if method == "draggan":
        quick = {"learning_rate": 0.06, "search_radius": 0.08}
    return DragSettings(method=method, **{"max_steps": 150, **quick, **changes})  # type: ignore[arg-type]


def points_of(subject: ToySubject) -> tuple[Tensor, Tensor]:
    """Two handles, one on each blob, and targets a few radii of the patch away in different directions."""
    handles = torch.stack([subject.handle(0, 0.2, 1.0, 0.3), subject.handle(1, -1.0, 0.5, -0.5)])
    motion = torch.zeros(2, subject.dimensions)
    motion[0, 0] = -0.25
    motion[0, 1:2] = 0.15
    motion[1, -1] = 0.2
    return handles, handles + motion


def true_distances(subject: ToySubject, handles: Tensor, targets: Tensor, step: DragStep) -> Tensor:
    return (subject.true_places(handles, step.latents) - targets).norm(dim=1)


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=KINDS, ids=lambda k: f"{k[0]}D-{'surface' if k[1] else 'features only'}")
def subject(request: pytest.FixtureRequest) -> ToySubject:
    return ToySubject(*request.param)


# ---- arriving -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_handles_arrive_in_truth(subject: ToySubject, method: str, count: int) -> None:
    handles, targets = (p[:count] for p in points_of(subject))
    steps = list(Drag(subject, handles, targets, settings_for(method)))
    assert steps[-1].reason is StopReason.ARRIVED
    assert float(steps[-1].distances.max()) <= subject.tolerance
    assert float(true_distances(subject, handles, targets, steps[-1]).max()) <= 1.5 * subject.tolerance
    assert len(steps) <= (60 if method == "draggan" else 12)
    for step in steps:
        assert torch.isfinite(step.handles).all()
        assert torch.isfinite(step.latents).all()


@pytest.mark.parametrize("count", [1, 2])
def test_handles_arrive_on_a_line(method: str, count: int) -> None:
    subject = ToySubject(1)
    handles, targets = (p[:count] for p in points_of(subject))
    last = list(Drag(subject, handles, targets, settings_for(method)))[-1]
    assert last.reason is StopReason.ARRIVED
    assert float(true_distances(subject, handles, targets, last).max()) <= 1.5 * subject.tolerance


def test_the_tracked_handle_is_the_true_one_at_every_step(subject: ToySubject, method: str) -> None:
    handles, targets = points_of(subject)
    for step in Drag(subject, handles, targets, settings_for(method)):
        away = (step.handles - subject.true_places(handles, step.latents)).norm(dim=1)
        assert float(away.max()) < 0.75 * subject.tolerance


def test_handles_on_a_surface_stay_on_it(method: str) -> None:
    subject = ToySubject(3, solid=True)
    handles, targets = points_of(subject)
    for step in Drag(subject, handles, targets, settings_for(method)):
        assert float(ToyField(subject, step.latents).level(step.handles).abs().max()) < 1e-5  # type: ignore[union-attr]


def test_three_handles_on_a_blob_that_shall_move_as_one_arrive_together(method: str) -> None:
    subject = ToySubject(3, solid=True)
    handles = torch.stack([subject.handle(0, 1.0), subject.handle(0, -0.3, -1.0, 1.0), subject.handle(0, 0.0, 1.0)])
    targets = handles + torch.tensor([-0.1, 0.15, 0.1])
    last = list(Drag(subject, handles, targets, settings_for(method)))[-1]
    assert last.reason is StopReason.ARRIVED
    assert float(true_distances(subject, handles, targets, last).max()) <= 1.5 * subject.tolerance


def test_a_handle_at_its_target_stays_there_while_another_is_dragged(subject: ToySubject, method: str) -> None:
    handles, targets = points_of(subject)
    targets[1] = handles[1]
    steps = list(Drag(subject, handles, targets, settings_for(method)))
    assert steps[-1].reason is StopReason.ARRIVED
    for step in steps:
        assert float(true_distances(subject, handles, targets, step)[1]) < subject.tolerance


def test_a_tolerance_of_ones_own_is_met(method: str) -> None:
    subject = ToySubject(2)
    handles, targets = points_of(subject)
    loose, tight = (
        list(Drag(subject, handles, targets, settings_for(method, tolerance=tolerance))) for tolerance in (0.1, 0.02)
    )
    assert loose[-1].reason is tight[-1].reason is StopReason.ARRIVED
    assert 0.02 < float(loose[-1].distances.max()) <= 0.1
    assert len(loose) < len(tight)


@pytest.mark.parametrize(("solid", "deviation"), [(False, 0.1), (False, 0.3), (True, 0.1), (True, 0.2), (True, 0.3)])
def test_the_default_method_arrives_whatever_a_standard_deviation_of_the_latents_moves(
    solid: bool, deviation: float
) -> None:
    subject = ToySubject(2, solid, deviation=deviation)
    handles, targets = (p[:1] for p in points_of(subject))
    last = list(Drag(subject, handles, targets, settings_for("default")))[-1]
    assert last.reason is StopReason.ARRIVED
    assert float(true_distances(subject, handles, targets, last).max()) <= 1.5 * subject.tolerance


# ---- holding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solid", [False, True], ids=["features only", "surface"])
def test_what_is_held_keeps_still_where_it_would_have_come_along(method: str, solid: bool) -> None:
    """The generator moves the second blob by half of what the first moves, unless told otherwise.

    The weights are of different things. At the paper's 20 Adam needs ten times the steps of a drag without: all
    gradient is that of holding. The default method holds everything a little unasked, so here it is given no rest.
    """
    weight = {"draggan": 3.0, "default": 30.0}[method]
    moved = {}
    for held in (False, True):
        subject = ToySubject(2, solid, coupling=0.5)
        handles, targets = (p[:1] for p in points_of(subject))
        hold = subject.rest[len(subject.rest) // 2 :] if held else None
        subject.rest = subject.rest[:0]
        last = list(Drag(subject, handles, targets, settings_for(method, hold_weight=weight), hold))[-1]
        assert last.reason is StopReason.ARRIVED
        assert float(true_distances(subject, handles, targets, last).max()) <= 1.5 * subject.tolerance
        moved[held] = float(subject.shifts(last.latents)[1].norm())
    assert moved[True] < 0.1 * moved[False]
    assert moved[False] > 0.03


def test_the_default_method_keeps_what_is_far_still_unasked() -> None:
    moved = {}
    for watched in (False, True):
        subject = ToySubject(2, coupling=0.5)
        if not watched:
            subject.rest = subject.rest[:0]
        last = list(Drag(subject, *(p[:1] for p in points_of(subject)), settings_for("default")))[-1]
        assert last.reason is StopReason.ARRIVED
        moved[watched] = float(subject.shifts(last.latents)[1].norm())
    assert moved[True] < 0.3 * moved[False]


def test_holding_nothing_is_as_good_as_no_holding(method: str) -> None:
    ends = []
    for hold in (None, torch.zeros(0, 2)):
        subject = ToySubject(2)
        ends.append(list(Drag(subject, *points_of(subject), settings_for(method), hold))[-1].latents)
    assert torch.equal(*ends)


def test_a_larger_weight_holds_more() -> None:
    moved = []
    for weight in (0.0, 0.3, 30.0):
        subject = ToySubject(2, coupling=0.5)
        handles, targets = (p[:1] for p in points_of(subject))
        hold = subject.rest[len(subject.rest) // 2 :]
        subject.rest = subject.rest[:0]
        last = list(Drag(subject, handles, targets, settings_for("default", hold_weight=weight), hold))[-1]
        moved.append(float(subject.shifts(last.latents)[1].norm()))
    assert moved[0] > moved[1] > moved[2]


# ---- ends ---------------------------------------------------------------------------------------------------------


def test_a_drag_whose_handles_are_there_already_ends_at_once_with_nothing_changed(
    subject: ToySubject, method: str
) -> None:
    handles, _ = points_of(subject)
    (only,) = Drag(subject, handles, handles + 0.1 * subject.tolerance, settings_for(method))
    assert only.index == 0
    assert only.reason is StopReason.ARRIVED
    assert math.isnan(only.loss)
    assert torch.equal(only.latents, subject.start)


def test_an_unreachable_target_stalls_as_near_as_one_can_get(method: str) -> None:
    """The blob moves along the first axis only; the target lies 0.3 off that line."""
    subject = ToySubject(2, free_axes=1)
    handles = subject.handle(0, 1.0)[None]
    targets = handles + torch.tensor([-0.2, 0.3])
    steps = list(Drag(subject, handles, targets, settings_for(method)))
    last = steps[-1]
    assert last.reason is StopReason.STALLED
    assert len(steps) < 151
    assert float(last.distances) == pytest.approx(0.3, abs=2 * subject.tolerance)
    assert float(true_distances(subject, handles, targets, last)) == pytest.approx(0.3, abs=2 * subject.tolerance)
    assert float(last.distances) <= min(float(s.distances) for s in steps) + subject.tolerance


def test_patience_is_the_number_of_idle_steps_before_a_drag_has_stalled(method: str) -> None:
    subject = ToySubject(2, free_axes=0)
    handles, targets = points_of(subject)
    for patience in (1, 7):
        steps = list(Drag(subject, handles, targets, settings_for(method, patience=patience)))
        assert steps[-1].reason is StopReason.STALLED
        assert steps[-1].index == patience


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_the_step_limit_is_kept(method: str, limit: int) -> None:
    subject = ToySubject(2)
    steps = list(Drag(subject, *points_of(subject), settings_for(method, max_steps=limit)))
    assert [s.index for s in steps] == list(range(limit + 1))
    assert [s.reason for s in steps] == [None] * limit + [StopReason.STEP_LIMIT]


def test_asked_from_the_loop_a_drag_ends_with_the_step_under_way(method: str) -> None:
    subject = ToySubject(2)
    drag = Drag(subject, *points_of(subject), settings_for(method))
    steps = []
    for step in drag:
        steps.append(step)
        if step.index == 1:
            drag.stop()
    assert [s.reason for s in steps] == [None, None, StopReason.ASKED]


def test_asked_before_it_began_a_drag_ends_with_its_start(method: str) -> None:
    subject = ToySubject(2)
    drag = Drag(subject, *points_of(subject), settings_for(method))
    drag.stop()
    (only,) = drag
    assert only.reason is StopReason.ASKED
    assert torch.equal(only.latents, subject.start)


def test_a_drag_can_be_stopped_from_another_thread(method: str) -> None:
    """The drag would go on for long: its target is out of reach and its patience has no end."""
    subject = ToySubject(2, free_axes=1)
    handles = subject.handle(0, 1.0)[None]
    targets = handles + torch.tensor([0.0, 0.3])
    drag = Drag(subject, handles, targets, settings_for(method, max_steps=10**6, patience=10**6))
    running = threading.Event()
    steps: list[DragStep] = []

    def work() -> None:
        for step in drag:
            steps.append(step)
            running.set()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    assert running.wait(30)
    drag.stop()
    worker.join(30)
    assert not worker.is_alive()
    assert steps[-1].reason is StopReason.ASKED
    assert all(s.reason is None for s in steps[:-1])


def test_leaving_the_loop_early_costs_no_further_synthesis_and_keeps_the_subject_as_it_was(method: str) -> None:
    subject = ToySubject(2)
    start = subject.start.clone()
    running = iter(Drag(subject, *points_of(subject), settings_for(method)))
    for _ in range(3):
        next(running)
    running.close()  # type: ignore[attr-defined]
    assert subject.syntheses == (3 if method == "draggan" else 5)  # two handles had one each after the first step
    assert torch.equal(subject.start, start)
    with pytest.raises(StopIteration):
        next(running)
    again = list(Drag(subject, *points_of(subject), settings_for(method)))
    assert again[-1].reason is StopReason.ARRIVED


# ---- cost and repeatability ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_every_step_costs_one_synthesis_tracking_included(subject: ToySubject, method: str, count: int) -> None:
    changed = [subject.start]
    points = (ends[:count] for ends in points_of(subject))
    for steps, step in enumerate(Drag(subject, *points, settings_for(method))):
        changed.append(step.latents)
        if method == "draggan":
            assert subject.syntheses == steps + 1
    if method == "draggan":
        assert subject.probes == 0
        return
    # Others, without gradients: one for each direction and one beside, again only when latents have gone far, and one
    # at first that tells how fast things change in space.
    looks, uneven = divmod(subject.probes - 1, 1 + len(subject.groups.unique()) * subject.basis.shape[1])
    assert not uneven
    # Of several handles each has a synthesis of its own, of the windows around it, where there was no such look.
    assert subject.syntheses == steps + 1 + (0 if count == 1 else count * (steps - looks))
    way = sum(float(((b - a) / subject.latent_unit).norm(dim=1).max()) for a, b in pairwise(changed))
    assert 1 <= looks <= 1 + way / LOOK_AGAIN


def test_the_field_is_asked_only_near_the_handles_it_was_made_for(method: str) -> None:
    """A subject may compute only windows around the handles; samples of what must stay are its own affair."""
    subject = ToySubject(2)
    handles, targets = points_of(subject)
    asked: list[float] = []
    make = subject.field

    def watched(latents: Tensor, centers: Tensor, radius: float) -> ToyField:
        field = make(latents, centers, radius)
        answer: Callable[[Tensor], Tensor] = field.features

        def features(points: Tensor) -> Tensor:
            if not torch.isin(points, subject.rest).all():
                asked.append(float(torch.cdist(points, centers).amin(dim=1).max()) / radius)
            return answer(points)

        field.features = features  # type: ignore[method-assign]
        return field

    subject.field = watched  # type: ignore[method-assign]
    list(Drag(subject, handles, targets, settings_for(method)))
    assert max(asked) <= 1.0


def test_the_same_seed_gives_bitwise_the_same_steps(subject: ToySubject, method: str) -> None:
    def run(seed: int) -> list[DragStep]:
        hold = subject.rest[:50]
        return list(Drag(subject, *points_of(subject), settings_for(method, max_steps=6, seed=seed), hold))

    first, second, other = run(0), run(0), run(1)
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.latents, b.latents)
        assert torch.equal(a.handles, b.handles)
        assert torch.equal(a.distances, b.distances)
        assert a.loss == b.loss or (math.isnan(a.loss) and math.isnan(b.loss))
    assert not torch.equal(first[-1].latents, other[min(len(other), len(first)) - 1].latents)


def test_steps_are_copies_that_later_steps_do_not_change(method: str) -> None:
    subject = ToySubject(2)
    seen: list[tuple[DragStep, Tensor, Tensor]] = []
    for step in Drag(subject, *points_of(subject), settings_for(method, max_steps=4)):
        assert not step.latents.requires_grad
        seen.append((step, step.latents.clone(), step.handles.clone()))
    for step, latents, handles in seen:
        assert torch.equal(step.latents, latents)
        assert torch.equal(step.handles, handles)
    assert not torch.equal(seen[0][1], seen[-1][1])


def test_the_loss_of_a_step_is_a_number_from_the_first_step_on(method: str) -> None:
    subject = ToySubject(3, solid=True)
    losses = [s.loss for s in Drag(subject, *points_of(subject), settings_for(method, max_steps=5))]
    assert math.isnan(losses[0])
    assert all(math.isfinite(loss) and loss >= 0 for loss in losses[1:])


@pytest.mark.parametrize("solid", [False, True], ids=["features only", "surface"])
def test_a_handle_where_there_is_nothing_stalls_and_stays_finite(method: str, solid: bool) -> None:
    subject = ToySubject(2)
    subject.solid = solid
    handles = torch.tensor([[0.0, 40.0]])
    if solid:
        handles = subject.field(subject.start, handles, 1.0).snap(handles)
        targets = handles + torch.tensor([[0.0, 40.0]])
    else:
        targets = handles + 0.2
    steps = list(Drag(subject, handles, targets, settings_for(method, max_steps=40, patience=5)))
    assert steps[-1].reason in (StopReason.STALLED, StopReason.STEP_LIMIT)
    for step in steps:
        assert torch.isfinite(step.handles).all()
        assert torch.isfinite(step.latents).all()


def test_an_unknown_method_is_refused_with_the_names_of_the_known() -> None:
    subject = ToySubject(2)
    with pytest.raises(InputError, match="unknown method 'draggen'; known: default, draggan"):
        Drag(subject, *points_of(subject), DragSettings(method="draggen"))


# ---- latent spaces ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "space", "alike"), [("draggan", "w", True), ("draggan", "w+", False), ("default", "w+", True)]
)
def test_in_w_all_rows_move_alike_and_in_w_plus_each_may_differ_but_not_by_default(
    method: str, space: str, alike: bool
) -> None:
    subject = ToySubject(2)
    last = list(Drag(subject, *(p[:1] for p in points_of(subject)), settings_for(method, space=space)))[-1]
    moved = last.latents - subject.start
    assert float(moved.norm()) > 0
    groups = [moved[subject.groups == group] for group in subject.groups.unique()]
    assert max(len(rows) for rows in groups) > 1
    assert all(bool((rows - rows[:1]).norm() < 1e-5 * moved.norm()) for rows in groups) is alike
