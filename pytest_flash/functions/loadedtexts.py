"""The text of a module as this process runs it, whatever is on disk by now."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from ..importtimes import import_times

SOURCE = "flash_source"
"""The attribute of a loader in which it keeps the bytes that it has loaded."""

Loaded = tuple[object, object]


class ChangedSinceError(Exception):
    """``file`` was saved after its module was loaded: what the process runs is not known."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} was saved after it was imported")
        self.file = file


def loaded(name: str) -> Loaded:
    """What is another object once the module ``name`` is imported again, or reloaded."""
    module = sys.modules.get(name)
    return module, getattr(module, "__spec__", None)


def is_loaded(name: str, before: Loaded) -> bool:
    """Whether the module ``name`` is still the one that ``loaded`` gave."""
    return all(now is then for now, then in zip(loaded(name), before, strict=True))


class LoadedTexts:
    """Reads each file once, as early as it is asked to."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Loaded, str]] = {}
        self._times = import_times()

    def of(self, name: str, file: str) -> str:
        """The text of the module ``name``, whose source is ``file``; as it is on disk if it is not
        loaded here. Empty if there is no such file, or no Python can read it.

        Raises ChangedSinceError.
        """
        kept = self._kept.get(name)
        if kept is None or not is_loaded(name, kept[0]):
            kept = self._kept[name] = loaded(name), self._read(name, file)
        return kept[1]

    def has(self, name: str, file: str) -> bool:
        """Whether there is such a file, or was when it was loaded."""
        kept = self._kept.get(name)
        known = kept is not None and is_loaded(name, kept[0])
        return known or _of_loader(name) is not None or Path(file).exists()

    def _read(self, name: str, file: str) -> str:
        data = _of_loader(name)
        if data is None:
            data = self._on_disk(name, file)
        try:
            return importlib.util.decode_source(data)
        except (SyntaxError, UnicodeDecodeError):
            return ""

    def _on_disk(self, name: str, file: str) -> bytes:
        try:
            with Path(file).open("rb") as opened:
                data = opened.read()
                changed = os.fstat(opened.fileno()).st_ctime_ns
        except OSError:
            return b""
        since: Any = self._times.loaded_by(name) if name in sys.modules else None
        # A time to come is that of another machine's clock, which tells nothing.
        if since is not None and since < changed < self._times.now():
            raise ChangedSinceError(file)
        return data


def _of_loader(name: str) -> bytes | None:
    """What was loaded, where the loader of the module keeps that."""
    _, spec = loaded(name)
    data = getattr(getattr(spec, "loader", None), SOURCE, None)
    return data if isinstance(data, bytes) else None
