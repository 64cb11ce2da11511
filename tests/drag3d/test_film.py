"""A film keeps what a drag looked like and shows it later; what it cannot show it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drag3d.export import marked_image
from drag3d.session import Film, Session
from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator


@pytest.fixture
def session() -> Session:
    torch.manual_seed(0)
    config = ImageConfig(z_dim=48, w_dim=48, channels=(32, 32, 32, 16, 16), mapping_layers=2)
    made = Session(ImageGenerator(config, "portrait"), 1)
    made.add_point((30, 40), (36, 36))
    return made


def filmed(session: Session, steps: int) -> Film:
    film = Film(session)
    for _ in session.drag(max_steps=steps, tolerance=0.01, step_length=0.5):
        film.take()
    return film


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[np.ndarray]]:
    """The frames of a film, as they would be written."""

    def frames(film: Film, **options: Any) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        with monkeypatch.context() as patch:
            patch.setattr("drag3d.export.animation.write_animation", lambda _path, frames, fps: found.extend(frames))
            film.write("a.gif", **options)
        return found

    return frames


def test_a_film_shows_the_steps_that_were_taken_even_after_undo(
    session: Session, shown: Callable[..., list[np.ndarray]]
) -> None:
    film, steps = Film(session), []
    for step in session.drag(max_steps=3, tolerance=0.01, step_length=2.0):
        film.take()
        steps.append(marked_image(session.image, step.handles, step.targets))
    session.undo()
    told: list[tuple[int, int]] = []
    frames = shown(film, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(frames) == 24 and all(any(np.array_equal(f, step) for step in steps) for f in frames)
    assert np.array_equal(frames[0], steps[0]) and np.array_equal(frames[-1], steps[-1])
    assert all(any(np.array_equal(f, step) for f in frames) for step in steps)


def test_of_a_long_drag_some_steps_are_left_out_but_not_its_ends(
    session: Session, shown: Callable[..., list[np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = filmed(session, 6)
    monkeypatch.setattr("drag3d.session.film.LEAST_FRAMES", 1)
    every = shown(film)
    monkeypatch.setattr("drag3d.session.film.MOST_FRAMES", 3)
    some = shown(film)
    assert (len(every), len(some)) == (7, 3)
    assert all(map(np.array_equal, some, (every[0], every[3], every[6])))


def test_what_a_film_cannot_show_is_refused(session: Session, tmp_path: Path) -> None:
    film = Film(session)
    with pytest.raises(InputError, match="no step was recorded"):
        film.write(tmp_path / "a.gif")
    with pytest.raises(InputError, match="no drag has run"):
        film.take()
    with pytest.raises(InputError, match="cannot be turned"):
        filmed(session, 1).write(tmp_path / "a.gif", turntable=True)
    assert list(tmp_path.iterdir()) == []
