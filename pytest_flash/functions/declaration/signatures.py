"""Whether the arguments of a call fit, found before anything is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .specs import FunctionSpec

Takes = Callable[..., None]


def taking(function: Callable[..., Any], name: str) -> Takes:
    """Something that takes what ``function`` takes, and does nothing.

    Called with anything else it raises TypeError in Python's own words, about ``name``. Where
    only the function itself knows, it takes everything.
    """
    try:
        signature = inspect.signature(function)
        parameters = [
            each.replace(
                annotation=each.empty, default=each.empty if each.default is each.empty else None
            )
            for each in signature.parameters.values()
        ]
        plain = signature.replace(parameters=parameters, return_annotation=signature.empty)
        namespace: dict[str, Any] = {}
        exec(f"def takes{plain}: pass", namespace)
    except (TypeError, ValueError, SyntaxError):
        return _everything
    takes: Takes = namespace["takes"]
    takes.__qualname__ = name
    return takes


def taking_call(spec: FunctionSpec) -> Takes:
    """As ``taking``, for calls of ``spec``; those of a method have an instance first."""
    takes = taking(spec.function, spec.name)
    if spec.owner is None or spec.method is None:
        return takes
    if not isinstance(inspect.getattr_static(spec.owner, spec.method), staticmethod):
        return takes
    return lambda _instance, *args, **kwargs: takes(*args, **kwargs)


def _everything(*_: Any, **__: Any) -> None:
    """Takes everything."""
