"""Masks of images: what files and arrays say, and what of them is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from drag3d.session.masks import Mask
from get3d_models.errors import InputError

SIZE = (12, 8)
FREE = np.zeros((8, 12), dtype=bool)
FREE[2:5, 3:9] = True
LEVELS = np.where(FREE, 255, 0).astype(np.uint8)


def refused(given: Any, size: tuple[int, int] = SIZE) -> str:
    with pytest.raises(InputError) as error:
        Mask.of(given, size)
    text = str(error.value)
    assert "\n" not in text and text.isprintable() and len(text) < 400
    return text


def pictures() -> dict[str, Image.Image]:
    """The same mask, as paint programs may save it."""
    grey = Image.fromarray(LEVELS)
    colour = grey.convert("RGB")
    strokes = Image.new("RGBA", SIZE, (255, 255, 255, 0))  # white strokes on an empty layer
    strokes.putalpha(grey)
    cut_out = Image.new("LA", SIZE, (255, 255))
    cut_out.putalpha(grey)
    sixteen = Image.fromarray(np.where(FREE, 40_000, 20_000).astype(np.uint16))
    palette = colour.convert("P")
    transparent = Image.fromarray(np.where(FREE, 1, 0).astype(np.uint8), mode="P")
    transparent.putpalette([255, 255, 255, 255, 255, 255])
    transparent.info["transparency"] = 0
    return {
        "greyscale": grey,
        "1 bit": grey.convert("1"),
        "RGB": colour,
        "RGBA opaque": colour.convert("RGBA"),
        "RGBA strokes": strokes,
        "grey with alpha": cut_out,
        "16 bits": sixteen,
        "palette": palette,
        "palette with transparency": transparent,
        "grey levels near the middle": Image.fromarray(np.where(FREE, 128, 127).astype(np.uint8)),
    }


@pytest.mark.parametrize("kind", pictures())
def test_a_png_of_any_kind_says_the_same(kind: str, tmp_path: Path) -> None:
    pictures()[kind].save(tmp_path / "m.png")
    assert np.array_equal(Mask.of(tmp_path / "m.png", SIZE).free, FREE)
    assert np.array_equal(Mask.of(str(tmp_path / "m.png"), SIZE).free, FREE)


@pytest.mark.parametrize(
    "array", [FREE, LEVELS, torch.from_numpy(FREE), torch.from_numpy(LEVELS), FREE[:, ::-1][:, ::-1]]
)
def test_arrays_of_bool_and_of_levels_are_masks_too(array: Any) -> None:
    mask = Mask.of(array, SIZE)
    assert np.array_equal(mask.free, FREE) and not mask.all_free
    assert mask == Mask(FREE) and hash(mask) == hash(Mask(FREE)) and mask != Mask(~FREE)


def test_a_mask_keeps_a_copy_that_nobody_can_write_to() -> None:
    array = FREE.copy()
    mask = Mask.of(array, SIZE)
    array[:] = True
    assert np.array_equal(mask.free, FREE)
    with pytest.raises(ValueError, match="read-only"):
        mask.free[0, 0] = True


def test_a_place_may_move_when_the_pixel_it_lies_on_may() -> None:
    places = [(3, 2), (2.5, 2), (2.49, 2), (8.49, 4.49), (8.5, 4), (0, 0), (11, 7)]
    assert Mask(FREE).may_move(places).tolist() == [True, True, False, True, False, False, False]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (FREE.T, "8 x 12 pixels, but the image is 12 x 8"),
        (np.zeros((8, 12), bool), "black all over"),
        (np.zeros((8, 12), np.uint8), "nothing could move"),
        (FREE.astype(np.uint8), "give 0 and 1 as bool"),
        (FREE.astype(float), "bool or uint8, not of shape"),
        (LEVELS[..., None].repeat(3, 2), "not of shape"),
        ([[True]], "not list"),
        (5, "not int"),
        (np.zeros((0, 12), np.uint8), "not of shape"),
    ],
)
def test_arrays_that_are_no_mask_of_this_image_are_refused(given: Any, said: str) -> None:
    assert said in refused(given)


def test_a_png_of_another_size_or_all_black_is_refused_by_name(tmp_path: Path) -> None:
    Image.fromarray(LEVELS.T.copy()).save(tmp_path / "turned.png")
    assert f"the mask {tmp_path / 'turned.png'} is 8 x 12 pixels, but the image is 12 x 8" in refused(
        tmp_path / "turned.png"
    )
    Image.new("L", SIZE).save(tmp_path / "black.png")
    assert "black.png is black all over; paint white what may move" in refused(tmp_path / "black.png")


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def huge(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than anyone has."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_huge_pictures_are_refused_without_being_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    for width, height in ((200_000, 200_000), (10_000, 10_000), (2**31 - 1, 2**31 - 1)):
        path.write_bytes(huge(width, height))
        assert str(path) in refused(path)
    path.write_bytes(huge(*SIZE) + bytes(65 << 20))
    assert "too large" in refused(path)
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100 << 20)))
    valid = tmp_path / "valid.png"
    Image.fromarray(LEVELS).save(valid)
    content = valid.read_bytes()
    path.write_bytes(content[:33] + bomb + content[33:])
    assert "not a usable PNG" in refused(path)


def test_what_is_no_png_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "text.png").write_text("a mask? certainly not")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.fromarray(LEVELS).save(tmp_path / "really.jpg")
    (tmp_path / "really.jpg").rename(tmp_path / "jpeg.png")
    for name, said in (("folder", "is a directory"), ("missing", "does not exist")):
        assert said in refused(tmp_path / f"{name}.png")
    for name in ("text", "empty", "jpeg"):
        assert "not a usable PNG" in refused(tmp_path / f"{name}.png")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_png_with_any_byte_changed_or_its_end_cut_off_is_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    Image.fromarray(LEVELS).save(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        mask = Mask.of(path, SIZE)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert mask.free.shape == (8, 12) and mask.free.any()
