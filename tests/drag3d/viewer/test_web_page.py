"""What the page shows and sends, without a browser: values both ways, events, dialogs and files."""

from __future__ import annotations

import os
import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from flat_world import SHAPE, FlatLink, FlatScene, square

from drag3d.viewer.application import Viewer
from drag3d.viewer.commands import COMMANDS
from drag3d.viewer.controls import PANEL, TOOLBAR
from drag3d.viewer.intents import AddPoint, Configure, Export, Generate, OpenSession, SaveSession, WriteFilm
from drag3d.viewer.replies import Busy, Document, PointMark, Progress, Said
from drag3d.viewer.web import gestures, pagestate
from drag3d.viewer.web.host import BrowserHost
from drag3d.viewer.web.pagestate import SETTABLE, PageState, all_controls, curve, finite, shown

STATIC = Path(pagestate.__file__).with_name("static")


class Screen:
    """A viewer with a page that is only a dictionary."""

    def __init__(self, folder: Path):
        self.link, self.scene = FlatLink(), FlatScene()
        self.downloads: list[str] = []
        self.state: dict[str, Any] = {}
        self.host = BrowserHost(self.state, folder, self.downloads.append)
        self.viewer = Viewer(cast(Any, self.link), cast(Any, self.scene), self.host)
        self.host.viewer = self.viewer
        self.page = PageState(self.viewer, self.state)
        self.answer(SHAPE, square(1))

    def answer(self, *replies: Any) -> None:
        self.link.waiting.extend(replies)
        if self.viewer.tick():
            self.page.refresh()

    def typed(self, name: str, value: Any) -> None:
        """As trame: the state changes first, then whoever listens is told."""
        self.state[f"value_{name}"] = value
        self.page.changed(name)

    @property
    def last(self) -> Any:
        return self.link.sent[-1]


@pytest.fixture
def screen(tmp_path: Path) -> Screen:
    return Screen(tmp_path)


# ---- values -------------------------------------------------------------------------------------------------------


def test_every_value_of_the_controls_has_a_name_in_the_state(screen: Screen) -> None:
    assert {f"value_{name}" for name in SETTABLE} <= set(screen.state)
    assert {command.name for command in COMMANDS} <= set(screen.state["on"])
    assert len(list(all_controls())) > sum(len(section.items) for section in PANEL), "rows are taken apart"
    assert TOOLBAR


def test_only_what_has_changed_goes_to_the_page(screen: Screen) -> None:
    class Noting(dict[str, Any]):
        def __setitem__(self, name: str, value: Any) -> None:
            written.append(name)
            super().__setitem__(name, value)

    written: list[str] = []
    screen.page.state = Noting(screen.state)
    screen.page.refresh()
    assert written == []
    screen.answer(replace(SHAPE, seed=SHAPE.seed + 1))
    assert written == ["value_seed"]


def test_a_choice_of_the_page_goes_to_the_viewer_and_what_the_viewer_says_does_not_come_back(screen: Screen) -> None:
    screen.typed("method", "draggan")
    assert screen.last == Configure({"method": "draggan"})
    sent = len(screen.link.sent)
    screen.answer(replace(SHAPE, settings={**SHAPE.settings, "method": "draggan"}))
    screen.page.changed("method")  # as trame does after the server has set it
    assert len(screen.link.sent) == sent


def test_a_slider_counts_when_it_rests(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(pagestate.time, "monotonic", lambda: now)
    sent = len(screen.link.sent)
    for value in (0.9, 0.8, 0.7):
        now += 0.1
        screen.typed("truncation", value)
        screen.page.tick()
    screen.viewer.tick()
    assert len(screen.link.sent) == sent
    now += 1
    screen.page.tick()
    screen.viewer.tick()
    assert isinstance(screen.last, Generate) and screen.last.truncation == 0.7
    assert len(screen.link.sent) == sent + 1


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("max_steps", "12", 12),
        ("max_steps", "12.4", 12),
        ("max_steps", "-5", 0),
        ("learning_rate", "0,02", 0.02),
        ("learning_rate", " 1e-3 ", 0.001),
        ("tolerance", "", None),
    ],
)
def test_numbers_are_read_as_people_type_them(screen: Screen, name: str, text: str, meant: Any) -> None:
    screen.answer(replace(SHAPE, settings={**SHAPE.settings, name: 77}))
    screen.page.give(name, text)
    assert screen.last == Configure({name: meant})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_steps", "many"), ("max_steps", ""), ("max_steps", "nan"), ("max_steps", "1e999"), ("max_steps", None),
        ("max_steps", [1]), ("seed", {"a": 1}), ("method", "no such method"), ("tool", 3), ("look", None),
        ("no such value", 1), ("points", []),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_put_back(screen: Screen, name: str, value: Any) -> None:
    before, sent = screen.state.get(f"value_{name}"), len(screen.link.sent)
    if f"value_{name}" in screen.state:
        screen.state[f"value_{name}"] = value
    screen.page.give(name, value)
    screen.viewer.tick()
    assert len(screen.link.sent) == sent
    assert screen.state.get(f"value_{name}") == before


def test_what_the_worker_does_not_take_is_put_back_after_a_moment(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(pagestate.time, "monotonic", lambda: now)
    before = screen.state["value_max_steps"]
    screen.page.give("max_steps", "123")
    assert screen.state["value_max_steps"] == "123"
    screen.answer(Busy("something"), Said("error", "that cannot be"))
    now += 5
    screen.page.tick()
    assert screen.state["value_max_steps"] == "123", "it may still come"
    screen.answer(Busy(""))
    screen.page.tick()
    assert screen.state["value_max_steps"] == before


def test_tables_stay_while_somebody_types_into_them(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(pagestate.time, "monotonic", lambda: now)
    point = PointMark((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    screen.answer(replace(SHAPE, points=(point,)))
    assert screen.state["points"][0]["handle"] == ["0.100", "0.200", "0.300"]
    screen.page.edit_tables(True)
    moved = replace(SHAPE, points=(replace(point, handle=(0.9, 0.2, 0.3)),))
    screen.answer(moved)
    assert screen.state["points"][0]["handle"][0] == "0.100"
    made = screen.state["tables"]
    screen.page.edit_tables(False)
    now += 1
    screen.page.tick()
    assert screen.state["points"][0]["handle"][0] == "0.900"
    assert screen.state["tables"] == made + 1


def test_numbers_are_shown_with_the_digits_of_their_control() -> None:
    assert shown(SETTABLE["learning_rate"], 0.02) == "0.02"
    assert shown(SETTABLE["learning_rate"], 0.00001) == "1e-05"
    assert shown(SETTABLE["learning_rate"], None) == ""
    assert shown(SETTABLE["seed"], 3) == "3"
    assert shown(SETTABLE["truncation"], 0.7000000001) == 0.7
    for text in ("inf", "nan", "", "x", "1 2"):
        with pytest.raises(ValueError):
            finite(text)


def test_a_curve_starts_at_its_first_value_and_is_drawn_from_zero(screen: Screen) -> None:
    found = curve((4.0, 2.0, float("nan"), 1.0))
    assert found == {"line": "0.00,0.00 50.00,20.00 100.00,30.00", "first": "4", "last": "1"}
    assert curve((1.0,))["line"] == ""
    screen.answer(replace(SHAPE, progress=Progress("running", 2, (0.1,), curve=(0.3, 0.2, 0.1))))
    assert screen.state["curves"]["curve"]["last"] == "0.1"


def test_the_last_message_and_what_is_being_done_are_told(screen: Screen) -> None:
    screen.answer(Said("error", "no"), Busy("baking", 1, 4))
    assert (screen.state["message"]["text"], screen.state["message"]["level"]) == ("no", "error")
    assert screen.state["busy"] == {"text": "baking", "part": 25.0}


# ---- mouse and keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", [400, 800])
def test_two_clicks_of_the_page_make_a_point_whatever_the_size_of_the_picture(screen: Screen, edge: int) -> None:
    events = []
    for x, y in ((200, 200), (240, 200)):  # FlatScene has a hundred pixels to a unit, its middle at (200, 200)
        place = {"x": x / edge, "y": y / edge, "button": "left"}
        events += [{"kind": kind, **place} for kind in ("move", "press", "release")]
    gestures.take(screen.viewer, events, (edge, edge))
    added = [intent for intent in screen.link.sent if isinstance(intent, AddPoint)]
    assert len(added) == 1
    assert added[0].handle == pytest.approx((0, 0, 0))
    assert added[0].target == pytest.approx((0.4, 0, 0))


@pytest.mark.parametrize(
    "events",
    [
        None, 3, "text", [None], [[]], [{}], [{"kind": "press"}], [{"kind": "press", "x": "1", "y": 0}],
        [{"kind": "press", "x": float("nan"), "y": 0, "button": "left"}], [{"kind": "key"}], [{"kind": ["key"]}],
        [{"kind": "press", "x": 0.5, "y": 0.5, "button": "fourth"}], [{"kind": "key", "name": ["z"], "down": True}],
        [{"kind": "move", "x": 1e300, "y": 0}], [{"kind": "wheel", "x": 0.5, "y": 0.5, "delta": float("inf")}],
    ],
)  # fmt: skip
def test_events_that_make_no_sense_do_nothing(screen: Screen, events: Any) -> None:
    sent = len(screen.link.sent)
    gestures.take(screen.viewer, events, (400, 400))
    assert len(screen.link.sent) == sent
    assert screen.viewer.points.pending is None


def test_the_page_keeps_exactly_the_keys_that_do_something() -> None:
    assert set(gestures.KEYS) == {key for command in COMMANDS for key in command.keys}
    script = (STATIC / "page.js").read_text()
    for name in set(re.findall(r'kind: "(\w+)"', script)) | set(re.findall(r'pointer\("(\w+)"', script)):
        assert name in (*gestures.KINDS, "key")


# ---- files --------------------------------------------------------------------------------------------------------


def test_a_session_is_saved_into_the_sessions_folder_under_a_plain_name(screen: Screen, tmp_path: Path) -> None:
    screen.answer(replace(SHAPE, model="/home/somebody/my models/ünsafe; name.pt", seed=4))
    screen.viewer.run("save")
    assert isinstance(screen.last, SaveSession)
    path = Path(screen.last.path)
    assert path.parent == tmp_path
    assert re.fullmatch(r"[A-Za-z0-9_-]+-4-\d{6}\.drag3d", path.name)


def test_an_export_has_the_settings_of_its_dialog_as_far_as_its_format_knows_them(screen: Screen) -> None:
    def exported(**chosen: Any) -> tuple[str, dict[str, Any]]:
        screen.state.update(chosen)
        screen.host.export()
        assert isinstance(screen.last, Export)
        return Path(screen.last.path).suffix, screen.last.settings

    screen.viewer.run("export")
    assert screen.state["dialog"] == "export"
    assert exported(export_smooth="10", export_simplify="500") == (
        ".glb", {"texture_size": 1024, "unwrap": "fast", "smooth": 10, "simplify": 500},
    )  # fmt: skip
    assert screen.state["dialog"] == ""
    assert exported(export_format="stl") == (".stl", {"smooth": 10, "simplify": 500})
    assert exported(export_format="png") == (".png", {})
    assert exported(export_format="glb", export_vertex_colors=True, export_smooth="x", export_simplify="-1") == (
        ".glb", {"vertex_colors": True},
    )  # fmt: skip
    assert exported(export_format="../../evil", export_vertex_colors=False, export_texture=10**9)[0] == ".glb"
    assert "texture_size" not in screen.last.settings


def test_a_film_is_of_the_drag_or_once_round(screen: Screen) -> None:
    screen.viewer.run("film")
    assert screen.state["dialog"] == "film"
    screen.state |= {"film_turntable": True, "film_format": "gif"}
    screen.host.film()
    assert isinstance(screen.last, WriteFilm) and screen.last.turntable and screen.last.path.endswith(".gif")
    screen.answer(Document(kind="image", model="portrait"))
    screen.state["film_format"] = "exe"
    screen.host.film()
    assert isinstance(screen.last, WriteFilm) and not screen.last.turntable and screen.last.path.endswith(".mp4")


def test_an_obj_comes_with_its_material_and_texture(screen: Screen, tmp_path: Path) -> None:
    for name in ("a.obj", "a.mtl", "a_texture.png", "b.mtl"):
        (tmp_path / name).write_text(name)
    screen.host.written(str(tmp_path / "a.obj"))
    assert screen.downloads == ["a.zip"]
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert sorted(packed.namelist()) == ["a.mtl", "a.obj", "a_texture.png"]
    assert (tmp_path / "b.mtl").exists() and not (tmp_path / "a.obj").exists()


def test_only_the_last_files_stay_on_the_disk(screen: Screen, tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / f"{number}.glb"
        path.write_bytes(b"x")
        os.utime(path, (number, number))
        screen.host.written(str(path))
    kept = {path.name for path in tmp_path.iterdir()}
    assert "11.glb" in kept
    assert len(kept) <= 7


def test_an_upload_is_opened(screen: Screen, tmp_path: Path) -> None:
    screen.viewer.run("open")
    assert screen.state["dialog"] == "open"
    screen.host.open(str(tmp_path / "x.drag3d"))
    assert screen.last == OpenSession(str(tmp_path / "x.drag3d"))
    assert screen.state["dialog"] == ""
