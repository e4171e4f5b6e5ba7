"""The functions that ``@remote`` has seen in this process, and who calls them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ..import_times import import_times
from ..process.pytest_run import is_inside_pytest
from ..security.api_key import Secret
from ..settings import API_KEY, MANAGEMENT_URL, QUEUE_URL
from ..shadowed_modules import own_finder
from ..target import NOT_LIVE
from .declaration.specs import FunctionSpec

if TYPE_CHECKING:
    from .calling.handle import JobHandle

_CONNECTION = (API_KEY, MANAGEMENT_URL, QUEUE_URL, NOT_LIVE)


class Caller(Protocol):
    """Runs remote functions somewhere."""

    async def call(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run ``spec`` with these arguments and return its result, or raise RemoteError."""

    async def spawn(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> JobHandle[Any]:
        """Submit a job for ``spec`` and return as soon as it has a name."""

    def construct(
        self, spec: FunctionSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """What to pass first to the methods of a remote class made with these arguments."""


class Registry:
    """What ``@remote`` fills while modules are imported. Safe to use from any thread."""

    def __init__(self, connect: Callable[[], Caller]) -> None:
        self._functions: list[FunctionSpec] = []
        self._connect = connect
        self._connected: tuple[tuple[object, ...], Caller] | None = None
        self._bound: list[Caller] = []
        self._lock = threading.Lock()

    def add(self, spec: FunctionSpec) -> None:
        """Remember a decorated function."""
        self._functions.append(spec)

    def functions(self) -> tuple[FunctionSpec, ...]:
        """Every function decorated so far, in order of definition."""
        return tuple(self._functions)

    @contextmanager
    def bound(self, caller: Caller) -> Iterator[None]:
        """Send every call to ``caller`` while the context lasts; the innermost one wins."""
        self._bound.append(caller)
        try:
            yield
        finally:
            self._bound.remove(caller)

    def bound_caller(self) -> Caller | None:
        """Whoever is bound."""
        return self._bound[-1] if self._bound else None

    def connected_caller(self) -> Caller:
        """A connection made from the environment, once for each state of what it is made from."""
        variables = (Secret(os.environ.get(name, "")) for name in _CONNECTION)
        made_from = (is_inside_pytest(os.environ), *variables)
        with self._lock:
            if self._connected is None or self._connected[0] != made_from:
                self._connected = made_from, self._connect()
            return self._connected[1]


def _connect_from_environment() -> Caller:
    # Looked up at the call: a module above this one, needed only by plain scripts and servers.
    from ..session import connect_from_environment

    return connect_from_environment()


registry = Registry(_connect_from_environment)
"""The one global: decorators run at import time, when there is nobody to pass anything in."""
# From here on what is imported may be needed on workers, and we import more ourselves.
import_times()
own_finder()
