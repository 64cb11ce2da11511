"""Whatever order a person does things in, nothing breaks, and window and session agree: events at random.

The real viewer, scene and studio, in one process: what the window asks is performed at once, in random portions.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from flat_world import FlatHost
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scene_stage import staged

from drag3d.viewer.application import Viewer
from drag3d.viewer.commands import COMMANDS
from drag3d.viewer.edits import Edits
from drag3d.viewer.intents import Generate, Intent
from drag3d.viewer.link import WorkerOptions
from drag3d.viewer.replies import Reply, Said
from drag3d.viewer.scene.pointer import Pointer
from drag3d.viewer.studio import Studio

pytestmark = pytest.mark.slow
WIDTH, HEIGHT = 240, 180
FEW_STEPS = 3
EXAMPLES = 100
"""Of each kind"""
FILES = ("save", "open", "export", "film")
"""Commands that ask the window for a name"""


class Bench:
    """A link to a studio in the same process; ``work`` lets it do one thing."""

    def __init__(self, model: str, folder: Path):
        self.replies: list[Reply] = []
        self.said: list[str] = []
        self.intents: deque[tuple[int, Intent]] = deque()
        self.number = 0
        options = WorkerOptions(model, seed=3, models=(model,), autosaves=folder, folder=folder, open_paths=False)
        self.studio = Studio(options, self._take)
        self.studio.begin()

    def _take(self, reply: Reply) -> None:
        self.replies.append(reply)
        if isinstance(reply, Said):
            self.said.append(reply.text)

    def send(self, intent: Intent) -> int:
        self.number += 1
        self.intents.append((self.number, intent))
        return self.number

    def poll(self) -> list[Reply]:
        replies, self.replies = self.replies, []
        return replies

    def work(self) -> bool:
        if self.intents:
            self.studio.perform(*self.intents.popleft())
        elif self.studio.patience is None:
            return False
        else:
            self.studio.work()
        return True

    def close(self, timeout: float = 5.0) -> None:
        pass


class Hands:
    """A viewer with everything behind it, and what random events do to it."""

    def __init__(self, model: Path, folder: Path, scene: Any):
        self.link = Bench(str(model), folder)
        self.scene, self.seen = scene, Counter[str]()
        self.viewer = Viewer(cast(Any, self.link), scene, cast(Any, FlatHost()))
        self.settle()

    @property
    def session(self) -> Any:
        edit = self.link.studio.edits.current
        assert edit is not None
        return edit.session

    def settle(self) -> None:
        """Until nothing is asked, running or to be shown."""
        for _ in range(500):
            self.viewer.tick()
            if not self.link.work() and not self.link.replies and self.viewer.wanted is None:
                return
        raise AssertionError("the viewer does not come to rest")

    def begin(self, seed: int) -> None:
        """As a new window on this seed: nothing of an example is left for the next."""
        self.viewer.show_help(False)
        self.viewer.give_up()
        for name, value in (("tool", "point"), ("erase", False), ("look", "textured"), ("in_view", False)):
            self.viewer.set_value(name, value)
        studio = self.link.studio
        studio.drive.end()
        studio.edits = Edits()
        self.link.send(Generate(seed, model=studio.options.source))
        self.settle()
        self.viewer.set_value("max_steps", FEW_STEPS)
        self.viewer.set_value("learning_rate", None)
        self.viewer.set_value("method", "default")
        self.viewer.run("reset_camera")
        self.settle()
        self.link.said.clear()

    def count(self) -> None:
        """What the examples have come to."""
        labels = [entry.label for edit in self.link.studio.edits for entry in edit.session.history.entries]
        self.seen["examples"] += 1
        self.seen["points"] += any(label.startswith("add point") for label in labels)
        self.seen["drags"] += any(label.startswith("drag") for label in labels)
        self.seen["regions"] += any("region" in label or "mask" in label for label in labels)
        self.seen["starts"] += len(list(self.link.studio.edits)) > 1

    def let_go(self) -> None:
        """Keys and buttons are up, a drag is stopped."""
        for key in ("c", "x", "y", "z", "n"):
            self.viewer.key(key, False)
        self.viewer.compare(False)
        self.settle()
        self.viewer.run("stop")
        self.viewer.give_up()
        self.settle()

    def do(self, event: tuple[Any, ...]) -> None:
        kind, *rest = event
        if kind == "mouse":
            what, x, y, button, shift, ctrl = rest
            self.viewer.pointer(Pointer(what, x * WIDTH, y * HEIGHT, button, shift, ctrl, False, 1.0))
        elif kind == "key":
            self.viewer.key(rest[0], rest[1])
        elif kind == "value":
            self.viewer.set_value(*rest)
        elif kind == "dot":
            marks = self.viewer.mirror.points()
            if rest[1] < len(marks):
                x, y = self.scene.to_screen(getattr(marks[rest[1]], rest[0]))
                self.viewer.pointer(Pointer("press", x, y, "left"))
        elif kind == "work":
            for _ in range(rest[0]):
                self.link.work()
            self.viewer.tick()


Events = list[tuple[Any, ...]]
PLACES = st.floats(0.0, 1.0)
MIDDLE = st.tuples(st.floats(0.4, 0.6), st.floats(0.4, 0.6))
"""Where the shape is"""
MOUSE = st.tuples(
    st.just("mouse"), st.sampled_from(["press", "move", "release", "wheel", "leave", "double"]), PLACES, PLACES,
    st.sampled_from(["left", "left", "left", "middle", "right"]), st.booleans(), st.booleans(),
)  # fmt: skip
KEYS = st.sampled_from([key for command in COMMANDS if command.name not in FILES for key in command.keys])
KEY = st.tuples(st.just("key"), KEYS, st.booleans())
VALUES = st.one_of(
    st.tuples(st.just("value"), st.just("tool"), st.sampled_from(["point", "brush", "box", "hammer"])),
    st.tuples(st.just("value"), st.just("method"), st.sampled_from(["default", "draggan", "none"])),
    st.tuples(st.just("value"), st.just("look"), st.sampled_from(["features", "clay", "textured", "none"])),
    st.tuples(st.just("value"), st.just("box"), st.just(((-0.5, 0.0, -0.5), (0.5, 0.5, 0.5)))),
    st.tuples(st.just("value"), st.just("learning_rate"), st.sampled_from([None, 0.01, -1.0, float("nan")])),
    st.tuples(st.just("value"), st.just("erase"), st.booleans()),
    st.tuples(st.just("value"), st.just("in_view"), st.booleans()),
    st.tuples(st.just("value"), st.just("truncation"), st.sampled_from([0.5, 1.0])),
)
WORK = st.tuples(st.just("work"), st.integers(0, 4))


def pressed(start: tuple[float, float], end: tuple[float, float], shift: bool = False, ctrl: bool = False) -> Events:
    """Press, move, release."""
    ways = (("press", start), ("move", end), ("release", end))
    return [("mouse", what, *at, "left", shift, ctrl) for what, at in ways]


POINT = st.tuples(MIDDLE, MIDDLE).map(
    lambda at: [("value", "tool", "point"), *pressed(at[0], at[0]), *pressed(at[1], at[1]), ("work", 2)]
)
PULL = st.tuples(MIDDLE, MIDDLE).map(lambda at: [*pressed(*at, ctrl=True), ("work", 1)])
DOT = st.tuples(st.sampled_from(["handle", "target"]), st.integers(0, 3), MIDDLE).map(
    lambda dot: [
        ("dot", *dot[:2]),
        ("mouse", "move", *dot[2], "", False, False),
        ("mouse", "release", *dot[2], "left", False, False),
    ]
)
STROKE = st.tuples(MIDDLE, MIDDLE, st.booleans()).map(
    lambda at: [("value", "tool", "brush"), *pressed(*at), ("work", 1), ("value", "tool", "point")]
)
START = st.integers(0, 6).map(lambda steps: [("key", "space", True), ("work", steps)])
DRAG = st.tuples(POINT, START).map(lambda parts: [*parts[0], *parts[1]])
STEP = st.just([("key", ".", True), ("work", 2)])
BACK = st.sampled_from(["ctrl+z", "ctrl+z", "ctrl+y"]).map(lambda key: [("key", key, True), ("work", 1)])
SINGLE = st.one_of(MOUSE, KEY, VALUES, WORK).map(lambda event: [event])
GESTURE = st.one_of(POINT, POINT, PULL, DOT, STROKE, START, DRAG, DRAG, STEP, BACK, SINGLE, SINGLE)
EVENTS = st.lists(GESTURE, min_size=8, max_size=16).map(lambda parts: [event for part in parts for event in part])


@pytest.fixture(scope="module", params=["shape", "image"])
def hands(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hands]:
    model = request.getfixturevalue("small_model") if request.param == "shape" else "portrait"
    with staged(WIDTH, HEIGHT) as (scene, _):
        yield Hands(model, tmp_path_factory.mktemp("autosaves"), scene)


def agree(hands: Hands) -> None:
    """The window shows the session as it is."""
    session, viewer = hands.session, hands.viewer
    document = viewer.mirror.document
    points = [(p.handle, p.target, p.enabled) for p in session.points]
    assert [(p.handle, p.target, p.enabled) for p in document.points] == points
    assert list(viewer.mirror.points()) == list(document.points)
    assert (document.seed, document.has_region) == (session.seed, session.region is not None)
    assert -1 <= viewer.selected < len(points)
    shown = viewer.mirror.shown
    if session.kind == "shape":
        assert np.array_equal(shown.vertices, session.shape.vertices.numpy())
    else:
        assert np.array_equal(shown.pixels, session.image)
    assert (shown.free is not None) == document.has_region


def test_any_order_of_events_leaves_a_session_that_the_window_agrees_with(hands: Hands) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
    @given(seed=st.integers(0, 5), events=EVENTS)
    def one_person(seed: int, events: Events) -> None:
        hands.begin(seed)
        for event in events:
            hands.do(event)
        hands.let_go()
        agree(hands)
        hands.count()
        assert not [text for text in hands.link.said if "unexpected" in text]
        back_and_forth(hands)

    one_person()
    for what in ("points", "drags", "regions", "starts"):  # else the hands were idle
        assert hands.seen[what] >= EXAMPLES / 20, hands.seen


def back_and_forth(hands: Hands) -> None:
    """Undo goes back to the start, and redo brings back what there was."""
    before = (hands.session, hands.session.latents, hands.session.points, hands.session.region)
    redone = 0
    while hands.link.studio.edits.redo_label:  # what was undone by the events themselves
        hands.viewer.key("ctrl+y", True)
        hands.settle()
        redone += 1
    for _ in range(redone):
        hands.viewer.key("ctrl+z", True)
        hands.settle()
    assert (hands.session, hands.session.latents, hands.session.points, hands.session.region) == before
    undone = 0
    while hands.viewer.mirror.document.undo:
        hands.viewer.key("ctrl+z", True)
        hands.settle()
        undone += 1
        assert undone < 200
    assert hands.session.points == () and hands.session.region is None
    agree(hands)
    for _ in range(undone):
        hands.viewer.key("ctrl+y", True)
        hands.settle()
    assert (hands.session, hands.session.latents, hands.session.points, hands.session.region) == before
    agree(hands)
