"""A StyleGAN image as a subject: features of one block of the synthesis at pixels."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

import torch
from numpy.typing import NDArray
from torch import Tensor

from drag3d.core.settings import VARIANTS, DragSettings
from drag3d.core.subject import Responses
from drag3d.subjects.spread import latent_spread
from get3d_models.errors import InputError
from get3d_models.feature_map import FeatureMap
from get3d_models.layers import Noise
from get3d_models.stylegan2 import ImageGenerator, ImageLatents
from get3d_models.windows import Windows

PAPER_SIZE = 512
PAPER_PATCH, PAPER_SEARCH = 3, 12
PAPER_LAYERS = 6
PAPER_BLOCK = 5
PAPER_RATE = 2e-3
ANCHOR_SHARE = 0.03
REST_SHARE = 0.15
HOLD_WEIGHT = 6.0
COHERENCE = 1.5
REST_EDGE = 32
PICTURE_BLOCK = 3
MOST_DIRECTIONS = 96  # the strongest ones; each costs a synthesis when what should stay is looked at
AFFORDABLE_MULTIPLY_ADDS = 2e9


class ImageField:
    """One synthesis of the image, up to the block whose features are used and no further."""

    def __init__(self, subject: ImageSubject, latents: Tensor, centers: Tensor, radius: float):
        self.subject = subject
        self.ws = subject.rows(latents)
        self.local: FeatureMap | None = None
        generator = subject.generator
        if math.isfinite(radius) and generator.local_plan(centers, radius, subject.block).worth_it:
            self.local = generator.local_features(self.ws, centers, radius, subject.block, subject.noise)

    @cached_property
    def whole(self) -> FeatureMap:
        """The whole map, where windows around the handles are not enough."""
        with torch.enable_grad():  # tracking may be the first to ask, without a need of gradients; the step has one
            return self.subject.generator.feature_map(self.ws, self.subject.block, self.subject.noise)

    def features(self, points: Tensor) -> Tensor:
        """Features ``(M, C)`` at pixel coordinates ``(M, 2)``."""
        beyond = "zeros" if self.subject.released else "border"
        if self.local is not None and self.local.covers(points):
            return self.local.at(points, beyond)
        return self.whole.at(points, beyond)

    def descriptors(self, points: Tensor) -> Tensor:
        """The features."""
        return self.features(points)

    def lift(self, points: Tensor) -> Tensor:
        """The points themselves: an image is its own body."""
        return points.detach()

    def level(self, points: Tensor) -> Tensor | None:
        """None: an image has no surface."""
        return None

    def snap(self, points: Tensor, bounds: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """The nearest places in the image ``(M, 2)``; detached."""
        return points.detach().clamp_min(0).minimum(self.subject.last_pixel)


class ImageSubject:
    """An image whose latent can be dragged by points. Lengths are pixels, coordinates (x, y) as of the generator.

    ``layers`` is the number of first rows of the latent that a drag may move: by default all of them, for the methods
    of the paper its six. ``feature_block`` counts from 0; by default it is the paper's 6th block, or the last one of a
    smaller network. ``variant`` "released" has the geometry of DragGAN's released code instead of its paper's.
    """

    def __init__(
        self,
        generator: ImageGenerator,
        latents: ImageLatents,
        layers: int | None = None,
        feature_block: int | None = None,
        noise: Noise = "const",
        variant: str = "paper",
    ):
        rows = generator.config.rows
        if layers is not None and not 1 <= layers <= rows:
            raise InputError(f"the layers that may move are 1 to {rows} for model {generator.name!r}, not {layers}")
        if variant not in VARIANTS:
            raise InputError(f"unknown variant {variant!r}; known: {', '.join(VARIANTS)}")
        blocks = len(generator.config.channels)
        if feature_block is not None and not 0 <= feature_block < blocks:
            raise InputError(f"model {generator.name!r} has feature blocks 0 to {blocks - 1}, not {feature_block}")
        self.generator = generator
        self.noise, self.released = noise, variant == "released"
        self.block = generator.block_index(PAPER_BLOCK if feature_block is None else feature_block)
        self.latents = ImageLatents(latents.rows.detach().to(generator.device))
        self.start = self.latents.rows[: rows if layers is None else layers]
        spread = latent_spread(lambda z: generator.map(z)[:, 0], generator.config.z_dim, generator.device)
        self.basis = spread.directions[:MOST_DIRECTIONS].expand(len(self.start), -1, -1)
        self.origin = spread.coordinates(self.start)[:, :MOST_DIRECTIONS]
        self.groups = torch.zeros(len(self.start), dtype=torch.long, device=generator.device)
        width, height = generator.size
        self.last_pixel = torch.tensor([width - 1.0, height - 1.0], device=generator.device)
        scale = height / PAPER_SIZE
        self.patch_radius = float(max(1, round(PAPER_PATCH * scale)))
        self.search_radius = float(max(2, round(PAPER_SEARCH * scale)))
        self.anchor_radius = max(2.0, ANCHOR_SHARE * height)
        self.rest_distance = REST_SHARE * height
        self.hold_weight = HOLD_WEIGHT
        self.step_length = self.magnification = 1.0
        self.plane_resolution: int | None = None
        self.tolerance = max(2 * scale, 2.0 if self.released else 1.0)
        self.learning_rate, self.latent_unit = PAPER_RATE, 1.0
        self.extent = width * height
        watched = self._can_watch_all()
        self.rest, self.coherence = self._grid(REST_EDGE if watched else 0), COHERENCE if watched else 0.0

    @classmethod
    def for_settings(cls, generator: ImageGenerator, latents: ImageLatents, settings: DragSettings) -> ImageSubject:
        """The subject as the settings of a drag want it."""
        settings = completed(generator, settings)
        return cls(generator, latents, settings.layers, settings.feature_block, variant=settings.variant)

    def _can_watch_all(self) -> bool:
        """Whether derivatives of the whole map are affordable at every drag: on a CPU only of small generators."""
        cost = self.generator.local_plan(self.last_pixel[None], 1.0, self.block).whole_multiply_adds
        return self.generator.device.type != "cpu" or cost < AFFORDABLE_MULTIPLY_ADDS

    def _grid(self, edge: int) -> Tensor:
        """Pixels spread evenly over the image, ``edge`` along each side: ``(edge^2, 2)``."""
        shares = (torch.arange(edge, device=self.start.device) + 0.5) / max(1, edge)
        across, down = torch.meshgrid(shares, shares, indexing="xy")
        return (torch.stack([across.flatten(), down.flatten()], dim=1) * (self.last_pixel + 1) - 0.5).round()

    def places(self, body: Tensor) -> Tensor:
        """The pixels themselves."""
        return body

    def moved_rows(self, latents: ImageLatents) -> Tensor:
        """The rows ``(R, w_dim)`` of latents that this drag may change."""
        return latents.rows[: len(self.start)].to(self.start.device)

    def rows(self, moved: Tensor) -> Tensor:
        """All rows ``(1, rows, w_dim)`` for moved rows ``(R, w_dim)``."""
        return self.many_rows(moved[None])

    def many_rows(self, moved: Tensor) -> Tensor:
        """All rows ``(B, rows, w_dim)`` for moved rows ``(B, R, w_dim)``."""
        return torch.cat([moved, self.latents.rows[moved.shape[1] :].expand(len(moved), -1, -1)], dim=1)

    def unpack(self, moved: Tensor) -> ImageLatents:
        """The latents of the image for moved rows ``(R, w_dim)``."""
        return ImageLatents(self.rows(moved.detach().to(self.start.device))[0]).detach()

    def field(self, latents: Tensor, centers: Tensor, radius: float) -> ImageField:
        """One synthesis of moved rows ``(R, w_dim)``, of the windows that feed the points near centres if that pays."""
        return ImageField(self, latents, centers, radius)

    def responses(
        self, latents: Tensor, body: Tensor, points: Tensor | None, descriptors: bool = True, closely: bool = False
    ) -> Responses:
        """See :class:`drag3d.core.subject.Subject`. What tells of a change are the colours of a small version.

        That is the image as it stands after the block of 32 pixels, closely that of 64; features, where a network has
        no such images.
        """
        generator, picture = self.generator, min(self.block, PICTURE_BLOCK + closely)
        sizes = generator.config.map_sizes[: (picture if points is None else self.block) + 1]
        windows = [Windows.whole(*size) for size in sizes]
        if points is not None:
            centers = (points.amin(dim=1) + points.amax(dim=1)) / 2
            radius = 1.001 * float((points - centers[:, None]).norm(dim=2).max())
            plan = generator.local_plan(centers, radius, self.block)
            windows[picture + 1 :] = plan.blocks[picture + 1 :]
        maps, images = generator.synthesis.run(self.many_rows(latents), windows, self.noise, images=True)

        def at(texels: Tensor, of: Windows, places: Tensor) -> Tensor:
            """One map that has the channels of all latents: places are looked up once."""
            together = texels.unflatten(0, (len(latents), -1)).transpose(0, 1).flatten(1, 2)
            found = FeatureMap(together, of, generator.size).at(places, "zeros" if self.released else "border")
            return found.unflatten(1, (len(latents), -1)).transpose(0, 1)

        still = at((images or maps)[picture], windows[picture], body)
        if points is None:
            return Responses(None, None, still)
        return Responses(at(maps[-1], windows[-1], points.flatten(0, 1)).unflatten(1, points.shape[:2]), None, still)

    def offsets(self, radius: float, count: int, seed: int) -> Tensor:
        """The pixels of a disc around the origin, which is the first of them ``(M, 2)``; as many as there are."""
        pixels = _square(radius).to(self.start.device)
        return pixels[pixels.norm(dim=1) <= radius + 1e-6]

    def patch(self, handle: Tensor, radius: float, count: int, seed: int) -> Tensor:
        """The neighbourhood ``(M, 2)`` of a handle ``(2,)`` that is supervised: a disc, of what lies in the image.

        The released code measures distances on a grid that is stretched by one pixel over the image (facts section 2),
        and leaves out what is exactly at the radius.
        """
        pixels = handle + _square(radius + 1).to(handle)
        pixels = pixels[((pixels >= 0) & (pixels <= self.last_pixel)).all(dim=1)]
        if not self.released:
            return pixels[(pixels - handle).norm(dim=1) <= radius + 1e-6]
        stretched = pixels * (self.last_pixel + 1) / self.last_pixel
        return pixels[(stretched - handle).norm(dim=1) < radius]

    def candidates(self, radius: float, count: int, seed: int) -> Tensor:
        """Offsets ``(M, 2)`` at which a handle is looked for: a square of pixels, as in the paper."""
        return _square(radius).to(self.start.device)

    def hold_points(self, mask: NDArray) -> Tensor:
        """Pixels ``(M, 2)`` that stand for what must stay, of a mask ``(H, W)`` that is True where things may move.

        One for each texel of the feature map that covers such a pixel: what lies between is interpolated, and no area
        is too small to be held. The released code takes all.
        """
        width, height = self.generator.size
        rows, columns = (height, width) if self.released else self.generator.config.map_size(self.block)
        high, wide = height // rows, width // columns
        cells = torch.from_numpy(~mask.astype(bool)).view(rows, high, columns, wide).transpose(1, 2).flatten(2)
        down, across = torch.nonzero(cells.any(dim=2), as_tuple=True)
        first = cells[down, across].to(torch.uint8).argmax(dim=1)
        points = torch.stack([across * wide + first % wide, down * high + first // wide], dim=1)
        return points.to(self.start.device, torch.float32)


def completed(generator: ImageGenerator, settings: DragSettings) -> DragSettings:
    """Settings with the layers and the block that were left open: six rows for the paper's method, else all of them."""
    config = generator.config
    most = PAPER_LAYERS if settings.method == "draggan" else config.rows
    layers = min(most, config.rows) if settings.layers is None else settings.layers
    block = PAPER_BLOCK if settings.feature_block is None else settings.feature_block
    return replace(settings, layers=layers, feature_block=generator.block_index(block))


def _square(radius: float) -> Tensor:
    """Whole offsets up to ``radius`` along each axis, ``(M, 2)`` float32, the nearest to the origin first."""
    reach = math.floor(radius + 1e-6)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    square = torch.cartesian_prod(steps, steps)
    return square[square.norm(dim=1).argsort(stable=True)]
