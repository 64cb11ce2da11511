"""A picture shows shapes and points where they are, in the colours they have, without a display or OpenGL."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from drag3d.export import Camera, PaintedMesh, Panel, Scene, draw, draw_comparison, draw_view
from drag3d.export.picture import scene_picture
from drag3d.rendering import OrthographicCamera, orbit, pixels_of
from get3d_models.errors import InputError

FRONT = Camera(azimuth=0, elevation=0)
SIZE = {"width": 300, "height": 300}
VIEW = orbit(30, 20, 3.0, field_of_view=25)


@pytest.fixture(scope="module")
def ball() -> PaintedMesh:
    mesh = trimesh.creation.icosphere(3, radius=0.5)
    return PaintedMesh(mesh.vertices, mesh.faces, np.tile([[0.2, 0.7, 0.3]], (len(mesh.vertices), 1)))


def image_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(float) / 255


def picture_of(*panels: Panel, camera: object = FRONT, **size: int) -> np.ndarray:
    return scene_picture(Scene(panels, camera, **(size or SIZE))).astype(float) / 255


def has_color(image: np.ndarray, color: str) -> np.ndarray:
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    return {
        "red": (red > 0.5) & (green < 0.45) & (blue < 0.45),
        "blue": (blue > 0.45) & (red < 0.35) & (green < 0.62),
        "green": (green > 1.4 * red) & (green > 1.4 * blue),
    }[color]


def center_of(mask: np.ndarray) -> tuple[float, float]:
    """The mean column and row of a mask, as fractions of its width and height."""
    rows, columns = np.nonzero(mask)
    return columns.mean() / mask.shape[1], rows.mean() / mask.shape[0]


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


def test_an_arrow_leads_from_handle_to_target(ball: PaintedMesh) -> None:
    points = {"handles": [[0.0, 0.5, 0.0]], "targets": [[0.0, 1.1, 0.0]]}
    with_it, without = picture_of(Panel(ball, **points, arrows=True)), picture_of(Panel(ball, **points))
    rows, columns = np.nonzero(np.abs(with_it - without).max(axis=-1) > 0.3)
    red, blue = (center_of(has_color(without, color)) for color in ("red", "blue"))
    assert (columns / 300).mean() == pytest.approx(red[0], abs=0.01)
    assert blue[1] < (rows / 300).min() < blue[1] + 0.05 and red[1] - 0.05 < (rows / 300).max() < red[1]
    widths = [np.ptp(columns[rows == row]) for row in range(rows.min(), rows.max())]
    assert np.argmax(widths) < len(widths) / 2 and max(widths) > 1.5 * np.median(widths)  # the head is at the target


@pytest.mark.parametrize("textured", [False, True])
def test_a_drawn_color_is_the_color_given(textured: bool) -> None:
    corners = np.array([[-1, -1, 0], [0, -1, 0], [0, 1, 0], [-1, 1, 0]], float)
    halves = np.array([[0, 1, 2], [0, 2, 3]])
    vertices = np.concatenate([corners, corners + np.array([1, 0, 0])])
    faces = np.concatenate([halves, halves + 4])
    if textured:
        uv = np.stack([(vertices[:, 0] + 1) / 2, (1 - vertices[:, 1]) / 2], axis=1)
        texture = np.zeros((64, 64, 3), np.uint8)
        texture[:, :32], texture[:, 32:] = (204, 51, 51), (51, 51, 204)
        texture[32:, 32:] = (51, 204, 51)
        mesh = PaintedMesh(vertices, faces, uv=uv, texture=texture)
    else:
        mesh = PaintedMesh(vertices, faces, np.repeat([[0.8, 0.2, 0.2], [0.2, 0.2, 0.8]], 4, axis=0))
    image = picture_of(Panel(mesh), width=200, height=200)
    assert image[80, 50] == pytest.approx([0.8, 0.2, 0.2], abs=0.1)
    assert image[80, 150] == pytest.approx([0.2, 0.2, 0.8], abs=0.1)
    if textured:  # the lower right quarter: v runs down
        assert image[130, 150] == pytest.approx([0.2, 0.8, 0.2], abs=0.1)
        assert image[130, 50] == pytest.approx([0.8, 0.2, 0.2], abs=0.1)


def test_a_point_behind_the_shape_shines_through_faintly(ball: PaintedMesh) -> None:
    without = picture_of(Panel(ball))
    behind = np.abs(picture_of(Panel(ball, handles=[[0.0, 0.0, -0.5]])) - without).max(axis=-1)
    before = np.abs(picture_of(Panel(ball, handles=[[0.0, 0.0, 0.5]])) - without).max(axis=-1)
    for change in (behind, before):
        assert center_of(change > 0.05) == pytest.approx((0.5, 0.5), abs=0.02)
    assert 0.08 < behind.max() < 0.75 * before.max()


ABOVE = OrthographicCamera((0, 3 * 0.5, 3 * math.sqrt(0.75)), height=2.4)
"""30 degrees above the horizon"""


def darkness(image: np.ndarray) -> np.ndarray:
    """How much darker each pixel is than the paper at the left end of its row."""
    gray = image.mean(axis=-1)
    return gray[:, :4].mean(axis=1, keepdims=True) - gray


def test_a_shadow_lies_below_the_shape_and_fades(ball: PaintedMesh) -> None:
    dark = darkness(draw_view(ball, ABOVE, (300, 300)) / 255)
    y, x = np.mgrid[:300, :300] - 149.5
    dark[np.hypot(x, y) < 0.5 / 2.4 * 300 + 2] = 0  # the ball itself
    rows, columns = np.nonzero(dark > 0.02)
    assert columns.mean() == pytest.approx(149.5, abs=1) and len(rows) > 1000
    # The ball touches the ground 0.5 cos 30 below the middle of the picture; it hides what is darkest behind that.
    foot = 149.5 + 0.5 * math.cos(math.radians(30)) / 2.4 * 300
    assert foot < rows.mean() < foot + 20 and dark[:120].max() < 0.02
    assert dark.max() > 0.15 and np.abs(np.diff(dark[rows.max() - 6])).max() < 0.02  # without an edge


def test_all_panels_have_one_ground() -> None:
    low, high = (trimesh.creation.box(extents=[0.4, 0.4, 0.4]) for _ in range(2))
    high.apply_translation([0, 0.7, 0])
    panels = [Panel(PaintedMesh(m.vertices, m.faces)) for m in (low, high)]
    ground = torch.tensor([[0.0, -0.2, 0.25]], dtype=torch.float64)
    x, y = (round(v) for v in pixels_of(ABOVE, ground, (300, 300))[0].tolist())
    both = picture_of(*panels, camera=ABOVE, width=600, height=300)
    stands, hangs = darkness(both[:, :300])[y, x], darkness(both[:, 300:])[y, x]
    assert 0.02 < hangs < 0.7 * stands
    assert darkness(picture_of(panels[1], camera=ABOVE))[y, x] < 0.01  # alone it would stand on ground of its own


@pytest.mark.parametrize("camera", [VIEW, OrthographicCamera((0.5, 0.4, 3.0), height=2.0)])
def test_a_view_shows_points_exactly_where_the_camera_has_them(ball: PaintedMesh, camera: object) -> None:
    size = (240, 320)
    points = np.array([[0.9, 0.1, 0.2], [-0.8, 0.5, 0.1], [0.3, -0.7, 0.6]])
    image = draw_view(ball, camera, size, handles=points[:1], targets=points[1:])
    assert image.shape == (240, 320, 3) and image.dtype == np.uint8
    x, y = pixels_of(camera, torch.tensor(points), size)[0].tolist()
    rows, columns = np.nonzero(has_color(image / 255.0, "red"))
    assert (columns.mean(), rows.mean()) == pytest.approx((x, y), abs=0.6)
    plain = draw_view(ball, camera, size)
    center = pixels_of(camera, torch.zeros(1, 3, dtype=torch.float64), size)[0].tolist()
    rows, columns = np.nonzero(has_color(plain / 255.0, "green"))
    assert ((columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2) == pytest.approx(center, abs=2.5)
    assert not has_color(plain / 255.0, "red").any()


def test_a_comparison_in_a_view_is_that_view_twice_with_words_around_it(ball: PaintedMesh, tmp_path: Path) -> None:
    handle, target, size = [[0.0, 0.5, 0.0]], [[0.3, 0.6, 0.0]], (200, 240)
    path = draw_comparison(tmp_path / "a.png", ball, ball, handle, target, ends=target, camera=VIEW, size=size)
    image = np.asarray(Image.open(path))
    before = draw_view(ball, VIEW, size, handles=handle, targets=target, arrows=True)
    after = draw_view(ball, VIEW, size, handles=target, targets=target)
    windows = np.lib.stride_tricks.sliding_window_view(image[..., 0], size)
    for panel in (before, after):
        places = np.argwhere((windows[:, :, 100, 120] == panel[100, 120, 0]) & (windows[:, :, 7, 9] == panel[7, 9, 0]))
        assert any(np.array_equal(image[y : y + 200, x : x + 240], panel) for y, x in places)
    title = image[: image.shape[0] - 200][: int(0.08 * 200)]
    assert (title.max(axis=(0, 1)) - title.min(axis=(0, 1))).min() > 100  # dark words on light paper


def test_the_same_input_gives_the_same_bytes_whatever_else_torch_is_told(ball: PaintedMesh, tmp_path: Path) -> None:
    scene = Scene([Panel(ball, "title", handles=[[0, 0.5, 0]], targets=[[0, 1, 0]], arrows=True)], **SIZE)
    threads = torch.get_num_threads()
    try:
        written = []
        for count in (1, 2):
            torch.set_num_threads(count)
            written.append(draw(tmp_path / f"{count}.png", scene).read_bytes())
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert written[0] == written[1]


def test_edges_are_smooth_and_paper_has_no_bands(ball: PaintedMesh) -> None:
    camera = OrthographicCamera((0, 0, 3), height=1.25)
    image = draw_view(ball, camera, (200, 200)).astype(int)
    across = image[100, :20, 0]  # from the paper into the ball, whose left edge is at 20
    paper = draw_view(ball, camera, (200, 200))[:, :12]
    assert across.std() < 1 and len({tuple(row) for row in paper[60:70].reshape(-1, 3)}) > 1  # dots, not bands
    steps = np.unique(image[60:140, 15:40, 0])
    assert len(steps) > 40  # between paper and ball there are many shades, not two


def test_a_textures_cut_does_not_show(ball: PaintedMesh) -> None:
    """A ball cut in halves that are painted alike looks like the whole ball."""
    vertices, faces = np.asarray(ball.vertices), np.asarray(ball.faces)
    right = vertices[faces][:, :, 0].mean(axis=1) > 0
    cut = faces + len(vertices) * right[:, None]
    texture = np.full((8, 8, 3), (51, 178, 77), np.uint8)
    uv = np.full((2 * len(vertices), 2), 0.5)
    normals = np.tile(vertices / 0.5, (2, 1))
    halves = PaintedMesh(np.tile(vertices, (2, 1)), cut, None, normals, uv, texture)
    whole = PaintedMesh(vertices, faces, np.tile([[51, 178, 77]], (len(vertices), 1)) / 255, vertices / 0.5)
    one, two = (draw_view(mesh, VIEW, (200, 200)).astype(int) for mesh in (whole, halves))
    assert np.abs(one - two).max() <= 6


def test_nothing_of_opengl_is_needed(tmp_path: Path) -> None:
    """Without a display, and with PyVista and VTK made unimportable, a picture is drawn all the same."""
    program = (
        "import sys\n"
        "for name in ('pyvista', 'vtk', 'vtkmodules'):\n    sys.modules[name] = None\n"
        "import trimesh\n"
        "from drag3d.export import PaintedMesh, draw_comparison\n"
        "mesh = trimesh.creation.icosphere(2)\n"
        "mesh = PaintedMesh(mesh.vertices, mesh.faces)\n"
        "draw_comparison(sys.argv[1], mesh, mesh, [[0, 1, 0]], [[0, 1.5, 0]], size=(100, 100))\n"
        "with open('/proc/self/maps') as maps:\n    loaded = maps.read()\n"
        "assert not any(name in loaded for name in ('libGL.', 'libEGL', 'libOSMesa', 'libvtk')), 'OpenGL was loaded'\n"
    )
    if not Path("/proc/self/maps").exists():
        program = program[: program.index("with open")]
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    path = tmp_path / "a.png"
    ran = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert image_of(path).shape == (100, 200, 3)


def test_what_cannot_be_drawn_is_refused(ball: PaintedMesh, tmp_path: Path) -> None:
    empty = PaintedMesh(np.zeros((0, 3)), np.zeros((0, 3), int))
    uv, texture = np.zeros((len(ball.vertices), 2)), np.zeros((4, 4, 3), np.uint8)
    for scene, words in [
        (Scene([]), "no panels"),
        (Scene([Panel(empty)]), "the shape is empty"),
        (Scene([Panel(ball, handles=[[0, np.nan, 0]])]), "finite points"),
        (Scene([Panel(ball, handles=[[0, 0, 0]], arrows=True)]), "as many targets as handles"),
        (Scene([Panel(PaintedMesh(ball.vertices, ball.faces, texture=texture))]), "go together"),
        (Scene([Panel(PaintedMesh(ball.vertices, ball.faces, uv=uv[1:], texture=texture))]), r"of shape \(642, 2\)"),
        (Scene([Panel(PaintedMesh(ball.vertices, ball.faces, uv=uv, texture=texture[..., 0]))]), r"\(h, w, 3\)"),
        (Scene([Panel(ball)], camera="front"), "a camera of drag3d.rendering"),
        (Scene([Panel(ball)], width=4), "whole numbers from 16 to 8192"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            draw(tmp_path / "a.png", scene)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"must end in \.png"):
        draw(tmp_path / "a.jpg", Scene([Panel(ball)]))
    assert list(tmp_path.iterdir()) == []
