"""The project's modules on the worker: found by import, each call its own, kept between calls.

They stand in ``sys.modules`` while calls run, and make room for the worker's own afterwards.
"""

from __future__ import annotations

import ast
import contextlib
import contextvars
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence, Set

from . import placeholders as standin
from . import source_edits
from .bundle import STANDIN, Bundle, Shipped, Value
from .module_files import FolderFinder, ModuleFiles, keep_from_disk, spec_of
from .module_places import ModulePlaces, Shared
from .module_views import ModuleView, ModuleViews, WholeModule
from .parsing import parse
from .slices import WORDS, Slice, placeholders

# Two threads that import may each wait for what the other has begun.
_PATIENCE = 10.0


# What the import of a module takes of the recursion limit here, which is more than elsewhere.
_FRAMES = 12


class _FrameRoom:
    """Raises the recursion limit while modules import each other, so that a long chain of imports
    works here too. What the modules' own code sets the limit to stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limit = self._added = 0

    def __enter__(self) -> None:
        with self._lock:
            if sys.getrecursionlimit() != self._limit:
                self._added = 0
            self._change(_FRAMES)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if sys.getrecursionlimit() == self._limit and self._added:
                self._change(-_FRAMES)

    def _change(self, frames: int) -> None:
        self._added += frames
        self._limit = sys.getrecursionlimit() + frames
        sys.setrecursionlimit(self._limit)


class Store(ModuleFiles, importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Every module that this process was sent."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._views = ModuleViews(clock)
        self._running: list[ModuleView] = []
        self._mine: contextvars.ContextVar[ModuleView | None] = contextvars.ContextVar(
            "view", default=None
        )
        self._hidden: dict[str, types.ModuleType] = {}
        self._standins: dict[str, types.ModuleType] = {}
        self._places = ModulePlaces(self._own)
        self._ready: set[types.ModuleType] = set()
        self._shown: ModuleView | None = None
        self._loading = threading.RLock()
        self._room = _FrameRoom()

    @contextlib.contextmanager
    def active(self, bundle: Bundle, values: Sequence[Value]) -> Iterator[dict[str, Slice]]:
        """Make the modules of ``bundle`` importable; gives its slices, executed, by name."""
        view = self._views.of(bundle, self._running)
        token = self._mine.set(view)
        self._enter(view)
        try:
            for part in list(view.parts.values()):
                if isinstance(part, WholeModule) and part.again:
                    _import_again(part)
            self._grow(view, values)
            yield view.slices()
        finally:
            self._leave(view)
            self._mine.reset(token)

    def adopt(self, bundle: Bundle, values: Sequence[Value]) -> None:
        """Make the modules of ``bundle`` importable for as long as this process lives, each
        executed when it is first imported."""
        view = self._views.of(bundle, self._running)
        self._mine.set(view)
        self._enter(view)
        self._prepare(view, values)

    def show(self) -> None:
        """Let tracebacks and ``inspect`` find the lines of the call that asks."""
        view = self._view()
        if view is not None and view is not self._shown:
            view.show()
            self._shown = view

    def _enter(self, view: ModuleView) -> None:
        """Hide the worker's own modules of these names, unless a call beside has done so."""
        self._hidden |= _hide(view.bundle.tops - self._covered())
        if not self._running:
            sys.meta_path.insert(0, self)
        self._running.append(view)
        self._settle()

    def _leave(self, view: ModuleView) -> None:
        """Bring back what was hidden under names that no call beside has."""
        self._running.remove(view)
        self._views.left(view)
        if not self._running and self in sys.meta_path:  # Unless the function has emptied it.
            sys.meta_path.remove(self)
        free = view.bundle.tops - self._covered()
        _hide(free)
        for name in [each for each in self._hidden if each.partition(".")[0] in free]:
            sys.modules[name] = self._hidden.pop(name)
        self._settle()

    def _covered(self) -> set[str]:
        return {top for view in self._running for top in view.bundle.tops}

    def _settle(self) -> None:
        if any(view is not self._running[0] for view in self._running):
            for view in self._running:
                for name in view.bundle.shipped.keys() - view.parts.keys():
                    known = self._views.known(view, name)
                    if known is not None:
                        view.parts[name] = known
        self._places.settle(self._running)

    def _view(self) -> ModuleView | None:
        """That of the call that runs; of the latest, for a thread of its own."""
        own = self._mine.get()
        if own is not None or len(self._running) < 2:
            return own or next(iter(self._running), None)
        return _of_frames(self._running) or self._running[-1]

    def find_spec(
        self,
        name: str,
        path: object = None,  # noqa: ARG002 - the import system passes it
        target: object = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """As the import system asks."""
        if name.partition(".")[0] == STANDIN:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        view = self._view()
        shipped = view.bundle.shipped.get(name) if view is not None else None
        if view is None or shipped is None or (shipped.sliced and name not in view.growing):
            return None
        spec = spec_of(shipped, view.bundle, self)
        for folder in spec.submodule_search_locations or ():
            keep_from_disk(FolderFinder(name, self.own_bundle, self.find_spec), folder)
        return spec

    def own_bundle(self) -> Bundle | None:
        """What the call that asks has."""
        view = self._view()
        return view.bundle if view is not None else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """As the import system asks."""
        if spec.name.partition(".")[0] == STANDIN:
            return self._standins.setdefault(spec.name, standin.package(spec.name))
        view = self._view()
        if view is None:
            return None
        if spec.name in view.growing:
            return view.parts[spec.name].module
        known = view.parts.get(spec.name) or self._views.known(view, spec.name)
        if known is None:
            view.importing.add(spec.name)
            return None
        view.parts[spec.name] = known
        self._ready.add(known.module)
        return known.module

    def exec_module(self, module: types.ModuleType) -> None:
        """As the import system asks, and for a module that is loaded again."""
        name, view = module.__name__, self._view()
        try:
            if module in self._ready:
                self._ready.discard(module)
            elif view is not None and name in view.growing:
                view.growing.pop(name)()
            elif view is not None and name in view.bundle.shipped:
                with self._room:
                    self._execute(view, view.bundle.shipped[name], module)
        finally:
            for each in self._running:
                each.importing.discard(name)
        self._note(view, name)

    def _note(self, view: ModuleView | None, name: str) -> None:
        above, _, child = name.rpartition(".")
        package = view.module(above) if view is not None and above else None
        if package is not None:
            self._places.note(package, child)

    def _execute(self, view: ModuleView, shipped: Shipped, module: types.ModuleType) -> None:
        before = view.parts.get(shipped.name)
        whole = view.parts[shipped.name] = WholeModule(module, shipped.key)
        try:
            if shipped.package:
                self._places.attach(view, module)
            if not shipped.stub:
                self._views.executed(view, whole)
                _execute(whole, shipped, view.bundle.texts[shipped.name])
        except BaseException:
            if before is None:
                view.parts.pop(shipped.name, None)
            else:
                view.parts[shipped.name] = before
            raise

    def _prepare(self, view: ModuleView, values: Sequence[Value]) -> list[Shipped]:
        sliced = [each for each in view.bundle.modules if each.sliced]
        self.show()
        for shipped in sliced:
            view.growing[shipped.name] = functools.partial(self._grow_one, view, shipped, values)
        return sliced

    def _grow(self, view: ModuleView, values: Sequence[Value]) -> None:
        sliced = self._prepare(view, values)
        try:
            for shipped in sliced:
                for name in _with_parents(shipped.name):  # As Python does: packages first.
                    if name in view.bundle.shipped:
                        importlib.import_module(name)
                if shipped.name in view.growing:  # It had been imported before.
                    view.growing.pop(shipped.name)()
        finally:
            view.growing.clear()

    def _grow_one(self, view: ModuleView, shipped: Shipped, values: Sequence[Value]) -> None:
        part = view.parts[shipped.name]
        assert isinstance(part, Slice)
        try:
            part.grow(shipped, view.bundle, values)
        except BaseException:
            self._views.drop(part)  # It is executed in part.
            raise

    def _own(self, name: str) -> types.ModuleType:
        """The module of this name that the call that asks has, where others have another."""
        view = self._view()
        if view is not None and name in view.growing:
            view.growing.pop(name)()
        found = view.module(name) if view is not None else None
        if found is None and view is not None and name in view.bundle.shipped:
            found = self._load(view, name)
        found = found or self._hidden.get(name)
        if found is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found

    def _load(self, view: ModuleView, name: str) -> types.ModuleType | None:
        """Import a module that ``sys.modules`` has no place for, as another call has its name."""
        locked = self._loading.acquire(timeout=_PATIENCE)
        try:
            spec = None if view.module(name) is not None else self.find_spec(name)
            if spec is not None:
                above = name.rpartition(".")[0]
                if above:
                    importlib.import_module(above)
                module = importlib.util.module_from_spec(spec)
                self.exec_module(module)
                self._settle()
            return view.module(name)
        finally:
            if locked:
                self._loading.release()


def _execute(whole: WholeModule, shipped: Shipped, text: str) -> None:
    module = whole.module
    tree = parse(text, shipped.file)
    imports = source_edits.tolerate_missing(tree)
    module.__dict__.update(WORDS)
    exec(compile(tree, shipped.file, "exec", dont_inherit=True), module.__dict__)
    whole.again = [
        (compile(ast.Module([each], []), shipped.file, "exec", dont_inherit=True), names)
        for each, names in imports
        if placeholders(module, names)
    ]


def _import_again(whole: WholeModule) -> None:
    """Try what was missing: a later call may have brought what it declares."""
    for each in list(whole.again):
        code, names = each
        importlib.invalidate_caches()
        if all(standin.is_here_now(one) for one in placeholders(whole.module, names)):
            with contextlib.suppress(ModuleNotFoundError):
                exec(code, whole.module.__dict__)
                whole.again.remove(each)


def _of_frames(views: Sequence[ModuleView]) -> ModuleView | None:
    """The one of which the innermost code that is not in all of them is."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        space = frame.f_globals
        found = [(v, v.module(space.get("__name__", ""))) for v in views]
        having = [view for view, module in found if module and vars(module) is space]
        if 0 < len(set(having)) < len(set(views)):
            return having[-1]
        frame = frame.f_back
    return None


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: index + 1]) for index in range(len(parts))]


def _hide(tops: Set[str]) -> dict[str, types.ModuleType]:
    """Take modules of these names, and what is below them, out of ``sys.modules``."""
    hidden = [top for top in tops if top in sys.modules]
    below = tuple(f"{top}." for top in hidden if _is_package(sys.modules[top]))
    if below:  # else there is no need to look through thousands of modules
        hidden += [name for name in list(sys.modules) if name.startswith(below)]
    return {name: sys.modules.pop(name) for name in hidden}


def _is_package(module: types.ModuleType) -> bool:
    return isinstance(module, Shared) or hasattr(module, "__path__")
