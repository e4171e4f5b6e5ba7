"""Folders of links that show chosen distributions of an environment, and nothing beside them.

A package folder that one distribution owns alone becomes one link. Folders without an
``__init__`` (namespace packages, data) may be shared with what must not be seen, so they are
made anew and filled with links. ``.dist-info`` folders are linked too, for importlib.metadata.

Workers run without site-packages, so ``.pth`` files have no effect in them.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from .requirements import Installed, InstalledPackages

# Which distribution a file belongs to, and the file's path below a root or a folder of it.
_File = tuple[Installed, Sequence[str]]


class LinkFarms:
    """Farms in a cache folder, one for each set of distributions; safe between processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def build(self, chosen: frozenset[Installed], environment: InstalledPackages) -> Path:
        """The farm of ``chosen``, made if it is not there yet."""
        farm = self._folder / _key(chosen, environment)
        if _is_sound(farm):
            return farm
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(farm, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            _fill(made, chosen, environment)
            made.rename(farm)
        except OSError:
            shutil.rmtree(made, ignore_errors=True)
            if not _is_sound(farm):  # else another process was first
                raise
        return farm


def _key(chosen: frozenset[Installed], environment: InstalledPackages) -> str:
    """What is installed beside the chosen ones counts too: it may share a folder with them."""
    marks = sorted(f"{one.info}@{one.stamp}" for one in environment.distributions)
    names = sorted(one.name for one in chosen)
    lines = [str(sys.implementation.cache_tag), *names, "", *marks]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:24]


def _is_sound(farm: Path) -> bool:
    try:
        return all(link.exists() for link in farm.iterdir())
    except OSError:
        return False


def _fill(farm: Path, chosen: frozenset[Installed], environment: InstalledPackages) -> None:
    files: dict[Path, list[_File]] = defaultdict(list)
    roots = {one.root for one in chosen}
    for installed in environment.distributions:
        if installed.root in roots and installed.has_record:
            files[installed.root] += [(installed, parts) for parts in _recorded(installed)]
    for path in environment.paths:
        root = Path(path)
        if root in files:
            _link(root, farm, files[root], chosen)


def _recorded(installed: Installed) -> Iterable[Sequence[str]]:
    """Files below the root; scripts and data beside site-packages are left out."""
    with (installed.info / "RECORD").open(encoding="utf-8", newline="") as record:
        for row in csv.reader(record):
            parts = row[0].split("/") if row else [""]
            if parts[0] not in ("", ".."):
                yield parts


def _link(source: Path, target: Path, files: Iterable[_File], chosen: frozenset[Installed]) -> None:
    entries: dict[str, list[_File]] = defaultdict(list)
    for owner, (name, *rest) in files:
        entries[name].append((owner, rest))
    for name, below in entries.items():
        owners = {owner for owner, _ in below}
        if owners.isdisjoint(chosen) or name == "__pycache__":
            continue
        if (target / name).is_symlink():
            continue  # an earlier folder of the search path has it
        if not any(rest for _, rest in below):
            _link_file(source / name, target)
        elif len(owners) == 1 and _is_closed(name, below):
            (target / name).symlink_to(source / name)
        else:
            (target / name).mkdir(exist_ok=True)
            _link(source / name, target / name, [one for one in below if one[1]], chosen)


def _is_closed(name: str, below: Iterable[_File]) -> bool:
    """A folder that nobody else adds to: a regular package, or metadata."""
    return name.endswith(".dist-info") or any(
        len(rest) == 1 and rest[0].split(".")[0] == "__init__" for _, rest in below
    )


def _link_file(file: Path, target: Path) -> None:
    if not file.exists():
        return
    (target / file.name).symlink_to(file)
    if file.suffix == ".py":
        compiled = Path(importlib.util.cache_from_source(str(file)))
        if compiled.exists():  # a worker writes none, and would compile it at every start
            (target / "__pycache__").mkdir(exist_ok=True)
            (target / "__pycache__" / compiled.name).symlink_to(compiled)
