"""Ids as parts of a path, whatever characters a server gave them."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from ..errors import RunpodError

# These would make a path that of something else, perhaps to delete it.
_NO_IDS = ("", ".", "..")


def is_id(value: object) -> bool:
    """Whether ``value``, of a server's answer, can be a part of a path."""
    if not isinstance(value, str) or value in _NO_IDS:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # Half of a surrogate pair, which no path can hold.
        return False
    return True


@lru_cache(maxsize=4096)
def part(value: str, what: str) -> str:
    """An id as part of a path. Raises RunpodError for one that cannot be, which says ``what``."""
    if not is_id(value):
        raise RunpodError(f"{value!r} is not the id of {what}; nothing was sent")
    return quote(value, safe="")


def endpoint(value: str) -> str:
    """An endpoint's id. Raises as ``part``."""
    return part(value, "an endpoint")


def job(value: str) -> str:
    """A job's id. Raises as ``part``."""
    return part(value, "a job")


def worker(value: str) -> str:
    """A worker's id. Raises as ``part``."""
    return part(value, "a worker")
