"""Importing an app's module and finding the app in it."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from fastapi import FastAPI
from starlette.routing import Mount

from ...errors import AmbiguousAppError, AppImportError, AppNotFoundError
from ...functions.onworker.parsing import parse
from ...sdks.official_functions import refuse_official_functions
from ...user_files import is_project_file
from .import_path import make_importable
from .locate import AppLocation

_FACTORY_NAMES = ("create_app", "make_app", "build_app", "get_app", "app_factory")


@dataclass(frozen=True)
class LoadedApp:
    """An ASGI app and how it was found; ``name`` is ``module:attribute``."""

    app: Any
    name: str
    location: AppLocation


def load(location: AppLocation, *, instead: str | None = None, embedded: str = "") -> LoadedApp:
    """Import the module at ``location`` and find its app.

    The app is a FastAPI instance or, where there is none, a factory: a function without required
    parameters that is annotated to return one, or called ``create_app`` or the like. A named
    attribute may be any ASGI app or factory.

    Where the command line does not say that the target is live, ``instead`` is the option that
    does, and where the target is live, ``embedded`` is how the embedded one is had: an app whose
    functions are an official SDK's is refused with them.

    Raises AppImportError, AppNotFoundError, AmbiguousAppError or OfficialSdkError.
    """
    try:
        loaded = _loaded(location)
    except AppImportError:
        refuse_official_functions(instead, embedded)  # It may have failed because it called one.
        raise
    refuse_official_functions(instead, embedded)
    return loaded


def _loaded(location: AppLocation) -> LoadedApp:
    module = _import(location)
    if location.attribute is not None:
        return _named(module, location, location.attribute)
    attribute, value = _search(module, location)
    app = value if isinstance(value, FastAPI) else _call(value, location)
    return LoadedApp(app, f"{location.module}:{attribute}", location)


def _import(location: AppLocation) -> ModuleType:
    make_importable(location)
    loaded = sys.modules.get(location.module)
    if loaded is not None and not _is_from(loaded, location.file):
        raise AppImportError(
            f"{location.file} cannot be imported as {location.module!r}: a module of that name "
            f"is already imported from {getattr(loaded, '__file__', 'elsewhere')}; rename one"
        )
    try:
        return importlib.import_module(location.module)
    except ModuleNotFoundError as error:
        if error.name and location.module.startswith(error.name) and location.file is None:
            raise AppNotFoundError(
                f"no module {location.module!r} below {location.root}; name a directory, a file "
                "or module:attribute"
            ) from None
        raise _broken(location, error) from error
    except (Exception, SystemExit) as error:  # The app's own code: it may raise anything.
        raise _broken(location, error) from error


def _is_from(module: ModuleType, file: Path | None) -> bool:
    actual = getattr(module, "__file__", None)
    # Either may be a link: some build systems make folders of links to files elsewhere.
    return file is None or actual is None or Path(actual).resolve() == file.resolve()


def _named(module: ModuleType, location: AppLocation, attribute: str) -> LoadedApp:
    value: Any = module
    for part in attribute.removesuffix("()").split("."):
        if not hasattr(value, part):
            known = ", ".join(_instances(module)) or "no FastAPI app"
            raise AppNotFoundError(
                f"{location.file or location.module} has no attribute {attribute!r}; it has {known}"
            )
        value = getattr(value, part)
    if not callable(value):
        raise AppNotFoundError(
            f"{location.module}:{attribute} is {value!r}, not an app or a function that makes one"
        )
    if inspect.isfunction(value) and not _required(value):
        value = _call(value, location)
    return LoadedApp(value, f"{location.module}:{attribute}", location)


def _search(module: ModuleType, location: AppLocation) -> tuple[str, Any]:
    found: dict[str, Any] = _instances(module) or _factories(module)
    if len(found) == 1:
        return next(iter(found.items()))
    where = location.file or location.module
    if not found:
        raise AppNotFoundError(
            f"{where} has no FastAPI app: nothing in it is a FastAPI instance, or a function "
            f"that makes one. Assign 'app = FastAPI()', or name it: {where}:attribute"
        )
    places = "\n".join(f"  {where}:{_line(location, name)}: {name}" for name in found)
    raise AmbiguousAppError(
        f"{where} has {len(found)} FastAPI apps:\n{places}\n"
        f"Choose one, such as {where}:{next(iter(found))}"
    )


def _instances(module: ModuleType) -> dict[str, FastAPI]:
    """The FastAPI instances by name, each once, without those mounted in another."""
    by_id: dict[int, tuple[str, FastAPI]] = {}
    for name, value in vars(module).items():
        if isinstance(value, FastAPI):
            by_id.setdefault(id(value), (name, value))
    mounted = {
        id(route.app)
        for _, app in by_id.values()
        for route in app.routes
        if isinstance(route, Mount)
    }
    return {name: app for key, (name, app) in by_id.items() if key not in mounted}


def _factories(module: ModuleType) -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not _required(value)
        and _makes_app(value)
    }


def _makes_app(function: Callable[..., Any]) -> bool:
    returns = _returns(function)
    if returns is inspect.Signature.empty:
        return function.__name__ in _FACTORY_NAMES
    if isinstance(returns, str):  # It names what only type checkers import.
        return returns.strip("'\" ").rpartition(".")[2] == "FastAPI"
    return isinstance(returns, type) and issubclass(returns, FastAPI)


def _returns(function: Callable[..., Any]) -> Any:
    try:
        return get_type_hints(function).get("return", inspect.Signature.empty)
    except Exception:  # noqa: BLE001 - the app's own annotations: evaluating them may raise anything.
        return inspect.signature(function).return_annotation


def _required(function: Callable[..., Any]) -> bool:
    return any(
        parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in inspect.signature(function).parameters.values()
    )


def _call(factory: Callable[[], Any], location: AppLocation) -> Any:
    if inspect.iscoroutinefunction(factory):
        name = factory.__name__
        raise AppNotFoundError(
            f"{location.file or location.module}:{_line(location, name)}: {name} is asynchronous; "
            f"a function that makes an app must be a plain one: write 'def {name}', and move what "
            "it awaits into the app's lifespan"
        )
    try:
        return factory()
    except (Exception, SystemExit) as error:  # The app's own code: it may raise anything.
        raise _broken(location, error) from error


def _line(location: AppLocation, name: str) -> int:
    if location.file is None:
        return 1
    tree = parse(location.file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
            return node.lineno
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node.lineno
        if isinstance(node, ast.alias) and name in (node.name, node.asname):
            return node.lineno
    return 1


def _broken(location: AppLocation, error: BaseException) -> AppImportError:
    """The error with the app's own frames: file, line and source of each."""
    own = str(Path(__file__).parent.parent.parent) + os.sep
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((own, "<frozen importlib"))
        and not frame.filename.endswith("importlib/__init__.py")
    ]
    last = traceback.format_exception_only(type(error), error)
    lines = "".join([*traceback.format_list(frames), *last]).rstrip()
    place = _place(error, frames, location.root) or str(location.file or location.module)
    what = "calls sys.exit" if isinstance(error, SystemExit) else "cannot be imported"
    remedy = _dotted_form(error, location) or "Fix that line"
    return AppImportError(f"{place}: the app {what}: {last[-1].strip()}\n\n{lines}\n\n{remedy}")


def _dotted_form(error: BaseException, location: AppLocation) -> str | None:
    """What to run where the app imports from a folder by a name that only the folder above has."""
    if not isinstance(error, ModuleNotFoundError) or location.file is None:
        return None
    top = (error.name or "").partition(".")[0]
    folder = next((each for each in location.file.parents if each.name == top), None)
    if folder is None or folder.parent == location.root:
        return None
    module = ".".join(location.file.relative_to(folder.parent).with_suffix("").parts)
    return (
        f"{top!r} is the folder {folder}: name the app as {module}:{location.attribute or 'app'}, "
        f"in {folder.parent} or with --app-dir"
    )


def _place(error: BaseException, frames: list[traceback.FrameSummary], root: Path) -> str | None:
    """The line to look at: the last one of the project, since libraries raise what it caused."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    own = [frame for frame in frames if is_project_file(Path(frame.filename), root)]
    last = (own or frames)[-1:]
    return f"{last[0].filename}:{last[0].lineno}" if last else None
