"""Protocols that know what should have come out: they find no fault where it has, and all of it where nothing has."""

import types
from typing import ClassVar

import pytest
import torch
import trimesh

from drag3d.core import DragSettings
from drag3d.evaluation import course as courses
from drag3d.evaluation.course import Course
from drag3d.evaluation.image_drags import keypoint_drag as image_drag
from drag3d.evaluation.latent_distance import distribution_of
from drag3d.evaluation.pair_drags import SHARE
from drag3d.evaluation.run import Evaluation, run_task
from drag3d.evaluation.shape_drags import LONGEST, SHORTEST, SHORTEST_OTHER, ShapeDrags, keypoint_drag
from drag3d.evaluation.surfaces import chamfer, off_region_change, volume_overlap
from drag3d.evaluation.yardstick import yardstick_of
from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.keypoints import keypoints
from get3d_models.stylegan2 import ImageGenerator

SETTINGS = DragSettings(max_steps=1)
NOTHING = {"shape": 1e-4, "image": 1e-9}
"""Of shapes in diagonals: a point of a surface is looked for in some of its triangles, and may be in another one."""


@pytest.fixture(scope="module")
def portraits():
    """Of random weights, with the portrait's codes."""
    torch.manual_seed(0)
    config = ImageConfig(z_dim=48, w_dim=8, mapping_layers=1, channels=(8, 8, 8, 8, 8), conv_clamp=None)
    return ImageGenerator(config, "portrait").requires_grad_(False)


@pytest.fixture(params=["shape", "image"])
def generator(request, small_quadruped, portraits):
    return small_quadruped if request.param == "shape" else portraits


# ---- tasks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["keypoints", "pairs", "return"])
@pytest.mark.parametrize("points", [3, 5])
def test_tasks_of_several_points_depend_on_seed_and_number_alone(generator, protocol, points):
    tasks = [yardstick_of(generator.kind, protocol, points).task(generator, 0, number) for number in range(3)]
    yardstick = yardstick_of(generator.kind, protocol, points)
    assert yardstick.task(generator, 0, 2) == tasks[2] != yardstick.task(generator, 1, 2)
    assert len({task.sample for task in tasks}) == 3
    for task in tasks:
        assert len(set(task.names)) == points
        assert task.length == pytest.approx(sum(p.length for p in task.points) / points)
        assert task.described()["length"] == task.length


def test_the_first_of_several_keypoints_is_in_the_usual_range_and_the_others_differ_enough(small_quadruped):
    for number in range(3):
        task = keypoint_drag(small_quadruped, 0, number, 5)
        assert SHORTEST <= task.points[0].length <= LONGEST
        assert all(SHORTEST_OTHER <= point.length <= LONGEST for point in task.points)
        here, there = (keypoints(small_quadruped, seed) for seed in (task.sample, task.other))
        for point in task.points:
            way = there[point.name] - here[point.name]
            assert torch.allclose(way, torch.tensor(point.displacement), atol=1e-6)


def test_a_task_of_several_points_goes_on_from_that_of_one(portraits):
    pairs = [(image_drag(portraits, 0, number, 1), image_drag(portraits, 0, number, 3)) for number in range(12)]
    same = [several.points[0] == one.points[0] for one, several in pairs if one.sample == several.sample]
    assert len(same) >= 3 and all(same)


def test_there_and_back_has_the_tasks_of_keypoints(generator):
    there, back = (yardstick_of(generator.kind, protocol, 3) for protocol in ("keypoints", "return"))
    assert there.task(generator, 4, 1) == back.task(generator, 4, 1)


@pytest.mark.parametrize(
    ("kind", "protocol", "points", "said"),
    [
        ("shape", "view", 3, "tasks of one point only"),
        ("image", "view", 1, "images are dragged in themselves"),
        ("shape", "magic", 1, "unknown protocol 'magic'"),
        ("shape", "pairs", 0, "one point at least"),
    ],
)
def test_what_is_no_protocol_is_said_in_one_line(kind, protocol, points, said):
    with pytest.raises(InputError, match=said):
        yardstick_of(kind, protocol, points)


def test_more_points_than_keypoints_are_refused(generator):
    with pytest.raises(InputError, match="keypoints, so tasks of 30 cannot be made"):
        yardstick_of(generator.kind, "keypoints", 30).task(generator, 0, 0)


# ---- pairs ----------------------------------------------------------------------------------------------------------


def in_the_end(subject, latents, handles, targets, far=None) -> Course:
    """A course that ended at some latents."""
    return Course(subject, latents, handles, targets, torch.zeros(len(handles)), "arrived", 1, 0.1, 0.1, None, far)


def verdict_on(generator, protocol, latents_of, far_of=None):
    """What a protocol says of a course that ended at ``latents_of(subject, wanted)``: judged, and the aftermath."""
    yardstick = yardstick_of(generator.kind, protocol, 3)
    task = yardstick.task(generator, 0, 0)
    before = yardstick.before(generator, task)
    subject = yardstick.subject(generator, task, SETTINGS)
    wanted = yardstick.material.near_latents(generator, task.sample, task.other, SHARE)
    wanted = wanted.geometry if generator.kind == "shape" else wanted.rows
    handles, targets = yardstick.placed(subject, task)
    far = None if far_of is None else far_of(subject, wanted)
    course = in_the_end(subject, latents_of(subject, wanted), handles, targets, far)
    edited = yardstick.material.product(generator, subject.unpack(course.latents))
    record = {**yardstick.judge(before, task, course, edited), **yardstick.aftermath(before, course, edited)}
    return yardstick, record


def likeness_keys(yardstick):
    return [one.key for one in yardstick.material.likenesses]


def test_the_true_latents_of_a_pair_are_no_error_at_all(generator):
    yardstick, record = verdict_on(generator, "pairs", lambda subject, wanted: wanted)
    error, alike = likeness_keys(yardstick)
    assert record[error] <= NOTHING[generator.kind] and record[alike] == pytest.approx(1.0, abs=1e-6)
    assert record[f"{error}_before"] > 10 * NOTHING[generator.kind] and record[f"{alike}_before"] < 0.999
    assert yardstick.reached(record)
    assert record["off_region_mean"] > 0  # it is another one


def test_a_pair_that_was_not_dragged_is_as_unlike_as_before(generator):
    yardstick, record = verdict_on(generator, "pairs", lambda subject, wanted: subject.start)
    for key in likeness_keys(yardstick):
        assert record[key] == pytest.approx(record[f"{key}_before"], rel=1e-3)
    assert not yardstick.reached(record)
    assert record["off_region_mean"] <= NOTHING[generator.kind]


def test_half_of_the_way_to_the_true_one_is_less_of_an_error(generator):
    yardstick, record = verdict_on(generator, "pairs", lambda subject, wanted: (subject.start + wanted) / 2)
    error, _ = likeness_keys(yardstick)
    assert 0 < record[error] < record[f"{error}_before"]


def test_handles_of_a_pair_lie_on_the_one_surface_and_targets_on_the_other(small_quadruped):
    yardstick = yardstick_of("shape", "pairs", 3)
    task = yardstick.task(small_quadruped, 0, 1)
    before, subject = yardstick.before(small_quadruped, task), yardstick.subject(small_quadruped, task, SETTINGS)
    handles, targets = yardstick.placed(subject, task)
    for shape, here, elsewhere in ((before.original, handles, targets), (before.wanted, targets, handles)):
        assert float(shape.signed_distance(here).abs().max()) < 0.02
        assert float(shape.signed_distance(elsewhere).abs().max()) > 0.05
    lengths = (targets - handles).norm(dim=1) / before.original.diagonal
    assert torch.allclose(lengths, torch.tensor([point.length for point in task.points]), atol=0.04)


def test_targets_of_a_pair_of_images_are_the_keypoints_of_the_near_one(portraits):
    yardstick = yardstick_of("image", "pairs", 3)
    task = yardstick.task(portraits, 0, 1)
    subject = yardstick.subject(portraits, task, SETTINGS)
    handles, targets = yardstick.placed(subject, task)
    table = keypoints(portraits, task.sample)
    assert torch.allclose(handles, torch.stack([table[name] for name in task.names]), atol=1e-3)
    ways = torch.tensor([point.displacement for point in task.points])
    assert torch.allclose(targets - handles, ways, atol=1e-3)


# ---- there and back -------------------------------------------------------------------------------------------------


class _Drags:
    """Stands in for drags: each arrives, at latents that it is told."""

    ends: ClassVar[list] = []
    seen: ClassVar[list] = []

    def __init__(self, subject, handles, targets, settings, past=None):
        self.subject, self.handles, self.targets, self.past = subject, handles, targets, past

    def __iter__(self):
        _Drags.seen.append((self.subject.start.clone(), self.handles, self.targets, self.past))
        change = _Drags.ends[len(_Drags.seen) - 1]
        step = types.SimpleNamespace(
            index=2, latents=self.subject.start + change, distances=torch.zeros(len(self.handles)),
            handles=self.targets + 0.01, reason=types.SimpleNamespace(value="arrived"),
        )  # fmt: skip
        return iter([step])


@pytest.fixture
def drags(monkeypatch):
    monkeypatch.setattr(courses, "Drag", _Drags)
    monkeypatch.setattr(_Drags, "seen", [])
    return _Drags


def returned(generator):
    yardstick = yardstick_of(generator.kind, "return", 3)
    task = yardstick.task(generator, 0, 0)
    record = run_task(yardstick, generator, task, yardstick.before(generator, task), SETTINGS)
    return yardstick, record


def test_a_method_that_does_nothing_comes_back_exactly_and_is_no_success(generator, drags):
    drags.ends = [0.0, 0.0]
    yardstick, record = returned(generator)
    error, alike = likeness_keys(yardstick)
    assert record[error] == record[f"{error}_before"] <= NOTHING[generator.kind]
    assert record[alike] == pytest.approx(1.0, abs=1e-6)
    assert record["failure"] is not None and record["steps"] == 4


def test_what_goes_there_and_returns_the_same_way_is_the_original(generator, drags):
    drags.ends = [0.5, -0.5]
    yardstick, record = returned(generator)
    error, _ = likeness_keys(yardstick)
    assert record[error] <= NOTHING[generator.kind]
    assert record[f"{error}_before"] > 10 * NOTHING[generator.kind]
    assert record["failure"] is None


def test_what_goes_on_instead_of_returning_is_farther_away_than_before(generator, drags):
    drags.ends = [0.5, 0.5]
    yardstick, record = returned(generator)
    error, _ = likeness_keys(yardstick)
    assert record[error] > record[f"{error}_before"] > 10 * NOTHING[generator.kind]
    assert record["failure"] is not None


def test_the_way_back_starts_where_the_first_drag_ended(small_quadruped, drags):
    drags.ends = [0.25, 0.0]
    returned(small_quadruped)
    (start, handles, targets, before), (far, reached, back, past) = drags.seen
    assert before is None and torch.equal(past.home, start) and len(past.settled) == 0
    assert torch.allclose(far, start + 0.25)
    assert torch.equal(reached, targets + 0.01) and torch.equal(back, handles)


# ---- what every protocol asks ---------------------------------------------------------------------------------------


def test_mapped_samples_are_the_root_of_the_dimension_from_their_mean(generator):
    distribution = distribution_of(generator)
    codes = torch.randn(500, generator.config.z_dim, generator=torch.Generator().manual_seed(5))
    rows = generator.mapping_geometry(codes) if generator.kind == "shape" else generator.map(codes)[:, 0]
    distances = distribution.distances(rows)
    assert float(distances.square().mean()) == pytest.approx(generator.config.w_dim, rel=0.1)
    assert distribution_of(generator) is distribution
    assert float(distribution.distances(distribution.mean[None].float())) == pytest.approx(0.0, abs=1e-4)


def test_one_deviation_is_a_distance_of_one_in_every_direction(small_quadruped):
    distribution = distribution_of(small_quadruped)
    steps = torch.linalg.inv(distribution.axes)  # rows: one deviation along each axis
    found = distribution.distances(distribution.mean + steps)
    assert torch.allclose(found, torch.ones(len(steps), dtype=torch.float64), atol=1e-6)


def test_latents_that_no_sample_has_are_far_away(generator):
    _, near = verdict_on(generator, "pairs", lambda subject, wanted: wanted)
    noise = torch.Generator().manual_seed(1)
    _, far = verdict_on(
        generator, "pairs", lambda subject, wanted: wanted + 2 * torch.randn(wanted.shape, generator=noise)
    )
    assert near["latent_distance"] < 3 * generator.config.w_dim**0.5
    assert far["latent_distance"] > 2 * near["latent_distance"]


def solid(mesh: trimesh.Trimesh) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        vertices=torch.from_numpy(mesh.vertices.copy()).float(), faces=torch.from_numpy(mesh.faces.copy())
    )


def test_spheres_within_each_other_are_as_far_apart_as_their_radii():
    inner, outer = (solid(trimesh.creation.icosphere(subdivisions=4, radius=radius)) for radius in (1.0, 1.1))
    assert chamfer(inner, outer) == chamfer(outer, inner) == pytest.approx(0.1, abs=2e-3)
    assert chamfer(inner, inner) < 1e-6
    nothing = types.SimpleNamespace(vertices=torch.zeros(0, 3), faces=torch.zeros(0, 3, dtype=torch.int64))
    assert chamfer(inner, nothing) == float("inf")


def test_what_has_grown_far_away_is_a_change_even_where_all_of_the_original_is_still_there():
    ball = trimesh.creation.icosphere(subdivisions=3)
    island = trimesh.creation.icosphere(subdivisions=3, radius=0.3).apply_translation([3.0, 0, 0])
    before, after = solid(ball), solid(trimesh.util.concatenate([ball, island]))
    centers = torch.tensor([[-1.0, 0.0, 0.0]])
    assert off_region_change(before, after, centers, 0.5).max() > 1.5
    assert off_region_change(before, after, torch.tensor([[-1.0, 0, 0], [3.0, 0, 0]]), 0.5).max() < 1e-6


def test_volumes_share_all_with_themselves_and_less_with_others(small_quadruped):
    first, second = small_quadruped.sample(1), small_quadruped.sample(2)
    assert volume_overlap(first, first) == 1.0
    assert 0.1 < volume_overlap(first, second) == volume_overlap(second, first) < 0.95


# ---- several keypoints at once, by the judge ------------------------------------------------------------------------


@pytest.mark.slow
def test_several_keypoints_have_arrived_where_the_shape_is_the_other_sample(quadruped):
    yardstick = ShapeDrags(3)
    task = yardstick.task(quadruped, 0, 1)
    before, subject = yardstick.before(quadruped, task), yardstick.subject(quadruped, task, SETTINGS)
    handles, targets = yardstick.placed(subject, task)
    records = []
    for latents in (quadruped.latents(task.other).geometry, subject.start):
        course = in_the_end(subject, latents, handles, targets)
        edited = yardstick.material.product(quadruped, subject.unpack(latents))
        records.append(yardstick.judge(before, task, course, edited))
    there, nowhere = records
    assert yardstick.reached(there) and not yardstick.reached(nowhere)
    assert nowhere["keypoint_distance"] == pytest.approx(task.length, abs=0.03)
    assert there["keypoint_distance"] <= there["keypoint_worst"] < nowhere["keypoint_worst"]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["keypoints", "pairs", "return"])
def test_real_drags_of_three_points_are_run_and_judged(small_quadruped, protocol):
    yardstick = yardstick_of("shape", protocol, 3)
    task = yardstick.task(small_quadruped, 0, 0)
    settings = Evaluation(max_steps=8).drag_settings("default")
    record = run_task(yardstick, small_quadruped, task, yardstick.before(small_quadruped, task), settings)
    assert record["failure"] != "error", record
    assert record["seconds"] > 0 and record["steps"] >= 2
    assert record["latent_distance_before"] < 3 * small_quadruped.config.w_dim**0.5
