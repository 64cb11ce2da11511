"""Which face each pixel shows: the foremost point of the mesh that projects onto its centre, found in exact fractions.

The oracle knows nothing of edge functions: a face is at a pixel if some convex combination of its corners in clip space
lies before the camera (w > 0), projects onto the pixel's centre, and is between the near and the far plane.
"""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
import torch
from meshes_to_render import Size, clip_of, random_mesh, sphere
from torch import Tensor

from drag3d.rendering import (
    Fragments,
    OrthographicCamera,
    PerspectiveCamera,
    backend_for,
    clip_points,
    get3d_cameras,
    interpolate,
    rasterize,
    screen_points,
)
from drag3d.rendering.numba_backend import BANDS, PIXELS_OF_A_BAND
from get3d_models.errors import InputError

BACKENDS = ("numba", "torch")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


def hits(clip: Tensor, faces: Tensor, size: Size) -> dict[tuple[int, int], list[tuple[Fraction, int, list[Fraction]]]]:
    """For each pixel (x, y) the depths, numbers and weights of the faces there, the foremost first; exact."""
    corners = [[[Fraction(value) for value in clip[v].tolist()] for v in face] for face in faces.tolist()]
    found: dict[tuple[int, int], list[tuple[Fraction, int, list[Fraction]]]] = {}
    for row in range(size[0]):
        for column in range(size[1]):
            # Here the pixel's centre lies in normalised coordinates.
            px, py = Fraction(2 * column + 1, size[1]) - 1, Fraction(2 * row + 1, size[0]) - 1
            there = []
            for number, points in enumerate(corners):
                # Weights b with b . (x - px w) = 0, b . (y - py w) = 0: they are along the cross product of the two.
                a, b = [p[0] - px * p[3] for p in points], [p[1] - py * p[3] for p in points]
                normal = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
                total = sum(normal)
                if total == 0:
                    continue
                weights = [n / total for n in normal]
                z, w = (sum(b * p[i] for b, p in zip(weights, points, strict=True)) for i in (2, 3))
                if min(weights) >= 0 and w > 0 and -w <= z <= w:
                    there.append((z / w, number, weights))
            found[column, row] = sorted(there)
    return found


def check(fragments: Fragments, clip: Tensor, faces: Tensor) -> int:
    """Compare with the oracle everywhere; how many pixels are covered."""
    covered = 0
    for (x, y), there in hits(clip, faces, fragments.size).items():
        number = int(fragments.triangle[y, x])
        weights, depth = fragments.barycentric[y, x].tolist(), float(fragments.depth[y, x])
        if not there:
            assert (number, weights, depth) == (-1, [0, 0, 0], 1)
            continue
        covered += 1
        seen = {face: (z, b) for z, face, b in there if z - there[0][0] < 1e-12}
        assert number in seen
        assert depth == pytest.approx(float(seen[number][0]), abs=1e-9)
        assert weights == pytest.approx([float(b) for b in seen[number][1]], abs=1e-9)
    return covered


# ---- the oracle ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [False, True], ids=["before", "around the camera"])
@pytest.mark.parametrize("size", [(16, 16), (4, 32), (16, 2), (1, 1)], ids=str)
def test_the_foremost_face_is_found_at_every_pixel(backend: str, size: Size, behind: bool) -> None:
    covered = 0
    for seed in range(6 if size[0] * size[1] > 100 else 20):
        clip, faces = random_mesh(seed, size, behind)
        covered += check(rasterize(clip, faces, size, backend), clip, faces)
    assert covered > 10


@pytest.mark.parametrize("size", [(11, 13), (7, 30)], ids=str)
def test_sizes_need_not_be_powers_of_two(backend: str, size: Size) -> None:
    random = torch.Generator().manual_seed(5)
    camera = PerspectiveCamera((0.2, 0.1, 1.0), near=0.4, far=1.6)
    for _ in range(3):
        clip = clip_points(camera, 2 * torch.rand(30, 3, generator=random, dtype=torch.float64) - 1, size)
        faces = torch.arange(30).view(10, 3)
        assert check(rasterize(clip, faces, size, backend), clip, faces) > 10


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(64, 64), (97, 41), (200, 1)], ids=str)
def test_all_backends_find_the_same_faces(size: Size, dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(7)
    for camera in (get3d_cameras()[2], PerspectiveCamera((0, 0, 0.1), near=0.05), OrthographicCamera((0, 0.3, 1))):
        vertices = (torch.rand(300, 3, generator=random) - 0.5).to(dtype)
        faces = torch.randint(0, 300, (500, 3), generator=random)  # some with a corner twice
        clip = clip_points(camera, vertices, size)
        expected, found = (rasterize(clip, faces, size, name) for name in ("torch", "numba"))
        assert torch.equal(found.triangle, expected.triangle) and bool(found.covered.any())
        assert found.barycentric.dtype == found.depth.dtype == dtype
        tolerance = 1e-5 if dtype == torch.float32 else 1e-10
        assert torch.allclose(found.barycentric, expected.barycentric, atol=tolerance)
        assert torch.allclose(found.depth, expected.depth, atol=tolerance)


# ---- edges and ties -----------------------------------------------------------------------------------------------


def test_faces_that_meet_at_pixel_centres_leave_no_holes(backend: str) -> None:
    """A fan around a centre, cut at all directions, one of its edges along a row of centres and one along a column."""
    size, middle, rim = (
        (16, 16),
        (7.0, 8.0, 0.0),
        [(23, 8), (25, 30), (7, 40), (-20, 20), (-9, 8), (-30, -40), (7, -50)],
    )
    clip = clip_of([middle, *((x, y, 0.0) for x, y in [*rim, (40, -20)])], size)
    faces = torch.tensor([[0, 1 + i, 1 + (i + 1) % 8] for i in range(8)])
    for order in (faces, faces.flip(0), faces.flip(1)):
        fragments = rasterize(clip, order, size, backend)
        assert bool(fragments.covered.all())
        check(fragments, clip, order)


def test_dense_closed_meshes_have_no_holes_and_show_their_front(backend: str) -> None:
    """On a sphere, every pixel well inside shows the nearer of the two points where its ray meets the surface."""
    vertices, faces = sphere(24)
    size, camera = (48, 48), OrthographicCamera((0, 0, 2), height=2.2, near=0.5, far=3.5)
    clip = clip_points(camera, vertices, size)
    fragments = rasterize(clip, faces, size, backend)
    place = interpolate(vertices, faces, fragments, backend)
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    radius = (((x - 23.5) ** 2 + (y - 23.5) ** 2).sqrt() * 2.2 / 48).double()
    inside = radius < 0.97
    assert bool(fragments.covered[inside].all()) and not bool(fragments.covered[radius > 1].any())
    front = (1 - radius.square()).clamp_min(0).sqrt()
    assert float((place[..., 2] - front)[radius < 0.9].abs().max()) < 0.02


def test_of_faces_at_one_depth_the_first_is_taken(backend: str) -> None:
    clip = clip_of([(-5, -5, 0.25), (40, -5, 0.25), (-5, 40, 0.25)], (16, 16))
    faces = torch.tensor([[0, 1, 2]])
    in_front = clip_of([(-5, -5, 0.125), (40, -5, 0.125), (-5, 40, 0.125)], (16, 16))
    for before in range(3):
        repeated = rasterize(torch.cat([clip, in_front]), torch.cat([faces] * 3), (16, 16), backend)
        assert repeated.triangle.unique().tolist() == [0]
        later = torch.cat([faces] * before + [faces + 3] * 2 + [faces])
        found = rasterize(torch.cat([clip, in_front]), later, (16, 16), backend)
        assert found.triangle.unique().tolist() == [before]


def test_a_pixel_on_a_shared_edge_shows_the_first_of_both_faces(backend: str) -> None:
    clip = clip_of([(4, -8, 0.5), (4, 20, 0.5), (-20, 8, 0.5), (30, 8, 0.5)], (16, 16))
    for faces in ([[0, 1, 2], [1, 0, 3]], [[1, 0, 3], [0, 1, 2]]):
        column = rasterize(clip, torch.tensor(faces), (16, 16), backend).triangle[:, 4]
        assert column.unique().tolist() == [0]


def test_both_sides_of_a_face_are_seen(backend: str) -> None:
    clip = clip_of([(2, 2, 0), (12, 3, 0), (5, 13, 0)], (16, 16))
    one, other = (rasterize(clip, torch.tensor([face]), (16, 16), backend) for face in ([0, 1, 2], [0, 2, 1]))
    assert torch.equal(one.triangle, other.triangle) and int(one.covered.sum()) > 20
    assert torch.allclose(one.barycentric, other.barycentric[..., [0, 2, 1]])


# ---- the camera's surroundings ------------------------------------------------------------------------------------


def test_a_ground_that_runs_under_the_camera_reaches_to_the_horizon(backend: str) -> None:
    """One face from far before to far behind the camera: everything below the horizon, from the near plane on."""
    camera = PerspectiveCamera((0, 1, 0), (0, 1, -1), field_of_view=90, near=0.1, far=1e6)
    vertices = torch.tensor([[-9e5, 0, -4e5], [9e5, 0, -4e5], [0, 0, 9e5]], dtype=torch.float64)
    fragments = rasterize(clip_points(camera, vertices, (64, 64)), torch.tensor([[0, 1, 2]]), (64, 64), backend)
    assert not bool(fragments.covered[:32].any()) and bool(fragments.covered[32:].all())
    place = interpolate(vertices, torch.tensor([[0, 1, 2]]), fragments, backend)
    expected = -1 / ((torch.arange(32, 64) - 31.5) / 32)  # z where the ray of each row meets y = 0
    assert torch.allclose(place[32:, 20, 2], expected.double(), rtol=1e-6)


def test_what_is_nearer_than_the_near_plane_is_cut_away_pixel_by_pixel(backend: str) -> None:
    camera = PerspectiveCamera((0, 0, 0), (0, 0, -1), field_of_view=90, near=1.0, far=3.0)
    # A wall along the line of sight, at x = 0.5: at depth d it is seen at x = 0.5 / d.
    vertices = torch.tensor([[0.5, -9, 5.0], [0.5, -9, -9.0], [0.5, 30, -2.0]], dtype=torch.float64)
    row = rasterize(clip_points(camera, vertices, (64, 64)), torch.tensor([[0, 1, 2]]), (64, 64), backend).covered[32]
    x = (torch.arange(64) - 31.5) / 32
    assert torch.equal(row, (x <= 0.5) & (x >= 0.5 / 3))


def test_what_lies_behind_the_camera_is_not_seen(backend: str) -> None:
    camera = PerspectiveCamera((0, 0, 0), (0, 0, -1))
    vertices = torch.tensor([[-1, -1, 2.0], [1, -1, 2.0], [0, 1, 3.0]])
    assert not bool(
        rasterize(clip_points(camera, vertices, (8, 8)), torch.tensor([[0, 1, 2]]), (8, 8), backend).covered.any()
    )
    ahead = vertices * torch.tensor([1.0, 1.0, -1.0])
    assert bool(rasterize(clip_points(camera, ahead, (8, 8)), torch.tensor([[0, 1, 2]]), (8, 8), backend).covered.any())


# ---- nothing and little -------------------------------------------------------------------------------------------


def test_faces_without_area_cover_nothing_however_rounding_turns_out(backend: str) -> None:
    random = torch.Generator().manual_seed(2)
    for trial in range(20):
        corner = torch.randint(0, 16, (200, 2, 2), generator=random).double()
        share = torch.randint(-1, 3, (200, 1), generator=random)
        corners = torch.cat([corner, (corner[:, 0] + (corner[:, 1] - corner[:, 0]) * share)[:, None]], dim=1)
        places = torch.cat([corners, torch.zeros(200, 3, 1).double()], dim=2).view(600, 3)
        w = (0.5 + torch.rand(600, generator=random)).double()
        clip = clip_of(places.tolist(), (16, 16), w.tolist() if trial % 2 else None)
        fragments = rasterize(clip, torch.arange(600).view(200, 3), (16, 16), backend)
        assert not bool(fragments.covered.any())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slivers_have_weights_that_are_numbers(backend: str, dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(4)
    start, end = torch.rand(2, 700, 1, 3, generator=random)
    vertices = (start + (end - start) * torch.rand(700, 3, 1, generator=random) - 0.5).view(-1, 3).to(dtype)
    clip = clip_points(get3d_cameras()[0], vertices, (128, 128))
    fragments = rasterize(clip, torch.arange(2100).view(-1, 3), (128, 128), backend)
    sums = fragments.barycentric[fragments.covered].sum(dim=1)
    assert bool(fragments.barycentric.isfinite().all() and fragments.depth.isfinite().all())
    assert torch.allclose(sums, torch.ones_like(sums), atol=1e-4)


def test_an_empty_mesh_gives_an_empty_picture(backend: str) -> None:
    for vertices in (0, 5):
        clip = torch.zeros(vertices, 4, requires_grad=True)
        faces = torch.zeros(0, 3, dtype=torch.int64)
        fragments = rasterize(clip, faces, (3, 4), backend)
        assert fragments.size == (3, 4) and not bool(fragments.covered.any())
        assert bool((fragments.depth == 1).all()) and not bool(fragments.barycentric.any())
        image = interpolate(torch.ones(vertices, 2), faces, fragments, backend)
        assert image.shape == (3, 4, 2) and not bool(image.any())


def test_positions_that_are_not_numbers_cover_nothing(backend: str) -> None:
    clip = clip_of([(2, 2, 0), (12, 3, 0), (5, 13, 0)] * 3, (16, 16))
    clip[3, 0], clip[6, 3] = torch.nan, torch.inf
    fragments = rasterize(clip, torch.arange(9).view(3, 3).flip(0), (16, 16), backend)
    assert fragments.triangle.unique().tolist() == [-1, 2]


def test_attributes_are_those_of_the_corners_weighted(backend: str) -> None:
    clip, faces = random_mesh(3, (16, 16), behind=True)
    fragments = rasterize(clip, faces, (16, 16), backend)
    attributes = torch.rand(len(clip), 5, dtype=torch.float64)
    image = interpolate(attributes, faces, fragments, backend)
    for y, x in fragments.covered.nonzero().tolist():
        corners = attributes[faces[fragments.triangle[y, x]]]
        assert torch.allclose(image[y, x], fragments.barycentric[y, x] @ corners)
    assert not bool(image[~fragments.covered].any())


def test_screen_positions_interpolate_to_the_pixel_itself(backend: str) -> None:
    clip, faces = random_mesh(8, (16, 32), behind=True)
    fragments = rasterize(clip, faces, (16, 32), backend)
    place = interpolate(screen_points(clip, (16, 32)), faces, fragments, backend)
    rows, columns = fragments.covered.nonzero(as_tuple=True)
    found = place[rows, columns]
    assert len(rows) > 50
    assert torch.allclose(found[:, :2] / found[:, 2:3], torch.stack([columns, rows], dim=1).double())
    assert torch.allclose(found[:, 3] / found[:, 2], fragments.depth[rows, columns])


# ---- the same every time ------------------------------------------------------------------------------------------


def picture(backend: str, seed: int, size: Size = (40, 32)) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    clip = clip_points(get3d_cameras()[seed], torch.rand(200, 3, generator=random) - 0.5, size).requires_grad_()
    faces = torch.randint(0, 200, (300, 3), generator=random)
    fragments = rasterize(clip, faces, size, backend)
    image = interpolate(clip[:, :3], faces, fragments, backend)
    (image.square().sum() + fragments.depth.sum()).backward()
    assert clip.grad is not None
    return [fragments.triangle, fragments.barycentric.detach(), fragments.depth.detach(), image.detach(), clip.grad]


def test_a_picture_and_its_gradient_are_the_same_bit_by_bit_in_any_thread(backend: str) -> None:
    expected = [picture(backend, seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for found, wanted in zip(threads.map(lambda n: picture(backend, n % 4), range(12)), expected * 3, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_large_picture_is_the_same_on_one_core_and_on_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is drawn in bands of rows, and the torch backend knows of none."""
    size = (201, 190)
    assert size[0] * size[1] > BANDS * PIXELS_OF_A_BAND
    monkeypatch.setattr("drag3d.rendering.numba_backend.cores", lambda: 1)
    alone = picture("numba", 5, size)
    monkeypatch.setattr("drag3d.rendering.numba_backend.cores", lambda: 2)
    together = picture("numba", 5, size)
    for one, two, expected in zip(alone, together, picture("torch", 5, size), strict=True):
        assert torch.equal(one, two)
        assert torch.allclose(one, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert torch.equal(alone[0], picture("torch", 5, size)[0])


def test_a_smaller_picture_after_a_larger_one_is_not_disturbed(backend: str) -> None:
    clip, faces = random_mesh(1, (16, 16), behind=False)
    expected = rasterize(clip, faces, (16, 16), backend)
    rasterize(clip, faces, (64, 128), backend)
    assert torch.equal(rasterize(clip, faces, (16, 16), backend).triangle, expected.triangle)


# ---- which code, and refusals -------------------------------------------------------------------------------------


def test_auto_takes_compiled_kernels_for_floats_on_the_cpu_and_torch_for_the_rest() -> None:
    assert backend_for(torch.zeros(1)).name == backend_for(torch.zeros(1).double()).name == "numba"
    assert backend_for(torch.zeros(1).half()).name == backend_for(torch.zeros(1, device="meta")).name == "torch"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"backend": "opengl"}, "unknown rasterizer 'opengl'"),
        ({"clip": torch.zeros(3, 3)}, r"shape \(V, 4\)"),
        ({"clip": torch.zeros(3, 4, dtype=torch.int64)}, "floats"),
        ({"faces": torch.zeros(1, 3)}, "int64"),
        ({"faces": torch.zeros(1, 4, dtype=torch.int64)}, r"shape \(F, 3\)"),
        ({"faces": torch.tensor([[0, 1, 3]])}, "vertices 0 to 2"),
        ({"faces": torch.tensor([[0, -1, 2]])}, "vertices 0 to 2"),
        ({"size": (0, 4)}, "whole numbers"),
        ({"size": (4.0, 4)}, "whole numbers"),
        ({"size": (4, 20000)}, "16384"),
        ({"clip": torch.zeros(3, 4).half(), "backend": "numba"}, "choose the rasterizer auto or torch"),
    ],
)
def test_wrong_input_is_refused_in_one_line(arguments: dict, words: str) -> None:
    good = {"clip": torch.zeros(3, 4), "faces": torch.tensor([[0, 1, 2]]), "size": (4, 4), "backend": "auto"}
    rasterize(**good)
    with pytest.raises(InputError, match=words) as refused:
        rasterize(**{**good, **arguments})
    assert "\n" not in str(refused.value)


def test_attributes_that_are_not_rows_of_floats_are_refused() -> None:
    faces = torch.tensor([[0, 1, 2]])
    fragments = rasterize(torch.zeros(3, 4), faces, (4, 4))
    for attributes in (torch.zeros(3), torch.zeros(3, 2, dtype=torch.int64)):
        with pytest.raises(InputError, match="attributes are floats"):
            interpolate(attributes, faces, fragments)
