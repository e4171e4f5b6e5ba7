"""A process group that dies with the process that started it.

The starter keeps the write end of a pipe and never writes to it; the child holds the read end.
However the starter ends, the kernel closes its end, and the child's group is killed.

Run as a script, ``python -I -S -B lifeline.py COMMAND...`` gives any command such a lifeline.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


def take_over_stdin() -> None:
    """Take standard input as the lifeline, and leave ``/dev/null`` in its place.

    At its end of file the whole process group is killed with SIGKILL. The process becomes the
    leader of a group of its own if it is not, so that nobody else's is hit.
    """
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    lifeline = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, _floor())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    _arm_kernel(lifeline)
    threading.Thread(target=_watch, args=(lifeline,), name="flash-lifeline", daemon=True).start()


def run(command: Sequence[str]) -> int:
    """Run a command in this process's group until it ends; the shell's form of its exit code."""
    code = subprocess.call(command)
    return code if code >= 0 else 128 - code


def _floor() -> int:
    # As in ``descriptors``, out of the way of user code; this file is also run alone.
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1024 if most == resource.RLIM_INFINITY else min(1024, most // 2)


def _arm_kernel(lifeline: int) -> None:
    """Let Linux send the SIGKILL itself: the thread below waits for the interpreter's lock,
    which an extension module (or one regular expression) can hold for minutes."""
    if sys.platform != "linux":
        return
    try:
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    except OSError:
        return  # a sandboxed kernel without signal-driven I/O: the thread is enough to be correct


def _watch(lifeline: int) -> None:
    try:
        while os.read(lifeline, 512):
            pass
    except OSError:
        pass  # someone closed the descriptor: without a lifeline this process must not go on
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    take_over_stdin()
    sys.exit(run(sys.argv[1:]))
