"""``drag3d bench``: how fast the editor is here, against the slow ways that it replaces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from drag3d.cli.common import device_option

PARTS = ("marching", "rendering", "image-step", "step", "mesh", "arrival", "export", "start")
SIZES = ("256", "512", "1024")
POINTS = ("1", "3", "5")


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure only this. Repeatable.")
@click.option("--resolution", type=click.IntRange(8, 200), default=90, show_default=True, help="Of the marched grid.")
@click.option("--repeats", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--drags", type=click.IntRange(1, 1000), default=12, show_default=True, help="Drags until arrival.")
@click.option(
    "--model",
    multiple=True,
    default=["quadruped", "portrait"],
    show_default=True,
    help="What is dragged until arrival.",
)
@click.option(
    "--image-resolution", type=click.Choice(SIZES), multiple=True, default=SIZES, show_default=True,
    help="Of the images whose steps are measured. Repeatable.",
)  # fmt: skip
@click.option(
    "--points", type=click.Choice(POINTS), multiple=True, default=POINTS, show_default=True,
    help="How many are dragged in a step. Repeatable.",
)  # fmt: skip
@device_option
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def bench(*, only: tuple[str, ...], model: tuple[str, ...], device: str, as_json: bool, **options: Any) -> None:
    """Measure how fast the editor is here.

    Marching tetrahedra, drag steps and meshes are measured against the textbook ways, rendering against deodr where
    that is installed. They take turns within one run, so look at the ratios. The steps are those of generators as large
    as the released ones, of random weights. Times are medians by the clock, memory is what was in use beyond that
    before: on CUDA of the device. Rendering, export and start are the processor's on every device. All of it takes a
    quarter of an hour.
    """
    from drag3d.bench.measuring import machine
    from drag3d.bench.table import HEADER, rows_of
    from get3d_models.devices import chosen_device
    from get3d_models.loading import resolve

    chosen = only or PARTS
    if "arrival" in chosen:
        for name in model:
            resolve(name)  # an unknown model is refused now, not after minutes
    device = chosen_device(device)
    report: dict[str, Any] = {"machine": machine(device)}
    if not as_json:
        click.echo(f"{report['machine']}\n{HEADER}")
    for part in PARTS:
        for found in _measured(part, model, device, **options) if part in chosen else ():
            report.setdefault(part, []).append(found)
            if not as_json:
                click.echo("\n".join(row.line() for row in rows_of(part, found)))
    if as_json:
        click.echo(json.dumps(report, indent=2))


def _measured(
    part: str, models: tuple[str, ...], device: str, resolution: int, repeats: int, drags: int,
    image_resolution: tuple[str, ...], points: tuple[str, ...],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The reports of a part, each as soon as it is there."""
    if part == "marching":
        from drag3d.bench.marching import bench_marching

        yield bench_marching(resolution, repeats, device)
    elif part == "rendering":
        from drag3d.bench.rendering import bench_rendering

        yield bench_rendering(repeats=repeats)
    elif part == "image-step":
        from drag3d.bench.image_step import bench_image_step

        for size in image_resolution:
            yield from (bench_image_step(int(size), repeats, points=int(n), device=device) for n in points)
    elif part == "step":
        from drag3d.bench.drag_step import bench_drag_step

        yield from (bench_drag_step(repeats, handles=int(n), device=device) for n in points)
    elif part == "mesh":
        from drag3d.bench.refresh import bench_refresh

        yield bench_refresh(repeats, device=device)
    elif part == "arrival":
        from drag3d.bench.arrival import bench_arrival

        yield from (bench_arrival(model, drags, device=device) for model in models)
    elif part == "export":
        from drag3d.bench.export import bench_export

        yield bench_export(repeats=repeats)
    else:
        from drag3d.bench.start import bench_start

        yield bench_start(repeats)
