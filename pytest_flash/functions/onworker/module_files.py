"""What the modules of a call say of their files, as those that Python finds in folders do.

Source travels and nothing else, so all other files of the project are missing, wherever code looks
for them: in the folder of a package, by its loader or by ``importlib.resources``.
"""

from __future__ import annotations

import importlib.machinery
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from .bundle import Bundle, Shipped


class FolderFinder:
    """What the import system and ``pkgutil`` ask for the modules of a package.

    ``own`` gives the modules of the call that asks, ``find`` the spec of one.
    """

    def __init__(
        self, package: str, own: Callable[[], Bundle | None], find: Callable[[str], Any]
    ) -> None:
        self._package = package
        self._own = own
        self._find = find

    def find_spec(self, name: str, target: object = None) -> Any:  # noqa: ARG002
        """As the import system asks."""
        return self._find(name)

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """As ``pkgutil`` asks: names, and whether they are packages."""
        bundle = self._own()
        if bundle is not None:
            for full, above, child in bundle.below:
                if above == self._package:
                    yield prefix + child, bundle.shipped[full].package


class Folder:
    """The folder of a package for ``importlib.resources``; ``path`` leads on from there."""

    def __init__(self, bundle: Bundle, package: str, path: str = "") -> None:
        self._bundle = bundle
        self._package = package
        self._path = path

    @property
    def name(self) -> str:
        """The last part of its path."""
        return (self._path or self._package.rpartition(".")[2]).rpartition("/")[2]

    def iterdir(self) -> Iterator[Folder]:
        """The source files in it, and the packages below."""
        if not self.is_dir():
            _missing(f"{self._package.replace('.', '/')}/{self._path}")
        own = self._bundle.shipped.get(self._package)
        names = {"__init__.py"} if own is not None and not own.stub else set()
        for full, above, child in self._bundle.below:
            if above == self._package:
                names.add(child if self._bundle.shipped[full].package else f"{child}.py")
        yield from (self / each for each in sorted(names))

    def joinpath(self, *parts: str) -> Folder:
        """What is below it."""
        found = self
        for part in filter(None, "/".join(map(str, parts)).split("/")):
            found = found._below(part)
        return found

    __truediv__ = joinpath

    def is_dir(self) -> bool:
        """Whether it is a package."""
        return not self._path

    def is_file(self) -> bool:
        """Whether it is source that has travelled."""
        return self._text() is not None

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """Open it for reading."""
        data = io.BytesIO(self.read_bytes())
        return data if "b" in mode else io.TextIOWrapper(data, *args, **kwargs)

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """What is in it."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def read_bytes(self) -> bytes:
        """What is in it."""
        text = self._text()
        if text is None:
            return _missing(f"{self._package.replace('.', '/')}/{self._path}")
        return text.encode()

    def _below(self, part: str) -> Folder:
        package = f"{self._package}.{part}"
        shipped = self._bundle.shipped.get(package)
        if not self._path and shipped is not None and shipped.package:
            return Folder(self._bundle, package)
        return Folder(self._bundle, self._package, f"{self._path}/{part}".strip("/"))

    def _text(self) -> str | None:
        name = self._path.removesuffix(".py")
        if not self._path.endswith(".py") or "/" in name:
            return None
        full = self._package if name == "__init__" else f"{self._package}.{name}"
        return self._bundle.texts.get(full)

    def __repr__(self) -> str:
        return f"<{self._path or 'folder'} of the package {self._package}>"


class ModuleFiles:
    """The part of a loader that tells of files."""

    def own_bundle(self) -> Bundle | None:
        """What the call that asks has."""
        raise NotImplementedError

    def get_source(self, name: str) -> str | None:
        """As ``linecache`` and ``inspect`` ask."""
        bundle = self.own_bundle()
        return bundle.texts.get(name) if bundle is not None else None

    def get_data(self, path: str) -> bytes:
        """As ``pkgutil`` asks: the source of a module."""
        bundle = self.own_bundle()
        for each in bundle.modules if bundle is not None else ():
            if each.file == path and bundle is not None:
                return bundle.texts[each.name].encode()
        return _missing(path)

    def get_resource_reader(self, name: str) -> _Reader | None:
        """As ``importlib.resources`` asks."""
        bundle = self.own_bundle()
        return None if bundle is None else _Reader(Folder(bundle, name))


class _Reader:
    """What ``importlib.resources`` asks a loader for."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def files(self) -> Folder:
        """The folder of the package."""
        return self._folder

    def open_resource(self, name: str) -> Any:
        """Open a file of it."""
        return self._folder.joinpath(name).open("rb")

    def is_resource(self, name: str) -> bool:
        """Whether it is a file."""
        return self._folder.joinpath(name).is_file()

    def contents(self) -> Iterator[str]:
        """The names in it."""
        return (each.name for each in self._folder.iterdir())


def folder_of(shipped: Shipped, bundle: Bundle) -> str:
    """Where a package is: the folder of its file, or where those of its modules say."""
    if shipped.file:
        return os.path.dirname(shipped.file)  # noqa: PTH120 - a path of another machine
    for each in bundle.modules:
        if each.file and each.name.startswith(f"{shipped.name}."):
            steps = each.name.count(".") - shipped.name.count(".") + each.package
            folder = each.file
            for _ in range(steps):
                folder = os.path.dirname(folder)  # noqa: PTH120
            return folder
    return shipped.name


def spec_of(shipped: Shipped, bundle: Bundle, loader: Any) -> importlib.machinery.ModuleSpec:
    """The spec of a module, as one that was found in a folder has it."""
    spec = importlib.machinery.ModuleSpec(
        shipped.name, loader, origin=shipped.file or None, is_package=shipped.package
    )
    spec.has_location = bool(shipped.file)
    if shipped.package:
        spec.submodule_search_locations = [folder_of(shipped, bundle)]
    return spec


def _missing(path: str) -> NoReturn:
    raise FileNotFoundError(
        2,
        "No such file on the worker: of the project's files only source travels. Pass the data as "
        "an argument, or put it on a network volume",
        path,
    )


def keep_from_disk(finder: FolderFinder, folder: str) -> None:
    """Let imports and ``pkgutil`` ask ``finder`` for what is in ``folder``: a worker on the
    caller's machine has that folder, one in the cloud has not."""
    sys.path_importer_cache[folder] = finder
