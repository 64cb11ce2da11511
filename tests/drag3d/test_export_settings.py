"""What cannot be written is refused before any work, in one line that says what to do instead."""

from __future__ import annotations

from typing import Any

import pytest

from drag3d.export import ExportSettings
from get3d_models.errors import InputError

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "tiny texture": ({"texture_size": 63}, "the texture size must be a whole number from 64 to 8192 texels"),
    "huge texture": ({"texture_size": 8193}, "the texture size must be a whole number from 64 to 8192 texels"),
    "half a texel": ({"texture_size": 512.5}, "not 512.5"),
    "a flag for a size": ({"texture_size": True}, "not True"),
    "three triangles": ({"simplify": 3}, "the triangles to simplify to must be a whole number from 4"),
    "a grid of one cell": ({"resolution": 1}, "the resolution of the grid must be a whole number from 8 to 256"),
    "too fine a grid": ({"resolution": 257}, "the resolution of the grid must be a whole number from 8 to 256"),
    "negative smoothing": ({"smooth": -1}, "the rounds of smoothing must be a whole number from 0 to 1000, not -1"),
    "endless smoothing": ({"smooth": 1001}, "the rounds of smoothing must be"),
    "no smoothing at all": ({"smooth": None}, "smooth must be a whole number"),
    "unknown unwrapping": ({"unwrap": "best"}, "unknown unwrapping 'best'; known: fast, quality"),
    "unknown setting": ({"texture": 512}, "unknown setting of an export 'texture'; known: texture_size, unwrap"),
    "size of no texture": ({"vertex_colors": True, "texture_size": 512}, "leave out the texture size"),
    "two of no texture": (
        {"vertex_colors": True, "texture_size": 512, "unwrap": "fast"},
        "there is no texture; leave out the texture size and the unwrapping",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_cannot_be_used_are_refused(name: str) -> None:
    given, said = REFUSED[name]
    with pytest.raises(InputError) as caught:
        ExportSettings.of(**given)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "given", "said"),
    [
        ("a.stl", {"texture_size": 512}, "a .stl file has no texture; leave out the texture size, or write a .glb"),
        ("a.ply", {"unwrap": "quality"}, "a .ply file has no texture; leave out the unwrapping, or write a .glb"),
        ("a.STL", {"vertex_colors": True}, "an .stl file has no colours; leave out vertex colours, or write a .ply"),
    ],
)
def test_settings_that_mean_nothing_for_a_format_are_refused(path: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        ExportSettings(**given).check_for(path)
    assert said in str(caught.value) and str(caught.value).startswith(path)


@pytest.mark.parametrize("path", ["a.glb", "a.OBJ", "a.ply", "a.stl"])
def test_the_defaults_fit_every_format_and_texture_where_one_can_be(path: str) -> None:
    settings = ExportSettings()
    settings.check_for(path)
    assert settings.textured(path) == (path in ("a.glb", "a.OBJ"))
    assert settings.given() == {}


def test_vertex_colours_take_the_place_of_the_texture() -> None:
    settings = ExportSettings(vertex_colors=True, simplify=100)
    assert not settings.textured("a.glb")
    assert settings.given() == {"vertex_colors": True, "simplify": 100}
