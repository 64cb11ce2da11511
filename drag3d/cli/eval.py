"""``drag3d eval``: how well ways to drag work on a model, by a judge that is none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from drag3d.cli.common import Voice, chosen_device, device_option, quiet_option

METHOD_HELP = """Repeat to compare several; settings may follow, as in draggan:learning_rate=0.02,layers=14, or parts
that are left out, as in default:without=rest+snap. [default: default and draggan]"""
PROTOCOL_HELP = """keypoints: keypoints go to where another sample has them, the model's teacher judges. pairs: a sample
is dragged towards one near to it, and compared with that. return: dragged, dragged back, and compared with what it was.
view: keypoints of shapes are dragged in a picture, by a tenth of it."""


class Count(click.ParamType):
    """A whole number from 1 on, or "all"."""

    name = "number|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or the word."""
        if value == "all" or (str(value).isdecimal() and int(value) >= 1):
            return value if value == "all" else int(value)
        self.fail(f"{str(value)[:40]!r} is neither a whole number from 1 on nor all", param, ctx)


@click.command(name="eval")
@click.argument("model")
@click.option("--method", "methods", multiple=True, help=METHOD_HELP)
@click.option(
    "--protocol", type=click.Choice(["keypoints", "pairs", "return", "view", "all"]), default="keypoints",
    show_default=True, help=PROTOCOL_HELP,
)  # fmt: skip
@click.option("--points", type=Count(), default="1", show_default=True, help="Dragged at once; all: 1, 3 and 5.")
@click.option("--drags", type=click.IntRange(1), default=50, show_default=True, help="Tasks for each method.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which series of tasks.")
@click.option("--max-steps", type=click.IntRange(1), default=100, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes, of one thread each.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("eval"), show_default=True,
    help="Folder of results. An evaluation that was interrupted goes on where it stopped.",
)  # fmt: skip
@device_option
@quiet_option
def evaluate_methods(
    *,
    model: str,
    methods: tuple[str, ...],
    protocol: str,
    points: int | str,
    drags: int,
    seed: int,
    max_steps: int,
    jobs: int,
    out: Path,
    device: str,
    quiet: bool,
) -> None:
    """Measure how well drags of MODEL succeed, and what else they change.

    Seeded samples are dragged, by default keypoints to where other samples have them. Whether that succeeded is not
    judged by a tracker, which can deceive itself, but by what is known: the teacher of the model, re-fitted to the
    edited shape or image, or the shape or image that should have come out. Writes results.jsonl, report.md, report.json
    and, with matplotlib, report.png. With all protocols or all numbers of points each of them has a folder of its own
    in that of --out, and summary.md, summary.json and summary.png are written beside.
    """
    from drag3d.evaluation.report import markdown, report, write_report
    from drag3d.evaluation.run import Evaluation, evaluate
    from drag3d.evaluation.suite import ALL, evaluate_all, members, summary, write_summary
    from drag3d.evaluation.yardstick import yardstick_of
    from get3d_models import load

    voice = Voice(quiet)
    evaluation = Evaluation(methods or Evaluation.methods, drags, seed, max_steps)
    evaluation.check()
    generator = load(model, chosen_device(device))
    wanted = members(generator.kind, protocol, points)
    for name, count in wanted:
        yardstick_of(generator.kind, name, count)
    if ALL in (protocol, points):
        everything = evaluate_all(generator, evaluation, wanted, out, quiet, jobs, model)
        files, note = write_summary(out, everything)
        voice.say(summary(everything))
    else:
        evaluation = Evaluation(evaluation.methods, drags, seed, max_steps, *wanted[0])
        found = report(generator, evaluation, evaluate(generator, evaluation, out, quiet, jobs, model))
        files, note = write_report(out, found)
        voice.say(markdown(found))
    if note:
        voice.note(note)
    voice.say(f"\nwrote {', '.join(str(path) for path in files)}")
