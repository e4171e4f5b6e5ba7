"""Where an app is: a directory, a file or ``module:attribute`` as something to import."""

from __future__ import annotations

import difflib
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import AppNotFoundError
from .own_package import needs_package, package_around, package_below

FILE_NAMES = (
    *("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py"),
    "server.py",
)
"""Where an app is looked for: first where ``fastapi dev`` does, in its order."""


@dataclass(frozen=True)
class AppLocation:
    """A module to import, with the folder that must head ``sys.path`` for it.

    ``attribute`` is None when the app is to be looked for in the module. ``file`` is None when a
    module was named that is not a file below ``root``.

    A file with an ``__init__.py`` beside it is imported as a server that was started in its folder
    would import it, unless it needs its package; ``beside`` is the folder that its imports find,
    too, and ``other_name`` what its module is called as a part of the package, or without.
    ``seen_from`` is the folder in which the app was named.
    """

    root: Path
    module: str
    attribute: str | None = None
    file: Path | None = None
    beside: Path | None = None
    other_name: str | None = None
    seen_from: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder whose ``.env`` counts: the app's, or the nearest above it with one of this
        user, up to that in which the app was named."""
        own = self.file.parent if self.file is not None else self.root
        if (own / ".env").exists() or self.seen_from is None:
            return own
        above = (folder for folder in own.parents if self.seen_from in (folder, *folder.parents))
        return next((folder for folder in above if _is_own_file(folder / ".env")), own)


def find_default(folder: Path) -> str | None:
    """What is served in ``folder`` when no app is named: the ``entrypoint`` in ``[tool.fastapi]``
    of its ``pyproject.toml``, else the first of FILE_NAMES that exists; None where there is none.

    Raises SettingsError for a ``pyproject.toml`` that cannot be read.
    """
    entrypoint = _entrypoint(folder / "pyproject.toml")
    return entrypoint or next((name for name in FILE_NAMES if (folder / name).is_file()), None)


def locate(app: str | None, folder: Path) -> AppLocation:
    """Where the app is that ``app`` names, seen from ``folder``.

    ``app`` is a directory, a file, ``file.py:attribute``, ``module`` or ``module:attribute``.
    Without it, and in a directory, ``find_default`` names it. Raises AppNotFoundError, and
    SettingsError as that does.
    """
    folder = folder.resolve()
    return replace(_locate(app, folder), seen_from=folder)


def _locate(app: str | None, folder: Path) -> AppLocation:
    link = None
    if app is None or _path(app, folder).is_dir():
        folder = folder if app is None else _path(app, folder)
        app = find_default(folder)
        if app is None:
            raise AppNotFoundError(
                f"no app in {folder}: it has none of {', '.join(FILE_NAMES)}. Name the app, as "
                "path/to/file.py or package.module:app: flash run APP, or for pytest --flash-app "
                "APP or ini flash_app"
            )
        link = folder / app
    # What is found may be a link to a file elsewhere: tests import it by the name it has here.
    path = link or _path(app, folder)
    if path.is_file():
        return _from_file(path, folder)
    name, _, attribute = app.partition(":")
    if attribute and _path(name, folder).is_file():
        return _from_file(_path(name, folder), folder, attribute)
    is_path = name.endswith(".py") or "/" in name
    if not is_path and all(part.isidentifier() for part in name.split(".")):
        return _from_module(name, attribute or None, folder)
    raise _not_found(app, _path(name, folder) if attribute else path)


def _is_own_file(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()


def _path(text: str, folder: Path) -> Path:
    return (folder / Path(text).expanduser()).resolve()


def _entrypoint(pyproject: Path) -> str | None:
    if not pyproject.is_file():
        return None
    # Not before it is needed: every test run comes here.
    from ...project import read_pyproject

    table = read_pyproject(pyproject).get("tool", {})
    fastapi = table.get("fastapi", {}) if isinstance(table, dict) else {}
    entrypoint = fastapi.get("entrypoint") if isinstance(fastapi, dict) else None
    return entrypoint if isinstance(entrypoint, str) and entrypoint else None


def _from_file(file: Path, folder: Path, attribute: str | None = None) -> AppLocation:
    if file.suffix != ".py":
        raise AppNotFoundError(f"{file} is not a Python file")
    if not file.stem.isidentifier():
        raise AppNotFoundError(
            f"{file} cannot be imported: {file.stem!r} is not a valid module name; rename it"
        )
    package = package_around(file)
    if package is None:
        package = package_below(file, folder)
        if package is None or not needs_package(file, package):
            return AppLocation(file.parent, file.stem, attribute, file)
    if file.name == "__init__.py":
        return AppLocation(package.above, package.name, attribute, file)
    whole = f"{package.name}.{file.stem}"
    if not needs_package(file, package):
        other = None if package.dotted or package.hidden else whole
        return AppLocation(file.parent, file.stem, attribute, file, package.above, other)
    if package.dotted:
        raise AppNotFoundError(
            f"{file} imports parts of its package, and {package.name!r} cannot be imported: the "
            "name of a folder has a dot in it; rename the folder"
        )
    return AppLocation(package.above, whole, attribute, file, file.parent, file.stem)


def _from_module(module: str, attribute: str | None, root: Path) -> AppLocation:
    base = root.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    file = next((each for each in candidates if each.is_file()), None)
    return AppLocation(root, module, attribute, file)


def _not_found(app: str, path: Path) -> AppNotFoundError:
    names = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "name a directory, a file or module:attribute"
    return AppNotFoundError(f"{app}: no such file or directory; {hint}")
