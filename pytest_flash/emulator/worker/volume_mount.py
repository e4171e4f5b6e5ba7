"""Runs a worker's command with its network volume at ``/runpod-volume``, where that can be done.

``python -I -S -B volume_mount.py FOLDER COMMAND ARGUMENT...``: this process gets a mount namespace
of its own, in which the folder is bound to the mount point, and becomes the command. Elsewhere, and
where this process may not mount, the command runs without: RUNPOD_VOLUME_PATH names the folder.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

MOUNT_POINT = Path("/runpod-volume")
# sched.h, sys/mount.h
_NEW_MOUNTS = 0x00020000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_NOT_RUN = 127


def main(arguments: list[str]) -> int:
    """Become the command; returns only where that fails, after saying why."""
    folder, *command = arguments
    _mount(folder)
    try:
        os.execv(command[0], command)
    except OSError as error:
        print(f"{command[0]} cannot be run: {error.strerror}", file=sys.stderr, flush=True)
        return _NOT_RUN


def _mount(folder: str) -> bool:
    """Whether the folder is at the mount point now, for this process and those that it starts."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    try:
        # An empty folder, which stays: a mount point must be there before the namespace is.
        MOUNT_POINT.mkdir(exist_ok=True)
    except OSError:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    source, target = os.fsencode(folder), os.fsencode(MOUNT_POINT)
    if libc.unshare(_NEW_MOUNTS) or libc.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None):
        return False
    return not libc.mount(source, target, None, _BIND | _RECURSIVE, None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
