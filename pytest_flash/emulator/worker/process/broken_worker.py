"""The end of a worker whose process a job has left in a state in which nothing works."""

from __future__ import annotations


class BrokenWorkerError(Exception):
    """The worker's own code failed. It ends, so that the next jobs have another."""


def broken(error: BaseException) -> BrokenWorkerError:
    """What to say where the worker's own code raised ``error``."""
    made = BrokenWorkerError(
        f"{type(error).__name__} in the worker's own code, probably since a job before has changed "
        f"something in its process: {error}; this worker ends, and the next jobs have a new one"
    )
    made.__cause__ = error
    return made
