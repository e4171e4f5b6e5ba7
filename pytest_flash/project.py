"""The project that an app belongs to: its folder, its name, its ``[tool.flash]`` table."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KNOWN_KEYS = ("project", "emulator")


@dataclass(frozen=True)
class Project:
    """Where the project lives and what it is called.

    ``name`` marks the endpoints that belong to it and has only letters, digits, ``-``, ``_``
    and ``.``.
    """

    root: Path
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)


def find_project(start: Path) -> Project:
    """The project around ``start``: the nearest parent folder with a ``pyproject.toml``.

    The name is ``[tool.flash] project``, else ``[project] name``, else the folder's name.
    Without a ``pyproject.toml`` the project is ``start`` itself.

    Raises SettingsError for a ``pyproject.toml`` that cannot be read and for unknown keys of
    ``[tool.flash]``.
    """
    start = start.resolve()
    folder = start if start.is_dir() else start.parent
    for root in (folder, *folder.parents):
        if (root / "pyproject.toml").is_file():
            return _from_pyproject(root)
    return Project(root=folder, name=_clean(folder.name))


def refuse_unknown_keys(table: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Raise SettingsError for the first key of ``table`` that is not ``known``.

    ``where`` names the table in the message, such as ``pyproject.toml: [tool.flash]``.
    """
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise SettingsError(f"{where} has an unknown key {key!r}; {hint}")


def _from_pyproject(root: Path) -> Project:
    path = root / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    config = _table(_table(document, "tool", path), "flash", path)
    refuse_unknown_keys(config, _KNOWN_KEYS, f"{path}: [tool.flash]")
    name = config.get("project") or _table(document, "project", path).get("name") or root.name
    return Project(root=root, name=_clean(str(name)), config=config)


def _table(parent: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    table = parent.get(key, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: {key!r} must be a table, such as [project] or [tool.flash]")
    return table


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "app"
