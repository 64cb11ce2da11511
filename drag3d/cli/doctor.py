"""``drag3d doctor``: which optional parts are here, work, or why not."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

import drag3d

if TYPE_CHECKING:
    from drag3d.doctor import Finding

NARROW = 72
"""Below this width a part's text goes under its name instead of beside it."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def doctor(as_json: bool) -> None:
    """Try every optional part and say which work, and what to install for those that do not.

    Takes a few seconds. The exit code is 1 only if something fails without which nothing works.
    """
    from drag3d.doctor import WORKS, examine

    findings = examine()
    failed = [finding.part for finding in findings if finding.required and finding.state != WORKS]
    system = f"{platform.system()} {platform.machine()}"
    if as_json:
        about = {"drag3d": drag3d.__version__, "python": platform.python_version(), "system": system}
        click.echo(json.dumps({**about, "works": not failed, "parts": [f.to_dict() for f in findings]}, indent=2))
    else:
        click.echo(f"drag3d {drag3d.__version__}, Python {platform.python_version()}, {system}")
        for finding in findings:
            click.echo(as_text(finding, line_width()))
        needed = f"not usable: {', '.join(failed)}" if failed else "What drag3d needs works; the rest is optional."
        click.echo(needed)
    if failed:
        sys.exit(1)


def line_width() -> int | None:
    """Columns of the terminal; None where the output goes elsewhere, and lines may be of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def as_text(finding: Finding, width: int | None) -> str:
    """A finding on one line, wrapped where the terminal is ``width`` columns wide."""
    head = f"{finding.state:<8} {finding.part:<11} "
    if width is None:
        return head + finding.text
    indent = " " * len(head) if width >= NARROW else "  "
    if width < NARROW:
        head = f"{head.rstrip()}\n{indent}"
    # Commands and addresses are to be copied: they are not cut.
    lines = textwrap.wrap(finding.text, max(20, width - len(indent)), break_long_words=False, break_on_hyphens=False)
    return head + f"\n{indent}".join(lines)
