"""kaolin's cameras see what ours see, and its meshes are our tensors, not copies of them."""

from __future__ import annotations

import math
from typing import Any

import kaolin_stand_in
import pytest
import torch
from kaolin_stand_in import Camera, Intrinsics
from torch import Tensor

from drag3d.interchange.kaolin import camera_from_kaolin, is_kaolin, surface_mesh, surface_mesh_of, tensors_of
from drag3d.rendering import OrthographicCamera, PerspectiveCamera, clip_points, depths_of, pixels_of, rasterize
from get3d_models import Generator, InputError
from get3d_models.optional_parts import kaolin_is_available


@pytest.fixture
def kaolin(monkeypatch: pytest.MonkeyPatch) -> None:
    kaolin_stand_in.install(monkeypatch)


def looking_back(distance: float, count: int = 1) -> Tensor:
    """World to camera of cameras at (0, 0, distance) that look along -z."""
    view = torch.eye(4).repeat(count, 1, 1)
    view[:, 2, 3] = -distance
    return view


def pixel(matrix: Tensor, point: tuple[float, float, float], size: tuple[int, int]) -> tuple[float, float]:
    """Column and row, in pixels from the upper left corner, where a clip matrix puts a world point."""
    x, y, _, w = (matrix @ torch.tensor([*point, 1.0])).tolist()
    return (x / w + 1) / 2 * size[1], (y / w + 1) / 2 * size[0]


# ---- cameras --------------------------------------------------------------------------------


def test_a_pinhole_camera_puts_points_where_its_focal_length_says_with_row_0_at_the_top() -> None:
    camera = camera_from_kaolin(Camera(looking_back(2.0), Intrinsics.pinhole(200, 100, torch.tensor([80.0]))))
    size = (100, 200)
    assert pixel(camera.clip_matrix(size), (0.0, 0.0, 0.0), size) == pytest.approx((100, 50))
    assert pixel(camera.clip_matrix(size), (0.5, 0.25, 0.0), size) == pytest.approx((100 + 80 * 0.25, 50 - 80 * 0.125))
    assert torch.equal(camera.view_matrix(), looking_back(2.0)[0])


def test_depth_runs_from_minus_one_at_the_near_plane_to_one_at_the_far_plane() -> None:
    lens = Intrinsics.pinhole(64, 64, torch.tensor([50.0]), near=0.5, far=10.0)
    matrix = camera_from_kaolin(Camera(looking_back(0.0), lens)).clip_matrix((64, 64))
    for z, depth in ((-0.5, -1.0), (-10.0, 1.0)):
        clip = matrix @ torch.tensor([0.1, 0.2, z, 1.0])
        assert float(clip[2] / clip[3]) == pytest.approx(depth, abs=1e-5)
        assert float(clip[3]) == pytest.approx(-z)


def test_an_orthographic_camera_shows_the_same_size_at_every_distance() -> None:
    camera = camera_from_kaolin(Camera(looking_back(3.0), Intrinsics.orthographic(100, 50, distance=0.5)))
    size = (50, 100)
    for z in (-1.0, 0.0, 1.0):
        assert pixel(camera.clip_matrix(size), (0.25, 0.25, z), size) == pytest.approx((50 + 12.5 * 1.0, 12.5))


def test_a_picture_of_another_size_will_do_if_its_proportions_are_the_cameras() -> None:
    camera = camera_from_kaolin(Camera(looking_back(2.0), Intrinsics.pinhole(200, 100, torch.tensor([80.0]))))
    assert torch.equal(camera.clip_matrix((100, 200)), camera.clip_matrix((512, 1024)))
    camera.clip_matrix((100, 201))
    with pytest.raises(InputError, match="2 times as wide as high, not for 64 x 64 pixels"):
        camera.clip_matrix((64, 64))


def test_gradients_pass_to_the_cameras_parameters() -> None:
    focal = torch.tensor([80.0], requires_grad=True)
    camera = camera_from_kaolin(Camera(looking_back(2.0), Intrinsics.pinhole(200, 100, focal)))
    camera.clip_matrix((100, 200))[0, 0].backward()
    assert focal.grad is not None and float(focal.grad) == pytest.approx(2 / 200)


def test_matrices_of_double_precision_become_single() -> None:
    lens = Intrinsics.pinhole(8, 8, torch.tensor([8.0]))
    lens.matrices = lens.matrices.double()
    assert camera_from_kaolin(Camera(looking_back(1.0).double(), lens)).clip_matrix((8, 8)).dtype == torch.float32


def test_what_cannot_be_a_camera_here_is_refused_in_one_line() -> None:
    lens = Intrinsics.pinhole(200, 100, torch.tensor([80.0, 80.0, 80.0]))
    fisheye = Intrinsics.pinhole(8, 8, torch.tensor([8.0]))
    reversed_depth = Intrinsics.pinhole(8, 8, torch.tensor([8.0]))
    reversed_depth.ndc_min, reversed_depth.ndc_max = 1, 0

    def unsupported() -> Tensor:
        raise NotImplementedError

    fisheye.projection_matrix = unsupported  # type: ignore[method-assign]
    for camera, said in (
        (Camera(looking_back(1.0, 3), lens), "a batch of 3; give one, such as camera"),
        (Camera(looking_back(1.0), fisheye), "has no projection matrix; give a pinhole or an orthographic camera"),
        (Camera(looking_back(1.0), reversed_depth), "depths run from 1 to 0; only -1 to 1"),
        ("a name", "a kaolin camera was expected, not a str"),
        (None, "a kaolin camera was expected, not a NoneType"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            camera_from_kaolin(camera)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["pinhole", "orthographic"])
def test_it_is_taken_wherever_ours_are_and_the_pictures_are_the_same(kind: str) -> None:
    size, vertices = (48, 64), torch.tensor([[-0.4, -0.3, 0.1], [0.5, -0.2, -0.2], [0.0, 0.4, 0.0]])
    faces = torch.tensor([[0, 1, 2]])
    if kind == "pinhole":
        lens = Intrinsics.pinhole(64, 48, torch.tensor([60.0]), near=0.1, far=1000.0)
        ours: Any = PerspectiveCamera((0.0, 0.0, 2.0), field_of_view=math.degrees(2 * math.atan(24 / 60)))
    else:
        lens = Intrinsics.orthographic(64, 48, distance=0.6, near=0.1, far=1000.0)
        ours = OrthographicCamera((0.0, 0.0, 2.0), height=1.2)
    theirs = Camera(looking_back(2.0), lens)
    torch.testing.assert_close(pixels_of(theirs, vertices, size), pixels_of(ours, vertices, size), atol=1e-4, rtol=0)
    torch.testing.assert_close(depths_of(theirs, vertices, size), depths_of(ours, vertices, size), atol=1e-5, rtol=0)
    pictures = [rasterize(clip_points(camera, vertices, size), faces, size, "torch") for camera in (theirs, ours)]
    assert torch.equal(pictures[0].triangle, pictures[1].triangle) and bool((pictures[0].triangle >= 0).any())


def test_kaolins_things_are_told_by_the_home_of_their_class() -> None:
    assert is_kaolin(Camera(looking_back(1.0), Intrinsics.orthographic(4, 4, 1.0)))
    assert not is_kaolin(torch.eye(4)) and not is_kaolin(None)


# ---- meshes --------------------------------------------------------------------------------


@pytest.mark.usefixtures("kaolin")
def test_a_mesh_made_of_a_shape_and_read_again_is_the_shapes_own_memory(small_quadruped: Generator) -> None:
    shape = small_quadruped.sample(3)
    mesh = surface_mesh(shape)
    vertices, faces, colors, normals = tensors_of(mesh)
    assert colors is not None and normals is not None
    for ours, theirs, again in (
        (shape.vertices, mesh.vertices, vertices),
        (shape.faces, mesh.faces, faces),
        (shape.vertex_colors, mesh.vertex_colors, colors),
        (shape.normals, mesh.vertex_normals, normals),
    ):
        assert ours.data_ptr() == theirs.data_ptr() == again.data_ptr()
        assert ours.shape == again.shape and ours.stride() == again.stride()


def triangle() -> tuple[Tensor, Tensor]:
    return torch.rand(3, 3), torch.tensor([[0, 1, 2]])


@pytest.mark.usefixtures("kaolin")
def test_what_a_mesh_does_not_hold_is_none_and_alpha_is_left_out() -> None:
    vertices, faces = triangle()
    assert tensors_of(surface_mesh_of(vertices, faces))[2:] == (None, None)
    mesh = surface_mesh_of(vertices, faces)
    mesh.vertex_colors = torch.rand(3, 4)
    colors = tensors_of(mesh).colors
    assert colors is not None and colors.shape == (3, 3) and colors.data_ptr() == mesh.vertex_colors.data_ptr()


@pytest.mark.usefixtures("kaolin")
def test_a_kaolin_without_colours_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(kaolin_stand_in.SurfaceMesh):
        def __init__(self, vertices: Tensor, faces: Tensor, vertex_normals: Tensor | None = None) -> None:
            super().__init__(vertices, faces, vertex_normals)

    import kaolin.rep

    monkeypatch.setattr(kaolin.rep, "SurfaceMesh", Plain)
    vertices, faces = triangle()
    found = tensors_of(surface_mesh_of(vertices, faces, colors=torch.rand(3, 3), normals=vertices))
    assert found.colors is None and found.normals is vertices


@pytest.mark.parametrize("batched", ["fixed", "list"])
def test_a_batch_of_one_is_a_mesh_whichever_way_it_is_batched(batched: str) -> None:
    vertices, faces = triangle()
    mesh = (
        kaolin_stand_in.SurfaceMesh([vertices], [faces], [vertices])
        if batched == "list"
        else kaolin_stand_in.SurfaceMesh(vertices[None], faces, vertices[None])
    )
    found = tensors_of(mesh)
    assert found.vertices.shape == (3, 3) and found.vertices.data_ptr() == vertices.data_ptr()
    assert found.faces.data_ptr() == faces.data_ptr()
    assert found.normals is not None and found.normals.data_ptr() == vertices.data_ptr()


@pytest.mark.usefixtures("kaolin")
def test_what_is_no_single_triangle_mesh_is_refused_in_one_line() -> None:
    vertices, faces = triangle()
    with pytest.raises(InputError, match="a batch of 2; give one mesh at a time"):
        tensors_of(kaolin_stand_in.SurfaceMesh(vertices.expand(2, 3, 3), faces))
    with pytest.raises(InputError, match="faces of 4 corners; triangulate it first"):
        tensors_of(kaolin_stand_in.SurfaceMesh(vertices, torch.tensor([[0, 1, 2, 0]])))
    with pytest.raises(InputError, match="SurfaceMesh was expected, not a Tensor"):
        tensors_of(vertices)
    with pytest.raises(InputError, match=r"faces must be int64 of shape \(F, 3\), not torch.int32"):
        surface_mesh_of(vertices, faces.int())
    with pytest.raises(InputError, match=r"colors must have shape \(3, 3\), not \(2, 3\)"):
        surface_mesh_of(vertices, faces, colors=vertices[:2])


def test_without_kaolin_a_mesh_cannot_be_made_and_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kaolin_stand_in.uninstall(monkeypatch)
    with pytest.raises(InputError, match="a kaolin SurfaceMesh needs kaolin, but kaolin is not installed; install it"):
        surface_mesh_of(*triangle())


# ---- the real kaolin --------------------------------------------------------------------------------

needs_kaolin = pytest.mark.skipif(
    not kaolin_is_available(), reason="NVIDIA's kaolin is not installed here; only its stand-in was tested"
)


@needs_kaolin
def test_real_meshes_share_memory() -> None:
    vertices, faces = triangle()
    found = tensors_of(surface_mesh_of(vertices, faces, torch.rand(3, 3), torch.rand(3, 3)))
    assert found.vertices.data_ptr() == vertices.data_ptr() and found.faces.data_ptr() == faces.data_ptr()


@needs_kaolin
@pytest.mark.parametrize("lens", [{"fov": math.radians(40)}, {"fov_distance": 0.7}])
def test_real_cameras_transform_points_as_our_clip_matrix_does_but_for_the_sign_of_y(lens: dict[str, float]) -> None:
    from kaolin.render.camera import Camera as RealCamera

    place = {"eye": torch.tensor([0.4, 0.5, 2.0]), "at": torch.zeros(3), "up": torch.tensor([0.0, 1.0, 0.0])}
    camera = RealCamera.from_args(**place, width=200, height=100, **lens)
    assert is_kaolin(camera)
    points = torch.rand(10, 3) - 0.5
    clip = torch.cat([points, torch.ones(10, 1)], dim=1) @ camera_from_kaolin(camera).clip_matrix((100, 200)).T
    ours = clip[:, :3] / clip[:, 3:]
    torch.testing.assert_close(ours * torch.tensor([1.0, -1.0, 1.0]), camera.transform(points), atol=1e-5, rtol=1e-4)
