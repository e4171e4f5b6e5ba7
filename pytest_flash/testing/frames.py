"""Which frames of a traceback are the user's, and how they are shown."""

from __future__ import annotations

import functools
import linecache
import os
import sysconfig
import traceback
from pathlib import Path

_PACKAGE = str(Path(__file__).parent.parent) + os.sep
_INSTALLED = tuple(
    sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


@functools.cache
def is_own(file: str) -> bool:
    """Whether ``file`` is the user's: not Python's, not an installed package's, not ours."""
    return not file.startswith((_PACKAGE, "<", *_INSTALLED)) and "site-packages" not in file


def place(file: str, line: int, function: str) -> str:
    """A line such as ``/shop/main.py:12 in slow: await double(x)``."""
    source = linecache.getline(file, line).strip()
    return f"{file}:{line} in {function}" + (f": {source}" if source else "")


def explained(error: BaseException) -> str:
    """The traceback of ``error``, from the user's first frame on and without our frames."""
    told = traceback.TracebackException.from_exception(error)
    _trim(told)
    return "".join(told.format()).rstrip()


def _trim(told: traceback.TracebackException) -> None:
    frames = list(told.stack)
    first = next((index for index, frame in enumerate(frames) if is_own(frame.filename)), 0)
    kept = [frame for frame in frames[first:] if not frame.filename.startswith(_PACKAGE)]
    told.stack = traceback.StackSummary.from_list(kept)
    for other in (told.__cause__, told.__context__):
        if other is not None:
            _trim(other)
