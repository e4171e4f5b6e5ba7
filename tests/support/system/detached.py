"""Programs that are below no process of this test run, as daemons are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.system.processes import wait_until

# The process that forks ends at once, so what it forks belongs to the system's first process.
_PROGRAM = """
import os, subprocess, sys
if os.fork():
    os._exit(0)
os.setsid()
folder, *command = sys.argv[1:]
with open(os.path.join(folder, "output"), "wb") as output:
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    with open(os.path.join(folder, "pid"), "w") as pid:
        pid.write(str(process.pid))
    process.wait()
os.rename(os.path.join(folder, "pid"), os.path.join(folder, "done"))
"""


def run_detached(
    command: Sequence[str], folder: Path, *, cwd: Path, env: dict[str, str], timeout: float = 60
) -> str:
    """Run ``command`` to its end and return what it printed. ``folder`` is this call's own."""
    folder.mkdir()
    starter = [sys.executable, "-c", _PROGRAM, str(folder), *command]
    subprocess.run(starter, cwd=cwd, env=env, check=True, timeout=timeout)
    try:
        wait_until((folder / "done").exists, timeout, f"the end of {command}")
    finally:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
    return (folder / "output").read_text()
