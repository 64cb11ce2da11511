"""``drag3d eval``: how well ways to drag work on a model, by a judge that is none of them."""

from __future__ import annotations

from pathlib import Path

import click

from drag3d.cli.common import Voice, device_option, quiet_option
from get3d_models.devices import chosen_device

METHOD_HELP = """Repeat to compare several; settings may follow, as in draggan:learning_rate=0.02,layers=14.
[default: default and draggan]"""


@click.command(name="eval")
@click.argument("model")
@click.option("--method", "methods", multiple=True, help=METHOD_HELP)
@click.option(
    "--protocol", type=click.Choice(["keypoints", "view"]), default="keypoints", show_default=True,
    help="view: drag shapes in a picture of them, by a tenth of it.",
)  # fmt: skip
@click.option("--drags", type=click.IntRange(1), default=50, show_default=True, help="Tasks for each method.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Which series of tasks.")
@click.option("--max-steps", type=click.IntRange(1), default=100, show_default=True)
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
    drags: int,
    seed: int,
    max_steps: int,
    out: Path,
    device: str,
    quiet: bool,
) -> None:
    """Measure how well drags of MODEL succeed, and what else they change.

    Keypoints of seeded samples are dragged to where other samples have them. Whether they got there is judged by the
    teacher of the model, re-fitted to the edited shape or image: a tracker can deceive itself. Writes results.jsonl,
    report.md, report.json and, with matplotlib, report.png.
    """
    from drag3d.evaluation.report import markdown, report, write_report
    from drag3d.evaluation.run import Evaluation, evaluate
    from get3d_models import load

    voice = Voice(quiet)
    evaluation = Evaluation(methods or Evaluation.methods, drags, seed, max_steps, protocol)
    evaluation.check()
    generator = load(model, chosen_device(device))
    found = report(generator, evaluation, evaluate(generator, evaluation, out, quiet))
    files, note = write_report(out, found)
    voice.say(markdown(found))
    if note:
        voice.note(note)
    voice.say(f"\nwrote {', '.join(str(path) for path in files)}")
