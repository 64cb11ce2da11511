"""The drag step of the older 3D editor, as it is published: the oracle and the opponent of the bench.

Each step synthesises all planes, of geometry and texture, twice: once with a graph for motion supervision, once more
after the update to track the handles. Then the signed field is asked for at every vertex of the grid and the surface
extracted. Convolutions scale their weights by the style (fused, as there), so that the gradient to the latents goes
through a gradient of every weight. Weights and decoders are a `get3d_models` generator's; nothing else of it is used.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from drag3d.bench.textbook_marching import textbook_marching_tetrahedra
from drag3d.core.methods.drag3d2023 import FROZEN_ROWS, LATTICE_SPACING, LEARNING_RATE, lattice
from get3d_models.generator import Generator
from get3d_models.layers import ModulatedConvolution, ToPlanes
from get3d_models.mesh import vertex_normals
from get3d_models.tetgrid import TetGrid


@dataclass
class TextbookResult:
    """What one step gave; detached."""

    loss: float
    gradient: Tensor
    """(rows that move, w_dim)"""
    latents: Tensor
    """(geometry rows, w_dim) after the update"""
    tracked: Tensor | None
    """(K,) which offset of the lattice each handle followed; None where it has not been looked for yet"""
    handles: Tensor
    """(K, 3) after tracking"""
    mesh: tuple[Tensor, Tensor, Tensor] | None
    """vertices (V, 3), faces (F, 3), normals (V, 3)"""


def in_default_layout(generator: Generator) -> Generator:
    """A copy whose kernels lie as PyTorch makes them, and those of the older editor do; ours lie as they are read."""
    copied = copy.deepcopy(generator)
    for kernels in copied.parameters():
        kernels.data = kernels.data.contiguous()
    return copied


class TextbookDrag:
    """A drag of K handles by Adam on the later geometry rows, moving by lattice steps; run :meth:`step` repeatedly."""

    def __init__(self, generator: Generator, ws_geometry: Tensor, ws_texture: Tensor, handles: Tensor, targets: Tensor):
        self.generator, self.ws_texture = in_default_layout(generator), ws_texture.detach()
        self.frozen = ws_geometry[:FROZEN_ROWS].detach().clone()
        self.moved = ws_geometry[FROZEN_ROWS:].detach().clone().requires_grad_()
        self.optimizer = torch.optim.Adam([self.moved], lr=LEARNING_RATE)
        self.handles, self.targets = handles.detach().clone(), targets
        self.lattice = lattice(generator.config.resolution).to(handles)
        self.step_length = LATTICE_SPACING / generator.config.resolution

    def latents(self) -> Tensor:
        """All geometry rows ``(rows, w_dim)``, with a graph to those that move."""
        return torch.cat([self.frozen, self.moved])

    def step(self, refresh_mesh: bool = True) -> TextbookResult:
        """Supervise, update, synthesise again, track and (unless told otherwise) extract the surface."""
        planes = textbook_planes(self.generator, self.latents(), self.ws_texture)[0]
        patches = self.handles[:, None] + self.lattice
        steps = F.normalize(self.targets - self.handles, dim=1) * self.step_length
        with torch.no_grad():
            references = self._features(planes, self.handles[:, None])
            here = self._features(planes, patches)
        loss = (self._features(planes, patches + steps[:, None]) - here).abs().mean()
        self.optimizer.zero_grad()
        loss.backward()
        assert self.moved.grad is not None
        gradient = self.moved.grad.clone()
        self.optimizer.step()

        with torch.no_grad():
            planes = textbook_planes(self.generator, self.latents(), self.ws_texture)[0]
            error = (self._features(planes, patches) - references).square().mean(dim=2)
            tracked = error.argmin(dim=1)
            self.handles = patches[torch.arange(len(patches)), tracked]
            mesh = self._mesh(planes) if refresh_mesh else None
        return TextbookResult(
            float(loss.detach()), gradient, self.latents().detach(), tracked, self.handles.clone(), mesh
        )

    def arrived(self) -> bool:
        """Whether every handle is within 0.01 of its target along each axis."""
        return bool(((self.targets - self.handles).abs() < 0.01).all())

    def _features(self, planes: Tensor, points: Tensor) -> Tensor:
        """``(3, C, R, R)`` at ``(K, M, 3)``: ``(K, M, C)``, plane by plane."""
        low, length = self.generator.box
        unit = ((points - low) / length).clamp(0, 1) * 2 - 1
        pairs = (unit[..., [0, 1]], unit[..., [1, 2]], unit[..., [0, 2]])
        sampled = [
            F.grid_sample(plane[None], pair[None], mode="bilinear", padding_mode="zeros", align_corners=False)[0]
            for plane, pair in zip(planes, pairs, strict=True)
        ]
        return (sampled[0] + sampled[1] + sampled[2]).permute(1, 2, 0)

    def _mesh(self, planes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        generator, grid = self.generator, self.generator.grid
        assert isinstance(grid, TetGrid)
        features, ws = self._features(planes, grid.vertices[None]), self.latents()[None]
        sdf = generator.signed_distance(features, ws)[0]
        places = grid.vertices + generator.deformation(features, ws)[0]
        vertices, faces = textbook_marching_tetrahedra(grid.tets, sdf, places)
        return vertices, faces, vertex_normals(vertices, faces)


def textbook_planes(generator: Generator, ws_geometry: Tensor, ws_texture: Tensor) -> tuple[Tensor, Tensor]:
    """Geometry and texture planes ``(3, C, R, R)`` of rows ``(rows, w_dim)``, by whole maps and scaled weights."""
    x: Tensor | None = None
    planes: Tensor | None = None
    rows = iter(ws_geometry.split(1))
    for i, block in enumerate(generator.synthesis.blocks):
        x = block.const[None] if x is None else _convolution(block.conv0, x, next(rows))
        x = _convolution(block.conv1, x, next(rows))
        geometry, texture = _to_planes(block.togeo, x, next(rows)), _to_planes(block.totex, x, ws_texture[i : i + 1])
        added = torch.cat([geometry, texture], dim=1)
        if planes is not None:
            stuffed = torch.zeros_like(added)
            stuffed[:, :, ::2, ::2] = planes
            added = added + _filter(F.pad(stuffed, (2, 1, 2, 1)), block.resample_filter)
        planes = added
    assert planes is not None
    geometry, texture = planes[0].unflatten(0, (2, 3, -1))
    return geometry, texture


def _convolution(layer: ModulatedConvolution, x: Tensor, w: Tensor) -> Tensor:
    weight = layer.weight * _affine(layer, w)[:, :, None, None]
    weight = weight * (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
    if layer.up:
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        x = _filter(F.pad(x, (1, 1, 1, 1)), layer.resample_filter)
    else:
        x = F.conv2d(x, weight, padding=1)
    x = x + layer.noise_const * layer.noise_strength + layer.bias[:, None, None]
    x = F.leaky_relu(x, 0.2) * math.sqrt(2)
    return x if layer.clamp is None else x.clamp(-layer.clamp, layer.clamp)


def _to_planes(layer: ToPlanes, x: Tensor, w: Tensor) -> Tensor:
    style = _affine(layer, w) / math.sqrt(x.shape[1])
    x = F.conv2d(x, layer.weight * style[:, :, None, None], layer.bias)
    return x if layer.clamp is None else x.clamp(-layer.clamp, layer.clamp)


def _affine(layer: ModulatedConvolution | ToPlanes, w: Tensor) -> Tensor:
    return F.linear(w, layer.affine.weight / math.sqrt(w.shape[1]), layer.affine.bias)


def _filter(x: Tensor, taps: Tensor) -> Tensor:
    channels = x.shape[1]
    return F.conv2d(x, (4 * taps).expand(channels, 1, 4, 4), groups=channels)
