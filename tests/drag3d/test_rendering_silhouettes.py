"""Silhouettes: which edges they are, where they pass between pixels, and how much of the pixels they cover."""

import gc

import pytest
import torch
from meshes_to_render import clip_of, random_mesh, sphere
from torch import Tensor

from drag3d.rendering import (
    OrthographicCamera,
    PerspectiveCamera,
    antialias,
    backend_for,
    clip_points,
    get3d_cameras,
    interpolate,
    rasterize,
    screen_points,
    topology_of,
)
from drag3d.rendering.silhouettes import silhouette_edges
from get3d_models.errors import InputError

CUBE = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]).double() / 2
CUBE_FACES = torch.tensor(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
     [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
)  # fmt: skip


@pytest.fixture(params=["numba", "torch"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


def coverage(clip: Tensor, faces: Tensor, size: tuple[int, int], backend: str) -> Tensor:
    """How much of each pixel is covered, after antialiasing."""
    fragments = rasterize(clip, faces, size, backend)
    image = interpolate(torch.ones(len(clip), 1, dtype=clip.dtype), faces, fragments, backend)
    return antialias(image, clip, faces, fragments, backend=backend)[..., 0]


# ---- topology -----------------------------------------------------------------------------------------------------


def obvious_topology(faces: list[list[int]]) -> list[tuple[int, int, int, int]]:
    """Edges as (from, to, face, other face or -1): the faces around an edge two by two, in their order."""
    around: dict[frozenset[int], list[tuple[int, int, int]]] = {}
    for number, (a, b, c) in enumerate(faces):
        for start, end in ((a, b), (b, c), (c, a)):
            around.setdefault(frozenset((start, end)), []).append((start, end, number))
    found = []
    for sides in around.values():
        for first, second in zip(sides[::2], [*sides[1::2], None], strict=False):
            found.append((*first, -1 if second is None else second[2]))
    return sorted(found)


def rows_of(faces: Tensor) -> list[tuple[int, ...]]:
    topology = topology_of(faces)
    return sorted(tuple(row) for row in torch.cat([topology.ends, topology.faces], dim=1).tolist())


@pytest.mark.parametrize("vertices", [3, 5, 12, 60])
def test_the_edges_are_those_of_an_obvious_dictionary(vertices: int) -> None:
    """With few vertices, edges have three faces and more."""
    random = torch.Generator().manual_seed(vertices)
    for count in (1, 2, 7, 80):
        faces = torch.stack([torch.randperm(vertices, generator=random)[:3] for _ in range(count)])
        assert rows_of(faces) == obvious_topology(faces.tolist())


def test_an_empty_mesh_has_no_edges() -> None:
    topology = topology_of(torch.zeros(0, 3, dtype=torch.int64))
    assert topology.ends.shape == topology.faces.shape == (0, 2)


def test_a_closed_mesh_has_two_faces_at_each_edge_and_an_open_one_has_borders() -> None:
    _, faces = sphere(6)
    assert len(topology_of(faces).ends) == len(faces) * 3 // 2
    assert bool((topology_of(faces).faces >= 0).all())
    opened = faces[1:]
    assert int((topology_of(opened).faces[:, 1] < 0).sum()) == 3


def test_edges_are_remembered_while_their_faces_live_and_stay_as_they_are() -> None:
    faces = CUBE_FACES.clone()
    first = topology_of(faces)
    assert topology_of(faces) is first
    faces[0] = torch.tensor([0, 3, 1])
    assert topology_of(faces) is not first and rows_of(faces) == obvious_topology(faces.tolist())
    from drag3d.rendering import silhouettes

    known = len(silhouettes._known)
    del faces
    gc.collect()
    assert len(silhouettes._known) == known - 1


def test_the_silhouette_of_a_cube_is_its_outline() -> None:
    for position, corners in (((0, 0, 3), {1, 3, 5, 7}), ((2, 2, 2), set(range(8)) - {0, 7})):
        size = (64, 64)
        points = screen_points(clip_points(PerspectiveCamera(position), CUBE, size), size)
        topology = topology_of(CUBE_FACES)
        edges, side = silhouette_edges(points, topology, CUBE_FACES)
        ends = topology.ends[edges]
        assert set(ends.flatten().tolist()) == corners and len(ends) == len(corners)
        # The middle of the image is on the surface's side of each.
        middle = torch.tensor([31.5, 31.5, 1.0], dtype=torch.float64).expand(len(ends), 3)
        determinant = torch.linalg.det(torch.stack([points[ends[:, 0], :3], points[ends[:, 1], :3], middle], dim=1))
        assert torch.equal(determinant.sign(), side)


# ---- crossings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(16, 32), (64, 64), (1, 16)], ids=str)
def test_walking_edges_finds_the_crossings_that_expanding_them_finds(size: tuple[int, int], dtype: torch.dtype) -> None:
    total = 0
    for seed in range(30):
        if seed % 3 == 2:
            vertices, faces = sphere(4 + seed)
            clip = clip_points(get3d_cameras()[seed % 24], vertices * 0.4, size).to(dtype)
        else:
            clip, faces = random_mesh(seed, size, behind=seed % 3 == 1)
            clip = (clip + 1e-3 * torch.rand(clip.shape, generator=torch.Generator().manual_seed(seed))).to(dtype)
        fragments = rasterize(clip, faces, size)
        points = screen_points(clip, size)
        rows = []
        for name in ("numba", "torch"):
            found = backend_for(clip, name).crossings(points, topology_of(faces), faces, fragments)
            rows.append(torch.cat([found.ends, found.inside, found.outside], dim=1).tolist())
        assert sorted(rows[0]) == sorted(rows[1])
        assert len({tuple(sorted((tuple(row[2:4]), tuple(row[4:])))) for row in rows[0]}) == len(rows[0])
        total += len(rows[0])
    assert total > (0 if size[0] == 1 else 500)


def test_crossings_lie_between_neighbours_the_inner_one_covered(backend: str) -> None:
    vertices, faces = sphere(20)
    clip, size = clip_points(get3d_cameras()[4], vertices * 0.4, (64, 48)), (64, 48)
    fragments = rasterize(clip, faces, size, backend)
    found = backend_for(clip, backend).crossings(screen_points(clip, size), topology_of(faces), faces, fragments)
    assert len(found.ends) > 100
    assert (found.inside - found.outside).abs().sum(dim=1).unique().tolist() == [1]
    assert bool(fragments.covered[found.inside[:, 1], found.inside[:, 0]].all())


# ---- how much is covered ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", [5.0, 5.2, 5.5, 5.75, 6.0])
def test_an_upright_edge_covers_exactly_its_share_of_each_pixel(backend: str, edge: float) -> None:
    clip = clip_of([(edge, -50, 0), (edge, 70, 0), (-90, 8, 0)], (16, 16))
    share = (edge + 0.5 - torch.arange(16.0)).clamp(0, 1).double()
    for corners in ([0, 1, 2], [0, 2, 1]):
        found = coverage(clip, torch.tensor([corners]), (16, 16), backend)
        assert torch.allclose(found, share.expand(16, 16), atol=1e-12)
        turned = coverage(clip[:, [1, 0, 2, 3]], torch.tensor([corners]), (16, 16), backend)
        assert torch.allclose(turned, share[:, None].expand(16, 16), atol=1e-12)


@pytest.mark.parametrize("slope", [0.0, 0.1, -0.4, 0.77, -1.0])
@pytest.mark.parametrize("perspective", [False, True], ids=["flat", "perspective"])
def test_a_half_plane_covers_its_exact_area(backend: str, slope: float, perspective: bool) -> None:
    """Row by row for upright edges, column by column for the others; w differs between the ends."""
    w = [0.5, 4.0, 1.0] if perspective else None
    places = [(7.3 - 40 * slope, -40 + 7.5, 0), (7.3 + 40 * slope, 40 + 7.5, 0), (-300, 7.5, 0)]
    area = 7.3 + slope * (torch.arange(16).double() - 7.5) + 0.5
    inside = (area > 1) & (area < 15)
    for turned in (False, True):
        clip = clip_of([(y, x, z) if turned else (x, y, z) for x, y, z in places], (16, 16), w)
        found = coverage(clip, torch.tensor([[0, 1, 2]]), (16, 16), backend).sum(dim=0 if turned else 1)
        assert torch.allclose(found[inside], area[inside], atol=1e-9)


def test_an_edge_that_reaches_behind_the_camera_covers_its_exact_area(backend: str) -> None:
    """A floor from ahead to behind: its right edge runs from the horizon's middle to the lower right."""
    camera = PerspectiveCamera((0, 0, 0), (0, 0, -1), field_of_view=90, near=0.01, far=1e5)
    vertices = torch.tensor([[0.25, -1, -5e4], [0.25, -1, 40.0], [-9e4, -1, 30.0]], dtype=torch.float64)
    found = coverage(clip_points(camera, vertices, (64, 64)), torch.tensor([[0, 1, 2]]), (64, 64), backend)
    rows = torch.arange(36, 64).double()
    expected = 31.5 + 0.25 * (rows - 31.5) + 0.5  # x = 0.25 at y = -1 is seen along x = -0.25 y
    assert torch.allclose(found[36:].sum(dim=1), expected, atol=1e-3)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_a_disk_covers_its_area_whether_faces_are_larger_or_smaller_than_pixels(backend: str, size: int) -> None:
    camera = OrthographicCamera((0, 0, 2), height=2.5)
    for rings in (8, 60):
        vertices, faces = sphere(rings)
        outline = 0.5 * 2 * rings * torch.sin(torch.tensor(torch.pi / rings))  # a polygon, or nearly
        found = float(coverage(clip_points(camera, vertices, (size, size)), faces, (size, size), backend).sum())
        assert found * (2.5 / size) ** 2 == pytest.approx(float(outline), rel=3e-3)


def test_what_is_inside_a_surface_is_not_blended(backend: str) -> None:
    vertices, faces = sphere(40)
    clip, size = clip_points(OrthographicCamera((0, 0, 2), height=2.5), vertices, (64, 64)), (64, 64)
    found = coverage(clip, faces, size, backend)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    radius = ((x - 31.5) ** 2 + (y - 31.5) ** 2).sqrt() * 2.5 / 64
    assert torch.allclose(found[radius < 0.94], torch.ones(1).double()) and not bool(found[radius > 1.06].any())
    assert float(found.min()) > -1e-9 and float(found.max()) < 1 + 1e-9


def wall(x: float, depth: float) -> list[tuple[float, float, float]]:
    """Corners of a face to the left of an upright line, larger than the image of 16 pixels."""
    return [(x, -50, depth), (x, 70, depth), (-90, 8, depth)]


def test_a_hidden_silhouette_blends_nothing(backend: str) -> None:
    clip = clip_of([*wall(5.3, 0.5), *wall(80, 0.25)], (16, 16))
    faces = torch.tensor([[0, 1, 2], [3, 4, 5]])
    fragments = rasterize(clip, faces, (16, 16), backend)
    image = torch.rand(16, 16, 3, dtype=torch.float64)
    assert torch.equal(antialias(image, clip, faces, fragments, backend=backend), image)


def test_a_silhouette_before_a_surface_blends_the_two_colours(backend: str) -> None:
    clip = clip_of([*wall(5.3, 0.25), *wall(80, 0.5)], (16, 16))
    faces = torch.tensor([[0, 1, 2], [3, 4, 5]])
    fragments = rasterize(clip, faces, (16, 16), backend)
    image = torch.where(fragments.triangle[..., None] == 0, 1.0, 5.0).double()
    row = antialias(image, clip, faces, fragments, backend=backend)[8, :, 0]
    assert row.tolist() == pytest.approx([1] * 5 + [1 + 4 * 0.2] + [5] * 10)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("edges", [(5.2, 5.4), (5.6, 5.9), (5.2, 5.8)])
def test_of_two_crossings_of_a_pair_of_pixels_the_farther_out_counts(
    backend: str, edges: tuple[float, float], order: list[int]
) -> None:
    clip = clip_of([*wall(edges[0], 0.25), *wall(edges[1], 0.5)], (16, 16))
    faces = torch.tensor([[0, 1, 2], [3, 4, 5]])[order]
    row = coverage(clip, faces, (16, 16), backend)[8]
    assert torch.allclose(row, (edges[1] + 0.5 - torch.arange(16.0)).clamp(0, 1).double(), atol=1e-12)


def test_a_stripe_thinner_than_a_pixel_covers_its_width(backend: str) -> None:
    clip = clip_of([(4.9, -50, 0), (4.9, 70, 0), (5.2, -50, 0), (5.2, 70, 0)], (16, 16))
    found = coverage(clip, torch.tensor([[0, 1, 2], [2, 1, 3]]), (16, 16), backend)
    assert found[8].tolist() == pytest.approx([0] * 5 + [0.3] + [0] * 10)


def test_the_edge_between_two_visible_faces_is_no_silhouette(backend: str) -> None:
    clip = clip_of([(5.3, -50, 0), (5.3, 70, 0), (-90, 8, 0.5), (120, 8, -0.5)], (16, 16))
    faces = torch.tensor([[0, 1, 2], [1, 0, 3]])
    image = torch.rand(16, 16, 2, dtype=torch.float64)
    fragments = rasterize(clip, faces, (16, 16), backend)
    assert torch.equal(antialias(image, clip, faces, fragments, backend=backend), image)


def test_an_image_of_another_size_is_refused() -> None:
    clip = clip_of(wall(5, 0), (16, 16))
    faces = torch.tensor([[0, 1, 2]])
    fragments = rasterize(clip, faces, (16, 16))
    for image in (torch.zeros(16, 15, 1), torch.zeros(16, 16)):
        with pytest.raises(InputError, match="an image of"):
            antialias(image, clip, faces, fragments)


def test_the_image_is_not_changed_in_place_and_keeps_its_type(backend: str) -> None:
    clip = clip_of(wall(5.3, 0), (16, 16)).float()
    faces = torch.tensor([[0, 1, 2]])
    fragments = rasterize(clip, faces, (16, 16), backend)
    image = fragments.covered[..., None].double()
    before = image.clone()
    found = antialias(image, clip, faces, fragments, backend=backend)
    assert torch.equal(image, before) and not torch.equal(found, before)
    assert found.dtype == torch.float64
