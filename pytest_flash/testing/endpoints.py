"""The endpoints of a test run, and functions replaced for one test."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from ..errors import ConfigurationError, SettingsError
from ..functions.classes import RemoteClass
from ..functions.declaration.specs import FunctionSpec
from ..functions.decorator import RemoteFunction, place_of, requirements_of

if TYPE_CHECKING:
    from ..runpod import Endpoint
    from .session_calls import SessionCalls

P = ParamSpec("P")
R = TypeVar("R")


class Stub:
    """A replacement that is in place: until ``undo``, the end of a ``with`` block, or the test.

    One that a fixture of a wider scope has made lasts as long as that fixture.
    """

    def __init__(self, undo: Callable[[], None]) -> None:
        self.undo = undo
        """Run what ran before it again: the function itself, or another replacement."""

    def __enter__(self) -> Stub:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()


class Endpoints(Mapping[str, "Endpoint"]):
    """The provisioned endpoints by resource name."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        calls: SessionCalls,
        *,
        live: bool,
        at_end: Callable[[Callable[[], None]], None],
    ) -> None:
        self._endpoints = endpoints
        self._at_end = at_end
        self._calls = calls
        self._live = live

    @overload
    def stub(
        self,
        function: RemoteFunction[P, R],
        replacement: Callable[P, R | Awaitable[R]],
        *,
        dependencies: Sequence[str] = (),
    ) -> Stub: ...
    @overload
    def stub(
        self, function: type[Any], replacement: type[Any], *, dependencies: Sequence[str] = ()
    ) -> Stub: ...
    def stub(self, function: Any, replacement: Any, *, dependencies: Sequence[str] = ()) -> Stub:
        """Run ``replacement`` in place of ``function`` until the test ends, or the fixture.

        For what cannot run on this machine. The call takes the usual way, through the endpoint's
        queue to a worker, to which the replacement's source travels as a function's does, with
        ``dependencies`` of its own. A remote class is replaced by a class. Calls that a remote
        function makes of another one stay in its worker and are not replaced.

        Raises SettingsError on Runpod, where the function itself can run, ConfigurationError for
        anything but a remote function and a plain one, or a remote class and a plain one.
        """
        __tracebackhide__ = True
        if not isinstance(function, RemoteFunction | RemoteClass):
            raise ConfigurationError(
                f"only @remote functions and classes can be stubbed, not {function!r}"
            )
        spec = function.spec
        if self._live:
            raise SettingsError(
                f"{spec.name} ({spec.location}) cannot be stubbed on Runpod: mark the test with "
                "@pytest.mark.flash_emulator, or leave out --flash-live"
            )
        stand_in = _stand_in(spec, replacement, dependencies)
        self._calls.stub(spec, stand_in)
        stub = Stub(lambda: self._calls.unstub(spec, stand_in))
        self._at_end(stub.undo)
        return stub

    @property
    def longest(self) -> float:
        """How many seconds a function may run, on the endpoint that allows the most."""
        return max((endpoint.timeout for endpoint in self._endpoints.values()), default=0) / 1000

    def __getitem__(self, name: str) -> Endpoint:
        return self._endpoints[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._endpoints)

    def __len__(self) -> int:
        return len(self._endpoints)

    def __repr__(self) -> str:
        names = ", ".join(f"{name}: {each.name}" for name, each in self._endpoints.items())
        return f"<endpoints {names or 'none'}>"


def _stand_in(spec: FunctionSpec, replacement: Any, dependencies: Sequence[str]) -> FunctionSpec:
    __tracebackhide__ = True
    if inspect.isclass(spec.function):
        if not inspect.isclass(replacement):
            raise ConfigurationError(
                f"the replacement of the class {spec.name} must be a class; got {replacement!r}"
            )
    elif not inspect.isfunction(replacement) or replacement.__name__ == "<lambda>":
        raise ConfigurationError(
            f"the replacement of {spec.name} must be a function written with def, since its "
            f"source travels to the worker; got {replacement!r}"
        )
    file, line = place_of(replacement)
    return replace(
        spec,
        function=replacement,
        dependencies=requirements_of("dependencies", dependencies),
        system_dependencies=(),
        file=file,
        line=line,
        declared_by="flash_endpoints.stub",
    )
