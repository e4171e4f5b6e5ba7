"""Usage errors that show only while tests run: they end the run, with one message and pytest's
exit code for them, in whichever process they show."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

_ENDED = pytest.StashKey[bool]()
_KEY = "flash_usage_error"


def end_run(session: pytest.Session, text: str) -> NoReturn:
    """End the run as wrongly used; the test that runs gets no report.

    On a worker of pytest-xdist the controlling process ends its other workers and the run.
    """
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        session.shouldstop = text
        output[_KEY] = True
    pytest.exit(text, returncode=pytest.ExitCode.USAGE_ERROR)


def take_over(node: Any) -> None:
    """In the controlling process: note that a worker of pytest-xdist has ended the run so."""
    # One that crashed has no output.
    if getattr(node, "workeroutput", {}).get(_KEY):
        node.config.stash[_ENDED] = True


def set_exit_status(session: pytest.Session) -> None:
    """Let the controlling process exit as the worker did that ended the run."""
    ended = session.config.stash.get(_ENDED, False)
    if ended and session.exitstatus != pytest.ExitCode.INTERNAL_ERROR:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
