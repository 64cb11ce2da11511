"""The studio: intents become edits of sessions, drags can be held and changed, and errors are lines."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from desk import Desk, said
from PIL import Image

from drag3d.session import Session
from drag3d.viewer import intents as asked
from drag3d.viewer.replies import Busy, ImageShown, ShapeShown, Written
from get3d_models.checkpoint import write_generator
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator

EAR = (0.114, 0.233, 0.136)
ABOVE = (0.114, 0.333, 0.136)
FAR = (0.114, 0.9, 0.136)
"""Out of reach, so that a drag there goes on"""
CAMERA = asked.CameraState((0.0, 0.1, 2.8), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), 25.0, 300, 200)


@pytest.fixture
def desk(small_model: Path) -> Desk:
    """A coarse quadruped, seed 3."""
    return Desk(small_model, seed=3)


@pytest.fixture(scope="module")
def image_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, 32 x 32 pixels."""
    torch.manual_seed(0)
    config = ImageConfig(z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 16))
    generator = ImageGenerator(config, "tiny").requires_grad_(False).eval()
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    write_generator(path, generator)
    return path


@pytest.fixture
def picture(image_model: Path) -> Desk:
    """A small picture."""
    return Desk(image_model, seed=1)


def a_point(desk: Desk) -> asked.AddPoint:
    """The highest place of whatever shape is shown, to be raised."""
    x, y, z = (float(v) for v in desk.shown.vertices[desk.shown.vertices[:, 1].argmax()])
    return asked.AddPoint((x, y, z), (x, y + 0.1, z))


def dragging(desk: Desk, steps: int = 3) -> Desk:
    """In the middle of a drag that would go on."""
    desk.ask(asked.AddPoint(EAR, FAR), asked.Configure({"method": "draggan"}), asked.StartDrag())
    assert desk.work(1 + steps) == 1 + steps
    assert desk.document.progress.state == "running"
    return desk


# ---- what is shown ------------------------------------------------------------------------------------------------


def test_the_shape_and_the_original_are_shown_first(desk: Desk) -> None:
    shapes = [reply for reply in desk.replies if isinstance(reply, ShapeShown)]
    assert [shape.original for shape in shapes] == [False, True]
    shown, session = shapes[0], desk.session
    assert np.array_equal(shown.vertices, session.shape.vertices.numpy())
    assert np.array_equal(shown.faces, session.shape.faces.numpy())
    assert (shown.faces.dtype, shown.colors.dtype) == (np.int32, np.uint8)
    assert np.allclose(np.linalg.norm(shown.normals, axis=1), 1, atol=1e-5)
    assert np.abs(shown.colors - session.shape.vertex_colors.numpy() * 255).max() <= 0.51
    assert desk.document.kind == "shape" and desk.document.seed == 3 and not desk.document.unsaved


def test_loading_is_told_before_anything_is_there(desk: Desk) -> None:
    texts = [reply.text for reply in desk.replies if isinstance(reply, Busy)]
    assert texts == ["loading quadruped.safetensors", ""]


def test_features_are_colours_that_do_not_flicker(desk: Desk) -> None:
    assert desk.shown.features is None
    desk.ask(asked.Look(features=True))
    first = desk.shown.features
    assert first.shape == desk.shown.vertices.shape and first.dtype == np.uint8
    assert first.std(axis=0).min() > 20, "each channel tells something"
    desk.ask(asked.AddPoint(EAR, ABOVE), asked.StepDrag())
    desk.work(2)
    live = desk.shown
    before = desk.session.original_shape.vertices.numpy()[::50]
    near = [int(np.linalg.norm(live.vertices - v, axis=1).argmin()) for v in before]
    change = np.abs(live.features[near].astype(int) - first[::50].astype(int)).mean()
    assert change < 25, "one step changes little"


def test_the_window_is_never_more_than_two_versions_behind(small_model: Path) -> None:
    desk = Desk(small_model, draws=False, seed=3)
    desk.studio.perform(0, asked.Shown(10**6))
    dragging(desk, steps=12)
    shown = [reply for reply in desk.replies if isinstance(reply, ShapeShown) and not reply.original]
    assert len(shown) <= 1 + 2


# ---- undo, redo ---------------------------------------------------------------------------------------------------


def test_undo_and_redo_go_through_generations(desk: Desk) -> None:
    desk.ask(asked.AddPoint(EAR, ABOVE), asked.Generate(4))
    desk.ask(a_point(desk))
    seen = []
    while desk.document.undo:
        seen.append((desk.document.seed, desk.document.undo))
        desk.ask(asked.Undo())
    assert seen == [(4, "add point 0"), (4, "seed 4"), (3, "add point 0")]
    assert desk.document.seed == 3 and desk.document.points == ()
    seen = []
    while desk.document.redo:
        seen.append((desk.document.seed, desk.document.redo))
        desk.ask(asked.Redo())
    assert seen == [(3, "add point 0"), (3, "seed 4"), (4, "add point 0")]
    assert desk.document.seed == 4 and len(desk.document.points) == 1


def test_what_was_undone_before_a_generation_does_not_come_between(desk: Desk) -> None:
    desk.ask(asked.AddPoint(EAR, ABOVE), asked.Undo(), asked.Generate(4), asked.Undo())
    assert desk.document.seed == 3 and desk.document.redo == "seed 4"
    desk.ask(asked.Redo())
    assert desk.document.seed == 4 and desk.document.redo == ""


def test_an_edit_after_undo_forgets_later_generations(desk: Desk) -> None:
    desk.ask(asked.Generate(4), asked.Undo(), asked.AddPoint(EAR, ABOVE))
    assert desk.document.redo == ""
    desk.ask(asked.Redo())
    assert desk.document.seed == 3 and len(desk.document.points) == 1


def test_a_new_generation_shows_its_own_original_and_undo_the_old_one(desk: Desk) -> None:
    desk.ask(asked.Generate(4))
    second = desk.last(ShapeShown)
    assert second.original and np.array_equal(second.vertices, desk.shown.vertices)
    desk.ask(asked.Undo())
    assert desk.last(ShapeShown).original
    assert not np.array_equal(desk.last(ShapeShown).vertices, second.vertices)


def test_reset_can_be_undone_and_resetting_nothing_is_no_edit(desk: Desk) -> None:
    desk.ask(asked.Reset())
    assert desk.document.undo == ""
    desk.ask(asked.AddPoint(EAR, ABOVE), asked.Reset())
    assert desk.document.points == () and desk.document.undo == "reset"
    desk.ask(asked.Undo())
    assert len(desk.document.points) == 1


def test_settings_stay_from_seed_to_seed(desk: Desk) -> None:
    desk.ask(asked.Configure({"method": "draggan", "max_steps": 7, "latents_moved": "both"}), asked.Generate(9))
    assert desk.document.settings["method"] == "draggan"
    assert (desk.document.settings["max_steps"], desk.document.settings["latents_moved"]) == (7, "both")


# ---- points -------------------------------------------------------------------------------------------------------


def test_the_partner_of_a_point_is_its_mirror_image(desk: Desk) -> None:
    desk.ask(asked.AddPoint(EAR, ABOVE), asked.MirrorPoint(0))
    one, other = desk.document.points
    assert np.allclose(other.handle, np.array(one.handle) * (-1, 1, 1), atol=0.02)
    assert np.allclose(other.target, np.array(one.target) * (-1, 1, 1))


def test_a_point_in_the_middle_has_no_partner(desk: Desk) -> None:
    desk.ask(asked.AddPoint((0.0, 0.12, 0.31), (0.0, 0.2, 0.31)))
    lines = said(desk.ask(asked.MirrorPoint(0)), "error")
    assert len(lines) == 1 and "own mirror image" in lines[0]
    assert len(desk.document.points) == 1


def test_there_are_at_most_64_points(desk: Desk) -> None:
    desk.ask(*[asked.AddPoint(EAR, ABOVE)] * 64)
    assert len(desk.document.points) == 64
    assert said(desk.ask(asked.AddPoint(EAR, ABOVE)), "error") == ["there are at most 64 points here; remove one first"]
    assert len(desk.document.points) == 64


def test_a_handle_that_was_moved_onto_the_surface_is_noted(desk: Desk) -> None:
    lines = said(desk.ask(asked.AddPoint((0.13, 0.25, 0.136), ABOVE)), "note")
    assert len(lines) == 1 and "onto the surface" in lines[0]


# ---- dragging -----------------------------------------------------------------------------------------------------


def test_a_drag_arrives_and_says_so(desk: Desk) -> None:
    desk.ask(asked.AddPoint(EAR, (0.114, 0.263, 0.136)), asked.StartDrag())
    desk.work()
    progress = desk.document.progress
    assert (progress.state, progress.reason) == ("idle", "arrived")
    assert len(progress.curve) == progress.step + 1 and len(progress.losses) == progress.step > 0
    assert progress.curve[-1] < progress.curve[0] and progress.points == (0,)
    assert any(line.startswith("arrived after") for line in said(desk.replies, "done"))
    assert np.array_equal(desk.shown.vertices, desk.session.shape.vertices.numpy()), "the end is shown from scratch"
    assert desk.document.undo.startswith("drag, ")


def test_without_a_point_there_is_nothing_to_drag(desk: Desk) -> None:
    lines = said(desk.ask(asked.StartDrag()), "error")
    assert len(lines) == 1 and "no point to drag" in lines[0]
    assert desk.document.progress.state == "idle" and desk.studio.patience is None


def test_one_step_then_pause_then_on(desk: Desk) -> None:
    desk.ask(asked.AddPoint(EAR, FAR), asked.StepDrag())
    desk.work()
    assert (desk.document.progress.state, desk.document.progress.step) == ("paused", 1)
    after_one = desk.session.latents
    desk.ask(asked.StepDrag())
    desk.work()
    assert desk.document.progress.step == 2 and desk.session.latents is not after_one
    desk.ask(asked.StartDrag())
    desk.work(2)
    desk.ask(asked.PauseDrag())
    held = desk.session.latents
    assert desk.document.progress.state == "paused" and desk.work() == 0
    desk.ask(asked.StopDrag())
    assert desk.document.progress.state == "idle" and desk.session.latents is held
    assert desk.document.undo == f"drag, {desk.document.progress.step} steps"


def test_stopping_records_the_drag_and_undo_takes_it_back(desk: Desk) -> None:
    start = desk.session.latents
    dragging(desk)
    lines = said(desk.ask(asked.StopDrag()), "note")
    assert desk.document.undo == "drag, 3 steps" and any("asked to stop after 3 steps" in line for line in lines)
    desk.ask(asked.Undo())
    assert desk.session.latents is start


def test_settings_change_in_mid_drag_and_it_goes_on_with_the_steps_left(desk: Desk) -> None:
    dragging(desk)
    desk.ask(asked.Configure({"learning_rate": 0.001, "max_steps": 6}))
    assert desk.document.progress.state == "running" and desk.document.undo == "drag, 3 steps"
    desk.work()
    progress = desk.document.progress
    assert (progress.state, progress.step, progress.reason) == ("idle", 6, "step limit")
    assert desk.session.last_drag.settings.learning_rate == 0.001 and desk.session.last_drag.steps == 3


def test_settings_that_are_as_they_were_do_not_interrupt(desk: Desk) -> None:
    dragging(desk)
    desk.ask(asked.Configure({"method": "draggan", "learning_rate": None}))
    assert desk.document.undo == "add point 0" and desk.document.progress.state == "running"


def test_a_wrong_setting_leaves_the_drag_running(desk: Desk) -> None:
    dragging(desk)
    assert len(said(desk.ask(asked.Configure({"learning_rate": -1.0})), "error")) == 1
    assert desk.document.progress.state == "running" and desk.document.settings["learning_rate"] is None


def test_a_target_moves_in_mid_drag(desk: Desk) -> None:
    dragging(desk)
    desk.ask(asked.MovePoint(0, target=ABOVE))
    assert desk.document.progress.state == "running"
    desk.work(2)
    assert np.allclose(desk.document.points[0].target, ABOVE) and desk.document.progress.step >= 4


def test_a_drag_ends_when_its_last_point_goes(desk: Desk) -> None:
    dragging(desk)
    replies = desk.ask(asked.RemovePoint(0))
    assert desk.document.progress.state == "idle" and desk.document.points == ()
    assert any("the drag has ended" in line for line in said(replies, "note"))


def test_a_paused_drag_is_closed_by_a_change(desk: Desk) -> None:
    dragging(desk)
    desk.ask(asked.PauseDrag(), asked.MovePoint(0, target=ABOVE))
    assert desk.document.progress.state == "idle" and desk.document.undo == "move point 0"


@pytest.mark.parametrize("intent", [asked.Undo(), asked.Reset(), asked.Generate(5)], ids=lambda i: type(i).__name__)
def test_what_replaces_the_shape_ends_the_drag(desk: Desk, intent: asked.Intent) -> None:
    dragging(desk)
    desk.ask(intent)
    assert desk.document.progress.state == "idle" and desk.work() == 0


def test_a_drag_in_the_picture_has_distances_in_pixels(desk: Desk) -> None:
    desk.ask(asked.AddPoint(EAR, ABOVE), asked.StepDrag(camera=CAMERA))
    desk.work()
    assert not said(desk.replies, "error")
    progress = desk.document.progress
    assert progress.unit == "px" and 5 < progress.curve[0] < 100
    assert desk.session.last_drag.view.view.size == (300, 200)


def test_what_nobody_foresaw_is_a_line_and_work_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out\nof order")

    with monkeypatch.context() as patch:
        patch.setattr(Session, "add_point", broken)
        lines = said(desk.ask(asked.AddPoint(EAR, ABOVE)), "error")
    assert lines == ["unexpected RuntimeError: out of order"]
    assert not said(desk.ask(asked.AddPoint(EAR, ABOVE)), "error") and len(desk.document.points) == 1


# ---- regions ------------------------------------------------------------------------------------------------------


def test_painting_and_erasing_touch_exactly_the_vertices_within_the_radius(desk: Desk) -> None:
    center, vertices = np.array([EAR], dtype=np.float32), desk.shown.vertices
    near = np.linalg.norm(vertices - center, axis=1)
    desk.ask(asked.Paint(center, 0.2))
    assert np.array_equal(desk.shown.free, near <= 0.2) and 0 < desk.shown.free.sum() < len(vertices)
    for _ in range(3):
        desk.ask(asked.Paint(center, 0.1, erase=True))
    assert np.array_equal(desk.shown.free, (near <= 0.2) & (near > 0.1))
    desk.ask(asked.Undo(), asked.Undo(), asked.Undo(), asked.Undo())
    assert desk.shown.free is None and desk.document.undo == ""


def test_erasing_first_leaves_the_rest_free_and_painting_it_again_removes_the_region(desk: Desk) -> None:
    center = np.array([EAR], dtype=np.float32)
    near = np.linalg.norm(desk.shown.vertices - center, axis=1)
    desk.ask(asked.Paint(center, 0.15, erase=True))
    assert np.array_equal(desk.shown.free, near > 0.15) and desk.document.has_region
    desk.ask(asked.Paint(center, 0.2))
    assert desk.shown.free is None and not desk.document.has_region


def test_strokes_that_do_nothing_useful_are_refused(desk: Desk) -> None:
    nowhere, everywhere = np.full((1, 3), 5.0, dtype=np.float32), np.zeros((1, 3), dtype=np.float32)
    assert "touched nothing" in said(desk.ask(asked.Paint(nowhere, 0.1)), "error")[0]
    assert "nothing would be left" in said(desk.ask(asked.Paint(everywhere, 3.0, erase=True)), "error")[0]
    assert "finite" in said(desk.ask(asked.Paint(np.full((1, 3), np.nan, np.float32), 0.1)), "error")[0]
    assert desk.document.undo == ""


def test_a_box_is_a_region_and_is_taken_over_by_the_brush(desk: Desk) -> None:
    desk.ask(asked.SetBox((-1, 0, -1), (1, 1, 1)))
    assert desk.document.box == ((-1.0, 0.0, -1.0), (1.0, 1.0, 1.0))
    above = desk.shown.vertices[:, 1] >= 0
    assert np.array_equal(desk.shown.free, above)
    desk.ask(asked.Paint(np.array([[0.0, -0.3, 0.16]], np.float32), 0.1))
    assert desk.document.box is None and desk.shown.free[above].all() and desk.shown.free.sum() > above.sum()
    desk.ask(asked.ClearRegion())
    assert desk.shown.free is None


# ---- images -------------------------------------------------------------------------------------------------------


def test_an_image_is_shown_painted_and_dragged(picture: Desk) -> None:
    assert isinstance(picture.shown, ImageShown) and picture.document.size == (32, 32)
    picture.ask(asked.Paint(np.array([[10.0, 12.0]], np.float32), 4.0))
    x, y = np.meshgrid(np.arange(32), np.arange(32))
    disc = (x - 10) ** 2 + (y - 12) ** 2 <= 16
    assert np.array_equal(picture.shown.free, disc)
    picture.ask(asked.AddPoint((10.0, 12.0), (14.0, 12.0)), asked.StepDrag())
    picture.work()
    assert picture.document.progress.step == 1 and picture.document.progress.unit == "px"
    assert not np.array_equal(picture.shown.pixels, picture.session.original_image)


def test_the_partner_of_a_pixel_is_on_the_other_side(picture: Desk) -> None:
    picture.ask(asked.AddPoint((4.0, 12.0), (6.0, 10.0)), asked.MirrorPoint(0))
    assert (picture.document.points[1].handle, picture.document.points[1].target) == ((27.0, 12.0), (25.0, 10.0))


def test_features_of_an_image_are_a_picture(picture: Desk) -> None:
    picture.ask(asked.Look(features=True))
    assert picture.shown.features.shape == (32, 32, 3) and picture.shown.features.std() > 20


def test_shapes_and_images_follow_each_other(small_model: Path, image_model: Path) -> None:
    desk = Desk(small_model, models=(str(small_model), str(image_model)))
    desk.ask(asked.Generate(2, texture_seed=5, model=str(image_model)))
    assert desk.document.kind == "image" and not said(desk.replies, "error")
    desk.ask(asked.Undo())
    assert desk.document.kind == "shape" and isinstance(desk.shown, ShapeShown)


# ---- files --------------------------------------------------------------------------------------------------------


def test_a_session_is_saved_and_opened(desk: Desk, small_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "edit.drag3d"
    desk.ask(asked.AddPoint(EAR, ABOVE))
    assert desk.document.unsaved
    replies = desk.ask(asked.SaveSession(str(path)))
    assert Written(str(path)) in replies and not desk.document.unsaved and desk.document.path == str(path)
    desk.ask(asked.RemovePoint(0))
    assert desk.document.unsaved
    desk.ask(asked.Undo())
    assert not desk.document.unsaved, "as in the file again"
    desk.ask(asked.Generate(8), asked.OpenSession(str(path)))
    assert desk.document.seed == 3 and len(desk.document.points) == 1
    assert desk.document.path == str(path) and not desk.document.unsaved


@pytest.mark.parametrize("name", ["a.glb", "a.obj", "a.ply", "a.stl"])
def test_a_shape_is_exported(desk: Desk, tmp_path: Path, name: str) -> None:
    settings = {} if name in ("a.ply", "a.stl") else {"texture_size": 64}
    replies = desk.ask(asked.Export(str(tmp_path / name), settings))
    assert Written(str(tmp_path / name)) in replies and (tmp_path / name).stat().st_size > 1000
    assert said(replies, "done") == [f"wrote {name}"] and desk.last(Busy).text == ""


def test_a_picture_of_a_shape_is_what_the_camera_sees(desk: Desk, tmp_path: Path) -> None:
    for name in ("seen.png", "seen.jpg"):
        desk.ask(asked.Export(str(tmp_path / name), camera=CAMERA))
        with Image.open(tmp_path / name) as image:
            assert image.size == (200, 300) and np.asarray(image).std() > 5
    desk.ask(asked.Export(str(tmp_path / "all.png")))
    with Image.open(tmp_path / "all.png") as image:
        assert image.size == (800, 800)


def test_an_export_can_be_cancelled(desk: Desk, tmp_path: Path) -> None:
    desk.cancels = 3
    replies = desk.ask(asked.Export(str(tmp_path / "a.glb"), {"texture_size": 256}))
    assert not list(tmp_path.iterdir()) and said(replies, "note") == ["a.glb was not written: cancelled"]
    assert desk.last(Busy).text == ""


@pytest.mark.slow
def test_a_film_shows_the_drags_that_led_here(desk: Desk, tmp_path: Path) -> None:
    dragging(desk)
    desk.ask(asked.StopDrag())
    film = desk.studio.edits.current.reel.film(desk.session)  # type: ignore[union-attr]
    assert film is not None and len(film.moments) == 4
    replies = desk.ask(asked.WriteFilm(str(tmp_path / "drag.gif")))
    assert said(replies, "done") == ["wrote drag.gif"]
    with Image.open(tmp_path / "drag.gif") as image:
        assert getattr(image, "n_frames", 1) >= 2
    desk.ask(asked.Undo())
    assert desk.studio.edits.current.reel.film(desk.session) is None, "undone"  # type: ignore[union-attr]
    desk.ask(asked.Redo())
    assert desk.studio.edits.current.reel.film(desk.session) is not None  # type: ignore[union-attr]


def test_an_image_without_a_drag_has_no_film(picture: Desk, tmp_path: Path) -> None:
    assert len(said(picture.ask(asked.WriteFilm(str(tmp_path / "a.gif"))), "error")) == 1


# ---- what is not allowed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../out.ply", "/tmp/out.ply", "link/out.ply", "", "a\0b.ply", "."])
def test_paths_outside_of_the_folder_are_refused(small_model: Path, tmp_path: Path, path: str) -> None:
    folder, outside = tmp_path / "files", tmp_path / "outside"
    folder.mkdir(), outside.mkdir()
    (folder / "link").symlink_to(outside, target_is_directory=True)
    desk = Desk(small_model, open_paths=False, folder=folder)
    for intent in (asked.Export(path), asked.SaveSession(path), asked.OpenSession(path), asked.WriteFilm(path)):
        assert len(said(desk.ask(intent), "error")) == 1
    assert not list(outside.iterdir()) and [p.name for p in folder.iterdir()] == ["link"]
    desk.ask(asked.Export("inside.ply"))
    assert (folder / "inside.ply").is_file() and desk.last(Written).path == str(folder / "inside.ply")


def test_only_models_of_the_list_are_loaded(small_model: Path, image_model: Path) -> None:
    desk = Desk(small_model, models=(str(small_model),))
    lines = said(desk.ask(asked.Generate(1, model=str(image_model))), "error")
    assert len(lines) == 1 and "cannot be chosen" in lines[0]
    assert desk.document.kind == "shape" and desk.document.models == (str(small_model),)


def test_a_source_that_cannot_be_loaded_is_a_line(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "none.safetensors")
    assert len(said(desk.replies, "error")) == 1 and desk.document.kind == ""
    for intent in (asked.Undo(), asked.StartDrag(), asked.AddPoint(EAR, ABOVE), asked.Shown(1), asked.Look(True)):
        desk.ask(intent)
    assert desk.document == dataclasses.replace(desk.document, kind="")
