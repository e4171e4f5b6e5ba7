"""Which frames of a traceback are the user's, and how they are shown."""

from __future__ import annotations

import functools
import linecache
import os
import sysconfig
import traceback
from pathlib import Path

_PACKAGE = str(Path(__file__).parent.parent.parent) + os.sep
_INSTALLED = tuple(
    sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
# What calls the user's code, many frames deep, and has nothing to tell about it.
_FRAMEWORK = tuple(f"{os.sep}{name}{os.sep}" for name in ("fastapi", "starlette", "anyio"))


@functools.cache
def is_own(file: str) -> bool:
    """Whether ``file`` is the user's: not Python's, not an installed package's, not ours."""
    return not file.startswith((_PACKAGE, "<", *_INSTALLED)) and "site-packages" not in file


def place(file: str, line: int, function: str) -> str:
    """A line such as ``/shop/main.py:12 in slow: await double(x)``."""
    source = linecache.getline(file, line).strip()
    return f"{file}:{line} in {function}" + (f": {source}" if source else "")


def explained(error: BaseException) -> str:
    """The traceback of ``error`` from the user's first frame on.

    Without our frames, and without those of the framework that stand between the user's.
    """
    told = traceback.TracebackException.from_exception(error)
    _trim(told)
    return "".join(told.format()).rstrip()


def _trim(told: traceback.TracebackException) -> None:
    frames = [frame for frame in told.stack if not frame.filename.startswith(_PACKAGE)]
    own = [index for index, frame in enumerate(frames) if is_own(frame.filename)]
    first, last = (own[0], own[-1]) if own else (0, 0)
    kept = [
        frame
        for index, frame in enumerate(frames[first:], first)
        if index >= last or not any(part in frame.filename for part in _FRAMEWORK)
    ]
    told.stack = traceback.StackSummary.from_list(kept)
    grouped = getattr(told, "exceptions", None) or ()  # From Python 3.11 on.
    for other in (told.__cause__, told.__context__, *grouped):
        if other is not None:
            _trim(other)
