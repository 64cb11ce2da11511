"""A viewpoint: names and angles, pixels and places in space, masks that become regions."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from drag3d.rendering import OrthographicCamera, orbit, pixels_of
from drag3d.session import Vertices, Viewpoint
from get3d_models import Generator
from get3d_models.errors import InputError
from get3d_models.shape import Shape


@pytest.fixture(scope="module")
def shape(small_quadruped: Generator) -> Shape:
    return small_quadruped.sample(3)


@pytest.mark.parametrize(
    ("name", "towards"),
    [("front", (0, 0, 1)), ("back", (0, 0, -1)), ("side", (1, 0, 0)), ("left", (1, 0, 0)), ("right", (-1, 0, 0)),
     ("top", (0, 1, 0)), ("bottom", (0, -1, 0)), ("90,0", (1, 0, 0)), ("-45, 30", (-0.6124, 0.5, 0.6124))],
)  # fmt: skip
def test_a_view_looks_from_where_its_name_says(name: str, towards: tuple[float, ...]) -> None:
    position = np.array(Viewpoint.of(name).camera.position)
    assert np.allclose(position / np.linalg.norm(position), towards, atol=1e-4)


def test_a_quadruped_looks_out_of_its_front_view(small_quadruped: Generator) -> None:
    """The snout, at +z, is nearest to the camera in front, and its left ear is on the right of the picture."""
    from get3d_models.keypoints import keypoints

    places = keypoints(small_quadruped, 3)
    view = Viewpoint.of("front")
    assert places["snout"][2] > places["tail"][2]
    assert view.pixels([places["left_ear"]])[0, 0] > view.pixels([places["right_ear"]])[0, 0]
    assert view.pixels([places["left_ear"]])[0, 1] < view.pixels([places["left_front_foot"]])[0, 1]


@pytest.mark.parametrize("scale", [0.8, 1.0])
@pytest.mark.parametrize("name", ["front", "side", "top", "35,18"])
def test_all_of_the_models_box_but_its_nearest_corners_is_in_the_picture(name: str, scale: float) -> None:
    ball = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    ball = 0.5 * scale * ball / ball.norm(dim=1, keepdim=True)
    pixels = Viewpoint.of(name, scale, 512).pixels(ball.numpy())
    assert pixels.min() >= -0.5
    assert pixels.max() <= 511.5


@pytest.mark.parametrize("text", ["sideways", "1", "1,2,3", "a,b", "0,95", "nan,0", ""])
def test_what_is_no_view_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="is no view: give front, back") as caught:
        Viewpoint.of(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(10, 512), (512, 5000), (512,), (512.0, 512)])
def test_a_picture_of_no_usable_size_is_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="64 to 2048 pixels"):
        Viewpoint(orbit(0), size)  # type: ignore[arg-type]


def test_only_cameras_are_taken() -> None:
    with pytest.raises(InputError, match=r"a camera of drag3d\.rendering or of kaolin"):
        Viewpoint("front")


def test_the_place_behind_a_pixel_is_on_its_ray_and_as_far_away_as_asked() -> None:
    view = Viewpoint.of("40,25")
    like = (0.1, -0.05, 0.2)
    place = view.point_at((100.0, 300.0), like)
    assert np.allclose(view.pixels([place]), [[100, 300]], atol=1e-6)
    matrix = view.camera.view_matrix()
    depths = [float(matrix[2, :3] @ torch.tensor(p, dtype=torch.float64)) for p in (place, like)]
    assert depths[0] == pytest.approx(depths[1])
    pixel = tuple(float(v) for v in view.pixels([like])[0])
    assert np.allclose(view.point_at(pixel, like), like, atol=1e-9)


def test_a_pixel_on_the_shape_tells_the_point_seen_there_without_a_note(shape: Shape) -> None:
    view = Viewpoint.of("side")
    place, note = view.surface_at((276.0, 240.0), shape)
    assert note is None
    assert np.allclose(view.pixels([place]), [[276, 240]], atol=0.01)
    assert abs(float(shape.signed_distance(torch.tensor([place])))) < 1e-3
    assert place[0] > 0  # the side that is turned to the camera


def test_a_pixel_beside_the_shape_is_moved_onto_it_with_a_note_or_refused(shape: Shape) -> None:
    view = Viewpoint.of("side")
    x, y = view.pixels(shape.vertices.numpy()).min(axis=0)[0], 0.0
    y = float(view.pixels(shape.vertices.numpy())[view.pixels(shape.vertices.numpy())[:, 0].argmin(), 1])
    place, note = view.surface_at((float(x) - 8, y), shape)
    assert note is not None
    assert "onto the shape" in note
    assert np.abs(view.pixels([place])[0] - [x, y]).max() < 6
    with pytest.raises(InputError, match="shows nothing of the shape; the nearest one that does is"):
        view.surface_at((3.0, 3.0), shape)
    with pytest.raises(InputError, match="lies outside the picture of 512 x 512 pixels"):
        view.surface_at((3.0, 700.0), shape)


def test_a_mask_becomes_a_region_that_holds_what_lies_behind_its_black_pixels(shape: Shape) -> None:
    view = Viewpoint.of("side", size=256)
    mask = np.zeros((256, 256), dtype=bool)
    mask[:, 128:] = True
    region = view.region(mask, shape)
    assert region is not None
    (part,) = region.stay
    assert isinstance(part, Vertices)
    vertices = shape.vertices.numpy()
    right = view.pixels(vertices)[:, 0] > 127.5
    assert (region.may_move(vertices) == right).mean() > 0.98  # the patch reaches half an edge beyond its vertices
    assert view.region(np.ones((256, 256), dtype=bool), shape) is None
    with pytest.raises(InputError, match="no part of the shape lies behind a white pixel"):
        corner = np.zeros((256, 256), dtype=bool)
        corner[:3, :3] = True
        view.region(corner, shape)


def test_a_view_is_described_by_plain_values_that_fix_its_picture() -> None:
    view = Viewpoint.of("side", size=300)
    told = json.loads(json.dumps(view.described()))
    assert (told["name"], told["height"], told["width"]) == ("side", 300, 300)
    point = torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64)
    clip = torch.tensor(told["clip_matrix"], dtype=torch.float64) @ torch.tensor([0.1, 0.2, 0.3, 1.0]).double()
    assert float((clip[0] / clip[3] + 1) * 150 - 0.5) == pytest.approx(
        float(pixels_of(view.camera, point, (300, 300))[0, 0])
    )


def test_orthographic_cameras_make_views_too(shape: Shape) -> None:
    view = Viewpoint(OrthographicCamera((0.0, 0.0, 3.0), height=1.0), (128, 128))
    place, note = view.surface_at((64.0, 64.0), shape)
    assert note is None
    assert math.isclose(place[0], 0.5 / 128, abs_tol=1e-3)
