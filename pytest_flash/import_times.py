"""When modules were imported, so that a file that was saved later is not taken for what runs.

An import finder that finds nothing. It is part of every pytest run and every process with remote
functions, so it does no more than look at the clock: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import sys

from .clock import wall_time_ns


class ImportTimes:
    """Notes when the import of each module begins, from now on. Times are those of files: ns."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._before = frozenset(sys.modules)
        self._since = self.now()

    def find_spec(
        self,
        name: str,
        path: object = None,  # noqa: ARG002 - the import system passes it
        target: object = None,  # noqa: ARG002
    ) -> None:
        """As the import system asks, for each import and reload."""
        self._times[name] = self.now()

    def now(self) -> int:
        """The time."""
        return wall_time_ns()

    def loaded_by(self, name: str) -> int | None:
        """A time when the module ``name`` was not loaded yet, or was and has been since; None
        where nobody knows."""
        return self._times.get(name, self._since if name in self._before else None)


def import_times() -> ImportTimes:
    """Those of this process."""
    for finder in sys.meta_path:
        if isinstance(finder, ImportTimes):
            return finder
    made = ImportTimes()
    # Ahead of all others: what they find, nobody else is asked for.
    sys.meta_path.insert(0, made)
    return made
