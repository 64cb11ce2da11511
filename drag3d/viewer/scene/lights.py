"""Light and backgrounds."""

from __future__ import annotations

from typing import Any

from vtkmodules.vtkRenderingCore import vtkLight

BACKGROUNDS = ("dark", "light", "gradient", "white")
"""Names, in the order in which they are gone through"""
# Colours at the bottom and at the top.
_PAPER = {
    "dark": ((30, 33, 39), (30, 33, 39)),
    "light": ((215, 222, 231), (246, 248, 250)),
    "gradient": ((38, 44, 54), (104, 116, 134)),
    "white": ((255, 255, 255), (255, 255, 255)),
}
# As the viewer sees them, right, up and towards the viewer: a warm key light from the upper left, a cool fill light
# from the right, one from behind that draws the rim, and one from the eye so that nothing is black.
_LAMPS = (
    ((-0.70, 0.85, 0.90), (1.00, 0.97, 0.92), 0.62),
    ((0.90, 0.10, 0.90), (0.88, 0.93, 1.00), 0.26),
    ((0.55, 0.75, -0.90), (0.90, 0.94, 1.00), 0.34),
    ((0.00, 0.00, 1.00), (1.00, 1.00, 1.00), 0.22),
)


def set_background(renderer: Any, name: str) -> None:
    """Paint what is behind everything. Unknown names raise KeyError."""
    low, high = _PAPER[name]
    renderer.SetBackground(*(value / 255 for value in low))
    renderer.SetBackground2(*(value / 255 for value in high))
    renderer.SetGradientBackground(low != high)


def set_lights(renderer: Any) -> None:
    """Put up our lights, which go along with the camera, instead of any others."""
    renderer.RemoveAllLights()
    renderer.SetAutomaticLightCreation(False)
    for place, color, strength in _LAMPS:
        lamp = vtkLight()
        lamp.SetLightTypeToCameraLight()
        lamp.SetPosition(*place)
        lamp.SetFocalPoint(0, 0, 0)
        lamp.SetColor(*color)
        lamp.SetIntensity(strength)
        renderer.AddLight(lamp)
