"""Images in the desktop window: the same points, brush and keys as for shapes, on a real display."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import x_display
from real_window import RealWindow

pytestmark = [
    pytest.mark.window,
    pytest.mark.slow,
    pytest.mark.skipif(bool(x_display.why_not()), reason=x_display.why_not() or "-"),
]
EDGE = 256
"""Of the portrait, in its own pixels"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWindow]:
    desk = RealWindow(Path("portrait"), tmp_path_factory.mktemp("autosaves"))
    yield desk
    desk.close()


@pytest.fixture(autouse=True)
def begun(desk: RealWindow) -> None:
    desk.begin(seed=1)
    desk.press("r")


def seen_at(desk: RealWindow, x: float, y: float) -> tuple[float, float]:
    """The pixel of the picture where a pixel of the image is seen: it fills the height, or the width, but for a rim."""
    return desk.viewer.scene.to_screen((x, y))


def test_the_image_is_where_its_pixels_are_said_to_be(desk: RealWindow) -> None:
    corners = [seen_at(desk, x, y) for x in (0, EDGE - 1) for y in (0, EDGE - 1)]
    width, height = desk.window.picture.width(), desk.window.picture.height()
    assert all(0 < x < width and 0 < y < height for x, y in corners)
    desk.come_to_rest()
    shown, image = desk.picture_pixels.astype(int), desk.viewer.mirror.shown.pixels.astype(int)
    for x, y in ((40, 40), (128, 120), (200, 230)):
        column, row = (round(value) for value in seen_at(desk, x, y))
        assert np.abs(shown[row, column] - image[y, x]).max() < 12


def test_a_click_picks_the_pixel_under_the_mouse_also_when_zoomed_in(desk: RealWindow) -> None:
    desk.click(*seen_at(desk, 94, 150))
    desk.until(lambda: desk.viewer.points.pending is not None)
    assert math.dist(desk.viewer.points.pending.handle, (94, 150)) < 0.5
    desk.press("Escape")
    x, y = desk.on_screen(*seen_at(desk, 100, 140))
    desk.display.do("mousemove", round(x), round(y), "click", "--repeat", 6, 4)
    desk.look()
    assert desk.viewer.scene.size_on_screen(1, (100, 140)) > 4
    desk.click(*seen_at(desk, 103, 143))
    desk.until(lambda: desk.viewer.points.pending is not None)
    assert math.dist(desk.viewer.points.pending.handle, (103, 143)) < 0.25


def test_points_are_dragged_and_the_image_follows_and_comes_back(desk: RealWindow) -> None:
    before = desk.viewer.mirror.shown.pixels
    desk.click(*seen_at(desk, 94, 160))
    desk.click(*seen_at(desk, 88, 154))
    desk.until(lambda: len(desk.document.points) == 1)
    desk.press("space")
    desk.until(lambda: desk.document.progress.step >= 1 and desk.document.progress.state == "idle", 60)
    curve = desk.document.progress.curve
    assert curve[-1] < 0.7 * curve[0]
    desk.until(lambda: not np.array_equal(desk.viewer.mirror.shown.pixels, before))
    desk.press("ctrl+z")
    desk.until(lambda: np.array_equal(desk.viewer.mirror.shown.pixels, before))


def test_a_stroke_of_the_brush_is_a_mask_of_round_ends(desk: RealWindow) -> None:
    desk.press("b")
    desk.drag([seen_at(desk, x, 100) for x in (80, 100, 120, 140)])
    desk.until(lambda: desk.document.has_region)
    free, radius = desk.viewer.mirror.shown.free, desk.viewer.brush_radius
    y, x = np.mgrid[:EDGE, :EDGE]
    away = np.hypot(x - x.clip(80, 140), y - 100)
    assert free[away < radius - 3].all()
    assert not free[away > radius + 2].any()
    desk.press("shift+b")
    desk.until(lambda: not desk.document.has_region)
    desk.press("p")


def test_a_point_has_its_mirror_image_across_the_middle(desk: RealWindow) -> None:
    desk.click(*seen_at(desk, 90, 120))
    desk.click(*seen_at(desk, 80, 110))
    desk.until(lambda: len(desk.document.points) == 1)
    desk.press("m")
    desk.until(lambda: len(desk.document.points) == 2)
    one, other = desk.document.points
    assert other.handle == pytest.approx((EDGE - 1 - one.handle[0], one.handle[1]))
    assert other.target == pytest.approx((EDGE - 1 - one.target[0], one.target[1]))
