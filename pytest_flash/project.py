"""The project that an app belongs to: its folder, its name, its ``[tool.flash]`` table."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import SettingsError
from .files.opening import read_text_limited
from .files.toml import parse_toml

_FILE = "pyproject.toml"
_KNOWN_KEYS = ("project", "emulator")
# Beyond any honest file.
_SIZE_LIMIT = 1 << 20

_CLEAN = re.compile(r"[A-Za-z0-9._-]+")
_LONGEST = 191
_HASH_DIGITS = 12
# In no name that is clean: nobody can choose a name that looks like the mark of another.
_HASH_MARK = "~"


@dataclass(frozen=True)
class Project:
    """Where the project lives and what it is called.

    ``name`` marks the endpoints that belong to it; two names that differ are different here too.
    It has only letters, digits, ``-``, ``_``, ``.`` and ``~``. ``former_name`` is what older
    versions made of the same name where that is another, else empty; projects could share it.
    ``declared``: ``pyproject.toml`` gives the name, so it is not the folder's alone. ``distrust``
    says in words why commands of ``pyproject.toml`` do not count; empty where they do.
    ``folder`` is the app's, from which the project was found.
    """

    root: Path
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    declared: bool = True
    former_name: str = ""
    distrust: str = ""
    folder: Path = Path()


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
        if (root / _FILE).is_file():
            return _from_pyproject(root, folder)
    return _named(folder.name, root=folder, folder=folder, declared=False)


def read_pyproject(path: Path) -> Mapping[str, Any]:
    """What is in the ``pyproject.toml`` at ``path``; SettingsError where it cannot be read."""
    try:
        return parse_toml(read_text_limited(path, _SIZE_LIMIT))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SettingsError(f"{path} cannot be read: {reason}") from error


def named_by_folder(project: Project) -> str:
    """What to say of a project that is not ``declared``."""
    how = "by the pyproject.toml of another user" if project.distrust else "after its folder alone"
    return (
        f"the project is called {project.name!r} {how}: any project of that name on this account "
        "takes its endpoints for its own. Give it a name in [tool.flash] of a "
        'pyproject.toml, such as project = "my-project"'
    )


def refuse_unknown_keys(table: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Raise SettingsError for the first key of ``table`` that is not ``known``.

    ``where`` names the table in the message, such as ``pyproject.toml: [tool.flash]``.
    """
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise SettingsError(f"{where} has an unknown key {key!r}; {hint}")


def _from_pyproject(root: Path, folder: Path) -> Project:
    path = root / _FILE
    document = read_pyproject(path)
    config = _table(_table(document, "tool", path), "flash", path)
    refuse_unknown_keys(config, _KNOWN_KEYS, f"{path}: [tool.flash]")
    given = _text(config, "project", f"{path}: [tool.flash] project") or _text(
        _table(document, "project", path), "name", f"{path}: [project] name"
    )
    distrust = _distrust(path, folder)
    return _named(
        given or root.name,
        root=root,
        folder=folder,
        config=config,
        declared=bool(given) and not distrust,
        distrust=distrust,
    )


def _named(name: str, **rest: Any) -> Project:
    made, former = _unique(name), _former(name)
    return Project(name=made, former_name=former if former != made else "", **rest)


def _unique(name: str) -> str:
    """``name`` as it is if it is clean, else what is clean of it and a hash of the whole."""
    if _CLEAN.fullmatch(name) and len(name) <= _LONGEST and name == name.strip("-"):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    suffix = _HASH_MARK + digest[:_HASH_DIGITS]
    return _former(name)[: _LONGEST - len(suffix)] + suffix


def _former(name: str) -> str:
    """What is clean of a name: all of it to older versions, where ``my app`` was ``my-app``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "app"


def _table(parent: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    table = parent.get(key, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: {key!r} must be a table, such as [project] or [tool.flash]")
    return table


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise SettingsError(f'{where} must be a text, such as {key} = "shop"')
    return value


def _distrust(path: Path, folder: Path) -> str:
    """Why commands of ``path`` are not to be run; empty where they may be.

    Whoever can write in a folder above the app's could else have them run by its user. A link
    counts by its own owner as well: what it leads to may be the user's, for another purpose.
    """
    try:
        trusted = {os.geteuid(), folder.stat().st_uid}
        owners = {path.stat().st_uid, path.lstat().st_uid}
    except OSError as error:
        return f"its owner cannot be told: {error.strerror}"
    strangers = sorted(owners - trusted)
    if not strangers:
        return ""
    return (
        f"it belongs to user {strangers[0]}, who is neither you (user {os.geteuid()}) nor the "
        f"owner of {folder}"
    )
