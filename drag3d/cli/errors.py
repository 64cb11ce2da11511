"""What a user sees when something goes wrong: one line, and an exit code.

0: done. 2: what was given cannot be used, or a file cannot be written. 1: a failure nobody foresaw. 130: Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import click

from get3d_models.errors import InputError

TRACEBACK_SWITCH = "DRAG3D_TRACEBACK"


class OneLineErrors(click.Group):
    """A group of commands whose errors are one line on standard error, without traceback or usage."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and leave the process with its exit code."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except InputError as error:
            _leave(str(error), 2)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())  # `drag3d` alone: show what it can do
            sys.exit(0)
        except click.UsageError as error:
            hint = f" (see: {error.ctx.command_path} --help)" if error.ctx else ""
            _leave(f"{error.format_message()}{hint}", 2)
        except click.ClickException as error:
            _leave(error.format_message(), 2)
        except (click.Abort, KeyboardInterrupt):
            _leave("interrupted", 130)
        except Exception as error:
            if os.environ.get(TRACEBACK_SWITCH):
                raise
            said = f"unexpected {type(error).__name__}: {error}"
            _leave(f"{said[:400]} (set {TRACEBACK_SWITCH}=1 to see where)", 1)
        sys.exit(code if isinstance(code, int) else 0)


def _leave(message: str, code: int) -> NoReturn:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    sys.exit(code)
