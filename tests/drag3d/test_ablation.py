"""Every part of the default method can be left out, and then the drag is another one; with all parts it is the same."""

import pytest
import torch

from drag3d.core import Drag, DragSettings
from drag3d.core.methods.anchored import LARGEST_TOTAL
from drag3d.core.methods.parts import PARTS, left_out
from drag3d.evaluation.run import Evaluation
from drag3d.session.checks import changed_settings
from drag3d.subjects.surface import SurfaceSubject
from get3d_models.errors import InputError
from get3d_models.keypoints import keypoints

STEPS = 9


@pytest.fixture(scope="module")
def drag(small_quadruped):
    """Latents after each step of a drag that leads far, so that every limit is met, by settings; and the subject."""
    subject = SurfaceSubject(small_quadruped, small_quadruped.latents(3))
    place = keypoints(small_quadruped, 3)["snout"][None]
    handle = subject.field(subject.start, place, subject.search_radius).snap(place)
    target = handle + torch.tensor([[0.0, 0.35, 0.35]])

    def latents(without: str) -> list[torch.Tensor]:
        settings = changed_settings(DragSettings(max_steps=STEPS, patience=1000), {"without": without})
        steps = list(Drag(subject, handle, target, settings))
        return [step.latents for step in steps[:STEPS]]

    latents.subject = subject
    return latents


@pytest.fixture(scope="module")
def whole(drag):
    return drag("")


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_drag_without_a_part_is_another_drag(drag, whole, part):
    found = drag(part)
    assert all(torch.isfinite(latents).all() for latents in found)
    assert any(not torch.equal(a, b) for a, b in zip(found, whole, strict=False))


def test_with_all_parts_it_is_the_same_drag(drag, whole):
    again = drag("")
    assert all(torch.equal(a, b) for a, b in zip(again, whole, strict=True))
    assert not torch.equal(whole[1], whole[0])


@pytest.mark.slow
def test_without_the_bound_latents_go_beyond_it(drag, whole):
    start, basis = drag.subject.start, drag.subject.basis[0]

    def deviations(latents: torch.Tensor) -> float:
        return float(torch.linalg.lstsq(basis.t(), (latents - start)[0]).solution.norm())

    assert max(deviations(latents) for latents in whole) <= LARGEST_TOTAL * 1.01
    assert max(deviations(latents) for latents in drag("bound+trust+pull")) > LARGEST_TOTAL * 1.1


def test_parts_follow_the_name_of_the_method():
    settings = Evaluation().drag_settings("default:without=rest+snap")
    assert left_out(settings.without) == {"rest", "snap"}
    assert left_out("") == frozenset()


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("default:without=snapp", "no part 'snapp'; did you mean 'snap'"),
        ("default:without=3", "names with . between them"),
        ("draggan:without=snap", "only the default method has parts"),
    ],
)
def test_what_is_no_part_is_refused_before_anything_runs(method, said):
    with pytest.raises(InputError, match=said):
        Evaluation((method,)).check()
