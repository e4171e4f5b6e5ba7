"""What is installed in the environment the emulator runs in, and what a function asks for."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ...errors import EmulatorError


class DependencyError(EmulatorError):
    """Declared packages cannot be had; the text is for the caller of the function."""


@dataclass(frozen=True)
class Dependency:
    """One entry of ``dependencies=[...]``.

    ``requirement`` is None for what only an installer understands: a path, a file, a URL
    without a name. ``text`` is what the installer is given.
    """

    text: str
    requirement: Requirement | None

    @classmethod
    def parse(cls, text: str) -> Dependency:
        """Read one entry; a relative path is taken from the current directory.

        Raises DependencyError for what is neither a requirement nor a path or URL.
        """
        text = text.strip()
        if text.startswith(("./", "../", "/")):
            return cls(str(Path(text).absolute()), None)
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            if "://" in text and not text.startswith("-"):
                return cls(text, None)
            raise DependencyError(
                f"{text!r} in dependencies is not a requirement: {_first_line(error)}. "
                "Write it as in requirements.txt, without installer options"
            ) from None
        requirement.name = canonicalize_name(requirement.name)
        return cls(str(requirement), requirement)

    @property
    def applies(self) -> bool:
        """False when the entry's marker excludes this Python or platform."""
        marker = self.requirement.marker if self.requirement is not None else None
        return marker is None or marker.evaluate()


@dataclass(frozen=True)
class Installed:
    """A distribution of the environment, known by its ``.dist-info`` folder."""

    name: str
    info: Path
    stamp: int = field(repr=False)

    @property
    def root(self) -> Path:
        """The folder its modules are in: a site-packages."""
        return self.info.parent

    @functools.cached_property
    def has_record(self) -> bool:
        """Whether it lists its files."""
        return (self.info / "RECORD").is_file()

    @functools.cached_property
    def obstacle(self) -> str | None:
        """Why it cannot be linked for workers, or None."""
        if not self.has_record:
            return "has no RECORD of its files"
        if self.version is None:
            return "has no valid version"
        try:
            direct_url = json.loads(self._metadata.read_text("direct_url.json") or "{}")
            _ = self.requires
        except (ValueError, InvalidRequirement):
            return "has damaged metadata"
        if direct_url.get("dir_info", {}).get("editable"):
            return "is installed in editable mode"
        return None

    @functools.cached_property
    def version(self) -> Version | None:
        """The installed version; None when it is not a valid one."""
        metadata = self._metadata.metadata
        text = metadata["Version"] if "Version" in metadata else ""  # noqa: SIM401 - it has no get
        try:
            return Version(text)
        except InvalidVersion:
            return None

    @functools.cached_property
    def requires(self) -> tuple[Requirement, ...]:
        """Its Requires-Dist, markers not evaluated."""
        return tuple(Requirement(line) for line in self._metadata.requires or ())

    @functools.cached_property
    def _metadata(self) -> Distribution:
        return Distribution.at(self.info)


@dataclass(frozen=True)
class Resolution:
    """``found``: what satisfies the requirements, with all that it requires in turn.
    ``missing``: a line for each requirement that the environment does not satisfy; those of
    them that are installed in a way that cannot be linked are in ``unlinkable`` too."""

    found: frozenset[Installed]
    missing: tuple[str, ...]
    unlinkable: tuple[str, ...]


class InstalledPackages:
    """The distributions on a search path, as they were when it was made."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(dict.fromkeys(os.path.abspath(path) for path in paths))  # noqa: PTH100 - keeps links
        self.fingerprint = fingerprint(self.paths)
        self._by_name: dict[str, Installed] = {}
        for installed in _scan(self.paths):
            self._by_name.setdefault(installed.name, installed)

    @property
    def distributions(self) -> Iterable[Installed]:
        """Every distribution, the one that imports find first for each name."""
        return self._by_name.values()

    def resolve(self, requirements: Iterable[Requirement]) -> Resolution:
        """Find what satisfies requirements; extras, markers and versions count."""
        found: set[Installed] = set()
        missing: dict[str, None] = {}
        unlinkable: dict[str, None] = {}
        pending = list(requirements)
        seen: set[tuple[str, frozenset[str]]] = set()
        while pending:
            requirement = pending.pop()
            installed = self._by_name.get(canonicalize_name(requirement.name))
            problem = _problem(requirement, installed)
            if problem is not None:
                missing[problem] = None
                if installed is not None and installed.obstacle is not None:
                    unlinkable[problem] = None
                continue
            assert installed is not None
            found.add(installed)
            key = installed.name, frozenset(requirement.extras)
            if key not in seen:
                seen.add(key)
                pending += _required(installed, requirement.extras)
        return Resolution(frozenset(found), tuple(missing), tuple(unlinkable))


def fingerprint(paths: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Changes whenever something is installed in or removed from one of the folders."""
    stamps = []
    for path in paths:
        try:
            stamps.append((path, Path(path).stat().st_mtime_ns))
        except OSError:
            continue
    return tuple(stamps)


def _scan(paths: Iterable[str]) -> Iterator[Installed]:
    for path in paths:
        try:
            entries = [*os.scandir(path)]
        except OSError:
            continue  # sys.path may name folders and archives that are not there
        for entry in entries:
            if entry.name.startswith("~"):
                continue  # what pip leaves behind when it cannot remove a distribution
            if entry.name.endswith(".dist-info"):
                name = entry.name.removesuffix(".dist-info").rpartition("-")[0]
            elif entry.name.endswith(".egg-info"):
                name = entry.name.removesuffix(".egg-info").partition("-")[0]
            else:
                continue
            yield Installed(canonicalize_name(name), Path(entry), entry.stat().st_mtime_ns)


def _problem(requirement: Requirement, installed: Installed | None) -> str | None:
    name = requirement.name
    if requirement.url is not None:
        return f"{name} is asked for by URL"
    if installed is None:
        return f"{name} is not installed"
    if installed.obstacle is not None or installed.version is None:
        return f"{name} {installed.obstacle}"
    if not requirement.specifier.contains(installed.version, prereleases=True):
        return f"{name} is {installed.version}, not {requirement.specifier}"
    return None


def _required(installed: Installed, extras: Iterable[str]) -> Iterator[Requirement]:
    environments: list[Mapping[str, str]] = [{"extra": extra} for extra in ("", *extras)]
    for requirement in installed.requires:
        marker = requirement.marker
        if marker is None or any(marker.evaluate(dict(one)) for one in environments):
            yield requirement


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
