"""``@remote``: marks a function as one that runs on a Runpod endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import functools
import inspect
import re
import sys
import types
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from ..errors import ConfigurationError
from ..resources import ServerlessResource
from ..resources.definition_warnings import warn
from .calling.handle import JobHandle
from .classes import RemoteClass, methods
from .declaration.routes import route_of
from .declaration.specs import REMOTE_CONFIG, REMOTE_MARK, FunctionSpec
from .dispatch import caller_elsewhere, in_order, run_blocking, run_here
from .registry import Caller, registry

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
U = TypeVar("U")
C = TypeVar("C", bound=Callable[..., Any])
F = TypeVar("F", bound="RemoteFunction[..., Any]")

# "./lib", "/lib", "~/lib", "file:…", "name @ file:…", "C:\\lib", and a wheel's file name.
_LOCAL_PATH = re.compile(
    r"\s*(?:[./~\\]|[A-Za-z]:[/\\]|(?:[^@]*@\s*)?file:|[^/:]+\.(?:whl|tar\.gz|zip)$)"
)

# How near an unknown keyword is to one that there is where it is taken for a slip of the pen.
_A_SLIP = 0.75


class RemoteFunction(Generic[P, R]):
    """A function that runs on a Runpod endpoint: what ``@remote`` makes of one.

    ``await fn(...)`` takes the function's own arguments and gives its result, or raises what it
    raised. Inside a Runpod worker (``RUNPOD_ENDPOINT_ID`` is set) and with ``local=True`` the
    function runs in this process, still awaited.
    """

    __name__: str
    __flash_stand_in__ = True

    def __init__(self, spec: FunctionSpec, *, local: bool) -> None:
        self.spec = spec
        self.runs_here = local
        functools.update_wrapper(self, spec.function)
        _mark_awaited(self)

    @property
    def __flash_behind__(self) -> Callable[..., Any]:
        return self.spec.function

    def __getattr__(self, name: str) -> Any:
        # No attribute: by that, other SDKs' functions are known.
        if name == REMOTE_CONFIG:
            return self.spec.remote_config
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function and return its result."""
        # Keeps this frame out of what pytest prints for an error that came back.
        __tracebackhide__ = True
        caller = self._caller()
        if caller is None:
            return await self._run_here(*args, **kwargs)
        return cast(R, await caller.call(self.spec, args, kwargs))

    async def spawn(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Submit a job and return its handle as soon as Runpod has named it.

        Arguments and source together may be 10 MB. Raises as a call does before the job runs.
        """
        __tracebackhide__ = True
        caller = self._caller()
        if caller is None:
            raise ConfigurationError(
                f"{self.__name__} ({self.spec.location}) runs in this process, where there are "
                f"no jobs to spawn; await {self.__name__}(...)"
            )
        return await caller.spawn(self.spec, args, kwargs)

    @overload
    def map(
        self: Callable[[T], Coroutine[Any, Any, R]],
        items: Iterable[T],
        /,
        *,
        concurrency: int = 16,
    ) -> AsyncGenerator[R, None]: ...
    @overload
    def map(
        self: Callable[[T, U], Coroutine[Any, Any, R]],
        items: Iterable[T],
        second: Iterable[U],
        /,
        *,
        concurrency: int = 16,
    ) -> AsyncGenerator[R, None]: ...
    @overload
    def map(
        self,
        items: Iterable[Any],
        second: Iterable[Any],
        third: Iterable[Any],
        /,
        *more: Iterable[Any],
        concurrency: int = 16,
    ) -> AsyncGenerator[R, None]: ...
    async def map(
        self, *iterables: Iterable[Any], concurrency: int = 16
    ) -> AsyncGenerator[R, None]:
        """Call the function with each item, or with those of several iterables side by side.

        ::

            async for each in double.map([1, 2, 3]):
                print(each)

        Results come in the order of the items, each as soon as it and those before it are there;
        at most ``concurrency`` jobs are in flight. The first error ends it. Whoever stops early,
        or is cancelled, cancels the jobs that are still in flight: close the generator
        (``contextlib.aclosing``) where you leave its loop before its end.
        """
        results = in_order(self._one, zip(*iterables, strict=False), concurrency)
        async with contextlib.aclosing(results):
            async for result in results:
                yield result

    def local(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself in this process: a coroutine if it is defined with async."""
        return cast(R, self.spec.function(*args, **kwargs))

    def blocking(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function and return its result, for code that cannot await.

        Blocks this thread, and its event loop if it has one.
        """
        __tracebackhide__ = True
        return run_blocking(functools.partial(self, *args, **kwargs))

    async def _one(self, args: tuple[Any, ...]) -> R:
        __tracebackhide__ = True
        caller = self._caller()
        if caller is None:
            return await self._run_here(*args)  # type: ignore[call-arg]
        if self.spec.resource.routing == "LOAD_BALANCER":  # it keeps no jobs
            return cast(R, await caller.call(self.spec, args, {}))
        return cast(R, await (await caller.spawn(self.spec, args, {})).result())

    def _caller(self) -> Caller | None:
        """Whoever runs the function elsewhere; None where it runs in this process."""
        return None if self.runs_here else caller_elsewhere()

    async def _run_here(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, await run_here(functools.partial(self.spec.function, *args, **kwargs)))

    def __reduce__(self) -> str:
        return self.spec.function.__qualname__

    def __repr__(self) -> str:
        return f"<remote {self.spec.name} on {self.spec.resource.name!r} ({self.spec.location})>"


class AsyncRemoteFunction(RemoteFunction[P, R]):
    """As RemoteFunction, for a function that is defined with async."""

    def local(  # type: ignore[override]
        self, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Call the function itself in this process."""
        return cast("Coroutine[Any, Any, R]", self.spec.function(*args, **kwargs))


class RemoteDecorator(Protocol):
    """What ``remote(...)`` returns: takes a class, or a sync or async function."""

    @overload
    def __call__(self, function: type[T], /) -> type[T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncRemoteFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> RemoteFunction[P, R]: ...


def _ignoring_unknown(function: C) -> C:
    """Let ``function`` take any other keyword, as the official SDK's does, with a FlashWarning.

    For type checkers and editors it has its own signature, by which they refuse such keywords.
    """
    code = function.__code__
    known = code.co_varnames[: code.co_argcount]

    @functools.wraps(function)
    def taking_all(*args: Any, **keywords: Any) -> Any:
        __tracebackhide__ = True
        _look_at_unknown([each for each in keywords if each not in known], known)
        return function(*args, **{each: keywords[each] for each in known if each in keywords})

    return cast(C, taking_all)


@_ignoring_unknown
def remote(
    resource_config: ServerlessResource,
    dependencies: Sequence[str] | None = None,
    system_dependencies: Sequence[str] | None = None,
    accelerate_downloads: bool = True,
    local: bool = False,
    method: str | None = None,
    path: str | None = None,
) -> RemoteDecorator:
    """Run the decorated function, or the methods of a class, on ``resource_config``'s endpoint.

    ::

        @remote(LiveServerless(name="gpu"), dependencies=["numpy"])
        def norm(values: list[float]) -> float: ...


        length = await norm([3, 4])

    ``dependencies`` are pip requirements and ``system_dependencies`` Debian packages that the
    worker installs before it runs the function; ``accelerate_downloads`` is passed on to it.
    With ``local=True`` the function runs in this process instead. ``method`` and ``path`` belong
    to functions of load-balancing endpoints: the route that a deployed Flash app would give them.

    Other keywords are ignored with a FlashWarning, as the official SDK ignores them, but for slips
    of the pen. Raises ConfigurationError for these and for values that cannot work.
    """
    if not isinstance(resource_config, ServerlessResource):
        raise ConfigurationError(
            f"@remote needs a resource, such as @remote(LiveServerless(name='gpu')); "
            f"got {resource_config!r}"
        )
    packages = requirements_of("dependencies", dependencies)
    _refuse_local_paths(packages)
    system_packages = requirements_of("system_dependencies", system_dependencies)
    route = route_of(resource_config, method, path)
    for name, value in (("accelerate_downloads", accelerate_downloads), ("local", local)):
        if not isinstance(value, bool):
            raise ConfigurationError(f"@remote: {name} must be True or False, not {value!r}")

    def decorate(function: Callable[..., Any], /) -> Any:
        _refuse_what_cannot_run(function)
        file, line = place_of(function)
        spec = FunctionSpec(
            function=function,
            resource=resource_config,
            dependencies=packages,
            system_dependencies=system_packages,
            accelerate_downloads=accelerate_downloads,
            file=file,
            line=line,
            route=route,
        )
        if not local:
            registry.add(spec)
        if inspect.isclass(function):
            return RemoteClass(spec, local=local)
        is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
        kind = AsyncRemoteFunction if is_async else RemoteFunction
        return _named_after(function, kind)(spec, local=local)

    return cast(RemoteDecorator, decorate)


setattr(remote, REMOTE_MARK, True)


def _named_after(function: Callable[..., Any], kind: type[F]) -> type[F]:
    """``kind`` whose coroutines have the function's name, for Python's warning that nobody awaited
    one: they are called like the method that makes them, which belongs to the class."""
    named: dict[str, Any] = {}
    for method, suffix in (("__call__", ""), ("spawn", ".spawn")):
        known = getattr(kind, method)
        named[method] = types.FunctionType(known.__code__, known.__globals__, known.__name__)
        named[method].__qualname__ = f"{function.__qualname__}{suffix}"
        named[method].__doc__ = known.__doc__
    return type(kind.__name__, (kind,), {**named, "__module__": kind.__module__})


def _mark_awaited(function: Any) -> None:
    """Let ``iscoroutinefunction`` say that calls of ``function`` are awaited."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(function)
    else:
        # What asyncio's goes by; that of inspect looks at code alone.
        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]


def _look_at_unknown(unknown: Sequence[str], known: Sequence[str]) -> None:
    for name in unknown:
        if near := difflib.get_close_matches(name, known, n=1, cutoff=_A_SLIP):
            raise ConfigurationError(f"@remote has no argument {name!r}; did you mean {near[0]!r}?")
    if unknown:
        warn(f"@remote ignores {', '.join(unknown)}: it takes {', '.join(known)}")


def requirements_of(name: str, value: Any) -> tuple[str, ...]:
    """``value`` as a tuple of strings. Raises ConfigurationError for anything that is no list."""
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
    if isinstance(function, RemoteFunction | RemoteClass):
        raise ConfigurationError(f"{function!r} is decorated with @remote twice")
    if inspect.isclass(function):
        if function.__module__ == "builtins":
            raise ConfigurationError(f"@remote takes a class of your own, not {function!r}")
        return
    bare = inspect.unwrap(function) if callable(function) else function
    if not inspect.isfunction(bare):
        raise ConfigurationError(
            f"@remote takes a function or a class of your own, not {function!r}"
        )
    if inspect.isgeneratorfunction(bare) or inspect.isasyncgenfunction(bare):
        where = f"{bare.__code__.co_filename}:{bare.__code__.co_firstlineno}"
        raise ConfigurationError(
            f"{where}: {bare.__name__} is a generator, whose values cannot be sent back one "
            "by one; return a list"
        )


def place_of(function: Any) -> tuple[str, int]:
    """File and line of a function, or of the class that is being defined."""
    if inspect.isclass(function):
        file = getattr(sys.modules.get(function.__module__), "__file__", None) or "<unknown>"
        codes = (getattr(inspect.unwrap(each), "__code__", None) for each in methods(function))
        lines = [code.co_firstlineno for code in codes if code is not None]
        return file, getattr(function, "__firstlineno__", None) or min(lines, default=1)
    code = inspect.unwrap(function).__code__
    return code.co_filename, code.co_firstlineno
