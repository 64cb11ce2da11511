"""The process of one browser session: ``python -m drag3d.viewer.web.process``, started by the front door only.

Its standard input brings the :class:`Setup` as one line of JSON, later lines say what was uploaded, and its end says
that the front door is gone: then this process ends too. Its standard output says, in a line of JSON, on which port it
listens. Importing this module imports nothing large: the worker's process, which begins with it too, needs none of it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve one browser until the front door goes away."""
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed, here or in the worker, is not for the front door
    sys.argv = sys.argv[:1]  # trame reads options from there
    line = sys.stdin.readline()
    if not line:
        return
    setup = json.loads(line)
    try:
        link = _link(setup)
        from drag3d.viewer.web.served import Served

        served = Served(setup, link, lambda port: _tell(told, port=port))
    except Exception as error:
        _tell(told, trouble=f"{type(error).__name__}: {error}")
        raise
    try:
        served.run()
    finally:  # a front door that was killed cannot do it
        shutil.rmtree(setup["folder"], ignore_errors=True)


def _link(setup: dict[str, Any]) -> Any:
    """The worker; it is started first, since it loads as long as the rest."""
    from drag3d.viewer.link import Link, WorkerOptions

    names = ("source", "seed", "texture_seed", "truncation", "label", "device")
    autosaves = Path(setup["autosaves"]) if setup["autosaves"] else None
    return Link.start(
        WorkerOptions(
            **{name: setup[name] for name in names},
            models=tuple(setup["models"]),
            autosaves=autosaves,
            open_paths=False,
            folder=Path(setup["folder"]),
        )
    )


def _tell(told: Any, **message: Any) -> None:
    told.write(json.dumps(message) + "\n")
    told.flush()


if __name__ == "__main__":
    main()
