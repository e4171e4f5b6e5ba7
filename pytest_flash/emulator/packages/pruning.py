"""Deletes packages that were installed for workers and that nobody has asked for in a long time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ...clock import wall_time
from .installed_folders import OVERLAYS, PACKAGES

# Seconds. A package that is as new as that may be part of a set that is being installed.
_NEW = 3600.0


@dataclass(frozen=True)
class Pruned:
    """How many sets and packages were deleted, and the bytes of these."""

    sets: int
    packages: int
    size: int


def prune(cache: Path, older_than: float) -> Pruned:
    """Delete the sets of packages that were last asked for more than ``older_than`` seconds ago,
    and the packages that no other set has. What a running worker imports of them is gone."""
    before = wall_time() - older_than
    sets = 0
    for overlay in _folders(cache / OVERLAYS):
        if overlay.stat().st_mtime < before:
            sets += _delete(overlay)
    used = {name for overlay in _folders(cache / OVERLAYS) for name in _packages_of(overlay)}
    unused = [
        package
        for package in _folders(cache / PACKAGES)
        if package.name not in used and package.stat().st_mtime < wall_time() - _NEW
    ]
    size = sum(map(_size, unused))
    for package in unused:
        shutil.rmtree(package, ignore_errors=True)
    return Pruned(sets, len(unused), size)


def _delete(overlay: Path) -> bool:
    """Whether it was deleted: not while somebody installs it."""
    lock = FileLock(overlay.with_suffix(".lock"))
    try:
        with lock.acquire(timeout=0):
            shutil.rmtree(overlay, ignore_errors=True)
    except Timeout:
        return False
    return True


def _folders(place: Path) -> Iterator[Path]:
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return
    yield from (each for each in entries if each.is_dir() and not each.is_symlink())


def _packages_of(overlay: Path) -> Iterator[str]:
    """The names of the folders that the links of a set lead to."""
    for folder, below, files in os.walk(overlay):
        for entry in (*below, *files):
            link = Path(folder) / entry
            if link.is_symlink():
                parts = link.readlink().parts
                yield from parts[parts.index(PACKAGES) + 1 :][:1] if PACKAGES in parts else ()


def _size(package: Path) -> int:
    files = (Path(folder) / name for folder, _, names in os.walk(package) for name in names)
    return sum(each.lstat().st_size for each in files)
