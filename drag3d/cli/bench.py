"""``drag3d bench``: how fast the editor is here, against the slow ways that it replaces."""

from __future__ import annotations

import json
from typing import Any

import click

from drag3d.cli.common import Voice


@click.command()
@click.option(
    "--resolution", type=click.IntRange(8, 200), default=90, show_default=True, help="Of the tetrahedral grid."
)
@click.option("--repeats", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def bench(resolution: int, repeats: int, as_json: bool) -> None:
    """Measure how fast the editor is here.

    Marching tetrahedra is measured against the textbook way, within one run.
    """
    from drag3d.bench.marching import bench_marching

    report = {"marching": bench_marching(resolution, repeats)}
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    Voice(quiet=False).say(marching_table(report["marching"]))


def marching_table(report: dict[str, Any]) -> str:
    """The measurements of marching tetrahedra as text."""
    lines = [
        f"marching tetrahedra, forward and backward, resolution {report['resolution']}: {report['tets']} tetrahedra, "
        f"{report['faces']} faces; medians of {report['repeats']}",
        f"{'threads':>10} {'clock':>6} {'ours':>10} {'textbook':>10} {'ratio':>8}",
    ]
    for kind in ("single", "default"):
        for clock in ("wall", "cpu"):
            row = report[kind][clock]
            times = f"{1e3 * row['ours']:>7.1f} ms {1e3 * row['textbook']:>7.1f} ms"
            lines.append(f"{report[kind]['threads']:>10} {clock:>6} {times} {row['ratio']:>7.1f}x")
    return "\n".join(lines)
