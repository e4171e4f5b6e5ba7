"""Imports that nothing uses, and that change what travels all the same, by what they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from .file_slices import SlicedFile
from .project_modules import Found, ModuleSource, ProjectModules
from .source_facts import are_settled
from .statement_names import Statement


@dataclass(frozen=True, eq=False)
class Effects:
    """What the imports of a file that nothing there uses may do.

    ``imports`` are these, with what each finds; ``reached`` all modules that they load. Of those,
    by the names of other modules: the ``importing`` ones, and the ``taking`` ones, which take what
    is in them; ``wanting`` are, by a name of the file, those that take that.
    """

    imports: Sequence[tuple[Statement, Found]]
    reached: Mapping[str, ModuleSource]
    importing: Mapping[str, Sequence[str]]
    taking: Mapping[str, Sequence[str]]
    wanting: Mapping[str, Sequence[str]]


def effects_of(file: SlicedFile, project: ProjectModules) -> Effects:
    """Those of ``file``: they depend on it and the modules as they are, not on what travels."""
    return project.kept((Effects, file), lambda: _effects_of(file, project))


def effective_names(
    file: SlicedFile, wanted: Set[str], whole: Set[str], project: ProjectModules
) -> frozenset[str]:
    """The names of imports in ``file`` that nothing there uses, of modules of the project that
    travel ``whole``, or import what travels and so may change it: also ``wanted`` names of
    ``file``."""
    effects = effects_of(file, project)
    touching = {
        name
        for names, by in ((whole, effects.taking), (wanted, effects.wanting))
        for each in names
        for name in by.get(each, ())
    }
    leading = _leading_to(touching, effects.importing)
    return frozenset[str]().union(
        *(
            statement.bound
            for statement, found in effects.imports
            if not (whole.isdisjoint(found.taken) and leading.isdisjoint(found.named))
        )
    )


def _effects_of(file: SlicedFile, project: ProjectModules) -> tuple[Effects, bool]:
    source = file.source
    imports = [
        (statement, project.by_part(source, statement.node)) for statement, _ in file.effects
    ]
    reached = project.reached(frozenset[str]().union(*(found.named for _, found in imports)))
    sources = reached.items()
    effects = Effects(
        imports,
        reached,
        _inverted((name, project.named_by(each)) for name, each in sources),
        _inverted((name, project.taken_by(each)) for name, each in sources),
        _inverted((name, each.facts.wants.get(source.name, ())) for name, each in sources),
    )
    holds = all(are_settled(each) for _, each in file.effects)
    return effects, holds and all(each.facts.is_settled for each in reached.values())


def _inverted(pairs: Iterable[tuple[str, Iterable[str]]]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for name, others in pairs:
        for other in others:
            found.setdefault(other, []).append(name)
    return found


def _leading_to(these: Set[str], importing: Mapping[str, Sequence[str]]) -> set[str]:
    """All modules that import one of ``these``, in however many steps, and these."""
    found, waiting = set(these), list(these)
    while waiting:
        for name in importing.get(waiting.pop(), ()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found
