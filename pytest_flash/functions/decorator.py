"""``@remote``: marks a function as one that runs on a Runpod endpoint."""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from ..errors import ConfigurationError
from ..resources import ServerlessResource
from .registry import REMOTE_MARK, FunctionSpec, registry
from .routes import route_of

P = ParamSpec("P")
R = TypeVar("R")

# "./lib", "/lib", "~/lib", "file:…", "name @ file:…", "C:\\lib", and a wheel's file name.
_LOCAL_PATH = re.compile(
    r"\s*(?:[./~\\]|[A-Za-z]:[/\\]|(?:[^@]*@\s*)?file:|[^/:]+\.(?:whl|tar\.gz|zip)$)"
)

_ARGUMENTS = (
    "resource_config",
    "dependencies",
    "system_dependencies",
    "accelerate_downloads",
    "local",
    "method",
    "path",
)


class RemoteFunction(Generic[P, R]):
    """An awaitable stand-in for a function that runs elsewhere.

    ``await fn(...)`` takes the function's own arguments and gives its result, or raises a
    RemoteError. Inside a Runpod worker (``RUNPOD_ENDPOINT_ID`` is set) and with ``local=True``
    the function runs in this process, still awaited.
    """

    __name__: str

    def __init__(self, spec: FunctionSpec, *, local: bool) -> None:
        self.spec = spec
        self.runs_here = local
        functools.update_wrapper(self, spec.function)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function and return its result."""
        # Keeps this frame out of what pytest prints for an error that came back.
        __tracebackhide__ = True
        # What is bound wins over the variable, which an app's .env may hold by mistake.
        caller = registry.bound_caller()
        if self.runs_here or (caller is None and "RUNPOD_ENDPOINT_ID" in os.environ):
            return await self._run_here(*args, **kwargs)
        caller = caller or registry.connected_caller()
        return cast(R, await caller.call(self.spec, args, kwargs))

    async def _run_here(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if inspect.iscoroutinefunction(self.spec.function):
            return cast(R, await self.spec.function(*args, **kwargs))
        from anyio import to_thread

        # A thread, since the function may block for as long as it likes.
        call = functools.partial(self.spec.function, *args, **kwargs)
        return cast(R, await to_thread.run_sync(call))

    def __reduce__(self) -> str:
        return self.spec.function.__qualname__

    def __repr__(self) -> str:
        return f"<remote {self.spec.name} on {self.spec.resource.name!r} ({self.spec.location})>"


class RemoteDecorator(Protocol):
    """What ``remote(...)`` returns: takes a sync or async function."""

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> RemoteFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> RemoteFunction[P, R]: ...


def _remote(
    resource_config: ServerlessResource,
    dependencies: Sequence[str] | None = None,
    system_dependencies: Sequence[str] | None = None,
    accelerate_downloads: bool = True,
    local: bool = False,
    method: str | None = None,
    path: str | None = None,
    **unknown: Any,
) -> RemoteDecorator:
    """Run the decorated function on the endpoint that ``resource_config`` describes.

    ``dependencies`` are pip requirements and ``system_dependencies`` Debian packages that the
    worker installs before it runs the function; ``accelerate_downloads`` is passed on to it.
    With ``local=True`` the function runs in this process instead. ``method`` and ``path`` belong
    to functions of load-balancing endpoints: the route that a deployed Flash app would give them.

    Raises ConfigurationError for unknown keywords and values that cannot work.
    """
    _refuse_unknown(unknown)
    if not isinstance(resource_config, ServerlessResource):
        raise ConfigurationError(
            f"@remote needs a resource, such as @remote(LiveServerless(name='gpu')); "
            f"got {resource_config!r}"
        )
    packages = _requirements("dependencies", dependencies)
    _refuse_local_paths(packages)
    system_packages = _requirements("system_dependencies", system_dependencies)
    route = route_of(resource_config, method, path)
    for name, value in (("accelerate_downloads", accelerate_downloads), ("local", local)):
        if not isinstance(value, bool):
            raise ConfigurationError(f"@remote: {name} must be True or False, not {value!r}")

    def decorate(function: Callable[..., Any], /) -> RemoteFunction[..., Any]:
        _refuse_what_cannot_run(function)
        code = inspect.unwrap(function).__code__
        spec = FunctionSpec(
            function=function,
            resource=resource_config,
            dependencies=packages,
            system_dependencies=system_packages,
            accelerate_downloads=accelerate_downloads,
            file=code.co_filename,
            line=code.co_firstlineno,
            route=route,
        )
        if not local:
            registry.add(spec)
        return RemoteFunction(spec, local=local)

    return cast(RemoteDecorator, decorate)


if TYPE_CHECKING:
    # Type checkers refuse unknown keywords by themselves.
    def remote(
        resource_config: ServerlessResource,
        dependencies: Sequence[str] | None = None,
        system_dependencies: Sequence[str] | None = None,
        accelerate_downloads: bool = True,
        local: bool = False,
        method: str | None = None,
        path: str | None = None,
    ) -> RemoteDecorator:
        """As ``_remote``."""
        ...
else:
    remote = _remote
    remote.__name__ = remote.__qualname__ = "remote"
    setattr(remote, REMOTE_MARK, True)


def _refuse_unknown(unknown: dict[str, Any]) -> None:
    for name in unknown:
        near = difflib.get_close_matches(name, _ARGUMENTS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(_ARGUMENTS)}"
        raise ConfigurationError(f"@remote has no argument {name!r}; {hint}")


def _requirements(name: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        raise ConfigurationError(f"@remote: {name} must be a list: {name}=[{value!r}]")
    items = tuple(value) if isinstance(value, Sequence) else (None,)
    for item in items:
        if not isinstance(item, str) or not item.strip():
            raise ConfigurationError(
                f"@remote: {name} must be a list of non-empty strings, not {value!r}"
            )
    return items


def _refuse_local_paths(requirements: tuple[str, ...]) -> None:
    for each in requirements:
        if _LOCAL_PATH.match(each):
            raise ConfigurationError(
                f"@remote: dependencies: {each!r} is a path on this machine, which no worker has; "
                "name a package of an index, or a https:// or git+https:// address"
            )


def _refuse_what_cannot_run(function: Any) -> None:
    if inspect.isclass(function):
        raise ConfigurationError(
            f"@remote on class {function.__name__}: only functions can be remote; decorate a "
            "function that uses the class"
        )
    if isinstance(function, RemoteFunction):
        raise ConfigurationError(f"{function!r} is decorated with @remote twice")
    bare = inspect.unwrap(function) if callable(function) else function
    if not inspect.isfunction(bare):
        raise ConfigurationError(f"@remote takes a function defined with def, not {function!r}")
    where = f"{bare.__code__.co_filename}:{bare.__code__.co_firstlineno}"
    if bare.__name__ == "<lambda>":
        raise ConfigurationError(
            f"{where}: @remote on a lambda, which has no name to be found by; define it with def"
        )
    if inspect.isgeneratorfunction(bare) or inspect.isasyncgenfunction(bare):
        raise ConfigurationError(
            f"{where}: {bare.__name__} is a generator, whose values cannot be sent back one "
            "by one; return a list"
        )
