"""The package that an app's file belongs to, where there is an ``__init__.py`` beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...functions.onworker.parsing import parse


@dataclass(frozen=True)
class OwnPackage:
    """The package of a file: its dotted ``name``, and ``above``, the folder that it is found in.

    ``dotted`` where no import finds it, since a folder's name has a dot in it. ``hidden`` where
    the file's own folder has a module of the first part of its name, too.
    """

    name: str
    above: Path
    dotted: bool
    hidden: bool


def package_around(file: Path) -> OwnPackage | None:
    """The package of ``file``; None where there is no ``__init__.py`` beside it."""
    parts: list[str] = []
    above = file.parent
    while (above / "__init__.py").is_file():
        parts.insert(0, above.name)
        above = above.parent
    if not parts:
        return None
    dotted = any("." in part for part in parts)
    hidden = any((file.parent / each).exists() for each in (parts[0], f"{parts[0]}.py"))
    return OwnPackage(".".join(parts), above, dotted, hidden)


def package_below(file: Path, folder: Path) -> OwnPackage | None:
    """The package without ``__init__.py`` that ``file`` is in, seen from ``folder``, in which a
    server would be started as ``uvicorn package.module:app``; None where that cannot be."""
    if folder not in file.parent.parents:
        return None
    parts = file.parent.relative_to(folder).parts
    if not all(part.isidentifier() for part in parts):
        return None
    hidden = any((file.parent / each).exists() for each in (parts[0], f"{parts[0]}.py"))
    return OwnPackage(".".join(parts), folder, dotted=False, hidden=hidden)


def needs_package(file: Path, package: OwnPackage) -> bool:
    """Whether ``file`` imports something as a part of ``package``: ``from . import x``, or by the
    package's own name."""
    try:
        tree = parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False  # Whoever imports it says what is wrong with it.
    if any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)):
        return True
    top = package.name.partition(".")[0]
    return not package.hidden and any(name.partition(".")[0] == top for name in _imported(tree))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
