"""Light: conversions undo each other, gradients are those of finite differences, lamps light what faces them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drag3d.rendering.camera import OrthographicCamera, orbit
from drag3d.rendering.shading import (
    STUDIO,
    Light,
    Lighting,
    Material,
    light_directions,
    rolled_off,
    shade,
    to_display,
    to_linear,
    towards_viewer,
)
from drag3d.rendering.texturing import sample_texture
from get3d_models.errors import InputError

DARK = Lighting((Light((0.0, 0.0, 1.0), (0.5, 0.25, 0.125)),), sky=(0.0, 0.0, 0.0), ground=(0.0, 0.0, 0.0))
FRONT = torch.tensor([[0.0, 0.0, 1.0]])
MATT = Material(specular=0.0)


def unit(*rows: tuple[float, float, float]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)


def test_display_and_linear_light_are_converted_as_the_standard_says() -> None:
    levels = torch.linspace(0, 1, 256, dtype=torch.float64)
    assert torch.allclose(to_display(to_linear(levels)), levels, atol=1e-7)
    assert float(to_linear(torch.tensor(0.5))) == pytest.approx(0.21404, abs=1e-5)
    assert to_linear(torch.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]
    assert bool((to_linear(levels).diff() > 0).all())


def test_bright_light_is_compressed_and_dim_light_is_not() -> None:
    light = torch.linspace(0, 3, 301, dtype=torch.float64)
    shown = rolled_off(light)
    assert torch.equal(shown[:81], light[:81]) and float(shown.max()) <= 1
    assert bool((shown.diff() >= 0).all()) and float(shown[130]) < 1


def test_a_lamp_lights_by_the_cosine_and_from_the_front_only() -> None:
    normals = unit((0, 0, 1), (0, 1, 1), (1, 0, 0), (0, 0, -1))
    light = shade(torch.full((4, 3), 0.8), normals, FRONT.expand(4, 3), FRONT, DARK, MATT)
    lit = torch.tensor([[0.4, 0.2, 0.1]])
    assert torch.allclose(light, lit * torch.tensor([[1.0], [0.5**0.5], [0.0], [0.0]]), atol=1e-6)


def test_surroundings_light_from_above_more_than_from_below_and_less_where_they_are_hidden() -> None:
    around = Lighting((), sky=(0.6, 0.6, 0.6), ground=(0.2, 0.2, 0.2))
    normals, white = unit((0, 1, 0), (0, 0, 1), (0, -1, 0)), torch.ones(3, 3)
    none = torch.zeros(0, 3)
    light = shade(white, normals, FRONT.expand(3, 3), none, around, MATT)[:, 0]
    assert light.tolist() == pytest.approx([0.6, 0.4, 0.2])
    half = shade(white, normals, FRONT.expand(3, 3), none, around, MATT, torch.full((3,), 0.5))[:, 0]
    assert torch.allclose(half, light / 2)


def test_a_highlight_is_where_the_viewer_sees_the_lamp_mirrored() -> None:
    lamp = unit((0, 1, 1))
    tilt = torch.linspace(-40, 80, 121)
    normals = torch.stack([torch.zeros(121), tilt.deg2rad().sin(), tilt.deg2rad().cos()], dim=1)
    black = torch.zeros(121, 3)
    light = shade(black, normals, FRONT.expand(121, 3), lamp, DARK, Material(specular=0.1, shininess=80.0))[:, 0]
    assert float(tilt[light.argmax()]) == pytest.approx(22.5, abs=2)
    assert float(light.max()) > 0.1 and float(light[0]) < 1e-6


def test_a_surface_that_faces_the_viewer_shows_its_color() -> None:
    colors = to_linear(torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.05)
    camera = OrthographicCamera((0, 0, 3))
    light = shade(colors, FRONT.expand(200, 3), FRONT.expand(200, 3), light_directions(STUDIO, camera), STUDIO, MATT)
    assert float((to_display(light) - to_display(colors)).abs().max()) < 0.08


def test_gradients_of_all_that_is_shaded_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(3)
    colors, normals, towards = (torch.randn(6, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    share = torch.rand(6, generator=generator, dtype=torch.float64)
    inputs = [x.requires_grad_() for x in (colors.sigmoid(), normals, towards, share)]
    lights = light_directions(STUDIO, orbit(20, 10))

    def light(colors, normals, towards, share):
        normals, towards = (torch.nn.functional.normalize(v, dim=1) for v in (normals, towards))
        return to_display(shade(colors, normals, towards, lights, open_share=share))

    assert torch.autograd.gradcheck(light, inputs)


def test_lamps_go_with_the_viewer() -> None:
    front, side = (light_directions(STUDIO, orbit(azimuth)) for azimuth in (0, 90))
    turn = torch.tensor([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]], dtype=torch.float64)  # +z to +x, as a camera's azimuth
    assert torch.allclose(front @ turn, side, atol=1e-9)
    key = front[0]
    assert float(key[0]) < 0 < float(key[1]) and float(key[2]) > 0  # from the upper left


def test_points_look_to_the_eye_or_along_parallel_rays() -> None:
    points = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    eye = towards_viewer(orbit(0, 0, 2.0), points)
    assert torch.allclose(eye, unit((0, 0, 1), (-1, 0, 2)), atol=1e-6)
    assert torch.allclose(towards_viewer(OrthographicCamera((2, 0, 0)), points), unit((1, 0, 0), (1, 0, 0)), atol=1e-6)


# ---- textures -------------------------------------------------------------------------------------------------------


def test_a_texture_is_read_between_its_texels_and_ends_at_its_border() -> None:
    texture = torch.tensor([[[0.0], [1.0]], [[2.0], [3.0]]])
    places = torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [0.0, 0.0], [-3.0, 9.0]])
    assert sample_texture(texture, places)[:, 0].tolist() == pytest.approx([0, 1, 2, 1.5, 0, 2])


def test_a_texture_has_gradients_in_texels_and_places() -> None:
    generator = torch.Generator().manual_seed(0)
    texture = torch.rand(4, 5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    uv = (torch.rand(7, 2, generator=generator, dtype=torch.float64) * 0.6 + 0.2).requires_grad_()
    assert torch.autograd.gradcheck(sample_texture, (texture, uv))


@pytest.mark.parametrize(("shape", "uv"), [((4, 4), (3, 2)), ((4, 4, 3), (3, 3)), ((0, 4, 3), (3, 2))])
def test_what_is_no_texture_is_refused(shape: tuple[int, ...], uv: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="texture"):
        sample_texture(torch.zeros(shape), torch.zeros(uv))
    with pytest.raises(InputError, match="floats"):
        sample_texture(torch.from_numpy(np.zeros((2, 2, 3), np.uint8)), torch.zeros(1, 2))
