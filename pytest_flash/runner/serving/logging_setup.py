"""What a serving process logs, and what it leaves to others to print."""

from __future__ import annotations

import logging
import logging.config
import os
import traceback
from asyncio import CancelledError
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

from uvicorn.config import LOGGING_CONFIG

from ...console.app import WithoutConsole, WithoutToken
from ...console.token import ConsoleAccess
from ...errors import FlashError
from .app_server import GRACE_IS_OVER

E = TypeVar("E", BaseException, traceback.TracebackException)

_SHOWN = "(printed with the job)"
_INSTALLED = {"site-packages", "dist-packages"}
_OWN = str(Path(__file__).parent.parent.parent) + os.sep


def log(level: str, *, console: ConsoleAccess | None) -> None:
    """Log as uvicorn does from ``level`` on, without requests to the console and its token.

    Of an exception that came from a worker the remote traceback is left out: ``flash run`` prints
    it with the job. Of that and of our own errors only the app's frames are shown.
    """
    logging.config.dictConfig(_configuration(level))
    logging.getLogger("uvicorn.error").addFilter(WithoutRemoteTraceback())
    if console is not None:
        logging.getLogger("uvicorn.access").addFilter(WithoutConsole(console.path))
        for name in ("uvicorn.access", "uvicorn.error"):
            logging.getLogger(name).addFilter(WithoutToken(console.token))


def _configuration(level: str) -> dict[str, Any]:
    config = deepcopy(LOGGING_CONFIG)
    for logger in config["loggers"].values():
        logger["level"] = level.upper()
    if os.environ.get("NO_COLOR"):
        for formatter in config["formatters"].values():
            formatter["use_colors"] = False
    # Start and stop are reported by `flash run` itself.
    if level == "info":
        config["loggers"]["uvicorn.error"]["level"] = "WARNING"
    return config


class WithoutRemoteTraceback(logging.Filter):
    """Leaves what a worker says of an error out of what is logged of it here."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, and shorten what will be printed of its exception."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, CancelledError) and GRACE_IS_OVER in error.args:
            # Such as a stream that lasts for as long as its reader: nothing went wrong in it.
            record.msg, record.args = f"A request was ended: {GRACE_IS_OVER}", ()
            record.exc_info = None
        elif error is not None and any(map(_is_explained, _chain(error))):
            record.exc_text = _shortened(error)  # Formatters take it as it is.
        return True


def _shortened(error: BaseException) -> str:
    """``error`` and what caused it, as Python prints it, without the workers' parts."""
    printed = traceback.TracebackException.from_exception(error)
    told: list[str] = []
    for each, part in zip(_chain(error), _chain(printed), strict=False):
        remote = _remote(each)
        if remote is not None:
            told.append(remote.strip("\n"))
        if _is_explained(each):
            part.stack = traceback.StackSummary.from_list(_frames_here(part.stack))
    text = "".join(printed.format())
    for trace in told:
        text = text.replace(trace, _SHOWN)
    return text.rstrip("\n")


def _is_explained(error: BaseException) -> bool:
    """Whether what ``error`` says is enough, so that nobody needs to look into our code."""
    return isinstance(error, FlashError) or _remote(error) is not None


def _remote(error: BaseException) -> str | None:
    """The traceback that a worker gave, whatever class its error has."""
    text = getattr(error, "remote_traceback", None)
    return text if isinstance(text, str) and text.strip() else None


def _frames_here(stack: Sequence[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """The app's own frames: not those of its server, and none behind ours, which are remote."""
    ours = [index for index, frame in enumerate(stack) if frame.filename.startswith(_OWN)]
    before = stack[: ours[-1]] if ours else stack
    return [
        frame
        for frame in before
        if not frame.filename.startswith(_OWN) and not _INSTALLED & set(Path(frame.filename).parts)
    ]


def _chain(error: E) -> list[E]:
    """``error`` and what caused it."""
    found: list[E] = []
    following: Any = error
    while following is not None and all(following is not each for each in found):
        found.append(following)
        following = following.__cause__ or following.__context__
    return found
