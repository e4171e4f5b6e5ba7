"""A module of which each call brings the part that it needs: statements, executed once each."""

from __future__ import annotations
import __future__

import ast
import importlib
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from . import pickles, source_edits
from . import placeholders as standin
from .bundle import Bundle, Shipped, Value
from .parsing import parse

WORDS = {
    source_edits.REMOTE: standin.remote,
    source_edits.WRAPPED: standin.wrapped_stand_in,
    source_edits.MISSING: standin.missing,
}


@dataclass(eq=False)
class Slice:
    """A module that grows: functions of one file share its state.

    ``imports`` are the lines of statements that import, with the hashes of what they imported.
    ``number`` counts the slices of that name.
    """

    module: types.ModuleType
    digest: str
    imports: dict[int, str] = field(default_factory=dict)
    done: set[tuple[int, int]] = field(default_factory=set)
    seen: set[tuple[str, ...]] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    digests: dict[str, bytes] = field(default_factory=dict)
    instances: dict[Any, Any] = field(default_factory=dict)
    number: int = 0

    @property
    def text(self) -> str:
        """What was executed."""
        return "".join(self.lines)

    @property
    def begun(self) -> bool:
        """Whether there is anything in it."""
        return bool(self.done)

    def fits(self, shipped: Shipped) -> bool:
        """Whether it is of the same file, and what was executed would import the same now."""
        same = shipped.sliced and shipped.digest == self.digest
        return same and all(self.imports.get(line, key) == key for line, key in shipped.imports)

    def grow(self, shipped: Shipped, bundle: Bundle, values: Iterable[Value]) -> None:
        """Execute the statements that are new, and bind values where the caller's file does."""
        self.imports.update(shipped.imports)
        fresh = (
            each
            for each in values
            if each.module == shipped.name and self.digests.get(each.name) != each.digest
        )
        later = sorted(fresh, key=lambda each: each.line)
        for name, why in shipped.left:
            self.module.__dict__.setdefault(name, standin.MissingModule(name, why, ""))
        if bundle.sources not in self.seen:
            text = bundle.texts[shipped.name]
            flags, complete = 0, True
            for statement in parse(text, shipped.file).body:
                place = (statement.lineno, statement.col_offset)
                flags |= _future(statement)
                while later and later[0].line < statement.lineno:
                    self._bind(later.pop(0))
                if place not in self.done and _execute(statement, shipped, flags, self.module):
                    self.done.add(place)
                complete = complete and place in self.done
            if complete:
                self.seen.add(bundle.sources)
        for value in later:
            self._bind(value)

    def _bind(self, value: Value) -> None:
        self.module.__dict__[value.name] = pickles.loads(value.data)
        self.digests[value.name] = value.digest


def begun(shipped: Shipped) -> Slice:
    """A module with nothing in it yet; the import system gives it what all modules have."""
    module = types.ModuleType(shipped.name)
    module.__package__ = shipped.name if shipped.package else shipped.name.rpartition(".")[0]
    module.__dict__.update(WORDS)
    return Slice(module, shipped.digest)


def _execute(statement: ast.stmt, shipped: Shipped, flags: int, module: types.ModuleType) -> bool:
    """False where an import found nothing, and should be tried again at the next call."""
    tree = ast.Module(body=[statement], type_ignores=[])
    source_edits.mark_remote(tree, frozenset(shipped.remote_lines or ()))
    imports = source_edits.tolerate_missing(tree)
    if imports:
        importlib.invalidate_caches()
    namespace = module.__dict__
    try:
        exec(compile(tree, shipped.file, "exec", flags=flags, dont_inherit=True), namespace)
    except ImportError as error:
        names = source_edits.bound_by(statement)
        if not names or not standin.is_of_placeholder(error):
            raise
        # What uses it will tell, if anything does.
        namespace.update(standin.missing(error, names, shipped.file, statement.lineno))
        return False
    for node in ast.walk(tree):
        if isinstance(node, source_edits.Definition) and node.name in namespace:
            value = namespace[node.name]
            if standin.behind(value) is not value:
                namespace[source_edits.itself(node.name)] = standin.behind(value)
    return not any(placeholders(module, names) for _, names in imports)


def merged(old: list[str], new: list[str]) -> list[str]:
    """The lines of ``new``, and those of ``old`` where it has none."""
    longest = max(len(new), len(old))
    before, now = ([*each, *["\n"] * (longest - len(each))] for each in (old, new))
    return [b if b.strip() else a for a, b in zip(before, now, strict=True)]


def placeholders(module: types.ModuleType, names: list[str]) -> list[standin.MissingModule]:
    """Those of ``names`` in ``module`` whose import found nothing."""
    found = [vars(module).get(name) for name in names]
    return [each for each in found if isinstance(each, standin.MissingModule)]


def _future(statement: ast.stmt) -> int:
    if not isinstance(statement, ast.ImportFrom) or statement.module != "__future__":
        return 0
    features = [getattr(__future__, alias.name) for alias in statement.names]
    return sum({feature.compiler_flag for feature in features})
