"""What an evaluation found: a table in markdown, the figures as JSON, a plot where matplotlib is installed."""

from __future__ import annotations

import json
import math
import platform
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import drag3d
from drag3d.evaluation.figures import Figures, Record, Row, pair, plain, share_of
from drag3d.evaluation.keypoint_drags import by_keypoint
from drag3d.evaluation.run import Evaluation
from drag3d.evaluation.yardstick import Curve, Yardstick, yardstick_of
from drag3d.export.atomic import atomic_write, write_bytes_atomically
from get3d_models.generator import Generator
from get3d_models.stylegan2 import ImageGenerator

MARKDOWN, JSON, PLOT = "report.md", "report.json", "report.png"
NO_PLOT = "no plot: matplotlib is not installed (pip install matplotlib)"


def summarise(records: list[Record], yardstick: Yardstick[Any]) -> dict[str, Any]:
    """Figures of one method's records, in the units of the page; None where nothing ran."""
    finished = [r for r in records if r["failure"] != "error"]
    return {
        "drags": len(records),
        "successes": sum(r["failure"] is None for r in records),
        "arrived_by_tracker": sum(yardstick.arrived(r) for r in finished),
        "reached_by_judge": sum(yardstick.reached(r) for r in finished),
        **yardstick.figures(finished),
        "processor_seconds_to_success_median": _to_success(records),
        "failures": dict(Counter(r["failure"] for r in records if r["failure"]).most_common()),
        "by_keypoint": by_keypoint(records),
    }


def _to_success(records: list[Record]) -> float | None:
    """The median drag's time to a success, on the processor; one that fails never has it, so there may be none."""
    times = [r["processor_seconds"] if r["failure"] is None else math.inf for r in records]
    median = float(np.median(times)) if times else math.inf
    return round(median, 3) if math.isfinite(median) else None


def to_success(figures: Figures) -> str:
    """A cell that shows it."""
    median = figures["processor_seconds_to_success_median"]
    return "never: fewer succeed" if median is None else f"{median:g}"


def report(generator: Generator | ImageGenerator, evaluation: Evaluation, records: list[Record]) -> dict[str, Any]:
    """All that is known of an evaluation, as plain values: what ran on what, the figures, and every record."""
    yardstick = yardstick_of(generator.kind, evaluation.protocol, evaluation.points)
    return {
        "kind": yardstick.kind,
        "protocol": yardstick.protocol,
        "points": yardstick.points,
        "model": {"name": generator.name, "sha256": generator.fingerprint, "config": generator.config.to_dict()},
        "settings": {
            "drags": evaluation.drags, "seed": evaluation.seed, "max_steps": evaluation.max_steps, "threads": 1,
            "drag_length": list(yardstick.length_range), "reached_within": yardstick.reached_within,
            "region_radius": yardstick.material.region,
        },
        "drag_settings": [asdict(evaluation.drag_settings(method)) for method in evaluation.methods],
        "versions": {
            "drag3d": drag3d.__version__, "torch": str(torch.__version__), "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": {"device": generator.device.type, "system": platform.system(), "processor": platform.machine()},
        "methods": {m: summarise([r for r in records if r["method"] == m], yardstick) for m in evaluation.methods},
        "records": records,
    }  # fmt: skip


def yardstick_in(found: dict[str, Any]) -> Yardstick[Any]:
    """The one that a report was made with."""
    return yardstick_of(found["kind"], found["protocol"], found["points"])


def write_report(folder: Path, found: dict[str, Any]) -> tuple[list[Path], str | None]:
    """Write the reports into ``folder``; returns the files, and a sentence where the plot could not be drawn."""
    return write_pages(folder, (MARKDOWN, JSON, PLOT), markdown(found), found, lambda path: draw(found, path))


def write_pages(
    folder: Path, names: tuple[str, str, str], page: str, figures: Any, drawn: Callable[[Path], None]
) -> tuple[list[Path], str | None]:
    """Write a page, figures as JSON and a plot; returns the files, and a sentence where there can be no plot."""
    text = json.dumps(figures, indent=1, allow_nan=False)
    files = [
        write_bytes_atomically(folder / names[0], f"{page}\n".encode()),
        write_bytes_atomically(folder / names[1], f"{text}\n".encode()),
    ]
    try:
        import matplotlib
    except ImportError:
        return files, NO_PLOT
    matplotlib.use("Agg")
    with atomic_write(folder / names[2]) as temporary:
        drawn(temporary)
    return [*files, folder / names[2]], None


def rows(yardstick: Yardstick[Any]) -> tuple[Row, ...]:
    """The lines of the table."""
    return (
        ("success: arrived, and judged so", share_of("successes")),
        (yardstick.material.arrived_title(), share_of("arrived_by_tracker")),
        (yardstick.reached_title(), share_of("reached_by_judge")),
        *yardstick.own_rows(),
        ("off-region change, mean / 95th percentile", pair("off_region_mean", "off_region_p95_mean", " %")),
        ("off-region change over drag length", plain("off_region_over_length")),
        ("latents' distance from the training distribution, before / after",
         pair("latent_distance_before_mean", "latent_distance_mean")),
        *yardstick.material.sound_rows(),
        ("steps, median", plain("steps_median")),
        ("seconds, median / worst", pair("seconds_median", "seconds_worst")),
        ("processor's seconds, median", plain("processor_seconds_median")),
        ("processor's seconds until half of all drags have succeeded", to_success),
        ("peak memory beyond the model's, median / worst", pair("peak_mib_median", "peak_mib_worst", " MiB")),
        ("failures by reason", lambda f: ", ".join(f"{why}: {n}" for why, n in f["failures"].items()) or "none"),
    )  # fmt: skip


def markdown(found: dict[str, Any]) -> str:
    """The report as a page: what was done, the figures of the methods side by side, successes by keypoint."""
    settings, yardstick = found["settings"], yardstick_in(found)
    task, meaning = yardstick.explained(settings)
    points = "1 point" if found["points"] == 1 else f"{found['points']} points at once"
    lines = [
        f"# Drags of {found['model']['name']}: {', '.join(found['methods'])}",
        "",
        f"Protocol `{found['protocol']}`, {points}: {task}. {settings['drags']} drags, seed {settings['seed']}, at "
        f"most {settings['max_steps']} steps, {settings['threads']} thread.",
        "",
        f"{meaning} Latents' distance is Mahalanobis', per row; of the samples that the model makes it is about "
        f"{found['model']['config']['w_dim'] ** 0.5:.1f}.",
        "",
        f"| | {' | '.join(found['methods'])} |",
        f"|---|{'---|' * len(found['methods'])}",
    ]
    for title, cell in rows(yardstick):
        lines.append(f"| {title} | {' | '.join(cell(figures) for figures in found['methods'].values())} |")
    names = sorted({name for figures in found["methods"].values() for name in figures["by_keypoint"]})
    lines += ["", f"| keypoint | {' | '.join(found['methods'])} |", f"|---|{'---|' * len(found['methods'])}"]
    for name in names:
        counts = [figures["by_keypoint"].get(name, NONE) for figures in found["methods"].values()]
        lines.append(f"| {name} | {' | '.join(f'''{c['successes']} of {c['drags']}''' for c in counts)} |")
    return "\n".join([*lines, "", made_with(found)])


NONE = {"successes": 0, "drags": 0}


def made_with(found: dict[str, Any]) -> str:
    """What made a page."""
    model, machine = found["model"], found["machine"]
    made = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"Model `{model['name']}`, sha256 `{model['sha256']}`. {made}; {machine['device']}, {machine['system']} "
        f"{machine['processor']}."
    )


def draw(found: dict[str, Any], path: Path) -> None:
    """Plot for each method how many drags end how near, change how much else, are how likely, and take how long."""
    from matplotlib.figure import Figure

    yardstick = yardstick_in(found)
    figure = Figure(figsize=(16, 4), layout="constrained")
    curves = (
        yardstick.main_curve(),
        Curve("off_region_mean", 100.0, yardstick.material.off_title),
        Curve("latent_distance", 1.0, "latents from the training distribution"),
        Curve("seconds", 1.0, "seconds"),
    )
    axes = figure.subplots(1, len(curves))
    for one, curve in zip(axes, curves, strict=True):
        draw_curve(one, found, curve)
    axes[0].set_ylabel("share of drags at most that")
    axes[0].legend()
    figure.savefig(path, dpi=110, format="png")


def draw_curve(axes: Any, found: dict[str, Any], curve: Curve) -> None:
    """For each method the share of all its drags whose figure is at most so large; those that broke down have none."""
    for method in found["methods"]:
        records = [r for r in found["records"] if r["method"] == method and r["failure"] != "error"]
        values = np.sort([curve.factor * r[curve.key] for r in records])
        count = found["methods"][method]["drags"]
        axes.step([0.0, *values], np.arange(len(values) + 1) / count, where="post", label=method)
    if curve.mark is not None:
        axes.axvline(curve.mark, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlabel=curve.title, ylim=(0, 1.02), xlim=(0, None))
