"""The viewer in a real browser: what a person does there, and what others do meanwhile."""

from __future__ import annotations

import math
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from chromium import Person, Served, chromium, served, why_not
from front_door import descendants, gone

if TYPE_CHECKING:
    from get3d_models import Generator

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]

BODY = (0.5, 0.47)
"""Shares of the view: a place on the animal"""
BESIDE = (0.62, 0.3)
ACCEPTED_CONSOLE = "paraview"


@pytest.fixture(scope="module")
def server(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The command, with room for two."""
    with served(small_model, tmp_path_factory.mktemp("served"), "--max-sessions", "2") as running:
        yield running
        assert "Traceback" not in running.log.read_text(), running.log.read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def settled(server: Served, browser: Any) -> Iterator[Person]:
    """Somebody whose shape is there."""
    person = Person(browser)
    person.open(server.address)
    person.wait_for_shape()
    yield person
    assert not person.troubles
    person.close()


@pytest.fixture
def anna(settled: Person) -> Person:
    """The same, beginning anew: no points, the first seed, the first view."""
    settled.key("Escape")
    settled.until(lambda: settled.state("texts")["status"] not in ("running", "paused"))
    if settled.state("value_seed") != "0":
        settled.field("seed").fill("0")
        settled.key("Enter")
    settled.until(lambda: settled.state("value_seed") == "0" and not settled.state("busy")["text"])
    if settled.state("points"):
        settled.key("Shift+Delete")
    settled.until(lambda: not settled.state("points"))
    settled.key("r")
    settled.page.wait_for_timeout(300)
    return settled


def place_point(person: Person, handle: tuple[float, float] = BODY, target: tuple[float, float] = BESIDE) -> None:
    """Click twice."""
    before = len(person.points())
    person.click(*handle)
    person.click(*target)
    person.until(lambda: len(person.points()) == before + 1)
    person.until(lambda: person.state("on")["start"])


def seen_from(person: Person, generator: Generator) -> tuple[Any, Any]:
    """The mesh of seed 0, and the rays through shares of the view: a function (x, y) -> origin, direction."""
    from drag3d.viewer.scene.offscreen import offscreen_plotter
    from drag3d.viewer.scene.scene import Scene

    shape = generator.sample(seed=0)
    vertices = shape.vertices.numpy().astype(np.float32)
    plotter = offscreen_plotter(*(int(length) for length in person.view[2:]))
    scene = Scene(plotter)
    flat = np.zeros_like(vertices)
    scene.show_shape(vertices, shape.faces.numpy().astype(np.int32), flat, flat.astype(np.uint8))
    scene.reset_camera()
    camera = scene.camera()
    plotter.close()
    assert camera is not None
    position = np.array(camera.position)
    forward = np.array(camera.focus) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, camera.up)
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    tangent = math.tan(math.radians(camera.field_of_view) / 2)

    def ray(x: float, y: float) -> tuple[Any, Any]:
        aside = (2 * x - 1) * tangent * camera.width / camera.height
        direction = forward + aside * right + (1 - 2 * y) * tangent * up
        return position, direction / np.linalg.norm(direction)

    return shape, ray


def nearest_hit(shape: Any, origin: Any, direction: Any) -> Any:
    """Where a ray meets the mesh first."""
    triangles = shape.vertices.numpy().astype(float)[shape.faces.numpy()]
    a, b, c = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    p = np.cross(direction, c)
    det = (b * p).sum(1)
    s = origin - a
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (s * p).sum(1) / det
        q = np.cross(s, b)
        v = (q * direction).sum(1) / det
        t = (c * q).sum(1) / det
    hits = t[(u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)]
    assert len(hits), "this pixel shows no surface"
    return origin + hits.min() * direction


def diagonal(shape: Any) -> float:
    vertices = shape.vertices.numpy()
    return float(np.linalg.norm(vertices.max(0) - vertices.min(0)))


def to_line(point: Any, origin: Any, direction: Any) -> float:
    away = np.array(point) - origin
    return float(np.linalg.norm(away - (away @ direction) * direction))


def check_pick(person: Person, generator: Generator) -> None:
    """A click makes a handle where the surface is seen, and a second one a target behind its pixel."""
    shape, ray = seen_from(person, generator)
    place_point(person)
    handle, target = person.points()[-1]
    left, top, width, height = person.view
    spots = [((x - left) / width, (y - top) / height) for x, y in (person.at(*BODY), person.at(*BESIDE))]
    truth = nearest_hit(shape, *ray(*spots[0]))
    assert math.dist(handle, truth) < 0.01 * diagonal(shape)
    assert to_line(target, *ray(*spots[1])) < 0.01 * diagonal(shape)
    assert math.dist(handle, target) > 0.1 * diagonal(shape)


# ---- one person ---------------------------------------------------------------------------------------------------


def test_a_click_makes_a_handle_at_the_point_that_the_pixel_shows(anna: Person, small_quadruped: Generator) -> None:
    check_pick(anna, small_quadruped)


def test_a_drag_moves_the_shape_until_it_is_stopped_and_is_undone_by_key_and_by_button(anna: Person) -> None:
    place_point(anna)
    before = anna.picture()
    handle = anna.points()[0][0]
    anna.button("start").click()
    anna.until(lambda: int(anna.state("texts")["steps"] or 0) >= 2)
    anna.button("stop").click()
    anna.until(lambda: anna.state("texts")["status"] not in ("running", "paused"))
    moved, target = anna.points()[0]
    assert math.dist(moved, target) < 0.95 * math.dist(handle, target)
    assert anna.state("curves")["curve"]["line"].count(",") >= 3
    anna.page.wait_for_timeout(700)
    left, top, width, height = (int(v) for v in anna.view)
    changed = np.abs(anna.picture().astype(int) - before)[top : top + height, left : left + width].max(-1) > 24
    assert changed.mean() > 0.002, "the picture follows"
    anna.key("Control+z")
    anna.until(lambda: anna.points() and math.dist(anna.points()[0][0], handle) < 1e-3)
    anna.button("undo").click()
    anna.until(lambda: not anna.points())
    anna.key("Control+y")
    anna.until(lambda: len(anna.points()) == 1)


def test_a_place_is_typed_as_a_whole_and_with_enter(anna: Person) -> None:
    place_point(anna)
    (handle, target) = anna.points()[0]
    anna.type_place(0, "target", (0.1, 0.7, 0.25))
    anna.until(lambda: anna.points() == [(handle, (0.1, 0.7, 0.25))], 10)
    anna.key("Control+z")
    anna.until(lambda: anna.points() == [(handle, target)], 10)
    anna.key("Control+z")
    anna.until(lambda: not anna.points(), 10)


def test_a_key_held_down_compares_and_letters_in_a_field_are_no_commands(anna: Person) -> None:
    place_point(anna)
    anna.page.keyboard.down("c")
    anna.until(lambda: anna.state("comparing"), 5)
    anna.page.keyboard.up("c")
    anna.until(lambda: not anna.state("comparing"), 5)
    field = anna.field("seed")
    field.click()
    anna.page.keyboard.type("b")
    anna.page.wait_for_timeout(300)
    assert anna.state("value_tool") == "point", "b belongs to the field"
    anna.key("Escape")
    anna.key("b")
    anna.until(lambda: anna.state("value_tool") == "brush", 5)
    anna.key("p")
    anna.until(lambda: anna.state("value_tool") == "point", 5)


def test_typed_numbers_count_and_nonsense_is_put_back(anna: Person) -> None:
    place_point(anna)
    field = anna.page.get_by_label("Target of point 0, y")
    field.fill("0,25")
    field.press("Enter")
    anna.until(lambda: anna.points()[0][1][1] == 0.25, 10)
    field.fill("nonsense")
    field.press("Enter")
    anna.until(lambda: field.input_value() == "0.250", 10)
    anna.field("seed").fill("3")
    anna.key("Enter")
    anna.until(lambda: anna.state("value_seed") == "3" and not anna.points())
    anna.field("seed").fill("-")
    anna.key("Enter")
    anna.until(lambda: anna.field("seed").input_value() == "3", 10)


def test_an_export_is_downloaded_and_opens_elsewhere(anna: Person, tmp_path: Path) -> None:
    import trimesh

    anna.key("Control+e")
    go = anna.page.locator("[data-test=do-export]")
    go.wait_for()
    path = anna.download(go.click, tmp_path)
    assert path.suffix == ".glb"
    mesh = trimesh.load_mesh(path)
    assert len(mesh.faces) > 500
    assert anna.state("dialog") == ""


def test_a_saved_session_is_downloaded_and_comes_back_when_it_is_uploaded(anna: Person, tmp_path: Path) -> None:
    place_point(anna)
    points = anna.points()
    path = anna.download(lambda: anna.key("Control+s"), tmp_path)
    assert path.suffix == ".drag3d"
    anna.key("Shift+Delete")
    anna.until(lambda: not anna.points())
    anna.button("open").click()
    anna.page.locator("[data-test=upload]").set_input_files(path)
    anna.until(lambda: len(anna.points()) == 1)
    assert anna.points() == points
    assert anna.state("dialog") == ""


def test_a_reload_of_the_page_keeps_the_edit(anna: Person) -> None:
    place_point(anna)
    points, address = anna.points(), anna.page.url
    anna.page.reload()
    anna.wait_for_shape()
    anna.until(lambda: anna.points() == points)
    assert anna.page.url == address


def test_the_page_asks_no_other_host_for_anything(anna: Person, server: Served) -> None:
    own = re.match(r"http://([^/]+)/", server.address)
    assert own
    asked = [url for url in anna.requests if not url.startswith(("blob:", "data:"))]
    assert len(asked) > 10
    assert not [url for url in asked if not re.match(rf"(http|ws)://{re.escape(own[1])}/", url)]


def test_no_picture_is_sent_when_nothing_changes(anna: Person) -> None:
    anna.page.wait_for_timeout(1500)
    count = "() => new Promise(done => { let n = 0; const look = new MutationObserver(() => n++);"
    count += " look.observe(document.querySelector('.drag3d-stage img'), {attributes: true});"
    still = anna.page.evaluate(count + " setTimeout(() => done(n), 1500); })")
    assert still == 0
    look = "new MutationObserver(() => window.counted++).observe(document.querySelector('.drag3d-stage'), what)"
    anna.page.evaluate(f"what => {{ window.counted = 0; {look}; }}", {"attributes": True, "subtree": True})
    anna.page.mouse.move(*anna.at(0.1, 0.9))
    anna.page.mouse.down()
    anna.page.mouse.move(*anna.at(0.3, 0.8), steps=8)
    anna.page.mouse.up()
    anna.until(lambda: anna.page.evaluate("window.counted") > 0, 10)


# ---- others -------------------------------------------------------------------------------------------------------


def test_two_people_at_once_do_not_see_or_disturb_each_other(anna: Person, server: Served, browser: Any) -> None:
    ben = Person(browser, ratio=2.0)
    try:
        ben.open(server.address)
        ben.wait_for_shape()
        assert ben.page.url != anna.page.url
        place_point(anna)
        ben.page.wait_for_timeout(500)
        assert ben.points() == []
        ben.field("seed").fill("5")
        ben.key("Enter")
        ben.until(lambda: ben.state("value_seed") == "5" and not ben.state("busy")["text"])
        ben.page.wait_for_timeout(500)
        assert (anna.state("value_seed"), len(anna.points())) == ("0", 1)
        assert np.abs(anna.picture().astype(int) - ben.picture()[::2, ::2]).max(-1).mean() > 1, "two shapes"
        addresses = anna.page.url, ben.page.url
        intruder = ben.context.new_page()
        assert intruder.goto(addresses[0]).status == 403
        assert "another browser" in intruder.content()
        intruder.close()
        intruder = anna.context.new_page()
        assert intruder.goto(addresses[1]).status == 403
        intruder.close()
        third = Person(browser)
        answer = third.open(server.address)
        assert answer.status == 503
        assert "All places are taken" in third.page.content()
        third.close()
        assert not ben.troubles
    finally:
        ben.close()


def test_a_server_that_is_killed_leaves_no_process_and_its_browser_finds_the_edit_again(
    small_model: Path, small_quadruped: Generator, browser: Any, tmp_path: Path
) -> None:
    clara = Person(browser, ratio=2.0)
    with served(small_model, tmp_path) as first:
        clara.open(first.address)
        clara.wait_for_shape()
        clara.key("r")
        clara.page.wait_for_timeout(500)
        check_pick(clara, small_quadruped)  # on a screen of two pixels to one of the page
        assert clara.page.evaluate("document.querySelector('.drag3d-stage img').naturalWidth") > 1400
        points = clara.points()
        clara.page.wait_for_timeout(1500)
        below = descendants(first.process.pid) if sys.platform.startswith("linux") else []
        first.process.kill()
        first.process.wait(10)
        assert gone(below), "they notice that the server is gone"
        assert not list((tmp_path / "tmp").glob("drag3d-web-*")), "and take their files along"
        clara.page.get_by_role("alert").wait_for()
        assert "The connection is gone" in clara.page.get_by_role("alert").inner_text()
    with served(small_model, tmp_path) as second:
        clara.open(second.address)
        clara.wait_for_shape()
        offer = clara.page.locator("[data-test=offer]")
        offer.wait_for()
        offer.get_by_text("Restore").click()
        clara.until(lambda: clara.points() == points)
    clara.close()


def test_the_process_of_a_session_talks_to_the_front_door_only(anna: Person, server: Served) -> None:
    ports = _listening_below(server.process.pid)
    assert ports, "each session listens somewhere"
    for port in ports:
        for path in ("index.html", "ws", "__drag3d/page.js"):
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10)
            assert refusal.value.code == 403
    assert anna.page.url


def _listening_below(pid: int) -> set[int]:
    """TCP ports on which the processes below one listen, from /proc."""
    if not sys.platform.startswith("linux"):
        pytest.skip("looks for ports in /proc")
    inodes = set()
    for child in descendants(pid):
        for entry in Path(f"/proc/{child}/fd").iterdir():
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink()))
            except OSError:
                continue
            if found:
                inodes.add(found[1])
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == "0A" and line[9] in inodes}
