"""Descriptors of the worker's own that user code does not meet by accident.

What closes "every" descriptor, or those up to a limit, closes low numbers; and what is opened next
gets the numbers that were closed, so that the worker would write into files of the user's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import socket
from collections.abc import Iterator
from typing import Final

_FLOOR: Final = 1024
_Socket = socket.socket  # A job may leave another class in its place.


def moved_up(descriptor: int) -> int:
    """The same file under a high number; the low one is closed."""
    moved = copied_up(descriptor)
    os.close(descriptor)
    return moved


def copied_up(descriptor: int) -> int:
    """The same file under a high number as well. Raises OSError for a descriptor that is closed."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _floor())


def socket_up(low: socket.socket) -> socket.socket:
    """The same socket under a high number; ``low`` is closed."""
    timeout = low.gettimeout()
    moved = _Socket(fileno=moved_up(low.detach()))
    moved.settimeout(timeout)
    return moved


@contextlib.contextmanager
def opening_high() -> Iterator[None]:
    """What is opened in this context gets high numbers."""
    taken = []
    try:
        null = os.open(os.devnull, os.O_RDWR)
        while null < _floor():
            taken.append(null)
            null = os.dup(null)
        taken.append(null)
        yield
    finally:
        for each in taken:
            os.close(each)


def _floor() -> int:
    """Lower where this process may not have so many."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _FLOOR if most == resource.RLIM_INFINITY else min(_FLOOR, most // 2)
