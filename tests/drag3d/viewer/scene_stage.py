"""What the tests of the scene share: a scene off-screen, and shapes whose places are known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest
import trimesh

from drag3d.viewer.scene import Scene
from drag3d.viewer.scene.probe import opengl_trouble

GREY = (150, 150, 150)
trouble = cache(opengl_trouble)


@contextmanager
def staged(width: int = 400, height: int = 300) -> Iterator[tuple[Scene, Any]]:
    """A scene and the off-screen plotter that it draws in; skips where nothing can be drawn off-screen."""
    if reason := trouble():
        pytest.skip(reason)
    from drag3d.viewer.scene.offscreen import offscreen_plotter

    plotter = offscreen_plotter(width, height)
    scene = Scene(plotter)
    try:
        yield scene, plotter
    finally:
        scene.close()
        plotter.close()


def shape_of(mesh: trimesh.Trimesh, color: tuple[int, int, int] = GREY) -> tuple[np.ndarray, ...]:
    """Vertices, faces, normals and colours, as the scene takes them."""
    vertices = np.asarray(mesh.vertices, np.float32)
    normals = np.asarray(mesh.vertex_normals, np.float32)
    colors = np.tile(np.array(color, np.uint8), (len(vertices), 1))
    return vertices, np.asarray(mesh.faces, np.int32), normals, colors


def ball(radius: float = 0.5, color: tuple[int, int, int] = GREY) -> tuple[np.ndarray, ...]:
    """A ball around the origin, its vertices exactly at the radius."""
    return shape_of(trimesh.creation.icosphere(4, radius=radius), color)


def cube(side: float = 1.0) -> tuple[np.ndarray, ...]:
    """A cube around the origin."""
    return shape_of(trimesh.creation.box((side, side, side)))


def color_at(picture: np.ndarray, place: tuple[float, float]) -> np.ndarray:
    """(3,) the pixel of a picture at a place on the screen."""
    return picture[round(place[1]), round(place[0])].astype(int)
