"""What the card of the portrait says."""

from __future__ import annotations

from typing import Any

from get3d_models.stylegan2 import ImageGenerator
from get3d_models.training import portrait as teacher
from get3d_models.training.card import Row, TrainingRun, against, making_section, measured_section, training_command
from get3d_models.training.portrait_lesson import PortraitSettings

RATIO_WANTED, SIMILARITY_WANTED, SIZE_WANTED = 24.0, 0.85, 15.0


def portrait_sections(generator: ImageGenerator, figures: dict[str, Any], run: TrainingRun, size: int) -> list[str]:
    """The card's sections, of figures that :func:`measure_portrait` gave; ``size`` of the model file in bytes."""
    resolution = generator.config.resolution
    return [
        "A cartoon portrait whose eyes open and look aside, whose mouth smiles and opens, and whose head turns and "
        f"tilts, with hair, skin, shirt and background of many colours. A small StyleGAN2 generator of {resolution} x "
        f"{resolution} pixels, trained from nothing but this project's own code.",
        _making(generator, run, size),
        _measured(figures, size),
        _limits(figures),
        _keypoints(figures),
    ]


def _making(generator: ImageGenerator, run: TrainingRun, size: int) -> str:
    c, settings = generator.config, PortraitSettings()
    weights = sum(p.numel() for p in generator.parameters())
    channels = ", ".join(str(n) for n in c.channels)
    return making_section(
        [
            f"Teacher: a procedural drawing (`get3d_models/training/portrait.py`) whose {len(teacher.PARAMETERS)} "
            "parameters are fixed functions of the latent. The generator is regressed on its pictures: no adversary.",
            f"Architecture: StyleGAN2 of the kind {c.architecture!r}, latents of {c.z_dim}, W of {c.w_dim}, "
            f"{c.mapping_layers} mapping layers, synthesis of {channels} channels at 4 to {c.resolution} pixels. "
            f"{weights:,} weights, {size / 1e6:.1f} MB.",
            training_command("portrait", run),
            f"Steps: {run.steps:,} of {settings.images_per_step} pictures, so "
            f"{run.steps * settings.images_per_step:,} pictures seen, each once. Seed {run.seed}. Averaged weights are "
            "kept.",
            f"Stages: {_stages(settings, run)}.",
        ],
        run,
    )


def _stages(settings: PortraitSettings, run: TrainingRun) -> str:
    """What was looked at up to which step."""
    ends = [min(stage.until, run.steps) for stage in settings.stages[:-1]] + [run.steps]
    parts = []
    for start, end, stage in zip([0, *ends], ends, settings.stages, strict=False):
        if start == end:
            continue
        whole = stage.window == stage.resolution
        seen = "whole pictures" if whole else f"windows of {stage.window} pixels in pictures"
        seen += f" of {stage.resolution}"
        seen += f" ({stage.faces:.0%} of them at faces)" if stage.faces else ""
        mouth = f" ({1 + stage.emphasis * stage.mouth:g} at the mouth)" if stage.mouth != 1 else ""
        emphasis = f", with up to {1 + stage.emphasis:g} times the weight at keypoints{mouth}" if stage.emphasis else ""
        parts.append(f"steps {start:,} to {end:,} {seen}{emphasis}")
    return "; ".join(parts)


def _measured(f: dict[str, Any], size: int) -> str:
    pictures = f["pictures"]
    rows: list[Row] = [
        against("PSNR, mean of the pictures (dB)", f["signal_to_noise_mean"], ">= 24", lambda v: v >= RATIO_WANTED),
        ("PSNR of all pixels of all pictures (dB)", f"{f['signal_to_noise_overall']:g}", "", None),
        ("PSNR, worst picture (dB)", f"{f['signal_to_noise_worst']:g}", "", None),
        against("SSIM, mean", f["similarity_mean"], ">= 0.85", lambda v: v >= SIMILARITY_WANTED),
        ("SSIM, worst picture", f"{f['similarity_worst']:g}", "", None),
        ("colour error, mean", f"{f['color_error_mean']:g}", "", None),
        ("colour error, worst picture", f"{f['color_error_worst']:g}", "", None),
        against("resolution (pixels)", f["resolution"], "256", lambda v: v == 256),
        against("size (MB)", round(size / 1e6, 1), "<= 15", lambda v: v <= SIZE_WANTED),
    ]
    introduction = (
        f"On {pictures} latents that training did not draw, against the teacher's pictures of {f['resolution']} "
        "pixels, RGB in [0, 1], the generator's clipped to that. SSIM: Gaussian windows of 11 pixels with a deviation "
        "of 1.5 (Wang et al. 2004), mean over the channels. Colour error: mean absolute difference."
    )
    return measured_section(introduction, rows, f"portrait --samples {pictures}")


def _limits(f: dict[str, Any]) -> str:
    errors = f["keypoint_error_mean"]
    worst = max(errors, key=errors.__getitem__)
    return (
        "## Limits\n\n"
        "- One cartoon style, head and shoulders from the front: no photographs, no glasses, beards or hands, no "
        "profile. Hair, face and shirt are of one kind each that varies in size and colour.\n"
        "- The teacher draws nothing at random, so there is no fine texture, and the noise inputs have no effect.\n"
        "- Truncated or edited latents belong to no parameters of the teacher; the figures above say nothing of them.\n"
        f"- Of the keypoints, {worst} has the largest colour error around it, {errors[worst]:g} on average."
    )


def _keypoints(f: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| {name} | {error:g} | {f['keypoint_shown'][name]} of {f['pictures']} |"
        for name, error in f["keypoint_error_mean"].items()
    )
    return (
        "## Keypoints\n\nNamed places in the teacher's picture (`get3d_models.keypoints`), the mean colour error in a "
        f"disc of {12 * f['resolution'] / 256:g} pixels around each, and in how many pictures it can be seen: a closed "
        f"lid covers its pupil.\n\n| keypoint | colour error | seen |\n|---|---|---|\n{rows}"
    )
