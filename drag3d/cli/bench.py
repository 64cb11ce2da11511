"""``drag3d bench``: how fast the editor is here, against the slow ways that it replaces."""

from __future__ import annotations

import json
from typing import Any

import click

PARTS = ("marching", "rendering", "step", "image-step", "arrival")


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure only this. Repeatable.")
@click.option("--resolution", type=click.IntRange(8, 200), default=90, show_default=True, help="Of the marched grid.")
@click.option("--repeats", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--drags", type=click.IntRange(1, 1000), default=5, show_default=True, help="Drags until arrival.")
@click.option("--model", default="quadruped", show_default=True, help="What is dragged until arrival.")
@click.option(
    "--image-resolution",
    type=click.Choice(["256", "512", "1024"]),
    default="512",
    show_default=True,
    help="Of the image step.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def bench(
    *, only: tuple[str, ...], resolution: int, repeats: int, drags: int, model: str, image_resolution: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Measure how fast the editor is here.

    Marching tetrahedra and the drag steps are measured against the textbook ways, rendering against deodr where that
    is installed. They take turns within one run, so look at the ratios. The steps are those of generators as large as
    the released ones. Takes some minutes.
    """
    from get3d_models.loading import resolve

    chosen = only or PARTS
    if "arrival" in chosen:
        resolve(model)  # an unknown model is refused now, not after minutes
    report: dict[str, Any] = {}
    for part in PARTS:
        if part not in chosen:
            continue
        report[part], lines = _measured(part, resolution, repeats, drags, model, int(image_resolution))
        if not as_json:
            click.echo("\n".join([*lines, ""]))
    if as_json:
        click.echo(json.dumps(report, indent=2))


def _measured(
    part: str, resolution: int, repeats: int, drags: int, model: str, image_resolution: int
) -> tuple[dict[str, Any], list[str]]:
    if part == "marching":
        from drag3d.bench.marching import bench_marching

        report = bench_marching(resolution, repeats)
        return report, marching_lines(report)
    if part == "rendering":
        from drag3d.bench.rendering import bench_rendering

        report = bench_rendering(repeats=repeats)
        return report, rendering_lines(report)
    if part == "step":
        from drag3d.bench.drag_step import bench_drag_step

        report = bench_drag_step(repeats)
        return report, step_lines(report)
    if part == "image-step":
        from drag3d.bench.image_step import bench_image_step

        report = bench_image_step(image_resolution, repeats)
        return report, image_step_lines(report)
    from drag3d.bench.arrival import bench_arrival

    report = bench_arrival(model, drags)
    return report, arrival_lines(report)


def marching_lines(report: dict[str, Any]) -> list[str]:
    """The measurements of marching tetrahedra as a table."""
    lines = [
        f"marching tetrahedra, forward and backward, {report['tets']} tetrahedra, {report['faces']} faces, "
        f"medians of {report['repeats']}",
        f"{'threads':>14} {'clock':>6} {'ours':>12} {'textbook':>12} {'ratio':>8}",
    ]
    for kind in ("single", "default"):
        for clock in ("wall", "cpu"):
            row = report[kind][clock]
            times = f"{_ms(row['ours'])} {_ms(row['textbook'])}"
            lines.append(f"{report[kind]['threads']:>14} {clock:>6} {times} {row['ratio']:>7.1f}x")
    return lines


def rendering_lines(report: dict[str, Any]) -> list[str]:
    """The measurements of rendering as a table."""
    lines = [
        f"a picture of {report['size']} pixels and its gradient, {report['faces']} triangles, {report['channels']} "
        f"channels, medians of {report['repeats']}; numba and torch are ours",
        f"{'torch threads':>14} {'clock':>6} {'numba':>12} {'torch':>12} {'deodr':>12} {'ratio':>8}",
    ]
    for kind in ("single", "default"):
        for clock in ("wall", "cpu"):
            row = report[kind][clock]
            times = " ".join(f"{'unknown':>12}" if row[k] is None else _ms(row[k]) for k in ("numba", "torch", "deodr"))
            ratio = f"{'unknown':>8}" if row["ratio"] is None else f"{row['ratio']:>7.1f}x"
            lines.append(f"{report[kind]['threads']:>14} {clock:>6} {times} {ratio}")
    if report["missing"]:
        lines.append(report["missing"])
    if report["start"]:
        first, second = report["start"]["first"], report["start"]["second"]
        lines.append(f"a new process has its first picture after {first:.1f} s, from the second one on {second:.1f} s")
    return lines


def step_lines(report: dict[str, Any]) -> list[str]:
    """The measurements of a drag step as a table."""
    lines = [
        f"one drag step of {report['handles']} handles, triplanes of {report['resolution']}, "
        f"{report['threads']} threads, medians of {report['repeats']}",
        f"{'':>14} {'wall':>12} {'cpu':>12} {'peak memory':>12} {'ratio':>8}",
    ]
    for name in ("textbook", *report["ratio"]):
        row = report[name]
        peak = _megabytes(row["peak_bytes"])
        ratio = "" if name == "textbook" else f"{report['ratio'][name]['wall']:.1f}x"
        lines.append(f"{name:>14} {_ms(row['wall'])} {_ms(row['cpu'])} {peak:>12} {ratio:>8}")
    return lines


def image_step_lines(report: dict[str, Any]) -> list[str]:
    """The measurements of a drag step on an image as a table."""
    lines = [
        f"one drag step of a handle in an image of {report['resolution']} pixels, {report['threads']} threads, medians "
        f"of {report['repeats']}; gradients differ by {report['gradient_difference']:.1e} of the largest",
        f"{'':>14} {'wall':>12} {'cpu':>12} {'peak memory':>12}",
    ]
    for name in ("textbook", "ours"):
        row = report[name]
        lines.append(f"{name:>14} {_ms(row['wall'])} {_ms(row['cpu'])} {_megabytes(row['peak_bytes']):>12}")
    ratio = [report["ratio"][key] for key in ("wall", "cpu", "peak_bytes")]
    lines.append(f"{'ratio':>14} " + " ".join(f"{'unknown' if r is None else f'{r:.1f}x':>12}" for r in ratio))
    return lines


def arrival_lines(report: dict[str, Any]) -> list[str]:
    """The measurements of whole drags as a table."""
    lines = [f"{report['drags']} keypoint drags on {report['model']}, method {report['method']}"]
    lines.append(f"{'seed':>14} {'keypoint':>16} {'steps':>6} {'seconds':>8}  reason")
    for row in report["each"]:
        lines.append(
            f"{row['seed']:>14} {row['keypoint']:>16} {row['steps']:>6} {row['seconds']:>8.2f}  {row['reason']}"
        )
    if report["steps"] is not None:
        medians = (
            f"{report['steps']:g} steps, {report['seconds']:.2f} s, {1e3 * report['seconds_per_step']:.0f} ms a step"
        )
        lines.append(f"arrived, as tracked: {report['arrived']:.0%}; medians: {medians}")
    return lines


def _megabytes(count: float | None) -> str:
    return "unknown" if count is None else f"{count / 2**20:.0f} MB"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:>9.1f} ms"
