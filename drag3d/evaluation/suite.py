"""Several protocols and numbers of points in one folder: a report of each, and a summary of all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from drag3d.evaluation.figures import Row, pair, plain, share_of
from drag3d.evaluation.report import draw_curve, made_with, report, to_success, write_pages, write_report, yardstick_in
from drag3d.evaluation.run import Evaluation, evaluate
from drag3d.evaluation.yardstick import PROTOCOLS, Yardstick
from get3d_models.generator import Generator
from get3d_models.stylegan2 import ImageGenerator

ALL = "all"
POINTS = (1, 3, 5)
NAMES = ("summary.md", "summary.json", "summary.png")
Member = tuple[str, int]
"""A protocol, and how many points its tasks have"""


def members(kind: str, protocol: str, points: str | int) -> tuple[Member, ...]:
    """What "all" protocols or "all" numbers of points are for models of a kind; the view has one point only."""
    protocols = [p for p in PROTOCOLS if p != "view" or kind == "shape"] if protocol == ALL else [protocol]
    numbers = POINTS if points == ALL else (int(points),)
    several = ALL in (protocol, points)
    return tuple((p, n) for p in protocols for n in ((1,) if p == "view" and several else numbers))


def evaluate_all(
    generator: Generator | ImageGenerator,
    evaluation: Evaluation,
    wanted: tuple[Member, ...],
    folder: Path,
    quiet: bool = False,
    jobs: int = 1,
    source: str | None = None,
) -> list[dict[str, Any]]:
    """Evaluate each member in a folder of its own, ``keypoints-3`` and so on; their reports, which are written too.

    A method that suits none of a member's tasks is left out there.
    """
    found = []
    for protocol, points in wanted:
        one = replace(evaluation, protocol=protocol, points=points)
        suited = tuple(method for method in one.methods if one.suits(method, generator.kind))
        one = replace(one, methods=suited or one.methods)  # if none does, that is said
        place = folder / f"{protocol}-{points}"
        found.append(report(generator, one, evaluate(generator, one, place, quiet, jobs, source)))
        write_report(place, found[-1])
    return found


def write_summary(folder: Path, found: list[dict[str, Any]]) -> tuple[list[Path], str | None]:
    """Write page, figures and plot of all reports; returns the files, and a sentence where there can be no plot."""
    figures = [{key: value for key, value in one.items() if key != "records"} for one in found]
    return write_pages(folder, NAMES, summary(found), figures, lambda path: draw_all(found, path))


def summary(found: list[dict[str, Any]]) -> str:
    """The most important figures of all reports, the methods side by side."""
    first = found[0]
    methods, settings = list(dict.fromkeys(method for one in found for method in one["methods"])), first["settings"]
    lines = [
        f"# Drags of {first['model']['name']}: {', '.join(methods)}",
        "",
        f"{settings['drags']} drags each, seed {settings['seed']}, at most {settings['max_steps']} steps, one thread. "
        "What the figures mean is said in the reports beside this page, one for each protocol and number of points.",
        "",
        f"| protocol | points | | {' | '.join(methods)} |",
        f"|---|---|---|{'---|' * len(methods)}",
    ]
    for one in found:
        for number, (title, cell) in enumerate(_rows(yardstick_in(one))):
            head = f"{one['protocol']} | {one['points']}" if number == 0 else " | "
            cells = (cell(one["methods"][method]) if method in one["methods"] else "-" for method in methods)
            lines.append(f"| {head} | {title} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", made_with(first)])


def _rows(yardstick: Yardstick[Any]) -> tuple[Row, ...]:
    return (
        ("success", share_of("successes")),
        *yardstick.own_rows()[:3],
        ("off-region change over drag length", plain("off_region_over_length")),
        ("latents' distance, before / after", pair("latent_distance_before_mean", "latent_distance_mean")),
        *yardstick.material.sound_rows(),
        ("steps, median", plain("steps_median")),
        ("seconds, median / worst", pair("seconds_median", "seconds_worst")),
        ("processor's seconds, median", plain("processor_seconds_median")),
        ("processor's seconds until half of all drags have succeeded", to_success),
        ("peak memory, median", plain("peak_mib_median", " MiB")),
        ("failures", lambda f: ", ".join(f"{why}: {n}" for why, n in f["failures"].items()) or "none"),
    )


def draw_all(found: list[dict[str, Any]], path: Path) -> None:
    """Plot how near each method ends: protocols from top to bottom, numbers of points from left to right."""
    from matplotlib.figure import Figure

    protocols = list(dict.fromkeys(one["protocol"] for one in found))
    numbers = sorted({one["points"] for one in found})
    figure = Figure(figsize=(1 + 4 * len(numbers), 3.2 * len(protocols)), layout="constrained")
    grid = figure.subplots(len(protocols), len(numbers), squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    for one in found:
        axes = grid[protocols.index(one["protocol"]), numbers.index(one["points"])]
        axes.set_visible(True)
        draw_curve(axes, one, yardstick_in(one).main_curve())
        axes.set_title(f"{one['protocol']}, {one['points']} point{'s' if one['points'] > 1 else ''}")
    grid[0, 0].legend()
    figure.savefig(path, dpi=110, format="png")
