"""Moving pictures of an edit: frames in, an MP4 or a GIF out.

- MP4: H.264 with 4:2:0 colours and BT.709 tags, its index in front, even sizes: what browsers, phones and slides play.
  Frames go to the encoder as they come. Needs PyAV (the extra `video`), whose wheels bring FFmpeg and x264.
- GIF: one palette for the whole animation, so that what stands still does not flicker, chosen so that rare colours (a
  red handle) get their share. Colours between two entries are mixed by a fixed pattern of dots: it depends on the place
  alone, so what does not change in the picture does not change in the file either, and takes no bytes. The palette
  needs all frames, so they wait for it, packed.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from drag3d.export.atomic import atomic_write
from drag3d.export.dots import dots
from get3d_models.errors import InputError

ANIMATION_SUFFIXES = (".mp4", ".gif")
FPS = 12
HOLD = 0.7
_CRF = 18  # x264's quality: 0 is lossless, 23 its default; at 18 one hardly sees a difference
_COLORS = 255  # the 256th entry of a GIF's palette is left for "as in the frame before"
_DOTS = 10.0  # how far the pattern of dots reaches from a colour, in levels of 256
_BT709, _LIMITED_RANGE = 1, 1  # FFmpeg's numbers

Frame = npt.NDArray[np.uint8]


def missing_for(path: str | os.PathLike[str]) -> str | None:
    """None when animations like `path` can be written here, else one sentence that says what is missing."""
    if Path(path).suffix.lower() != ".mp4":
        return None
    try:
        import av  # noqa: F401
    except ImportError:
        return "an .mp4 needs the package av (pip install av); a .gif needs nothing more"
    return None


def write_animation(path: str | os.PathLike[str], frames: Iterable[Any], *, fps: int = FPS, hold: float = HOLD) -> Path:
    """Write frames, each (H, W, 3) uint8 and all of one size, to `path`: .mp4 or .gif. Returns `path`.

    frames: any iterable; it is read once, and for an MP4 only one frame is held. hold: seconds for which the first and
    the last frame stand still. An odd width or height gains a pixel in an MP4 (the last one repeated).

    An older file is replaced in one step at the end, or left alone if anything fails. Raises `InputError` for another
    suffix, no frames, frames of different sizes, and where PyAV is needed and missing.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in ANIMATION_SUFFIXES:
        raise InputError(f"cannot write the animation {path}: its name must end in {' or '.join(ANIMATION_SUFFIXES)}")
    if reason := missing_for(path):
        raise InputError(f"cannot write the animation {path}: {reason}")
    if not 1 <= fps <= 60:
        raise InputError(f"an animation has 1 to 60 frames a second, not {fps}")
    if not 0 <= hold <= 60:
        raise InputError(f"the ends of an animation stand still for 0 to 60 seconds, not {hold}")
    write = _write_mp4 if suffix == ".mp4" else _write_gif
    with atomic_write(path) as temporary:
        write(temporary, _checked(frames), fps, round(hold * fps))
    return Path(path)


def paced(count: int, least: int, most: int) -> list[int]:
    """Which of `count` moments each frame shows, first and last included, in order.

    One frame for each moment; where that is fewer than `least` frames some are repeated, where it is more than `most`
    some are left out, evenly.
    """
    if count < 1:
        raise InputError("an animation needs at least one moment")
    frames = min(max(count, least), most)
    return [round(place) for place in np.linspace(0, count - 1, frames)]


def _checked(frames: Iterable[Any]) -> Iterator[Frame]:
    shape: tuple[int, ...] | None = None
    for frame in frames:
        array = np.asarray(frame)
        if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or 0 in array.shape:
            raise InputError(f"a frame must be of shape (H, W, 3) and uint8, not {array.shape} and {array.dtype}")
        if shape is not None and array.shape != shape:
            raise InputError(f"the frames of an animation must be of one size, not {shape} and {array.shape}")
        shape = array.shape
        yield array
    if shape is None:
        raise InputError("an animation needs at least one frame")


# ---- MP4 ----------------------------------------------------------------------------------------------------------


def _write_mp4(path: Path, frames: Iterator[Frame], fps: int, held: int) -> None:
    import av

    first = next(frames)
    height, width = (size + size % 2 for size in first.shape[:2])
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": str(_CRF)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, fps)
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        for number, array in enumerate(_with_held_ends(chain([first], frames), held)):
            rgb = np.pad(array, ((0, height - array.shape[0]), (0, width - array.shape[1]), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = number, context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _with_held_ends(frames: Iterator[Frame], held: int) -> Iterator[Frame]:
    """The frames, the first and the last of them `held` times more."""
    last = next(frames)
    yield from [last] * (1 + held)
    for last in frames:
        yield last
    yield from [last] * held


# ---- GIF ----------------------------------------------------------------------------------------------------------


def _write_gif(path: Path, frames: Iterator[Frame], fps: int, held: int) -> None:
    packed, histogram = [], _Histogram()
    shape: tuple[int, ...] = ()
    for frame in frames:
        shape = frame.shape
        histogram.add(frame)
        packed.append(zlib.compress(frame.tobytes(), 1))
    palette = histogram.palette()
    pattern = _DOTS * dots(*shape[:2])[..., None]

    def indexed(content: bytes) -> Image.Image:
        frame = np.frombuffer(zlib.decompress(content), np.uint8).reshape(shape)
        mixed = np.clip(frame + pattern, 0, 255).astype(np.uint8)
        return Image.fromarray(mixed).quantize(palette=palette, dither=Image.Dither.NONE)

    pause = 10 * round(100 / fps)  # milliseconds; the format counts hundredths of a second
    durations = [pause] * len(packed)
    for end in (0, -1):
        durations[end] += held * pause
    first, *rest = packed
    indexed(first).save(
        path, format="GIF", save_all=True, append_images=map(indexed, rest), duration=durations, loop=0, optimize=False
    )


class _Histogram:
    """Counts colours, 32 levels per channel, over all frames, and keeps the mean of each bin."""

    def __init__(self) -> None:
        self.counts = np.zeros(32**3)
        self.sums = np.zeros((32**3, 3))

    def add(self, frame: Frame) -> None:
        colors = frame.reshape(-1, 3)
        bins = (colors >> 3).astype(np.int32) @ np.array([1024, 32, 1], np.int32)
        self.counts += np.bincount(bins, minlength=32**3)
        for channel in range(3):
            self.sums[:, channel] += np.bincount(bins, weights=colors[:, channel], minlength=32**3)

    def palette(self) -> Image.Image:
        """A picture that holds the palette; each bin weighs as the root of its count, so that few pixels count too."""
        found = self.counts > 0
        means = np.round(self.sums[found] / self.counts[found, None]).astype(np.uint8)
        weights = np.sqrt(self.counts[found])
        repeats = np.ceil(weights * (200_000 / max(weights.sum(), 200_000))).astype(int)
        swatches = Image.fromarray(np.repeat(means, repeats, axis=0)[None])
        return swatches.quantize(_COLORS, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
