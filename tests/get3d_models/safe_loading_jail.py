"""A subprocess with little memory and time to read doubtful files in, and eyes on what happens meanwhile."""

import json
import os
import subprocess
import sys
from pathlib import Path

WARM_UP = Path(__file__).parents[1] / "data/golden/stylegan2/rosinality64/g_ema_zip.pt"

# Reads each file named on standard input within 500 MB more than an interpreter with torch takes and 10 s of CPU time,
# while an audit hook watches for code being compiled, imported or run.
JAIL = """
import json, resource, signal, sys
from get3d_models.errors import InputError
from get3d_models.safe_loading import read_checkpoint

FORBIDDEN = ("exec", "compile", "import", "pickle", "os.system", "os.exec", "os.fork", "os.posix", "subprocess")
seen = None
def watch(event, arguments):
    if seen is not None and event.startswith(FORBIDDEN):
        seen.append(event)
warm_up, *names = sys.stdin.read().split("\\n")
read_checkpoint(warm_up)  # whatever torch imports at its first use
sys.addaudithook(watch)
baseline = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (baseline + 500 * 2**20,) * 2)
for name in names:
    signal.setitimer(signal.ITIMER_PROF, 10)
    seen, outcome, message = [], "load_without_executing", ""
    try:
        read_checkpoint(name)
    except InputError as error:
        outcome, message = "refuse", str(error)
    events, seen = seen, None
    print(json.dumps([name, outcome, message, events]), flush=True)
"""


def read_in_jail(*paths: Path, seconds: float = 120) -> dict[str, tuple[str, str, list[str]]]:
    """Outcome, message and suspicious events for each path, by its name."""
    names = "\n".join(map(str, [WARM_UP, *paths]))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    jail = subprocess.run(
        [sys.executable, "-c", JAIL],
        input=names,
        capture_output=True,
        text=True,
        timeout=seconds,
        env=environment,
        check=False,
    )
    assert jail.returncode == 0, f"the jail ended with {jail.returncode} after:\n{jail.stdout}\n{jail.stderr[-2000:]}"
    lines = map(json.loads, jail.stdout.splitlines())
    return {Path(name).name: (outcome, message, events) for name, outcome, message, events in lines}
