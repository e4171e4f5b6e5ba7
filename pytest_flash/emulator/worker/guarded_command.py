"""Runs any command as this very process, and beside it a guard that holds its lifeline.

``python -I -S -B guarded_command.py COMMAND ARGUMENT...``, in a process group of its own, with the
lifeline as standard input: a pipe whose other end is the starter's. At its end of file the guard
kills the group. The command keeps this process's id, so that signals reach it and its exit code
is its own; it needs to know nothing of all this, and reads ``/dev/null``.
"""

from __future__ import annotations

import os
import signal
import sys

_NOT_RUN = 127  # what shells answer for a command that cannot be run


def main(command: list[str]) -> int:
    """Become ``command``; returns only where that fails, after saying why."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    _start_guard()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]} cannot be run: {error.strerror}", file=sys.stderr, flush=True)
        return _NOT_RUN


def _start_guard() -> None:
    """Forked twice: a guard that were the command's child could surprise its ``os.wait``."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
    elif os.fork():
        os._exit(0)
    else:
        _guard()


def _guard() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # meant for the command, where its group gets them
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)  # the log ends with the command
    os.dup2(null, 2)
    try:
        while os.read(0, 512):
            pass
    finally:
        os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
