"""Drawing with PyVista: shapes and images, marks, navigation and picking; the same in a Qt window and off-screen.

Positions on the screen are pixels of the render window, x to the right and y down, and whole numbers are the centres of
pixels: the upper left one is (0, 0). Nothing in here imports torch.
"""

from drag3d.viewer.scene.picking import Hit
from drag3d.viewer.scene.pointer import Pointer, PointerEvents
from drag3d.viewer.scene.scene import BACKGROUNDS, PLOTTER_OPTIONS, Scene

__all__ = ["BACKGROUNDS", "PLOTTER_OPTIONS", "Hit", "Pointer", "PointerEvents", "Scene"]
