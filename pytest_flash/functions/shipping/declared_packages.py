"""Whether a worker will have a module that a function imports."""

from __future__ import annotations

import functools
import importlib.metadata
import re
import sys
from collections.abc import Collection

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# What every official worker brings besides the standard library.
_ALWAYS = ("cloudpickle",)
# Workers have a stand-in of our own.
_OURS = "pytest_flash"
_WHEEL = re.compile(r"[^/]*/(?P<name>[A-Za-z0-9._]+)-[^/]*\.whl")


class Declared:
    """The distributions of one function's ``dependencies``, with all that these require.

    ``image`` are requirements that the worker's image brings; None where nobody knows, and then
    nothing counts as undeclared. What is asked is answered from what is installed here: where a
    declared one is not, nobody knows what it requires, and nothing counts as undeclared either.
    """

    def __init__(self, dependencies: Collection[str], image: Collection[str] | None) -> None:
        self._names: set[str] | None = None
        if image is None:
            return
        declared = [_name(each) for each in dependencies]
        if all(each is not None and _is_installed(each) for each in declared):
            names = (*declared, *map(_name, (*image, *_ALWAYS)))
            self._names = _with_requirements({each for each in names if each is not None})

    def requirement_for(self, module: str) -> str | None:
        """The distribution to declare for ``module``; None where it is declared already, part of
        Python, or unknown here."""
        top = module.partition(".")[0]
        if self._names is None or top in sys.stdlib_module_names or top in ("", _OURS):
            return None
        found = distributions(top)
        if not found or self._names & {canonicalize_name(each) for each in found}:
            return None
        return found[0]


def other_version(dependencies: Collection[str], names: Collection[str]) -> tuple[str, str] | None:
    """The one of ``dependencies`` that asks for another version of one of the distributions
    ``names`` than is installed here, with that version; None where none does."""
    wanted = {canonicalize_name(each) for each in names}
    for each in dependencies:
        try:
            requirement = Requirement(each)
            version = importlib.metadata.version(requirement.name)
        except (InvalidRequirement, importlib.metadata.PackageNotFoundError):
            continue
        differs = not requirement.specifier.contains(version, prereleases=True)
        if canonicalize_name(requirement.name) in wanted and differs:
            return each, version
    return None


def distributions(module: str) -> list[str]:
    """The installed distributions that bring the top-level ``module``, in order of their names."""
    named = importlib.metadata.packages_distributions().get(module)
    if named:
        return sorted(set(named))
    # Python 3.10 looks into top_level.txt alone, which many distributions do not have.
    return sorted(
        {
            each.metadata["Name"]
            for each in importlib.metadata.distributions()
            if any(path.parts[0].partition(".")[0] == module for path in each.files or ())
        }
    )


def _name(requirement: str) -> str | None:
    """The distribution that ``requirement`` names; None for an address that does not say."""
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement:
        found = _WHEEL.search(requirement)
        return canonicalize_name(found["name"]) if found else None


def _with_requirements(names: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(_required(name)) - found
    return found


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@functools.cache
def _required(name: str) -> tuple[str, ...]:
    """What ``name`` requires, with any extra: a worker may have more than we think, not less."""
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return ()
    return tuple(canonicalize_name(Requirement(line).name) for line in lines)
