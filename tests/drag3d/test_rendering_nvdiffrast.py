"""nvdiffrast draws the same as our own backends: for real on CUDA, and here its backend's arithmetic with a stand-in.

The stand-in does what nvdiffrast's documentation says: sizes are multiples of 8, a raster pixel is (u, v, z / w, number
of the triangle plus one) with all zeros where there is none, u and v belong to the first two corners, z / w has no
gradient, and the first row of the image is at y = -1.
"""

import types

import pytest
import torch
from meshes_to_render import random_mesh, sphere
from torch import Tensor

from drag3d.rendering import (
    Fragments,
    antialias,
    backend_for,
    clip_points,
    get3d_cameras,
    interpolate,
    nvdiffrast_backend,
    rasterize,
)
from drag3d.rendering.nvdiffrast_backend import NvdiffrastBackend, missing_nvdiffrast
from drag3d.rendering.torch_backend import TorchBackend
from get3d_models.errors import InputError

needs_cuda = pytest.mark.skipif(missing_nvdiffrast() is not None, reason=str(missing_nvdiffrast()))


class StandIn(types.SimpleNamespace):
    """nvdiffrast.torch on the CPU, by our torch backend."""

    contexts: list[torch.device]

    def __init__(self) -> None:
        super().__init__(contexts=[])

    def RasterizeCudaContext(self, device: torch.device) -> str:
        self.contexts.append(device)
        return "context"

    def rasterize(
        self, context: str, pos: Tensor, tri: Tensor, resolution: list[int], grad_db: bool = True
    ) -> tuple[Tensor, None]:
        assert context == "context" and not grad_db
        assert pos.shape[0] == 1 and pos.dtype == torch.float32 and pos.is_contiguous()
        assert tri.dtype == torch.int32 and tri.is_contiguous()
        height, width = resolution
        assert height % 8 == width % 8 == 0
        found = TorchBackend().rasterize(pos[0], tri.long(), (height, width))
        depth = torch.where(found.covered, found.depth.detach(), 0.0)
        number = (found.triangle + 1).float()
        return torch.cat([found.barycentric[..., :2], torch.stack([depth, number], dim=2)], dim=2)[None], None

    def interpolate(self, attr: Tensor, rast: Tensor, tri: Tensor) -> tuple[Tensor, None]:
        assert attr.shape[0] == 1 and attr.is_contiguous() and rast.is_contiguous() and tri.dtype == torch.int32
        u, v, _, number = rast[0].unbind(2)
        weights = torch.stack([u, v, 1 - u - v], dim=2)
        fragments = Fragments(number.detach().long() - 1, weights, u)
        return TorchBackend().interpolate(attr[0], tri.long(), fragments)[None], None


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    library = StandIn()
    monkeypatch.setattr(nvdiffrast_backend, "_library", lambda: library)
    monkeypatch.setattr(nvdiffrast_backend, "_context", library.RasterizeCudaContext)
    monkeypatch.setattr(nvdiffrast_backend, "_check", lambda clip: None)
    return library


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("size", [(16, 16), (13, 22), (1, 9), (40, 7)], ids=str)
def test_padding_numbers_and_weights_come_out_as_ours(size: tuple[int, int]) -> None:
    backend = NvdiffrastBackend()
    covered = 0
    for seed in range(6):
        # A little beside the quarters of pixels, so that rounding in single precision decides nothing.
        clip, faces = random_mesh(seed, size, behind=seed % 2 == 1)
        clip = (clip + 0.01 * torch.rand(clip.shape, generator=torch.Generator().manual_seed(seed))).float()
        expected, found = rasterize(clip, faces, size, "torch"), backend.rasterize(clip, faces, size)
        assert found.size == size and torch.equal(found.triangle, expected.triangle)
        assert torch.allclose(found.barycentric, expected.barycentric, atol=2e-3)
        assert torch.allclose(found.depth, expected.depth, atol=2e-3)
        assert not bool(found.barycentric[~found.covered].any()) and bool((found.depth[~found.covered] == 1).all())
        attributes = torch.rand(len(clip), 3)
        image = backend.interpolate(attributes, faces, found)
        assert torch.allclose(image, interpolate(attributes, faces, found, "torch"), atol=1e-5)
        covered += int(found.covered.sum())
    assert covered > 10


@pytest.mark.usefixtures("stand_in")
def test_gradients_of_weights_depth_and_attributes_come_out_as_ours() -> None:
    vertices, faces = sphere(8)
    vertices, size = (vertices * 0.4).float(), (30, 45)
    random = torch.Generator().manual_seed(0)
    weights, colours = torch.rand(*size, 4, generator=random), torch.rand(len(vertices), 4, generator=random)
    results = []
    for backend in (NvdiffrastBackend(), TorchBackend()):
        given = [vertices.clone().requires_grad_(), colours.clone().requires_grad_()]
        fragments = backend.rasterize(clip_points(get3d_cameras()[3], given[0], size), faces, size)
        image = backend.interpolate(given[1], faces, fragments)
        for loss in ((image * weights).sum(), (fragments.depth * weights[..., 0]).sum()):
            results.append(torch.autograd.grad(loss, given, retain_graph=True, allow_unused=True))
    for found, expected in zip(results[:2], results[2:], strict=True):
        for mine, theirs in zip(found, expected, strict=True):
            if theirs is None:
                assert mine is None
                continue
            assert float(theirs.abs().max()) > 0
            assert float((mine - theirs).abs().max()) < 2e-4 * float(theirs.abs().max())


def test_one_context_is_made_for_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    library = StandIn()
    monkeypatch.setattr(nvdiffrast_backend, "_library", lambda: library)
    nvdiffrast_backend._context.cache_clear()
    try:
        for _ in range(2):
            assert nvdiffrast_backend._context(torch.device("cpu")) == "context"
    finally:
        nvdiffrast_backend._context.cache_clear()
    assert library.contexts == [torch.device("cpu")]


@pytest.mark.usefixtures("stand_in")
def test_silhouettes_are_our_own() -> None:
    vertices, faces = sphere(12)
    clip = clip_points(get3d_cameras()[3], (vertices * 0.4).float(), (24, 24))
    fragments = NvdiffrastBackend().rasterize(clip, faces, (24, 24))
    image = fragments.covered[..., None].float()
    assert torch.equal(
        antialias(image, clip, faces, fragments), antialias(image, clip, faces, fragments, backend="torch")
    )


def test_tensors_elsewhere_than_on_cuda_are_refused() -> None:
    with pytest.raises(InputError, match=r"float32 on CUDA, not torch\.float32 on cpu; choose auto"):
        NvdiffrastBackend().rasterize(torch.zeros(3, 4), torch.tensor([[0, 1, 2]]), (8, 8))


def test_where_it_is_missing_one_sentence_says_why_and_auto_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="needs a CUDA device") as refused:
        backend_for(torch.zeros(1), "nvdiffrast")
    assert "\n" not in str(refused.value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def broken() -> None:
        raise ImportError("No module named 'nvdiffrast'")

    monkeypatch.setattr(nvdiffrast_backend, "_library", broken)
    with pytest.raises(InputError, match=r"\(No module named 'nvdiffrast'\); with the CUDA toolkit installed: pip"):
        backend_for(torch.zeros(1), "nvdiffrast")
    assert backend_for(torch.zeros(1)).name == "numba"


@pytest.mark.gpu
@needs_cuda
def test_on_cuda_ids_weights_and_images_are_those_of_our_backends() -> None:
    vertices, faces = sphere(60)
    vertices = (vertices * 0.4).float().cuda()
    faces = faces.cuda()
    colours = torch.rand(len(vertices), 4, generator=torch.Generator().manual_seed(0)).cuda()
    for size in ((256, 256), (203, 310)):
        results = []
        for name in ("nvdiffrast", "torch"):
            given = vertices.clone().requires_grad_()
            clip = clip_points(get3d_cameras()[4], given, size)
            fragments = rasterize(clip, faces, size, name)
            image = antialias(interpolate(colours, faces, fragments, name), clip, faces, fragments, backend=name)
            (image.square().sum() + fragments.depth.sum()).backward()
            results.append((fragments, image.detach(), given.grad))
        (found, image, gradient), (expected, expected_image, expected_gradient) = results
        # nvdiffrast snaps corners to fractions of a pixel: a few pixels at edges go to the neighbouring face.
        same = found.triangle == expected.triangle
        assert float((~same).float().mean()) < 0.01
        assert float((found.barycentric - expected.barycentric)[same].abs().max()) < 1e-2
        assert float((found.depth - expected.depth)[same].abs().max()) < 1e-4
        assert float((image - expected_image).abs().mean()) < 1e-3
        cosine = torch.nn.functional.cosine_similarity(gradient.flatten(), expected_gradient.flatten(), dim=0)
        assert float(cosine) > 0.99


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_plain_torch_draws_the_same_as_on_the_cpu_every_time() -> None:
    vertices, faces = sphere(30)
    clip = clip_points(get3d_cameras()[4], vertices.float() * 0.4, (128, 96))
    image = torch.rand(128, 96, 3)
    results = []
    for device in ("cpu", "cuda", "cuda"):
        given, drawn = (given.clone().to(device).requires_grad_() for given in (clip, image))
        fragments = rasterize(given, faces.to(device), (128, 96), "torch")
        smooth = antialias(drawn, given, faces.to(device), fragments, backend="torch")
        smooth.square().sum().backward()
        results.append([t.detach().cpu() for t in (fragments.triangle, smooth, given.grad, drawn.grad)])
    assert torch.equal(results[0][0], results[1][0])
    for cpu, cuda in zip(*results[:2], strict=True):
        assert torch.allclose(cpu.double(), cuda.double(), atol=1e-4)
    assert torch.equal(results[1][0], results[2][0]) and torch.equal(results[1][1], results[2][1])
    assert torch.equal(results[1][3], results[2][3])
