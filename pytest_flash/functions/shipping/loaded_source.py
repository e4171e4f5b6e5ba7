"""The text of a module as this process runs it, whatever is on disk by now."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
import zipimport
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from ...import_times import import_times
from ...user_files import Saved, is_users_own, saved

SOURCE = "flash_source"
"""The attribute of a loader in which it keeps the bytes that it has loaded."""


class ChangedSinceError(Exception):
    """``file`` was saved after its module was loaded: what the process runs is not known."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} was saved after it was imported")
        self.file = file


@dataclass(frozen=True, eq=False)
class LoadedSource:
    """A module as it is loaded here; as it is on disk, where it is not.

    ``module`` and ``spec`` are others once it was imported again, or reloaded; ``saved`` is the
    state of its file.
    """

    name: str
    file: str
    module: object = field(repr=False)
    spec: object = field(repr=False)
    saved: Saved

    @property
    def current(self) -> bool:
        """Whether it has not been imported or reloaded since. Looks at no file."""
        module = sys.modules.get(self.name)
        return module is self.module and getattr(module, "__spec__", None) is self.spec

    @functools.cached_property
    def text(self) -> str:
        """Its source; empty where it has none, or no Python can read it.

        Raises ChangedSinceError.
        """
        data = self._of_loader()
        if data is None:
            data = self._on_disk()
        try:
            return importlib.util.decode_source(data)
        except (SyntaxError, UnicodeDecodeError):
            return ""

    @property
    def exists(self) -> bool:
        """Whether there is such a file, or its text is known all the same."""
        return "text" in vars(self) or self._of_loader() is not None or Path(self.file).exists()

    def keep(self) -> None:
        """Read the file now, unless the text is known for good."""
        if self._of_loader() is None:
            with contextlib.suppress(ChangedSinceError):
                _ = self.text

    def _of_loader(self) -> bytes | None:
        loader = getattr(self.spec, "loader", None)
        if isinstance(loader, zipimport.zipimporter):
            with contextlib.suppress(OSError):  # Bytecode alone, or the archive has gone.
                return loader.get_data(self.file)
        data = getattr(loader, SOURCE, None)
        return data if isinstance(data, bytes) else None

    def _on_disk(self) -> bytes:
        try:
            with Path(self.file).open("rb") as opened:
                data = opened.read()
                changed = os.fstat(opened.fileno()).st_ctime_ns
        except OSError:
            return b""
        times = import_times()
        since = times.loaded_by(self.name) if self.module is not None else None
        # A time to come is that of another machine's clock, which tells nothing.
        if since is not None and since < changed < times.now():
            raise ChangedSinceError(self.file)
        return data


class LoadedTexts:
    """Remembers what was loaded, as early as it is asked to."""

    def __init__(self) -> None:
        self._known: dict[str, LoadedSource] = {}

    def of(self, name: str, file: str) -> LoadedSource:
        """The module ``name``, whose source is ``file``; empty for one without."""
        known = self._known.get(name)
        if known is None or not self._is_same(known, file):
            module = sys.modules.get(name)
            spec = getattr(module, "__spec__", None)
            known = LoadedSource(name, file, module, spec, saved(file))
            self._known[name] = known
        return known

    def keep(self) -> None:
        """Read the files of all modules of the user's that are loaded, before they change."""
        for name, module in sys.modules.copy().items():
            # By its type, since some objects call themselves modules (cffi's libraries), and as it
            # stands: of some modules each attribute is a surprise.
            if issubclass(type(module), ModuleType):
                file = object.__getattribute__(module, "__dict__").get("__file__")
                if isinstance(file, str) and file.endswith(".py") and is_users_own(file):
                    self.of(name, file).keep()

    def is_latest(self, loaded: LoadedSource) -> bool:
        """Whether that is what travels now. Looks at no file."""
        return self._known.get(loaded.name) is loaded and loaded.current

    def _is_same(self, known: LoadedSource, file: str) -> bool:
        if not known.current or known.file != file:
            return False
        # What is not loaded here is whatever is on disk.
        return known.module is not None or known.saved == saved(file)
