"""Which file changes bring up new code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from watchfiles import PythonFilter, awatch

from ..errors import ServerError

# Milliseconds without a further change that end a batch.
_STEP = 10


class _ProjectFilter(PythonFilter):
    """Python files and ``.env``, outside virtual environments, caches and ``.runpod``."""

    ignore_dirs = (*PythonFilter.ignore_dirs, ".runpod", "venv", ".ruff_cache", "__pypackages__")

    def __init__(self) -> None:
        super().__init__(extra_extensions=(".env",))


async def changes(root: Path) -> AsyncIterator[tuple[str, ...]]:
    """The files below ``root`` that changed, a batch at a time, relative where possible.

    Raises ServerError when the system cannot watch that folder.
    """
    try:
        async for batch in awatch(root, watch_filter=_ProjectFilter(), step=_STEP):
            yield tuple(sorted({_shown(Path(path), root) for _, path in batch}))
    except OSError as error:
        raise ServerError(
            f"{root} cannot be watched for changes: {error}; serve with --no-reload"
        ) from error


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
