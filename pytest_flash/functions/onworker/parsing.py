"""Parses Python, in one thread at a time.

On Python 3.11 the recursion depth of ``ast.parse`` is counted for the whole process: a garbage
collector callback lets other threads run in the middle of it, and if one of them parses too, the
first fails with a SystemError.
"""

from __future__ import annotations

import ast
import threading

# It may be entered again: by a callback of the garbage collector, or by a finalizer.
_LOCK = threading.RLock()
_TRIES = 20


def parse(source: str | bytes, file: str = "<unknown>") -> ast.Module:
    """As ``ast.parse``. Raises SyntaxError, or ValueError for null bytes, as that does."""
    with _LOCK:
        for _ in range(_TRIES):
            try:
                return ast.parse(source, file)
            except SystemError:
                # Others parse as well: pytest's rewriter, hypothesis. The source is not to blame.
                continue
        return ast.parse(source, file)
