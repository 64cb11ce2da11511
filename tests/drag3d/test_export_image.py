"""Images as files: what other programs read of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from drag3d.export import write_image
from get3d_models.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def test_a_png_keeps_every_level_and_says_what_made_it(tmp_path: Path) -> None:
    made_by = {"model": "портрет", "seed": 7, "label": None, "truncation": 0.5}
    for given in (PIXELS, torch.from_numpy(PIXELS), PIXELS[:, ::-1][:, ::-1]):
        with Image.open(write_image(tmp_path / "a.PNG", given, metadata=made_by)) as image:
            assert np.array_equal(np.asarray(image), PIXELS) and image.mode == "RGB" and image.info["srgb"] == 0
            text = {"Software": "Drag3D", "model": "портрет", "seed": "7", "truncation": "0.5"}
            assert image.text == text  # type: ignore[attr-defined]


def test_a_jpeg_is_near_and_says_what_made_it(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 32 * 32 * 3).astype(np.uint8).reshape(32, 32, 3)
    with Image.open(write_image(tmp_path / "a.jpeg", ramp, metadata={"model": "m", "seed": 7})) as image:
        assert np.abs(np.asarray(image).astype(int) - ramp).max() < 16
        assert json.loads(image.info["comment"]) == {"Software": "Drag3D", "model": "m", "seed": 7}
        assert image.getexif()[0x0131] == "Drag3D"


def test_equal_images_give_equal_files(tmp_path: Path) -> None:
    for suffix in ("png", "jpg"):
        a, b = (write_image(tmp_path / f"{name}.{suffix}", PIXELS, metadata={"seed": 1}) for name in "ab")
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize(
    ("name", "pixels", "said"),
    [
        ("a.bmp", PIXELS, r"must end in one of \.png, \.jpg, \.jpeg"),
        ("a", PIXELS, "must end in one of"),
        ("a.png", PIXELS[..., :1], "must be of shape"),
        ("a.png", PIXELS.astype(float), "uint8"),
        ("a.png", PIXELS[:0], "must be of shape"),
        ("no/a.png", PIXELS, "does not exist"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(tmp_path: Path, name: str, pixels: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        write_image(tmp_path / name, pixels)
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []
