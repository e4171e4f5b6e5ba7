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
# The folder that it is in may have modules of any name: it leads nowhere from here on.
_PROLOGUE = """\
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import signal
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, lambda *_: None)
"""
# Imports leave no garbage, and to look for it is a quarter of their time.
_PLAIN = """\
import gc
gc.disable()
from pytest_flash.runner.app.framework_import import import_framework
plain = import_framework()
"""
_PARENT = """\
from pytest_flash.runner.reload.fork_server import descriptors_of_child
link, sockets = descriptors_of_child({control}, fork={fork})
"""
_CHILD = """\
import gc
from pytest_flash.runner.reload.serving_main import main
gc.enable()
main({link}, {sockets}, plain)
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
        child = _CHILD.format(link="link", sockets="sockets")
        program = _PROLOGUE + (_PLAIN if forks(fork) else "") + parent + child
        process = subprocess.Popen([sys.executable, "-c", program], pass_fds=(theirs.fileno(),))
    return ParentProcess(process, ours.detach())


def child_program(link: int, sockets: tuple[int, int, int]) -> str:
    """What a serving process runs that is not forked: the source for ``python -c``."""
    return _PROLOGUE + _PLAIN + _CHILD.format(link=link, sockets=sockets)


def forks(wanted: bool) -> bool:
    """Whether serving processes are forked, if that is ``wanted`` and no thread runs."""
    return wanted and sys.platform == "linux"
