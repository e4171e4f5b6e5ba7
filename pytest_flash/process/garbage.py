"""Cyclic garbage in a program that is all ours."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_OBJECTS_BETWEEN_COLLECTIONS = 20_000


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Look for cyclic garbage seldom while the context lasts, and not at all when Python ends.

    For the outermost call of a program. Imports leave no garbage, and every burst of requests
    makes more objects than Python waits for, and frees them without the collector. At the end
    Python would go through everything that was imported, several times.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        yield
    finally:
        gc.freeze()
