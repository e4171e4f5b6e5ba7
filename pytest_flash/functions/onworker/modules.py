"""The project's modules on the worker: found by import, kept between calls, out of the way after.

A module that travels whole is known by the hash of its source and of all that it imports from the
project. One that travels in part, a slice, is known by the hash of its file: each call brings the
statements that its function needs, and those that were not executed yet are executed in the same
module, so that functions of one file share its state.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import contextvars
import functools
import importlib.abc
import importlib.machinery
import io
import json
import linecache
import sys
import types
import zlib
from base64 import b85decode
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from . import pickles, shaping, standin

STANDIN = "pytest_flash"
_WORDS = {shaping.REMOTE: standin.stand_in, shaping.MISSING: standin.missing}


@dataclass(frozen=True)
class Shipped:
    """One module of a call. ``remote_lines`` is None for a module that travels whole. ``left`` are
    names that stayed at the caller, and why."""

    name: str
    key: str
    file: str
    package: bool
    remote_lines: tuple[int, ...] | None = None
    stub: bool = False
    left: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Value:
    """A module-level value of the caller: pickled, known by its digest, bound at ``line``."""

    module: str
    name: str
    line: int
    digest: bytes
    data: bytes


@dataclass(frozen=True)
class Bundle:
    """The modules of a call. ``sources`` is compressed JSON of their texts by name."""

    modules: tuple[Shipped, ...]
    sources: str

    @functools.cached_property
    def texts(self) -> Mapping[str, str]:
        """The source texts by the names of their modules."""
        texts: dict[str, str] = json.loads(zlib.decompress(b85decode(self.sources)))
        return texts

    @functools.cached_property
    def tops(self) -> frozenset[str]:
        """The first parts of the names that the call takes."""
        return frozenset({each.name.partition(".")[0] for each in self.modules} | {STANDIN})


@dataclass
class Slice:
    """A module that grows, with what was executed in it and the modules it was executed with."""

    module: types.ModuleType
    done: set[tuple[int, int]] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    instances: dict[Any, Any] = field(default_factory=dict)


class Store(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Every module that this process was sent."""

    def __init__(self) -> None:
        self._whole: dict[tuple[str, str], types.ModuleType] = {}
        self._slices: dict[tuple[str, str], list[Slice]] = {}
        self._running: list[Bundle] = []
        self._mine: contextvars.ContextVar[Bundle | None] = contextvars.ContextVar(
            "bundle", default=None
        )
        self._hidden: dict[str, types.ModuleType] = {}
        self._standins: dict[str, types.ModuleType] = {}
        self._shown: set[str] = set()
        self._again: dict[int, list[tuple[types.CodeType, list[str]]]] = {}
        self._growing: dict[str, tuple[Slice, Callable[[], None]]] = {}

    @contextlib.contextmanager
    def active(self, bundle: Bundle, values: Sequence[Value]) -> Iterator[dict[str, Slice]]:
        """Make the modules of ``bundle`` importable; gives its slices, executed, by name."""
        mine = {each.name: each for each in bundle.modules}
        token = self._enter(bundle)
        try:
            for name, each in mine.items():
                known = self._whole.get((name, each.key))
                if known is None:
                    sys.modules.pop(name, None)  # what runs beside may have another version
                else:
                    self._import_again(known)
                    sys.modules[name] = known
            slices = self._prepare(bundle, values)
            if bundle.sources not in self._shown:
                self._shown.add(bundle.sources)
                for name, text in bundle.texts.items():
                    if name not in mine:
                        _show(name, text, _shown_lines(name))
            yield slices
        finally:
            self._leave(bundle)
            self._mine.reset(token)

    def _enter(self, bundle: Bundle) -> contextvars.Token[Bundle | None]:
        """Hide the worker's own modules of these names, unless a call beside has done so."""
        self._hidden |= _hide(bundle.tops - self._covered())
        if not self._running:
            sys.meta_path.insert(0, self)
        self._running.append(bundle)
        return self._mine.set(bundle)

    def _leave(self, bundle: Bundle) -> None:
        """Bring back what was hidden under names that no call beside has."""
        self._running.remove(bundle)
        if not self._running:
            sys.meta_path.remove(self)
        free = bundle.tops - self._covered()
        _hide(free)
        for name in [each for each in self._hidden if each.partition(".")[0] in free]:
            sys.modules[name] = self._hidden.pop(name)

    def _covered(self) -> set[str]:
        return {top for bundle in self._running for top in bundle.tops}

    @property
    def _active(self) -> Bundle | None:
        """The bundle of the call that runs; of the latest, for a thread of its own."""
        own = self._mine.get()
        if own is not None and any(own is each for each in self._running):
            return own
        return self._running[-1] if self._running else None

    def find_spec(
        self,
        name: str,
        path: object = None,  # noqa: ARG002 - the import system passes it
        target: object = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """As the import system asks."""
        if name.partition(".")[0] == STANDIN:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        shipped = self._shipped(name)
        if shipped is None or (shipped.remote_lines is not None and name not in self._growing):
            return None
        return importlib.machinery.ModuleSpec(
            name, self, origin=shipped.file, is_package=shipped.package
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """As the import system asks."""
        if spec.name.partition(".")[0] == STANDIN:
            return self._standins.setdefault(spec.name, standin.package(spec.name))
        return self._growing[spec.name][0].module if spec.name in self._growing else None

    def exec_module(self, module: types.ModuleType) -> None:
        """As the import system asks."""
        if module.__name__ in self._growing:
            self._growing.pop(module.__name__)[1]()
            return
        shipped = self._shipped(module.__name__)
        if shipped is None or self._active is None:
            return
        module.__file__ = shipped.file
        if shipped.stub:
            return
        text = self._active.texts[shipped.name]
        lines = io.StringIO(text).readlines()
        linecache.cache[shipped.file] = (len(text), None, lines, shipped.file)
        tree = ast.parse(text, shipped.file)
        imports = shaping.tolerate_missing(tree)
        module.__dict__.update(_WORDS)
        exec(compile(tree, shipped.file, "exec", dont_inherit=True), module.__dict__)
        self._whole[shipped.name, shipped.key] = module
        self._again[id(module)] = [
            (compile(ast.Module([each], []), shipped.file, "exec", dont_inherit=True), names)
            for each, names in imports
            if _lacks(module, names)
        ]

    def _import_again(self, module: types.ModuleType) -> None:
        """Try what was missing: a later call may have brought what it declares."""
        again = self._again.get(id(module), [])
        for each in list(again):
            code, names = each
            importlib.invalidate_caches()
            if not all(standin.is_here_now(one) for one in _placeholders(module, names)):
                continue
            with contextlib.suppress(ModuleNotFoundError):
                exec(code, module.__dict__)
                again.remove(each)

    def _shipped(self, name: str) -> Shipped | None:
        modules = self._active.modules if self._active is not None else ()
        return next((each for each in modules if each.name == name), None)

    def _prepare(self, bundle: Bundle, values: Sequence[Value]) -> dict[str, Slice]:
        beside = {
            each.name: each.key
            for each in bundle.modules
            if each.remote_lines is None and not each.stub
        }
        sliced = [each for each in bundle.modules if each.remote_lines is not None]
        slices = {each.name: self._slice(each, beside) for each in sliced}
        for shipped in sliced:
            grown = slices[shipped.name]
            grow = functools.partial(self._grow, grown, shipped, bundle, values)
            self._growing[shipped.name] = grown, grow
            if grown.seen:
                sys.modules[shipped.name] = grown.module
        try:
            for name in slices:
                importlib.import_module(name)  # As Python does: packages above it first.
                if name in self._growing:  # It had been imported before.
                    self._growing.pop(name)[1]()
        finally:
            self._growing.clear()
        return slices

    def _slice(self, shipped: Shipped, beside: Mapping[str, str]) -> Slice:
        versions = self._slices.setdefault((shipped.name, shipped.key), [])
        for known in versions:
            if all(known.beside.get(name, key) == key for name, key in beside.items()):
                known.beside.update(beside)
                return known
        module = types.ModuleType(shipped.name)
        module.__file__ = shipped.file
        spec = importlib.machinery.ModuleSpec(
            shipped.name, self, origin=shipped.file, is_package=shipped.package
        )
        module.__spec__ = spec
        module.__package__ = spec.parent
        if shipped.package:
            module.__path__ = []
        module.__dict__.update(_WORDS)
        # One version is enough: what is sent again later starts fresh.
        versions[:] = [Slice(module, beside=dict(beside))]
        return versions[0]

    def _grow(
        self, grown: Slice, shipped: Shipped, bundle: Bundle, values: Sequence[Value]
    ) -> None:
        """Execute the statements that are new, and bind values where the caller's file does."""
        try:
            self._execute(grown, shipped, bundle, values)
        except BaseException:
            self._slices.pop((shipped.name, shipped.key), None)
            raise

    def _execute(
        self, grown: Slice, shipped: Shipped, bundle: Bundle, values: Sequence[Value]
    ) -> None:
        fresh = (
            each
            for each in values
            if each.module == shipped.name and grown.digests.get(each.name) != each.digest
        )
        later = sorted(fresh, key=lambda each: each.line)
        for name, why in shipped.left:
            grown.module.__dict__.setdefault(name, standin.MissingModule(name, why, ""))
        if bundle.sources not in grown.seen:
            text = bundle.texts[shipped.name]
            grown.lines = _show(shipped.file, text, grown.lines)
            flags, complete = 0, True
            for statement in ast.parse(text, shipped.file).body:
                place = (statement.lineno, statement.col_offset)
                flags |= _future(statement)
                while later and later[0].line < statement.lineno:
                    _bind(grown, later.pop(0))
                if place not in grown.done and _execute(statement, shipped, flags, grown.module):
                    grown.done.add(place)
                complete = complete and place in grown.done
            if complete:
                grown.seen.add(bundle.sources)
        for value in later:
            _bind(grown, value)


def _execute(statement: ast.stmt, shipped: Shipped, flags: int, module: types.ModuleType) -> bool:
    """False where an import found nothing, and should be tried again at the next call."""
    tree = ast.Module(body=[statement], type_ignores=[])
    shaping.mark_remote(tree, frozenset(shipped.remote_lines or ()))
    imports = shaping.tolerate_missing(tree)
    if imports:
        importlib.invalidate_caches()
    namespace = module.__dict__
    try:
        exec(compile(tree, shipped.file, "exec", flags=flags, dont_inherit=True), namespace)
    except ImportError as error:
        names = shaping.bound_by(statement)
        if not names or not standin.is_of_placeholder(error):
            raise
        # What uses it will tell, if anything does.
        namespace.update(standin.missing(error, names, shipped.file, statement.lineno))
        return False
    for node in ast.walk(tree):
        if isinstance(node, shaping.Definition) and node.name in namespace:
            value = namespace[node.name]
            if standin.behind(value) is not value:
                namespace[shaping.itself(node.name)] = standin.behind(value)
    return not any(_lacks(module, names) for _, names in imports)


def _lacks(module: types.ModuleType, names: list[str]) -> bool:
    return bool(_placeholders(module, names))


def _placeholders(module: types.ModuleType, names: list[str]) -> list[standin.MissingModule]:
    found = [vars(module).get(name) for name in names]
    return [each for each in found if isinstance(each, standin.MissingModule)]


def _future(statement: ast.stmt) -> int:
    if not isinstance(statement, ast.ImportFrom) or statement.module != "__future__":
        return 0
    features = [getattr(__future__, alias.name) for alias in statement.names]
    return sum({feature.compiler_flag for feature in features})


def _bind(grown: Slice, value: Value) -> None:
    grown.module.__dict__[value.name] = pickles.loads(value.data)
    grown.digests[value.name] = value.digest


def _show(file: str, text: str, old: list[str]) -> list[str]:
    """Let tracebacks show the lines of ``text``, and those of ``old`` where it has none."""
    new = io.StringIO(text).readlines()
    longest = max(len(new), len(old))
    before, now = ([*each, *["\n"] * (longest - len(each))] for each in (old, new))
    lines = [b if b.strip() else a for a, b in zip(before, now, strict=True)]
    linecache.cache[file] = (len(text), None, lines, file)
    return lines


def _shown_lines(file: str) -> list[str]:
    entry = linecache.cache.get(file)
    return entry[2] if entry is not None and len(entry) == 4 else []


def _hide(tops: Set[str]) -> dict[str, types.ModuleType]:
    """Take modules of these names, and what is below them, out of ``sys.modules``."""
    hidden = [top for top in tops if top in sys.modules]
    below = tuple(f"{top}." for top in hidden if hasattr(sys.modules[top], "__path__"))
    if below:  # else there is no need to look through thousands of modules
        hidden += [name for name in sys.modules if name.startswith(below)]
    return {name: sys.modules.pop(name) for name in hidden}
