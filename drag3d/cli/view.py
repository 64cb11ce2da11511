"""``drag3d view``: the viewer, in a window or in a browser."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from drag3d.cli.common import device_option, seed_options
from get3d_models.errors import InputError

SESSION = ".drag3d"
_OF_THE_WEB = ("host", "port", "token", "max_sessions", "open_browser")
_OF_A_START = ("seed", "texture_seed", "truncation", "label")


@click.command()
@click.argument("source", default="quadruped")
@seed_options
@device_option
@click.option("--web", is_flag=True, help="Serve the viewer to browsers instead of opening a window.")
@click.option("--host", default="127.0.0.1", show_default=True, help="With --web: the address to listen on.")
@click.option("--port", type=int, default=0, show_default=True, help="With --web: 0 takes any that is free.")
@click.option("--token", help="With --web: without it nobody comes in; made up where other machines can reach it.")
@click.option(
    "--max-sessions", type=click.IntRange(1, 100), default=4, show_default=True,
    help="With --web: browsers served at the same time.",
)  # fmt: skip
@click.option("--open/--no-open", "open_browser", default=False, help="With --web: open a browser here.")
def view(*, source: str, web: bool, **options: Any) -> None:
    """Pick points, drag them, and watch: on the desktop, or in a browser with --web.

    SOURCE is the name of an embedded model, a checkpoint file, or a session (.drag3d) to go on with. F1 shows all keys.
    What is not saved when the window closes is offered at the next start.
    """
    check_source(source)
    given = _given()
    if not web and (alien := [name for name in _OF_THE_WEB if name in given]):
        raise InputError(f"{_option(alien[0])} is for the browser; give --web too")
    if source.lower().endswith(SESSION) and (alien := [name for name in _OF_A_START if name in given]):
        raise InputError(f"{_option(alien[0])} has no meaning here: {source} says what the edit began with")
    if web:
        from drag3d.viewer.web.serving import WebOptions, serve

        serve(WebOptions(source=source, **options))
    else:
        _open_window(source, {name: value for name, value in options.items() if name not in _OF_THE_WEB})


def check_source(source: str) -> None:
    """Refuse what is no model and no session, before anything opens."""
    if not source.lower().endswith(SESSION):
        from get3d_models.loading import resolve

        resolve(source)
        return
    path = Path(source).expanduser()
    if path.is_dir():
        raise InputError(f"{source} is a directory; give the session file inside it")
    if not path.is_file():
        raise InputError(f"there is no session {source}; drag3d drag --session writes one, and so does the viewer")


def _open_window(source: str, options: dict[str, Any]) -> None:
    from drag3d.viewer.display import missing_packages, why_no_window

    instead = f"use a browser instead: {_with_web()}"
    if missing := missing_packages():
        raise InputError(f"the window needs more packages: pip install {' '.join(missing)}; or {instead}")
    if reason := why_no_window():
        raise InputError(f"{reason}; {instead}")
    from drag3d.viewer.autosaves import default_folder
    from drag3d.viewer.desktop.app import run
    from drag3d.viewer.link import WorkerOptions

    run(WorkerOptions(source, autosaves=default_folder(), **options))


def _given() -> list[str]:
    """Names of the options that stand on the command line."""
    context = click.get_current_context()
    names = [option.name or "" for option in context.command.params]
    return [name for name in names if context.get_parameter_source(name) is not ParameterSource.DEFAULT]


def _with_web() -> str:
    """This command with --web, to be copied."""
    context = click.get_current_context()
    words = []
    for option in context.command.params:
        if option.name in _given():
            value = str(context.params[option.name or ""])
            words += [value] if isinstance(option, click.Argument) else [option.opts[0], value]
    return shlex.join(["drag3d", "view", *words, "--web"])


def _option(name: str) -> str:
    return next(option.opts[0] for option in click.get_current_context().command.params if option.name == name)
