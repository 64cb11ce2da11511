"""An animation shows the frames it was given, at the pace it was given, and is written completely or not at all."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drag3d.export import animation
from drag3d.export.animation import paced, write_animation
from get3d_models.errors import InputError

SUFFIXES = [".mp4", ".gif"]
SIZES = [(96, 128), (75, 101), (64, 33)]


def scene(step: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A ball that wanders over a smooth ground."""
    y, x = np.mgrid[0:height, 0:width] / height
    frame = np.stack([0.85 - 0.4 * y, 0.6 + 0.2 * np.sin(3 * x), 0.4 + 0.2 * x], axis=-1)
    frame[np.hypot(x - 0.2 - 0.07 * step, y - 0.5) < 0.15] = [0.9, 0.14, 0.18]
    return np.round(255 * frame.clip(0, 1)).astype(np.uint8)


def decoded_mp4(path: Path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def decoded_gif(path: Path) -> list[np.ndarray]:
    """The pictures of a GIF, each as often as its duration says."""
    with Image.open(path) as image:
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames += [np.asarray(image.convert("RGB"))] * round(image.info["duration"] / 80)
        return frames


def decoded(path: Path) -> list[np.ndarray]:
    return decoded_mp4(path) if path.suffix == ".mp4" else decoded_gif(path)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", SIZES)
def test_the_frames_come_back_in_order_with_both_ends_held(suffix: str, size: tuple[int, int], tmp_path: Path) -> None:
    frames = [scene(step, *size) for step in range(6)]
    path = write_animation(tmp_path / f"a{suffix}", iter(frames), fps=12, hold=0.5)
    shown = decoded(path)
    expected = [frames[0]] * 6 + frames + [frames[-1]] * 6
    assert len(shown) == len(expected)
    height, width = size
    for got, given in zip(shown, expected, strict=True):
        assert difference(got[:height, :width], given) < 4  # of 255
        others = [frame for frame in frames if frame is not given]
        assert difference(got[:height, :width], given) < min(difference(got[:height, :width], f) for f in others)


@pytest.mark.parametrize("size", SIZES)
def test_an_mp4_is_what_every_player_plays(size: tuple[int, int], tmp_path: Path) -> None:
    import av

    path = write_animation(tmp_path / "a.mp4", [scene(step, *size) for step in range(3)], fps=10)
    with av.open(str(path)) as container:
        (stream,) = container.streams
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 10)
        assert (context.colorspace, context.color_range) == (1, 1)  # BT.709, limited
        assert (context.width, context.height) == tuple(side + side % 2 for side in reversed(size))
        assert float(stream.duration * stream.time_base) == pytest.approx(1.7)  # 3 frames and twice 0.7 s
    head = path.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")  # plays before it has come in completely


def test_an_odd_size_gains_a_copy_of_the_last_pixel_and_loses_none(tmp_path: Path) -> None:
    frame = np.zeros((33, 65, 3), np.uint8)
    frame[:, -1] = frame[-1] = 255
    (shown,) = decoded_mp4(write_animation(tmp_path / "a.mp4", [frame], hold=0))
    assert shown.shape == (34, 66, 3) and shown[:, 64:].min() > 230 and shown[32:].min() > 230
    assert shown[:30, :62].max() < 25


def test_a_gif_keeps_the_colour_of_few_pixels_and_lets_what_stands_still_stand_still(tmp_path: Path) -> None:
    frames = [scene(0, 200, 200) for _ in range(2)]
    for frame, left in zip(frames, (40, 120), strict=True):
        frame[150:154, left : left + 4] = [31, 95, 224]  # 16 of 40,000 pixels, of a colour found nowhere else
    shown = decoded_gif(write_animation(tmp_path / "a.gif", frames, hold=0))
    for got, left in zip(shown, (40, 120), strict=True):
        assert difference(got[150:154, left : left + 4], np.array([31, 95, 224])) < 12
    assert np.array_equal(shown[0][:140], shown[1][:140])


def test_a_gif_repeats_for_ever(tmp_path: Path) -> None:
    with Image.open(write_animation(tmp_path / "a.gif", [scene(0), scene(1)])) as image:
        assert image.info["loop"] == 0


def test_an_mp4_needs_memory_for_few_frames(tmp_path: Path) -> None:
    given: list[weakref.ref[np.ndarray]] = []
    alive = []

    def frames() -> Iterator[np.ndarray]:
        for step in range(10):
            alive.append(sum(frame() is not None for frame in given))
            frame = scene(step)
            given.append(weakref.ref(frame))
            yield frame
            del frame

    write_animation(tmp_path / "a.mp4", frames())
    assert len(alive) == 10 and max(alive) <= 2


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_on_the_way_leaves_the_older_file_and_nothing_else(
    suffix: str, error: type[BaseException], tmp_path: Path
) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield scene(0)
        yield scene(1)
        raise error

    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"precious")
    with pytest.raises(error):
        write_animation(path, frames())
    assert [p.name for p in tmp_path.iterdir()] == [path.name] and path.read_bytes() == b"precious"


def test_without_pyav_an_mp4_is_refused_in_one_sentence_and_a_gif_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"pip install av.*\.gif") as caught:
        write_animation(tmp_path / "a.mp4", [scene(0)])
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []
    assert animation.missing_for("A.MP4") and animation.missing_for("a.gif") is None
    assert write_animation(tmp_path / "a.gif", [scene(0)]).is_file()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([], "at least one frame"),
        ([scene(0), scene(0, 50, 50)], "one size"),
        ([scene(0).astype(float)], "uint8"),
        ([scene(0)[..., 0]], r"\(H, W, 3\)"),
    ],
)
def test_frames_that_cannot_be_shown_are_refused(
    suffix: str, frames: list[np.ndarray], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        write_animation(tmp_path / f"a{suffix}", frames)
    assert list(tmp_path.iterdir()) == []


def test_other_suffixes_and_paces_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.mp4 or \.gif"):
        write_animation(tmp_path / "a.avi", [scene(0)])
    with pytest.raises(InputError, match="frames a second"):
        write_animation(tmp_path / "a.gif", [scene(0)], fps=0)
    with pytest.raises(InputError, match="stand still"):
        write_animation(tmp_path / "a.gif", [scene(0)], hold=-1)


@pytest.mark.parametrize("count", [1, 2, 5, 24, 60, 120, 121, 1000])
def test_pacing_shows_both_ends_and_keeps_the_order(count: int) -> None:
    frames = paced(count, 24, 120)
    assert (frames[0], frames[-1]) == (0, count - 1) and frames == sorted(frames)
    assert len(frames) == min(max(count, 24), 120)
    assert set(frames) == set(range(count)) if count <= 120 else len(set(frames)) == 120
