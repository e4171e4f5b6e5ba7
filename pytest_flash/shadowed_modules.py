"""Our own modules find Python's, and the packages that we need, also where the user has modules
of such names: a ``resource.py`` beside the app is found by the app, and by nobody here.

Loaded by every pytest run on the machine: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import _imp
import _thread
import contextlib
import importlib
import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader

from .user_files import is_users_own

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
_REWRITER = "AssertionRewritingHook"


class Aside:
    """While a thread has entered it, that thread finds Python's modules, and the user's of such
    names that are loaded are out of the way.

    It may be entered again inside, and by several threads. ``sys.path`` stays as it is, since
    whoever else looks at it may act on each change: coverage.py then takes modules away that other
    threads are importing. ``sys.modules`` is touched only where the user has a module of such a
    name, and never for a name that another thread is importing.
    """

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._depths: dict[int, int] = {}
        self._loaded: frozenset[str] = frozenset()
        self._away: dict[str, ModuleType] = {}
        self._left: frozenset[str] = frozenset()
        self._looked_at: set[str] = set()

    def __enter__(self) -> None:
        thread = _thread.get_ident()
        with self._lock:
            first = not self._depths
            self._depths[thread] = self._depths.get(thread, 0) + 1
            late = first and self._put_aside()
        if late:
            for name in _LATE:
                with contextlib.suppress(ImportError):
                    importlib.import_module(name)

    def __exit__(self, *_: object) -> None:
        thread = _thread.get_ident()
        with self._lock:
            self._depths[thread] -= 1
            if not self._depths[thread]:
                del self._depths[thread]
            if not self._depths:
                self._put_back()

    def is_entered(self) -> bool:
        """Whether this thread is inside."""
        return _thread.get_ident() in self._depths

    def _put_aside(self) -> bool:
        """Whether any are there, or may come."""
        self._loaded = frozenset(sys.modules)
        self._away = _taken_out(
            name for name in _NAMES & self._loaded if _is_loaded_users(name) and _elsewhere(name)
        )
        folders = {each for each in sys.path if _is_users(each)} - self._looked_at
        self._looked_at |= folders
        return bool(self._away) or any(map(_holds_names, folders))

    def _put_back(self) -> None:
        # Packages stay: they import their own modules, and each other's, as they are called.
        new = (_NAMES - PACKAGES) & (sys.modules.keys() - self._loaded | self._left)
        shadowing = {name for name in new if not _is_loaded_users(name) and _users_finds(name)}
        # What was imported here keeps them; the user's code finds its own.
        _taken_out({*shadowing, *self._away})
        sys.modules.update(self._away)
        self._left = frozenset(shadowing - self._away.keys()) & sys.modules.keys()
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
        if path is None and name in _NAMES and self.aside.is_entered():
            # Only what is shadowed: of all else another finder may know better.
            return _elsewhere(name) if _users_finds(name) else None
        if not name.startswith(_OURS):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(name, spec.origin, self.aside)
        return spec


def own_finder() -> OwnFinder:
    """That of this process: from here on our modules are imported so.

    It comes ahead of pytest's, which parses each module of ours only to find that it need not be
    rewritten; another run of pytest in this process puts its own in front.
    """
    finders = sys.meta_path
    made = next((each for each in finders if isinstance(each, OwnFinder)), None)
    if made is None:
        made = OwnFinder()
        finders.insert(0, made)
    at = next((i for i, each in enumerate(finders) if type(each).__name__ == _REWRITER), None)
    if at is not None and at < finders.index(made):
        others = [each for each in finders if each is not made]
        # At once: another thread's import, which looks through it now, must miss no finder.
        finders[:] = [*others[:at], made, *others[at:]]
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
    file = getattr(sys.modules.get(name), "__file__", None)
    return isinstance(file, str) and is_users_own(file)


def _users_finds(name: str) -> bool:
    """Whether an import of ``name`` finds a module of the user's, not only a folder."""
    spec = PathFinder.find_spec(name)
    return spec is not None and spec.origin is not None and is_users_own(spec.origin)


def _elsewhere(name: str) -> ModuleSpec | None:
    """What an import of ``name`` finds outside of the user's folders."""
    return PathFinder.find_spec(name, [each for each in sys.path if not _is_users(each)])


def _taken_out(names: Iterable[str]) -> dict[str, ModuleType]:
    """Take modules of these names, and what is below them, out of ``sys.modules``; none that
    another thread is importing, or anything of."""
    tops = set(names)
    if not tops:
        return {}
    # Held, it lets no thread begin to import; imports that have begun are known by their locks.
    _imp.acquire_lock()
    try:
        tops -= _imported_by_others()
        found = {n for n in list(sys.modules) if n.partition(".")[0] in tops}
        return {name: sys.modules.pop(name) for name in found}
    finally:
        _imp.release_lock()


def _imported_by_others() -> set[str]:
    """The top-level names of the modules that other threads are importing.

    A lock of a module lives for as long as threads have it, or wait for it.
    """
    locks = vars(sys.modules["_frozen_importlib"])["_module_locks"]
    found = [(name, reference()) for name, reference in list(locks.items())]
    me = _thread.get_ident()
    return {n.partition(".")[0] for n, lock in found if lock is not None and lock.owner != me}
