"""Which files an app writes while it starts."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Whatever another program does counts as the app's doing.
_PROGRAMS = frozenset(("os.exec", "os.posix_spawn", "os.system", "subprocess.Popen"))


class OwnWrites:
    """Notes the files that this process writes from now on, until it is asked for them.

    It cannot be taken back, so only an app that seems to set off its own reloads gets one.
    """

    def __init__(self) -> None:
        self._on = True
        self._files: set[str] = set()
        self._programs = False
        sys.addaudithook(self._note)

    def end(self) -> frozenset[str] | None:
        """The files, with links resolved; None where a program was started, which may write any."""
        self._on = False
        return None if self._programs else frozenset(map(os.path.realpath, self._files))

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event in _PROGRAMS:
            self._programs = True
        elif event == "open" and _is_write(arguments[1], arguments[2]):
            self._add(arguments[0])
        elif event == "os.rename":
            self._add(arguments[1])

    def _add(self, path: object) -> None:
        with contextlib.suppress(TypeError, ValueError):  # A descriptor, which was opened before.
            self._files.add(os.path.abspath(os.fsdecode(path)))  # type: ignore[arg-type] # noqa: PTH100


def _is_write(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return not set(mode).isdisjoint("wax+")
    return isinstance(flags, int) and bool(flags & _WRITES)
