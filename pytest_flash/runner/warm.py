"""Starting the parent of serving processes, before anything else is imported.

What it imports is what makes a start slow, so the command line does this first.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import dataclass

# Ctrl-C, a closed terminal and the end of a service reach every process of the group: `flash run`
# answers, and tells the others what to do.
_PROLOGUE = """\
import signal, sys
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, lambda *_: None)
sys.path[:] = [entry for entry in sys.path if entry]
"""
_PARENT = """\
from pytest_flash.runner.zygote import descriptors_of_child
link, sockets = descriptors_of_child({control}, fork={fork})
"""
_CHILD = """\
from pytest_flash.runner.child import main
main({link}, {sockets})
"""


@dataclass(frozen=True)
class ParentProcess:
    """A parent, and our descriptor of its control connection."""

    process: subprocess.Popen[bytes]
    control: int

    def close(self) -> None:
        """End the process at once, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def start_parent(*, fork: bool) -> ParentProcess:
    """Start a parent; it ends when ``control`` is closed.

    With ``fork`` it imports the framework and forks, where the system is safe for that.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        parent = _PARENT.format(control=theirs.fileno(), fork=fork)
        program = _PROLOGUE + parent + _CHILD.format(link="link", sockets="sockets")
        process = subprocess.Popen([sys.executable, "-c", program], pass_fds=(theirs.fileno(),))
    return ParentProcess(process, ours.detach())


def child_program(link: int, sockets: tuple[int, int, int]) -> str:
    """What a serving process runs that is not forked: the source for ``python -c``."""
    return _PROLOGUE + _CHILD.format(link=link, sockets=sockets)
