"""Where an app is: a directory, a file or ``module:attribute`` as something to import."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from ...errors import AppNotFoundError

FILE_NAMES = ("main.py", "app.py", "server.py")


@dataclass(frozen=True)
class AppLocation:
    """A module to import, with the folder that must head ``sys.path`` for it.

    ``attribute`` is None when the app is to be looked for in the module. ``file`` is None when a
    module was named that is not a file below ``root``.
    """

    root: Path
    module: str
    attribute: str | None = None
    file: Path | None = None

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
    parts = [] if file.name == "__init__.py" else [file.stem]
    root = file.parent
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    for part in parts:
        if not part.isidentifier():
            raise AppNotFoundError(
                f"{file} cannot be imported: {part!r} is not a valid module name; rename it"
            )
    return AppLocation(root, ".".join(parts), attribute, file)


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
