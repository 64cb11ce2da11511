"""Compiled lookups give what PyTorch's give, in value and in gradient, and step aside where they cannot serve."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from get3d_models import lookup_kernels
from get3d_models.lookup import lookup, lookup_by_torch, lookup_local, lookup_within, lookup_within_by_torch
from get3d_models.triplanes import LocalPlanes, windows_around
from get3d_models.windows import Windows

LOW, LENGTH = -0.4, 0.8
RESOLUTION = 32


def random_planes(dtype: torch.dtype, channels_last: bool = True, channels: int = 5) -> Tensor:
    """Of one shape: ``(1, 3, C, R, R)``, the channels of a texel beside each other or not."""
    torch.manual_seed(0)
    planes = torch.randn(1, 3, RESOLUTION, RESOLUTION, channels, dtype=dtype).movedim(4, 2)
    return planes if channels_last else planes.contiguous()


def cut_out(planes: Tensor, windows: Windows) -> LocalPlanes:
    """The windows of whole planes; those of each plane come one after the other."""
    count = len(windows) // 3
    parts = [
        Windows(windows.map_size, windows.size, windows.corners[plane * count :][:count]).take(planes[:, plane])
        for plane in range(3)
    ]
    return LocalPlanes(torch.cat(parts)[None], windows)


def places_around(centers: Tensor, radius: float, dtype: torch.dtype) -> Tensor:
    """``(1, M, 3)``: some in the cube around each centre, its corners among them."""
    random = torch.rand(len(centers), 40, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3).expand(len(centers), -1, -1)
    return (centers[:, None] + radius * torch.cat([random, corners], dim=1)).flatten(0, 1).to(dtype)[None]


def with_slope(find, planes, points: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
    """Features, and the gradient of a product with them in the points."""
    points = points.clone().requires_grad_()
    features = find(planes, points, LOW, LENGTH)
    weights = torch.linspace(-1, 1, features.numel(), dtype=features.dtype).view_as(features)
    return features.detach(), torch.autograd.grad(features, points, weights)[0]


def assert_alike(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        bound = 1e-5 if a.dtype == torch.float32 else 1e-12
        assert float((a - b).abs().max()) <= bound * float(b.abs().max())


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each call of a kernel that reads planes."""
    compiled, calls = lookup_kernels.kernels, []

    def kernels(dtype: str) -> lookup_kernels.Kernels:
        found = compiled(dtype)
        assert found is not None

        def look_up(*arguments: object) -> None:
            calls.append(dtype)
            found.look_up(*arguments)

        return found._replace(look_up=look_up)

    monkeypatch.setattr(lookup_kernels, "kernels", kernels)
    return calls


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_whole_planes_are_read_as_by_torch_inside_and_outside_the_box(
    dtype: torch.dtype, channels_last: bool, served: list[str]
) -> None:
    planes = random_planes(dtype, channels_last)
    points = (LOW + LENGTH * (torch.rand(1, 300, 3) * 1.4 - 0.2)).to(dtype)
    assert_alike(with_slope(lookup, planes, points), with_slope(lookup_by_torch, planes, points))
    assert served


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_windows_are_read_as_by_torch(count: int, dtype: torch.dtype, served: list[str]) -> None:
    centers, radius = torch.tensor([[0.1, 0.05, -0.12], [-0.2, 0.1, 0.1], [0.37, -0.38, 0.0]])[:count], 0.06
    planes = random_planes(dtype)
    local = cut_out(planes, windows_around(centers, radius, LOW, LENGTH, RESOLUTION))
    points = places_around(centers, radius, dtype)
    ours = with_slope(lookup_within, local, points)
    assert_alike(ours, with_slope(lookup_within_by_torch, local, points))
    assert_alike(ours[:1], (lookup_by_torch(planes, points, LOW, LENGTH),))
    assert served


def test_a_point_outside_the_windows_is_told(served: list[str]) -> None:
    centers = torch.tensor([[0.0, 0.0, 0.0]])
    local = cut_out(random_planes(torch.float32), windows_around(centers, 0.05, LOW, LENGTH, RESOLUTION))
    inside, outside, nowhere = [0.01, 0.02, 0.03], [0.01, 0.2, 0.03], [float("nan"), 0.0, 0.0]
    assert lookup_within(local, torch.tensor([[inside]]), LOW, LENGTH) is not None
    for beside in (outside, nowhere):
        assert lookup_within(local, torch.tensor([[inside, beside]]), LOW, LENGTH) is None
        with pytest.raises(ValueError, match="outside the windows"):
            lookup_local(local, torch.tensor([[inside, beside]]), LOW, LENGTH)
    assert len(served) == 1


def test_a_window_as_large_as_the_plane_is_not_the_whole_plane_where_it_begins_elsewhere(served: list[str]) -> None:
    planes, size = random_planes(torch.float32), (RESOLUTION, RESOLUTION)
    local = cut_out(planes, Windows(size, size, ((-3, 2),) * 3))
    centre = torch.full((1, 1, 3), LOW + 0.5 * LENGTH)
    assert_alike((lookup_local(local, centre, LOW, LENGTH),), (lookup_by_torch(planes, centre, LOW, LENGTH),))
    assert lookup_within(local, centre + 0.48 * LENGTH, LOW, LENGTH) is None
    assert lookup_within(local, centre - 0.48 * LENGTH, LOW, LENGTH) is None


def test_whole_planes_are_read_at_no_point_and_left_to_torch_at_one_that_is_no_number() -> None:
    planes = random_planes(torch.float32)
    assert lookup(planes, torch.zeros(1, 0, 3), LOW, LENGTH).shape == (1, 0, 5)
    points = torch.tensor([[[0.1, 0.1, 0.1], [float("nan"), 0.0, 0.0]]])
    assert torch.allclose(
        lookup(planes, points, LOW, LENGTH), lookup_by_torch(planes, points, LOW, LENGTH), equal_nan=True
    )


def test_the_gradient_in_points_is_that_of_finite_differences() -> None:
    planes = random_planes(torch.float64, channels=3)
    points = LOW + LENGTH * torch.rand(1, 12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.autograd.gradcheck(lambda p: lookup(planes, p, LOW, LENGTH), points.requires_grad_(), eps=1e-7)


def test_planes_that_want_a_gradient_get_it(served: list[str]) -> None:
    planes = random_planes(torch.float64).requires_grad_()
    points = LOW + LENGTH * (0.1 + 0.8 * torch.rand(1, 9, 3, dtype=torch.float64))
    points.requires_grad_()
    found, seeds = lookup(planes, points, LOW, LENGTH), torch.randn(4, 1, 9, 5, dtype=torch.float64)
    assert served
    theirs = lookup_by_torch(planes, points, LOW, LENGTH)
    assert_alike(
        torch.autograd.grad(found, (points, planes), seeds[0], retain_graph=True),
        torch.autograd.grad(theirs, (points, planes), seeds[0], retain_graph=True),
    )
    together = torch.autograd.grad(found, (points, planes), seeds, is_grads_batched=True)
    assert_alike(together, torch.autograd.grad(theirs, (points, planes), seeds, is_grads_batched=True))


def test_what_is_found_does_not_depend_on_whether_a_gradient_is_wanted() -> None:
    """Else a handle that has arrived would be moved by the signs of rounding errors."""
    centers = torch.tensor([[0.1, 0.0, 0.0]])
    local = cut_out(random_planes(torch.float32), windows_around(centers, 0.05, LOW, LENGTH, RESOLUTION))
    points = places_around(centers, 0.04, torch.float32)
    wanted = LocalPlanes(local.texels.clone().requires_grad_(), local.windows)
    with_gradient, without = lookup_local(wanted, points, LOW, LENGTH), lookup_local(local, points, LOW, LENGTH)
    assert with_gradient.requires_grad and torch.equal(with_gradient, without)


def test_without_numba_torch_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    planes, points = random_planes(torch.float32), LOW + LENGTH * torch.rand(1, 50, 3)
    ours = with_slope(lookup, planes, points)
    monkeypatch.setattr(lookup_kernels, "kernels", lambda dtype: None)
    theirs = with_slope(lookup, planes, points)
    assert torch.equal(theirs[0], lookup_by_torch(planes, points, LOW, LENGTH))
    assert_alike(ours, theirs)
