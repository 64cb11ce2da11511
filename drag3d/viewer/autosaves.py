"""What is unsaved, kept in a folder of the user's: session files, each with a sidecar that says whose it is.

A window that starts later offers those whose owner, a worker process, is gone. Nothing here imports torch.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from drag3d.viewer.replies import Autosaved

STATE_SWITCH = "DRAG3D_STATE"
MOST_KEPT = 20
LARGEST_SIDECAR = 1 << 16
ELSEWHERE = 600.0
"""Seconds for which an autosave of another machine, in a home that both see, counts as in use"""


def default_folder() -> Path:
    """Where autosaves of this user lie."""
    given = os.environ.get(STATE_SWITCH)
    return (Path(given) if given else platformdirs.user_state_path("drag3d")) / "autosave"


@dataclass(frozen=True)
class Sidecar:
    """What is known of an autosave without opening it."""

    model: str
    when: float
    edits: int
    pid: int
    host: str = ""
    born: str = ""
    """Tells processes apart that had the same number, where the system can say"""

    @property
    def owned(self) -> bool:
        """Whether the process that wrote it is still there."""
        if self.host != socket.gethostname():
            return time.time() - self.when < ELSEWHERE
        return is_running(self.pid) and (not self.born or self.born == born(self.pid))


class Autosaves:
    """The folder. Names are those of files without suffix."""

    def __init__(self, folder: Path):
        self.folder = folder

    def new_name(self) -> str:
        """A name that nobody has."""
        return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"

    def path(self, name: str) -> Path:
        """Of the session file."""
        return self.folder / f"{name}.drag3d"

    def write(self, name: str, save: Callable[[Path], Any], model: str, edits: int) -> None:
        """Keep a session, which ``save`` writes to a path; raises OSError or InputError where that cannot be."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        save(self.path(name))
        pid = os.getpid()
        sidecar = Sidecar(model, time.time(), edits, pid, socket.gethostname(), born(pid))
        temporary = self.folder / f".{name}.tmp"
        temporary.write_text(json.dumps(asdict(sidecar)), encoding="utf-8")
        os.replace(temporary, self._sidecar(name))

    def remove(self, name: str) -> None:
        """Forget one, if it is there."""
        with suppress(OSError):  # the sidecar first: without it a session is not offered
            self._sidecar(name).unlink(missing_ok=True)
        with suppress(OSError):
            self.path(name).unlink(missing_ok=True)

    def offered(self) -> tuple[Autosaved, ...]:
        """What processes that are gone left, the latest first; what is more than 20 is removed."""
        found = [(name, side) for name in self._names() if (side := self.sidecar(name)) and not side.owned]
        found.sort(key=lambda item: item[1].when, reverse=True)
        for name, _ in found[MOST_KEPT:]:
            self.remove(name)
        return tuple(Autosaved(name, side.model, side.when, side.edits) for name, side in found[:MOST_KEPT])

    def sidecar(self, name: str) -> Sidecar | None:
        """Of a name; None where it is missing or damaged, or its session is."""
        path = self._sidecar(name)
        try:
            if path.stat().st_size > LARGEST_SIDECAR or not self.path(name).is_file():
                return None
            return _checked(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError):
            return None

    def _names(self) -> list[str]:
        try:
            return sorted(path.stem for path in self.folder.glob("*.json"))
        except OSError:
            return []

    def _sidecar(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def offered(folder: Path) -> tuple[Autosaved, ...]:
    """What can be restored from a folder, the latest first; see :meth:`Autosaves.offered`."""
    return Autosaves(folder).offered()


def is_running(pid: int) -> bool:
    """Whether there is such a process, other than one that has ended and waits for its parent to notice."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _is_running_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError) as error:
        return isinstance(error, PermissionError)
    return _stat(pid)[:1] not in (["Z"], ["X"])


def born(pid: int) -> str:
    """When a process began, as far as this tells it from others; empty where the system does not say (not Linux)."""
    fields = _stat(pid)
    if len(fields) < 20:
        return ""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        boot = ""
    return f"{boot}:{fields[19]}"


def _stat(pid: int) -> list[str]:
    """What /proc says of a process, from its state on; empty where there is no such file."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _is_running_on_windows(pid: int) -> bool:
    import ctypes  # os.kill would end it

    limited_information, still_active = 0x1000, 259
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.OpenProcess(limited_information, False, pid)
    if not handle:
        return bool(kernel.GetLastError() == 5)  # access denied: it is there
    code = ctypes.c_ulong()
    known = kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return bool(known) and code.value == still_active


def _checked(values: Any) -> Sidecar:
    """ValueError for anything but what :meth:`Autosaves.write` writes."""
    if not isinstance(values, dict):
        raise ValueError("not an object")
    kinds: dict[str, Any] = {"model": str, "when": (int, float), "edits": int, "pid": int, "host": str, "born": str}
    for name, kind in kinds.items():
        if not isinstance(values.get(name), kind) or isinstance(values[name], bool):
            raise ValueError(name)
    return Sidecar(**{name: values[name] for name in kinds})
