"""Whether a test run uses pytest-flash, asked when an official SDK is imported in it.

That may be before any test is collected: then what is configured and what the files of tests
mention has to do. Afterwards the fixtures that tests ask for are known.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

from ..sdks import loaded
from ..sdks.keep_off_cloud import is_off_cloud, stays_here

_SKIPPED = ("node_modules", "site-packages", "__pycache__")
_LARGEST = 1_000_000


def is_in_use(config: pytest.Config, fixtures: Collection[str]) -> bool:
    """Whether tests of this run use one of ``fixtures``, or their app our ``remote``."""
    session = config.pluginmanager.getplugin("session")
    items: Sequence[pytest.Item] = getattr(session, "items", ())
    return (
        "pytest_flash.functions.decorator" in sys.modules
        or use(items, fixtures)
        or _mentioned(config, fixtures)
    )


def use(items: Sequence[pytest.Item], fixtures: Collection[str]) -> bool:
    """Whether any of ``items`` asks for one of ``fixtures``, by itself or through others."""
    names = frozenset(fixtures)
    return any(not names.isdisjoint(getattr(each, "fixturenames", ())) for each in items)


def check_sdks() -> None:
    """Raise pytest.UsageError where an SDK was imported before anything told that it matters."""
    sdks = loaded()
    if sdks and not is_off_cloud() and not stays_here(os.environ):
        raise pytest.UsageError(
            f"{' and '.join(sdks)} was imported before it could be known that this run uses "
            "pytest-flash, so its functions would run on Runpod, which costs money. Set flash_app "
            "in the ini file, or pass --flash-live to let them"
        )


def _mentioned(config: pytest.Config, fixtures: Collection[str]) -> bool:
    words = "|".join(("pytest_flash", *map(re.escape, fixtures)))
    pattern = re.compile(rf"\b(?:{words})\b".encode())
    return any(pattern.search(_text(path)) for path in _test_files(config))


def _test_files(config: pytest.Config) -> Iterator[Path]:
    """Python files that this run collects tests from, and the conftests above them."""
    base = config.invocation_params.dir
    given = [str(each).partition("::")[0] for each in config.known_args_namespace.file_or_dir]
    names = given or config.getini("testpaths") or ["."]
    for name in names:
        for path in (
            sorted(base.glob(name)) if name in config.getini("testpaths") else [base / name]
        ):
            yield from _conftests_above(path.resolve(), config.rootpath)
            if path.is_dir():
                yield from _below(path)
            elif path.suffix == ".py":
                yield path


def _conftests_above(path: Path, root: Path) -> Iterator[Path]:
    for folder in path.parents:
        if not folder.is_relative_to(root):
            return
        yield folder / "conftest.py"


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [
            each
            for each in folders
            if not each.startswith(".") and each not in _SKIPPED and not _is_venv(place, each)
        ]
        for name in files:
            if name.endswith(".py"):
                yield Path(place) / name


def _is_venv(place: str, name: str) -> bool:
    return (Path(place) / name / "pyvenv.cfg").exists()


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return b""  # A conftest that is not there; what cannot be read cannot be collected.
