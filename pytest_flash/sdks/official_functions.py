"""Which functions of an app an official SDK would run on Runpod."""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from ..errors import OfficialSdkError
from . import GUESTS, loaded
from .keep_off_cloud import is_off_cloud, stays_here

# What `remote` of runpod_flash and tetra_rp puts on functions and classes, for their own scanners;
# and what they put there as well if it runs here all the same.
_MARK = "__remote_config__"
_LOCAL = "__flash_local__"
_ROUTE = "__is_lb_route_handler__"
_DISTRIBUTIONS = {"runpod_flash": "runpod-flash", "tetra_rp": "tetra-rp", "runpod.apps": "runpod"}
_SHOWN = 5


@dataclass(frozen=True)
class OfficialFunction:
    """A function or class that runs on Runpod; ``file`` and ``line`` say where it is, if known."""

    name: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.name} ({self.file}:{self.line})" if self.file else self.name


def refuse_official_functions(instead: str | None, embedded: str = "") -> None:
    """Raise OfficialSdkError where an SDK that is imported here has functions, or is at large.

    ``instead`` is the option that lets it use Runpod, and was not given; None where it was, which
    is nothing to guests. ``embedded`` is how guests are run on the embedded Runpod, where the
    target is another. Not where the SDK's base URLs lead to this machine, by us or somebody else.
    """
    sdks = loaded()
    if not sdks or (stays_here(os.environ) and not is_off_cloud()):
        return
    if embedded and any(each in GUESTS for each in sdks):
        _refuse_guests(sdks, embedded)
    if instead is None:
        return
    found = official_functions()
    if found:
        raise OfficialSdkError(
            f"{_named(sdks)} would run functions of this app on Runpod, which costs money: "
            f"{_shown(found)}. They do not run on the embedded Runpod, and nothing of them was "
            "sent. Take `remote` and the resources from pytest_flash instead, or pass "
            f"{instead} to let the SDK use Runpod"
        )
    if not is_off_cloud():
        raise OfficialSdkError(
            f"{_named(sdks)} was imported before pytest-flash could keep it from Runpod. Import "
            f"it in the app, a conftest or a test module, not in a plugin; or pass {instead}"
        )


def _refuse_guests(sdks: tuple[str, ...], embedded: str) -> None:
    found = official_functions()
    if found:
        raise OfficialSdkError(
            f"{_named(sdks)} would run functions of this app on Runpod by itself: "
            f"{_shown(found)}. pytest-flash could neither limit nor delete what it creates there, "
            "so nothing of them was sent. To run the app on Runpod, use the SDK's own tool in an "
            "environment without pytest-flash; here it runs on the embedded Runpod, "
            f"{embedded}"
        )


def _shown(found: Sequence[OfficialFunction]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(map(str, found[:_SHOWN])) + more


def official_functions() -> tuple[OfficialFunction, ...]:
    """Everything that the SDKs which are imported here would run on Runpod, each once."""
    found = dict.fromkeys((*_of_apps(), *_marked()))
    return tuple(sorted(found, key=lambda each: (each.file, each.line, each.name)))


def _marked() -> Iterator[OfficialFunction]:
    """Of runpod_flash and tetra_rp, which keep no list.

    They may stand anywhere: in a module, in a class, in a function that makes the app.
    """
    if not {"runpod_flash", "tetra_rp"} & sys.modules.keys():
        return
    # Not by asking every function for its attributes: each would get a dictionary by that.
    holders = [each for each in gc.get_objects() if type(each) is dict and _MARK in each]
    for each in gc.get_referrers(*holders):
        # The type, since asking some objects for their class runs code.
        marked = issubclass(type(each), FunctionType | type) and _MARK in vars(each)
        if marked and not _runs_here(each):
            made_of = _made_of(each)
            yield _located(f"{made_of.__module__}.{made_of.__qualname__}", made_of)


def _runs_here(function: Any) -> bool:
    """Whether it was declared with ``local=True``: then it is no wrapper, of any version."""
    attributes = vars(function)
    if _LOCAL in attributes:
        return True
    wrapped = "__wrapped__" in attributes or _ROUTE in attributes
    return isinstance(function, FunctionType) and not wrapped


def _made_of(marked: Any) -> Any:
    """The user's own function or class: of a class the wrapper keeps it in a closure."""
    if isinstance(marked, type):
        init = vars(marked).get("__init__")
        if not isinstance(init, FunctionType):
            return marked
        held = inspect.getclosurevars(init).nonlocals.values()
        return next((each for each in held if isinstance(each, type)), marked)
    return inspect.unwrap(marked)


def _of_apps() -> Iterator[OfficialFunction]:
    """Of runpod 2.x, by its public list of apps."""
    apps: Any = sys.modules.get("runpod.apps.app")
    for app in apps.get_registered_apps() if apps is not None else ():
        for name, handle in app.resources.items():
            yield _located(f"{app.name}/{name}", getattr(handle, "__wrapped__", None))


def _located(name: str, made_of: Any) -> OfficialFunction:
    with contextlib.suppress(OSError, TypeError):
        file = inspect.getsourcefile(made_of)
        if file is not None:
            return OfficialFunction(name, file, inspect.getsourcelines(made_of)[1])
    return OfficialFunction(name)


def _named(sdks: tuple[str, ...]) -> str:
    return " and ".join(f"{each.partition('.')[0]}{_version(each)}" for each in sdks)


def _version(sdk: str) -> str:
    try:
        return f" {importlib.metadata.version(_DISTRIBUTIONS[sdk])}"
    except importlib.metadata.PackageNotFoundError:
        return ""
