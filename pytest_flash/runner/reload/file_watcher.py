"""Which file changes bring up new code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import TypeVar

from watchfiles import awatch
from watchfiles.main import FileChange

from ...clock import wall_time
from ...errors import ServerError
from .files_beside import FilesBeside
from .watched_paths import ProjectFilter, WatchOptions

T = TypeVar("T")

# Milliseconds without a further change that end a batch.
_STEP = 10


async def changes(options: WatchOptions) -> AsyncGenerator[tuple[str, ...], None]:
    """The files that changed, a batch at a time, as relative paths where they are below.

    Folders that may not be read are not watched. Raises ServerError when the system cannot watch
    the root.
    """
    root, env_file = options.root, options.env_file
    outside = env_file is not None and not env_file.is_relative_to(root)
    watched = [root, env_file] if env_file is not None and outside else [root]
    accepts = ProjectFilter(options)
    seen, lost_since = _now(), None
    while True:
        try:
            async for batch in _watched(watched, accepts):
                found = {Path(path) for _, path in batch}
                if lost_since is not None:
                    found.update(accepts.changed_since(lost_since))
                lost_since, seen = None, _now()
                if found:
                    base = options.shown_from or root
                    yield tuple(sorted(_shown(each, base) for each in found))
        except OSError as error:
            raise ServerError(
                f"{root} cannot be watched for changes: {error}; serve with --no-reload"
            ) from error
        except Exception as error:  # Its task group wraps what the watcher raises.
            if not _is_unreadable_name(error):
                raise
            # The watcher is of no use from then on, and what else it noticed is lost.
            lost_since = seen


async def changes_beside(beside: FilesBeside) -> AsyncGenerator[tuple[str, ...], None]:
    """Those of the files outside of the project that change after they were loaded, a batch at a
    time. Raises ServerError when the system cannot watch them."""
    while True:
        await beside.more.wait()
        beside.more.clear()
        folders = beside.folders()
        try:
            async for files in _changes_in(folders, beside):
                yield files
        except OSError as error:
            raise ServerError(
                f"{', '.join(folders)} cannot be watched for changes: {error}; serve with "
                "--no-reload"
            ) from error


async def _changes_in(
    folders: Sequence[str], beside: FilesBeside
) -> AsyncGenerator[tuple[str, ...], None]:
    """As ``changes_beside``, until there are more files."""
    batches = awatch(
        *folders,
        watch_filter=lambda _, path: path in beside,
        step=_STEP,
        stop_event=beside.more,
        recursive=False,
        ignore_permission_denied=True,
    )
    waiting = asyncio.ensure_future(anext(batches, None))
    try:
        await asyncio.sleep(0)  # From here on all is noticed.
        if changed := beside.changed():
            yield changed
        while (batch := await waiting) is not None:
            yield tuple(sorted({path for _, path in batch}))
            waiting = asyncio.ensure_future(anext(batches, None))
    finally:
        waiting.cancel()


async def merged(*batches: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """What any of ``batches`` gives, as it comes; without end."""
    waiting = {asyncio.ensure_future(anext(each)): each for each in batches}
    try:
        while True:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                source = waiting.pop(each)
                yield each.result()
                waiting[asyncio.ensure_future(anext(source))] = source
    finally:
        for each in waiting:
            each.cancel()


async def _watched(
    paths: Sequence[Path], accepts: ProjectFilter
) -> AsyncGenerator[set[FileChange], None]:
    """The changes below ``paths``; the first, of none, says that from there on all are noticed."""
    batches = awatch(*paths, watch_filter=accepts, step=_STEP, ignore_permission_denied=True)
    first = asyncio.ensure_future(anext(batches))
    try:
        await asyncio.sleep(0)
        yield set()
        yield await first
    finally:
        first.cancel()
    async for batch in batches:
        yield batch


def _now() -> float:
    # Files are dated by a clock that moves in steps of up to 10 ms.
    return wall_time() - 0.02


def _is_unreadable_name(error: Exception) -> bool:
    """Whether the watcher met a name that is no UTF-8, in whatever folder."""
    inner = getattr(error, "exceptions", (error,))
    # The class of it is private; it is a RuntimeError.
    return any(isinstance(each, RuntimeError) and "decode path" in str(each) for each in inner)


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
