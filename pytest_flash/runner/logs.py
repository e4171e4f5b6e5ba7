"""What a serving process logs, and what it leaves to others to print."""

from __future__ import annotations

import logging
import logging.config
import os
import traceback
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from uvicorn.config import LOGGING_CONFIG

from ..console.app import WithoutConsole
from ..errors import RemoteError

_SHOWN = "(printed with the job)"
_HEADING = "Traceback (most recent call last):\n"
_INSTALLED = {"site-packages", "dist-packages"}
_OWN = str(Path(__file__).parent.parent) + os.sep


def log(level: str, *, console: str | None) -> None:
    """Log as uvicorn does from ``level`` on, without requests below the path ``console``.

    Of an exception that came from a worker the remote traceback is left out: ``flash run`` prints
    it with the job.
    """
    logging.config.dictConfig(_configuration(level))
    logging.getLogger("uvicorn.error").addFilter(WithoutRemoteTraceback())
    if console is not None:
        logging.getLogger("uvicorn.access").addFilter(WithoutConsole(console))


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
    """Leaves the remote traceback out of what is logged of an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, and shorten what will be printed of its exception."""
        error = record.exc_info[1] if record.exc_info else None
        told = [each for each in _chain(error) if isinstance(each, RemoteError)]
        if told and error is not None:
            text = _where(error) if error in told else "".join(traceback.format_exception(error))
            for each in told:
                if each.remote_traceback:
                    text = text.replace(each.remote_traceback.strip("\n"), _SHOWN)
            record.exc_text = text.rstrip("\n")  # Formatters take it as it is.
        return True


def _where(error: BaseException) -> str:
    """``error`` with the frames of the app: its server's and ours say nothing about it."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not _INSTALLED & set(Path(frame.filename).parts) and not frame.filename.startswith(_OWN)
    ]
    last = traceback.format_exception_only(type(error), error)
    return "".join([_HEADING, *traceback.format_list(frames), *last])


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what caused it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
