"""The functions that ``@remote`` has seen in this process, and who calls them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..settings import API_KEY, MANAGEMENT_URL, QUEUE_URL
from .routes import Route

if TYPE_CHECKING:
    from ..resources import ServerlessResource
    from .handle import JobHandle

_CONNECTION = (API_KEY, MANAGEMENT_URL, QUEUE_URL, "PYTEST_VERSION")

REMOTE_MARK = "__flash_remote__"
"""An attribute of the decorator, by which it is known under any name a module gives it."""


@dataclass(frozen=True, eq=False)
class FunctionSpec:
    """One decorated function: where it is defined, where it runs, what it needs there.

    ``route`` is set on load-balancing endpoints alone. Live calls do not use it: they go to the
    worker's ``/execute``.

    ``owner`` and ``method`` are set for a method of a remote class; ``function`` is then the
    method as the class defines it. A class itself is its own ``function``. ``declared_by`` is what
    takes ``dependencies``, for messages.
    """

    function: Callable[..., Any]
    resource: ServerlessResource
    dependencies: tuple[str, ...]
    system_dependencies: tuple[str, ...]
    accelerate_downloads: bool
    file: str
    line: int
    route: Route | None = None
    owner: type | None = None
    method: str | None = None
    declared_by: str = "@remote"

    @property
    def name(self) -> str:
        """The function's name as its module spells it; a method's begins with its class's."""
        if self.owner is not None:
            return f"{self.owner.__name__}.{self.method}"
        return self.function.__name__

    @property
    def location(self) -> str:
        """``file:line`` of the definition."""
        return f"{self.file}:{self.line}"


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
        self._connected: tuple[tuple[str | None, ...], Caller] | None = None
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
        made_from = tuple(os.environ.get(name) for name in _CONNECTION)
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
