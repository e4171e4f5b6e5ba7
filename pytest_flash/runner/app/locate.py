"""Where an app is: a directory, a file or ``module:attribute`` as something to import."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from ...errors import AppNotFoundError
from .own_package import needs_package, package_around

FILE_NAMES = ("main.py", "app.py", "server.py")


@dataclass(frozen=True)
class AppLocation:
    """A module to import, with the folder that must head ``sys.path`` for it.

    ``attribute`` is None when the app is to be looked for in the module. ``file`` is None when a
    module was named that is not a file below ``root``.

    A file with an ``__init__.py`` beside it is imported as a server that was started in its folder
    would import it, unless it needs its package; ``beside`` is the folder that its imports find,
    too, and ``other_name`` what its module is called as a part of the package, or without.
    """

    root: Path
    module: str
    attribute: str | None = None
    file: Path | None = None
    beside: Path | None = None
    other_name: str | None = None

    @property
    def folder(self) -> Path:
        """The folder beside which ``.env`` is looked for."""
        return self.file.parent if self.file is not None else self.root


def locate(app: str | None, folder: Path) -> AppLocation:
    """Where the app is that ``app`` names, seen from ``folder``.

    ``app`` is a directory, a file, ``file.py:attribute``, ``module`` or ``module:attribute``.
    Without it, and in a directory, the app is in ``main.py``, ``app.py`` or ``server.py``, the
    first that exists. Raises AppNotFoundError.
    """
    if app is None:
        return _in_directory(folder.resolve())
    path = _path(app, folder)
    if path.is_dir():
        return _in_directory(path)
    if path.is_file():
        return _from_file(path)
    name, _, attribute = app.partition(":")
    if attribute and _path(name, folder).is_file():
        return _from_file(_path(name, folder), attribute)
    is_path = name.endswith(".py") or "/" in name
    if not is_path and all(part.isidentifier() for part in name.split(".")):
        return _from_module(name, attribute or None, folder.resolve())
    raise _not_found(app, _path(name, folder) if attribute else path)


def _path(text: str, folder: Path) -> Path:
    return (folder / Path(text).expanduser()).resolve()


def _in_directory(folder: Path) -> AppLocation:
    for name in FILE_NAMES:
        if (folder / name).is_file():
            return _from_file(folder / name)
    raise AppNotFoundError(
        f"no app in {folder}: it has none of {', '.join(FILE_NAMES)}. Name the app, as "
        "path/to/file.py or package.module:app: flash run APP, or for pytest --flash-app APP or "
        "ini flash_app"
    )


def _from_file(file: Path, attribute: str | None = None) -> AppLocation:
    if file.suffix != ".py":
        raise AppNotFoundError(f"{file} is not a Python file")
    if not file.stem.isidentifier():
        raise AppNotFoundError(
            f"{file} cannot be imported: {file.stem!r} is not a valid module name; rename it"
        )
    package = package_around(file)
    if package is None:
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
