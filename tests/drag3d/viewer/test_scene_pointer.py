"""Mouse events come as plain values, from a window's interactor and from a browser; VTK itself does nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scene_stage import ball, staged

from drag3d.viewer.scene import Pointer, PointerEvents, Scene

Stage = tuple[Scene, Any, list[Pointer]]


@pytest.fixture(scope="module")
def drawn() -> Iterator[tuple[Scene, Any]]:
    with staged(400, 300) as (scene, plotter):
        scene.show_shape(*ball())
        yield scene, plotter


@pytest.fixture
def stage(drawn: tuple[Scene, Any]) -> Iterator[Stage]:
    received: list[Pointer] = []
    events = PointerEvents(drawn[1], received.append)
    yield (*drawn, received)
    events.close()


def from_browser(plotter: Any, kind: str, **fields: Any) -> None:
    """An event as trame-rca hands it to VTK; there, y counts from below."""
    from vtkmodules.vtkWebCore import vtkRemoteInteractionAdapter

    event = {"type": kind, "w": 400, "h": 300, "shiftKey": 0, "ctrlKey": 0, "altKey": 0, "metaKey": 0, **fields}
    assert vtkRemoteInteractionAdapter.ProcessEvent(plotter.iren.interactor, json.dumps(event))


def test_a_drag_comes_whole_with_places_from_the_upper_left(stage: Stage) -> None:
    _, plotter, received = stage
    interactor = plotter.iren.interactor
    interactor.SetEventInformation(100, 250, 0, 0)
    interactor.LeftButtonPressEvent()
    interactor.SetEventInformation(120, 240, 0, 1)
    interactor.MouseMoveEvent()
    interactor.SetEventInformation(130, 230, 1, 0)
    interactor.LeftButtonReleaseEvent()
    assert received == [
        Pointer("press", 100, 49, "left"),
        Pointer("move", 120, 59, shift=True),
        Pointer("release", 130, 69, "left", ctrl=True),
    ]


def test_every_button_and_the_wheel_are_told_apart(stage: Stage) -> None:
    _, plotter, received = stage
    interactor = plotter.iren.interactor
    interactor.SetEventInformation(0, 299, 0, 0)
    for name in ("Left", "Middle", "Right"):
        getattr(interactor, f"{name}ButtonPressEvent")()
        getattr(interactor, f"{name}ButtonReleaseEvent")()
    interactor.MouseWheelForwardEvent()
    interactor.MouseWheelBackwardEvent()
    interactor.LeaveEvent()
    assert [(event.kind, event.button, event.delta) for event in received] == [
        *((kind, button, 0.0) for button in ("left", "middle", "right") for kind in ("press", "release")),
        ("wheel", "", 1.0),
        ("wheel", "", -1.0),
        ("leave", "", 0.0),
    ]
    assert {(event.x, event.y) for event in received} == {(0, 0)}


def test_events_of_a_browser_are_the_same(stage: Stage) -> None:
    _, plotter, received = stage
    from_browser(plotter, "LeftButtonPress", x=10, y=20, shiftKey=1)
    from_browser(plotter, "MouseMove", x=15, y=20, altKey=1)
    from_browser(plotter, "LeftButtonRelease", x=15, y=25, ctrlKey=1)
    assert received == [
        Pointer("press", 10, 279, "left", shift=True),
        Pointer("move", 15, 279, alt=True),
        Pointer("release", 15, 274, "left", ctrl=True),
    ]
    received.clear()
    from_browser(plotter, "StartMouseWheel", x=15, y=25, spinY=1.0)
    from_browser(plotter, "MouseWheel", x=15, y=25, spinY=-1.0)
    from_browser(plotter, "EndMouseWheel", x=15, y=25, spinY=0)
    assert [(event.kind, abs(event.delta)) for event in received] == [("wheel", 1.0)]


def test_vtk_moves_no_camera_and_takes_no_key(stage: Stage) -> None:
    scene, plotter, received = stage
    before, camera = scene.screenshot(), scene.camera()
    interactor = plotter.iren.interactor
    interactor.SetEventInformation(100, 150, 0, 0)
    interactor.LeftButtonPressEvent()
    interactor.SetEventInformation(250, 100, 0, 0)
    interactor.MouseMoveEvent()
    interactor.LeftButtonReleaseEvent()
    for key in "qewsrpfv3C":
        interactor.SetKeyEventInformation(0, 0, key, 0, key)
        interactor.KeyPressEvent()
        interactor.CharEvent()
        interactor.KeyReleaseEvent()
    assert len(received) == 3
    scene.render()
    assert scene.camera() == camera
    assert np.array_equal(scene.screenshot(), before)


def test_after_close_nothing_comes_any_more(drawn: tuple[Scene, Any]) -> None:
    received: list[Pointer] = []
    events = PointerEvents(drawn[1], received.append)
    drawn[1].iren.interactor.MouseMoveEvent()
    assert len(received) == 1
    events.close()
    drawn[1].iren.interactor.MouseMoveEvent()
    assert len(received) == 1
