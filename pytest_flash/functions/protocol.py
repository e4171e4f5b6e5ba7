"""The Flash function protocol: a call as a queue job's input, and its output as a result.

The models are those of the official SDK (``FunctionRequest``, ``FunctionResponse``, versions 1.1
to 1.21), so that the official worker images run our functions as they are.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cloudpickle

from .registry import FunctionSpec
from .source import ShippedSource


def request_prefix(spec: FunctionSpec, source: ShippedSource) -> str:
    """The part of a request body that is the same for every call, up to the arguments."""
    request: dict[str, Any] = {
        "function_name": source.name,
        "function_code": source.code,
        "execution_type": "function",
        "accelerate_downloads": spec.accelerate_downloads,
    }
    if spec.dependencies:
        request["dependencies"] = list(spec.dependencies)
    if spec.system_dependencies:
        request["system_dependencies"] = list(spec.system_dependencies)
    return f'{{"input": {json.dumps(request)[:-1]}'


def request_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The rest of a request body: each argument as base64 of its cloudpickle."""
    positional = json.dumps([_encode(value) for value in args])
    named = json.dumps({name: _encode(value) for name, value in kwargs.items()})
    return f', "args": {positional}, "kwargs": {named}}}}}'


@dataclass(frozen=True)
class FunctionResponse:
    """What the worker says of one call. ``error`` is None for a success."""

    success: bool
    result: str | None = None
    error: str | None = None
    stdout: str = ""


def read_response(output: Any) -> FunctionResponse | None:
    """Read a job's ``output``; None for anything that is no response.

    The queue takes ``error`` out of a failed response, so it may be absent here; a function that
    the worker does not find arrives as ``success`` false with the message in ``result``. A worker
    that died says nothing, and an image that is not a Flash worker says something else.
    """
    if not isinstance(output, dict) or not isinstance(output.get("success"), bool):
        return None
    return FunctionResponse(
        success=output["success"],
        result=_text(output.get("result")),
        error=_text(output.get("error")),
        stdout=_text(output.get("stdout")) or "",
    )


def decode(text: str | None) -> Any:
    """The value behind base64 of a cloudpickle; None (an old worker's None) is None."""
    return None if text is None else cloudpickle.loads(base64.b64decode(text))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _encode(value: Any) -> str:
    return base64.b64encode(cloudpickle.dumps(value)).decode("ascii")
