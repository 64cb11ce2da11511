"""A session on an image: the same points, drags, history, file and report as on a shape, in pixels."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from drag3d.core import DragSettings, StopReason
from drag3d.session import Session, Sphere, report, write_report
from drag3d.session.storage import SESSION_FORMAT, read_session, write_session
from get3d_models import Generator
from get3d_models.errors import InputError
from get3d_models.image_config import ImageConfig
from get3d_models.stylegan2 import ImageGenerator, ImageLatents

LEFT_HALF = np.zeros((32, 32), dtype=bool)
LEFT_HALF[:, :18] = True


def random_generator(**changes: Any) -> ImageGenerator:
    torch.manual_seed(0)
    config = ImageConfig(z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 16))
    generator = ImageGenerator(dataclasses.replace(config, **changes), "tiny")
    return generator.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def tiny() -> ImageGenerator:
    """Random weights, 32 x 32 pixels."""
    return random_generator()


@pytest.fixture(scope="module")
def tall() -> ImageGenerator:
    """Random weights, 16 pixels wide and 32 high."""
    return random_generator(start=(4, 2))


@pytest.fixture
def session(tiny: ImageGenerator) -> Session:
    return Session(tiny, seed=3)


def run(session: Session, steps: int, **settings: Any) -> None:
    """So many steps of a drag, and stay there: at its own end a drag would go back to its nearest state."""
    for step in session.drag(max_steps=steps + 1, tolerance=0.01, **settings):
        if step.index == steps:
            return
    raise AssertionError(f"the drag ended after {step.index} steps: {step.reason}")


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    text = str(error.value)
    assert text and "\n" not in text and text.isprintable()
    return text


# ---- what there is --------------------------------------------------------------------------------------------------


def test_a_new_session_shows_the_image_of_its_seed(session: Session, tiny: ImageGenerator) -> None:
    assert session.kind == "image" and session.unit == "px" and session.generator is tiny
    assert session.image.shape == (32, 32, 3) and session.image.dtype == np.uint8
    assert np.array_equal(session.image, tiny.sample(3)) and session.image is session.original_image
    assert session.diagonal == math.hypot(32, 32) and session.points == () and not session.can_undo
    assert (session.seed, session.texture_seed, session.label, session.truncation) == (3, None, None, 1.0)


def test_truncation_and_label_decide_what_the_seed_gives() -> None:
    labelled = random_generator(label_dim=3)
    images = [Session(labelled, 3, label=label).image for label in (None, 0, 2)]
    assert np.array_equal(images[2], labelled.sample(3, label=2))
    assert not np.array_equal(images[1], images[2]) and not np.array_equal(images[0], images[1])
    assert np.array_equal(Session(labelled, 3, truncation=0.5).image, labelled.sample(3, 0.5))


def test_grey_images_are_shown_with_three_equal_channels() -> None:
    image = Session(random_generator(image_channels=1)).image
    assert image.shape == (32, 32, 3) and (image == image[..., :1]).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"texture_seed": 2}, "no texture"),
        ({"label": 0}, "no class labels"),
        ({"label": True}, "class label"),
        ({"label": -1}, "class label"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "4294967295"),
        ({"truncation": 5}, "truncation"),
    ],
)
def test_starts_that_make_no_sense_are_refused(tiny: ImageGenerator, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        Session(tiny, **arguments)
    assert one_line(error)


def test_a_class_the_model_does_not_have_and_a_label_for_shapes_are_refused(small_quadruped: Generator) -> None:
    with pytest.raises(InputError, match="classes 0 to 2, not 3"):
        Session(random_generator(label_dim=3), label=3)
    with pytest.raises(InputError, match="no class labels"):
        Session(small_quadruped, label=0)
    with pytest.raises(InputError, match="4 channels"):
        Session(random_generator(image_channels=4))


def test_what_belongs_to_the_other_kind_is_refused(session: Session, small_quadruped: Generator) -> None:
    for act in (
        lambda: session.shape,
        lambda: session.original_shape,
        lambda: session.shape_of(session.latents),
        lambda: session.set_region(Sphere((0, 0, 0), 1)),
    ):
        with pytest.raises(InputError, match="makes images, not shapes") as error:
            act()
        assert one_line(error)
    shape = Session(small_quadruped, seed=3)
    assert shape.kind == "shape" and shape.unit == "world"
    for act in (lambda: shape.image, lambda: shape.original_image, lambda: shape.set_mask(None)):
        with pytest.raises(InputError, match="makes 3D shapes, not images") as error:
            act()
        assert one_line(error)


# ---- points ---------------------------------------------------------------------------------------------------------


def test_handles_and_targets_may_lie_between_pixels_and_stay_as_given(session: Session) -> None:
    assert session.add_point((3.25, 4), np.array([10.5, 31.0])) == 0
    assert session.add_point(torch.tensor([0.0, 0.0]), [31, 0]) == 1
    assert session.points[0].handle == (3.25, 4.0) and session.points[0].target == (10.5, 31.0) and session.notes == []
    session.move_point(0, target=(1, 1))
    session.move_point(0, handle=(2, 2))
    assert session.points[0].handle == (2.0, 2.0) and session.points[0].target == (1.0, 1.0)


@pytest.mark.parametrize(
    ("handle", "target", "said"),
    [
        ((1, 2, 3), (4, 5), "a handle has 3 numbers, but this model makes images: give x,y in pixels"),
        ((1, 2), (4, 5, 6), "a target has 3 numbers, but this model makes images: give x,y in pixels"),
        ((1,), (4, 5), "1 number, but"),
        ("12", (4, 5), "must be x,y in pixels"),
        ((32, 5), (4, 5), r"handle \(32, 5\) lies outside the image of 32 x 32 pixels; give x from 0 to 31"),
        ((-0.5, 5), (4, 5), "handle .* outside the image"),
        ((5, 5), (4, 31.5), "target .* outside the image"),
        ((5, 5), (5, 5), "equals its handle"),
        ((math.nan, 5), (4, 5), "finite"),
        ((5, 5), (math.inf, 5), "finite"),
        ((5, 5), None, "must be x,y in pixels"),
    ],
)
def test_points_that_make_no_sense_are_refused(session: Session, handle: Any, target: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        session.add_point(handle, target)
    assert one_line(error) and session.points == () and not session.can_undo


def test_two_coordinates_for_a_shape_are_refused_saying_what_is_wanted(small_quadruped: Generator) -> None:
    with pytest.raises(InputError, match="this model makes 3D shapes: give three numbers x, y, z"):
        Session(small_quadruped).add_point((1, 2), (3, 4))


def test_the_bounds_of_an_image_that_is_not_square_are_its_own(tall: ImageGenerator) -> None:
    session = Session(tall)
    assert session.image.shape == (32, 16, 3)
    session.add_point((15, 31), (0, 0))
    with pytest.raises(InputError, match="outside the image of 16 x 32 pixels; give x from 0 to 15 and y from 0 to 31"):
        session.add_point((16, 0), (0, 0))


def test_a_keypoint_becomes_a_handle_with_its_target_at_the_offset(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"nose": torch.tensor([15.5, 17.0]), "ear": torch.tensor([40.0, 2.0])}
    monkeypatch.setattr("drag3d.session.kinds.image.keypoints", lambda *_: places)
    monkeypatch.setattr("drag3d.session.session.check_keypoint", lambda _, name: name)
    assert session.keypoints == {"nose": (15.5, 17.0), "ear": (40.0, 2.0)}
    index = session.add_keypoint("nose", (-8, 2.5))
    point = session.points[index]
    assert (point.name, point.handle, point.target) == ("nose", (15.5, 17.0), (7.5, 19.5))
    with pytest.raises(InputError, match=r"keypoint ear .* outside the image"):
        session.add_keypoint("ear", (-8, 0))
    with pytest.raises(InputError, match="offset of a keypoint has 3 numbers"):
        session.add_keypoint("nose", (1, 2, 3))
    with pytest.raises(InputError, match=r"is zero; .* for instance -8,0"):
        session.add_keypoint("nose", (0, 0))


def test_the_portraits_keypoints_are_places_in_its_image() -> None:
    from get3d_models.keypoints import _TEACHERS

    generator = random_generator(z_dim=_TEACHERS["portrait"].z_dim)
    generator.name = "portrait"
    session = Session(generator, seed=1)
    index = session.add_keypoint("nose_tip", (2, -1))
    x, y = session.points[index].handle
    assert 8 < x < 24 and 8 < y < 24 and session.points[index].target == (x + 2, y - 1)
    with pytest.raises(InputError, match="did you mean 'nose_tip'"):
        session.add_keypoint("nose_tap", (2, -1))


def test_a_model_without_a_teacher_has_no_keypoints(session: Session) -> None:
    with pytest.raises(InputError, match="no named keypoints"):
        session.add_keypoint("nose", (1, 1))


# ---- masks ----------------------------------------------------------------------------------------------------------


def test_a_mask_is_part_of_the_history(session: Session, tmp_path: Path) -> None:
    Image.fromarray(LEFT_HALF).save(tmp_path / "m.png")
    session.set_mask(tmp_path / "m.png")
    assert np.array_equal(session.region.free, LEFT_HALF)  # type: ignore[union-attr]
    session.set_mask(None)
    assert session.region is None
    assert session.undo() == "remove mask" and session.undo() == "set mask" and session.region is None
    assert session.redo() == "set mask" and session.region is not None


def test_a_mask_that_is_white_all_over_is_none_and_said_to_be(session: Session) -> None:
    session.set_mask(LEFT_HALF)
    session.set_mask(np.full((32, 32), 255, np.uint8))
    assert session.region is None and session.notes == ["the mask is white all over: everything may move"]


def test_masks_of_another_size_or_black_ones_are_refused_and_change_nothing(session: Session) -> None:
    session.set_mask(LEFT_HALF)
    for mask, said in (
        (np.ones((16, 32), bool), "32 x 16 pixels, but the image is 32 x 32"),
        (~LEFT_HALF & LEFT_HALF, "nothing could move"),
    ):
        with pytest.raises(InputError, match=said) as error:
            session.set_mask(mask)
        assert one_line(error) and np.array_equal(session.region.free, LEFT_HALF)  # type: ignore[union-attr]


def test_a_handle_where_nothing_may_move_is_refused(session: Session) -> None:
    session.add_point((25, 10), (20, 10))
    session.set_mask(LEFT_HALF)
    with pytest.raises(InputError, match=r"point 0 at \(25, 10\) lies in what must stay"):
        session.drag()
    session.add_point((5, 10), (8, 10))
    session.enable_point(0, False)
    assert len(list(session.drag(max_steps=1))) == 2


def test_what_a_mask_holds_changes_less_than_without_it(tiny: ImageGenerator) -> None:
    def changed(mask: Any, seed: int) -> float:
        session = Session(tiny, seed)
        session.add_point((8, 16), (13, 16))
        session.set_mask(mask)
        run(session, 6, method="draggan", learning_rate=0.05)
        difference = session.image.astype(float) - session.original_image
        return float(np.abs(difference)[:, 20:].mean())

    masked, free = (sum(changed(mask, seed) for seed in (3, 4, 5)) for mask in (LEFT_HALF, None))
    assert 0 < masked < 0.6 * free


def test_every_method_is_given_the_pixels_that_the_mask_holds(session: Session) -> None:
    session.add_point((8, 16), (13, 16))
    rows = []
    for mask in (None, LEFT_HALF):
        session.set_mask(mask)
        run(session, 2)
        assert session.last_drag is not None and session.last_drag.held == (0 if mask is None else 14 * 32)
        rows.append(session.latents.rows)
        session.undo()
    assert not torch.equal(*rows)


# ---- dragging -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["default", "draggan"])
def test_the_session_follows_each_step_of_a_drag(session: Session, method: str) -> None:
    session.add_point((10, 16), (16, 16))
    start = session.latents
    for step in session.drag(max_steps=9, method=method, tolerance=0.01):
        assert np.allclose(session.points[0].handle, step.handles[0], atol=1e-5)
        assert torch.equal(session.unpack(step).rows, session.latents.rows)
        if step.index == 3:
            break
    assert not torch.equal(session.latents.rows, start.rows)
    assert session.latents.rows.shape == start.rows.shape and not np.array_equal(session.image, session.original_image)
    assert np.array_equal(session.pixels_of(session.unpack(step)), session.image)
    assert session.undo() == "drag, 3 steps" and session.image is session.original_image


def test_layers_say_which_rows_may_move_and_the_paper_has_six(session: Session) -> None:
    session.add_point((10, 16), (16, 16))
    start = session.latents.rows
    for chosen, layers in (({"layers": 3}, 3), ({}, 8), ({"method": "draggan"}, 6)):
        run(session, 1, **chosen)  # type: ignore[arg-type]
        moved = (session.latents.rows != start).any(dim=1)
        assert moved.tolist() == [True] * layers + [False] * (8 - layers)
        assert session.last_drag is not None and session.last_drag.settings.layers == layers
        assert session.last_drag.settings.feature_block == 3  # the last of a network that has fewer than the paper's
        session.reset()
        session.add_point((10, 16), (16, 16))


def test_w_moves_all_rows_by_the_same(session: Session) -> None:
    session.add_point((10, 16), (16, 16))
    start = session.latents.rows
    run(session, 2, method="draggan", space="w", layers=8)
    change = session.latents.rows - start
    assert change.abs().max() > 0 and torch.allclose(change, change[:1].expand_as(change), atol=1e-6)


def test_blocks_and_variants_lead_to_different_edits(tiny: ImageGenerator) -> None:
    found = []
    for chosen in ({}, {"feature_block": 1}, {"variant": "released"}):
        session = Session(tiny, seed=3)
        session.add_point((10, 16), (16, 16))
        run(session, 2, method="draggan", **chosen)  # type: ignore[arg-type]
        found.append(session.latents.rows)
    assert not torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"latents_moved": "geometry"}, "for images use layers"),
        ({"features": "geometry"}, "for images use feature_block"),
        ({"layers": 0}, "layers must be a whole number from 1"),
        ({"layers": 9}, "has 8 latent rows; layers is 1 to 8, not 9"),
        ({"layers": 2.5}, "layers must be"),
        ({"feature_block": -1}, "feature_block must be a whole number from 0"),
        ({"feature_block": 4}, "has blocks 0 to 3, so feature_block is not 4"),
        ({"feature_block": True}, "feature_block must be"),
        ({"variant": "better"}, "a variant is paper or released"),
    ],
)
def test_settings_that_make_no_sense_for_images_are_refused(
    session: Session, chosen: dict[str, Any], said: str
) -> None:
    session.add_point((10, 16), (16, 16))
    with pytest.raises(InputError, match=said) as error:
        session.drag(**chosen)
    assert one_line(error)


def test_settings_for_images_are_refused_for_shapes(small_quadruped: Generator, session: Session) -> None:
    shape = Session(small_quadruped, seed=3)
    for name in ("layers", "feature_block"):
        with pytest.raises(InputError, match=f"{name} is a setting for images"):
            shape.settings = DragSettings(**{name: 1})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="for images use layers"):
        session.latents_moved = "both"
    with pytest.raises(InputError, match="feature_block"):
        session.settings = DragSettings(features="both")
    assert session.latents_moved is None


def test_a_stopped_drag_keeps_its_last_step(session: Session) -> None:
    session.add_point((10, 16), (16, 16))
    for step in session.drag(max_steps=50, tolerance=0.01):
        if step.index == 1:
            session.stop()
    assert step.reason is StopReason.ASKED and session.last_drag is not None and session.last_drag.reason == step.reason


def test_steps_can_be_looked_into_only_when_there_was_a_drag(session: Session) -> None:
    session.add_point((10, 16), (16, 16))
    steps = list(session.drag(max_steps=2, tolerance=0.01))
    images = [session.pixels_of(session.unpack(step)) for step in steps]
    assert np.array_equal(images[0], session.original_image) and np.array_equal(images[-1], session.image)
    with pytest.raises(InputError, match="no drag has run"):
        Session(session.generator).unpack(steps[0])


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def edited(tiny: ImageGenerator) -> Session:
    """Every kind of edit, and something undone."""
    session = Session(tiny, seed=3, truncation=0.9)
    session.add_point((10.25, 16), (16, 1 / 3))
    session.add_point((1, 1), (2, 2))
    session.enable_point(1, False)
    session.set_mask(LEFT_HALF)
    list(session.drag(max_steps=2, tolerance=0.01))
    session.set_mask(np.roll(LEFT_HALF, 3, axis=1))
    session.clear_points()
    session.undo()
    session.settings = DragSettings(layers=4, feature_block=2, variant="released")
    return session


def same(a: Session, b: Session) -> bool:
    return torch.equal(a.latents.rows, b.latents.rows) and a.points == b.points and a.region == b.region


def test_a_reopened_session_is_the_same_bit_by_bit(edited: Session, tmp_path: Path, tiny: ImageGenerator) -> None:
    path = edited.save(tmp_path / "a.drag3d")
    again = Session.open(path, tiny)
    assert same(again, edited) and again.settings == edited.settings and again.kind == "image"
    assert (again.seed, again.truncation, again.label, again.texture_seed) == (3, 0.9, None, None)
    assert np.array_equal(again.image, edited.image)
    assert again.save(tmp_path / "b.drag3d").read_bytes() == path.read_bytes()
    assert again.redo() == "remove all points"
    while again.undo():
        edited.undo()
    assert np.array_equal(again.image, edited.original_image)


def test_the_label_survives_in_the_file(tmp_path: Path) -> None:
    labelled = random_generator(label_dim=3)
    path = Session(labelled, seed=1, label=2).save(tmp_path / "a.drag3d")
    assert Session.open(path, labelled).label == 2


def test_masks_take_one_bit_a_pixel_and_equal_ones_are_written_once(tall: ImageGenerator, tmp_path: Path) -> None:
    session = Session(tall)
    for _ in range(3):
        session.set_mask(LEFT_HALF[:, 7:23])
        session.set_mask(None)
    session.set_mask(~LEFT_HALF[:, 7:23])
    with safe_open(session.save(tmp_path / "a.drag3d"), framework="pt") as file:
        masks = {name: file.get_tensor(name) for name in file.keys() if name.startswith("mask")}  # noqa: SIM118
    assert len(masks) == 2 and all(m.shape == (32, 2) and m.dtype == torch.uint8 for m in masks.values())
    assert Session.open(tmp_path / "a.drag3d", tall).region == session.region


def test_autosave_writes_after_every_edit(tiny: ImageGenerator, tmp_path: Path) -> None:
    path = tmp_path / "a.drag3d"
    session = Session(tiny, seed=3, autosave=path)
    edits: list[Any] = [
        lambda: session.add_point((10, 16), (16, 16)),
        lambda: session.set_mask(LEFT_HALF),
        lambda: list(session.drag(max_steps=1)),
        session.undo,
        session.reset,
    ]
    for edit in edits:
        edit()
        assert same(Session.open(path, tiny), session)


def test_a_session_of_another_model_or_kind_is_refused(
    edited: Session, tmp_path: Path, tall: ImageGenerator, small_quadruped: Generator
) -> None:
    path = edited.save(tmp_path / "a.drag3d")
    for other in (tall, small_quadruped):
        with pytest.raises(InputError, match="belongs to model tiny"):
            Session.open(path, other)
    with pytest.raises(InputError, match="not embedded"):
        Session.open(path)
    forged = dataclasses.replace(read_session(path), fingerprint=small_quadruped.fingerprint)
    with pytest.raises(InputError, match="of the kind 'image', but its model makes 3D shapes"):
        Session.open(write_session(path, forged), small_quadruped)


def rewritten(path: Path, change: Any) -> Path:
    with safe_open(path, framework="pt") as file:
        content = json.loads(file.metadata()[SESSION_FORMAT])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(content, tensors)
    save_file(tensors, path, metadata={SESSION_FORMAT: json.dumps(content)})
    return path


DAMAGE: dict[str, Any] = {
    "another kind": lambda c, t: c.update(kind="shape"),
    "an unknown kind": lambda c, t: c.update(kind="sound"),
    "no kind": lambda c, t: c.pop("kind"),
    "a texture seed": lambda c, t: c.update(texture_seed=3),
    "a negative label": lambda c, t: c.update(label=-1),
    "a label that is a text": lambda c, t: c.update(label="cat"),
    "three coordinates": lambda c, t: c["points"][0].update(handle=[1, 2, 3]),
    "one coordinate": lambda c, t: c["points"][0].update(target=[1]),
    "a box": lambda c, t: c["regions"].__setitem__(0, {"move": [], "stay": []}),
    "a mask without its tensor": lambda c, t: t.pop("mask.0"),
    "a mask of floats": lambda c, t: t.update({"mask.0": torch.zeros(32, 4)}),
    "a mask of another width": lambda c, t: c["regions"][0].update(width=100),
    "a mask as wide as the world": lambda c, t: c["regions"][0].update(width=10**9),
    "a mask in which nothing moves": lambda c, t: t.update({"mask.0": torch.zeros(32, 4, dtype=torch.uint8)}),
    "a mask without rows": lambda c, t: t.update({"mask.0": torch.zeros(0, 4, dtype=torch.uint8)}),
    "latents that are not finite": lambda c, t: t["latents.0.rows"].fill_(math.nan),
    "latents without rows' axis": lambda c, t: t.update({"latents.0.rows": torch.zeros(16)}),
    "a configuration of lists": lambda c, t: c["model"].update(config={"channels": "many"}),
    "settings of no known layer": lambda c, t: c["settings"].update(layers=-1),
    "a variant nobody knows": lambda c, t: c["settings"].update(variant=["paper"]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_session_is_refused_in_one_line(edited: Session, tmp_path: Path, damage: str) -> None:
    path = rewritten(edited.save(tmp_path / "a.drag3d"), DAMAGE[damage])
    with pytest.raises(InputError, match="not a usable session file") as error:
        read_session(path)
    assert one_line(error)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c, t: t.update({"latents.0.rows": torch.zeros(3, 16)}), r"latents are not of shape \(8, 16\)"),
        (lambda c, t: t.update({"mask.0": torch.full((16, 4), 7, dtype=torch.uint8)}), "mask is not of the image's"),
        (lambda c, t: c["settings"].update(layers=9), "layers is 1 to 8"),
        (lambda c, t: c["settings"].update(features="both"), "feature_block"),
    ],
)
def test_a_session_that_does_not_fit_its_generator_is_refused(
    edited: Session, tmp_path: Path, tiny: ImageGenerator, change: Any, said: str
) -> None:
    path = rewritten(edited.save(tmp_path / "a.drag3d"), change)
    with pytest.raises(InputError, match=said) as error:
        Session.open(path, tiny)
    assert one_line(error) and str(path) in str(error.value)


def test_a_file_of_a_later_version_is_refused_as_such(edited: Session, tmp_path: Path) -> None:
    path = edited.save(tmp_path / "a.drag3d")
    save_file({"x": torch.zeros(1)}, path, metadata={"drag3d-session-3": "{}"})
    with pytest.raises(InputError, match="newer drag3d"):
        read_session(path)


def test_export_writes_the_pixels_with_what_made_them(edited: Session, tmp_path: Path) -> None:
    with Image.open(edited.export(tmp_path / "a.png")) as image:
        assert np.array_equal(np.asarray(image), edited.image)
        assert image.text["model"] == "tiny" and image.text["model_sha256"] == edited.generator.fingerprint  # type: ignore[attr-defined]
        assert image.text["seed"] == "3" and image.text["truncation"] == "0.9" and "label" not in image.text  # type: ignore[attr-defined]
        assert image.info["srgb"] == 0
    with Image.open(edited.export_original(tmp_path / "a.JPG")) as image:
        assert image.format == "JPEG" and np.abs(np.asarray(image).astype(int) - edited.original_image).mean() < 12
        assert json.loads(image.info["comment"])["model_sha256"] == edited.generator.fingerprint
        assert image.getexif().get_ifd(0x8769)[0xA001] == 1


def test_a_suffix_of_the_other_kind_is_refused(edited: Session, small_quadruped: Generator, tmp_path: Path) -> None:
    for suffix in ("glb", "xyz", "gif"):
        with pytest.raises(InputError, match=r"makes images, and the name must end in one of \.png, \.jpg, \.jpeg"):
            edited.export(tmp_path / f"a.{suffix}")
    with pytest.raises(InputError, match=r"makes 3D shapes, and the name must end in one of \.glb"):
        Session(small_quadruped).export(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_shows_before_and_after(edited: Session, tmp_path: Path) -> None:
    with Image.open(edited.draw(tmp_path / "p.png")) as image:
        assert image.width > 2 * image.height * 0.8
    with pytest.raises(InputError, match="no drag has run"):
        Session(edited.generator).draw(tmp_path / "q.png")


def test_the_report_has_the_fields_of_a_shapes_in_pixels(
    session: Session, small_quadruped: Generator, tmp_path: Path
) -> None:
    session.add_point((10, 16), (16, 16))
    for step in session.drag(max_steps=2, tolerance=0.01):
        last = step
    written = json.loads(write_report(tmp_path / "r.json", session).read_text())
    assert (written["kind"], written["unit"], written["tolerance"]) == ("image", "px", 0.01)
    assert written["model"]["sha256"] == session.generator.fingerprint
    assert written["settings"]["layers"] == 8 and written["settings"]["latents_moved"] is None
    (handle,) = written["handles"]
    assert handle["start"] == [10, 16] and handle["target"] == [16, 16]
    assert handle["tracked_end"] == pytest.approx(last.handles[0].tolist())
    assert handle["remaining_percent"] == pytest.approx(100 * float(last.distances) / math.hypot(32, 32))
    shape = Session(small_quadruped, seed=3)
    shape.add_keypoint("back", (0, 0.05, 0))
    list(shape.drag(max_steps=1))
    of_shape = report(shape)
    assert list(of_shape) == list(written) and list(of_shape["settings"]) == list(written["settings"])
    assert (of_shape["kind"], of_shape["unit"], of_shape["texture_seed"]) == ("shape", "world", 3)


def test_latents_are_those_of_an_image(session: Session) -> None:
    assert isinstance(session.latents, ImageLatents) and session.latents.rows.shape == (8, 16)
