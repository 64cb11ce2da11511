"""What the card of the quadruped says."""

from __future__ import annotations

from typing import Any

from get3d_models.config import GeneratorConfig
from get3d_models.generator import Generator
from get3d_models.training import quadruped as teacher
from get3d_models.training.card import Row, TrainingRun, against, making_section, measured_section, training_command
from get3d_models.training.measure import SURFACE_POINTS, VOLUME_RESOLUTION
from get3d_models.training.quadruped_lesson import QuadrupedSettings


def quadruped_sections(generator: Generator, figures: dict[str, Any], run: TrainingRun, size: int) -> list[str]:
    """The card's sections, of figures that :func:`measure_generator` gave; ``size`` of the model file in bytes."""
    return [
        "A friendly four-legged animal with snout, ears and tail, whose coat, belly, socks and nose have colours of "
        "their own. A small GET3D generator, trained from nothing but this project's own code.",
        _making(generator, run, size),
        _measured(figures),
        _limits(figures),
        _keypoints(figures),
    ]


def _making(generator: Generator, run: TrainingRun, size: int) -> str:
    c: GeneratorConfig = generator.config
    weights = sum(p.numel() for p in generator.parameters())
    settings = QuadrupedSettings()
    channels = ", ".join(str(n) for n in c.channels)
    lines = [
        "Teacher: a procedural animal (`get3d_models/training/quadruped.py`) whose "
        f"{len(teacher.SHAPE_PARAMETERS)} shape and {len(teacher.TEXTURE_PARAMETERS)} colour parameters are fixed "
        "functions of the two latents. The generator is regressed on its signed distance and colour: no adversary.",
        f"Architecture: latents of {c.z_dim}, W of {c.w_dim}, {c.mapping_layers} mapping layers, triplanes of "
        f"{c.resolution} texels with {c.plane_channels} channels (synthesis {channels}), decoders of "
        f"{c.decoder_layers} layers of {c.decoder_width}; surfaces on a {c.grid} grid of {c.grid_resolution}. "
        f"{weights:,} weights, {size / 1e6:.1f} MB.",
        training_command("quadruped", run),
        f"Steps: {run.steps:,} of {settings.shapes_per_step} shapes with {settings.points_per_shape:,} points each, so "
        f"{run.steps * settings.shapes_per_step:,} shapes seen, each once. Seed {run.seed}. Averaged weights are kept.",
    ]
    return making_section(lines, run)


def _measured(f: dict[str, Any]) -> str:
    shapes = f["shapes"]
    rows: list[Row] = [
        against("volumetric IoU, mean", f["overlap_mean"], ">= 0.90", lambda v: v >= 0.90),
        against("volumetric IoU, worst", f["overlap_worst"], ">= 0.80", lambda v: v >= 0.80),
        against("colour error on the surface, mean", f["color_error_mean"], "<= 0.06", lambda v: v <= 0.06),
        ("colour error on the surface, worst shape", f"{f['color_error_worst']:g}", "", None),
        against("one connected component", f["one_component"], f"{shapes} of {shapes}", lambda v: v == shapes),
        against("watertight", f["watertight"], f"{shapes} of {shapes}", lambda v: v == shapes),
        ("vertices' distance from the teacher's surface, mean", f"{f['distance_error_mean']:g}", "", None),
        ("largest deformation of the grid", f"{f['largest_deformation']:g}", "", None),
    ]
    introduction = (
        f"On {shapes} latents that training did not draw, against the teacher. IoU: of where the two signed fields are "
        f"positive, on {VOLUME_RESOLUTION}^3 cells. Colour error: mean absolute difference of RGB in [0, 1] at up to "
        f"{SURFACE_POINTS:,} vertices. Lengths in units of the box."
    )
    return measured_section(introduction, rows, f"quadruped --samples {shapes}")


def _limits(f: dict[str, Any]) -> str:
    worst = max(f["keypoint_distance_mean"], key=f["keypoint_distance_mean"].__getitem__)
    return (
        "## Limits\n\n"
        "- One kind of animal in one stance: no other class, no walking, no open mouth, no fur. Left and right are "
        "alike, as in the teacher.\n"
        "- Colours are smooth fields, sharp to about a texel of the triplanes; there are no normal or roughness maps.\n"
        "- Truncated or edited latents belong to no parameters of the teacher; the figures above say nothing of them.\n"
        f"- Of the keypoints, {worst} is farthest off the generated surface, {f['keypoint_distance_mean'][worst]:g} on "
        "average."
    )


def _keypoints(f: dict[str, Any]) -> str:
    rows = "\n".join(f"| {name} | {distance:g} |" for name, distance in f["keypoint_distance_mean"].items())
    return (
        "## Keypoints\n\nNamed points on the teacher's surface (`get3d_models.keypoints`), and how far they are from "
        f"the generated surface on average, by its signed field:\n\n| keypoint | distance |\n|---|---|\n{rows}"
    )
