"""Runs what one FunctionRequest asks for, the way the Flash images do."""

from __future__ import annotations

import base64
import datetime
import functools
import inspect
import secrets
import traceback
import types
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cloudpickle

from .function_protocol import FunctionRequest, FunctionResponse

_RUNTIME_FOLDER = str(Path(__file__).parent)


class _NotInCode(Exception):
    """The shipped source defines no function of the requested name."""


class _NoMethod(Exception):
    """The class has no method of the requested name."""


@dataclass(frozen=True)
class _Returned:
    value: object
    instance_id: str | None = None
    instance_info: dict[str, object] | None = None


class Captured(AbstractContextManager["Captured"], Protocol):
    """Something that keeps what is printed while it is entered."""

    def text(self) -> str:
        """Everything so far."""
        ...

    def records(self) -> str:
        """What was logged so far."""
        ...


async def execute(
    request: FunctionRequest, notes: str, captured: Captured, restore: Callable[[], None]
) -> FunctionResponse:
    """Run a function or a method and describe how it ended; raises nothing.

    ``notes`` (lines about the dependencies) precede what the code printed, which ``captured``
    keeps. ``restore`` puts back what the code must not have changed.

    Synchronous code runs inline on the loop, as in the images: there ``asyncio.run`` fails inside
    a synchronous function, and here too.
    """
    with captured as capture:
        try:
            call = _call_method if request.execution_type == "class" else _call_function
            try:
                returned = await call(request)
            finally:
                restore()
        except _NotInCode as error:
            # The images put this text in `result`, and the job ends COMPLETED.
            return FunctionResponse(False, result=str(error), stdout=_logged(notes, capture))
        except _NoMethod as error:
            return FunctionResponse(False, error=str(error), stdout=_logged(notes, capture))
        except BaseException as error:  # noqa: BLE001 - SystemExit too must reach the caller
            text = describe(error)
            return FunctionResponse(False, error=text, stdout=notes + capture.text())
        try:
            try:
                pickled = cloudpickle.dumps(returned.value)
            finally:
                restore()
            result = base64.b64encode(pickled)
        except BaseException as error:  # noqa: BLE001 - runs user code: __reduce__, __getstate__
            # In the images this is another error than those of functions, and loses the output.
            return FunctionResponse(False, error=f"Error in handler: {_message(error)}")
        return FunctionResponse(
            True,
            result=result,
            stdout=notes + capture.text(),
            instance_id=returned.instance_id,
            instance_info=returned.instance_info,
        )


def _logged(notes: str, capture: Captured) -> str | None:
    """The output where the images leave out what was printed: nothing is not the empty text."""
    return notes + capture.records() or None


def describe(error: BaseException) -> str:
    """The error's message, a newline, and its traceback without the worker's own frames."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_RUNTIME_FOLDER):
        trace = trace.tb_next
    # Where only the worker's own frames are left, as for arguments that cannot be read, they
    # stay: the caller tells the error's type by the traceback.
    try:
        lines = traceback.format_exception(type(error), error, trace or error.__traceback__)
    except Exception:  # noqa: BLE001 - groups that are nested too deeply; a job's own ``traceback``
        lines = traceback.format_exception_only(type(error), error)
    return f"{_message(error)}\n{''.join(lines)}"


async def _call_function(request: FunctionRequest) -> _Returned:
    namespace: dict[str, Any] = {}
    exec(_compiled(request.function_code or ""), namespace)
    if request.function_name not in namespace:
        raise _NotInCode(f"Function '{request.function_name}' not found in the provided code")
    function = namespace[request.function_name]
    args, kwargs = _decode(request.args, request.kwargs)
    return _Returned(await _result_of(function, args, kwargs))


async def _call_method(request: FunctionRequest) -> _Returned:
    """Builds a new instance for every job: the images keep none between jobs either."""
    namespace: dict[str, Any] = {}
    exec(_compiled(request.class_code or ""), namespace)
    if request.class_name not in namespace:
        raise ValueError(f"Class '{request.class_name}' not found in the provided code")
    args, kwargs = _decode(request.constructor_args, request.constructor_kwargs)
    instance = namespace[request.class_name](*args, **kwargs)
    if not hasattr(instance, request.method_name):
        raise _NoMethod(f"Method '{request.method_name}' not found in class '{request.class_name}'")
    args, kwargs = _decode(request.args, request.kwargs)
    value = await _result_of(getattr(instance, request.method_name), args, kwargs)
    now = datetime.datetime.now().isoformat()
    return _Returned(
        value,
        instance_id=request.instance_id or f"{request.class_name}_{secrets.token_hex(4)}",
        instance_info={
            "class_name": request.class_name,
            "created_at": now,
            "method_calls": 1,
            "last_used": now,
        },
    )


@functools.lru_cache(maxsize=32)
def _compiled(source: str) -> types.CodeType:
    """What ``exec`` makes of ``source`` first, and every call of a function again."""
    return compile(source, "<string>", "exec")


async def _result_of(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
) -> object:
    if inspect.iscoroutinefunction(function):
        return await function(*args, **kwargs)
    return function(*args, **kwargs)


def _decode(args: list[str], kwargs: dict[str, str]) -> tuple[list[Any], dict[str, Any]]:
    return [_loads(value) for value in args], {name: _loads(kwargs[name]) for name in kwargs}


def _loads(value: str) -> Any:
    return cloudpickle.loads(base64.b64decode(value))


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
        text = f"<{type(error).__name__} whose text cannot be read>"
    if isinstance(error, Exception):
        return text
    return f"{type(error).__name__}: {text or 'no message'} (on Runpod this ends the worker)"
