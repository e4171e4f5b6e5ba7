"""Sessions, as records name them, and process namespaces for them to be in."""

from __future__ import annotations

import functools
import subprocess

import pytest

from pytest_flash.provisioner.state.session_processes import User, this_place

OTHER = User(pid=1, started="")
"""One that lives as long as the machine."""

DEAD = User(pid=2**22 + 1, started="never", place=this_place())
"""One that has ended."""

_UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def container() -> tuple[str, ...]:
    """What to put in front of a command, for a process namespace of its own; else skip."""
    problem = _problem()
    if problem:
        pytest.skip(f"no process namespace can be made here: {problem}")
    return _UNSHARE


@functools.cache
def _problem() -> str:
    try:
        done = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        return "there is no unshare"
    return done.stderr
