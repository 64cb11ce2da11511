"""deodr, an independent differentiable renderer, draws the same silhouettes and finds the same derivatives of them."""

import pytest
import torch
from torch import Tensor

from drag3d.bench.deodr_way import DeodrRenderer
from drag3d.bench.rendering import wavy_ball
from drag3d.rendering import PerspectiveCamera, antialias, clip_points, get3d_cameras, interpolate, rasterize

pytest.importorskip("deodr", reason="deodr is not installed (pip install deodr)")
pytestmark = pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")
SIZE = (192, 192)
CAMERAS = {"get3d": get3d_cameras()[4], "near": PerspectiveCamera((0.3, 0.2, 0.75), field_of_view=75)}
AXIS = torch.linspace(-1, 1, SIZE[0], dtype=torch.float64)
WEIGHT = torch.exp(-2 * ((AXIS[:, None] + 0.3) ** 2 + (AXIS[None] - 0.4) ** 2))


@pytest.fixture(scope="module")
def mesh() -> tuple[Tensor, Tensor, DeodrRenderer]:
    vertices, faces = wavy_ball(32)
    return vertices.double(), faces, DeodrRenderer(faces)


def ours(camera, vertices: Tensor, faces: Tensor, colors: Tensor, smooth: bool = True) -> Tensor:
    clip = clip_points(camera, vertices, SIZE)
    fragments = rasterize(clip, faces, SIZE)
    image = interpolate(colors, faces, fragments)
    return antialias(image, clip, faces, fragments) if smooth else image


def moved(vertices: Tensor, motion: Tensor) -> Tensor:
    return vertices * (1 + motion[3]) + motion[:3]


def gradient(draw) -> Tensor:
    """To (x, y, z, growth), of a weighted silhouette."""
    motion = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    (draw(motion)[..., 0] * WEIGHT).sum().backward()
    assert motion.grad is not None
    return motion.grad


def difference(draw) -> Tensor:
    """The same by differences over a pixel."""
    found = []
    for i in range(4):
        offset = torch.zeros(4, dtype=torch.float64)
        offset[i] = 1 / SIZE[0]
        ends = [float((draw(sign * offset)[..., 0] * WEIGHT).sum()) for sign in (1, -1)]
        found.append((ends[0] - ends[1]) * SIZE[0] / 2)
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("name", CAMERAS)
def test_both_cover_the_same_pixels(mesh: tuple[Tensor, Tensor, DeodrRenderer], name: str) -> None:
    vertices, faces, deodr = mesh
    colors = torch.ones(len(vertices), 1).double()
    theirs = deodr(CAMERAS[name], vertices, colors, SIZE, smooth=False)[..., 0] > 0.5
    found = ours(CAMERAS[name], vertices, faces, colors, smooth=False)[..., 0] > 0.5
    assert torch.equal(found, theirs) and 0.2 < float(found.double().mean()) < 0.8


@pytest.mark.parametrize("name", CAMERAS)
def test_both_show_the_same_colours(mesh: tuple[Tensor, Tensor, DeodrRenderer], name: str) -> None:
    """But for deodr's interpolation, which is without perspective: faces are a pixel or two large."""
    vertices, faces, deodr = mesh
    colors = 0.5 + vertices
    theirs = deodr(CAMERAS[name], vertices, colors, SIZE, smooth=False)
    found = ours(CAMERAS[name], vertices, faces, colors, smooth=False)
    assert float((found - theirs).abs().max()) < 2e-3


@pytest.mark.parametrize("name", CAMERAS)
def test_smoothed_silhouettes_differ_by_the_pixel_that_deodr_paints_beyond_them(
    mesh: tuple[Tensor, Tensor, DeodrRenderer], name: str
) -> None:
    vertices, faces, deodr = mesh
    colors = torch.ones(len(vertices), 1).double()
    theirs = deodr(CAMERAS[name], vertices, colors, SIZE)[..., 0]
    found = ours(CAMERAS[name], vertices, faces, colors)[..., 0]
    covered = ours(CAMERAS[name], vertices, faces, colors, smooth=False)[..., 0] > 0.5
    assert float(found.sum()) == pytest.approx(float(covered.sum()), rel=2e-3)
    outline = (covered[1:] != covered[:-1]).sum() + (covered[:, 1:] != covered[:, :-1]).sum()
    assert 0.25 < float((theirs - found).sum() / outline) < 0.6  # half a pixel, along a way that is not in steps
    around = torch.nn.functional.max_pool2d(covered[None].double(), 5, 1, 2)[0] > 0
    within = torch.nn.functional.max_pool2d((~covered)[None].double(), 5, 1, 2)[0] == 0
    for image in (found, theirs):
        assert not bool(image[~around].any())
        assert torch.allclose(image[within], torch.ones(1).double())


@pytest.mark.parametrize("name", CAMERAS)
def test_both_find_the_same_derivatives_of_a_silhouette(mesh: tuple[Tensor, Tensor, DeodrRenderer], name: str) -> None:
    vertices, faces, deodr = mesh
    colors = torch.ones(len(vertices), 1).double()

    def their_mask(motion: Tensor) -> Tensor:
        return deodr(CAMERAS[name], moved(vertices, motion), colors, SIZE)

    expected = gradient(their_mask)
    found = gradient(lambda motion: ours(CAMERAS[name], moved(vertices, motion), faces, colors))
    largest = expected.abs().max()
    assert float((found - expected).abs().max() / largest) < 0.08
    assert float(torch.nn.functional.cosine_similarity(found, expected, dim=0)) > 0.998
    # So does deodr's own picture change where it moves.
    assert float((found - difference(their_mask)).abs().max() / largest) < 0.06


def test_both_give_colours_the_same_gradient(mesh: tuple[Tensor, Tensor, DeodrRenderer]) -> None:
    vertices, faces, deodr = mesh
    found = []
    for draw in (
        lambda c: ours(CAMERAS["get3d"], vertices, faces, c),
        lambda c: deodr(CAMERAS["get3d"], vertices, c, SIZE),
    ):
        colors = torch.full((len(vertices), 1), 0.5, dtype=torch.float64, requires_grad=True)
        (draw(colors)[..., 0] * WEIGHT).sum().backward()
        found.append(colors.grad[:, 0])  # type: ignore[index]
    assert float(torch.nn.functional.cosine_similarity(*found, dim=0)) > 0.97
