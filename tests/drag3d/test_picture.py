"""A picture shows the shapes and the points where they are; a machine that cannot draw says why, in one sentence."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from drag3d.export import Camera, NoPicture, PaintedMesh, Panel, Scene, can_draw, draw, draw_comparison, picture
from get3d_models.errors import InputError

FRONT = Camera(azimuth=0, elevation=0)


@pytest.fixture
def ball() -> PaintedMesh:
    mesh = trimesh.creation.icosphere(3, radius=0.5)
    return PaintedMesh(mesh.vertices, mesh.faces, np.tile([[0.2, 0.7, 0.3]], (len(mesh.vertices), 1)))


@pytest.fixture
def drawing() -> None:
    if reason := can_draw():
        pytest.skip(reason)


def image_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(float) / 255


def has_color(image: np.ndarray, color: str) -> np.ndarray:
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    return {
        "red": (red > 0.6) & (green < 0.45) & (blue < 0.45),
        "blue": (blue > 0.6) & (red < 0.35) & (green < 0.62),
        "green": (green > 1.4 * red) & (green > 1.4 * blue),
    }[color]


def center_of(mask: np.ndarray) -> tuple[float, float]:
    """The mean column and row of a mask, as fractions of its width and height."""
    rows, columns = np.nonzero(mask)
    return columns.mean() / mask.shape[1], rows.mean() / mask.shape[0]


@pytest.mark.usefixtures("drawing")
def test_a_comparison_shows_both_shapes_and_where_the_points_are(ball: PaintedMesh, tmp_path: Path) -> None:
    handle, target = np.array([[0.0, 0.5, 0.0]]), np.array([[0.45, 0.6, 0.0]])
    path = draw_comparison(tmp_path / "drag.png", ball, ball, handle, target, ends=target, camera=FRONT)
    image = image_of(path)
    assert image.shape == (800, 1600, 3)
    before, after = image[:, :800], image[:, 800:]
    for panel in (before, after):
        assert 0.15 < has_color(panel, "green").mean() < 0.8
        assert panel[2, 2].min() > 0.85  # light paper
    # x is right and y is up: the target lies up and right of the handle, which sits on top of the ball.
    ball_at, red_at, blue_at = (center_of(has_color(before, color)) for color in ("green", "red", "blue"))
    assert red_at[0] == pytest.approx(ball_at[0], abs=0.03)
    assert red_at[1] < ball_at[1] - 0.2
    assert blue_at[0] > red_at[0] + 0.2
    assert blue_at[1] < red_at[1]
    # After the drag the handle has arrived at the target.
    assert center_of(has_color(after, "red")) == pytest.approx(blue_at, abs=0.03)


@pytest.mark.usefixtures("drawing")
def test_a_drawn_color_is_the_color_given(tmp_path: Path) -> None:
    corners = np.array([[-1, -1, 0], [0, -1, 0], [0, 1, 0], [-1, 1, 0]], float)
    halves = np.array([[0, 1, 2], [0, 2, 3]])
    colors = np.repeat([[0.8, 0.2, 0.2], [0.2, 0.2, 0.8]], 4, axis=0)
    mesh = PaintedMesh(
        np.concatenate([corners, corners + np.array([1, 0, 0])]), np.concatenate([halves, halves + 4]), colors
    )
    path = draw(tmp_path / "square.png", Scene([Panel(mesh)], FRONT, width=200, height=200))
    left, right = image_of(path)[100, 50], image_of(path)[100, 150]
    assert left == pytest.approx([0.8, 0.2, 0.2], abs=0.12)
    assert left[0] > 2 * left[2]
    assert right == pytest.approx([0.2, 0.2, 0.8], abs=0.12)
    assert right[2] > 2 * right[0]


@pytest.mark.usefixtures("drawing")
def test_a_point_behind_the_shape_shines_through(ball: PaintedMesh, tmp_path: Path) -> None:
    size = {"width": 300, "height": 300}
    without = image_of(draw(tmp_path / "a.png", Scene([Panel(ball)], FRONT, **size)))
    behind = Panel(ball, handles=[[0.0, 0.0, -0.5]])
    with_it = image_of(draw(tmp_path / "b.png", Scene([behind], FRONT, **size)))
    changed = np.abs(with_it - without).max(axis=-1) > 0.05
    assert changed.any()
    assert center_of(changed) == pytest.approx((0.5, 0.5), abs=0.02)


@pytest.mark.parametrize("camera", [FRONT, Camera(), Camera(azimuth=200, elevation=-60, view_angle=50, margin=1.0)])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 2.0])
def test_the_view_holds_all_points_tightly_and_centred(camera: Camera, aspect: float) -> None:
    points = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 0.4, 0.2] + [3, 1, -2]
    view = picture.fit_view(points, camera, aspect)
    backward = (view.position - view.focus) / np.linalg.norm(view.position - view.focus)
    right = np.cross(view.up, backward)
    seen = points - view.position
    slope = math.tan(math.radians(camera.view_angle) / 2)
    x, y = (seen @ axis / -(seen @ backward) / slope for axis in (right / aspect, view.up))
    assert (seen @ backward).max() < 0
    assert max(np.abs(x).max(), np.abs(y).max()) == pytest.approx(1 / camera.margin, rel=0.03)
    assert x.min() + x.max() == pytest.approx(0, abs=0.03)
    assert y.min() + y.max() == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize(("azimuth", "direction"), [(0, [0, 0, 1]), (90, [1, 0, 0]), (180, [0, 0, -1])])
def test_azimuth_turns_from_the_front_towards_x(azimuth: float, direction: list[float]) -> None:
    view = picture.fit_view(np.eye(3), Camera(azimuth=azimuth, elevation=0), 1.0)
    backward = (view.position - view.focus) / np.linalg.norm(view.position - view.focus)
    assert backward == pytest.approx(direction, abs=1e-9)
    assert view.up == pytest.approx([0, 1, 0], abs=1e-9)


@pytest.fixture
def a_machine_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Replace the drawing process by one that behaves as on another machine."""

    def pretend(program: str) -> None:
        worker = tmp_path / "worker.py"
        worker.write_text(program)
        monkeypatch.delenv(picture.SWITCH_OFF, raising=False)
        monkeypatch.setattr(picture, "_WORKER", worker)
        picture._probe.cache_clear()

    yield pretend
    picture._probe.cache_clear()


CRASH = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV if os.name == 'posix' else signal.SIGABRT)"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (CRASH, "apt-get install libegl1 libgl1-mesa-dri"),
        ("raise ImportError('libGL.so.1: cannot open shared object file')", r"drawing failed \(ImportError: libGL"),
    ],
    ids=["VTK crashes", "pyvista cannot be imported"],
)
def test_a_machine_that_cannot_draw_says_so_in_one_line(
    a_machine_where, ball: PaintedMesh, tmp_path: Path, program: str, words: str
) -> None:
    a_machine_where(program)
    path = tmp_path / "drag.png"
    path.write_bytes(b"old")
    with pytest.raises(NoPicture, match=words) as caught:
        draw_comparison(path, ball, ball, [[0, 0.5, 0]], [[0, 0.7, 0]])
    assert "\n" not in str(caught.value)
    assert can_draw() == str(caught.value)
    assert path.read_bytes() == b"old"


def test_a_drawing_that_hangs_is_given_up(
    a_machine_where, ball: PaintedMesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_machine_where("import time\ntime.sleep(60)")
    monkeypatch.setattr(picture, "DRAW_SECONDS", 0.5)
    with pytest.raises(NoPicture, match="did not finish"):
        draw(tmp_path / "a.png", Scene([Panel(ball)]))


@pytest.mark.skipif(sys.platform != "linux", reason="only VTK for Linux has several kinds of window")
def test_another_kind_of_window_is_tried_when_the_first_one_crashes(
    a_machine_where, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VTK_DEFAULT_OPENGL_WINDOW", raising=False)
    a_machine_where(
        f"import os\nif 'OSOpenGL' not in os.environ.get('VTK_DEFAULT_OPENGL_WINDOW', ''):\n    exec({CRASH!r})"
    )
    assert can_draw() is None


def test_the_machine_is_tried_only_once(a_machine_where, tmp_path: Path) -> None:
    a_machine_where(f"open({str(tmp_path / 'tried')!r}, 'a').write('x')")
    assert (can_draw(), can_draw()) == (None, None)
    assert (tmp_path / "tried").read_text() == "x"


def test_drawing_can_be_switched_off(ball: PaintedMesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(picture.SWITCH_OFF, "1")
    assert can_draw() == "drawing is switched off by DRAG3D_NO_PICTURES"
    with pytest.raises(NoPicture, match="switched off"):
        draw(tmp_path / "a.png", Scene([Panel(ball)]))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_drawn_is_refused(ball: PaintedMesh, tmp_path: Path) -> None:
    empty = PaintedMesh(np.zeros((0, 3)), np.zeros((0, 3), int))
    for scene, words in [
        (Scene([]), "no panels"),
        (Scene([Panel(empty)]), "the shape is empty"),
        (Scene([Panel(ball, handles=[[0, np.nan, 0]])]), "finite points"),
        (Scene([Panel(ball, handles=[[0, 0, 0]], arrows=True)]), "as many targets as handles"),
    ]:
        with pytest.raises(InputError, match=words):
            draw(tmp_path / "a.png", scene)
    with pytest.raises(InputError, match=r"must end in \.png"):
        draw(tmp_path / "a.jpg", Scene([Panel(ball)]))
    with pytest.raises(InputError, match="elevation"):
        Camera(elevation=90)
