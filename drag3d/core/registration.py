"""Registration of a handle's initial neighbourhood in a changed field: Lucas and Kanade (1981) on features.

A handle is told by the subject's descriptors and, for subjects with a surface, by the implicit function, each divided
by how fast it changes in space. They so have the unit of a length, and their difference tells roughly how far two
places are apart.

A neighbourhood moves by an affine map (Shi and Tomasi, 1994), because an ear that is dragged also turns. Its
*placement* is a vector of D + D^2 lengths: the translation of the handle, then the strain (the linear map minus
identity) times the neighbourhood's radius. Strain is resisted, so that a patch with little to see keeps its form; so of
a true strain only a part is found.
"""

from __future__ import annotations

import copy
from collections.abc import Collection

import torch
from torch import Tensor

from drag3d.core.subject import Field

LEVEL_SHARE = 0.7  # of the implicit function in a squared difference; the rest is the descriptors'
WINDOW = 2.0  # samples at the radius weigh exp(-WINDOW) of the centre
TRANSLATION_DAMPING = 0.01  # of the mean squared slope
STRAIN_STIFFNESS = 0.03  # of the mean squared slope: what pulls the strain back to zero
LARGEST_STRAIN = 1.2
ROUNDS, ITERATIONS = 2, 4
RIGID = 1e4  # times stiffer: no strain at all


class Neighbourhood:
    """The initial neighbourhoods of K handles, and where they are in other fields.

    :param handles: ``(K, D)``; ``offsets (M, D)`` fill a ball around each; ``spacing`` is that of finite differences.
    :param magnification: lengths of points for a length of the body.
    :param without: parts that are left out (:mod:`drag3d.core.methods.parts`).
    """

    def __init__(
        self, field: Field, handles: Tensor, offsets: Tensor, spacing: float, magnification: float = 1.0,
        without: Collection[str] = (),
    ):  # fmt: skip
        self.handles, self.offsets, self.spacing = handles, offsets, spacing
        self.magnification, self.without = magnification, without
        self.rigidity = RIGID if "strain" in without else 1.0
        self.count, self.dimensions = handles.shape
        self.radius = float(offsets.norm(dim=1).max().clamp_min(1e-12))
        self.feature_scale = self.level_scale = 1.0
        with torch.no_grad():
            self.window = self._window(field)
            self._measure_scales(field)
            self.reference = self.describe(field, self.unmoved())

    def alone(self, index: int) -> Neighbourhood:
        """That of one of the handles."""
        one, this = copy.copy(self), slice(index, index + 1)
        one.handles, one.window, one.reference = self.handles[this], self.window[this], self.reference[this]
        one.count = 1
        return one

    def unmoved(self) -> Tensor:
        """The placement at the start: zeros ``(K, D + D^2)``."""
        return unmoved(self.handles)

    def points(self, placement: Tensor) -> Tensor:
        """The samples ``(K, M, D)`` of placed neighbourhoods."""
        d = self.dimensions
        strain = placement[:, d:].unflatten(1, (d, d)) / self.radius
        return (self.handles + placement[:, :d])[:, None] + self.offsets + self.offsets @ strain.transpose(1, 2)

    def describe(self, field: Field, placement: Tensor) -> Tensor:
        """Descriptors ``(K, M, C)`` of placed samples; differentiable in the field's latents."""
        return self._describe(field, self.points(placement))

    def refresh(self, field: Field, placement: Tensor) -> None:
        """From now on compare with what is found there now."""
        with torch.no_grad():
            self.reference = self.describe(field, placement)

    def error(self, field: Field, placement: Tensor) -> Tensor:
        """Root mean square difference ``(K,)`` between the initial descriptors and those found there; a length."""
        with torch.no_grad():
            return self._mismatch(self.describe(field, placement) - self.reference)

    def register(self, field: Field, placement: Tensor, rounds: int = ROUNDS) -> tuple[Tensor, Tensor]:
        """Placements that fit best and their errors ``(K,)``, by Gauss-Newton from a guess.

        The slopes, which cost most, are found anew only in each round.
        """
        guess, d = placement, self.dimensions
        best, best_error = placement, torch.full((self.count,), torch.inf, device=placement.device)
        for _ in range(rounds):
            described, slope = self.with_slope(field, best)
            weighted, matrix = self._normal_equations(slope)
            stiffness = self._stiffness(slope)[:, None]
            # Along an edge nothing tells where a neighbourhood is: there, and only there, it stays where expected.
            firm = stiffness[:, :, None] * (TRANSLATION_DAMPING / STRAIN_STIFFNESS / self.rigidity)
            expected = firm.square() * torch.linalg.inv(matrix[:, :d, :d])
            placement = best
            for iteration in range(ITERATIONS + 1):
                difference = described - self.reference
                error = self._mismatch(difference)
                better = error < best_error
                best = torch.where(better[:, None], placement, best)
                best_error = torch.where(better, error, best_error)
                if iteration == ITERATIONS or not bool(better.any() or iteration == 0):
                    break
                right = -(weighted @ difference.flatten(1)[:, :, None])[:, :, 0]
                pull = (expected @ (placement - guess)[:, :d, None])[:, :, 0]
                right = right - torch.cat([pull, stiffness * placement[:, d:]], dim=1)
                placement = self._moved(placement, torch.linalg.solve(matrix, right))
                with torch.no_grad():
                    described = self.describe(field, placement)
        return best, best_error

    def _moved(self, placement: Tensor, step: Tensor) -> Tensor:
        """A placement after a step ``(K, D + D^2)``, of at most half a radius; strain is bounded."""
        d, limit, bound = self.dimensions, 0.5 * self.radius, LARGEST_STRAIN * self.radius
        placement = placement + step * (limit / step.norm(dim=1, keepdim=True).clamp_min(1e-12)).clamp_max(1.0)
        return torch.cat([placement[:, :d], placement[:, d:].clamp(-bound, bound)], dim=1)

    def explained(self, slope: Tensor, differences: Tensor) -> tuple[Tensor, Tensor]:
        """How n differences of descriptors ``(K, M, C, n)`` look like motion, and what of them is none.

        ``slope`` is that of :meth:`with_slope`. Returns translations ``(K, D, n)`` and the rest ``(K * M * C, n)``, all
        lengths; the squares of the latter add up to those of a mean over all handles.
        """
        weighted, matrix = self._normal_equations(slope)
        flat, root = differences.flatten(1, 2), self.window.sqrt().repeat_interleave(differences.shape[2], dim=1)
        placements = torch.linalg.solve(matrix, weighted @ flat)
        rest = flat * root[..., None] - (weighted / root[:, None].clamp_min(1e-12)).transpose(1, 2) @ placements
        return -placements[:, : self.dimensions], rest.flatten(0, 1) / self.count**0.5

    def motion(self, field: Field, placement: Tensor) -> Tensor:
        """``(K, D)`` whose derivative with respect to the latents is that of the fitted translations.

        By the implicit function theorem on the fit: dP/dw = -(A^T W A)^-1 A^T W d Phi_w / dw.
        """
        weighted, matrix = self._normal_equations(self.with_slope(field, placement)[1])
        inverse = torch.linalg.inv(matrix)[:, : self.dimensions]
        return -(inverse @ weighted @ self.describe(field, placement).flatten(1)[:, :, None])[:, :, 0]

    def _normal_equations(self, slope: Tensor) -> tuple[Tensor, Tensor]:
        """From slopes ``(K, D, M, C)``: ``(K, P, M * C)`` weighted slopes A^T W and damped ``(K, P, P)`` A^T W A."""
        along = slope[:, :, None] * (self.offsets.t() / self.radius)[None, None, :, :, None]  # (K, D, D, M, C)
        full = torch.cat([slope, along.flatten(1, 2)], dim=1)
        weighted = (full * self.window[:, None, :, None]).flatten(2)
        matrix = weighted @ full.flatten(2).transpose(1, 2)
        stiffness = self._stiffness(slope)
        damping = torch.cat(
            [
                (stiffness * TRANSLATION_DAMPING / STRAIN_STIFFNESS / self.rigidity)[:, None].expand(
                    -1, self.dimensions
                ),
                stiffness[:, None].expand(-1, self.dimensions**2),
            ],
            dim=1,
        )
        return weighted, matrix + torch.diag_embed(damping)

    def _stiffness(self, slope: Tensor) -> Tensor:
        energy = (slope.square() * self.window[:, None, :, None]).sum(dim=(1, 2, 3)) / self.dimensions
        return STRAIN_STIFFNESS * self.rigidity * energy.clamp_min(1e-12)

    def with_slope(self, field: Field, placement: Tensor) -> tuple[Tensor, Tensor]:
        """Descriptors ``(K, M, C)`` and their slopes ``(K, D, M, C)`` in space, from one query; no gradient."""
        with torch.no_grad():
            here = self.points(placement)
            axes = torch.eye(self.dimensions, device=here.device) * self.spacing
            shifts = torch.cat([torch.zeros_like(axes[:1]), axes, -axes])
            described = self._describe(field, here[:, None] + shifts[None, :, None])
            ahead, behind = described[:, 1 : 1 + self.dimensions], described[:, 1 + self.dimensions :]
            return described[:, 0], (ahead - behind) / (2 * self.spacing)

    def _mismatch(self, difference: Tensor) -> Tensor:
        return (difference.square().sum(dim=2) * self.window).sum(dim=1).sqrt()

    def _describe(self, field: Field, points: Tensor) -> Tensor:
        """Descriptors ``(..., C)`` at points ``(..., D)``."""
        flat = points.flatten(0, -2)
        level = None if "level" in self.without else field.level(flat)
        return self.joined(self._features(field, flat), level).unflatten(0, points.shape[:-1])

    def joined(self, features: Tensor, level: Tensor | None) -> Tensor:
        """Descriptors ``(..., C + 1)`` of features ``(..., C)`` and level ``(...)``; all lengths."""
        if level is None or "level" in self.without:
            return features * self.feature_scale
        level = level[..., None] * (self.level_scale * LEVEL_SHARE**0.5)
        return torch.cat([features * (self.feature_scale * (1 - LEVEL_SHARE) ** 0.5), level], dim=-1)

    def _features(self, field: Field, points: Tensor) -> Tensor:
        return field.features(points) if "decoder" in self.without else field.descriptors(points)

    def _window(self, field: Field) -> Tensor:
        """Weights ``(K, M)`` of the samples, which add up to 1 for each handle: less, the farther away on the body.

        So what a picture shows beside a handle, but belongs to something far before or behind it, has no say.
        """
        points = self.points(self.unmoved())
        body = field.lift(points.flatten(0, 1)).unflatten(0, points.shape[:2])
        centers = field.lift(self.handles)[:, None]
        away = (body - centers).norm(dim=2) * (self.magnification / self.radius)
        window = torch.exp(-(0.0 if "window" in self.without else WINDOW) * away.square())
        return window / window.sum(dim=1, keepdim=True)

    def _measure_scales(self, field: Field) -> None:
        """Divide features and level by the root mean square of their slopes in the neighbourhoods."""
        points = self.points(self.unmoved()).flatten(0, 1)
        axes = torch.eye(self.dimensions, device=points.device) * self.spacing
        features = [self._features(field, points + a) - self._features(field, points - a) for a in axes]
        self.feature_scale = inverse_slope(features, self.spacing)
        if field.level(points[:1]) is not None:
            levels = [field.level(points + a) - field.level(points - a) for a in axes]  # type: ignore[operator]
            self.level_scale = inverse_slope([level[:, None] for level in levels], self.spacing)


def unmoved(handles: Tensor) -> Tensor:
    """The placement ``(K, D + D^2)`` of handles ``(K, D)`` that nothing has moved."""
    count, d = handles.shape
    return handles.new_zeros(count, d + d * d)


def inverse_slope(differences: list[Tensor], spacing: float) -> float:
    """One over the root mean square slope, of differences ``(M, C)`` along each axis over twice the spacing."""
    slope = torch.stack(differences).square().sum(dim=(0, 2)).mean().sqrt() / (2 * spacing)
    return float(1 / slope.clamp_min(1e-12))
