"""What shipped code finds on the worker in place of ``pytest_flash``, and of missing modules."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import types
from collections.abc import Callable
from typing import Any, Union

FUNCTION = "__flash_function__"
"""An attribute of a stand-in: the function or class behind it."""
_MADE = "__flash_instances__"


def stand_in(target: Any) -> Any:
    """A remote function or class as code on the worker knows it: awaited, and run right here."""
    if isinstance(target, type):
        return RemoteClass.of(target)
    if inspect.iscoroutinefunction(target):

        @functools.wraps(target)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await target(*args, **kwargs)

    else:

        @functools.wraps(target)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return target(*args, **kwargs)

    call.__dict__.pop("__wrapped__", None)
    setattr(call, FUNCTION, target)
    return call


def remote(target: Any) -> Any:
    """``stand_in``, for a definition: the instances of a class can be pickled, too."""
    if not isinstance(target, type):
        return stand_in(target)
    made = RemoteClass.of(target)
    target.__reduce_ex__ = _reducing(target, made)  # type: ignore[assignment]
    return made


def _reducing(target: Any, made: RemoteClass) -> Callable[[Any, Any], Any]:
    """How instances of ``target`` are pickled: by name it is ``made``, not the class itself."""
    own = vars(target).get("__reduce_ex__")

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        reduced = own(self, protocol) if own else super(target, self).__reduce_ex__(protocol)
        if type(self) is not target or not isinstance(reduced, tuple):
            return reduced
        function, args, *rest = reduced
        named = tuple(made if each is target else each for each in (function, *args))
        return (made_again, named, *rest) if made in named else reduced

    return __reduce_ex__


def made_again(function: Any, *args: Any) -> Any:
    """An instance of a remote class, as it is unpickled or copied."""
    kind, *given = (behind(e) if isinstance(e, RemoteClass) else e for e in (function, *args))
    return kind(*given)


def lives_here(value: Any) -> bool:
    """Whether ``value`` is a remote class itself, or an instance that is pickled by its name: at
    the caller that is another class's."""
    kind = value if isinstance(value, type) else type(value)
    if kind is RemoteInstance or not _is_remote(kind):
        return kind is RemoteInstance
    reduced = value.__reduce_ex__(4) if value is not kind else None
    return value is kind or (isinstance(reduced, tuple) and reduced[0] is made_again)


def _is_remote(kind: type) -> bool:
    return getattr(vars(kind).get("__reduce_ex__"), "__module__", None) == __name__


def wrapped_stand_in(*wrappers: Callable[[], Any]) -> Callable[[Any], Any]:
    """As ``stand_in``, wrapped for those that await it. Each of ``wrappers`` gives a decorator, the
    outermost first, or raises where it stayed at the caller: that one is left out, as it is for
    calls from there, which it has wrapped already."""

    def decorate(target: Any) -> Any:
        if isinstance(target, type):
            return remote(target)
        made: list[Any] = []

        @functools.wraps(target)
        async def call(*args: Any, **kwargs: Any) -> Any:
            if not made:
                made.append(_wrapped(stand_in(target), wrappers))
            value = made[0](*args, **kwargs)
            return await value if inspect.isawaitable(value) else value

        call.__dict__.pop("__wrapped__", None)
        setattr(call, FUNCTION, target)
        return call

    return decorate


def _wrapped(inner: Any, wrappers: tuple[Callable[[], Any], ...]) -> Any:
    for each in reversed(wrappers):
        try:
            inner = each()(inner)
        except (NameError, ImportError) as error:
            if isinstance(error, ImportError) and not is_of_placeholder(error):
                raise
    return inner


def behind(target: Any) -> Any:
    """The function or class behind a stand-in; anything else as it is."""
    return getattr(target, FUNCTION, target)


class RemoteClass:
    """A remote class: its instances' methods are awaited. A base of other classes, too."""

    # Of the class itself: a derived one calls the constructor of its base.
    __init__ = property(lambda self: getattr(self, FUNCTION).__init__)

    @classmethod
    def of(cls, target: type) -> RemoteClass:
        """That of ``target``."""
        made: RemoteClass = object.__new__(cls)
        setattr(made, FUNCTION, target)
        functools.update_wrapper(made, target, updated=())
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make an instance, in this process."""
        return RemoteInstance(getattr(self, FUNCTION)(*args, **kwargs))

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (getattr(self, FUNCTION),)

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007 - made at run time

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007

    def __instancecheck__(self, instance: Any) -> bool:
        made = vars(instance)["_instance"] if type(instance) is RemoteInstance else instance
        return isinstance(made, getattr(self, FUNCTION))

    def __subclasscheck__(self, subclass: Any) -> bool:
        return issubclass(behind(subclass), getattr(self, FUNCTION))

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, FUNCTION), name)

    def __reduce__(self) -> str:
        return str(getattr(self, FUNCTION).__qualname__)


def instance(kind: Any, digest: bytes, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The instance of a remote class that these arguments construct, once for each process."""
    target = behind(kind)
    made = vars(target).get(_MADE)
    if made is None:
        made = {}
        setattr(target, _MADE, made)
    if digest not in made:
        made[digest] = kind(*args, **kwargs)
    return made[digest]


class RemoteInstance:
    """An instance of a remote class."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance

    def __getattr__(self, name: str) -> Any:
        value = getattr(object.__getattribute__(self, "_instance"), name)
        return stand_in(value) if callable(value) else value

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the instance."""
        value = self._instance(*args, **kwargs)
        return await value if inspect.isawaitable(value) else value


class Inert:
    """Accepts everything and does nothing: a resource, a GPU's name, a data centre."""

    def __init__(self, *_: Any, **kwargs: Any) -> None:
        self.__dict__.update(kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()

    def __class_getitem__(cls, item: Any) -> Any:
        return cls


class _InertClass(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()


def package(name: str) -> types.ModuleType:
    """A module in place of ``pytest_flash`` or one of its submodules."""
    made = types.ModuleType(name)
    made.__path__ = []
    made.__dict__["remote"] = _remote
    made.__dict__["__getattr__"] = functools.partial(_name_of, made)
    return made


def _remote(*_: Any, **__: Any) -> Callable[[Any], Any]:
    return remote


def _name_of(module: types.ModuleType, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    kind: Any = (
        type(name, (Exception,), {}) if name.endswith("Error") else _InertClass(name, (Inert,), {})
    )
    module.__dict__[name] = kind
    return kind


# What code asks modules for; other names with underscores are asked by Python itself.
_OF_MODULES = {"__name__", "__version__", "__file__", "__path__", "__all__"}


_MESSAGE = "_flash_message"


class MissingModule:
    """Stands where an import found nothing, or for what stayed at the caller. Its attributes are
    such too; all else raises. ``module`` is empty for what stayed."""

    def __init__(self, name: str, message: str, module: str) -> None:
        object.__setattr__(self, "_flash", (name, message, module))

    def __getattr__(self, name: str) -> Any:
        if name in _OF_MODULES:
            _raise(self)
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        mine, message, module = object.__getattribute__(self, "_flash")
        return MissingModule(f"{mine}.{name}", message, module)

    def __or__(self, other: Any) -> Any:
        return self

    __ror__ = __or__

    def __getitem__(self, item: Any) -> Any:
        return self

    def __repr__(self) -> str:
        return f"<{self._flash[0]}, which is not on this worker>"


def _raise(self: MissingModule, *_: Any, **__: Any) -> Any:
    name, message, module = object.__getattribute__(self, "_flash")
    kind = ModuleNotFoundError if module else ImportError
    error = kind(f"{message}; {name} is needed here", name=module or None)
    error.__dict__[_MESSAGE] = message
    raise error


for _name in (
    *("call", "mro_entries", "instancecheck", "subclasscheck", "enter", "aenter", "iter", "next"),
    *("len", "bool", "int", "float", "str", "contains", "setattr", "setitem", "delitem", "await"),
    *(
        "reduce",
        "lt",
        "le",
        "gt",
        "ge",
        "add",
        "radd",
        "sub",
        "rsub",
        "mul",
        "rmul",
        "truediv",
        "rtruediv",
    ),
    *("matmul", "rmatmul", "and", "rand", "neg", "pow", "rpow", "mod", "floordiv", "index"),
):
    setattr(MissingModule, f"__{_name}__", _raise)


def missing(error: ImportError, names: list[str], file: str, line: int) -> dict[str, MissingModule]:
    """Placeholders for the ``names`` that the statement at ``file:line`` would have bound.

    Raises ``error`` if it is about something else than what is not on this worker.
    """
    if not isinstance(error, ModuleNotFoundError) and not is_of_placeholder(error):
        raise error
    # Of a module whose own import missed something, that is what counts.
    message = vars(error).get(_MESSAGE) or f"{error} ({file}:{line} imports it)"
    return {name: MissingModule(name, message, error.name or "") for name in names}


def is_of_placeholder(error: ImportError) -> bool:
    """Whether using a placeholder raised ``error``."""
    return _MESSAGE in vars(error)


def is_here_now(placeholder: MissingModule) -> bool:
    """Whether what was missing may have been installed since."""
    _, _, module = object.__getattribute__(placeholder, "_flash")
    try:
        return not module or importlib.util.find_spec(module.partition(".")[0]) is not None
    except ValueError:  # Somebody has put a module there that was not imported.
        return True
