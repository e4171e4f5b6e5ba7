"""Our own modules find Python's, and the packages that we need, also where the user has modules
of such names: a ``resource.py`` beside the app is found by the app, and by nobody here.

Loaded by every pytest run on the machine: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import _thread
import contextlib
import importlib
import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader

from .userfiles import is_users_own

TYPE_CHECKING = False  # As type checkers see it; importing typing would cost too much here.

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

# Top-level modules of the packages that we import, and that these import.
PACKAGES = frozenset(
    {
        *("annotated_doc", "annotated_types", "anyio", "certifi", "click", "cloudpickle", "dotenv"),
        *("exceptiongroup", "fastapi", "filelock", "h11", "httpcore", "httptools", "httpx", "idna"),
        *("packaging", "pathspec", "pydantic", "pydantic_core", "pygments", "rich", "sniffio"),
        *("starlette", "tomli", "typing_extensions", "typing_inspection", "uvicorn", "uvloop"),
        *("watchfiles", "websockets"),
    }
)
# What these import when they need it, which may be at a call.
_LATE = (
    "anyio._backends._asyncio",
    "certifi",
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "encodings.idna",
    "httpcore",
    "multiprocessing.connection",
    "multiprocessing.resource_tracker",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
_NAMES = (PACKAGES | sys.stdlib_module_names) - frozenset(sys.builtin_module_names)
_OURS = f"{__package__}."


class Aside:
    """While it is entered, the user's modules of these names are out of the way.

    It may be entered again inside, and by several threads.
    """

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._depth = 0
        self._path: list[str] = []
        self._moved: list[str] = []
        self._loaded: frozenset[str] = frozenset()
        self._away: dict[str, ModuleType] = {}
        self._looked_at: set[str] = set()

    def __enter__(self) -> None:
        with self._lock:
            self._depth += 1
            late = self._depth == 1 and self._put_aside()
        if late:
            for name in _LATE:
                with contextlib.suppress(ImportError):
                    importlib.import_module(name)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if not self._depth:
                self._put_back()

    def _put_aside(self) -> bool:
        """Whether any are there, or may come."""
        self._path = list(sys.path)
        self._moved = sorted(self._path, key=_is_users)
        sys.path[:] = self._moved
        self._loaded = frozenset(sys.modules)
        others = [each for each in self._path if not _is_users(each)]
        self._away = _taken_out(
            name
            for name in _NAMES & self._loaded
            if _is_loaded_users(name) and PathFinder.find_spec(name, others)
        )
        folders = {each for each in self._path if _is_users(each)} - self._looked_at
        self._looked_at |= folders
        return bool(self._away) or any(map(_holds_names, folders))

    def _put_back(self) -> None:
        if sys.path == self._moved:
            sys.path[:] = self._path
        folders = [each for each in self._path if _is_users(each)]
        # Packages stay: they import their own modules, and each other's, as they are called.
        names = (_NAMES - PACKAGES) & sys.modules.keys() if folders else frozenset()
        # What was imported here keeps them; the user's code finds its own.
        _taken_out(
            name
            for name in names - self._loaded
            if not _is_loaded_users(name) and PathFinder.find_spec(name, folders)
        )
        if self._away:
            _taken_out(self._away)
            sys.modules.update(self._away)
            self._away = {}


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, aside: Aside) -> None:
        super().__init__(fullname, path)
        self._aside = aside

    def exec_module(self, module: ModuleType) -> None:
        with self._aside:
            super().exec_module(module)


class OwnFinder:
    """Finds the modules of this package, which are executed with the user's aside."""

    def __init__(self) -> None:
        self.aside = Aside()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As the import system asks."""
        if not name.startswith(_OURS):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(name, spec.origin, self.aside)
        return spec


def own_finder() -> OwnFinder:
    """That of this process: from here on our modules are imported so."""
    for finder in sys.meta_path:
        if isinstance(finder, OwnFinder):
            return finder
    made = OwnFinder()
    sys.meta_path.insert(0, made)
    return made


def _is_users(folder: str) -> bool:
    return not folder.endswith(".zip") and is_users_own(folder or ".")


def _holds_names(folder: str) -> bool:
    """Whether something in ``folder`` may be found under one of the names."""
    try:
        entries = os.listdir(folder or ".")  # noqa: PTH208 - names alone
    except OSError:
        return False
    found = _NAMES.intersection(each.removesuffix(".py") for each in entries)
    return any(
        f"{name}.py" in entries or os.path.exists(os.path.join(folder, name, "__init__.py"))  # noqa: PTH110, PTH118
        for name in found
    )


def _is_loaded_users(name: str) -> bool:
    file = getattr(sys.modules[name], "__file__", None)
    return isinstance(file, str) and is_users_own(file)


def _taken_out(names: Iterable[str]) -> dict[str, ModuleType]:
    """Take modules of these names, and what is below them, out of ``sys.modules``."""
    tops = set(names)
    found = {n for n in list(sys.modules) if n.partition(".")[0] in tops} if tops else set()
    return {name: sys.modules.pop(name) for name in found}
