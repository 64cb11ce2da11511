"""Every part of the default method can be left out, and then the drag is another one; with all parts it is the same."""

import pytest
import torch

import get3d_models
from drag3d.core import Drag, DragSettings
from drag3d.core.methods.anchored import BEYOND
from drag3d.core.methods.parts import PARTS, left_out
from drag3d.evaluation.run import Evaluation
from drag3d.session.checks import changed_settings
from drag3d.subjects.image import ImageSubject
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

    def latents(without: str, way: float = 0.35, tolerance: float | None = None) -> list[torch.Tensor]:
        target = handle + torch.tensor([[0.0, way, way]])
        settings = changed_settings(
            DragSettings(max_steps=STEPS, patience=1000, tolerance=tolerance), {"without": without}
        )
        steps = list(Drag(subject, handle, target, settings))
        return [step.latents for step in steps[:STEPS]]

    latents.subject = subject
    return latents


@pytest.fixture(scope="module")
def whole(drag):
    return drag("")


@pytest.mark.slow
@pytest.mark.parametrize("part", sorted(PARTS.keys() - {"coherence", "pull"}))
def test_a_drag_without_a_part_is_another_drag(drag, whole, part):
    found = drag(part)
    assert all(torch.isfinite(latents).all() for latents in found)
    assert any(not torch.equal(a, b) for a, b in zip(found, whole, strict=False))


@pytest.mark.slow
def test_the_pull_counts_where_steps_are_within_the_trust_region(drag):
    near = {"way": 0.05, "tolerance": 1e-5}
    pairs = zip(drag("", **near), drag("pull", **near), strict=False)
    assert any(not torch.equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_the_look_of_a_neighbourhood_counts_in_images():
    portrait = get3d_models.load("portrait")
    subject = ImageSubject(portrait, portrait.latents(1))
    handle = torch.tensor([[120.0, 180.0]])
    ends = [
        list(Drag(subject, handle, handle - 8, DragSettings(max_steps=2, without=without)))[-1].latents
        for without in ("", "coherence")
    ]
    assert not torch.equal(*ends)


def test_with_all_parts_it_is_the_same_drag(drag, whole):
    again = drag("")
    assert all(torch.equal(a, b) for a, b in zip(again, whole, strict=True))
    assert not torch.equal(whole[1], whole[0])


@pytest.mark.slow
def test_without_the_bound_latents_go_beyond_it(drag, whole):
    subject = drag.subject
    basis = subject.basis[0]
    usual = max(float(subject.origin.norm(dim=1).max()), len(basis) ** 0.5)

    def deviations(latents: torch.Tensor) -> float:
        """From the mean of generated latents, of the row that is farthest from it."""
        change = torch.linalg.lstsq(basis.t(), (latents - subject.start).t()).solution.t()
        return float((subject.origin + change).norm(dim=1).max())

    assert max(deviations(latents) for latents in whole) <= (usual + BEYOND) * 1.01
    assert max(deviations(latents) for latents in drag("bound+trust+pull")) > (usual + BEYOND) * 1.1


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
