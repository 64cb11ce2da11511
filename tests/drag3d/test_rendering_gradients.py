"""Gradients of pictures: exact in double precision, and at silhouettes those of a shape that really moves."""

import pytest
import torch
from meshes_to_render import random_mesh, sphere
from torch import Tensor
from torch.autograd import gradcheck

from drag3d.rendering import antialias, clip_points, get3d_cameras, interpolate, rasterize
from drag3d.rendering.camera import Camera, OrthographicCamera


@pytest.fixture(params=["numba", "torch"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


def generic_mesh(seed: int, size: tuple[int, int], behind: bool = False) -> tuple[Tensor, Tensor]:
    """A mesh of which no corner and hardly an edge is at a pixel's centre, where pictures jump."""
    clip, faces = random_mesh(seed, size, behind)
    return clip + 0.01 * torch.rand(clip.shape, generator=torch.Generator().manual_seed(seed)).double(), faces


# ---- exact gradients ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [False, True], ids=["before", "around the camera"])
def test_weights_and_depth_have_exact_gradients(backend: str, behind: bool) -> None:
    for seed in (0, 2, 3):  # in mesh 1 an edge passes within a millionth of a centre
        clip, faces = generic_mesh(seed, (8, 8), behind)

        def fragments(clip: Tensor, faces: Tensor = faces) -> tuple[Tensor, Tensor]:
            found = rasterize(clip, faces, (8, 8), backend)
            return found.barycentric, found.depth

        assert bool(rasterize(clip, faces, (8, 8), backend).covered.any())
        assert gradcheck(fragments, clip.requires_grad_(), atol=1e-4)


def test_weights_alone_and_depth_alone_have_the_gradients_that_they_have_together(backend: str) -> None:
    clip, faces = generic_mesh(1, (8, 8))
    random = torch.Generator().manual_seed(1)
    to_weights = torch.rand(8, 8, 3, generator=random).double()
    to_depth = torch.rand(8, 8, generator=random).double()
    found = []
    for weights, depth in ((1, 1), (1, 0), (0, 1)):
        given = clip.clone().requires_grad_()
        fragments = rasterize(given, faces, (8, 8), backend)
        loss = torch.zeros(()).double()
        if weights:
            loss = loss + (fragments.barycentric * to_weights).sum()
        if depth:
            loss = loss + (fragments.depth * to_depth).sum()
        found.append(torch.autograd.grad(loss, given)[0])
    assert torch.allclose(found[0], found[1] + found[2]) and bool(found[1].any()) and bool(found[2].any())


def test_interpolation_has_exact_gradients_to_attributes_and_positions(backend: str) -> None:
    clip, faces = generic_mesh(2, (8, 8))
    attributes = torch.rand(len(clip), 2, generator=torch.Generator().manual_seed(0)).double().requires_grad_()

    def image(attributes: Tensor, clip: Tensor) -> Tensor:
        return interpolate(attributes, faces, rasterize(clip, faces, (8, 8), backend), backend)

    assert gradcheck(image, (attributes, clip.requires_grad_()), atol=1e-4)


def test_antialiasing_has_exact_gradients_to_colours_and_positions(backend: str) -> None:
    blended = 0
    for seed in range(4):
        clip, faces = generic_mesh(seed, (8, 8), behind=seed == 3)
        fragments = rasterize(clip, faces, (8, 8), backend)
        image = torch.rand(8, 8, 2, generator=torch.Generator().manual_seed(seed)).double().requires_grad_()

        def smoothed(image: Tensor, clip: Tensor, faces: Tensor = faces, fragments=fragments) -> Tensor:
            return antialias(image, clip, faces, fragments, backend=backend)

        assert gradcheck(smoothed, (image, clip.requires_grad_()), atol=1e-4)
        blended += int((smoothed(image, clip) != image).any(dim=2).sum())
    assert blended > 30


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiled_kernels_and_torch_give_the_same_values_and_gradients(dtype: torch.dtype) -> None:
    vertices, faces = sphere(30)
    random = torch.Generator().manual_seed(0)
    vertices = (vertices * 0.4 + 0.02 * torch.rand(vertices.shape, generator=random)).to(dtype)
    colours = torch.rand(len(vertices), 3, generator=random).to(dtype)
    weights = torch.rand(96, 80, 3, generator=random).to(dtype)
    results = []
    for name in ("numba", "torch"):
        given = [vertices.clone().requires_grad_(), colours.clone().requires_grad_()]
        clip = clip_points(get3d_cameras()[9], given[0], (96, 80))
        fragments = rasterize(clip, faces, (96, 80), name)
        image = antialias(interpolate(given[1], faces, fragments, name), clip, faces, fragments, backend=name)
        loss = (image * weights).sum() + (fragments.depth * weights[..., 0]).sum()
        results.append([image.detach(), *torch.autograd.grad(loss, given)])
    for ours, expected in zip(*results, strict=True):
        assert ours.dtype == expected.dtype == dtype
        largest = float(expected.abs().max())
        assert float((ours - expected).abs().max()) < (2e-5 if dtype == torch.float32 else 1e-10) * largest


def test_a_background_gradient_that_is_strided_is_read_rightly(backend: str) -> None:
    clip, faces = generic_mesh(2, (8, 8))
    attributes = torch.rand(len(clip), 2, generator=torch.Generator().manual_seed(0)).double()
    weights = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1)).double().permute(1, 2, 0)
    found = []
    for given in (weights, weights.contiguous()):
        moved = clip.clone().requires_grad_()
        fragments = rasterize(moved, faces, (8, 8), backend)
        image = antialias(interpolate(attributes, faces, fragments, backend), moved, faces, fragments, backend=backend)
        image.backward(given)
        found.append(moved.grad)
    assert torch.equal(found[0], found[1])


# ---- silhouettes of shapes that move ------------------------------------------------------------------------------


def silhouette_loss(vertices: Tensor, faces: Tensor, camera: Camera, size: int) -> Tensor:
    """A smoothly weighted sum over the smoothed silhouette."""
    clip = clip_points(camera, vertices, (size, size))
    fragments = rasterize(clip, faces, (size, size))
    mask = interpolate(torch.ones(len(vertices), 1, dtype=vertices.dtype), faces, fragments)
    mask = antialias(mask, clip, faces, fragments)[..., 0]
    axis = torch.linspace(-1, 1, size, dtype=vertices.dtype)
    weight = torch.exp(-2 * ((axis[:, None] + 0.3) ** 2 + (axis[None] - 0.4) ** 2))
    return (mask * weight).sum() / size**2


def moved(vertices: Tensor, motion: Tensor) -> Tensor:
    """Vertices scaled and moved by (x, y, z, growth)."""
    return vertices * (1 + motion[3]) + motion[:3]


@pytest.mark.parametrize("size", [128, 256, 512])
@pytest.mark.parametrize("rings", [6, 100], ids=["240 faces", "39600 faces"])
def test_a_silhouettes_gradient_is_that_of_a_shape_which_moves_and_grows(rings: int, size: int) -> None:
    """Faces of 5 to 40 pixels and faces of a tenth of a pixel to a few. At 128 pixels there are 10 faces per pixel."""
    vertices, faces = sphere(rings)
    x, y, z = vertices.unbind(1)
    vertices = torch.stack([0.42 * x + 0.05 * (7 * y).sin(), 0.3 * y + 0.04 * (5 * z).sin(), 0.35 * z], dim=1)
    camera = get3d_cameras()[4]
    motion = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    silhouette_loss(moved(vertices, motion), faces, camera, size).backward()
    assert motion.grad is not None
    expected = []
    step = 1.5 / size  # about a pixel and a half: over less, the difference sees single pixels
    for i in range(4):
        offset = torch.zeros(4, dtype=torch.float64)
        offset[i] = step
        ends = [float(silhouette_loss(moved(vertices, sign * offset), faces, camera, size)) for sign in (1, -1)]
        expected.append((ends[0] - ends[1]) / (2 * step))
    difference = torch.tensor(expected, dtype=torch.float64)
    cosine = torch.nn.functional.cosine_similarity(motion.grad, difference, dim=0)
    assert float(cosine) > 0.999
    assert float(motion.grad.norm() / difference.norm()) == pytest.approx(1, abs=0.05)
    # Components are compared to the largest one: along the line of sight of an edge there is hardly any.
    assert float((motion.grad - difference).abs().max() / difference.abs().max()) < 0.05


def test_a_disk_grows_by_its_circumference() -> None:
    """In closed form: the area of a disk of radius r in pixels grows by 2 pi r."""
    vertices, faces = sphere(40)
    growth = torch.ones((), dtype=torch.float64, requires_grad=True)
    clip = clip_points(OrthographicCamera((0, 0, 3), height=3), vertices * growth, (150, 150))
    fragments = rasterize(clip, faces, (150, 150))
    mask = interpolate(torch.ones(len(vertices), 1).double(), faces, fragments)
    antialias(mask, clip, faces, fragments).sum().backward()
    assert float(growth.grad) == pytest.approx(2 * torch.pi * 50 * 50, rel=0.02)  # type: ignore[arg-type]


def test_a_shape_inside_the_picture_can_move_without_changing_its_area() -> None:
    vertices, faces = sphere(40)
    shift = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    clip = clip_points(OrthographicCamera((0, 0, 3), height=3), vertices + shift, (150, 150))
    fragments = rasterize(clip, faces, (150, 150))
    mask = interpolate(torch.ones(len(vertices), 1).double(), faces, fragments)
    antialias(mask, clip, faces, fragments).sum().backward()
    # A wall of the circumference's height would give 2 r = 100 pixels of area for each pixel of 1/50 that it moves.
    assert float(shift.grad.abs().max()) < 0.01 * 100 * 50  # type: ignore[union-attr]
