"""Marks are where the points are, smooth, on an image shown large enough; before and after stand side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drag3d.export.image_picture import draw_image_comparison, marked_image
from get3d_models.errors import InputError

RED, BLUE = np.array([229, 35, 46]), np.array([31, 95, 224])


def grey(height: int = 512, width: int = 512, level: int = 128) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def center_of(image: np.ndarray, color: np.ndarray) -> tuple[float, float]:
    """Mean (x, y) of the pixels of a colour."""
    y, x = np.nonzero(np.abs(image.astype(int) - color).max(axis=-1) < 30)
    return float(x.mean()), float(y.mean())


@pytest.mark.parametrize("size", [(512, 512), (700, 600), (1024, 512)])
def test_marks_are_centred_on_their_pixels(size: tuple[int, int]) -> None:
    shown = marked_image(grey(*size), [[100, 200]], [[400, 51]])
    assert shown.shape == (*size, 3) and shown.dtype == np.uint8
    assert center_of(shown, RED) == pytest.approx((100, 200), abs=0.1)
    assert center_of(shown, BLUE) == pytest.approx((400, 51), abs=0.1)


@pytest.mark.parametrize(
    ("size", "factor"),
    [((256, 256), 2), ((64, 64), 8), ((300, 300), 2), ((256, 128), 2), ((512, 256), 1), ((4, 4), 128)],
)
def test_small_images_are_shown_enlarged_by_a_whole_factor(size: tuple[int, int], factor: int) -> None:
    y, x = np.mgrid[: size[0], : size[1]]
    image = np.stack([200 * y / size[0], 200 * x / size[1], np.full(size, 90)], axis=-1).astype(np.uint8)
    shown = marked_image(image)
    assert shown.shape == (factor * size[0], factor * size[1], 3)
    blocks = shown.reshape(size[0], factor, size[1], factor, 3).astype(float).mean(axis=(1, 3))
    error = (blocks - image)[1:-1, 1:-1]  # at the edge there is nothing to interpolate with
    assert np.abs(error).max() < 2 and np.abs(error.mean(axis=(0, 1))).max() < 0.1  # half a shown pixel would be 0.2
    at = (size[1] // 3, size[0] // 2)
    marked = marked_image(grey(*size), [at], arrows=False)
    assert center_of(marked, RED) == pytest.approx([(place + 0.5) * factor - 0.5 for place in at], abs=0.1)


def test_an_arrow_leads_from_handle_to_target_and_is_wider_where_it_points() -> None:
    shown = marked_image(grey(), [[100, 256]], [[400, 256]]).astype(int)
    dark = (shown.max(axis=-1) < 90).sum(axis=0)
    columns = np.nonzero(dark)[0]
    assert 100 < columns.min() < 115 and 385 < columns.max() < 400
    assert (dark[columns.min() + 2 : columns.max() - 20] > 0).all()
    assert dark[380:390].max() > 2 * dark[200]
    assert (marked_image(grey(), [[100, 256]], [[400, 256]], arrows=False).max(axis=-1) >= 90).all()


def test_an_arrow_keeps_its_length_in_every_direction() -> None:
    areas = []
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        target = 256 + 150 * np.array([np.cos(angle), np.sin(angle)])
        areas.append((marked_image(grey(), [[256, 256]], [target]).max(axis=-1) < 160).sum())
    assert max(areas) < 1.08 * min(areas)


def test_edges_are_smooth_and_sizes_follow_the_image() -> None:
    areas = []
    for size in (512, 1024):
        shown = marked_image(grey(size, size), [[size / 2 + 0.3, size / 2]], arrows=False).astype(int)
        areas.append((np.abs(shown - RED).max(axis=-1) < 30).sum())
        assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 20
    assert areas[1] == pytest.approx(4 * areas[0], rel=0.1)


def test_what_lies_outside_is_cut_off_and_the_image_given_stays_as_it_is() -> None:
    image = grey()
    shown = marked_image(image, [[-3, 256], [1e300, 9]], [[700, 256], [-5000, 7]], arrows=False)
    assert (image == 128).all() and shown.shape == image.shape
    assert np.abs(shown[256, 0].astype(int) - RED).max() < 30
    assert marked_image(image, [[5, 5]], [[5, 5]]).shape == image.shape  # a handle on its target has no arrow


def test_a_comparison_shows_both_images_with_their_points(tmp_path: Path) -> None:
    before, after = grey(256, 256, 100), grey(256, 256, 180)
    path = draw_image_comparison(tmp_path / "c.png", before, after, [[64, 128]], [[192, 128]], ends=[[190, 120]])
    sheet = np.asarray(Image.open(path).convert("RGB"))
    middle = sheet.shape[1] // 2
    left, right = sheet[:, :middle], sheet[:, middle:]
    assert (left == 100).all(axis=-1).sum() > 0.9 * 512**2 and (right == 180).all(axis=-1).sum() > 0.9 * 512**2
    # Each panel is 512 pixels wide; find it by its colour, and the marks within it.
    x0, y0 = (np.nonzero((left == 100).all(axis=-1))[axis].min() for axis in (1, 0))
    assert center_of(left[y0 : y0 + 512], RED) == pytest.approx((x0 + 128.5, 256.5), abs=0.5)
    x1 = np.nonzero((right == 180).all(axis=-1))[1].min()
    assert center_of(right[y0 : y0 + 512], RED) == pytest.approx((x1 + 380.5, 240.5), abs=0.5)
    title, paper = sheet[:y0], sheet[2, 2]
    assert (np.abs(title.astype(int) - paper).max(axis=-1) > 100).any()  # words above


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((grey().astype(float),), "uint8"),
        ((grey()[..., :1],), r"\(H, W, 3\)"),
        ((grey(), [[1, 2, 3]], [[1, 2, 3]]), r"handles must be finite points of shape \(N, 2\)"),
        ((grey(), [[1, 2]], [[np.nan, 2]]), "targets must be finite"),
        ((grey(), [[1, 2]]), "as many targets as handles"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: tuple, words: str) -> None:
    with pytest.raises(InputError, match=words):
        marked_image(*arguments)


def test_a_comparison_is_a_png(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.png"):
        draw_image_comparison(tmp_path / "c.gif", grey(), grey(), [], [])
    assert list(tmp_path.iterdir()) == []
