"""What an evaluation found: a table in markdown, the figures as JSON, a plot where matplotlib is installed."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import drag3d
from drag3d.evaluation.run import Evaluation
from drag3d.evaluation.yardstick import Record, Row, Yardstick, plain, share_of, yardstick_of
from drag3d.export.atomic import atomic_write, write_bytes_atomically
from get3d_models.generator import Generator
from get3d_models.stylegan2 import ImageGenerator

MARKDOWN, JSON, PLOT = "report.md", "report.json", "report.png"


def summarise(records: list[Record], yardstick: Yardstick[Any, Any]) -> dict[str, Any]:
    """Figures of one method's records, in the units of the page; None where nothing ran."""
    finished, scale = [r for r in records if r["failure"] != "error"], yardstick.scale

    def values(key: str, scale: float = 1.0) -> Any:
        return np.array([scale * r[key] for r in finished if r[key] is not None])

    def figure(of: Callable[[Any], Any], numbers: Any, digits: int = 3) -> float | None:
        return round(float(of(numbers)), digits) if len(numbers) else None

    memory = values("peak_bytes", 1 / 2**20)
    before = np.array([scale * r["task"]["length"] for r in finished])
    after = values("keypoint_distance", scale)
    return {
        "drags": len(records),
        "successes": sum(r["failure"] is None for r in records),
        "arrived_by_tracker": sum(yardstick.arrived(r) for r in finished),
        "reached_by_judge": sum(yardstick.reached(r) for r in finished),
        "keypoint_distance_before_mean": figure(np.mean, before),
        "keypoint_distance_mean": figure(np.mean, after),
        "keypoint_distance_median": figure(np.median, after),
        "tracked_distance_mean": figure(np.mean, values("tracked_distance", scale)),
        "judge_error_unedited_mean": figure(np.mean, values("judge_error_unedited", scale)),
        "judge_error_unedited_worst": figure(np.max, values("judge_error_unedited", scale)),
        "off_region_mean": figure(np.mean, values("off_region_mean", 100), 4),
        "off_region_p95_mean": figure(np.mean, values("off_region_p95", 100), 4),
        **yardstick.own_figures(finished),
        "steps_median": figure(np.median, values("steps"), 1),
        "seconds_median": figure(np.median, values("seconds")),
        "seconds_worst": figure(np.max, values("seconds")),
        "peak_mib_median": figure(np.median, memory, 1),
        "peak_mib_worst": figure(np.max, memory, 1),
        "failures": dict(Counter(r["failure"] for r in records if r["failure"]).most_common()),
        "by_keypoint": _by_keypoint(records),
    }


def _by_keypoint(records: list[Record]) -> dict[str, dict[str, int]]:
    names = sorted({r["task"]["keypoint"] for r in records})
    of = {name: [r for r in records if r["task"]["keypoint"] == name] for name in names}
    return {
        name: {"drags": len(found), "successes": sum(r["failure"] is None for r in found)} for name, found in of.items()
    }


def report(generator: Generator | ImageGenerator, evaluation: Evaluation, records: list[Record]) -> dict[str, Any]:
    """All that is known of an evaluation, as plain values: what ran on what, the figures, and every record."""
    yardstick = yardstick_of(generator.kind, evaluation.protocol)
    return {
        "kind": yardstick.kind,
        "protocol": yardstick.protocol,
        "points": yardstick.points,
        "model": {"name": generator.name, "sha256": generator.fingerprint, "config": generator.config.to_dict()},
        "settings": {
            "protocol": evaluation.protocol,
            "drags": evaluation.drags, "seed": evaluation.seed, "max_steps": evaluation.max_steps, "threads": 1,
            "drag_length": list(yardstick.length_range), "reached_within": yardstick.reached_within,
            "region_radius": yardstick.region,
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


def write_report(folder: Path, found: dict[str, Any]) -> tuple[list[Path], str | None]:
    """Write the reports into ``folder``; returns the files, and a sentence where the plot could not be drawn."""
    text = json.dumps(found, indent=1, allow_nan=False)
    files = [
        write_bytes_atomically(folder / MARKDOWN, (markdown(found) + "\n").encode()),
        write_bytes_atomically(folder / JSON, f"{text}\n".encode()),
    ]
    try:
        import matplotlib
    except ImportError:
        return files, "no plot: matplotlib is not installed (pip install matplotlib)"
    matplotlib.use("Agg")
    with atomic_write(folder / PLOT) as temporary:
        draw(found, temporary)
    return [*files, folder / PLOT], None


def _pair(first: str, second: str, unit: str = "") -> Callable[[dict[str, Any]], str]:
    return lambda f: f"{plain(first, unit)(f)} / {plain(second, unit)(f)}"


def _rows(yardstick: Yardstick[Any, Any]) -> tuple[Row, ...]:
    titles, unit = yardstick.titles(), f" {yardstick.unit}"
    return (
        ("success: arrived, and judged so", share_of("successes")),
        (titles["arrived"], share_of("arrived_by_tracker")),
        (titles["reached"], share_of("reached_by_judge")),
        ("keypoint to target before, mean", plain("keypoint_distance_before_mean", unit)),
        ("keypoint to target after, mean / median", _pair("keypoint_distance_mean", "keypoint_distance_median", unit)),
        ("the same by its own tracker, mean", plain("tracked_distance_mean", unit)),
        ("the judge's error before, mean / worst",
         _pair("judge_error_unedited_mean", "judge_error_unedited_worst", unit)),
        ("off-region change, mean / 95th percentile", _pair("off_region_mean", "off_region_p95_mean", " %")),
        *yardstick.own_rows(),
        ("steps, median", plain("steps_median")),
        ("seconds, median / worst", _pair("seconds_median", "seconds_worst")),
        ("peak memory beyond the model's, median / worst", _pair("peak_mib_median", "peak_mib_worst", " MiB")),
        ("failures by reason", lambda f: ", ".join(f"{why}: {n}" for why, n in f["failures"].items()) or "none"),
    )  # fmt: skip


def markdown(found: dict[str, Any]) -> str:
    """The report as a page: what was done, the figures of the methods side by side, successes by keypoint."""
    settings, model, versions = found["settings"], found["model"], found["versions"]
    yardstick = yardstick_of(found["kind"], found["settings"]["protocol"])
    how_far, meaning = yardstick.explained(settings)
    lines = [
        f"# Drags of {model['name']}: {', '.join(found['methods'])}",
        "",
        f"Protocol `{found['protocol']}`, {found['points']} point: a keypoint of one sample is dragged to where "
        f"another sample has it, {how_far}. {settings['drags']} drags, seed {settings['seed']}, at most "
        f"{settings['max_steps']} steps, {settings['threads']} thread.",
        "",
        meaning,
        "",
        f"| | {' | '.join(found['methods'])} |",
        f"|---|{'---|' * len(found['methods'])}",
    ]
    for title, cell in _rows(yardstick):
        lines.append(f"| {title} | {' | '.join(cell(figures) for figures in found['methods'].values())} |")
    names = sorted({name for figures in found["methods"].values() for name in figures["by_keypoint"]})
    lines += ["", f"| keypoint | {' | '.join(found['methods'])} |", f"|---|{'---|' * len(found['methods'])}"]
    for name in names:
        counts = [figures["by_keypoint"][name] for figures in found["methods"].values()]
        lines.append(f"| {name} | {' | '.join(f'''{c['successes']} of {c['drags']}''' for c in counts)} |")
    made = ", ".join(f"{name} {version}" for name, version in versions.items())
    machine = found["machine"]
    lines += [
        "",
        f"Model `{model['name']}`, sha256 `{model['sha256']}`. {made}; {machine['device']}, {machine['system']} "
        f"{machine['processor']}.",
    ]
    return "\n".join(lines)


def draw(found: dict[str, Any], path: Path) -> None:
    """Plot for each method how many drags bring the keypoint how near, change how much else, and take how long."""
    from matplotlib.figure import Figure

    yardstick = yardstick_of(found["kind"], found["settings"]["protocol"])
    scale, titles = yardstick.scale, yardstick.titles()
    figure = Figure(figsize=(13, 4), layout="constrained")
    near, off, time = figure.subplots(1, 3)
    columns = ((near, "keypoint_distance", scale), (off, "off_region_mean", 100.0), (time, "seconds", 1.0))
    for method in found["methods"]:
        records = [r for r in found["records"] if r["method"] == method and r["failure"] != "error"]
        count = found["methods"][method]["drags"]
        for axes, key, factor in columns:
            values = np.sort([factor * r[key] for r in records])
            axes.step([0.0, *values], np.arange(len(values) + 1) / count, where="post", label=method)
    near.axvline(scale * found["settings"]["reached_within"], color="grey", linewidth=0.8, linestyle=":")
    for axes, title in ((near, titles["keypoint"]), (off, titles["off_region"]), (time, "seconds")):
        axes.set(xlabel=title, ylim=(0, 1.02), xlim=(0, None))
    near.set_ylabel("share of drags at most that")
    near.legend()
    figure.savefig(path, dpi=110, format="png")
