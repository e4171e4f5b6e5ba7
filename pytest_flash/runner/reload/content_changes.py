"""Which changed files need new code: not those whose content is what the app runs already, nor
those that the app itself writes each time it starts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path

from ...files.opening import read_limited
from ...user_files import digest

# A larger file counts as changed whenever it is written.
_LARGEST = 1 << 20
# So many in one batch are a checkout: to read them all would hold up the reload.
_MOST = 200
# Generations in a row that one file may set off before the one before it is ready.
_MOST_AT_START = 3


class ContentChanges:
    """Judges the changed files below ``root``. Use it on one event loop.

    A file that has changed while the app started three times in a row is judged once that app is
    ready and has said what it wrote. ``on_loop`` is told one that it did write.
    """

    def __init__(self, root: Path, on_loop: Callable[[str], None]) -> None:
        self._root = root
        self._on_loop = on_loop
        self._generation = 0
        self._known: dict[str, bytes | None] = {}
        self._at_start: dict[str, int] = {}
        self._looping: set[str] = set()
        self._suspects: set[str] = set()
        self._written: tuple[int, frozenset[str] | None] = (0, frozenset())
        self._cleared: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()

    @property
    def suspects_a_loop(self) -> bool:
        """Whether the next generation should say what it writes while it starts."""
        often = any(times >= _MOST_AT_START for times in self._at_start.values())
        return often or bool(self._looping)

    def loaded(self, files: Mapping[str, bytes], generation: int) -> None:
        """``generation`` of the app has loaded ``files``, whose digests these are."""
        if generation >= self._generation:
            self._generation = generation
            self._known.update(files)

    def of(
        self, files: tuple[str, ...], generation: int, *, broken: bool, ready_at: float | None
    ) -> tuple[str, ...]:
        """Those of the changed ``files`` that need new code after ``generation``.

        Where its app is ``broken`` any save begins anew. ``ready_at`` is when it became
        ready, in seconds since the epoch; None while it starts.
        """
        if len(files) > _MOST:
            self._known.clear()
            return files
        changed = [each for each in files if self._has_changed(each) or broken]
        starting = {each for each in changed if self._changed_at_start(each, ready_at)}
        self._at_start = {each: self._at_start.get(each, 0) + 1 for each in starting}
        often = {each for each in starting if self._at_start[each] > _MOST_AT_START}
        suspects = often | (starting & self._looping)
        told, written = self._written
        if told == generation:
            suspects = self._own(suspects, written)
        elif ready_at is None:
            self._suspects |= suspects
        else:
            suspects = set()  # It was not asked.
        return tuple(each for each in changed if each not in suspects)

    def wrote(self, files: frozenset[str] | None, generation: int) -> None:
        """``generation`` is ready, and has written ``files`` by then; None: it may be any."""
        self._written = (generation, files)
        others = self._suspects - self._own(self._suspects, files)
        self._suspects.clear()
        for each in others:
            self._known.pop(str(self._root / each), None)
        if others:
            self._cleared.put_nowait(tuple(sorted(others)))

    async def cleared(self) -> AsyncGenerator[tuple[str, ...], None]:
        """Files that somebody else turned out to have changed, which need new code after all."""
        while True:
            yield await self._cleared.get()

    def _own(self, suspects: set[str], written: frozenset[str] | None) -> set[str]:
        own = {
            each
            for each in suspects
            if written is None or os.path.realpath(self._root / each) in written
        }
        for each in sorted(own - self._looping):
            self._on_loop(each)
        self._looping |= own
        return own

    def _has_changed(self, file: str) -> bool:
        path = str(self._root / file)
        try:
            now = digest(read_limited(Path(path), _LARGEST))
        except OSError:  # Gone, a folder, or too large.
            self._known.pop(path, None)
            return True
        before = self._known.get(path)
        self._known[path] = now
        return now != before

    def _changed_at_start(self, file: str, ready_at: float | None) -> bool:
        if ready_at is None:
            return True
        try:
            return (self._root / file).stat().st_ctime < ready_at
        except OSError:
            return False
