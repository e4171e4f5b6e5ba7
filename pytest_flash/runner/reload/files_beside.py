"""Files that the app has loaded from outside of its project: they are watched as well.

Such as a package that is installed to be edited, a folder on ``PYTHONPATH``, and what symbolic
links lead to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from ...user_files import Saved, saved


class FilesBeside:
    """The files so far. Use it on one event loop. ``more`` is set when there are new ones."""

    def __init__(self) -> None:
        self._files: dict[str, Saved] = {}
        self.more = asyncio.Event()

    def add(self, files: Mapping[str, Saved]) -> None:
        """These were loaded as they were saved then."""
        if not files.keys() <= self._files.keys():
            self.more.set()
        self._files.update(files)

    def folders(self) -> list[str]:
        """The folders that they stand in, those that exist."""
        parents = {Path(each).parent for each in self._files}
        return sorted(str(each) for each in parents if each.is_dir())

    def __contains__(self, file: str) -> bool:
        return file in self._files

    def changed(self) -> tuple[str, ...]:
        """Those that are not as they were; from now on they are as they are now."""
        now = {file: saved(file) for file in self._files}
        changed = tuple(sorted(file for file, state in now.items() if state != self._files[file]))
        self._files = now
        return changed
