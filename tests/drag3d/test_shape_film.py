"""A film of a shape: one camera for all states, every frame drawn as if it were the only one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
import trimesh

from drag3d.export import Camera, PaintedMesh, Panel
from drag3d.export.framing import fit_camera
from drag3d.export.shape_film import FILM_CAMERA, TURNTABLE_FRAMES, Shot, _cameras, film_shapes, turntable
from drag3d.rendering import clip_points
from get3d_models.errors import InputError

FRONT = Camera(azimuth=0, elevation=0, margin=1.15)


def ball(center: tuple[float, float, float], target: tuple[float, float, float] = (0.6, 0, 0)) -> Panel:
    """A green ball at a place, its handle there too, and the target."""
    mesh = trimesh.creation.icosphere(2, radius=0.3)
    green = np.tile([[0.2, 0.7, 0.3]], (len(mesh.vertices), 1))
    return Panel(PaintedMesh(mesh.vertices + center, mesh.faces, green), handles=[center], targets=[target])


def green_center(frame: np.ndarray) -> tuple[float, float]:
    red, green, blue = np.moveaxis(frame.astype(float), -1, 0)
    rows, columns = np.nonzero((green > 1.4 * red) & (green > 1.4 * blue))
    return columns.mean() / frame.shape[1], rows.mean() / frame.shape[0]


def test_a_still_camera_shows_the_shape_move_and_stays_where_it_is() -> None:
    states = [ball((x, 0, 0)) for x in (-0.4, 0.0, 0.4, -0.4)]
    frames = list(film_shapes(states, [Shot(0), Shot(0), Shot(1), Shot(2), Shot(3)], FRONT, size=160))
    assert [frame.shape for frame in frames] == [(160, 160, 3)] * 5 and frames[0].dtype == np.uint8
    x = [green_center(frame)[0] for frame in frames]
    assert x[0] == x[1] < x[2] - 0.1 < x[3] - 0.2
    assert np.array_equal(frames[0], frames[4])  # the same state again: nothing of the shots between is left over
    assert np.array_equal(frames[0][:8], frames[3][:8])  # the paper has not moved


def test_states_are_read_once_and_frames_are_made_when_they_are_asked_for() -> None:
    read = []

    def states():
        for x in (0.0, 0.2):
            read.append(x)
            yield ball((x, 0, 0))

    frames = film_shapes(states(), [Shot(0), Shot(1)], FRONT, size=64)
    assert read == []
    next(frames)
    assert read == [0.0, 0.2]
    assert len(list(frames)) == 1 and read == [0.0, 0.2]


def test_a_turning_camera_goes_round_the_middle_and_comes_back() -> None:
    shots = [Shot(0, turn) for turn in (0, 90, 180, 270, 360)]
    frames = list(film_shapes([ball((0.4, 0, 0), (-0.8, 0, 0))], shots, FRONT, size=160))
    x = [green_center(frame)[0] for frame in frames]
    assert x[0] > 0.55 and x[2] < 0.45
    assert x[0] + x[2] == pytest.approx(1, abs=0.02)
    assert x[1] == pytest.approx(0.5, abs=0.02) and x[3] == pytest.approx(0.5, abs=0.02)
    assert np.abs(frames[0].astype(int) - frames[4]).mean() < 0.2
    # 90 degrees look from +x: the ball is near, so it is larger than from the back.
    areas = [(frame[..., 1] > 1.4 * frame[..., 0].astype(float)).sum() for frame in frames]
    assert areas[1] > areas[3]


def test_a_turntable_goes_on_and_on_without_a_halt() -> None:
    panel = ball((0.25, 0, 0), (-0.4, 0, 0))
    frames = list(turntable(panel, FRONT, size=48))
    assert len(frames) == TURNTABLE_FRAMES == 60
    changes = [np.abs(a.astype(int) - b).mean() for a, b in pairwise([*frames, frames[0]])]
    assert min(changes) > 0.2 and changes[-1] < 2 * np.median(changes)  # the last leads to the first like any other


@pytest.mark.parametrize("turning", [False, True])
def test_every_camera_has_every_point_in_its_frame(turning: bool) -> None:
    points = np.random.default_rng(0).normal(size=(2000, 3)) * [0.5, 0.2, 0.3] + [2, 1, -1]
    turns = list(np.arange(0, 360, 7.0)) if turning else [0.0] * 3
    distances = set()
    for camera in _cameras(points, turns, FILM_CAMERA):
        distances.add(round(float(np.linalg.norm(np.subtract(camera.position, camera.focus))), 9))
        clip = clip_points(camera, torch.from_numpy(points), (64, 64)).numpy()
        assert (np.abs(clip[:, :3]) < clip[:, 3:]).all()  # between the planes and inside of the frame
    assert len(distances) == 1


@pytest.mark.parametrize("camera", [FRONT, Camera(), Camera(azimuth=200, elevation=-60, view_angle=50, margin=1.0)])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 2.0])
def test_a_fitted_camera_shows_all_points_tightly_and_centred(camera: Camera, aspect: float) -> None:
    points = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 0.4, 0.2] + [3, 1, -2]
    clip = clip_points(fit_camera(points, camera, aspect), torch.from_numpy(points), (100, round(100 * aspect))).numpy()
    x, y = clip[:, 0] / clip[:, 3], clip[:, 1] / clip[:, 3]
    assert (np.abs(clip[:, 2]) < clip[:, 3]).all()
    assert max(np.abs(x).max(), np.abs(y).max()) == pytest.approx(1 / camera.margin, rel=0.03)
    assert x.min() + x.max() == pytest.approx(0, abs=0.03)
    assert y.min() + y.max() == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize(("azimuth", "direction"), [(0, [0, 0, 1]), (90, [1, 0, 0]), (180, [0, 0, -1])])
def test_azimuth_turns_from_the_front_towards_x(azimuth: float, direction: list[float]) -> None:
    camera = fit_camera(np.eye(3), Camera(azimuth=azimuth, elevation=0), 1.0)
    backward = np.subtract(camera.position, camera.focus)
    assert backward / np.linalg.norm(backward) == pytest.approx(direction, abs=1e-9)
    assert camera.up == (0, 1, 0)


def test_what_cannot_be_drawn_is_refused() -> None:
    empty = Panel(PaintedMesh(np.zeros((0, 3)), np.zeros((0, 3), int)))
    for states, words in [([], "at least one moment"), ([empty], "the shape is empty")]:
        with pytest.raises(InputError, match=words):
            list(film_shapes(states, [Shot(0)]))
    with pytest.raises(InputError, match="elevation"):
        Camera(elevation=90)
