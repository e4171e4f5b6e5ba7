"""Which modules a call has: those that were executed before, where nothing about them is old."""

from __future__ import annotations

import ast
import functools
import gc
import io
import linecache
import types
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from .bundle import Bundle, Shipped
from .outdated_references import holds, is_outdated
from .parsing import parse
from .slices import Slice, begun, merged

# Seconds after their last call that modules of another time are kept: the old code of a server
# that loads anew may still call.
_KEPT = 10.0
# Of more different calls, those whose last time is longest ago begin anew.
_MOST = 256

Again = tuple[types.CodeType, list[str]]


@dataclass(eq=False)
class WholeModule:
    """A module that travels whole. ``again`` are its imports that found nothing.

    ``number`` counts the executions of modules of that name, and ``text`` is what was executed.
    """

    module: types.ModuleType
    key: str
    number: int = 0
    text: str = ""
    again: list[Again] = field(default_factory=list)
    begun = True

    def fits(self, shipped: Shipped) -> bool:
        """Whether it is of the same file, and all that it imports is the same."""
        return not shipped.sliced and shipped.key == self.key


Part = WholeModule | Slice


@dataclass(eq=False)
class ModuleView:
    """What a bundle's modules are on this worker: those that were asked for so far, by name.

    ``growing`` are slices that are about to be executed, with what does so; ``importing`` are
    modules that a thread has begun to import; ``refused`` are those that will not do, though their
    code is the same.
    """

    bundle: Bundle
    parts: dict[str, Part]
    revision: int = 0
    used: float = 0.0
    growing: dict[str, Callable[[], None]] = field(default_factory=dict)
    importing: set[str] = field(default_factory=set)
    refused: set[Part] = field(default_factory=set)

    def module(self, name: str) -> types.ModuleType | None:
        """The module ``name``, if it was executed."""
        part = self.parts.get(name)
        return part.module if part is not None and part.begun else None

    def slices(self) -> dict[str, Slice]:
        """The modules of which each call brings a part."""
        return {name: part for name, part in self.parts.items() if isinstance(part, Slice)}

    def show(self) -> None:
        """Let tracebacks and ``inspect`` find this call's lines, also of files that have others."""
        for name, part in self.slices().items():
            if self.bundle.sources not in part.seen:
                part.lines = merged(part.lines, _lines(self.bundle.texts[name]))
        files = dict(self._lines)
        for name, part in self.slices().items():
            files[self.bundle.shipped[name].file] = part.lines
        for file, lines in self._beside.items():
            files[file] = merged(files.get(file, []), lines)
        for file, lines in files.items():
            linecache.cache[file] = (sum(map(len, lines)), None, lines, file)

    @functools.cached_property
    def _lines(self) -> dict[str, list[str]]:
        whole = (each for each in self.bundle.modules if not each.sliced and each.file)
        return {each.file: _lines(self.bundle.texts[each.name]) for each in whole}

    @functools.cached_property
    def _beside(self) -> dict[str, list[str]]:
        """Parts of files that are looked at, not executed."""
        texts, named = self.bundle.texts, self.bundle.shipped
        return {name: _lines(text) for name, text in texts.items() if name not in named}


class ModuleViews:
    """The views of all bundles."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._views: dict[Bundle, ModuleView] = {}
        self._names: set[str] = set()
        self._latest: dict[tuple[type, str], int] = {}
        self._digests: dict[str, str] = {}
        self._revision = 0
        self._outdated: list[ModuleView] = []

    def of(self, bundle: Bundle, running: Sequence[ModuleView]) -> ModuleView:
        """What the modules of ``bundle`` are now.

        A view that a call has keeps what that call has found: calls of old code may go on.
        """
        now = self._clock()
        turned = self._turn(bundle)
        view = self._views.get(bundle)
        if view is None or view.revision != self._revision:
            view = self._views[bundle] = self._made(bundle, turned)
        view.used = now
        if len(self._views) > _MOST:
            del self._views[min(self._views, key=lambda each: self._views[each].used)]
        if turned:
            self._outdated = [v for v in self._views.values() if v.bundle.contradicts(bundle)]
        if self._outdated:
            self._forget(now - _KEPT, running)
        return view

    def left(self, view: ModuleView) -> None:
        """A call that had this view has ended."""
        view.used = self._clock()

    def known(self, view: ModuleView, name: str) -> Part | None:
        """A module that another call of the same time has executed."""
        fitting = self._fitting(view.bundle.shipped[name], self._latest_first(view.bundle))
        return next((part for part in fitting if part not in view.refused), None)

    def executed(self, view: ModuleView, whole: WholeModule) -> None:
        """``whole`` is about to be executed for a call that has ``view``."""
        whole.text = view.bundle.texts[whole.module.__name__]
        self._count(whole)

    def drop(self, part: Part) -> None:
        """Use this one for no call any more."""
        for view in self._views.values():
            view.parts = {name: each for name, each in view.parts.items() if each is not part}

    def _turn(self, bundle: Bundle) -> bool:
        """Whether files have changed since the last call that had them; notes how they are."""
        known = self._digests
        turned = any(known.get(name, digest) != digest for name, digest in bundle.digests.items())
        if turned or bundle not in self._views:
            known.update(bundle.digests)
            self._names.update(bundle.shipped)
        self._revision += turned
        return turned

    def _made(self, bundle: Bundle, turned: bool) -> ModuleView:
        views = self._latest_first(None if turned else bundle)
        shipped = bundle.shipped.items()
        fitting = {name: list(self._fitting(each, views)) for name, each in shipped}
        refused: set[Part] = set()
        parts = _first(fitting)
        while turned and (old := self._holding_old(bundle, parts)):
            refused.update(fitting[name].pop(0) for name in old)
            parts = _first(fitting)
        for name, each in shipped:
            if each.sliced and name not in parts:
                parts[name] = begun(each)
                self._count(parts[name])
                self._revision += 1  # Functions of one file share its state: the latest.
        return ModuleView(bundle, parts, self._revision, refused=refused)

    def _latest_first(self, beside: Bundle | None) -> list[ModuleView]:
        """Those of calls of the same time as ``beside`` if that is given."""
        views = sorted(self._views.values(), key=lambda each: -each.used)
        return [v for v in views if beside is None or not v.bundle.contradicts(beside)]

    def _fitting(self, shipped: Shipped, views: Iterable[ModuleView]) -> Iterator[Part]:
        seen = set()
        for view in views:
            part = view.parts.get(shipped.name)
            if part is None or part in seen or not part.fits(shipped) or self._is_undone(part):
                continue
            seen.add(part)
            yield part

    def _count(self, part: Part) -> None:
        part.number = self._latest[_kind(part)] = self._latest.get(_kind(part), 0) + 1

    def _is_undone(self, part: Part) -> bool:
        """Whether another version was executed since and may have undone what this one did: a
        value that it put into another module, an entry in a registry."""
        if part.number == self._latest.get(_kind(part)):
            return False
        return _imports_any(part.text, {name.partition(".")[0] for name in self._names})

    def _holding_old(self, bundle: Bundle, parts: dict[str, Part]) -> list[str]:
        """Those whose state leads to a module that is none of these, but has been, and those of
        packages that will be executed anew."""
        current = {name: part.module for name, part in parts.items()}
        outdated = functools.partial(is_outdated, names=self._names, current=current)
        orphans = {name for name, above, _ in bundle.below if above not in parts}
        return [
            name for name, part in parts.items() if name in orphans or holds(part.module, outdated)
        ]

    def _forget(self, before: float, running: Sequence[ModuleView]) -> None:
        """Let go of what nobody has used since ``before``: it may hold a model."""
        left = [each for each in self._outdated if each.used >= before or each in running]
        for view in self._outdated:
            if view not in left and self._views.get(view.bundle) is view:
                del self._views[view.bundle]
        if len(left) < len(self._outdated):
            self._outdated = left
            gc.collect()


def _first(fitting: dict[str, list[Part]]) -> dict[str, Part]:
    return {name: parts[0] for name, parts in fitting.items() if parts}


def _kind(part: Part) -> tuple[type, str]:
    return type(part), part.module.__name__


def _imports_any(text: str, tops: Set[str]) -> bool:
    """Whether a module of this text imports any of these packages, or of its own, anywhere."""
    nodes = list(ast.walk(parse(text)))
    taken = [each for each in nodes if isinstance(each, ast.ImportFrom)]
    aliases = [alias for each in nodes if isinstance(each, ast.Import) for alias in each.names]
    names = [*(each.name for each in aliases), *(each.module or "" for each in taken)]
    below = any(each.level for each in taken)
    return below or not tops.isdisjoint(name.partition(".")[0] for name in names)


def _lines(text: str) -> list[str]:
    return io.StringIO(text).readlines()
