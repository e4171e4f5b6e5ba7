"""Exceptions of a worker, raised again at the caller as if they had happened here."""

from __future__ import annotations

import base64
import builtins
import functools
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...errors import JobFailedError, RemoteError
from .. import onworker
from ..protocol.unpickling import unpack
from ..shipping.project_modules import MAIN, main_name
from ..shipping.synthetic_frames import RemoteFrame, traceback_of

Described = Mapping[str, Any]

# Python refuses to let these leave a coroutine.
_NOT_RAISABLE = (StopIteration, StopAsyncIteration)
_GROUP: type[BaseException] | None = getattr(builtins, "BaseExceptionGroup", None)


@dataclass(frozen=True)
class Rebuilt:
    """``error`` with its chain and a traceback that ends in the user's own lines."""

    error: Exception
    traceback: str


def rebuild(described: Described, explain: Callable[[str, str], str]) -> Rebuilt:
    """The exception that ``described`` tells of (see ``functions.onworker.error_description``).

    It is of the same built-in type, or the nearest, and a RemoteError too; a class that is known
    here, such as one of the project, is raised as itself. ``explain`` turns the name of its type
    and its message into what the message should be.
    """
    chain = _Chain(described["errors"])
    first = chain.errors[0]
    error = _as_remote(first, chain, explain)
    chain.link(error, 0)
    return Rebuilt(error, described["traceback"])


class _Chain:
    def __init__(self, errors: list[dict[str, Any]]) -> None:
        self.errors = errors
        self._built: dict[int, BaseException] = {}
        self._waiting: list[int] = []

    def link(self, error: BaseException, number: int) -> None:
        """Give ``error`` and all that it is chained to their notes, tracebacks and each other."""
        self._built[number] = error
        self._waiting.append(number)
        while self._waiting:
            self._link(self._waiting.pop())

    def _link(self, number: int) -> None:
        told, this = self._built[number], self.errors[number]
        put(told, "__cause__", self.get(this["cause"]))
        put(told, "__context__", self.get(this["context"]))
        put(told, "__suppress_context__", this["suppress"])
        told.with_traceback(traceback_of([RemoteFrame(*each) for each in this["frames"]]))
        for note in this["notes"]:
            add_note(told, note)

    def get(self, number: int | None) -> Any:
        if number is None:
            return None
        if number not in self._built:
            self._built[number] = _as_itself(self.errors[number], self)
            self._waiting.append(number)
        return self._built[number]

    def parts(self, this: Described) -> list[BaseException]:
        return [self.get(number) for number in this["parts"]]


def put(error: BaseException, name: str, value: Any) -> None:
    """Set an attribute of ``error``, also where its class, a frozen dataclass, lets nobody."""
    BaseException.__setattr__(error, name, value)


def add_note(error: BaseException, note: str) -> None:
    """``error.add_note``, where Python has it."""
    if hasattr(error, "add_note"):
        error.add_note(note)


def _as_remote(this: Described, chain: _Chain, explain: Callable[[str, str], str]) -> Any:
    name = this["kinds"][0][1].rpartition(".")[2]
    own = _own_class(this)
    if own is not None and issubclass(own, Exception):
        built = _instance(own, this)
        if isinstance(built, Exception):
            text = this["text"]
            if (explained := explain(name, text)) != text:
                add_note(built, explained.removeprefix(text).strip())
            return built
    base: Any = _built_in(this)
    raised_as_is = base is not None and base.__name__ == name
    if _GROUP is not None and base is not None and issubclass(base, _GROUP):
        return _group(combined(name, base), this["message"], chain.parts(this))
    message = explain(name, this["text"])
    if base is None or issubclass(base, _NOT_RAISABLE) or not issubclass(base, Exception):
        return JobFailedError(f"{name}: {message}" if message else name)
    kind = combined(name, base)
    if raised_as_is and message == this["text"]:
        built = _instance(kind, this, base)
        if isinstance(built, RemoteError):
            return built
    return _plain(kind, base, message)


def _as_itself(this: Described, chain: _Chain) -> Any:
    """An error of the chain, which nobody catches: its text and its name count."""
    base: Any = _own_class(this) or _built_in(this) or Exception
    name = this["kinds"][0][1].rpartition(".")[2]
    if _GROUP is not None and issubclass(base, _GROUP):
        return _group(base, this["message"], chain.parts(this))
    if base.__name__ == name:
        built = _instance(base, this)
        if built is not None:
            return built
    with suppress(Exception):  # Whatever its constructor does with a lone text.
        return _named(name, this["kinds"][0][0], base)(this["text"])
    return Exception(f"{name}: {this['text']}")


def _group(kind: Any, message: str, parts: list[BaseException]) -> Any:
    new: Any = kind.__new__
    return new(kind, message, parts)


@functools.cache
def _named(name: str, module: str, base: Any) -> type[BaseException]:
    return type(name, (base,), {"__module__": module, "__str__": base.__str__})


@functools.cache
def combined(name: str, base: Any, plain: bool = False) -> type[JobFailedError]:
    """A JobFailedError that is also a ``base``, a built-in exception, and is called ``name``.

    Its text is what ``base`` makes of its arguments, or with ``plain`` the first of them.
    """
    bases = (JobFailedError,) if base is Exception else (JobFailedError, base)
    members = {
        "__module__": "builtins" if base.__name__ == name else JobFailedError.__module__,
        "__reduce__": functools.partialmethod(_reduced, plain),
    }
    if not plain:
        members["__str__"] = base.__str__
    return type(name, bases, members)


def _plain(kind: type[JobFailedError], base: Any, *args: Any) -> Any:
    """An instance that was constructed as ``base`` is: ours would take a message alone."""
    new: Any = Exception.__new__ if base is MemoryError else kind.__new__
    made = new(kind, *args)
    try:
        base.__init__(made, *args)
    except TypeError:  # Such as UnicodeDecodeError, which is not made from a text.
        nearest = next(each for each in base.__mro__[1:] if each.__module__ == "builtins")
        return _plain(combined(kind.__name__, nearest), nearest, *args)
    made.args = args
    # What RemoteError's constructor would set.
    made.job_id = made.endpoint_id = made.worker_id = made.remote_traceback = None
    made.stdout = ""
    return made


def construct(name: str, base: Any, plain: bool, *args: Any) -> Any:
    """An error of the type that ``combined`` gives, or of a near one that takes ``args``."""
    return _plain(combined(name, base, plain), base, *args)


def _reduced(error: BaseException, plain: bool) -> tuple[Any, ...]:
    """``__reduce__`` of the combined types, which no import finds."""
    kind = type(error)
    base: Any = kind.__mro__[kind.__mro__.index(JobFailedError) + 3]
    reduced = base.__reduce__(error)
    return construct, (kind.__name__, base, plain, *reduced[1]), vars(error).copy()


def _instance(
    kind: type[BaseException], this: Described, base: type[BaseException] | None = None
) -> BaseException | None:
    """An instance with the arguments and attributes it had; None where that cannot be."""
    if this["content"] is None:
        return None
    with suppress(Exception):  # The class's own code, and classes that are not here.
        args, attributes, whole = unpack(base64.b64decode(this["content"]))
        if base is not None:
            made: Any = _plain(kind, base, *args)  # type: ignore[arg-type]
            made = made if type(made) is kind else None
        elif whole is not None:
            made = unpack(whole)
        else:
            made = kind.__new__(kind, *args)
            _initialise(made, args)
        for name, value in attributes.items():
            if hasattr(BaseException, name):
                continue  # Hidden there by what Python itself keeps under that name.
            with suppress(AttributeError, TypeError):
                put(made, name, value)
        return made if isinstance(made, kind) else None
    return None


def _initialise(error: BaseException, args: tuple[Any, ...]) -> None:
    """What the built-in base does; the constructor of the class itself is not run again."""
    base = next(each for each in type(error).__mro__ if each.__module__ == "builtins")
    with suppress(TypeError):
        base.__init__(error, *args)  # type: ignore[misc]
    put(error, "args", args)


def _own_class(this: Described) -> type[BaseException] | None:
    """The class of an error that is not built in, if it is here already."""
    module, path = this["kinds"][0]
    # The worker's own part is none of the user's, also where it ran in this process.
    if module == "builtins" or module.startswith(onworker.__name__):
        return None
    if module == main_name():
        module = MAIN
    found: Any = sys.modules.get(module)
    with suppress(Exception):  # Modules that import when asked for a name raise anything.
        for part in path.split("."):
            found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _built_in(this: Described) -> type[BaseException] | None:
    for module, name in this["kinds"]:
        kind = getattr(builtins, name, None) if module == "builtins" else None
        if isinstance(kind, type) and issubclass(kind, BaseException):
            return kind if kind is not BaseException else None
    return None
