"""The teacher of the model ``portrait``: a cartoon of head and shoulders, from parameters to picture and keypoints.

Unit coordinates: (0, 0) is the image's upper left corner, x to the right, y DOWN, the image's width 1; pixel x of an
image of resolution R is x * R - 0.5. "Left" always means the image's left. The head has its own frame in the same
units, origin in its middle: scaled, rolled about the neck, and placed. Inside that frame features sit on a rounded face
that is turned (yaw) and nodded (pitch) before it is flattened, so near features move more than far ones and the far
side narrows.

Everything is batched, differentiable in the parameters with finite gradients, deterministic, and continuous: no styles,
no switches, only shapes that move and colours that blend.
"""

from __future__ import annotations

import torch
from torch import Tensor

from get3d_models.training.drawing import pixel_grid
from get3d_models.training.parameters import Parameter, by_name, parameters_from_latent
from get3d_models.training.portrait_face import face, keypoint_places
from get3d_models.training.portrait_painter import Painter

__all__ = [
    "KEYPOINTS",
    "LATENT_SIZE",
    "PARAMETERS",
    "Parameter",
    "draw",
    "draw_at",
    "keypoints",
    "parameters_from_latent",
    "shown",
]

LATENT_SIZE = 48

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("head_x", -0.035, 0.035, "place of the head, sideways"),
    Parameter("head_y", -0.022, 0.022, "place of the head, downwards"),
    Parameter("head_scale", 1.03, 1.14, "size of the head with all that is in it"),
    Parameter("yaw", -0.35, 0.35, "turn of the head, positive towards the image's right"),
    Parameter("pitch", -0.20, 0.20, "nod of the head, positive downwards"),
    Parameter("roll", -0.15, 0.15, "tilt of the head, positive towards the image's right"),
    Parameter("face_width", 0.170, 0.200, "half the width of the face"),
    Parameter("face_height", 0.205, 0.245, "from the middle of the head down to the chin"),
    Parameter("jaw_width", 0.78, 1.04, "width of the lower face over that of an ellipse"),
    Parameter("eye_size", 0.041, 0.051, "half the width of an eye"),
    Parameter("eye_spacing", 0.077, 0.091, "from the middle of the face to the middle of an eye"),
    Parameter("eye_height", -0.022, 0.014, "how far the eyes lie below the middle of the head"),
    Parameter("eye_open", 0.05, 1.0, "upper lids from closed to wide open"),
    Parameter("eye_open_difference", -0.16, 0.16, "how much wider open the right eye is than the left"),
    Parameter("gaze_x", -1.0, 1.0, "look from left to right"),
    Parameter("gaze_y", -1.0, 1.0, "look from up to down"),
    Parameter("iris_size", 0.60, 0.74, "radius of the iris over half the height of an open eye"),
    Parameter("brow_height", 0.074, 0.106, "how far the brows lie above the eyes"),
    Parameter("brow_tilt", -0.014, 0.015, "how much lower the outer ends of the brows are than their inner ends"),
    Parameter("brow_thickness", 0.0085, 0.0145, "half the thickness of the brows"),
    Parameter("brow_difference", -0.016, 0.016, "how much higher the right brow is than the left"),
    Parameter("nose_length", 0.050, 0.086, "from the middle of the head down to the tip of the nose"),
    Parameter("nose_width", 0.022, 0.036, "half the width of the nose"),
    Parameter("mouth_height", 0.61, 0.69, "height of the mouth, in parts of the face's height below the middle"),
    Parameter("mouth_width", 0.050, 0.088, "half the width of the mouth"),
    Parameter("smile", -0.018, 0.042, "how far the corners of the mouth are raised"),
    Parameter("smirk", -0.011, 0.011, "how much further the right corner is raised than both are"),
    Parameter("mouth_open", 0.0, 0.068, "height of the opening of the mouth"),
    Parameter("lip_thickness", 0.010, 0.021, "thickness of the lower lip"),
    Parameter("ear_size", 0.036, 0.052, "half the height of an ear"),
    Parameter("hair_top", 0.245, 0.305, "from the middle of the head up to the top of the hair"),
    Parameter("hair_sides", 0.018, 0.066, "how far the hair reaches out beyond the face"),
    Parameter("hair_length", 0.02, 0.36, "from the middle of the head down to the ends of the hair"),
    Parameter("hair_flare", -0.10, 0.20, "how much wider the hair is below than above"),
    Parameter("fringe", -0.190, -0.130, "how far the hair reaches into the forehead, downwards"),
    Parameter("parting", -0.085, 0.085, "place of the parting, sideways"),
    Parameter("neck_width", 0.058, 0.080, "half the width of the neck"),
    Parameter("shoulder_width", 0.30, 0.42, "half the width of the shoulders"),
    Parameter("skin_depth", 0.0, 1.0, "skin from light to deep"),
    Parameter("skin_warmth", 0.0, 1.0, "skin from rosy to golden"),
    Parameter("hair_depth", 0.0, 1.0, "hair from blond or copper to near black or dark brown"),
    Parameter("hair_warmth", 0.0, 1.0, "hair from blond or near black to copper or dark brown"),
    Parameter("eye_tone", 0.0, 1.0, "irises from brown over green to blue"),
    Parameter("lip_tone", 0.0, 1.0, "lips from natural to red"),
    Parameter("blush", 0.0, 1.0, "redness of the cheeks"),
    Parameter("shirt_tone", 0.0, 1.0, "shirt from teal over cream to coral"),
    Parameter("background_tone", 0.0, 1.0, "background from mint over lavender to peach"),
    Parameter("background_light", 0.0, 1.0, "background from darker to lighter"),
)

KEYPOINTS: tuple[str, ...] = (
    "mouth_left", "mouth_right", "mouth_top", "mouth_bottom",
    "eye_left_upper_lid", "eye_right_upper_lid", "pupil_left", "pupil_right",
    "brow_left", "brow_right",
    "nose_tip", "chin",
    "hair_top", "hair_left", "hair_right",
    "ear_left", "ear_right",
)  # fmt: skip

# What no pose reaches beyond, (left, right, top, bottom): features are painted inside only.
_FACE_WINDOW = (0.12, 0.88, 0.18, 0.84)
_LEFT_EYE_WINDOW, _RIGHT_EYE_WINDOW = (0.15, 0.67, 0.26, 0.68), (0.33, 0.85, 0.26, 0.68)
_MOUTH_WINDOW = (0.25, 0.75, 0.42, 0.85)


def _named(parameters: Tensor) -> dict[str, Tensor]:
    """Each parameter by name, (N, 1, 1)."""
    return {name: value[:, None, None] for name, value in by_name(parameters, PARAMETERS).items()}


def _window(window: tuple[float, float, float, float], resolution: int) -> tuple[slice, slice, slice, slice]:
    left, right, top, bottom = (round(edge * resolution) for edge in window)
    return slice(None), slice(None), slice(top, bottom), slice(left, right)


def draw(parameters: Tensor, resolution: int) -> Tensor:
    """Pictures (N, 3, R, R), sRGB in [0, 1], of ``parameters`` (N, P) with ``resolution`` R pixels a side."""
    painter = Painter(_named(parameters), 1.0 / resolution)
    x, y = pixel_grid(resolution, parameters)
    picture = painter.body(x, y)

    # Each feature on its part of the picture only: that saves half the time.
    def inside(window: tuple[float, float, float, float]) -> tuple[tuple[slice, slice, slice, slice], Tensor, Tensor]:
        place = _window(window, resolution)
        return place, x[place[1:]], y[place[1:]]

    place, at_x, at_y = inside(_FACE_WINDOW)
    picture[place] = painter.features(picture[place].clone(), at_x, at_y)
    for number, window in enumerate((_LEFT_EYE_WINDOW, _RIGHT_EYE_WINDOW)):
        place, at_x, at_y = inside(window)
        picture[place] = painter.eye(picture[place].clone(), at_x, at_y, number)
    place, at_x, at_y = inside(_MOUTH_WINDOW)
    picture[place] = painter.mouth(picture[place].clone(), at_x, at_y)
    return picture.clamp(0.0, 1.0)


def draw_at(parameters: Tensor, points: Tensor, pixel: float) -> Tensor:
    """Colours (N, M, 3) of pictures of ``parameters`` at ``points`` (N, M, 2) in unit coordinates.

    ``pixel``: the size of a pixel, 1 / R; with the centres of an image's pixels this is ``draw``.
    """
    painter = Painter(_named(parameters), pixel)
    x, y = points[:, None, :, 0], points[:, None, :, 1]
    picture = painter.features(painter.body(x, y), x, y)
    picture = painter.eye(painter.eye(picture, x, y, 0), x, y, 1)
    return painter.mouth(picture, x, y)[:, :, 0].transpose(1, 2).clamp(0.0, 1.0)


def keypoints(parameters: Tensor) -> Tensor:
    """Places (N, K, 2) of ``KEYPOINTS`` in unit coordinates for ``parameters`` (N, P)."""
    places = keypoint_places(_named(parameters))
    return torch.stack([torch.cat(places[name], dim=-1)[:, 0] for name in KEYPOINTS], dim=1)


def shown(parameters: Tensor) -> Tensor:
    """Which keypoints can be seen in the picture, (N, K) bool.

    All can but a pupil whose lid covers it: its middle must lie inside the opening of the eye, half the pupil's radius
    from the opening's edge or more.
    """
    rows = torch.ones(len(parameters), len(KEYPOINTS), dtype=torch.bool, device=parameters.device)
    for name, eye in zip(("left", "right"), face(_named(parameters)).eyes, strict=True):
        rows[:, KEYPOINTS.index(f"pupil_{name}")] = eye.shows_pupil()[:, 0, 0]
    return rows
