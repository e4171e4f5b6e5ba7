"""Imports that nothing uses, and that change what travels all the same, by what they do."""

from __future__ import annotations

from collections.abc import Mapping, Set

from .file_slices import SlicedFile
from .project_modules import ModuleSource, ProjectModules


def effective_names(
    file: SlicedFile, wanted: Set[str], whole: Set[str], project: ProjectModules
) -> frozenset[str]:
    """The names of imports in ``file`` that nothing there uses, of modules of the project that
    travel ``whole``, or import what travels and so may change it: also ``wanted`` names of
    ``file``."""
    module = file.source.name
    effects = [
        (statement, project.named(imports), project.taken(imports))
        for statement, imports in file.effects
    ]
    reached = project.reached(frozenset[str]().union(*(named for _, named, _ in effects)))
    touching = {
        name
        for name, source in reached.items()
        if not whole.isdisjoint(project.taken_by(source))
        or not wanted.isdisjoint(source.facts.wants.get(module, ()))
    }
    leading = _leading_to(touching, reached, project)
    return frozenset[str]().union(
        *(
            statement.bound
            for statement, named, taken in effects
            if not (whole.isdisjoint(taken) and leading.isdisjoint(named))
        )
    )


def _leading_to(
    these: Set[str], among: Mapping[str, ModuleSource], project: ProjectModules
) -> set[str]:
    """Those of the modules that import one of ``these``, in however many steps, and these."""
    importers: dict[str, list[str]] = {}
    for name, source in among.items():
        for other in project.named_by(source):
            importers.setdefault(other, []).append(name)
    found, waiting = set(these), list(these)
    while waiting:
        for name in importers.get(waiting.pop(), ()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found
