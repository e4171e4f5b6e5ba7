"""Remote classes: instances live on workers, and their methods are awaited."""

from __future__ import annotations

import difflib
import functools
import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NoReturn, Union

from ..errors import ConfigurationError
from .declaration.signatures import Takes, taking
from .declaration.specs import BOUND_METHOD, INSTANCE, REMOTE_CONFIG, FunctionSpec
from .dispatch import caller_elsewhere, run_here


class RemoteClass:
    """Stands in for a class whose instances live on workers.

    Calling it makes a ``RemoteInstance`` and sends nothing. Inside a Runpod worker and with
    ``local=True`` the instance is made in this process, and its methods are still awaited.

    It can be used where a class can: in annotations, with ``isinstance`` and ``issubclass``, and as
    a base. A class that is derived from it is an ordinary class, of this process, unless it is
    decorated itself.
    """

    __flash_stand_in__ = True

    def __init__(self, spec: FunctionSpec, *, local: bool) -> None:
        self.spec = spec
        self.runs_here = local
        self._methods: dict[str, FunctionSpec] = {}
        self._takes: Takes | None = None
        functools.update_wrapper(self, spec.function, updated=())

    @property
    def __flash_behind__(self) -> Any:
        return self.spec.function

    def __call__(self, *args: Any, **kwargs: Any) -> RemoteInstance:
        """An instance; its constructor runs on a worker when a method is called.

        Raises TypeError for arguments that the constructor does not take.
        """
        if self._takes is None:
            self._takes = taking(self.spec.function, self.spec.name)
        self._takes(*args, **kwargs)
        return RemoteInstance(self, args, kwargs)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self.spec.function,)

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007 - made at run time

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007

    def __instancecheck__(self, instance: Any) -> bool:
        kind: Any = type(instance)
        if issubclass(kind, RemoteInstance):
            kind = instance._flash.kind.spec.function
        return issubclass(kind, self.__flash_behind__)

    def __subclasscheck__(self, subclass: Any) -> bool:
        if isinstance(subclass, RemoteClass):
            subclass = subclass.spec.function
        return issubclass(subclass, self.__flash_behind__)

    def __getattr__(self, name: str) -> Any:
        if name == REMOTE_CONFIG:
            return self.spec.remote_config
        # What the class itself has: constants, static methods, and methods to look at.
        kind = self.__dict__["spec"].function
        found = getattr(kind, name)
        if not (inspect.isfunction(found) or inspect.ismethod(found)):
            return found
        if self.runs_here or isinstance(inspect.getattr_static(kind, name), staticmethod):
            return found
        return self._without_instance(name, found)

    def _without_instance(self, name: str, found: Any) -> Any:
        """The method ``found``, which would run in this process if it were called so."""

        @functools.wraps(found)
        def refused(*_: Any, **__: Any) -> NoReturn:
            raise TypeError(
                f"{self.spec.name}.{name} is a method of the remote class {self.spec.name} "
                f"({self.spec.location}), whose methods are called on instances: await "
                f"{self.spec.name}(...).{name}(...)"
            )

        vars(refused)["__flash_behind__"] = found
        return refused

    def method(self, name: str) -> FunctionSpec:
        """The method ``name`` as a function to call."""
        if name not in self._methods:
            kind: Any = self.spec.function
            function = inspect.getattr_static(kind, name)
            function = getattr(function, "__func__", function)
            code = getattr(inspect.unwrap(function), "__code__", None)
            line = code.co_firstlineno if code is not None else self.spec.line
            self._methods[name] = replace(
                self.spec, function=function, owner=kind, method=name, line=line
            )
        return self._methods[name]

    def __reduce__(self) -> str:
        return str(self.spec.function.__qualname__)

    def __repr__(self) -> str:
        return f"<remote {self.spec.name} on {self.spec.resource.name!r} ({self.spec.location})>"


class RemoteInstance:
    """An instance of a remote class: ``await instance.method(...)``.

    Its constructor runs once on each worker process, when a method is first called there; later
    calls with the same constructor arguments, from anywhere, find the same instance.

    Passed to a remote function, it is made on that function's worker, once for each process.
    """

    __flash_stand_in__ = INSTANCE

    def __init__(self, kind: RemoteClass, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._flash = _Instance(kind, args, kwargs)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the instance there."""
        __tracebackhide__ = True
        return await self._flash.call("__call__", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        instance: _Instance = self.__dict__["_flash"]
        if name == "__signature__":  # That of calls of the instance.
            return inspect.signature(self.__getattr__("__call__"))
        function = inspect.getattr_static(instance.kind.spec.function, name, None)
        if name.startswith("__") and function is None:
            raise AttributeError(name)
        if not _is_method(function):
            _refuse(instance, name, function)
        _refuse_generator(instance, name, function)

        async def method(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            return await instance.call(name, args, kwargs)

        wrapped = getattr(function, "__func__", function)
        functools.update_wrapper(method, wrapped)
        if not isinstance(function, staticmethod):
            # What frameworks look at for its parameters: `self` is none of them.
            vars(method)["__wrapped__"] = types.MethodType(wrapped, self)
        vars(method)[BOUND_METHOD] = self, name
        return method

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "_flash":
            _refuse(self._flash, name, None)
        super().__setattr__(name, value)

    @property
    def __flash_behind__(self) -> tuple[RemoteClass, tuple[Any, ...], dict[str, Any]]:
        """What it is made of: class and arguments."""
        return self._flash.kind, *self._flash.arguments

    def __repr__(self) -> str:
        return f"<instance of {self._flash.kind!r}>"


class _Instance:
    def __init__(self, kind: RemoteClass, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.kind = kind
        self._args = args
        self._kwargs = kwargs
        self._made: Any = None
        self._constructor: tuple[object, Any] | None = None

    @property
    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Those of the constructor."""
        return self._args, self._kwargs

    async def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the method ``name`` on a worker, or on an instance in this process."""
        __tracebackhide__ = True
        caller = None if self.kind.runs_here else caller_elsewhere()
        if caller is None:
            if self._made is None:
                self._made = self.kind.spec.function(*self._args, **self._kwargs)
            return await run_here(functools.partial(getattr(self._made, name), *args, **kwargs))
        spec = self.kind.method(name)
        if self._constructor is None or self._constructor[0] is not caller:
            # Pickled once: the same arguments are the same instance.
            made = caller.construct(self.kind.spec, self._args, self._kwargs)
            self._constructor = caller, made
        return await caller.call(spec, (self._constructor[1], *args), kwargs)


def methods(kind: type) -> Iterator[Callable[..., Any]]:
    """The functions that the body of ``kind`` defines."""
    for value in vars(kind).values():
        function = getattr(value, "__func__", value)
        if inspect.isfunction(inspect.unwrap(function) if callable(function) else function):
            yield function


def _is_method(function: Any) -> bool:
    return isinstance(function, staticmethod | classmethod) or (
        callable(function) and not inspect.isclass(function)
    )


def _refuse_generator(instance: _Instance, name: str, found: Any) -> None:
    bare = inspect.unwrap(getattr(found, "__func__", found))
    if inspect.isgeneratorfunction(bare) or inspect.isasyncgenfunction(bare):
        spec = instance.kind.spec
        raise ConfigurationError(
            f"{spec.name}.{name} ({spec.location}) is a generator, whose values cannot be sent "
            "back one by one; return a list"
        )


def _refuse(instance: _Instance, name: str, found: Any) -> NoReturn:
    spec = instance.kind.spec
    kind: Any = spec.function
    near = difflib.get_close_matches(name, [each.__name__ for each in methods(kind)], n=1)
    hint = f"; did you mean {near[0]!r}?" if found is None and near else ""
    what = "a property" if isinstance(found, property) else "an attribute"
    raise AttributeError(
        f"{spec.name}.{name}: instances of the remote class {spec.name} ({spec.location}) live on "
        f"workers, and {what} cannot be reached from here; write an async method of {spec.name} "
        f"for it and await that{hint}",
        name=name,
    )
