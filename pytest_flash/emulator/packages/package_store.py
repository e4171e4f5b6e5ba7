"""Folders of installed packages, one for each version of each, which sets of them share."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .link_folders import LinkFarms
from .requirements import Installed, InstalledPackages


class PackageStore:
    """Takes what was installed as a set apart, and makes sets of links; safe between processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def share(self, installed: Path) -> bool:
        """Make ``installed``, a folder that an installer filled, a folder of links into the store.

        False, and nothing is changed, where a package does not say which files it brought.
        """
        found = [*InstalledPackages([str(installed)]).distributions]
        if not found or not all(each.has_record for each in found):
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        places = [self._keep(each) for each in found]
        shared = InstalledPackages([str(each) for each in places])
        farms = LinkFarms(installed.parent / f"{installed.name}.links")
        links = farms.build(frozenset(shared.distributions), shared)
        shutil.rmtree(installed)
        links.rename(installed)
        farms_folder = links.parent
        shutil.rmtree(farms_folder, ignore_errors=True)
        return True

    def _keep(self, one: Installed) -> Path:
        """The folder of this package, made of its files unless it is there."""
        place = self._folder / _key(one)
        if place.is_dir():
            return place
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            for file in _files(one):
                target = made / file.relative_to(one.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                _link_or_copy(file, target)
            made.rename(place)
        except OSError:
            if not place.is_dir():  # else another process was first
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return place


def _link_or_copy(file: Path, target: Path) -> None:
    try:
        target.hardlink_to(file)
    except OSError:  # The file system has no such links.
        shutil.copy2(file, target)


def _key(one: Installed) -> str:
    """Name and version, and a hash of what it consists of: builds for other Pythons differ."""
    record = hashlib.sha256()
    for row in sorted(_record(one)):
        if not row[0].endswith((".pyc", "/RECORD", "/INSTALLER", "/direct_url.json")):
            record.update(repr(row[:2]).encode())
    return f"{one.name}-{one.version}-{record.hexdigest()[:16]}"


def _record(one: Installed) -> Iterator[list[str]]:
    with (one.info / "RECORD").open(encoding="utf-8", newline="") as record:
        yield from (row for row in csv.reader(record) if row)


def _files(one: Installed) -> Iterator[Path]:
    """Its files that are there, with bytecode that the installer has not written down."""
    for row in _record(one):
        if row[0].startswith("..") or row[0].endswith(".pyc"):
            continue
        file = one.root / row[0]
        if not file.is_file():
            continue
        yield file
        compiled = Path(importlib.util.cache_from_source(str(file)))
        if file.suffix == ".py" and compiled.is_file():
            yield compiled
