"""What uvicorn logs, also where the app's own logging configuration silences all other loggers.

``logging.config.dictConfig`` disables every logger that exists and is not named in it, unless it
says ``disable_existing_loggers: False``: the server's, which stand before the app, among them.
"""

from __future__ import annotations

import logging

_NAMES = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
ERRORS = "uvicorn.error"


class KeptLoggers:
    """Uvicorn's loggers; ``restore`` lets them speak again.

    One of them that was disabled by itself stays so: a logger that nobody knows of tells whether
    all were.
    """

    def __init__(self) -> None:
        self._unknown = logging.getLogger("pytest_flash.serving.kept")

    def restore(self) -> None:
        """Enable them if a configuration has disabled all loggers."""
        if self._unknown.disabled:
            self._unknown.disabled = False
            for name in _NAMES:
                logging.getLogger(name).disabled = False


class StartLog(logging.Handler):
    """Keeps what uvicorn logs as an error while an app starts, in place of the usual handlers.

    ``logger`` is to be its lifespan's. It is in no configuration's reach, and passes on what it
    is given later to the handlers of uvicorn's own.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.logger = logging.Logger(ERRORS)
        self.logger.parent = logging.getLogger(ERRORS)
        self._texts: list[str] = []

    def __enter__(self) -> None:
        self.logger.addHandler(self)
        self.logger.propagate = False

    def __exit__(self, *_: object) -> None:
        self.logger.propagate = True
        self.logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self._texts.append(self.format(record))

    def text(self) -> str:
        """Everything kept, a blank line apart."""
        return "\n\n".join(self._texts).strip() or "it logged no error"
