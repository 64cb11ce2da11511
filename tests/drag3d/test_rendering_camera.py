"""Cameras: GET3D's views reproduce, pixels and points lead to each other, and senseless cameras are refused."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from drag3d.rendering import (
    Camera,
    OrthographicCamera,
    PerspectiveCamera,
    as_camera,
    clip_points,
    depths_of,
    get3d_cameras,
    orbit,
    pixel_rays,
    pixels_of,
    screen_points,
)
from get3d_models.errors import InputError

ROOT = Path(os.environ.get("DRAG3D_GOLDEN", Path(__file__).parents[1] / "data" / "golden")) / "get3d"
FOLDERS = sorted(p for p in ROOT.glob("*") if (p / "outputs.npz").is_file())
SIZES = [(64, 64), (48, 80), (33, 7), (1, 1)]
CAMERAS: dict[str, Camera] = {
    "get3d": get3d_cameras()[4],
    "wide": PerspectiveCamera((0.3, -2.0, 1.5), (0.1, 0.2, 0.0), field_of_view=90, near=0.5, far=20),
    "from above": orbit(30, 90),
    "from below": orbit(-100, -90, 2.0, (0.1, 0.0, 0.3)),
    "orthographic": OrthographicCamera((1.0, 0.5, -1.0), (0.0, 0.1, 0.0), height=2.0, near=-3, far=5),
}


@pytest.fixture(params=CAMERAS)
def camera(request: pytest.FixtureRequest) -> Camera:
    return CAMERAS[request.param]


def points_before(camera: Camera, count: int = 50) -> Tensor:
    """Points of the world at random places of the image and at random distances."""
    random = torch.Generator().manual_seed(3)
    pixels = torch.rand(count, 2, generator=random, dtype=torch.float64) * 64 - 0.5
    start, direction = pixel_rays(camera, pixels, (64, 64))
    return start + direction * (0.1 + 3 * torch.rand(count, 1, generator=random, dtype=torch.float64))


# ---- GET3D's ------------------------------------------------------------------------------------------------------


def test_there_are_golden_get3d_views() -> None:
    assert FOLDERS, f"no recorded outputs under {ROOT}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_golden_get3d_views_reproduce(folder: Path) -> None:
    with np.load(folder / "outputs.npz") as recorded:
        world2cam, projection = (torch.from_numpy(recorded[name]).double() for name in ("world2cam", "proj"))
    world2cam, projection = world2cam.view(-1, 4, 4), projection.view(4, 4)
    cameras = get3d_cameras()
    assert len(cameras) == len(world2cam) == 24
    for camera, expected in zip(cameras, world2cam, strict=True):
        assert float((camera.view_matrix() - expected).abs().max()) < 1e-6
        found = camera.clip_matrix((512, 512)) @ torch.linalg.inv(camera.view_matrix())
        assert float((found - projection).abs().max()) < 1e-6


def test_the_first_row_of_an_image_is_its_top() -> None:
    camera = get3d_cameras()[4]
    above, below = pixels_of(camera, torch.tensor([[0.0, 0.3, 0.0], [0.0, -0.3, 0.0]]), (64, 64))
    assert above[1] < 20 and below[1] > 40


# ---- placing ------------------------------------------------------------------------------------------------------


def test_a_view_matrix_turns_and_moves_without_stretching(camera: Camera) -> None:
    matrix = camera.view_matrix()
    rotation = matrix[:3, :3]
    assert torch.allclose(rotation @ rotation.T, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert float(torch.linalg.det(rotation)) == pytest.approx(1)
    assert matrix[3].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("size", SIZES)
def test_a_camera_looks_at_its_focus(name: str, size: tuple[int, int]) -> None:
    camera = CAMERAS[name]
    focus = torch.tensor([camera.focus], dtype=torch.float64)  # type: ignore[attr-defined]
    height, width = size
    assert pixels_of(camera, focus, size)[0].tolist() == pytest.approx([(width - 1) / 2, (height - 1) / 2])
    place = torch.tensor([*camera.position, 1.0], dtype=torch.float64)  # type: ignore[attr-defined]
    assert (camera.view_matrix() @ place).tolist() == pytest.approx([0, 0, 0, 1])


@pytest.mark.parametrize(
    ("azimuth", "elevation", "position"),
    [
        (0, 0, (0, 0, 2)),
        (90, 0, (2, 0, 0)),
        (180, 0, (0, 0, -2)),
        (-90, 0, (-2, 0, 0)),
        (0, 90, (0, 2, 0)),
        (77, -90, (0, -2, 0)),
        (90, 30, (math.sqrt(3), 1, 0)),
    ],
)
def test_an_orbit_begins_at_z_and_goes_towards_x(
    azimuth: float, elevation: float, position: tuple[float, float, float]
) -> None:
    focus = 0.5, 0.25, -1.0
    camera = orbit(azimuth, elevation, 2.0, focus)
    assert [p - f for p, f in zip(camera.position, focus, strict=True)] == pytest.approx(position, abs=1e-12)


def test_from_the_front_x_is_to_the_right_and_y_is_up() -> None:
    right, up, middle = pixels_of(orbit(0), torch.tensor([[0.2, 0, 0], [0, 0.2, 0], [0, 0, 0.0]]), (64, 64))
    assert right[0] > middle[0] and right[1] == middle[1]
    assert up[1] < middle[1] and up[0] == middle[0]


@pytest.mark.parametrize(("elevation", "down"), [(90, 1), (-90, -1)])
def test_from_a_pole_z_is_below_and_x_to_the_right(elevation: float, down: int) -> None:
    x, z, middle = pixels_of(orbit(0, elevation), torch.tensor([[0.2, 0, 0], [0, 0, 0.2], [0, 0, 0.0]]), (64, 64))
    assert x[0] > middle[0] + 1 and float(x[1]) == pytest.approx(float(middle[1]), abs=1e-4)
    assert (z[1] - middle[1]) * down > 1 and float(z[0]) == pytest.approx(float(middle[0]), abs=1e-4)


@pytest.mark.parametrize("azimuth", [0.0, 75.0, -130.0])
@pytest.mark.parametrize("pole", [90, -90])
def test_a_camera_does_not_roll_when_it_comes_to_a_pole(azimuth: float, pole: int) -> None:
    points = torch.tensor([[0.2, 0, 0], [0, 0, 0.2]], dtype=torch.float64)
    at, beside = (
        pixels_of(orbit(azimuth, elevation), points, (64, 64)) for elevation in (pole, pole - math.copysign(0.1, pole))
    )
    assert float((at - beside).abs().max()) < 0.2


# ---- points and pixels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_a_pixels_ray_goes_through_points_that_lie_in_it(camera: Camera, size: tuple[int, int]) -> None:
    random = torch.Generator().manual_seed(1)
    pixels = torch.rand(40, 2, generator=random, dtype=torch.float64) * torch.tensor([size[1], size[0]]) - 0.5
    start, direction = pixel_rays(camera, pixels, size)
    assert torch.allclose(direction.norm(dim=1), torch.ones(40, dtype=torch.float64))
    assert torch.allclose(depths_of(camera, start, size), -torch.ones(40, dtype=torch.float64), atol=1e-9)
    before = float("-inf")
    for distance in (0.0, 0.3, 2.0, 4.0):
        points = start + distance * direction
        assert float((pixels_of(camera, points, size) - pixels).abs().max()) < 1e-8
        depth = float(depths_of(camera, points, size).min())
        assert depth > before
        before = depth


def test_rays_of_a_pinhole_meet_in_it_and_others_run_side_by_side() -> None:
    pixels = torch.tensor([[0.0, 0.0], [63.0, 10.0], [20.0, 63.0]], dtype=torch.float64)
    pinhole = get3d_cameras()[7]
    start, direction = pixel_rays(pinhole, pixels, (64, 64))
    away = start - torch.tensor(pinhole.position, dtype=torch.float64)
    assert torch.allclose(torch.nn.functional.normalize(away, dim=1), direction)
    _, direction = pixel_rays(CAMERAS["orthographic"], pixels, (64, 64))
    assert float((direction - direction[0]).abs().max()) < 1e-12


def test_the_field_of_view_is_vertical_and_pixels_are_square() -> None:
    camera = PerspectiveCamera((0, 0, 1), field_of_view=90)
    corners = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    top, bottom, right, left = pixels_of(camera, corners, (100, 300)).tolist()
    assert (top[1], bottom[1]) == pytest.approx((-0.5, 99.5), abs=1e-4)
    assert (left[0], right[0]) == pytest.approx((99.5, 199.5), abs=1e-4)


def test_an_orthographic_camera_shows_its_height_at_any_distance() -> None:
    camera = OrthographicCamera((0, 0, 2), height=4)
    for z in (1.5, 0.0, -50.0):
        top, right = pixels_of(camera, torch.tensor([[0.0, 2.0, z], [2.0, 0.0, z]]), (80, 120)).tolist()
        assert top == pytest.approx([59.5, -0.5], abs=1e-3) and right == pytest.approx([99.5, 39.5], abs=1e-3)


@pytest.mark.parametrize(
    "camera",
    [PerspectiveCamera((0, 0, 5), near=2, far=7), OrthographicCamera((0, 0, 5), near=2, far=7)],
    ids=["perspective", "orthographic"],
)
def test_depth_runs_from_minus_one_at_the_near_plane_to_one_at_the_far_plane(camera: Camera) -> None:
    points = torch.tensor([[0.3, 0.1, 3.0], [-0.2, 0.5, -2.0]], dtype=torch.float64)
    assert depths_of(camera, points, (8, 8)).tolist() == pytest.approx([-1, 1])


def test_screen_points_are_pixels_times_w(camera: Camera) -> None:
    points = points_before(camera)
    clip = clip_points(camera, points, (48, 80))
    screen = screen_points(clip, (48, 80))
    assert torch.equal(screen[:, 2], clip[:, 3]) and torch.equal(screen[:, 3], clip[:, 2])
    ndc = clip[:, :2] / clip[:, 3:]
    expected = torch.stack([(ndc[:, 0] + 1) * 40 - 0.5, (ndc[:, 1] + 1) * 24 - 0.5], dim=1)
    assert torch.allclose(screen[:, :2] / screen[:, 2:3], expected)


def test_pixels_and_depths_are_differentiable_in_the_points(camera: Camera) -> None:
    points = points_before(camera, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: pixels_of(camera, p, (48, 80)), points)
    assert torch.autograd.gradcheck(lambda p: depths_of(camera, p, (48, 80)), points)


def test_what_comes_out_has_the_precision_that_went_in(camera: Camera) -> None:
    for dtype in (torch.float32, torch.float64):
        points = points_before(camera, 3).to(dtype)
        assert clip_points(camera, points, (8, 8)).dtype == dtype
        assert {part.dtype for part in pixel_rays(camera, points[:, :2], (8, 8))} == {dtype}


# ---- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PerspectiveCamera((0, 0, 1), field_of_view=0), "field of view"),
        (lambda: PerspectiveCamera((0, 0, 1), field_of_view=180), "field of view"),
        (lambda: PerspectiveCamera((0, 0, 1), field_of_view=math.nan), "field of view"),
        (lambda: PerspectiveCamera((0, 0, 1), near=0), "near plane"),
        (lambda: PerspectiveCamera((0, 0, 1), near=2, far=1), "near plane"),
        (lambda: OrthographicCamera((0, 0, 1), height=0), "height"),
        (lambda: OrthographicCamera((0, 0, 1), height=math.inf), "height"),
        (lambda: OrthographicCamera((0, 0, 1), near=1, far=1), "near plane"),
        (lambda: orbit(0, 91), "elevation"),
        (lambda: orbit(0, math.nan), "elevation"),
        (lambda: PerspectiveCamera((1, 2, 3), (1, 2, 3)).view_matrix(), "away from its focus"),
        (lambda: PerspectiveCamera((0, 2, 0)).view_matrix(), "up direction"),
        (lambda: PerspectiveCamera((math.inf, 2, 0)).view_matrix(), "away from its focus"),
        (lambda: as_camera("front"), "not a str"),
        (lambda: clip_points(None, torch.zeros(1, 3), (4, 4)), "not a NoneType"),
    ],
)
def test_senseless_cameras_are_refused_in_one_line(make, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)
