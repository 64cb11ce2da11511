"""A film keeps what a drag looked like and shows it later; what it cannot show it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

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
    for _ in session.drag(max_steps=steps, tolerance=0.01):
        film.take()
    return film


def frames_of(path: Path) -> list[np.ndarray]:
    with Image.open(path) as image:
        return [np.asarray(image.convert("RGB")) for number in range(image.n_frames) if image.seek(number) is None]


def test_a_film_shows_the_steps_that_were_taken_even_after_undo(session: Session, tmp_path: Path) -> None:
    film = filmed(session, 3)
    told: list[tuple[int, int]] = []
    before = frames_of(film.write(tmp_path / "a.gif", progress=lambda done, total: told.append((done, total))))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)] and len(before) == 4
    session.undo()
    assert all(map(np.array_equal, frames_of(film.write(tmp_path / "b.gif")), before))


def test_of_a_long_drag_some_steps_are_left_out_but_not_its_ends(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = filmed(session, 6)
    every = frames_of(film.write(tmp_path / "a.gif"))
    monkeypatch.setattr("drag3d.session.film.LEAST_FRAMES", 1)
    monkeypatch.setattr("drag3d.session.film.MOST_FRAMES", 3)
    some = frames_of(film.write(tmp_path / "b.gif"))
    assert (len(every), len(some)) == (7, 3)
    for kept, given in zip(some, (every[0], every[3], every[6]), strict=True):
        assert np.abs(kept.astype(int) - given).mean() < 8  # another palette


def test_what_a_film_cannot_show_is_refused(session: Session, tmp_path: Path) -> None:
    film = Film(session)
    with pytest.raises(InputError, match="no step was recorded"):
        film.write(tmp_path / "a.gif")
    with pytest.raises(InputError, match="no drag has run"):
        film.take()
    with pytest.raises(InputError, match="cannot be turned"):
        filmed(session, 1).write(tmp_path / "a.gif", turntable=True)
    assert list(tmp_path.iterdir()) == []
