"""All that was measured as one table: ours against the textbook's way, where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Report = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One line. Wall seconds and bytes; None where there is nothing to say, or nothing was to be had."""

    what: str
    ours: float
    textbook: float | None = None
    ours_peak: float | None = None
    textbook_peak: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as long the textbook's way takes."""
        return self.textbook / self.ours if self.textbook is not None and self.ours else None

    def line(self) -> str:
        """As text, without an end."""
        ratio = "" if self.ratio is None else f"{self.ratio:.1f}x"
        peaks = f"{_megabytes(self.ours_peak):>10}{_megabytes(self.textbook_peak):>10}"
        return f"{self.what:<56}{_time(self.ours):>10}{_time(self.textbook):>10}{ratio:>8}{peaks}  {self.note}".rstrip()


HEADER = f"{'':<56}{'ours':>10}{'textbook':>10}{'ratio':>8}{'ours MB':>10}{'textb. MB':>10}"


def rows_of(part: str, report: Report) -> list[Row]:
    """The lines of one part of the benchmark."""
    return list(_ROWS[part](report))


def _marching(report: Report) -> Iterator[Row]:
    for kind in ("single", "default"):
        row, threads = report[kind]["wall"], report[kind]["threads"]
        what = f"marching tetrahedra and gradient, {report['faces']} faces, {_threads(threads)}"
        yield Row(what, row["ours"], row["textbook"], note=f"by CPU time {report[kind]['cpu']['ratio']:.1f}x")


def _rendering(report: Report) -> Iterator[Row]:
    for kind in ("single", "default"):
        row, threads = report[kind]["wall"], report[kind]["threads"]
        what = f"picture of {report['size']} px and gradient, {_threads(threads)}; textbook: deodr"
        note = report["missing"] or f"by CPU time {report[kind]['cpu']['ratio']:.1f}x"
        yield Row(what, row["numba"], row["deodr"], note=note)
    if report["start"]:
        yield Row("first picture of a new process", report["start"]["second"])


def _step(report: Report) -> Iterator[Row]:
    base = report["textbook"]
    for name, what in (
        ("windowed", "the same optimisation"), ("windowed_mesh", "the same and a new mesh"), ("draggan", "draggan"),
        ("default", "default"),
    ):  # fmt: skip
        row = report[name]
        title = f"step of a shape, {report['resolution']}, {_points(report['handles'])}: {what}"
        yield Row(title, row["wall"], base["wall"], row["peak_bytes"], base["peak_bytes"], _pace(row["wall"]))


def _image_step(report: Report) -> Iterator[Row]:
    ours, base = report["ours"], report["textbook"]
    title = f"step of an image, {report['resolution']} px, {_points(report['points'])}: draggan"
    note = f"{_pace(ours['wall'])}; gradients differ by {report['gradient_difference']:.0e}"
    yield Row(title, ours["wall"], base["wall"], ours["peak_bytes"], base["peak_bytes"], note)


def _mesh(report: Report) -> Iterator[Row]:
    ours, base = report["ours"], report["textbook"]
    title = f"new mesh of a shape, {report['mesh_faces']} faces, planes included"
    difference = report["difference"]
    note = "equal meshes" if report["same"] else "other meshes" if difference is None else f"differ by {difference:.0e}"
    yield Row(title, ours["wall"], base["wall"], ours["peak_bytes"], base["peak_bytes"], note)


def _export(report: Report) -> Iterator[Row]:
    for title, row in report["each"].items():
        yield Row(f"{title}, {report['faces']} faces", row["wall"], ours_peak=row["peak_bytes"])


def _arrival(report: Report) -> Iterator[Row]:
    title = f"{report['model']}: drag of a keypoint, {report['method']}, median of {report['drags']}"
    if report["seconds"] is None:
        yield Row(title, 0.0, note="none ran")
        return
    note = f"{report['arrived']:.0%} arrived; {report['steps']:g} steps, {1e3 * report['seconds_per_step']:.0f} ms each"
    yield Row(title, report["seconds"], note=note)


def _start(report: Report) -> Iterator[Row]:
    for command, seconds in report["help"].items():
        yield Row(f"start: drag3d {command}{' ' if command else ''}--help", seconds)
    yield Row("start: drag3d sample quadruped, to a .ply", report["sample"])


_ROWS = {
    "marching": _marching, "rendering": _rendering, "step": _step, "image-step": _image_step, "mesh": _mesh,
    "export": _export, "arrival": _arrival, "start": _start,
}  # fmt: skip


def _points(count: int) -> str:
    return f"{count} point{'s' if count > 1 else ''}"


def _pace(seconds: float) -> str:
    return f"{1 / seconds:.3g} steps a second"


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"


def _megabytes(count: float | None) -> str:
    return "" if count is None else f"{count / 2**20:.0f}"
