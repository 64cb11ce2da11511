"""A film of a shape: one camera for all states, every frame drawn as if it were the only one, all in one process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import trimesh

from drag3d.export import Camera, NoPicture, PaintedMesh, Panel, can_draw, picture
from drag3d.export.shape_film import FILM_CAMERA, Shot, _views, film_shapes
from get3d_models.errors import InputError

FRONT = Camera(azimuth=0, elevation=0, margin=1.15)


@pytest.fixture
def drawing() -> None:
    if reason := can_draw():
        pytest.skip(reason)


def ball(center: tuple[float, float, float], target: tuple[float, float, float] = (0.6, 0, 0)) -> Panel:
    """A green ball at a place, its handle there too, and the target."""
    mesh = trimesh.creation.icosphere(2, radius=0.3)
    green = np.tile([[0.2, 0.7, 0.3]], (len(mesh.vertices), 1))
    return Panel(PaintedMesh(mesh.vertices + center, mesh.faces, green), handles=[center], targets=[target])


def green_center(frame: np.ndarray) -> tuple[float, float]:
    red, green, blue = np.moveaxis(frame.astype(float), -1, 0)
    rows, columns = np.nonzero((green > 1.4 * red) & (green > 1.4 * blue))
    return columns.mean() / frame.shape[1], rows.mean() / frame.shape[0]


@pytest.mark.usefixtures("drawing")
def test_a_still_camera_shows_the_shape_move_and_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    run_worker = picture.run_worker
    monkeypatch.setattr(
        "drag3d.export.shape_film.run_worker", lambda *arguments: runs.append(arguments) or run_worker(*arguments)
    )
    states = [ball((x, 0, 0)) for x in (-0.4, 0.0, 0.4, -0.4)]
    frames = list(film_shapes(states, [Shot(0), Shot(0), Shot(1), Shot(2), Shot(3)], FRONT, size=160))
    assert len(runs) == 1 and [frame.shape for frame in frames] == [(160, 160, 3)] * 5
    x = [green_center(frame)[0] for frame in frames]
    assert x[0] == x[1] < x[2] - 0.1 < x[3] - 0.2
    assert np.array_equal(frames[0], frames[4])  # the same state again: nothing of the shots between is left over
    assert np.array_equal(frames[0][:8], frames[3][:8])  # the paper has not moved


@pytest.mark.usefixtures("drawing")
def test_a_turning_camera_goes_round_the_middle_and_comes_back() -> None:
    shots = [Shot(0, turn) for turn in (0, 90, 180, 270, 360)]
    frames = list(film_shapes([ball((0.4, 0, 0), (-0.8, 0, 0))], shots, FRONT, size=160))
    x = [green_center(frame)[0] for frame in frames]
    assert x[0] > 0.55 and x[2] < 0.45
    assert x[0] + x[2] == pytest.approx(1, abs=0.02)
    assert x[1] == pytest.approx(0.5, abs=0.02) and x[3] == pytest.approx(0.5, abs=0.02)
    assert np.abs(frames[0].astype(int) - frames[4]).mean() < 1
    # 90 degrees look from +x: the ball is near, so it is larger than from the back.
    areas = [(frame[..., 1] > 1.4 * frame[..., 0].astype(float)).sum() for frame in frames]
    assert areas[1] > areas[3]


@pytest.mark.parametrize("turning", [False, True])
def test_every_view_holds_every_point(turning: bool) -> None:
    points = np.random.default_rng(0).normal(size=(2000, 3)) * [0.5, 0.2, 0.3] + [2, 1, -1]
    turns = list(np.arange(0, 360, 7.0)) if turning else [0.0] * 3
    views = _views(points, turns, FILM_CAMERA)
    slope = np.tan(np.radians(FILM_CAMERA.view_angle) / 2)
    distances = set()
    for view in views:
        backward = view.position - view.focus
        distances.add(round(float(np.linalg.norm(backward)), 9))
        backward /= np.linalg.norm(backward)
        seen = points - view.position
        depth = -(seen @ backward)
        assert depth.min() > 0
        for axis in (np.cross(view.up, backward), view.up):
            assert np.abs(seen @ axis / depth).max() < slope
    assert len(distances) == 1


@pytest.mark.usefixtures("drawing")
def test_what_cannot_be_drawn_is_refused() -> None:
    empty = Panel(PaintedMesh(np.zeros((0, 3)), np.zeros((0, 3), int)))
    for states, words in [([], "at least one moment"), ([empty], "the shape is empty")]:
        with pytest.raises(InputError, match=words):
            list(film_shapes(states, [Shot(0)]))


def test_without_opengl_no_state_is_even_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(picture.SWITCH_OFF, "1")

    def states() -> Iterator[Panel]:
        raise AssertionError("work was done for nothing")
        yield

    with pytest.raises(NoPicture, match="switched off"):
        list(film_shapes(states(), [Shot(0)]))
